/**
 * One file of the key index, written behind. Keys fall all over the slot table, and a read and a write for each would
 * cost more than appending its message did. So they wait in a batch; a full batch is applied region by region of the
 * slot table, a little with every few further keys, while the next batch fills:
 *
 *     put -> filling batch -> (full, tick or flush) -> applying batch -> slots, entries and header of the file
 *
 * Queries look into both batches, then into the file. A crash loses the batches and may interrupt applying one; that
 * is no worse than Apache's mapped files, and recovery drops an index file that was not finished (IndexService).
 */
import type { DiskError } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { readInt64OrNone } from '../base/int64.js';
import { KIB, MS_PER_SECOND } from '../base/units.js';
import { CachedFile, type FileCache } from './file-cache.js';
import { BATCH_KEYS_MAX, IndexBatch } from './index-batch.js';
import {
  entryAt,
  HEADER_BYTES,
  INDEX_ENTRY,
  IndexHeader,
  type IndexSizes,
  indexFileBytes,
  SLOT_BYTES,
  slotAt,
} from './index-layout.js';
import { StoreError } from './log-files.js';

const REGION_BYTES = 64 * KIB;
const SLOTS_PER_REGION = REGION_BYTES / SLOT_BYTES;
/** From this many keys on a region is read and written as a whole. */
const DENSE_KEYS = 8;
/** Entries of a batch are written in pieces of about this size. */
const PIECE_BYTES = 3_200 * INDEX_ENTRY.bytes;
const SECONDS_MAX = 0x7fff_ffff;

/** A chain is walked from its newest entry. */
export const NEWEST = -1;

/** Which messages are wanted: those with a key, stored in [begin, end] (ms), at most `max`. */
export interface KeyQuestion {
  /** Of `topic#key`, not negative. */
  readonly keyHash: number;
  readonly begin: number;
  readonly end: number;
  readonly max: number;
  /** Commit log offsets found so far, newest first. */
  readonly offsets: number[];
  /** Reads from the disk until the search pauses. */
  readsLeft: number;
}

/** Read into within one call; shared by all files of the thread. */
const region = new Uint8Array(REGION_BYTES);
const regionView = new DataView(region.buffer);
const small = new Uint8Array(HEADER_BYTES);
const smallView = new DataView(small.buffer);

export class IndexFile {
  readonly header = new IndexHeader();
  private readonly file: CachedFile;
  private readonly regions: number;
  private filling: IndexBatch | undefined = undefined;
  private applying: IndexBatch | undefined = undefined;
  /** Kept while batches become full, so that they take turns. */
  private spare: IndexBatch | undefined = undefined;
  /** Entries up to here are in the file. */
  private appliedEntries = 1;
  /** Where applying goes on: region, then byte of the entries. */
  private region = 0;
  private pieceAt = 0;
  private keysUntilStep = 0;

  /** Throws StoreError when an existing file has another size: it was written with other sizes. */
  constructor(
    private readonly files: FileCache,
    readonly path: string,
    private readonly sizes: IndexSizes,
    before?: IndexHeader,
  ) {
    this.file = new CachedFile(path);
    this.regions = Math.ceil(sizes.slots / SLOTS_PER_REGION);
    const bytes = files.disk.stat(path)?.bytes;
    if (bytes === undefined || bytes === 0) {
      this.create(before);
      return;
    }
    if (bytes !== indexFileBytes(sizes)) {
      throw new StoreError(
        `${path} has ${bytes} bytes, but with maxHashSlotNum=${sizes.slots} and maxIndexNum=${sizes.entries} it has ` +
          `${indexFileBytes(sizes)}: set what this store was written with, or delete the index directory`,
      );
    }
    files.use(this.file).read(small, 0, HEADER_BYTES, 0);
    this.header.read(smallView);
    this.appliedEntries = this.header.entries;
  }

  get isFull(): boolean {
    return this.header.entries >= this.sizes.entries;
  }

  /** Header, slots and entries: what it takes on the disk, where the rest of the file is a hole. */
  get usedBytes(): number {
    return indexFileBytes({ slots: this.sizes.slots, entries: Math.min(this.header.entries, this.sizes.entries) });
  }

  get isEmpty(): boolean {
    return this.header.entries === 1;
  }

  /** Keys that are not in the file yet. */
  get pendingKeys(): number {
    return (this.filling?.count ?? 0) + (this.applying?.count ?? 0);
  }

  /** A batch is on its way into the file. */
  get isApplying(): boolean {
    return this.applying !== undefined;
  }

