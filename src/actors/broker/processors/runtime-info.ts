/**
 * GET_BROKER_RUNTIME_INFO: everything that clusterList and brokerStatus print, as texts. Tools split and parse some of
 * them, so their forms are Apache's. Source: AdminBrokerProcessor.prepareRuntimeInfo, DefaultMessageStore.getRuntimeInfo,
 * StoreStatsService.getRuntimeInfo.
 */
import { DiskError } from '../../../base/disk.js';
import { MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND } from '../../../base/units.js';
import { RECORD_BYTES_MIN } from '../../../message/record.js';
import { kvTable } from '../../../remoting/bodies/routes.js';
import { requests } from '../../../remoting/requests.js';
import { OUR_VERSION, versionText } from '../../../remoting/version.js';
import { diskUsedPercent } from '../store/disk-check.js';
import { storeTimeOfRecord } from '../lookups/queue-times.js';
import type { BrokerState } from '../state.js';
import { okBody, on } from './answer.js';

export const runtimeProcessors = [
  on(requests.getBrokerRuntimeInfo, (state) => okBody(kvTable, { table: runtimeInfo(state) })),
] as const;

/** Stands for a buffer pool that is not used (transientStorePoolEnable). */
const NO_POOL_BUFFERS = 0x7fff_ffff;

export function runtimeInfo(state: BrokerState): Map<string, string> {
  const values = {
    ...times(state),
    ...puts(state),
    ...disks(state),
    ...schedule(state),
    ...log(state),
    ...queues(state),
  };
  return new Map(Object.entries(values).map(([key, value]) => [key, String(value)]));
}

function times({ context, startedMs, settings }: BrokerState) {
  return {
    brokerVersionDesc: versionText(OUR_VERSION),
    brokerVersion: OUR_VERSION,
    bootTimestamp: startedMs,
    runtime: durationText(context.clock.now() - startedMs),
    startAcceptSendRequestTimeStamp: settings.startAcceptSendRequestTimeStamp,
  };
}

function puts({ stats, counters }: BrokerState) {
  const { putTimes } = stats;
  // At least 1, as Apache says it: it divides by it.
  const count = Math.max(1, counters.putMessages);
  return {
    putMessageTimesTotal: count,
    putMessageFailedTimes: counters.failedPuts,
    putMessageSizeTotal: counters.putBytes,
    putMessageAverageSize: doubleText(counters.putBytes / count),
    putMessageEntireTimeMax: Math.ceil(putTimes.maxMs),
    putMessageDistributeTime: putTimes.distribution(),
    putLatency99: putTimes.percentile(0.99).toFixed(2),
    putLatency999: putTimes.percentile(0.999).toFixed(2),
    getMessageEntireTimeMax: 0,
    putTps: stats.putTps,
    getFoundTps: stats.foundTps,
    getMissTps: stats.missTps,
    getTotalTps: stats.totalTps,
    getTransferedTps: stats.transferredTps,
    msgPutTotalYesterdayMorning: stats.putYesterdayMorning,
    msgPutTotalTodayMorning: stats.putTodayMorning,
    msgPutTotalTodayNow: counters.putMessages,
    msgGetTotalYesterdayMorning: stats.gotYesterdayMorning,
    msgGetTotalTodayMorning: stats.gotTodayMorning,
    msgGetTotalTodayNow: stats.messagesGot,
  };
}

function disks({ context, settings }: BrokerState) {
  const { storePathCommitLog, storePathRootDir } = settings;
  const ratio = (directory: string): string => {
    const percent = diskUsedPercent(context, directory);
    return percent < 0 ? '-1.0' : doubleText(percent / 100);
  };
  return {
    commitLogDiskRatio: ratio(storePathCommitLog),
    [`commitLogDiskRatio_${storePathCommitLog}`]: ratio(storePathCommitLog),
    consumeQueueDiskRatio: ratio(storePathRootDir),
    ...capacity(context.disk, storePathRootDir),
  };
}

