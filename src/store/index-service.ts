/**
 * The key index of one broker: which messages have a key, newest first. A row of IndexFiles named after their local
 * creation time; keys go to the last one. Only hashes of `topic#key` are kept (indexKeyHash in src/message); whoever
 * asks compares the keys of the messages found. Source: IndexService.java.
 *
 * Memory: two batches of the last file, 3.7 MB under load, nothing when idle (see IndexFile). The owner calls `tick`
 * from a timer, which writes keys in small pieces once they have waited for some seconds, and `flush` at stop. Writing
 * them sooner would only cost more: one by one a key takes twenty times as long as in a full batch.
 */
import type { Clock } from '../base/clock.js';
import type { DiskError } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import type { FileCache } from './file-cache.js';
import { IndexFile } from './index-file.js';
import type { IndexSizes } from './index-layout.js';
import { repairIndexFile } from './index-repair.js';
import { KeySearch } from './key-search.js';

export interface IndexOptions extends IndexSizes {
  readonly directory: string;
  readonly clock: Clock;
  /**
   * A file that became full is durable, up to this store time: the checkpoint's indexTimestamp. Or it could not be
   * synced; then nothing in it is promised.
   */
  readonly onFileSynced: (endTimestamp: number, error: DiskError | undefined) => void;
}

const NAME = /^\d{17}$/;
/** Keys wait this long for others, unless a batch becomes full before. */
const HOLD_MS = 5_000;

export class IndexService {
  /** Oldest first. */
  private readonly indexFiles: IndexFile[] = [];
  /** Files that became full and are not known to be durable. */
  private readonly unsynced = new Set<IndexFile>();
  /** What a sync could not write it will not write later. */
  private syncFailure: DiskError | undefined = undefined;
  /** When `tick` first saw the keys that wait now, monotonic ms. */
  private waitingSinceMs: number | undefined = undefined;

  /** Throws StoreError when a file was written with other sizes. */
  static open(files: FileCache, options: IndexOptions): IndexService {
    return new IndexService(files, options);
  }

  private constructor(
    private readonly files: FileCache,
    private readonly options: IndexOptions,
  ) {
    invariant(options.slots >= 1 && options.entries >= 2, 'an index file has slots and entries');
    for (const name of files.disk.list(options.directory)) {
      if (NAME.test(name)) this.indexFiles.push(new IndexFile(files, `${options.directory}/${name}`, options));
    }
  }

  get fileCount(): number {
    return this.indexFiles.length;
  }

  /** Headers that cannot be: somebody, or a disk, has changed them. */
  get damagedFiles(): string[] {
    return this.indexFiles.filter(({ header }) => !header.isSound(this.options)).map(({ path }) => path);
  }

  /** What the files take on the disk, with what is not written yet. */
  get usedBytes(): number {
    let bytes = 0;
    for (const file of this.indexFiles) bytes += file.usedBytes;
    return bytes;
  }

  /** Keys before this commit log offset are in the index; 0 without any. */
  get endPhysicalOffset(): number {
    return this.indexFiles.at(-1)?.header.endOffset ?? 0;
  }

  /** Store time of the message indexed last; 0 without any. */
  get endTimestamp(): number {
    return this.indexFiles.at(-1)?.header.endTimestamp ?? 0;
  }

  /** Store time of the last key in the newest file that is full; 0 without any. After `sync` all of that is durable. */
  get fullTimestamp(): number {
    return this.indexFiles.filter((file) => file.isFull).at(-1)?.header.endTimestamp ?? 0;
  }

  /** Store time of the last key in the newest file that knows nothing of the log from `offset` on; 0 without any. */
  timestampBefore(offset: number): number {
    return this.indexFiles.filter(({ header }) => header.endOffset < offset).at(-1)?.header.endTimestamp ?? 0;
  }

  /** Keys held in memory. */
  get pendingKeys(): number {
    return this.indexFiles.at(-1)?.pendingKeys ?? 0;
  }

  /**
   * Adds a key of the message at `commitLogOffset`; `keyHash` is not negative. A message in front of the one indexed
   * last has been indexed before and is skipped. Throws DiskError; nothing has changed then.
   */
  put(keyHash: number, commitLogOffset: number, storeTimestamp: number): void {
    let file = this.indexFiles[this.indexFiles.length - 1];
    if (file !== undefined && commitLogOffset < file.header.endOffset) return;
    if (file === undefined || file.isFull) file = this.roll(file);
    file.put(keyHash, commitLogOffset, storeTimestamp);
  }

  /** Commit log offsets of messages with that key, stored in [begin, end] (ms), at most `max`. */
  search(keyHash: number, begin: number, end: number, max: number): KeySearch {
    return new KeySearch(this.indexFiles, { keyHash, begin, end, max, offsets: [], readsLeft: 0 });
  }

  /**
   * A small piece of what `flush` does; true when there is more to do at once. Begins with keys only after they have
   * waited for HOLD_MS. Throws DiskError.
   */
  tick(): boolean {
    const file = this.indexFiles.at(-1);
    if (file === undefined) return false;
    if (!file.isApplying && !this.hasWaited(file)) return false;
    file.tick();
    return file.isApplying;
  }

  /** All keys are in the files. Throws DiskError; try it again. */
  flush(): void {
    this.indexFiles.at(-1)?.flush();
  }

  /** Flushes and makes the files durable, with the names of all. Blocking, for stop. Throws once a sync has failed. */
  sync(): void {
    if (this.syncFailure !== undefined) throw this.syncFailure;
    const last = this.indexFiles.at(-1);
    if (last === undefined) return;
    last.flush();
    for (const file of this.unsynced) file.sync();
    last.sync();
    this.syncNames();
  }

