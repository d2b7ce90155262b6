/**
 * Makes an index file whole that a crash interrupted, from itself: its entries are in log order and complete up to some
 * place, and the chains through them can be linked again. That costs a read of the entries (20 bytes a key), where
 * indexing their messages again would cost reading the log, and Apache's broker loses the keys.
 *
 * Nothing but its entries is believed: an entry goes on from its predecessor, or it is the first that was never written.
 * A power loss may have taken any sectors of them, which then read as zeros or end early, and that is seen.
 */
import type { Disk, DiskFile } from '../base/disk.js';
import { readInt64OrNone } from '../base/int64.js';
import { MS_PER_SECOND } from '../base/units.js';
import { BATCH_KEYS_MAX } from './index-batch.js';
import {
  entryAt,
  HEADER_BYTES,
  INDEX_ENTRY,
  IndexHeader,
  type IndexSizes,
  SLOT_BYTES,
  slotAt,
} from './index-layout.js';
import { isZero } from './zeros.js';

const CHUNK_ENTRIES = 3_200;
const SLOTS_PER_CHUNK = 16_384;

interface Kept {
  /** Entries that stay. */
  readonly count: number;
  /** Of the last of them. */
  readonly endOffset: number;
  readonly endSeconds: number;
}

/**
 * Keeps the entries of messages in front of `limit`, as far as they are good, and links them again, durably; false when
 * there are none. Unless the file is full, all keys of the messages that it still knows are in it. Throws DiskError.
 */
export function repairIndexFile(disk: Disk, path: string, sizes: IndexSizes, limit: number): boolean {
  const file = disk.open(path);
  try {
    return new Repair(file, sizes).run(limit);
  } finally {
    file.close();
  }
}

class Repair {
  private readonly header = new IndexHeader();
  private readonly chunk = new Uint8Array(CHUNK_ENTRIES * INDEX_ENTRY.bytes);
  private readonly view = new DataView(this.chunk.buffer);

  constructor(
    private readonly file: DiskFile,
    private readonly sizes: IndexSizes,
  ) {
    file.read(this.chunk, 0, HEADER_BYTES, 0);
    this.header.read(this.view);
  }

  run(limit: number): boolean {
    const { header, sizes, file } = this;
    if (!header.isSound(sizes)) return false;
    const known = Math.min(header.entries, sizes.entries);
    const { count, endOffset, endSeconds } = this.goodEntries(known, limit);
    if (count === 0) return false;
    if (count + 1 < known) {
      header.endOffset = endOffset;
      // Entries have whole seconds; too late is harmless.
      const latest = header.beginTimestamp + (endSeconds + 1) * MS_PER_SECOND - 1;
      header.endTimestamp = Math.max(header.beginTimestamp, Math.min(header.endTimestamp, latest));
    }
    header.entries = count + 1;
    this.clear(count + 1, Math.min(sizes.entries, known + 2 * BATCH_KEYS_MAX));
    this.link(count);
    header.write(this.view);
    file.write(this.chunk, 0, HEADER_BYTES, 0);
    file.sync();
    return true;
  }

  /**
   * Zeros what was written behind the last entry, at most two batches beyond those that the header knew: it must not be
   * taken for entries when a later crash leaves holes among new ones.
   */
  private clear(from: number, to: number): void {
    for (let entry = from; entry < to; ) {
      const count = this.load(entry, to);
      const bytes = count * INDEX_ENTRY.bytes;
      if (!isZero(this.chunk, 0, bytes)) {
        this.chunk.fill(0, 0, bytes);
        this.file.write(this.chunk, 0, bytes, entryAt(this.sizes, entry));
      }
      entry += count;
    }
  }

  /** How far the entries are good and of messages in front of `limit`. */
  private goodEntries(known: number, limit: number): Kept {
    let current: Kept = { count: 0, endOffset: this.header.beginOffset, endSeconds: 0 };
    /** Without those of the last message. */
    let before = current;
    for (let from = 1; from < known; from += CHUNK_ENTRIES) {
      const count = this.load(from, known);
      for (let n = 0; n < count; n++) {
        const at = n * INDEX_ENTRY.bytes;
        const offset = readInt64OrNone(this.view, at + INDEX_ENTRY.commitLogOffset);
        const seconds = this.view.getInt32(at + INDEX_ENTRY.seconds);
        const isGood = offset >= current.endOffset && seconds >= 0 && this.view.getInt32(at + INDEX_ENTRY.keyHash) >= 0;
        if (!isGood || (current.count === 0 && offset !== this.header.beginOffset)) return before;
        // All keys of the message before were put before this one was.
        if (offset >= limit) return current;
        if (offset > current.endOffset) before = current;
        current = { count: from + n, endOffset: offset, endSeconds: seconds };
      }
    }
    // More keys of the last message may have been on their way; in a full file they are in the next one.
    return known === this.sizes.entries ? current : before;
  }

  /** Links entries 1 to `count` by slot, and writes what is not so in the file. */
  private link(count: number): void {
    const { sizes, file, view } = this;
    const slots = new Int32Array(sizes.slots);
    for (let from = 1; from <= count; from += CHUNK_ENTRIES) {
      const loaded = this.load(from, count + 1);
      let isChanged = false;
      for (let n = 0; n < loaded; n++) {
        const at = n * INDEX_ENTRY.bytes;
        const slot = view.getInt32(at + INDEX_ENTRY.keyHash) % sizes.slots;
        if (view.getInt32(at + INDEX_ENTRY.previous) !== slots[slot]) {
          view.setInt32(at + INDEX_ENTRY.previous, slots[slot]!);
          isChanged = true;
        }
        slots[slot] = from + n;
      }
      if (isChanged) file.write(this.chunk, 0, loaded * INDEX_ENTRY.bytes, entryAt(sizes, from));
    }
    this.writeSlots(slots);
  }

  private writeSlots(slots: Int32Array): void {
    const { sizes, file, header } = this;
    const bytes = new Uint8Array(SLOTS_PER_CHUNK * SLOT_BYTES);
    const view = new DataView(bytes.buffer);
    header.usedSlots = 0;
    for (let first = 0; first < sizes.slots; first += SLOTS_PER_CHUNK) {
      const count = Math.min(SLOTS_PER_CHUNK, sizes.slots - first);
      file.read(bytes, 0, count * SLOT_BYTES, slotAt(first));
      let isChanged = false;
      for (let n = 0; n < count; n++) {
        const entry = slots[first + n]!;
        if (entry !== 0) header.usedSlots++;
        if (view.getInt32(n * SLOT_BYTES) === entry) continue;
        view.setInt32(n * SLOT_BYTES, entry);
        isChanged = true;
      }
      if (isChanged) file.write(bytes, 0, count * SLOT_BYTES, slotAt(first));
    }
  }

  /** Reads entries from `from` on, in front of `end`, as many as fit; how many. */
  private load(from: number, end: number): number {
    const count = Math.min(CHUNK_ENTRIES, end - from);
    this.file.read(this.chunk, 0, count * INDEX_ENTRY.bytes, entryAt(this.sizes, from));
    return count;
  }
}
