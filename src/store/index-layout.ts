/**
 * The key index as Apache's broker keeps it: files of a hash table with chains. Big-endian; source IndexFile.java,
 * IndexHeader.java.
 *
 *     header 40 | slots 4 x slotCount: number of the newest entry, 0 = none | entries 20 x entryCount, number 0 unused
 *
 * An entry names the one before it in its slot's chain. Times are whole seconds after the file's beginTimestamp.
 */
import { readInt64OrNone, writeInt64 } from '../base/int64.js';

const HEADER = {
  beginTimestamp: 0,
  endTimestamp: 8,
  beginOffset: 16,
  endOffset: 24,
  usedSlots: 32,
  entries: 36,
} as const;
export const HEADER_BYTES = 40;

export const SLOT_BYTES = 4;

export const INDEX_ENTRY = { keyHash: 0, commitLogOffset: 4, seconds: 12, previous: 16, bytes: 20 } as const;

/** Sizes of an index file: maxHashSlotNum and maxIndexNum. */
export interface IndexSizes {
  readonly slots: number;
  readonly entries: number;
}

export function indexFileBytes(sizes: IndexSizes): number {
  return entryAt(sizes, sizes.entries);
}

export function slotAt(slot: number): number {
  return HEADER_BYTES + slot * SLOT_BYTES;
}

export function entryAt(sizes: IndexSizes, entry: number): number {
  return HEADER_BYTES + sizes.slots * SLOT_BYTES + entry * INDEX_ENTRY.bytes;
}

/** What a file's header says. A new file takes the end of the one before it for its beginning, until its first key. */
export class IndexHeader {
  /** Store time and commit log offset of the first and of the last message in the file. */
  beginTimestamp = 0;
  endTimestamp = 0;
  beginOffset = 0;
  endOffset = 0;
  /** Slots with a chain. */
  usedSlots = 0;
  /** Number of the next entry: one more than there are. */
  entries = 1;

  read(view: DataView): void {
    this.beginTimestamp = readInt64OrNone(view, HEADER.beginTimestamp);
    this.endTimestamp = readInt64OrNone(view, HEADER.endTimestamp);
    this.beginOffset = readInt64OrNone(view, HEADER.beginOffset);
    this.endOffset = readInt64OrNone(view, HEADER.endOffset);
    this.usedSlots = view.getInt32(HEADER.usedSlots);
    this.entries = Math.max(1, view.getInt32(HEADER.entries));
  }

  /** It may be the header of a file of these sizes. Times do not count: clocks go back. */
  isSound(sizes: IndexSizes): boolean {
    const { beginTimestamp, endTimestamp, beginOffset, endOffset, entries } = this;
    return (
      Math.min(beginTimestamp, endTimestamp, beginOffset) >= 0 && endOffset >= beginOffset && entries <= sizes.entries
    );
  }

  write(view: DataView): void {
    writeInt64(view, HEADER.beginTimestamp, this.beginTimestamp);
    writeInt64(view, HEADER.endTimestamp, this.endTimestamp);
    writeInt64(view, HEADER.beginOffset, this.beginOffset);
    writeInt64(view, HEADER.endOffset, this.endOffset);
    view.setInt32(HEADER.usedSlots, this.usedSlots);
    view.setInt32(HEADER.entries, this.entries);
  }
}
