/**
 * Which commit log files may go, and when: a function of times, disk usage and sizes, without a disk. Two sets of rules:
 *
 * - Apache's, by age and by the percentage of the file system that is used. Files go oldest first, never the newest.
 *   Source: DefaultMessageStore.CleanCommitLogService, MappedFileQueue.deleteExpiredFileByTime.
 * - Hangar's byte budget (storeMaxBytes), which takes the place of the percentages.
 */

/** MappedFileQueue.DELETE_FILES_BATCH_MAX. */
export const FILES_PER_RUN_MAX = 10;
/** CleanCommitLogService.MAX_MANUAL_DELETE_FILE_TIMES. */
export const MANUAL_ROUNDS = 20;

export interface DiskRatios {
  /** diskMaxUsedSpaceRatio, percent: above it files that are old go at any hour. */
  readonly reclaim: number;
  /** diskSpaceCleanForciblyRatio: above it files go whatever their age. */
  readonly cleanForcibly: number;
  /** diskSpaceWarningLevelRatio: above it messages are refused. */
  readonly refuse: number;
}

export interface DiskJudgement {
  /** Old files go now. */
  readonly wantsSpace: boolean;
  /** So do others. */
  readonly cleanAtOnce: boolean;
  /** Whether messages are refused from now on; undefined: as before. */
  readonly isFull: boolean | undefined;
}

/**
 * What the cleaner makes of the used percentage of the file systems of commit log and consume queues, -1 when unknown.
 * The second counts only when the first gives no reason to delete.
 */
export function judgeDisk(logPercent: number, queuePercent: number, ratios: DiskRatios): DiskJudgement {
  const first = judgeOne(logPercent, ratios);
  if (first.wantsSpace) return first;
  const second = judgeOne(queuePercent, ratios);
  return {
    wantsSpace: second.wantsSpace,
    cleanAtOnce: first.cleanAtOnce || second.cleanAtOnce,
    isFull: second.isFull ?? first.isFull,
  };
}

function judgeOne(percent: number, { reclaim, cleanForcibly, refuse }: DiskRatios): DiskJudgement {
  const isFull = percent > refuse;
  return {
    wantsSpace: percent < 0 || percent > reclaim,
    cleanAtOnce: isFull || percent > cleanForcibly,
    // Between the two levels the flag stays as it is; the other check clears it (isSpaceFull).
    isFull: isFull ? true : percent > cleanForcibly ? undefined : false,
  };
}

/** Why a file was deleted: the label of a metric, and a word in the log. */
export type DeletionReason = 'expired' | 'disk-usage' | 'budget';

export interface RunRules {
  /** fileReservedTime, ms. */
  readonly reservedMs: number;
  /** cleanFileForciblyEnable and the disk asks for it. */
  readonly cleanAtOnce: boolean;
  /** Files that end behind this commit log offset are still to be read by the broker itself. */
  readonly keepFrom: number;
}

/** Why the oldest of several files goes in a run of the cleaner; undefined ends the run. */
export function oldestGoes(
  file: { readonly end: number; readonly modifiedMs: number },
  nowMs: number,
  { reservedMs, cleanAtOnce, keepFrom }: RunRules,
): DeletionReason | undefined {
  if (file.end > keepFrom) return undefined;
  if (nowMs >= file.modifiedMs + reservedMs) return 'expired';
  return cleanAtOnce ? 'disk-usage' : undefined;
}

/** What counts against storeMaxBytes. */
export interface StoreSizes {
  readonly fileBytes: number;
  /** Log files count in full, the one being written too. */
  readonly files: number;
  /** Entries in consume queues, from the beginning of their first file, in whole pages. */
  readonly queueBytes: number;
  readonly indexBytes: number;
}

export function storeBytes({ files, fileBytes, queueBytes, indexBytes }: StoreSizes): number {
  return files * fileBytes + queueBytes + indexBytes;
}

/**
 * How many of the oldest log files have to go so that `aheadBytes` more (the next file, and what queues and index grow
 * meanwhile) stay within the budget; at most all but `keep`.
 */
export function filesOverBudget(maxBytes: number, sizes: StoreSizes, aheadBytes: number, keep: number): number {
  const over = storeBytes(sizes) + aheadBytes - maxBytes;
  if (over <= 0) return 0;
  return Math.max(0, Math.min(Math.ceil(over / sizes.fileBytes), sizes.files - keep));
}
