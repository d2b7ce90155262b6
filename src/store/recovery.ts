/**
 * Brings a store directory back to a consistent state before its broker opens it, and says what is in it. A plain
 * function over Disk, linear in the bytes that it reads; it may itself be interrupted at any point and run again.
 *
 * After a clean stop (no abort file) the newest message that the consume queues know is looked up in the log; what
 * follows it is checked and dispatched, which normally is nothing. Apache checks the last three files there.
 *
 * After a crash, and whenever log and queues disagree, the walk begins at the newest file that the checkpoint vouches
 * for: everything before it is durable and dispatched. The queues are cut back to there and filled again from the log.
 * The key index is left to the broker, but for what is wrong in it (recovered-index.ts). The first thing in the log that is
 * no record ends it: what lies behind is removed, so that it can never be read as records later. When good records are
 * among that, one of these is so:
 *
 *   - They may never have been synced: the machine lost its power, and pages reach the disk in any order. Nobody was
 *     promised them. They are cut off as by Apache's broker, kept beside the log (kept-cut.ts), and that is told.
 *   - They were synced: the stop was clean, or the checkpoint vouches for a time after theirs. Then what is in front of
 *     them was damaged later, and the store is not opened unless the operator accepts the cut (damagedLogAction).
 *
 * Source: CommitLog.java (recoverNormally, recoverAbnormally), DefaultMessageStore.java, IndexService.java.
 */
import { type Clock, systemClock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { KIB, MS_PER_SECOND } from '../base/units.js';
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
import type { Unindexed } from './index-rebuild.js';
import { keepCut } from './kept-cut.js';
import { LogFiles, StoreError } from './log-files.js';
import { type Remains, RemainsFinder } from './log-remains.js';
import { type LogBytes, LogScanner, type ScannedRecord, type ScanResult } from './log-scan.js';
import { RecoveredIndex } from './recovered-index.js';
import { type RecoveredQueue, RecoveredQueues } from './recovered-queues.js';
import { RecoveryWalk } from './recovery-walk.js';
import {
  createAbortFile,
  createRecoveringFile,
  cutting,
  endRecovering,
  hasAbortFile,
  isLogSynced,
  isTailCut,
  storePath,
  unindexedEnd,
} from './store-directory.js';
import { takeTail } from './tail-from-copy.js';
import { markUnsynced, writeUnsyncedAgain } from './unsynced-mark.js';

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
  /** Commit log of the slave in this process, with files of the same size: the end that a crash took is taken from it. */
  readonly copyDirectory?: string | undefined;
  /** checkCRCOnRecover. */
  readonly checkBodyCrc: boolean;
  /** damagedLogAction is cut: damage ends the log even if good records that had been synced follow. Default false. */
  readonly acceptsCut?: boolean;
  /** undefined: messageIndexEnable is false, and index files are left alone. */
  readonly index:
    | {
        readonly slots: number;
        readonly entries: number;
        /** messageIndexSafe; see RecoveredIndex. */
        readonly isSafe: boolean;
      }
    | undefined;
}

export interface RecoverySurroundings {
  /** Names new index files. */
  readonly clock?: Clock;
  /** `total` is an estimate, never less than `done`. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
  /** Reads a part of the log ahead (read-ahead.ts), if there is a thread for it. */
  readonly readAhead?: ReadAhead;
}

/** `log` is for what is not read ahead. */
export type ReadAhead = (log: LogFiles, from: number, to: number) => (LogBytes & { close(): void }) | undefined;

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
  /** Of the newest message; -1 in an empty store. */
  readonly lastRecordOffset: number;
  /** There was an abort file, or log and queues disagreed. */
  readonly abnormal: boolean;
  /** Bytes from here on were removed: a torn tail, or worse (see problems). */
  readonly truncatedFrom: number | undefined;
  readonly problems: readonly RecoveryProblem[];
  /** What was read, and put into consume queues. */
  readonly scannedBytes: number;
  readonly dispatchedRecords: number;
  /** Keys that the index lacks; undefined: none, or there is no index. */
  readonly unindexed: Unindexed | undefined;
}

