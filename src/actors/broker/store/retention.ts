/**
 * What keeps the disk from filling up: old commit log files are deleted, and consume queues and index follow.
 *
 *     every cleanResourceInterval, first after 60 s     Apache's rules: age, hour of the day, disk usage, by hand
 *     before a log file is created, and every second    the byte budget (storeMaxBytes), when there is one
 *     (every 200 ms for a store in memory)
 *
 * The rules are in src/store/retention.ts. A slave keeps to its own settings.
 * Source: DefaultMessageStore (addScheduleTask, CleanCommitLogService, CleanConsumeQueueService).
 */
import { DiskError } from '../../../base/disk.js';
import { MS_PER_HOUR } from '../../../base/units.js';
import { Disposal } from '../../../store/disposal.js';
import {
  type DeletionReason,
  type DiskJudgement,
  FILES_PER_RUN_MAX,
  filesOverBudget,
  judgeDisk,
  MANUAL_ROUNDS,
  oldestGoes,
  type StoreSizes,
  storeBytes,
} from '../../../store/retention.js';
import { checkMemory, diskUsedPercent, setFull } from './disk-check.js';
import { tellHa, tellLogRange } from './log-range.js';
import { QueueSweep } from './queue-sweep.js';
import type { BrokerState } from '../state.js';

const FIRST_RUN_MS = 60_000;
const BUDGET_MS = { file: 1_000, memory: 200 } as const;
const DISPOSAL_MS = 20;
const PAGE_BYTES = 4096;
const ENTRY_BYTES = 20;
/** What queues and index are taken to grow by while the first file fills: this part of it. */
const FIRST_GROWTH = 1 / 8;

const NO_JUDGEMENT: DiskJudgement = { wantsSpace: false, cleanAtOnce: false, isFull: undefined };

interface Run {
  readonly cleanAtOnce: boolean;
  readonly wantsSpace: boolean;
  deleted: number;
}

export class Retention {
  private manualRounds = 0;
  private run: Run | undefined = undefined;
  private readonly disposal = new Disposal();
  private isDisposing = false;
  /** Queues and index begin where the log does, up to here. */
  private followedMin = 0;
  private readonly sweep = new QueueSweep(
    // The pause spares a busy disk; with a budget the bytes have to go now.
    ({ settings }) => (settings.storeMaxBytes > 0 ? 0 : settings.deleteConsumeQueueFilesInterval),
    (state, filesRemoved) => this.swept(state, filesRemoved),
  );
  /** Messages stored, and bytes of the index, when the newest log file was created. */
  private messagesBefore = -1;
  private indexBytesBefore = 0;
  private isOverBudget = false;
  /** Files that have to go are still needed, by a queue host that is behind. */
  private isHeldUp = false;
  private isTelling = false;
  private isUnableToDelete = false;
  private hasFailed = false;

  /** The store was recovered: its queues begin where its log does. */
  start(state: BrokerState): void {
    const { context, log } = state;
    this.followedMin = log.minOffset;
    this.followWithIndex(state);
    context.after(FIRST_RUN_MS, () => this.everyInterval(state));
    context.after(BUDGET_MS[state.settings.storeKind], () => this.lookAtBudget(state));
  }

  /** Code 329: the next rounds of the cleaner delete what is old, whatever the hour. */
  askedByHand(): void {
    this.manualRounds = MANUAL_ROUNDS;
  }

  queueCleaned(state: BrokerState, topic: string, queueId: number, minOffset: number, filesRemoved: number): void {
    this.sweep.cleaned(state, topic, queueId, minOffset, filesRemoved);
  }

  close(): void {
    this.disposal.close();
  }

  // ---- Apache's rules

  private everyInterval(state: BrokerState): void {
    state.context.after(state.settings.cleanResourceInterval, () => this.everyInterval(state));
    // A round whose pauses are long may still be going on.
    if (this.run === undefined) this.beginRun(state);
  }

  private beginRun(state: BrokerState): void {
    const { settings, context } = state;
    const judgement = settings.storeMaxBytes > 0 ? NO_JUDGEMENT : this.judge(state);
    const isTime = settings.deleteWhen.includes(context.clock.localHour());
    const isByHand = this.manualRounds > 0;
    if (isByHand) this.manualRounds--;
    if (!isTime && !judgement.wantsSpace && !isByHand) return this.follow(state);
    const cleanAtOnce = settings.cleanFileForciblyEnable && judgement.cleanAtOnce;
    this.run = { cleanAtOnce, wantsSpace: judgement.wantsSpace, deleted: 0 };
    this.goOn(state, this.run);
  }

