/**
 * Java's String.hashCode over UTF-8 bytes, without making the string: h = 31 h + c for each UTF-16 unit, int32.
 * Tags codes, index keys and filter code sets are built on it.
 */

const HASH = 35;
const REPLACEMENT = 0xfffd;

/** Hash of a string, going on from `seed` (the hash of what stands before it). */
export function javaHash(text: string, seed = 0): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}

/**
 * Hash of the string that `bytes[start, start + length)` encodes in UTF-8, going on from `seed`. Malformed bytes count
 * as U+FFFD as in Java's decoder: one for each truncated or impossible sequence (java.lang.String.decodeUTF8).
 */
export function javaHashOfBytes(bytes: Uint8Array, start: number, length: number, seed = 0): number {
  const end = start + length;
  let hash = seed;
  let at = start;
  while (at < end) {
    const first = bytes[at]!;
    if (first < 0x80) {
      hash = (Math.imul(31, hash) + first) | 0;
      at++;
      continue;
    }
    const bytesWanted = first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first >= 0xf5) {
      hash = (Math.imul(31, hash) + REPLACEMENT) | 0;
      at++;
      continue;
    }
    // How many bytes are a proper beginning of a character.
    let proper = 1;
    while (proper < bytesWanted && at + proper < end && isContinuation(first, bytes[at + proper]!, proper)) proper++;
    if (proper < bytesWanted) {
      hash = (Math.imul(31, hash) + REPLACEMENT) | 0;
      at += proper;
      continue;
    }
    let unit: number;
    if (bytesWanted === 2) {
      unit = ((first & 0x1f) << 6) | (bytes[at + 1]! & 0x3f);
    } else if (bytesWanted === 3) {
      unit = ((first & 0x0f) << 12) | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f);
      if (unit >= 0xd800 && unit <= 0xdfff) unit = REPLACEMENT;
    } else {
      const point =
        ((first & 0x07) << 18) |
        ((bytes[at + 1]! & 0x3f) << 12) |
        ((bytes[at + 2]! & 0x3f) << 6) |
        (bytes[at + 3]! & 0x3f);
      hash = (Math.imul(31, hash) + (0xd7c0 + (point >>> 10))) | 0;
      unit = 0xdc00 | (point & 0x3ff);
    }
    hash = (Math.imul(31, hash) + unit) | 0;
    at += bytesWanted;
  }
  return hash;
}

/** Whether `byte` may stand at `position` (1 to 3) after `first`: no overlong forms, nothing beyond U+10FFFF. */
function isContinuation(first: number, byte: number, position: number): boolean {
  if ((byte & 0xc0) !== 0x80) return false;
  if (position > 1) return true;
  if (first === 0xe0) return byte >= 0xa0;
  if (first === 0xf0) return byte >= 0x90;
  if (first === 0xf4) return byte < 0x90;
  return true;
}

/** Code by which consume queues and pulls filter a tag; 0 without one. An int32; consume queues store it as int64. */
export function tagsCode(bytes: Uint8Array, tagAt: number, tagBytes: number): number {
  return tagBytes <= 0 ? 0 : javaHashOfBytes(bytes, tagAt, tagBytes);
}

/** The part of an index key's hash that all keys of a topic share: "topic#". Go on with indexKeyHash. */
export function indexTopicHash(bytes: Uint8Array, topicAt: number, topicBytes: number): number {
  return (Math.imul(31, javaHashOfBytes(bytes, topicAt, topicBytes)) + HASH) | 0;
}

/** Hash of `topic#key`, not negative, as the index stores it (IndexFile.indexKeyHashMethod). */
export function indexKeyHash(topicHash: number, bytes: Uint8Array, keyAt: number, keyBytes: number): number {
  return nonNegative(javaHashOfBytes(bytes, keyAt, keyBytes, topicHash));
}

/** The same from strings: for queries. */
export function indexKeyHashOf(topic: string, key: string): number {
  return nonNegative(javaHash(`${topic}#${key}`));
}

/** Math.abs of an int32, where Java's abs(MIN_VALUE) stays negative and becomes 0. */
function nonNegative(hash: number): number {
  return hash === -0x8000_0000 ? 0 : Math.abs(hash);
}
