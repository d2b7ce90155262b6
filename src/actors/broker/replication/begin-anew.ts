/**
 * A slave whose master has deleted what it has not got yet: the two logs cannot be joined, so the slave gives its own up
 * and copies what its master still has. An Apache master answers such a slave with heartbeats for ever (HAConnection:
 * a slave below the oldest file finds no data).
 *
 * Interrupted, it is done again: log files go first and the newest of them before the others, and recovery knows what to
 * do with queues and an index without a log.
 */
import { DiskError } from '../../../base/disk.js';
import { dropQueuesOf } from '../store/drop-queues.js';
import { tellHa, tellLogRange } from '../store/log-range.js';
import type { BrokerState } from '../state.js';

/** The log is empty then, and begins at `offset`. Throws DiskError. */
export function beginAnew(state: BrokerState, offset: number): void {
  const { log, context, topics, dispatcher, index, indexCatchUp } = state;
  context.log.warn(
    `the master has deleted messages that this slave has not copied: its store, which ends at ${log.endOffset}, is emptied ` +
      `and copied again from ${offset} on`,
    { directory: log.files.directory },
  );
  log.clear();
  log.beginAt(offset);
  dispatcher.beginAt(offset);
  for (const topic of topics.all()) dropQueuesOf(state, topic);
  indexCatchUp.end();
  try {
    index?.clear();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    context.log.error(`index files of before stay, queries by key may miss messages: ${error.message}`);
  }
  state.reader.forgetBefore(offset);
  tellLogRange(state);
  tellHa(state);
}
