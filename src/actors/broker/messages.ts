/** What a broker actor understands: connections (from the front), its queue hosts, its HA actor. */
import type { DiskErrorFacts } from '../../base/disk-remedy.js';
import { messageTable, shape } from '../../runtime/message.js';
import { connectionRows } from '../front/connection-messages.js';

/** A pull asked for an offset that is not there: the broker writes it to OFFSET_MOVED_EVENT as Apache does. */
export interface OffsetMoved {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly requestedOffset: number;
  readonly newOffset: number;
}

/** Who asked a queue host for entries (readEntries); from QUERIES on: the number of a question (entry-queries.ts). */
export const EntryReader = { SCHEDULE: 1, TRANSACTIONS: 2, QUERIES: 16 } as const;

/** A queue host cannot write its consume queues, or (without an error) can again. */
export interface QueueDisk {
  readonly host: number;
  readonly error: DiskErrorFacts | undefined;
}

/**
 * A queue host could not take dispatched entries. It drops what is dispatched until `resume` with the same number: what
 * it needs then begins with the message at `from` (physical offset).
 */
export interface Stalled {
  readonly host: number;
  readonly stall: number;
  readonly from: number;
  readonly error: DiskErrorFacts;
}

/** A queue host cannot read what searchOffset with that token needs. */
export interface SearchFailed {
  readonly token: number;
  readonly error: DiskErrorFacts;
}

/** What a group got from a topic by pulls that found messages. */
export interface GotByGroup {
  readonly topic: string;
  readonly group: string;
  readonly messages: number;
  readonly bytes: number;
  readonly pulls: number;
}

export const brokerMessages = messageTable({
  ...connectionRows,

  // ---- from queue hosts
  /** Commit-with-pull. Bytes: `u8 group length, group, topic`. */
  commitOffset: { id: 16, lane: 'reply', fields: { queueId: 'i32', queueOffset: 'offset' }, bytes: true },
  offsetMoved: { id: 17, lane: 'reply', msgpack: shape<OffsetMoved>() },
  /** Answer to `flush`: whether everything that was dispatched before it is durable in the consume queue files. */
  queuesFlushed: { id: 18, lane: 'reply', fields: { host: 'i32', isSynced: 'boolean' } },
  queueDisk: { id: 50, lane: 'reply', msgpack: shape<QueueDisk>() },
  stalled: { id: 51, lane: 'reply', msgpack: shape<Stalled>() },
  /**
   * What pulls of a host did since its last report: pulls that found messages or did not, messages that they got. And how
   * many wait now, for the disk or for tables of the broker, and how long a pull waited lately before it was looked at.
   */
  pulled: {
    id: 22,
    lane: 'reply',
    fields: {
      host: 'i32',
      found: 'offset',
      missed: 'offset',
      messages: 'offset',
      waiting: 'i32',
      headWaitMs: 'offset',
    },
  },
  /** The same by topic and group, for those that got something since the last report. */
  got: { id: 54, lane: 'reply', msgpack: shape<readonly GotByGroup[]>() },
  /** Where a queue begins after old entries were dropped (cleanQueue), and how many of its files went. Bytes: the topic. */
  queueCleaned: {
    id: 44,
    lane: 'reply',
    fields: { queueId: 'i32', minOffset: 'offset', filesRemoved: 'i32' },
    bytes: true,
  },
  /** A pull named a group without settings: create them as Apache does (autoCreateSubscriptionGroup). */
  groupWanted: { id: 21, lane: 'reply', msgpack: shape<{ group: string }>() },

  /** Answer to searchOffset. */
  offsetFound: { id: 40, lane: 'reply', fields: { token: 'i32', offset: 'offset' } },
  searchFailed: { id: 52, lane: 'reply', msgpack: shape<SearchFailed>() },
  /**
   * Entries that were asked for with readEntries: `count` of 20 bytes from `fromOffset` on, none when the queue, which
   * spans [minOffset, maxOffset) at the host, has none there; fewer than asked for at the end of a file.
   */
  entriesRead: {
    id: 26,
    lane: 'reply',
    fields: {
      reader: 'i32',
      queueId: 'i32',
      fromOffset: 'offset',
      minOffset: 'offset',
      maxOffset: 'offset',
      count: 'i32',
    },
    bytes: true,
  },

  // ---- from the HA actor of this broker
  /** Master: highest offset that a slave has, and how many slaves are connected. */
  replicated: { id: 24, lane: 'reply', fields: { offset: 'offset', slaves: 'i32' } },
  /** Slave in the master's process: the log is in the master's window or files up to `end`; append from there. */
  follow: { id: 25, lane: 'reply', fields: { from: 'offset', end: 'offset' } },
  /** Slave: bytes of the master's log from `offset` on, cut anywhere; they follow each other. */
  append: { id: 41, lane: 'reply', fields: { offset: 'offset' }, bytes: true },
  /** Slave: whether the master of another process has the log that this one continues. Answered masterChecked. */
  checkMaster: { id: 42, lane: 'reply', fields: { connection: 'i32' } },
});
