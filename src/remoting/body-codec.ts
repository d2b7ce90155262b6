/**
 * JSON bodies as tables: a codec per Java class, from which the TypeScript type, a checking decoder and the encoder derive.
 *
 *     export const producerData = bean({ groupName: required(text) });
 *     export type ProducerData = ValueOf<typeof producerData>;
 *     const body = decodeBody(heartbeatData, bytes);
 *     if (body instanceof BodyProblem) return fail(ResponseCode.SYSTEM_ERROR, body.text);
 *
 * Decoding follows fastjson's casts, because clients in other languages rely on them (numbers as strings, enums as ordinals,
 * sets left out); what cannot be cast is a BodyProblem that names the field. Unknown fields are ignored.
 */
import { invariant } from '../base/invariant.js';
import { JsonProblem, type JsonMap, type JsonValue, readFastjson } from './fastjson-reader.js';
import { Double, type JsonStyle, writeFastjson } from './fastjson-writer.js';

/** Why a body cannot be used: the remark of a response with code 1. */
export class BodyProblem {
  constructor(readonly text: string) {}
}

/** How one Java type looks in JSON. `read` throws Mismatch, which `decodeBody` turns into a BodyProblem. */
export interface Codec<T> {
  read(value: JsonValue): T;
  /** What fastjson-writer is to write. */
  write(value: T): unknown;
}

export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** Thrown while decoding, never out of this file; collects the path on its way up. */
class Mismatch extends Error {
  readonly path: string[] = [];
}

/** Checks and converts a body. */
export function decodeBody<T>(codec: Codec<T>, body: Buffer): T | BodyProblem {
  return decodeText(codec, body.toString('utf8'));
}

/** Checks and converts a text, such as the content of a config file. */
export function decodeText<T>(codec: Codec<T>, text: string): T | BodyProblem {
  const value = readFastjson(text);
  if (value instanceof JsonProblem) return new BodyProblem(`malformed JSON: ${value.text}`);
  return convert(codec, value);
}

/** Checks and converts a value that is already parsed. */
export function convert<T>(codec: Codec<T>, value: JsonValue): T | BodyProblem {
  try {
    return codec.read(value);
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    const where = error.path.reverse().join('.');
    return new BodyProblem(where === '' ? error.message : `field <${where}>: ${error.message}`);
  }
}

export function encodeBody<T>(codec: Codec<T>, value: T, style: JsonStyle = 'plain'): Buffer {
  return Buffer.from(encodeText(codec, value, style));
}

export function encodeText<T>(codec: Codec<T>, value: T, style: JsonStyle = 'plain'): string {
  return writeFastjson(codec.write(value), style);
}

function same<T>(value: T): T {
  return value;
}

function mismatch(wanted: string, value: JsonValue): never {
  const shown =
    typeof value === 'object' && value !== null ? (Array.isArray(value) ? 'an array' : 'an object') : String(value);
  throw new Mismatch(`${wanted} expected, found ${shown.slice(0, 64)}`);
}

/** Reads a part; a mismatch in it gets `step` as part of its path. */
function within<T>(step: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Mismatch) error.path.push(step);
    throw error;
  }
}

export const text: Codec<string> = {
  read: (value) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    return mismatch('string', value);
  },
  write: same,
};

function integer(name: string, low: number, high: number): Codec<number> {
  return {
    read: (value) => {
      const number = typeof value === 'string' && /^\s*[+-]?[0-9]{1,19}\s*$/.test(value) ? Number(value) : value;
      if (typeof number !== 'number' || !Number.isInteger(number) || number < low || number > high) {
        return mismatch(name, value);
      }
      return number === 0 ? 0 : number;
    },
    write: same,
  };
}

export const int = integer('int', -0x8000_0000, 0x7fff_ffff);

/** A safe integer. */
export const long = integer('long below 2^53', -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

/** Largest Number that is a Java long. */
const LONG_MAX = 2 ** 63 - 1024;
const LONG_TEXT = /^\s*[+-]?[0-9]{1,19}\s*$/;

/** A long that is only compared, and may lose digits beyond 2^53: Go counts versions in nanoseconds since the epoch. */
export const roundedLong: Codec<number> = {
  read: (value) => {
    const number = typeof value === 'string' && LONG_TEXT.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isInteger(number)) return mismatch('long', value);
    return Math.max(-LONG_MAX, Math.min(LONG_MAX, number));
  },
  write: (value) => (Number.isSafeInteger(value) ? value : BigInt(value)),
};

export const double: Codec<number> = {
  read: (value) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof number === 'number' && Number.isFinite(number) ? number : mismatch('number', value);
  },
  write: (value) => new Double(value),
};