  private judge(state: BrokerState): DiskJudgement {
    const { settings, context } = state;
    const { storePathCommitLog, storePathRootDir } = settings;
    const logPercent = diskUsedPercent(context, storePathCommitLog);
    const queuePercent = diskUsedPercent(context, storePathRootDir);
    const judgement = judgeDisk(logPercent, queuePercent, {
      reclaim: settings.diskMaxUsedSpaceRatio,
      cleanForcibly: settings.diskSpaceCleanForciblyRatio,
      refuse: settings.diskSpaceWarningLevelRatio,
    });
    if (judgement.isFull !== undefined) {
      const isLog = logPercent >= queuePercent;
      const directory = isLog ? storePathCommitLog : storePathRootDir;
      setFull(state, judgement.isFull, directory, isLog ? logPercent : queuePercent);
    }
    return judgement;
  }

  /** Deletes the oldest file if it has to go, then pauses. */
  private goOn(state: BrokerState, run: Run): void {
    const { settings, context } = state;
    while (run.deleted < FILES_PER_RUN_MAX) {
      const reason = this.reasonForOldest(state, run);
      if (reason === undefined || !this.deleteOldest(state, reason)) break;
      run.deleted++;
      this.tell(state);
      if (settings.deleteCommitLogFilesInterval === 0) continue;
      context.after(settings.deleteCommitLogFilesInterval, () => this.goOn(state, run));
      return;
    }
    this.run = undefined;
    this.sayUnable(state, run);
    this.follow(state);
  }

  private reasonForOldest(state: BrokerState, { cleanAtOnce }: Run): DeletionReason | undefined {
    const { settings, context, log } = state;
    if (log.files.count < 2) return undefined;
    const file = { end: log.minOffset + log.fileBytes, modifiedMs: log.files.modifiedMs(0) };
    const rules = { reservedMs: settings.fileReservedTime * MS_PER_HOUR, cleanAtOnce, keepFrom: readTo(state) };
    return oldestGoes(file, context.clock.now(), rules);
  }

  private sayUnable({ context, settings }: BrokerState, run: Run): void {
    const isUnable = run.wantsSpace && run.deleted === 0;
    if (isUnable && !this.isUnableToDelete) {
      const { fileReservedTime, diskMaxUsedSpaceRatio } = settings;
      const text = `the disk is more than diskMaxUsedSpaceRatio=${diskMaxUsedSpaceRatio} % full, but no commit log file may be deleted`;
      context.log.warn(
        `${text}: none is older than fileReservedTime=${fileReservedTime} h, or only the newest is left`,
      );
    }
    this.isUnableToDelete = isUnable;
  }

  // ---- the byte budget

  private lookAtBudget(state: BrokerState): void {
    state.context.after(BUDGET_MS[state.settings.storeKind], () => this.lookAtBudget(state));
    const sizes = sizesOf(state);
    const { counters, settings } = state;
    counters.logBytes.set(sizes.files * sizes.fileBytes);
    counters.queueBytes.set(sizes.queueBytes);
    counters.indexBytes.set(sizes.indexBytes);
    if (settings.storeMaxBytes > 0) this.keepBudget(state, sizes, 0);
    if (settings.storeKind === 'memory') checkMemory(state, storeBytes({ ...sizes, files: state.log.files.count }));
  }

  /** Before the next log file is created: it and what grows beside it fit into the budget. */
  makeRoom(state: BrokerState): void {
    const { settings, log } = state;
    if (settings.storeMaxBytes === 0) return;
    // What is only in the window cannot be deleted. If it cannot be written, the append fails by itself.
    if (log.files.count > 0 && log.minOffset + log.fileBytes > log.writtenOffset) log.writeOut();
    const sizes = sizesOf(state);
    this.keepBudget(state, sizes, log.fileBytes + this.growth(state, sizes));
  }

  /** What queues and index grew by while the file before filled; they are taken to do so again. */
  private growth({ counters, log }: BrokerState, { indexBytes }: StoreSizes): number {
    const messages = counters.putMessages - this.messagesBefore;
    const grown = messages * ENTRY_BYTES + Math.max(0, indexBytes - this.indexBytesBefore);
    const isFirst = this.messagesBefore < 0;
    this.messagesBefore = counters.putMessages;
    this.indexBytesBefore = indexBytes;
    return isFirst ? log.fileBytes * FIRST_GROWTH : grown;
  }

  private keepBudget(state: BrokerState, sizes: StoreSizes, aheadBytes: number): void {
    const { settings, log, context } = state;
    const count = filesOverBudget(settings.storeMaxBytes, sizes, aheadBytes, 1);
    this.isHeldUp = false;
    for (let i = 0; i < count; i++) {
      this.isHeldUp = isNeeded(state);
      if (this.isHeldUp || !this.deleteOldest(state, 'budget')) break;
      this.tellLater(state);
    }
    const used = storeBytes({ ...sizes, files: log.files.count });
    const isOver = used + aheadBytes > settings.storeMaxBytes;
    if (isOver && !this.isOverBudget && !this.sweep.isRunning) {
      const parts = `commit log ${sizes.fileBytes * log.files.count}, consume queues ${sizes.queueBytes}, index ${sizes.indexBytes}`;
      const remedy =
        'raise storeMaxBytes, delete topics that nobody needs, or remove queues without messages (mqadmin cleanExpiredCQ)';
      context.log.warn(
        `the store takes more than storeMaxBytes=${settings.storeMaxBytes} (bytes: ${parts}), but no more can be deleted: ${remedy}`,
      );
    }
    this.isOverBudget = isOver;
  }

