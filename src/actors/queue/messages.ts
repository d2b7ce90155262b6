/** What a queue host understands: pulls (frames from the front) and what its broker actor tells it. */
import { messageTable, shape } from '../../runtime/message.js';
import type { FlowLimits } from '../flow-control.js';
import { connectionRows } from '../front/connection-messages.js';

/** How much an answer holds, what counts as recent, and whether a slave corrects offsets. */
export interface PullLimits {
  readonly accessMessageInMemoryMaxRatio: number;
  readonly maxTransferBytesOnMessageInMemory: number;
  readonly maxTransferCountOnMessageInMemory: number;
  readonly maxTransferBytesOnMessageInDisk: number;
  readonly maxTransferCountOnMessageInDisk: number;
  readonly offsetCheckInSlave: boolean;
}

/** Broker settings that pulls look at and that may change while it runs. */
export interface BrokerReplica extends PullLimits, FlowLimits {
  readonly brokerPermission: number;
  readonly longPollingEnable: boolean;
  readonly shortPollingTimeMills: number;
  readonly slaveReadEnable: boolean;
  readonly enablePropertyFilter: boolean;
  readonly filterSupportRetry: boolean;
}

/** The part of a topic's configuration that pulls look at. */
export interface TopicReplica {
  readonly topic: string;
  readonly readQueueNums: number;
  readonly perm: number;
}

/** The part of a group's configuration that pulls look at, and its subscriptions while it has clients. */
export interface GroupReplica {
  readonly group: string;
  /** undefined: the group has no settings (yet). */
  readonly settings:
    | {
        readonly consumeEnable: boolean;
        readonly consumeBroadcastEnable: boolean;
        readonly brokerId: number;
        readonly whichBrokerWhenConsumeSlowly: number;
      }
    | undefined;
  /** undefined: no client of the group is connected. */
  readonly consumers:
    | {
        readonly messageModel: 'BROADCASTING' | 'CLUSTERING';
        readonly subscriptions: readonly SubscriptionReplica[];
      }
    | undefined;
  /** For the topics that it subscribes to by expressions, or did not long ago. */
  readonly filters: readonly FilterReplica[];
}

/** What a group wants of a topic. */
export interface FilterReplica {
  readonly topic: string;
  readonly expressionType: string;
  readonly expression: string;
  /** subVersion of the subscription. */
  readonly clientVersion: number;
}

export interface SubscriptionReplica {
  readonly topic: string;
  readonly subString: string;
  readonly subVersion: number;
  readonly expressionType: string;
  readonly codeSet: readonly number[];
  readonly classFilterMode: boolean;
}

export interface OffsetSearch {
  readonly topic: string;
  readonly queueId: number;
  readonly timestamp: number;
  /** Of the broker, for the answer. */
  readonly token: number;
}

/** Entries that one answer to `readEntries` holds at most. */
export const ENTRIES_READ_MAX = 1024;

export const queueMessages = messageTable({
  ...connectionRows,

  /**
   * Consume queue entries of one message queue, in order. Bytes: `u8 topic length, topic, count x 20-byte entries` in
   * the consume queue's own layout. Key: queueKey(topic hash, queue id).
   */
  dispatch: {
    id: 16,
    fields: { queueId: 'i32', firstQueueOffset: 'offset', count: 'i32' },
    bytes: true,
  },
  /** The commit log now spans [minOffset, endOffset). */
  logRange: { id: 17, lane: 'reply', fields: { minOffset: 'offset', endOffset: 'offset' } },
  topic: { id: 18, lane: 'reply', msgpack: shape<TopicReplica>() },
  /**
   * The topic is gone: close its queues and remove their files. Messages from physical offset `end` on are of a topic of
   * that name that was made later; the two lanes have no order, so they may be here already.
   */
  topicDeleted: { id: 19, lane: 'reply', msgpack: shape<{ topic: string; end: number }>() },
  group: { id: 20, lane: 'reply', msgpack: shape<GroupReplica>() },
  /** Broker settings that pulls look at changed (code 25), or a whole replica begins. */
  broker: { id: 21, lane: 'reply', msgpack: shape<BrokerReplica>() },
  /** Write every entry dispatched before this out and sync, then answer queuesFlushed: before a checkpoint, at close. */
  flush: { id: 22 },
  /**
   * The host has had no room, and misses entries that clients may have been told of: until `caughtUp` with the same
   * number, which follows them. On the lane that always has room, so that it comes before the pulls of those clients.
   */
  behind: { id: 23, lane: 'reply', fields: { lag: 'i32' } },
  caughtUp: { id: 24, fields: { lag: 'i32' } },
  /** Which offset of a queue belongs to a time, ms: answered offsetFound or searchFailed. */
  searchOffset: { id: 40, lane: 'reply', msgpack: shape<OffsetSearch>() },
  /**
   * Answer entriesRead with up to `maxEntries` entries from `fromOffset` on. Behind the entries that were dispatched
   * before. Bytes: the topic. Key: queueKey(topic hash, queue id). `reader` comes back with the answer.
   */
  readEntries: {
    id: 25,
    fields: { reader: 'i32', queueId: 'i32', fromOffset: 'offset', maxEntries: 'i32' },
    bytes: true,
  },
  /**
   * The log begins at `logMinOffset` now: forget entries before it, then answer queueCleaned. Bytes: the topic. Key: as
   * of dispatch, like that of the next.
   */
  cleanQueue: { id: 44, fields: { queueId: 'i32', logMinOffset: 'offset' }, bytes: true },
  /** The queue is gone: remove its files. On the lane of its entries, so that those sent before do not bring it back. */
  queueGone: { id: 45, fields: { queueId: 'i32' }, bytes: true },
  /** Answer to `stalled`: what follows begins with the message at physical offset `from`. */
  resume: { id: 50, fields: { stall: 'i32', from: 'offset' } },
});

/** Finds a queue actor on its host: the same for the front, the broker and the host. `topicHash`: FNV-1a 32 of the UTF-8 topic. */
export function queueKey(topicHash: number, queueId: number): number {
  return (topicHash ^ Math.imul(queueId + 1, 0x9e3779b1)) | 0;
}