  /**
   * After a crash: removes files that were not full and synced by then, which their end tells (they may miss keys, and
   * chains), and files without keys. The keys are put again from the commit log on which recovery looks at.
   */
  dropUnsafe(checkpointIndexTimestamp: number): void {
    this.keep(
      ({ header, isFull }) => isFull && header.isSound(this.options) && header.endTimestamp <= checkpointIndexTimestamp,
    );
  }

  /**
   * After a crash: makes those files whole from themselves (index-repair.ts) as far as they know messages in front of
   * `limit`, and removes what cannot be. Keys of later messages are put again. Throws DiskError.
   */
  repairUnsafe(checkpointIndexTimestamp: number, limit: number): void {
    if (this.indexFiles.length === 0) return;
    const { disk } = this.files;
    let goesOn = true;
    for (const [n, file] of this.indexFiles.entries()) {
      const isSafe = file.isFull && file.header.isSound(this.options);
      if (goesOn && isSafe && file.header.endTimestamp <= checkpointIndexTimestamp) continue;
      file.discard();
      if (!goesOn || !repairIndexFile(disk, file.path, this.options, limit)) {
        disk.remove(file.path);
        goesOn = false;
        continue;
      }
      const repaired = new IndexFile(this.files, file.path, this.options);
      this.indexFiles[n] = repaired;
      // The next file goes on only where this one is full.
      goesOn = repaired.isFull;
    }
    const kept = this.indexFiles.filter((file) => disk.stat(file.path) !== undefined);
    this.indexFiles.splice(0, Number.POSITIVE_INFINITY, ...kept);
    disk.syncDirectory(this.options.directory);
  }

  /**
   * Messages up to this commit log offset have all their keys in the files; -1 when none is known. The other keys of the
   * last message in a full file are in the next one, if there is one.
   */
  get indexedTo(): number {
    const last = this.indexFiles.at(-1);
    if (last === undefined) return -1;
    return last.isFull ? last.header.endOffset - 1 : last.header.endOffset;
  }

  /** Removes leading files all of whose messages are gone from the commit log, never the last file; returns how many. */
  deleteBefore(logMinOffset: number): number {
    const last = this.indexFiles.at(-1);
    let isLeading = true;
    return this.keep((file) => {
      isLeading &&= file !== last && file.header.endOffset < logMinOffset;
      return !isLeading;
    });
  }

  /** Removes all files: the log begins anew. */
  clear(): void {
    this.keep(() => false);
  }

  /** Flushes and gives the file handles back. */
  close(): void {
    this.flush();
    this.discard();
  }

  /** For the index of an actor that crashed: forgets what is not in the files. */
  discard(): void {
    for (const file of this.indexFiles) file.discard();
  }

  private hasWaited(file: IndexFile): boolean {
    const nowMs = this.options.clock.monotonic();
    if (file.pendingKeys > 0) this.waitingSinceMs ??= nowMs;
    else this.waitingSinceMs = undefined;
    if (this.waitingSinceMs === undefined || nowMs - this.waitingSinceMs < HOLD_MS) return false;
    this.waitingSinceMs = undefined;
    return true;
  }

  private roll(full: IndexFile | undefined): IndexFile {
    if (full === undefined) {
      this.files.makeDirectory(this.options.directory);
    } else {
      full.flush();
      this.unsynced.add(full);
      full.syncLater((error) => this.onFullSynced(full, error));
    }
    const path = `${this.options.directory}/${this.nextName(full)}`;
    const next = new IndexFile(this.files, path, this.options, full?.header);
    this.indexFiles.push(next);
    return next;
  }

  private onFullSynced(full: IndexFile, error: DiskError | undefined): void {
    let failure = error;
    try {
      this.syncNames();
    } catch (thrown) {
      failure ??= thrown as DiskError;
    }
    if (failure !== undefined) {
      this.syncFailure = failure;
      return this.options.onFileSynced(full.header.endTimestamp, failure);
    }
    this.unsynced.delete(full);
    // Syncs may end in another order than they began: what an older file lacks nobody may vouch for.
    const [oldest] = this.unsynced;
    const end = oldest === undefined ? this.indexFiles.length - 1 : this.indexFiles.indexOf(oldest);
    const durable = this.indexFiles[end - 1];
    if (durable !== undefined) this.options.onFileSynced(durable.header.endTimestamp, undefined);
  }

  private syncNames(): void {
    this.files.disk.syncDirectory(this.options.directory);
    this.files.syncDirectories();
  }

  /** Names sort in the order of creation, even if the clock goes back (summer time ends). */
  private nextName(previous: IndexFile | undefined): string {
    const name = localTimeName(this.options.clock.now());
    const last = previous?.path.slice(-name.length) ?? '';
    return name > last ? name : String(BigInt(last) + 1n);
  }

  private keep(isKept: (file: IndexFile) => boolean): number {
    const all = this.indexFiles.splice(0);
    for (const file of all) {
      if (isKept(file)) {
        this.indexFiles.push(file);
        continue;
      }
      file.discard();
      this.unsynced.delete(file);
      this.files.disk.remove(file.path);
    }
    if (all.length > this.indexFiles.length) this.files.disk.syncDirectory(this.options.directory);
    return all.length - this.indexFiles.length;
  }
}

/** yyyyMMddHHmmssSSS in local time (UtilAll.timeMillisToHumanString). */
export function localTimeName(ms: number): string {
  const time = new Date(ms);
  const digits = (value: number, count: number): string => String(value).padStart(count, '0');
  return (
    digits(time.getFullYear(), 4) +
    digits(time.getMonth() + 1, 2) +
    digits(time.getDate(), 2) +
    digits(time.getHours(), 2) +
    digits(time.getMinutes(), 2) +
    digits(time.getSeconds(), 2) +
    digits(time.getMilliseconds(), 3)
  );
}