  /** What was needed may have been read by now. */
  endOfBatch(state: BrokerState): void {
    if (this.isHeldUp && !isNeeded(state)) this.keepBudget(state, sizesOf(state), 0);
  }

  // ---- deleting

  private deleteOldest(state: BrokerState, reason: DeletionReason): boolean {
    const { log, context, counters } = state;
    const path = log.files.path(log.minOffset);
    let ageHours = 0;
    try {
      ageHours = Math.floor((context.clock.now() - log.files.modifiedMs(0)) / MS_PER_HOUR);
      const file = log.unlinkOldest();
      if (file === undefined) return false;
      this.dispose(state, file);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (!this.hasFailed) context.log.error(`a commit log file cannot be deleted: ${error.message}`, { path });
      this.hasFailed = true;
      // Its name may be gone, and only the directory not synced.
      this.tellLater(state);
      return false;
    }
    this.hasFailed = false;
    counters.fileDeleted(reason);
    context.log.info(`commit log file deleted: ${REASONS[reason]}`, { path, ageHours, logBegins: log.minOffset });
    state.reader.forgetBefore(log.minOffset);
    return true;
  }

  private dispose(state: BrokerState, file: Parameters<Disposal['add']>[0]): void {
    this.disposal.add(file, state.log.fileBytes);
    if (this.isDisposing) return;
    this.isDisposing = true;
    const step = (): void => {
      this.isDisposing = this.disposal.step();
      if (this.isDisposing) state.context.after(DISPOSAL_MS, step);
    };
    state.context.after(0, step);
  }

  /** Within an append nothing is told yet: in the next turn. */
  private tellLater(state: BrokerState): void {
    if (this.isTelling) return;
    this.isTelling = true;
    state.context.after(0, () => {
      this.isTelling = false;
      this.tell(state);
      this.follow(state);
    });
  }

  private tell(state: BrokerState): void {
    tellLogRange(state);
    tellHa(state);
  }

  // ---- what follows the log

  /** Consume queues and index forget what the log has lost. */
  private follow(state: BrokerState): void {
    const { log } = state;
    if (log.minOffset <= this.followedMin || this.sweep.isRunning) return;
    this.followedMin = log.minOffset;
    this.sweep.start(state);
  }

  private swept(state: BrokerState, filesRemoved: number): void {
    this.followWithIndex(state);
    if (filesRemoved > 0) state.context.log.info('consume queue files deleted', { files: filesRemoved });
    // More may have gone meanwhile.
    this.follow(state);
  }

  private followWithIndex({ index, log, context }: BrokerState): void {
    try {
      const files = index?.deleteBefore(log.minOffset) ?? 0;
      if (files > 0) context.log.info('index files deleted', { files });
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      context.log.error(`an index file cannot be deleted: ${error.message}`);
    }
  }
}

const REASONS: Readonly<Record<DeletionReason, string>> = {
  expired: 'older than fileReservedTime',
  'disk-usage': 'the disk is fuller than diskSpaceCleanForciblyRatio',
  budget: 'the store has reached storeMaxBytes',
};

/** The broker itself has still to read from here on: for a queue host that fell behind, or what a slave dispatches. */
function readTo({ dispatcher, replication }: BrokerState): number {
  let from = replication.wholeEnd;
  for (const behind of dispatcher.behind()) from = Math.min(from, behind.from);
  from = Math.min(from, dispatcher.oldestPending);
  return from;
}

/** The oldest file is. */
function isNeeded(state: BrokerState): boolean {
  return state.log.minOffset + state.log.fileBytes > readTo(state);
}

function sizesOf({ log, topics, settings, index }: BrokerState): StoreSizes {
  const queueFileBytes = settings.mappedFileSizeConsumeQueue;
  let queueBytes = 0;
  for (const topic of topics.all()) {
    for (const { minOffset, nextOffset } of topic.usedQueues()) {
      const firstByte = minOffset * ENTRY_BYTES;
      const bytes = nextOffset * ENTRY_BYTES - (firstByte - (firstByte % queueFileBytes));
      queueBytes += Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    }
  }
  return { fileBytes: log.fileBytes, files: log.files.count, queueBytes, indexBytes: index?.usedBytes ?? 0 };
}
