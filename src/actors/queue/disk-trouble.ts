/**
 * A queue host whose disk refuses. Nothing of it crashes: entries that were taken stay in memory and are written when the
 * disk takes them; entries that cannot be taken stall the host.
 *
 *     host      dispatch x: refused -> stalled(1, x)   dispatch y: dropped      resume(1, x)   dispatch x, y: taken
 *     broker                           notes "behind from x", waits a second,   reads its log again from x
 *
 * Also how what was dispatched becomes durable: `flush`, one queue after the other on the I/O thread.
 */
import { DiskError } from '../../base/disk.js';
import { type DiskErrorFacts, diskErrorFacts, withRemedy } from '../../base/disk-remedy.js';
import { invariant } from '../../base/invariant.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import type { MessageOf } from '../../runtime/message.js';
import { brokerMessages } from '../broker/messages.js';
import type { HostState } from './host-state.js';
import type { queueMessages } from './messages.js';
import { answerHeld } from './pull.js';
import type { HeldPull } from './held.js';
import type { Queue } from './queue.js';
import { wakeUp } from './queues.js';
import { refuseHeld } from './refuse.js';

/** Does work on files; false, and the broker knows, when the disk refuses. */
export function attempt(state: HostState, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    trouble(state, error);
    return false;
  }
}

function trouble(state: HostState, error: DiskError): void {
  if (state.hasToldTrouble) return;
  state.hasToldTrouble = true;
  const value = { host: state.options.host, error: diskErrorFacts(error) };
  state.context.send(state.options.broker, brokerMessages.queueDisk, { value });
}

/** What is here could be written; that is all there is, unless the host is behind. A sync that failed stays lost. */
export function troubleOver(state: HostState): void {
  const isCurrent = state.stall === undefined && state.lagOver === state.lagBegun;
  if (!state.hasToldTrouble || state.hasLostSync || !isCurrent) return;
  state.hasToldTrouble = false;
  const value = { host: state.options.host, error: undefined };
  state.context.send(state.options.broker, brokerMessages.queueDisk, { value });
}

/** Answers a held pull; what the disk cannot give is refused with the reason. */
export function tryHeld(state: HostState, held: HeldPull): void {
  try {
    answerHeld(state, held);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    refuseHeld(state, held.request, ResponseCode.SYSTEM_ERROR, withRemedy(error));
  }
}

// ---- entries that cannot be taken

/** Entries from `from` (physical offset) on were refused. What the queue took of them is skipped when they come again. */
export function beginStall(state: HostState, from: number, error: DiskErrorFacts): void {
  const { context, options } = state;
  const { host } = options;
  state.stalls++;
  state.stall = { number: state.stalls, from, error };
  // Until the broker says `caughtUp`: clients may know of more than this host.
  state.lagOver = -1;
  state.hasToldTrouble = true;
  context.send(options.broker, brokerMessages.stalled, { value: { host, stall: state.stalls, from, error } });
}

export function onResume(state: HostState, m: MessageOf<typeof queueMessages, 'resume'>): void {
  const { stall } = state;
  if (stall === undefined || stall.number !== m.stall) return;
  state.stall = undefined;
  // Older entries were dropped after the broker was told: they were on their way already.
  if (stall.from < m.from) beginStall(state, stall.from, stall.error);
}

// ---- durable

/**
 * Writes out and syncs everything that was dispatched, one queue after the other on the I/O thread, then tells the
 * broker. A queue that gets entries meanwhile is dirty again and not vouched for.
 */
export function onFlush(state: HostState): void {
  invariant(state.syncing === undefined, 'the broker waits for one flush before it asks for another');
  const syncing = { queues: [] as Queue[], isSynced: state.stall === undefined };
  for (const queue of [...state.dirty]) {
    if (attempt(state, () => queue.entries.flush())) {
      state.dirty.delete(queue);
      queue.isDirty = false;
      syncing.queues.push(queue);
    } else {
      syncing.isSynced = false;
    }
  }
  state.syncing = syncing;
  syncNext(state);
}

/** Goes on until a queue has to wait for the device; a loop, because most have nothing to sync and answer at once. */
function syncNext(state: HostState): void {
  const syncing = state.syncing!;
  for (let queue = syncing.queues.pop(); queue !== undefined; queue = syncing.queues.pop()) {
    if (!syncOne(state, queue)) return;
  }
  finishFlush(state);
}

/** False when it goes on later. */
function syncOne(state: HostState, queue: Queue): boolean {
  let isAtOnce = true;
  let isDone = false;
  const syncing = state.syncing!;
  // Its files are opened for it.
  wakeUp(state, queue);
  const isBegun = attempt(state, () =>
    queue.entries.syncLater((error) => {
      isDone = true;
      if (error !== undefined) onLostSync(state, error);
      if (!isAtOnce) syncNext(state);
    }),
  );
  isAtOnce = false;
  if (isBegun) return isDone;
  // Its names could not be synced, or it lost a sync before: it is tried again with the next flush.
  syncing.isSynced = false;
  queue.isDirty = true;
  state.dirty.add(queue);
  return true;
}

/**
 * What the system lost it will not report again. The checkpoint stays where it is, and the next start builds the entries
 * again from the log.
 */
function onLostSync(state: HostState, error: DiskError): void {
  state.hasLostSync = true;
  trouble(state, error);
}

function finishFlush(state: HostState): void {
  const { isSynced } = state.syncing!;
  state.syncing = undefined;
  const { context, options } = state;
  const isVouched = isSynced && !state.hasLostSync;
  context.send(options.broker, brokerMessages.queuesFlushed, { host: options.host, isSynced: isVouched });
}
