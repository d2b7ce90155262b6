/** HOT. Lets a filter look at a message's properties in their stored form: one pass, and text only of what it asks for. */
import { bytesEqual } from '../message/bytes.js';
import { NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR } from '../message/properties.js';
import type { MessageFilter } from './compile.js';

/** Up to so many names are compared one by one; that is less work than making a string of every name. */
const COMPARED_NAMES_MAX = 8;

export class StoredPropertiesFilter {
  private readonly names: readonly Buffer[];
  private readonly indexes: ReadonlyMap<string, number>;
  private readonly values: (string | undefined)[];

  constructor(private readonly filter: MessageFilter) {
    this.names = filter.names.map((name) => Buffer.from(name, 'latin1'));
    this.indexes = new Map(filter.names.map((name, index) => [name, index]));
    this.values = filter.names.map(() => undefined);
  }

  /** See MessageFilter. */
  get size(): number {
    return this.filter.size;
  }

  /** `bytes[start, start + length)`: as in message/properties.ts. The last of equal names counts. */
  passes(bytes: Buffer, start: number, length: number): boolean {
    const { values } = this;
    values.fill(undefined);
    const end = start + length;
    for (let item = start, at = start; item < end; item = ++at) {
      let separator = -1;
      for (; at < end && bytes[at] !== PROPERTY_SEPARATOR; at++) {
        if (separator < 0 && bytes[at] === NAME_VALUE_SEPARATOR) separator = at;
      }
      if (separator <= item || separator >= at - 1) continue;
      const index = this.indexOf(bytes, item, separator - item);
      if (index >= 0) values[index] = bytes.toString('utf8', separator + 1, at);
    }
    return this.filter.matches(values);
  }

  private indexOf(bytes: Buffer, start: number, length: number): number {
    const { names } = this;
    if (names.length > COMPARED_NAMES_MAX) {
      // Names in filters are ASCII.
      return this.indexes.get(bytes.toString('latin1', start, start + length)) ?? -1;
    }
    for (let index = 0; index < names.length; index++) {
      if (bytesEqual(bytes, start, length, names[index]!)) return index;
    }
    return -1;
  }
}
