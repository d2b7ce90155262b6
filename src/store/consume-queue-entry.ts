/**
 * One entry of a consume queue: where a message is in the commit log, and what pulls filter it by.
 *
 *     commitLogOffset 8 | sizeBytes 4 | tagsCode 8          big-endian; source ConsumeQueue.java
 *
 * `tagsCode` is the Java hash of the tag as int64, or in SCHEDULE_TOPIC_XXXX the delivery time in ms. When the first
 * file of a queue starts in the middle, blank entries (offset 0, size 0x7fffffff) fill it up to the first real one.
 */
export const ENTRY = { commitLogOffset: 0, sizeBytes: 8, tagsCode: 12, bytes: 20 } as const;

const BLANK_SIZE = 0x7fff_ffff;
const TWO_32 = 0x1_0000_0000;
/** High words from here on belong to offsets beyond 2^53, or negative ones. */
const HIGH_WORD_END = 0x20_0000;

function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function setInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Bytes in front of the message in the commit log; -1 for what can be no offset. */
export function entryOffset(bytes: Uint8Array, at: number): number {
  const high = int32At(bytes, at) >>> 0;
  return high < HIGH_WORD_END ? high * TWO_32 + (int32At(bytes, at + 4) >>> 0) : -1;
}

export function entrySize(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at + ENTRY.sizeBytes);
}

/** The commit log offset right behind the message. */
export function entryEnd(bytes: Uint8Array, at: number): number {
  return entryOffset(bytes, at) + entrySize(bytes, at);
}

export function entryTagsCode(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at + ENTRY.tagsCode) * TWO_32 + (int32At(bytes, at + ENTRY.tagsCode + 4) >>> 0);
}

export function isBlankEntry(bytes: Uint8Array, at: number): boolean {
  return entrySize(bytes, at) === BLANK_SIZE && entryOffset(bytes, at) === 0;
}

/** What recovery takes for an entry (ConsumeQueue.recover): zeros behind the last one are none. */
export function isValidEntry(bytes: Uint8Array, at: number): boolean {
  return entrySize(bytes, at) > 0 && entryOffset(bytes, at) >= 0;
}

/** `tagsCode` is a safe integer. */
export function writeEntry(
  bytes: Uint8Array,
  at: number,
  commitLogOffset: number,
  sizeBytes: number,
  tagsCode: number,
): void {
  setInt32(bytes, at, Math.floor(commitLogOffset / TWO_32));
  setInt32(bytes, at + 4, commitLogOffset);
  setInt32(bytes, at + ENTRY.sizeBytes, sizeBytes);
  setInt32(bytes, at + ENTRY.tagsCode, Math.floor(tagsCode / TWO_32));
  setInt32(bytes, at + ENTRY.tagsCode + 4, tagsCode);
}

export function writeBlankEntry(bytes: Uint8Array, at: number): void {
  writeEntry(bytes, at, 0, BLANK_SIZE, 0);
}
