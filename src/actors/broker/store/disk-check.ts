/**
 * Messages are refused while the file system of the store is too full, and taken again when it is not.
 *
 * Without a byte budget that is a matter of percent, as in Apache: diskSpaceWarningLevelRatio. With one (storeMaxBytes) the
 * store cannot grow beyond it, so messages are refused only when the bytes are really not there.
 * Source: DefaultMessageStore.CleanCommitLogService.isSpaceFull, RunningFlags.isDiskFull.
 */
import { memoryBytesOf } from '../../../../config/memory-store.js';
import { DiskError } from '../../../base/disk.js';
import { GIB, MIB } from '../../../base/units.js';
import type { Context } from '../../../runtime/actor.js';
import type { BrokerState } from '../state.js';

/** Room for what is on its way to the disk; files smaller than that need their own size. */
const ROOM_BYTES = 64 * MIB;

/**
 * Used part of the file system that holds `directory`, in whole percent, rounded up; -1 when unknown. What is reserved
 * counts as neither used nor there. Source: UtilAll.getDiskPartitionSpaceUsedPercent.
 */
export function diskUsedPercent({ disk }: Pick<Context, 'disk'>, directory: string): number {
  try {
    const { usedBytes, availableBytes } = disk.usage(directory);
    const entireBytes = usedBytes + availableBytes;
    return entireBytes > 0 ? Math.ceil((usedBytes * 100) / entireBytes) : -1;
  } catch (error) {
    if (error instanceof DiskError) return -1;
    throw error;
  }
}

/** The regular look at the disk of the commit log. */
export function checkDisk(state: BrokerState): void {
  const { settings, context } = state;
  const { storePathCommitLog: directory, diskSpaceWarningLevelRatio: limit } = settings;
  const used = diskUsedPercent(context, directory);
  state.counters.diskUsed.set(used);
  if (settings.storeKind === 'memory') return;
  if (settings.storeMaxBytes > 0) setRefusal(state, roomProblem(state));
  else setFull(state, used > limit, directory, used);
}

/**
 * The same for a store in memory, much more often, because it may fill within seconds. `keptBytes` is the broker's own
 * count, after everything that may go is gone: what queue hosts have not written yet takes no memory, but it will.
 */
export function checkMemory(state: BrokerState, keptBytes: number): void {
  const { storeMaxBytes } = state.settings;
  const mostBytes = (storeMaxBytes + memoryBytesOf(storeMaxBytes)) / 2;
  const problem = `the store in memory keeps ${keptBytes} bytes that cannot be deleted, more than storeMaxBytes=${storeMaxBytes}`;
  const remedy = 'delete topics that nobody needs, or start with a larger storeMaxBytes (--store-max-bytes)';
  setRefusal(state, keptBytes > mostBytes ? `${problem}: ${remedy}` : undefined);
}

/** What a percentage says: refuse, or take again. */
export function setFull(state: BrokerState, isFull: boolean, directory: string, usedPercent: number): void {
  setRefusal(state, isFull ? percentProblem(state, directory, usedPercent) : undefined);
}

/** Sets or clears `state.refusal`; says so in the log when it changes. */
function setRefusal(state: BrokerState, refusal: string | undefined): void {
  const { context, settings } = state;
  const wasFull = state.refusal !== undefined;
  state.refusal = refusal;
  state.counters.refuses.set(refusal === undefined ? 0 : 1);
  if ((refusal !== undefined) === wasFull) return;
  const directory = settings.storePathCommitLog;
  if (refusal !== undefined) context.log.error(`sends are refused: ${refusal}`, freeGiB(context, directory));
  else context.log.info('the disk has room again, sends are taken', freeGiB(context, directory));
}

function percentProblem({ settings }: BrokerState, directory: string, used: number): string {
  const { diskSpaceWarningLevelRatio: limit } = settings;
  return (
    `the disk of ${directory} is ${used} % full, more than diskSpaceWarningLevelRatio=${limit}: ` +
    'free space there, choose another place with --store, raise diskSpaceWarningLevelRatio, or set storeMaxBytes (--store-max-bytes)'
  );
}

/** undefined: there is room. */
function roomProblem({ settings, context }: BrokerState): string | undefined {
  const { storePathCommitLog: directory, mappedFileSizeCommitLog, storeMaxBytes } = settings;
  const neededBytes = Math.min(ROOM_BYTES, mappedFileSizeCommitLog);
  const free = availableBytes(context, directory);
  if (free === undefined || free >= neededBytes) return undefined;
  const parts = `${free} bytes are left, ${neededBytes} are needed, although the store keeps to storeMaxBytes=${storeMaxBytes}`;
  return `the disk of ${directory} is full (${parts}): free space there, choose another place with --store, or lower storeMaxBytes`;
}

function availableBytes({ disk }: Context, directory: string): number | undefined {
  try {
    return disk.usage(directory).availableBytes;
  } catch (error) {
    if (error instanceof DiskError) return undefined;
    throw error;
  }
}

function freeGiB(context: Context, directory: string): { readonly freeGiB: number } {
  return { freeGiB: Math.round(((availableBytes(context, directory) ?? 0) / GIB) * 10) / 10 };
}
