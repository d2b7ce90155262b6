/**
 * Sends are refused while the file system of the store is fuller than diskSpaceWarningLevelRatio, and taken again when it
 * is not. Source: DefaultMessageStore.CleanCommitLogService.isSpaceFull, RunningFlags.isDiskFull.
 */
import { DiskError } from '../../base/disk.js';
import { GIB } from '../../base/units.js';
import type { Context } from '../../runtime/actor.js';
import type { BrokerState } from './state.js';

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

/** Sets or clears `state.refusal`; says so in the log when it changes. */
export function checkDisk(state: BrokerState): void {
  const { settings, context } = state;
  const { storePathCommitLog: directory, diskSpaceWarningLevelRatio: limit } = settings;
  const used = diskUsedPercent(context, directory);
  const isFull = used > limit;
  const wasFull = state.refusal !== undefined;
  state.refusal = isFull ? refusal(directory, used, limit) : undefined;
  if (isFull === wasFull) return;
  if (isFull) context.log.error(`sends are refused: ${state.refusal}`, freeGiB(context, directory));
  else context.log.info('the disk has room again, sends are taken', { directory, usedPercent: used });
}

function refusal(directory: string, used: number, limit: number): string {
  return (
    `the disk of ${directory} is ${used} % full, more than diskSpaceWarningLevelRatio=${limit}: ` +
    'free space there, choose another place with --store, or raise diskSpaceWarningLevelRatio'
  );
}

function freeGiB({ disk }: Context, directory: string): { readonly freeGiB: number } {
  return { freeGiB: Math.round((disk.usage(directory).availableBytes / GIB) * 10) / 10 };
}
