/**
 * The topics of a broker and, for each, its message queues with the next queue offset. The broker actor is the only
 * one that assigns queue offsets: dense, in log order.
 */
import { TOPIC_BYTES_MAX } from '../../../message/record.js';
import { isBrokerOnlyTopic, isRetryTopic, RETRY_PREFIX, SystemTopic } from '../../../message/topics.js';
import type { TopicConfig } from '../../../remoting/bodies/tables.js';
import { fnv1a } from '../../../remoting/request-scan.js';
import type { TopicCounters } from '../statistics/counters.js';
import { queueKey } from '../../queue/messages.js';
import { type DataVersion, firstVersion } from './data-version.js';
import type { PendingEntries } from '../store/pending-entries.js';

export type { TopicConfig };

export const Perm = { PRIORITY: 8, READ: 4, WRITE: 2, INHERIT: 1 } as const;

/** One message queue as its broker sees it. */
export class BrokerQueue {
  /** Offset that the next message gets. */
  nextOffset = 0;
  /** Oldest offset that can be read. */
  minOffset = 0;
  /** Commit log offset behind the newest message; -1 without one. */
  physicalEnd = -1;
  /** Store time of the newest message, ms; 0 when unknown. */
  lastStoreTimestamp = 0;
  readonly key: number;
  /** Entries of this batch that the queue host has not been told of; undefined between batches, see pending-entries.ts. */
  pending: PendingEntries | undefined = undefined;
  pendingCount = 0;
  pendingFirst = 0;

  constructor(
    readonly topic: BrokerTopic,
    readonly queueId: number,
  ) {
    this.key = queueKey(topic.hash, queueId);
  }

  /** The end for clients: what is not written yet cannot be pulled, and nobody may begin behind it. */
  get maxOffset(): number {
    return this.nextOffset - this.pendingCount;
  }
}

export class BrokerTopic {
  readonly bytes: Buffer;
  readonly hash: number;
  /** By queue id; made on first use. What a damaged record claims to be a queue id may be any int32. */
  private readonly queues = new Map<number, BrokerQueue>();
  /** Hash that all index keys of the topic begin with (java-hash.ts); 0 until asked for. */
  indexHash = 0;
  /** Clients may not send to it. */
  readonly isBrokerOnly: boolean;
  /** Holds delayed messages: its queues are the delay levels. */
  readonly isSchedule: boolean;
  /** Of a retry topic: the group whose messages come back through it. */
  readonly retryGroup: string | undefined;
  /** Made with the first message. */
  counters: TopicCounters | undefined = undefined;

  constructor(
    readonly name: string,
    /** undefined: messages are there (store) but the topic is not configured. */
    public config: TopicConfig | undefined,
  ) {
    this.bytes = Buffer.from(name, 'utf8');
    this.hash = fnv1a(this.bytes, 0, this.bytes.length);
    this.isBrokerOnly = isBrokerOnlyTopic(name);
    this.isSchedule = name === SystemTopic.SCHEDULE;
    this.retryGroup = isRetryTopic(name) ? name.slice(RETRY_PREFIX.length) : undefined;
  }

  queue(queueId: number): BrokerQueue {
    let queue = this.queues.get(queueId);
    if (queue === undefined) {
      queue = new BrokerQueue(this, queueId);
      this.queues.set(queueId, queue);
    }
    return queue;
  }

  /** A queue that was used before; undefined says that it holds nothing. */
  usedQueue(queueId: number): BrokerQueue | undefined {
    return this.queues.get(queueId);
  }

  /** The queue is gone with what it held: the next message begins it anew. */
  dropQueue(queue: BrokerQueue): void {
    // What this batch stored in it is not to bring it back.
    queue.pendingCount = 0;
    if (this.queues.get(queue.queueId) === queue) this.queues.delete(queue.queueId);
  }

  /** In the order of their ids. */
  usedQueues(): readonly BrokerQueue[] {
    return [...this.queues.values()].sort((a, b) => a.queueId - b.queueId);
  }
}

export class TopicTable {
  /** Of the configurations; set when the broker starts. */
  version: DataVersion = firstVersion(0);
  private readonly byName = new Map<string, BrokerTopic>();
  /** Topics by hash; nearly always one each. */
  private readonly byHash = new Map<number, BrokerTopic[]>();

  get(name: string): BrokerTopic | undefined {
    return this.byName.get(name);
  }

  /** The topic of that name, made without configuration when it is new. */
  ensure(name: string): BrokerTopic {
    const found = this.byName.get(name);
    if (found !== undefined) return found;
    const topic = new BrokerTopic(name, undefined);
    this.byName.set(name, topic);
    const same = this.byHash.get(topic.hash);
    if (same === undefined) this.byHash.set(topic.hash, [topic]);
    else same.push(topic);
    return topic;
  }

  /** Candidates for a name of that hash: the caller compares the bytes. */
  candidates(hash: number): readonly BrokerTopic[] | undefined {
    return this.byHash.get(hash);
  }

  /** The topic whose UTF-8 name lies in `bytes[start, start + length)`. */
  find(bytes: Uint8Array, start: number, length: number, hash: number): BrokerTopic | undefined {
    const candidates = this.byHash.get(hash);
    if (candidates === undefined || length > TOPIC_BYTES_MAX) return undefined;
    for (const topic of candidates) if (sameBytes(topic.bytes, bytes, start, length)) return topic;
    return undefined;
  }

  delete(name: string): BrokerTopic | undefined {
    const topic = this.byName.get(name);
    if (topic === undefined) return undefined;
    this.byName.delete(name);
    const rest = this.byHash.get(topic.hash)!.filter((other) => other !== topic);
    if (rest.length === 0) this.byHash.delete(topic.hash);
    else this.byHash.set(topic.hash, rest);
    return topic;
  }

  all(): Iterable<BrokerTopic> {
    return this.byName.values();
  }

  get size(): number {
    return this.byName.size;
  }
}

function sameBytes(expected: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (expected.length !== length) return false;
  for (let i = 0; i < length; i++) if (expected[i] !== bytes[start + i]) return false;
  return true;
}
