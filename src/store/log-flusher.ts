/**
 * When a commit log is synced, and how far it has got. Pure policy: time comes in through `tick`, the waiting is the
 * disk's. At most one fdatasync is in flight per log.
 *
 * SYNC_FLUSH is group commit: `request` at the end of a turn; while one sync runs, more is appended (or, where the sync is
 * quick and done in place, waits in the ring), and the next one covers all of it. ASYNC_FLUSH looks at the log each
 * interval and syncs when enough pages are dirty, a file is full, or the thorough interval has passed.
 * Source: CommitLog.java (FlushRealTimeService, GroupCommitService), MappedFile.isAbleToFlush.
 *
 * A failed fdatasync is final: the kernel may have dropped the pages, so no later success says anything about them.
 */
import { DiskError, type DiskFile } from '../base/disk.js';
import { KIB } from '../base/units.js';
import type { CommitLog } from './commit-log.js';

const PAGE_BYTES = 4 * KIB;

export interface FlushPolicy {
  readonly mode: 'ASYNC_FLUSH' | 'SYNC_FLUSH';
  /** ASYNC_FLUSH: how often to look (flushIntervalCommitLog). */
  readonly intervalMs: number;
  /** ASYNC_FLUSH: less than this is left for later (flushCommitLogLeastPages). 0: any byte is worth it. */
  readonly leastPages: number;
  /** ASYNC_FLUSH: how often everything is synced (flushCommitLogThoroughInterval). */
  readonly thoroughIntervalMs: number;
}

/** Apache's defaults. */
export const ASYNC_FLUSH_DEFAULT: FlushPolicy = {
  mode: 'ASYNC_FLUSH',
  intervalMs: 500,
  leastPages: 4,
  thoroughIntervalMs: 10_000,
};

export interface FlushEvents {
  /** Everything before `offset` survives a power failure. */
  onFlushed(offset: number): void;
  /** Nothing more will be flushed: nothing beyond the last `onFlushed` may be acknowledged as flushed. */
  onFailed(error: DiskError): void;
}

/** A thread may wait for a device itself where that is shorter: asking another one and waking up again costs a part of it. */
const IN_PLACE_MS = 2;

export class LogFlusher {
  /** Why flushing ended; undefined while it works. */
  failure: DiskError | undefined = undefined;
  /** Completed syncs. */
  syncs = 0;
  private isSyncing = false;
  private isClosed = false;
  /** Sync up to here whatever the policy says. */
  private requestedOffset = -1;
  private lastLookMs = Number.NEGATIVE_INFINITY;
  private lastThoroughMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly log: CommitLog,
    private readonly policy: FlushPolicy,
    private readonly events: FlushEvents,
  ) {}

  /** True while an fdatasync runs. */
  get isInFlight(): boolean {
    return this.isSyncing;
  }

  /** How long a sync of the file that is written to has usually taken lately; 0 when unknown. */
  get usualSyncMs(): number {
    const { files, flushedOffset } = this.log;
    return files.indexOf(flushedOffset) < 0 ? 0 : files.fileAt(flushedOffset).usualSyncMs;
  }

  /** When `tick` has something to do next, in ms of the same clock; Infinity in SYNC_FLUSH. */
  get nextTickMs(): number {
    return this.policy.mode === 'SYNC_FLUSH' ? Number.POSITIVE_INFINITY : this.lastLookMs + this.policy.intervalMs;
  }

  /**
   * Asks for everything written so far to be synced now, or with the next sync if one is running. SYNC_FLUSH: at the
   * end of each turn that appended, after writeOut.
   */
  request(): void {
    this.requestedOffset = this.log.writtenOffset;
    this.start();
  }

  /** ASYNC_FLUSH: to be called at least each interval. `nowMs` never goes back (monotonic). */
  tick(nowMs: number): void {
    if (this.policy.mode === 'SYNC_FLUSH' || nowMs < this.nextTickMs) return;
    this.lastLookMs = nowMs;
    const isThorough = nowMs >= this.lastThoroughMs + this.policy.thoroughIntervalMs;
    if (isThorough) this.lastThoroughMs = nowMs;
    if (isThorough || this.isWorthIt()) this.requestedOffset = this.log.writtenOffset;
    this.start();
  }

  private isWorthIt(): boolean {
    const { writtenOffset, flushedOffset, fileBytes } = this.log;
    if (Math.floor(writtenOffset / fileBytes) > Math.floor(flushedOffset / fileBytes)) return true;
    const dirtyPages = Math.floor(writtenOffset / PAGE_BYTES) - Math.floor(flushedOffset / PAGE_BYTES);
    return this.policy.leastPages > 0 ? dirtyPages >= this.policy.leastPages : writtenOffset > flushedOffset;
  }

  /** Starts a sync of the file that holds the first unsynced byte, if one was asked for and none is running. */
  private start(): void {
    const { log } = this;
    const from = log.flushedOffset;
    if (this.isSyncing || this.isClosed || this.failure !== undefined || this.requestedOffset <= from) return;
    // Everything written by now is covered, also what was written since the request.
    const target = Math.min(log.writtenOffset, log.files.fileStart(from) + log.fileBytes);
    this.isSyncing = true;
    const file = log.files.fileAt(from);
    if (this.policy.mode === 'SYNC_FLUSH' && file.usualSyncMs < IN_PLACE_MS) this.syncInPlace(file, target);
    else file.syncLater((error) => this.onSynced(target, error));
  }

  /** The turn ends a little later, and whoever waits is answered with it: what came meanwhile is the next group. */
  private syncInPlace(file: DiskFile, target: number): void {
    let failure: DiskError | undefined;
    try {
      file.sync();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      failure = error;
    }
    this.onSynced(target, failure);
  }

  private onSynced(target: number, error: DiskError | undefined): void {
    this.isSyncing = false;
    if (this.isClosed) return;
    if (error !== undefined) {
      this.failure = error;
      this.log.fail(error);
      this.events.onFailed(error);
      return;
    }
    this.syncs++;
    this.log.noteFlushed(target);
    this.events.onFlushed(target);
    this.start();
  }

  /** No more syncs and no more events; CommitLog.close syncs what is left. */
  close(): void {
    this.isClosed = true;
  }
}
