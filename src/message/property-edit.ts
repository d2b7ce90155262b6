/** Takes properties out of the stored form, and adds some, without decoding the others. See properties.ts for the form. */
import { copyBytes } from './bytes.js';
import { NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR } from './properties.js';

/**
 * Copies `source[start, start + length)` to `target[at..]` without the properties named in `dropped` (UTF-8), wherever
 * they occur, and without empty items; returns the position behind the last one, which has no separator after it.
 */
export function copyWithout(
  source: Uint8Array,
  start: number,
  length: number,
  dropped: readonly Uint8Array[],
  target: Uint8Array,
  at: number,
): number {
  const end = start + length;
  let next = at;
  let item = start;
  while (item < end) {
    let itemEnd = item;
    while (itemEnd < end && source[itemEnd] !== PROPERTY_SEPARATOR) itemEnd++;
    if (itemEnd > item && !isNamed(source, item, itemEnd, dropped)) {
      if (next > at) target[next++] = PROPERTY_SEPARATOR;
      copyBytes(source, item, itemEnd - item, target, next);
      next += itemEnd - item;
    }
    item = itemEnd + 1;
  }
  return next;
}

/** Adds one behind what lies in `target[begin, at)`; returns the new end. */
export function appendProperty(
  target: Uint8Array,
  begin: number,
  at: number,
  name: Uint8Array,
  value: Uint8Array,
  valueAt = 0,
  valueBytes = value.length,
): number {
  let next = at;
  if (next > begin) target[next++] = PROPERTY_SEPARATOR;
  copyBytes(name, 0, name.length, target, next);
  next += name.length;
  target[next++] = NAME_VALUE_SEPARATOR;
  copyBytes(value, valueAt, valueBytes, target, next);
  return next + valueBytes;
}

/** Bytes that `appendProperty` adds at most. */
export function propertyBytes(name: Uint8Array, valueBytes: number): number {
  return 2 + name.length + valueBytes;
}

function isNamed(source: Uint8Array, item: number, itemEnd: number, names: readonly Uint8Array[]): boolean {
  for (const name of names) {
    const separatorAt = item + name.length;
    if (separatorAt >= itemEnd || source[separatorAt] !== NAME_VALUE_SEPARATOR) continue;
    let same = 0;
    while (same < name.length && source[item + same] === name[same]) same++;
    if (same === name.length) return true;
  }
  return false;
}
