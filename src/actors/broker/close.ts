/** The orderly stop of a broker. */
import { DiskError } from '../../base/disk.js';
import { withRemedy } from '../../base/disk-remedy.js';
import { MIB } from '../../base/units.js';
import { stopUnindexed } from '../../store/index-rebuild.js';
import { removeAbortFile } from '../../store/store-directory.js';
import { endOfBatch } from './end-of-batch.js';
import { leaveMark } from './store/store-health.js';
import type { BrokerState } from './state.js';

/** For the consume queues, at an orderly stop: all of it is to take at most 5 s. */
const CLOSE_SYNC_MS = 2_000;
const CLOSE_RETRY_MS = 20;
/** An index that lacks no more than the keys of so many bytes is completed before the stop, within that time. */
const CLOSE_INDEX_BYTES = 256 * MIB;

/**
 * What was acknowledged is on the disk when this is done, and the name servers know that the broker is gone. Thousands
 * of consume queues take long to sync; those that are not when the time is over are put right by the next start.
 */
export function close(state: BrokerState, done: () => void): void {
  const { context } = state;
  state.schedule.stop();
  state.transactions.stop();
  state.registration.unregister(() => {
    endOfBatch(state);
    state.files.close(state);
    let isOver = false;
    let isSynced = false;
    const finish = (): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      finishClose(state, isSynced, done);
    };
    const finishIfDone = (): void => {
      const left = state.indexCatchUp.left(state);
      if (isSynced && (left === 0 || left > CLOSE_INDEX_BYTES)) finish();
    };
    const timer = context.after(CLOSE_SYNC_MS, finish);
    state.indexCatchUp.whenDone(finishIfDone);
    syncHosts(
      state,
      () => {
        isSynced = true;
        finishIfDone();
      },
      () => isOver,
    );
  });
}

/** The hosts are closed after this actor. One that is behind gets the entries that it misses first. */
function syncHosts(state: BrokerState, synced: () => void, isOver: () => boolean): void {
  state.queueSync.begin(state, (isSynced) => {
    if (isSynced) synced();
    else if (!isOver()) state.context.after(CLOSE_RETRY_MS, () => syncHosts(state, synced, isOver));
  });
}

function finishClose(state: BrokerState, isSynced: boolean, done: () => void): void {
  const { context } = state;
  const { isBehind } = state.indexCatchUp;
  state.indexCatchUp.end();
  state.flusher.close();
  state.retention.close();
  try {
    state.log.close();
    state.schedule.close(state);
    state.index?.sync();
    state.index?.close();
    state.checkpoint.logTimestamp = state.storeTimestamp();
    state.checkpoint.save();
    if (isSynced) closeInOrder(state, isBehind);
    else context.log.warn('not every consume queue was synced in time, the next start checks them');
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    // The abort file stays, so the next start recovers what could not be written now.
    leaveMark(state);
    context.log.error(`the store was not closed cleanly, the next start recovers it: ${withRemedy(error)}`);
  }
  done();
}

/** The last thing: the next start need not look for what was lost. */
function closeInOrder({ context, settings, checkpoint, index, log }: BrokerState, isIndexBehind: boolean): void {
  const root = settings.storePathRootDir;
  if (index === undefined || !isIndexBehind) return removeAbortFile(context.disk, root);
  stopUnindexed(context.disk, root, checkpoint, index, log.endOffset);
  context.log.info('the key index is not complete yet: the next start goes on with it');
}