  /** Adds a key; the file must not be full. Throws DiskError when keys before it cannot be written; try it again. */
  put(keyHash: number, commitLogOffset: number, storeTimestamp: number): void {
    invariant(!this.isFull, 'an index file that is full takes no key', this.path);
    if (this.applying !== undefined && --this.keysUntilStep <= 0) {
      this.keysUntilStep = this.keysPerStep();
      this.step();
    }
    if (this.filling?.isFull === true) this.swap(true);
    const header = this.header;
    if (this.filling === undefined) {
      this.filling = new IndexBatch();
      this.filling.begin(header.entries);
    }
    const seconds = Math.trunc((storeTimestamp - header.beginTimestamp) / MS_PER_SECOND);
    const clamped = header.beginTimestamp <= 0 ? 0 : Math.min(SECONDS_MAX, Math.max(0, seconds));
    this.filling.put(keyHash % this.sizes.slots, keyHash, commitLogOffset, clamped);
    if (header.entries === 1) {
      header.beginOffset = commitLogOffset;
      header.beginTimestamp = storeTimestamp;
    }
    header.entries++;
    header.endOffset = commitLogOffset;
    header.endTimestamp = storeTimestamp;
    this.filling.endOffset = commitLogOffset;
    this.filling.endTimestamp = storeTimestamp;
  }

  /** Whether the file has messages of that time, as IndexFile.isTimeMatched sees it. */
  overlaps(begin: number, end: number): boolean {
    const { beginTimestamp, endTimestamp } = this.header;
    return (
      (begin < beginTimestamp && end > endTimestamp) ||
      (begin >= beginTimestamp && begin <= endTimestamp) ||
      (end >= beginTimestamp && end <= endTimestamp)
    );
  }

  /**
   * Adds to the question's offsets those of its key, newest first, until it has enough or no reads are left. `from`: where
   * an earlier call stopped. Answers where the next one goes on, 0 at the end. Throws DiskError.
   */
  query(question: KeyQuestion, from: number): number {
    let entry = from === NEWEST ? this.queryBatches(question) : from;
    for (; question.readsLeft > 0; question.readsLeft--) {
      if (entry <= 0 || entry >= this.appliedEntries) return 0;
      const got = this.files.use(this.file).read(small, 0, INDEX_ENTRY.bytes, entryAt(this.sizes, entry));
      invariant(got === INDEX_ENTRY.bytes, 'an index file has its full size', this.path, entry);
      if (!this.visit(question)) return 0;
      const previous = smallView.getInt32(INDEX_ENTRY.previous);
      if (previous >= entry) return 0;
      entry = previous;
    }
    return entry;
  }

  /** A small piece of the work of a flush; false when nothing was left to do. */
  tick(): boolean {
    if (this.applying === undefined && this.filling !== undefined) this.swap(false);
    if (this.applying === undefined) return false;
    this.step();
    return true;
  }

  /** All keys are in the file afterwards, and nothing is held in memory. Throws DiskError; try it again. */
  flush(): void {
    while (this.tick());
  }

  /** Blocking; a file that was flushed is durable afterwards. */
  sync(): void {
    this.files.use(this.file).sync();
  }

  syncLater(done: (error: DiskError | undefined) => void): void {
    this.files.use(this.file).syncLater(done);
  }

  /** Forgets what is not in the file. */
  discard(): void {
    this.filling = undefined;
    this.applying = undefined;
    this.spare = undefined;
    this.files.close(this.file);
  }

  private create(before: IndexHeader | undefined): void {
    const file = this.files.use(this.file, true);
    file.truncate(indexFileBytes(this.sizes));
    if (before === undefined) return;
    const header = this.header;
    header.beginTimestamp = before.endTimestamp;
    header.endTimestamp = before.endTimestamp;
    header.beginOffset = before.endOffset;
    header.endOffset = before.endOffset;
    // In the file at once: after a crash Apache's broker keeps a file without keys, and takes its end for the index's.
    header.write(smallView);
    file.write(small, 0, HEADER_BYTES, 0);
  }

  /** What waits in memory; answers the newest entry of the chain that is in the file, 0 when the walk is over. */
  private queryBatches(question: KeyQuestion): number {
    const slot = question.keyHash % this.sizes.slots;
    question.readsLeft--;
    this.files.use(this.file).read(small, 0, SLOT_BYTES, slotAt(slot));
    let entry = smallView.getInt32(0);
    for (const batch of [this.filling, this.applying]) {
      if (batch === undefined) continue;
      for (let key = batch.findSlot(slot, batch.count); key >= 0; key = batch.findSlot(slot, key)) {
        small.set(batch.bytes.subarray(key * INDEX_ENTRY.bytes, (key + 1) * INDEX_ENTRY.bytes));
        if (!this.visit(question)) return 0;
        // The slot in the file leads into the batch already: go on from where the batch's oldest entry leads to.
        if (entry >= batch.firstEntry) entry = Math.min(entry, batch.previousOf(key));
      }
    }
    return entry;
  }

