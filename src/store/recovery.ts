/**
 * Brings a store directory back to a consistent state before its broker opens it, and says what is in it. A plain
 * function over Disk, linear in the bytes that it reads; it may itself be interrupted at any point and run again.
 *
 * After a clean stop (no abort file) the newest message that the consume queues know is looked up in the log; what
 * follows it is checked and dispatched, which normally is nothing. Apache checks the last three files there.
 *
 * After a crash, and whenever log and queues disagree, the walk begins at the newest file that the checkpoint vouches
 * for: everything before it is durable and dispatched. The queues are cut back to there and filled again from the log;
 * so are index files that were not full and synced. The first thing in the log that is no record ends it: what lies
 * behind is removed, so that it can never be read as records later.
 *
 * Source: CommitLog.java (recoverNormally, recoverAbnormally), DefaultMessageStore.java, IndexService.java.
 */
import { type Clock, systemClock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { KIB } from '../base/units.js';
import {
  checkRecord,
  Magic,
  RECORD,
  RECORD_BYTES_MIN,
  RECORD_HEAD_BYTES_MAX,
  readStoreTimestamp,
} from '../message/record.js';
import { Checkpoint } from './checkpoint.js';
import { makeDurableDirectory } from './directories.js';
import { FileCache } from './file-cache.js';
import { IndexService } from './index-service.js';
import { LogFiles } from './log-files.js';
import { LogScanner, type ScannedRecord, type ScanResult } from './log-scan.js';
import { type RecoveredQueue, RecoveredQueues } from './recovered-queues.js';
import { RecoveryWalk } from './recovery-walk.js';
import { createAbortFile, cutting, hasAbortFile, isTailCut, storePath } from './store-directory.js';

export { createAbortFile, lockStore, removeAbortFile } from './store-directory.js';

/** Structured-cloneable: goes to a job thread. */
export interface RecoverOptions {
  readonly rootDirectory: string;
  readonly commitLogDirectory: string;
  /** mappedFileSizeCommitLog. */
  readonly fileBytes: number;
  /** mappedFileSizeConsumeQueue. */
  readonly queueFileBytes: number;
  /** messageDelayLevel: delay of level n at index n - 1. */
  readonly delayLevelsMs: readonly number[];
  /** checkCRCOnRecover. */
  readonly checkBodyCrc: boolean;
  /** undefined: messageIndexEnable is false, and index files are left alone. */
  readonly index:
    | {
        readonly slots: number;
        readonly entries: number;
        /** messageIndexSafe: after a crash go back as far as the index needs. Otherwise older keys may be missing. */
        readonly isSafe: boolean;
      }
    | undefined;
}

export interface RecoverySurroundings {
  /** Names new index files. */
  readonly clock?: Clock;
  /** `total` is an upper bound: the last file counts in full. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

/** For the operator: something was wrong with the store. */
export interface RecoveryProblem {
  readonly path: string;
  /** Physical offset in the log; -1 where that says nothing. */
  readonly offset: number;
  readonly text: string;
}

/** Structured-cloneable. */
export interface RecoveredStore {
  readonly minOffset: number;
  /** Where appending goes on; everything before it is synced. */
  readonly endOffset: number;
  readonly queues: readonly RecoveredQueue[];
  /** Store time of the newest message; 0 in an empty store. */
  readonly lastStoreTimestamp: number;
  /** There was an abort file, or log and queues disagreed. */
  readonly abnormal: boolean;
  /** Bytes from here on were removed: a torn tail, or worse (see problems). */
  readonly truncatedFrom: number | undefined;
  readonly problems: readonly RecoveryProblem[];
  /** What was read, and put into consume queues. */
  readonly scannedBytes: number;
  readonly dispatchedRecords: number;
}

/** A torn write is looked for this far behind the end of the log. */
const REMAINS_BYTES = 64 * KIB;
const PROBLEMS_MAX = 100;

export function recoverStore(
  disk: Disk,
  options: RecoverOptions,
  surroundings: RecoverySurroundings = {},
): RecoveredStore {
  return new Recovery(disk, options, surroundings).run();
}

interface LogEnd {
  readonly offset: number;
  /** Something was removed behind it. */
  readonly isCut: boolean;
}

class Recovery {
  private readonly log: LogFiles;
  private readonly scanner: LogScanner;
  private readonly checkpoint: Checkpoint;
  private readonly cache: FileCache;
  private readonly index: IndexService | undefined;
  private readonly walk: RecoveryWalk;
  private readonly problems: RecoveryProblem[] = [];
  private queues: RecoveredQueues;
  private abnormal: boolean;

  constructor(
    private readonly disk: Disk,
    private readonly options: RecoverOptions,
    surroundings: RecoverySurroundings,
  ) {
    const { rootDirectory, commitLogDirectory, fileBytes, delayLevelsMs, checkBodyCrc } = options;
    makeDurableDirectory(disk, rootDirectory);
    this.abnormal = hasAbortFile(disk, rootDirectory);
    const isCut = isTailCut(disk, rootDirectory);
    this.log = LogFiles.open(disk, { directory: commitLogDirectory, fileBytes, isTailCut: isCut });
    this.scanner = new LogScanner({ fileBytes, delayLevelsMs });
    this.checkpoint = Checkpoint.open(disk, storePath.checkpoint(rootDirectory));
    this.cache = new FileCache(disk);
    this.index = this.openIndex(surroundings.clock ?? systemClock);
    this.queues = this.openQueues();
    this.walk = new RecoveryWalk(
      this.log,
      this.scanner,
      { checkBodyCrc, index: this.index, storeTimestamp: this.checkpoint.logTimestamp },
      {
        onChange: () => createAbortFile(disk, rootDirectory),
        onProgress: surroundings.onProgress ?? (() => {}),
        onMissingFile: (offset, next) =>
          this.problem(this.log.path(offset), offset, `is missing; the log goes on at ${next}`),
        onLostEntries: (record) => this.onLostEntries(record),
      },
    );
  }

  private openIndex(clock: Clock): IndexService | undefined {
    const { rootDirectory, index } = this.options;
    if (index === undefined) return undefined;
    return IndexService.open(this.cache, {
      directory: storePath.index(rootDirectory),
      clock,
      slots: index.slots,
      entries: index.entries,
      onFileSynced: (endTimestamp, error) => {
        if (error === undefined) this.checkpoint.indexTimestamp = endTimestamp;
      },
    });
  }

  private openQueues(): RecoveredQueues {
    return new RecoveredQueues(this.disk, this.options.rootDirectory, this.options.queueFileBytes, this.abnormal);
  }

  run(): RecoveredStore {
    for (const name of this.log.strays) {
      this.problem(
        `${this.log.directory}/${name}`,
        -1,
        "is no file of a commit log; ignored here, but Apache's broker stumbles over it",
      );
    }
    if (this.log.count === 0) return this.withoutLog();
    const end = (this.abnormal ? undefined : this.recoverCleanStop()) ?? this.recoverCrash();
    this.queues.correctMinOffsets(this.log.minOffset);
    const { misplaced, storeTimestamp } = this.walk;
    if (misplaced > 0) {
      this.problem(this.log.directory, -1, `${misplaced} records say that they lie at another offset than they do`);
    }
    const queues = this.queues.finish();
    this.index?.close();
    this.cache.closeAll();
    this.log.close();
    return this.result(end, queues, storeTimestamp);
  }

  /** Without a log the queues point nowhere, and the index keeps the new log's messages out. */
  private withoutLog(): RecoveredStore {
    const { rootDirectory } = this.options;
    if (this.queues.count > 0 || (this.index?.fileCount ?? 0) > 0) {
      this.problem(this.log.directory, -1, 'there are no commit log files: consume queues and index are removed');
      this.queues.finish();
      this.index?.discard();
      for (const path of [storePath.consumeQueues(rootDirectory), storePath.index(rootDirectory)]) {
        this.disk.removeTree(path);
      }
      this.disk.syncDirectory(rootDirectory);
    }
    this.log.close();
    return this.result({ offset: 0, isCut: false }, [], 0);
  }

  private result(end: LogEnd, queues: readonly RecoveredQueue[], lastStoreTimestamp: number): RecoveredStore {
    return {
      minOffset: this.log.minOffset,
      endOffset: end.offset,
      queues,
      lastStoreTimestamp,
      abnormal: this.abnormal,
      truncatedFrom: end.isCut ? end.offset : undefined,
      problems: this.problems,
      scannedBytes: this.walk.scannedBytes,
      dispatchedRecords: this.walk.dispatched,
    };
  }

  // A clean stop.

  /** undefined: log and queues disagree, or have to be brought together from further back. */
  private recoverCleanStop(): LogEnd | undefined {
    const newest = this.queues.newestMessage();
    if (newest === undefined || !this.isRecord(newest.offset, newest.bytes)) return undefined;
    const end = this.walk.run(this.queues, {
      from: newest.offset,
      dispatchFrom: newest.offset + newest.bytes,
      // All keys of its last message were flushed.
      indexedTo: this.index === undefined || this.index.fileCount === 0 ? -1 : this.index.endPhysicalOffset,
      isFullRebuild: false,
    });
    if (this.walk.gapAt >= 0) return undefined;
    const isCut = this.cut(end, false);
    if (this.walk.hasChanged) this.sync(newest.offset, end.offset);
    return { offset: end.offset, isCut };
  }

  private isRecord(offset: number, bytes: number): boolean {
    if (offset < this.log.minOffset || bytes < RECORD_BYTES_MIN || bytes > this.log.fileBytes) return false;
    const record = Buffer.alloc(bytes);
    if (this.log.read(offset, bytes, record, 0) < bytes) return false;
    const view = new DataView(record.buffer, record.byteOffset, bytes);
    const check = checkRecord(record, view, 0, bytes, this.options.checkBodyCrc);
    return check.status === 'record' && check.size === bytes;
  }

  // A crash.

  private recoverCrash(): LogEnd {
    createAbortFile(this.disk, this.options.rootDirectory);
    if (!this.abnormal) {
      this.abnormal = true;
      this.queues.finish();
      this.queues = this.openQueues();
    }
    this.index?.dropUnsafe(this.checkpoint.indexTimestamp);
    let from = this.crashStart();
    let end = this.rebuildFrom(from, false);
    if (this.walk.gapAt >= 0) {
      this.problem(
        this.log.directory,
        this.walk.gapAt,
        'consume queues miss entries that the checkpoint vouches for: all are built again',
      );
      from = this.log.minOffset;
      end = this.rebuildFrom(from, true);
    }
    end = this.withoutTornProperties(end);
    const isCut = this.cut(end, true);
    this.indexAgainUpTo(end.offset);
    this.sync(from, end.offset);
    return { offset: end.offset, isCut };
  }

  private rebuildFrom(from: number, isFullRebuild: boolean): ScanResult {
    this.queues.truncateFrom(from);
    return this.walk.run(this.queues, { from, dispatchFrom: from, indexedTo: -1, isFullRebuild });
  }

  /** First byte of the newest file that begins with a message from before the checkpoint; else of the oldest. */
  private crashStart(): number {
    const isIndexSafe = this.options.index?.isSafe === true;
    const limit = isIndexSafe ? this.checkpoint.minTimestampWithIndex : this.checkpoint.minTimestamp;
    const head = Buffer.alloc(RECORD_HEAD_BYTES_MAX);
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    for (let i = this.log.count - 1; i > 0; i--) {
      const start = this.log.startAt(i);
      if (this.log.read(start, head.length, head, 0) < head.length) continue;
      if (view.getInt32(RECORD.magic) !== Magic.RECORD) continue;
      const storeTimestamp = readStoreTimestamp(view, 0);
      if (storeTimestamp !== 0 && storeTimestamp <= limit) return start;
    }
    return this.log.minOffset;
  }

  private onLostEntries(record: ScannedRecord): void {
    const topic = record.buffer.toString('utf8', record.topicAt, record.topicAt + record.topicBytes);
    const path = storePath.consumeQueue(this.options.rootDirectory, topic, record.queueId);
    this.problem(path, record.offset, `messages before queue offset ${record.queueOffset} are not in the log any more`);
  }

  /**
   * No checksum covers the properties. A write that was cut off within them leaves a last record that looks good and
   * ends with zeros, which no client writes: it was acknowledged to nobody.
   */
  private withoutTornProperties(end: ScanResult): ScanResult {
    const { suspectAt } = this.walk;
    if (suspectAt < 0 || end.stop === 'end') return end;
    this.queues.truncateFrom(suspectAt);
    this.walk.storeTimestamp = this.walk.earlierStoreTimestamp;
    return { ...end, stop: 'bad', offset: suspectAt, problem: 'zeros in topic or properties' };
  }

  /** An index file that is safe, but knows messages that the log has lost, would keep new ones out. */
  private indexAgainUpTo(endOffset: number): void {
    const { index, log } = this;
    if (index === undefined || index.fileCount === 0 || index.endPhysicalOffset < endOffset) return;
    while (index.fileCount > 0 && index.endPhysicalOffset >= endOffset) index.dropUnsafe(index.endTimestamp - 1);
    this.walk.indexOnly(Math.max(log.minOffset, log.fileStart(index.endPhysicalOffset)), endOffset);
  }

  private sync(from: number, to: number): void {
    this.log.sync(from, to);
    this.queues.sync();
    this.index?.sync();
    this.checkpoint.logTimestamp = this.walk.storeTimestamp;
    this.checkpoint.consumeQueueTimestamp = this.walk.storeTimestamp;
    this.checkpoint.save();
  }

  // The end of the log.

  /** Removes what lies behind the end; true when there was something. */
  private cut(end: ScanResult, isCrash: boolean): boolean {
    invariant(end.stop === 'end' || end.stop === 'empty' || end.stop === 'bad', 'end of the log', end.stop);
    const lost = this.recordsBehind(end);
    if (lost !== undefined) {
      const what = end.stop === 'bad' ? `bad record (${end.problem})` : 'no record';
      const path = this.log.path(this.log.fileStart(end.offset));
      this.problem(path, end.offset, `${what}, but records follow at ${lost}: they are cut off`);
    }
    const hasRemains = lost !== undefined || end.stop === 'bad' || this.hasBytesAt(end.offset);
    this.log.deleteAfter(end.offset);
    if (isCrash || hasRemains) {
      cutting(this.disk, this.options.rootDirectory, () => this.log.clearTail(end.offset));
    }
    return hasRemains;
  }

  /** Whether something else than zeros is near behind the end: a torn write. */
  private hasBytesAt(offset: number): boolean {
    const near = Buffer.alloc(REMAINS_BYTES);
    const inFile = this.log.fileStart(offset) + this.log.fileBytes - offset;
    this.log.read(offset, Math.min(near.length, inFile), near, 0);
    return near.some((byte) => byte !== 0);
  }

  /** Offset of a good record behind the end of the log, which then ends within it; undefined if there seems to be none. */
  private recordsBehind(end: ScanResult): number | undefined {
    if (end.stop === 'bad') {
      const head = Buffer.alloc(RECORD.magic);
      this.log.read(end.offset, head.length, head, 0);
      const next = end.offset + head.readInt32BE(RECORD.totalBytes);
      const isInFile = next > end.offset && this.log.fileStart(next) === this.log.fileStart(end.offset);
      if (isInFile && this.beginsWithRecord(next)) return next;
    }
    for (let i = 0; i < this.log.count; i++) {
      const start = this.log.startAt(i);
      if (start > end.offset && this.beginsWithRecord(start)) return start;
    }
    return undefined;
  }

  private beginsWithRecord(offset: number): boolean {
    const to = this.log.fileStart(offset) + this.log.fileBytes;
    return this.scanner.scan(this.log, offset, to, this.options.checkBodyCrc, () => false).stop === 'stopped';
  }

  private problem(path: string, offset: number, text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ path, offset, text });
  }
}
