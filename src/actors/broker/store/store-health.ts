/**
 * What a broker does about a disk that refuses: it goes on serving what it has, refuses sends while they could not be
 * kept, and tries again every second, so that nothing has to be restarted once there is room again.
 *
 *     commit log write, next file      refused with SERVICE_NOT_AVAILABLE until a retry succeeds
 *     fdatasync of the commit log      the same for good: the kernel may have dropped what it could not write
 *     consume queues of a host         the host is behind and gets them again later; sends go on for a while, since the
 *                                      log is the truth, then they are refused (Apache: 30 tries, one a second)
 */
import { DiskError } from '../../../base/disk.js';
import { withRemedy } from '../../../base/disk-remedy.js';
import { MS_PER_SECOND } from '../../../base/units.js';
import type { MessageOf } from '../../../runtime/message.js';
import { markUnsynced } from '../../../store/unsynced-mark.js';
import type { brokerMessages } from '../messages.js';
import type { BrokerState } from '../state.js';

type Message<K extends keyof typeof brokerMessages> = MessageOf<typeof brokerMessages, K>;

export const DISK_RETRY_MS = MS_PER_SECOND;
/** Consumers may miss new messages this long before producers are told. Source: ConsumeQueue.putMessagePositionInfoWrapper. */
export const CONSUME_QUEUE_PATIENCE_MS = 30 * MS_PER_SECOND;

/** Each second: tries again what the disk has refused. */
export function retryDisk(state: BrokerState): void {
  const { log, context, isSlave } = state;
  if (log.failure !== undefined && !isSlave && log.retry()) context.touch();
  noteLog(state);
  noteQueues(state);
  state.counters.writable.set(writeRefusal(state) === undefined ? 1 : 0);
}

/** After writing: says in the log when it begins or ends to fail. */
export function noteLog({ log, faults, counters }: BrokerState): void {
  if (log.failure !== undefined) counters.writable.set(0);
  if (log.failure === undefined) faults.worked('commitLog');
  else if (faults.get('flush') === undefined) faults.failed('commitLog', log.failure);
}

/** Why messages are not taken; undefined when they are. For the remark of SERVICE_NOT_AVAILABLE. */
export function writeRefusal(state: BrokerState): string | undefined {
  if (state.isSlave) return 'this broker is a slave';
  if (state.log.failure !== undefined) return withRemedy(state.log.failure);
  return state.refusal ?? state.queueRefusal;
}

// ---- consume queues

export function onStalled(state: BrokerState, { value }: Message<'stalled'>): void {
  const { host, stall, from, error } = value;
  state.queueTroubles.set(host, error);
  const nowMs = state.context.clock.monotonic();
  state.dispatcher.stalled(host, stall, from, nowMs + DISK_RETRY_MS, nowMs);
  state.context.after(DISK_RETRY_MS, () => state.context.touch());
  noteQueues(state);
}

export function onQueueDisk(state: BrokerState, { value }: Message<'queueDisk'>): void {
  const { host, error } = value;
  if (error !== undefined) {
    state.queueTroubles.set(host, error);
  } else {
    state.queueTroubles.delete(host);
    state.dispatcher.stallOver(host);
  }
  noteQueues(state);
}

function noteQueues(state: BrokerState): void {
  const { queueTroubles, dispatcher, faults, context } = state;
  const [trouble] = queueTroubles.values();
  if (trouble === undefined) faults.worked('consumeQueue');
  else faults.failed('consumeQueue', trouble);
  const stalledMs = dispatcher.stalledForMs(context.clock.monotonic());
  const isTooLong = trouble !== undefined && stalledMs >= CONSUME_QUEUE_PATIENCE_MS;
  state.queueRefusal = isTooLong
    ? `consume queues could not be written for ${CONSUME_QUEUE_PATIENCE_MS / MS_PER_SECOND} s: ${withRemedy(trouble)}`
    : undefined;
}

/** The next start writes again what a sync that failed may have given up. */
export function leaveMark({ context, settings, log }: BrokerState): void {
  try {
    markUnsynced(context.disk, settings.storePathRootDir, log.flushedOffset);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    const remedy = 'after a power loss, check the store with `hangar store check`';
    context.log.error(`what was not synced cannot be marked (${error.message}): ${remedy}`);
  }
}