/** A torn write is looked for this far behind the end of the log. */
const REMAINS_BYTES = 64 * KIB;
/**
 * The checkpoint vouches for what is this much older than it says: a slave of Apache's sets it to the time of what it
 * dispatched, which may wait for its sync for flushCommitLogThoroughInterval (10 s).
 */
export const VOUCHED_MARGIN_MS = 15 * MS_PER_SECOND;
const PROBLEMS_MAX = 100;

export function recoverStore(
  disk: Disk,
  options: RecoverOptions,
  surroundings: RecoverySurroundings = {},
): RecoveredStore {
  const recovered = recoverLog(disk, options, surroundings);
  const { copyDirectory, commitLogDirectory } = options;
  if (!recovered.abnormal || copyDirectory === undefined) return recovered;
  const taken = takeTail(disk, options, copyDirectory, recovered.endOffset);
  if (taken === 0) return recovered;
  const whole = recoverLog(disk, options, surroundings);
  const text = `${taken} bytes of messages were lost here, and taken back from the slave's copy in ${copyDirectory}`;
  const problem: RecoveryProblem = { path: commitLogDirectory, offset: recovered.endOffset, text };
  return { ...whole, problems: [...recovered.problems, problem, ...whole.problems] };
}

function recoverLog(disk: Disk, options: RecoverOptions, surroundings: RecoverySurroundings): RecoveredStore {
  const recovery = new Recovery(disk, options, surroundings);
  try {
    return recovery.run();
  } catch (error) {
    recovery.abandon();
    throw error;
  }
}

interface LogEnd {
  readonly offset: number;
  /** Something was removed behind it. */
  readonly isCut: boolean;
  /** Records from here on were not dispatched before. */
  readonly dispatchedFrom: number;
}

class Recovery {
  private readonly log: LogFiles;
  private readonly scanner: LogScanner;
  private readonly remains: RemainsFinder;
  private readonly checkpoint: Checkpoint;
  private readonly index: RecoveredIndex | undefined;
  private readonly walk: RecoveryWalk;
  private readonly problems: RecoveryProblem[] = [];
  private queues: RecoveredQueues;
  private abnormal: boolean;
  /** Consume queues that were synced are damaged: all are built again. */
  private hasDamagedQueues = false;
  /** Everything in the log had been synced, when it was closed in order. */
  private wasSynced: boolean;
  /** Where the log ended when its broker stopped in order, though keys were missing in the index; else undefined. */
  private readonly stoppedAt: number | undefined;
  /** Messages stored before this had been synced. */
  private readonly vouchedTimestamp: number;
  private readonly clock: Clock;

  constructor(
    private readonly disk: Disk,
    private readonly options: RecoverOptions,
    surroundings: RecoverySurroundings,
  ) {
    const { rootDirectory, commitLogDirectory, fileBytes, delayLevelsMs, checkBodyCrc } = options;
    makeDurableDirectory(disk, rootDirectory);
    this.clock = surroundings.clock ?? systemClock;
    this.stoppedAt = unindexedEnd(disk, rootDirectory);
    this.abnormal = hasAbortFile(disk, rootDirectory) && this.stoppedAt === undefined;
    this.wasSynced = isLogSynced(disk, rootDirectory);
    const isCut = isTailCut(disk, rootDirectory);
    this.log = LogFiles.open(disk, { directory: commitLogDirectory, fileBytes, isTailCut: isCut });
    writeUnsyncedAgain(disk, rootDirectory, this.log);
    this.scanner = new LogScanner({ fileBytes, delayLevelsMs });
    this.remains = new RemainsFinder(this.log, this.scanner);
    this.checkpoint = Checkpoint.open(disk, storePath.checkpoint(rootDirectory));
    this.vouchedTimestamp = this.checkpoint.logTimestamp - VOUCHED_MARGIN_MS;
    const { index } = options;
    if (index !== undefined) {
      this.index = new RecoveredIndex(disk, { ...index, rootDirectory, clock: this.clock }, this.checkpoint);
    }
    this.queues = this.openQueues();
    this.walk = new RecoveryWalk(
      this.log,
      this.scanner,
      { checkBodyCrc, storeTimestamp: this.checkpoint.logTimestamp },
      {
        onChange: () => this.beginChange(),
        onProgress: surroundings.onProgress ?? (() => {}),
        onLostEntries: (record) => this.onLostEntries(record),
        readAhead: (from, to) => surroundings.readAhead?.(this.log, from, to),
      },
      this.remains,
    );
  }

