/** What an HA actor understands. A slave dials its master's HA port; a dial within one process replicates without bytes. */
import { messageTable } from '../../runtime/message.js';
import { connectionRows, streamRows } from '../front/connection-messages.js';

export const haMessages = messageTable({
  ...connectionRows,
  ...streamRows,

  // ---- from the own broker actor
  /** The commit log was written up to `end` (its smallest offset is `minOffset`). */
  logWritten: { id: 16, lane: 'reply', fields: { minOffset: 'offset', end: 'offset' } },
  /** Slave: the own log ends at `end` now. */
  appended: { id: 17, lane: 'reply', fields: { end: 'offset' } },
  /** Slave: the master's log has no longer what comes next in the own one; ask where it begins. */
  rejoin: { id: 19, lane: 'reply' },
  /** Slave: where the master's HA port is, learnt from a name server. Bytes: `host:port`. */
  masterAddress: { id: 18, lane: 'reply', bytes: true },
  /** Slave: answer to checkMaster. Bytes: why the logs cannot be joined; none when they can. */
  masterChecked: { id: 20, lane: 'reply', fields: { connection: 'i32' }, bytes: true },
  /** Slave: what came from the master cannot be appended. Bytes: why. */
  appendFailed: { id: 21, lane: 'reply', bytes: true },
  /** Settings of the stream were changed (options.ts, StreamSettings). */
  settings: {
    id: 22,
    lane: 'reply',
    fields: { heartbeatMs: 'offset', housekeepingMs: 'offset', batchBytes: 'offset' },
  },

  // ---- between the HA actors of one process, over a synthetic connection (ids of the two ends)
  /** Slave to master: this connection is served from shared memory; my log ends at `end`. */
  localHello: { id: 24, lane: 'reply', fields: { connection: 'i32', end: 'offset' } },
  /** Master to slave: the log may be read up to `end`. `from` is set in the first one: where the slave starts. */
  localRange: { id: 25, lane: 'reply', fields: { from: 'offset', end: 'offset' } },
  /** Slave to master: appended up to `end`. */
  localAck: { id: 26, lane: 'reply', fields: { connection: 'i32', end: 'offset' } },
  /** Master to slave: the logs cannot be joined. Bytes: why, for the log. */
  localRefused: { id: 27, lane: 'reply', bytes: true },
});