  /** Looks at the entry in `small`; false when the walk is over. */
  private visit({ keyHash, begin, end, max, offsets }: KeyQuestion): boolean {
    const seconds = smallView.getInt32(INDEX_ENTRY.seconds);
    if (seconds < 0) return false;
    const time = this.header.beginTimestamp + seconds * MS_PER_SECOND;
    if (smallView.getInt32(INDEX_ENTRY.keyHash) === keyHash && time >= begin && time <= end) {
      const offset = readInt64OrNone(smallView, INDEX_ENTRY.commitLogOffset);
      if (offset >= 0) offsets.push(offset);
    }
    return offsets.length < max && time >= begin;
  }

  /** The filling batch begins to be applied, after what is left of the one before. */
  private swap(keepsBatches: boolean): void {
    while (this.applying !== undefined) this.step();
    const batch = this.filling!;
    batch.sortByRegion(this.regions, SLOTS_PER_REGION);
    this.filling = undefined;
    if (keepsBatches) {
      this.filling = this.spare ?? new IndexBatch();
      this.filling.begin(this.header.entries);
    }
    this.spare = undefined;
    this.applying = batch;
    this.region = 0;
    this.pieceAt = 0;
    this.keysUntilStep = this.keysPerStep();
  }

  /** So often that a batch is applied well before the next one is full. */
  private keysPerStep(): number {
    const steps = this.regions + (BATCH_KEYS_MAX * INDEX_ENTRY.bytes) / PIECE_BYTES + 1;
    return Math.max(1, Math.floor((BATCH_KEYS_MAX * 0.75) / steps));
  }

  /** Applies the next region, or the next piece of entries, or the header. May be repeated after a DiskError. */
  private step(): void {
    const batch = this.applying!;
    while (this.region < this.regions && batch.regionStart(this.region) === batch.regionStart(this.region + 1)) {
      this.region++;
    }
    if (this.region < this.regions) {
      this.applyRegion(batch);
      this.region++;
    } else if (this.pieceAt < batch.count * INDEX_ENTRY.bytes) {
      const bytes = Math.min(PIECE_BYTES, batch.count * INDEX_ENTRY.bytes - this.pieceAt);
      const position = entryAt(this.sizes, batch.firstEntry) + this.pieceAt;
      this.files.use(this.file).write(batch.bytes, this.pieceAt, bytes, position);
      this.pieceAt += bytes;
    } else {
      this.finish(batch);
    }
  }

  private applyRegion(batch: IndexBatch): void {
    const from = batch.regionStart(this.region);
    const to = batch.regionStart(this.region + 1);
    const firstSlot = this.region * SLOTS_PER_REGION;
    if (to - from >= DENSE_KEYS) {
      const bytes = Math.min(SLOTS_PER_REGION, this.sizes.slots - firstSlot) * SLOT_BYTES;
      this.applySlots(batch, from, to, firstSlot, bytes);
      return;
    }
    // One slot after the other, together with the keys that share it.
    for (let place = from; place < to; place++) {
      const slot = batch.slotOf(batch.keyAt(place));
      this.applySlots(batch, place, place + 1, slot, SLOT_BYTES);
    }
  }

  /**
   * Links the keys at [from, to) into the slots in `bytes` from `firstSlot` on. A key is linked once: when a write fails,
   * the slots may hold already what would have been written, and reading the links from them would close a circle.
   */
  private applySlots(batch: IndexBatch, from: number, to: number, firstSlot: number, bytes: number): void {
    const file = this.files.use(this.file);
    file.read(region, 0, bytes, slotAt(firstSlot));
    for (let place = from; place < to; place++) {
      const key = batch.keyAt(place);
      const entry = batch.firstEntry + key;
      const at = (batch.slotOf(key) - firstSlot) * SLOT_BYTES;
      if (!batch.isLinked(key)) this.link(batch, key, entry, regionView.getInt32(at));
      regionView.setInt32(at, entry);
    }
    file.write(region, 0, bytes, slotAt(firstSlot));
  }

  /** A slot that leads nowhere, or forward, begins a chain. */
  private link(batch: IndexBatch, key: number, entry: number, slotValue: number): void {
    const isChain = slotValue > 0 && slotValue < entry;
    batch.setPrevious(key, isChain ? slotValue : 0);
    if (!isChain) this.header.usedSlots++;
  }

  private finish(batch: IndexBatch): void {
    const inFile = new IndexHeader();
    inFile.beginTimestamp = this.header.beginTimestamp;
    inFile.beginOffset = this.header.beginOffset;
    inFile.endTimestamp = batch.endTimestamp;
    inFile.endOffset = batch.endOffset;
    inFile.usedSlots = this.header.usedSlots;
    inFile.entries = batch.firstEntry + batch.count;
    inFile.write(smallView);
    this.files.use(this.file).write(small, 0, HEADER_BYTES, 0);
    this.appliedEntries = inFile.entries;
    this.applying = undefined;
    if (batch.isFull) this.spare = batch;
  }
}