  /** Before anything is changed: the next start must not take the store for one that was closed in order. */
  private beginChange(): void {
    const { rootDirectory } = this.options;
    if (this.wasSynced) createRecoveringFile(this.disk, rootDirectory);
    else createAbortFile(this.disk, rootDirectory);
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
    for (const path of this.queues.strays) {
      this.problem(path, -1, "belongs to no consume queue; ignored here, but Apache's broker stumbles over it");
    }
    if (this.log.count === 0) return this.withoutLog();
    for (let at = 1; at < this.log.count; at++) {
      const [expected, found] = [this.log.startAt(at - 1) + this.log.fileBytes, this.log.startAt(at)];
      if (found > expected) this.problem(this.log.path(expected), expected, `is missing; the log goes on at ${found}`);
    }
    const end = (this.abnormal ? undefined : this.recoverCleanStop()) ?? this.recoverCrash();
    this.queues.correctMinOffsets(this.log.minOffset);
    const { misplaced, storeTimestamp } = this.walk;
    if (misplaced > 0) {
      this.problem(this.log.directory, -1, `${misplaced} records say that they lie at another offset than they do`);
    }
    const unindexed = this.index?.unindexed(this.log, this.remains, end.dispatchedFrom, this.walk.lastRecordOffset);
    if (unindexed !== undefined) this.beginChange();
    const queues = this.queues.finish();
    this.index?.close();
    this.log.close();
    endRecovering(this.disk, this.options.rootDirectory);
    return this.result(end, queues, storeTimestamp, unindexed);
  }

  /** Lets go of all files and of what waits to be written: the next start begins anew. */
  abandon(): void {
    this.queues.abandon();
    this.index?.discard();
    this.log.close();
  }

  /** Without a log the queues point nowhere, and the index keeps the new log's messages out. */
  private withoutLog(): RecoveredStore {
    const { rootDirectory } = this.options;
    if (this.queues.count > 0 || this.index?.isEmpty === false) {
      this.problem(this.log.directory, -1, 'there are no commit log files: consume queues and index are removed');
      this.queues.finish();
      this.index?.discard();
      for (const path of [storePath.consumeQueues(rootDirectory), storePath.index(rootDirectory)]) {
        this.disk.removeTree(path);
      }
      this.disk.syncDirectory(rootDirectory);
    }
    if (this.index !== undefined) makeDurableDirectory(this.disk, storePath.index(rootDirectory));
    this.log.close();
    return this.result({ offset: 0, isCut: false, dispatchedFrom: 0 }, [], 0, undefined);
  }

  private result(
    end: LogEnd,
    queues: readonly RecoveredQueue[],
    lastStoreTimestamp: number,
    unindexed: Unindexed | undefined,
  ): RecoveredStore {
    return {
      minOffset: this.log.minOffset,
      endOffset: end.offset,
      queues,
      lastStoreTimestamp,
      lastRecordOffset: this.walk.lastRecordOffset,
      abnormal: this.abnormal,
      truncatedFrom: end.isCut ? end.offset : undefined,
      problems: this.problems,
      scannedBytes: this.walk.scannedBytes,
      dispatchedRecords: this.walk.dispatched,
      unindexed,
    };
  }

  // A clean stop.

