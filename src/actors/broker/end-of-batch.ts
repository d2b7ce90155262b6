/** The end of a batch: first the file write, then everybody hears of it. */
import { refuseUnwritten, releaseAnswers } from './sends/answers.js';
import { tellHa } from './store/log-range.js';
import type { BrokerState } from './state.js';
import { noteLog } from './store/store-health.js';

export function endOfBatch(state: BrokerState): void {
  const { log, dispatcher, settings } = state;
  if (log.writtenOffset < log.endOffset) {
    state.flow.beginWrite();
    const isWritten = log.writeOut();
    state.flow.endWrite(settings);
    if (isWritten) {
      state.flushMarks.written(log.writtenOffset, state.storeTimestamp());
      tellHa(state);
    } else {
      refuseUnwritten(state);
    }
    noteLog(state);
  }
  state.replication.endOfBatch(state);
  if (log.writtenOffset === log.endOffset) dispatcher.flush();
  if (log.flushedOffset < log.writtenOffset) {
    if (state.isSlave) onFollowed(state);
    else if (settings.flushDiskType === 'SYNC_FLUSH') state.flushGroups.request();
  }
  state.replication.catchUp(state);
  state.retention.endOfBatch(state);
  releaseAnswers(state);
  state.files.flush(state);
  state.flow.endOfBatch();
}

/** A slave has appended: nobody waits for its flush, so with SYNC_FLUSH one follows soon instead of at once. */
function onFollowed(state: BrokerState): void {
  state.flushMarks.written(state.replication.dispatchedOffset, state.dispatcher.sentTimestamp);
  if (state.settings.flushDiskType === 'SYNC_FLUSH') state.flushSoon();
}
