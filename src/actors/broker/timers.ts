/** What a broker does from time to time. */
import { DiskError } from '../../base/disk.js';
import { diskErrorFacts } from '../../base/disk-remedy.js';
import type { Context } from '../../runtime/actor.js';
import type { IndexService } from '../../store/index-service.js';
import { expireAnswers } from './sends/answers.js';
import { scanExpired } from './peers/client-events.js';
import { checkDisk } from './store/disk-check.js';
import { tellLogRange } from './store/log-range.js';
import type { BrokerState } from './state.js';
import { DISK_RETRY_MS, retryDisk } from './store/store-health.js';

/** How often answers that wait are looked through for those whose time is over. */
const EXPIRE_MS = 50;
/** So often, because the other members of a group that loses one should know soon. */
const CLIENT_SCAN_MS = 1_000;
const LOCK_SWEEP_MS = 10_000;
const DISK_CHECK_MS = 10_000;
const GAUGES_MS = 1_000;
/** How far behind the log's end a message is decides what a pull gets of it; that need not be exact. */
const LOG_RANGE_MS = 1_000;
/** Pieces of index work between batches; more often while there is a lot. */
const INDEX_TICK_MS = 100;
const INDEX_RETRY_MS = 5_000;

export function startTimers(state: BrokerState): void {
  const { context, log, flusher, index, settings } = state;
  const { clock } = context;
  every(context, EXPIRE_MS, () => expireAnswers(state));
  every(context, CLIENT_SCAN_MS, () => scanExpired(state));
  every(context, LOCK_SWEEP_MS, () => state.locks.dropExpired(clock.monotonic()));
  every(context, DISK_CHECK_MS, () => checkDisk(state));
  every(context, GAUGES_MS, () => updateGauges(state));
  every(context, DISK_RETRY_MS, () => retryDisk(state));
  let toldEnd = log.endOffset;
  // A host knows of the messages of its own queues at once.
  every(context, LOG_RANGE_MS, () => {
    if (log.endOffset !== toldEnd) tellLogRange(state);
    toldEnd = log.endOffset;
  });
  every(context, settings.flushIntervalCommitLog, () => flusher.tick(clock.monotonic()));
  every(context, settings.flushConsumeQueueThoroughInterval, () => state.queueSync.begin(state));
  if (index !== undefined) indexInPieces(state, index);
}

/** Index pages are written in small pieces, so that no batch waits for all of them. */
function indexInPieces(state: BrokerState, index: IndexService): void {
  const { context } = state;
  context.after(INDEX_TICK_MS, function next(): void {
    context.after(tickIndex(state, index), next);
  });
}

/** Milliseconds until the next piece. Keys that cannot be written stay in memory and are tried again. */
function tickIndex({ faults }: BrokerState, index: IndexService): number {
  const { pendingKeys } = index;
  try {
    const isBusy = index.tick();
    // Where nothing was to be written nobody knows: the next file could not be made, perhaps.
    if (pendingKeys > 0 && index.pendingKeys === 0) faults.worked('index');
    return isBusy ? 0 : INDEX_TICK_MS;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    faults.failed('index', diskErrorFacts(error));
    return INDEX_RETRY_MS;
  }
}

function updateGauges(state: BrokerState): void {
  const { counters, log } = state;
  counters.logEnd.set(log.endOffset);
  counters.logFlushed.set(log.flushedOffset);
  counters.logMin.set(log.minOffset);
  if (state.settings.brokerRole !== 'SLAVE') {
    const lag = state.connectedSlaves === 0 ? 0 : log.endOffset - state.replicatedOffset;
    counters.replicationLag.set(lag);
    counters.connectedSlaves.set(state.connectedSlaves);
  }
}

function every(context: Context, periodMs: number, run: () => void): void {
  context.after(periodMs, () => {
    run();
    every(context, periodMs, run);
  });
}