  /** undefined: log and queues disagree, or have to be brought together from further back. */
  private recoverCleanStop(): LogEnd | undefined {
    for (const path of this.queues.damaged) this.problem(path, -1, 'damaged entries: all queues are built again');
    this.hasDamagedQueues = this.queues.damaged.length > 0;
    if (this.hasDamagedQueues) return undefined;
    const { stoppedAt } = this;
    if (stoppedAt !== undefined && this.queues.maxPhysicalOffset > stoppedAt) return this.usedByOthers();
    const newest = this.queues.newestMessage();
    if (newest === undefined || !this.isRecord(newest.offset, newest.bytes)) return undefined;
    const dispatchedFrom = newest.offset + newest.bytes;
    const isIndexGood = stoppedAt === undefined && this.isIndexSound();
    const end = this.walk.run(this.queues, { from: newest.offset, dispatchFrom: dispatchedFrom, isFullRebuild: false });
    if (this.walk.gapAt >= 0) return undefined;
    if (stoppedAt !== undefined && end.offset >= stoppedAt && this.goesOnBehind(stoppedAt, end)) {
      return this.usedByOthers();
    }
    if (!isIndexGood) this.prepareIndex(dispatchedFrom);
    const isCut = this.cut(end, false);
    if (this.walk.hasChanged || !isIndexGood) this.sync(newest.offset, end.offset);
    return { offset: end.offset, isCut, dispatchedFrom };
  }

  /** A broker of Apache's has used the store since ours stopped, and crashed: see unindexedEnd. */
  private usedByOthers(): undefined {
    this.wasSynced = false;
    return undefined;
  }

  private goesOnBehind(offset: number, end: ScanResult): boolean {
    return end.offset > offset || end.stop === 'bad' || this.remains.hasBytes(offset, this.nearBytes(offset));
  }

  /** Nobody but its owner removes the directory, or writes a header that cannot be. */
  private isIndexSound(): boolean {
    if (this.index === undefined) return true;
    const damaged = this.index.damagedFiles;
    for (const path of damaged) this.problem(path, -1, 'its header is damaged: it and what follows are built again');
    return damaged.length === 0 && this.index.exists;
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
    this.beginChange();
    const knownTo = this.queues.maxPhysicalOffset;
    if (!this.abnormal) {
      this.abnormal = true;
      this.queues.finish();
      this.queues = this.openQueues();
    }
    const isWithoutQueues = this.queues.count === 0;
    let from = this.crashStart();
    const misses = isWithoutQueues && (this.wasSynced || from > this.log.minOffset);
    const isFullRebuild = isWithoutQueues || this.hasDamagedQueues;
    this.prepareIndex(from);
    if (isFullRebuild) from = this.log.minOffset;
    let end = this.rebuildFrom(from, isFullRebuild);
    if (misses && this.walk.dispatched > 0) {
      const path = storePath.consumeQueues(this.options.rootDirectory);
      this.problem(path, -1, 'there are no consume queues: all are built again from the commit log');
    }
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
    if (this.wasSynced && knownTo > end.offset) {
      const path = this.log.path(this.log.fileStart(end.offset));
      this.problem(
        path,
        end.offset,
        `the log ends here, but consume queues know messages up to ${knownTo}: they are gone`,
      );
    }
    const isCut = this.cut(end, true);
    this.index?.dropFrom(end.offset);
    this.sync(from, end.offset);
    return { offset: end.offset, isCut, dispatchedFrom: from };
  }

  private rebuildFrom(from: number, isFullRebuild: boolean): ScanResult {
    this.queues.truncateFrom(from);
    if (isFullRebuild) {
      // A recovery after this one, if it is interrupted, must not believe that older entries are there.
      this.checkpoint.consumeQueueTimestamp = 0;
      this.checkpoint.save();
    }
    return this.walk.run(this.queues, { from, dispatchFrom: from, isFullRebuild });
  }

  private prepareIndex(limit: number): void {
    if (this.index === undefined) return;
    this.beginChange();
    this.index.prepare(limit);
  }