function capacity(disk: BrokerState['context']['disk'], directory: string): { commitLogDirCapacity?: string } {
  try {
    const { totalBytes, availableBytes } = disk.usage(directory);
    return { commitLogDirCapacity: `Total : ${bytesText(totalBytes)}, Free : ${bytesText(availableBytes)}.` };
  } catch (error) {
    if (error instanceof DiskError) return {};
    throw error;
  }
}

/** `scheduleMessageOffset_3`: how far the level is delivered, and the end of its queue. */
function schedule(state: BrokerState): Record<string, string> {
  const known = state.schedule.levels.filter(({ isKnown }) => isKnown);
  return Object.fromEntries(
    known.map((level) => {
      const progress = `${level.next},${state.schedule.endOf(state, level)}`;
      return [`scheduleMessageOffset_${level.level}`, progress];
    }),
  );
}

function log(state: BrokerState) {
  const { log, dispatcher } = state;
  const behindFrom = Math.min(log.writtenOffset, ...[...dispatcher.behind()].map(({ from }) => from));
  return {
    // -1 while there is no file, as in Apache.
    commitLogMinOffset: log.files.count === 0 ? -1 : log.minOffset,
    commitLogMaxOffset: log.endOffset,
    earliestMessageTimeStamp: storeTimeOfRecord(state, log.minOffset, RECORD_BYTES_MIN),
    dispatchBehindBytes: log.endOffset - behindFrom,
    dispatchMaxBuffer: 0,
    remainHowManyDataToFlush: bytesText(log.endOffset - log.flushedOffset),
    remainTransientStoreBufferNumbs: NO_POOL_BUFFERS,
    // Nobody waits for a lock: a broker has one writer.
    pageCacheLockTimeMills: 0,
  };
}

/**
 * Apache's pool queues are rings here, emptied each turn. What waits is requests behind this one (they count as sends, which
 * most of them are), sends whose flush or slave is not there yet, and pulls whose messages come from the disk.
 */
function queues({ settings, waiting, context, flow, stats }: BrokerState) {
  const pulls = stats.pullQueue;
  return {
    sendThreadPoolQueueSize: waiting.count + flow.waiting,
    sendThreadPoolQueueCapacity: settings.sendThreadPoolQueueCapacity,
    sendThreadPoolQueueHeadWaitTimeMills: Math.round(
      Math.max(waiting.headWaitMs(context.clock.monotonic()), flow.headWaitMs),
    ),
    pullThreadPoolQueueSize: pulls.count,
    pullThreadPoolQueueCapacity: settings.pullThreadPoolQueueCapacity,
    pullThreadPoolQueueHeadWaitTimeMills: Math.round(pulls.headWaitMs),
    // Answered in the turn in which they are taken.
    queryThreadPoolQueueSize: 0,
    queryThreadPoolQueueCapacity: settings.queryThreadPoolQueueCapacity,
    queryThreadPoolQueueHeadWaitTimeMills: 0,
    EndTransactionQueueSize: 0,
    EndTransactionThreadPoolQueueCapacity: settings.endTransactionPoolQueueCapacity,
  };
}

/** `[ 0 days, 2 hours, 5 minutes, 9 seconds ]` */
function durationText(ms: number): string {
  const days = Math.floor(ms / MS_PER_DAY);
  const hours = Math.floor((ms % MS_PER_DAY) / MS_PER_HOUR);
  const minutes = Math.floor((ms % MS_PER_HOUR) / MS_PER_MINUTE);
  const seconds = Math.floor((ms % MS_PER_MINUTE) / MS_PER_SECOND);
  return `[ ${days} days, ${hours} hours, ${minutes} minutes, ${seconds} seconds ]`;
}

/** `12 B`, `98.3 GiB`. Source: MixAll.humanReadableByteCount. */
function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const exponent = Math.min(6, Math.floor(Math.log(bytes) / Math.log(1024)));
  return `${(bytes / 1024 ** exponent).toFixed(1)} ${'KMGTPE'[exponent - 1]}iB`;
}

function doubleText(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