export const bool: Codec<boolean> = {
  read: (value) => {
    if (typeof value === 'boolean') return value;
    if (value === 1 || value === 'true' || value === '1') return true;
    if (value === 0 || value === 'false' || value === '0') return false;
    return mismatch('boolean', value);
  },
  write: same,
};

/** A Java enum: its name on the wire; a number is read as its ordinal (C++ heartbeats). */
export function enumOf<const Name extends string>(names: readonly Name[]): Codec<Name> {
  return {
    read: (value) => {
      const name = typeof value === 'number' ? names[value] : names.find((candidate) => candidate === value);
      return name ?? mismatch(`one of ${names.join(', ')}`, value);
    },
    write: same,
  };
}

/** A Java List or Set. */
export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    read: (value) => {
      if (!Array.isArray(value)) return mismatch('array', value);
      return value.map((element, index) => within(String(index), () => item.read(element)));
    },
    write: (items) => items.map((element) => item.write(element)),
  };
}

/** A Java int[]. */
export const ints: Codec<readonly number[]> = {
  read: (value) => list(int).read(value),
  write: (items) => Int32Array.from(items),
};

function requireMap(value: JsonValue): JsonMap {
  return value instanceof Map ? value : mismatch('object', value);
}

function mapWith<K, V>(readKey: (key: string | JsonMap) => K, valueCodec: Codec<V>): Codec<ReadonlyMap<K, V>> {
  return {
    read: (value) => {
      const map = new Map<K, V>();
      for (const [key, entry] of requireMap(value)) {
        if (entry === null) continue;
        const step = typeof key === 'string' ? key : '{...}';
        map.set(
          within(step, () => readKey(key)),
          within(step, () => valueCodec.read(entry)),
        );
      }
      return map;
    },
    write: (map) => new Map([...map].map(([key, entry]) => [key, valueCodec.write(entry)])),
  };
}

/** A Java Map with string keys. Null values are left out. */
export function stringMap<V>(valueCodec: Codec<V>): Codec<ReadonlyMap<string, V>> {
  return mapWith((key) => (typeof key === 'string' ? key : mismatch('string key', key)), valueCodec);
}

/** A Java Map with Integer or Long keys: unquoted on the wire, quoted accepted. */
export function integerMap<V>(valueCodec: Codec<V>): Codec<ReadonlyMap<number, V>> {
  return mapWith((key) => (typeof key === 'string' ? long.read(key) : mismatch('integer key', key)), valueCodec);
}

/** A Java Map whose keys are beans, such as MessageQueue: object literals as keys. Keys are compared by identity here. */
export function beanMap<K, V>(keyCodec: Codec<K>, valueCodec: Codec<V>): Codec<ReadonlyMap<K, V>> {
  return mapWith((key) => (typeof key === 'string' ? mismatch('object key', key) : keyCodec.read(key)), valueCodec);
}

/** A bean's field: its codec, and what an absent or null one reads as. */
export interface BeanField<T> {
  readonly codec: Codec<T>;
  readonly absent: (() => T) | undefined;
}

/** A field that must be there. */
export function required<T extends NonNullable<unknown>>(codec: Codec<T>): BeanField<T> {
  return { codec, absent: undefined };
}

/** A field that reads as undefined when absent. */
export function optional<T extends NonNullable<unknown>>(codec: Codec<T>): BeanField<T | undefined> {
  return { codec: codec as Codec<T | undefined>, absent: () => undefined };
}

/** A field with the value that a new Java object has. */
export function defaulting<T extends NonNullable<unknown>, const A extends T>(
  codec: Codec<T>,
  absent: () => A,
): BeanField<T> {
  return { codec, absent };
}

type BeanFields = Readonly<Record<string, BeanField<unknown>>>;

/** The type of a bean: all fields present, optional ones possibly undefined. */
type BeanOf<Fields extends BeanFields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends BeanField<infer T> ? T : never;
};

/** A Java bean; the names are those of the wire. */
export function bean<const Fields extends BeanFields>(fields: Fields): Codec<BeanOf<Fields>> {
  const entries = Object.entries(fields);
  return {
    read: (value) => {
      const map = requireMap(value);
      const result: Record<string, unknown> = {};
      for (const [name, field] of entries) {
        const entry = map.get(name) ?? null;
        if (entry !== null) result[name] = within(name, () => field.codec.read(entry));
        else if (field.absent !== undefined) result[name] = field.absent();
        else throw new Mismatch(`field <${name}> is missing`);
      }
      return result as BeanOf<Fields>;
    },
    write: (value) => {
      const result: Record<string, unknown> = {};
      for (const [name, field] of entries) {
        const entry = (value as Readonly<Record<string, unknown>>)[name];
        if (entry !== undefined && entry !== null) result[name] = field.codec.write(entry);
        else invariant(field.absent !== undefined, 'required body field not given', name);
      }
      return result;
    },
  };
}