  /** First byte of the newest file that begins with a message from before the checkpoint; else of the oldest. */
  private crashStart(): number {
    const { minTimestamp } = this.checkpoint;
    const head = Buffer.alloc(RECORD_HEAD_BYTES_MAX);
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    for (let i = this.log.count - 1; i > 0; i--) {
      const start = this.log.startAt(i);
      if (this.log.read(start, head.length, head, 0) < head.length) continue;
      if (view.getInt32(RECORD.magic) !== Magic.RECORD) continue;
      const storeTimestamp = readStoreTimestamp(view, 0);
      if (storeTimestamp !== 0 && storeTimestamp <= minTimestamp) return start;
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
    this.walk.lastRecordOffset = this.walk.earlierRecordOffset;
    return { ...end, stop: 'bad', offset: suspectAt, problem: 'zeros in topic or properties' };
  }

  private sync(from: number, to: number): void {
    try {
      this.log.sync(from, to);
    } catch (error) {
      markUnsynced(this.disk, this.options.rootDirectory, from);
      throw error;
    }
    this.queues.sync();
    this.index?.sync();
    this.checkpoint.logTimestamp = this.walk.storeTimestamp;
    this.checkpoint.consumeQueueTimestamp = this.walk.storeTimestamp;
    this.checkpoint.save();
  }

  // The end of the log.

  /** Removes what lies behind the end; true when there was something. Throws StoreError when that is refused. */
  private cut(end: ScanResult, isCrash: boolean): boolean {
    invariant(end.stop === 'end' || end.stop === 'empty' || end.stop === 'bad', 'end of the log', end.stop);
    const hasTorn = end.stop === 'bad' || this.remains.hasBytes(end.offset, this.nearBytes(end.offset));
    // Nothing is behind the end of a log that was closed in order, and looking for it would cost each start something.
    const lost = isCrash || hasTorn ? this.remains.find(end.offset, this.leastTimestamp) : undefined;
    if (lost !== undefined) this.keep(end, lost);
    this.log.deleteAfter(end.offset);
    if (isCrash || hasTorn || lost !== undefined) {
      cutting(this.disk, this.options.rootDirectory, () => this.log.clearTail(end.offset));
    }
    return hasTorn || lost !== undefined;
  }

  private nearBytes(offset: number): number {
    return Math.min(REMAINS_BYTES, this.log.fileStart(offset) + this.log.fileBytes - offset);
  }

  /** Store times do not go back: of the last record before the end. */
  private get leastTimestamp(): number {
    return this.walk.visited > 0 ? this.walk.storeTimestamp : 0;
  }

  /** Good records follow the end: refuses to cut them off, or keeps them beside the log. */
  private keep(end: ScanResult, lost: Remains): void {
    const { log, options } = this;
    const path = log.path(log.fileStart(end.offset));
    const what = end.stop === 'bad' ? `bad record (${end.problem})` : 'no record';
    const wasPromised = this.wasSynced || lost.storeTimestamp < this.vouchedTimestamp;
    if (wasPromised && options.acceptsCut !== true) {
      const byte = end.offset - log.fileStart(end.offset);
      throw new StoreError(
        `${path} is damaged at its byte ${byte} (commit log offset ${end.offset}): ${what}, but synced messages follow at ` +
          `${lost.offset}. Put the file back from a backup or from the other broker of the pair ('hangar store check' says ` +
          'what else is damaged), or set damagedLogAction=cut to go on without everything from there on: it is kept in ' +
          `${log.directory}-cut-<time>`,
      );
    }
    const kept = keepCut(this.disk, log, end.offset, this.clock.now());
    const why = wasPromised ? 'damagedLogAction=cut' : 'they had not been synced';
    this.problem(
      path,
      end.offset,
      `${what}, but records follow at ${lost.offset}: they are cut off (${why}) and kept in ${kept}`,
    );
  }

  private problem(path: string, offset: number, text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ path, offset, text });
  }
}
