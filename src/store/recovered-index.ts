/**
 * The key index of a store while it is recovered. Neither sends nor pulls need it: what of it is good is kept, which its own
 * entries tell, and what it lacks is found out, for the broker to put into it once it serves (index-rebuild.ts).
 */
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import type { Checkpoint } from './checkpoint.js';
import { makeDurableDirectory } from './directories.js';
import { FileCache } from './file-cache.js';
import type { Unindexed } from './index-rebuild.js';
import { IndexService } from './index-service.js';
import type { LogFiles } from './log-files.js';
import type { RemainsFinder } from './log-remains.js';
import { storePath } from './store-directory.js';

export interface RecoveredIndexOptions {
  readonly rootDirectory: string;
  /** maxHashSlotNum and maxIndexNum. */
  readonly slots: number;
  readonly entries: number;
  /** messageIndexSafe: files that were not full and synced are built again. Otherwise they are repaired from themselves. */
  readonly isSafe: boolean;
  readonly clock: Clock;
}

export class RecoveredIndex {
  readonly directory: string;
  private readonly cache: FileCache;
  private readonly service: IndexService;
  /** Cut back to what is good: its own end says what it lacks. Otherwise it was complete when its broker stopped. */
  private isPrepared = false;

  /** Throws StoreError when a file was written with other sizes. */
  constructor(
    private readonly disk: Disk,
    private readonly options: RecoveredIndexOptions,
    private readonly checkpoint: Checkpoint,
  ) {
    const { rootDirectory, slots, entries, clock } = options;
    this.directory = storePath.index(rootDirectory);
    this.cache = new FileCache(disk);
    this.service = IndexService.open(this.cache, {
      directory: this.directory,
      clock,
      slots,
      entries,
      // Nothing is put into it here, so no file becomes full.
      onFileSynced: () => {},
    });
  }

  get isEmpty(): boolean {
    return this.service.fileCount === 0;
  }

  /** Headers that cannot be. */
  get damagedFiles(): readonly string[] {
    return this.service.damagedFiles;
  }

  /** Nobody but its owner removes the directory. */
  get exists(): boolean {
    return this.disk.stat(this.directory) !== undefined;
  }

  /** What is left is good, and knows only messages in front of `limit`. Durable. */
  prepare(limit: number): void {
    const { service, checkpoint, options } = this;
    if (options.isSafe) service.dropUnsafe(checkpoint.indexTimestamp);
    else service.repairUnsafe(checkpoint.indexTimestamp, limit);
    makeDurableDirectory(this.disk, this.directory);
    this.isPrepared = true;
  }

  /** A file that is safe, but knows messages that the log has lost, would keep new ones out. */
  dropFrom(logEnd: number): void {
    const { service, checkpoint } = this;
    if (this.isEmpty || service.endPhysicalOffset < logEnd) return;
    // First, so that a recovery after this one looks at what the dropped files knew.
    checkpoint.indexTimestamp = Math.min(checkpoint.indexTimestamp, service.timestampBefore(logEnd));
    checkpoint.save();
    while (!this.isEmpty && service.endPhysicalOffset >= logEnd) service.dropUnsafe(service.endTimestamp - 1);
  }

  /**
   * What it lacks of a log whose last record is at `lastRecordOffset`; undefined: nothing. Without `prepare` that can only be
   * records from `dispatchedFrom` on, which were not dispatched before the stop.
   */
  unindexed(
    log: LogFiles,
    remains: RemainsFinder,
    dispatchedFrom: number,
    lastRecordOffset: number,
  ): Unindexed | undefined {
    const { service, isPrepared } = this;
    const knownEnd = this.isEmpty ? -1 : service.endPhysicalOffset;
    const indexedTo = isPrepared ? service.indexedTo : knownEnd;
    const end = Math.max(0, knownEnd);
    // A message there may be gone with its file, or be none.
    const isThere = isPrepared && remains.search(end, end + 1, 0) !== undefined;
    const from = isPrepared ? Math.max(log.minOffset, isThere ? end : log.fileStart(end)) : dispatchedFrom;
    return lastRecordOffset > indexedTo && lastRecordOffset >= from ? { from, indexedTo } : undefined;
  }

  /** Makes it durable; the checkpoint knows then, but is not saved. */
  sync(): void {
    this.service.sync();
    this.checkpoint.indexTimestamp = this.service.fullTimestamp;
  }

  close(): void {
    this.service.close();
    this.cache.closeAll();
  }

  /** Without writing anything. */
  discard(): void {
    this.service.discard();
    this.cache.discard();
  }
}
