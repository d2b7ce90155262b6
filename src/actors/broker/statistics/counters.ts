/** What a broker counts: see metrics/catalog.ts. */
import { catalog } from '../../../../metrics/catalog.js';
import { type Counter, counter, gauge, type Gauge } from '../../../../metrics/meter.js';
import type { Meter } from '../../../runtime/slab.js';
import type { DeletionReason } from '../../../store/retention.js';
import type { GotByGroup } from '../messages.js';
import { RequestCounters } from '../../request-counters.js';
import type { Item, ItemStatistics } from './item-statistics.js';
import type { BrokerTopic } from '../tables/topic-table.js';

/** What goes into one topic. */
export interface TopicCounters {
  readonly messages: Counter;
  readonly bytes: Counter;
  /** The same for tools. */
  readonly putNums: Item;
  readonly putSize: Item;
}

export class Counters {
  readonly requests: RequestCounters;
  readonly logEnd: Gauge;
  readonly logFlushed: Gauge;
  readonly logMin: Gauge;
  readonly logBytes: Gauge;
  readonly queueBytes: Gauge;
  readonly indexBytes: Gauge;
  readonly diskUsed: Gauge;
  readonly refuses: Gauge;
  readonly replicationLag: Gauge;
  readonly connectedSlaves: Gauge;
  readonly writable: Gauge;
  /** Messages stored since the start; the runtime information's putMessageTimesTotal. */
  putMessages = 0;
  putBytes = 0;
  failedPuts = 0;
  private readonly clusterPutNums: Item;

  constructor(
    private readonly meter: Meter,
    private readonly broker: string,
    private readonly items: ItemStatistics,
    private readonly cluster: string,
  ) {
    this.requests = new RequestCounters(meter, broker);
    this.logEnd = gauge(meter, catalog.commitLogEnd, { broker });
    this.logFlushed = gauge(meter, catalog.commitLogFlushed, { broker });
    this.logMin = gauge(meter, catalog.commitLogMin, { broker });
    const bytesOf = (part: string): Gauge => gauge(meter, catalog.storeBytes, { broker, part });
    this.logBytes = bytesOf('commitlog');
    this.queueBytes = bytesOf('consumequeue');
    this.indexBytes = bytesOf('index');
    this.diskUsed = gauge(meter, catalog.diskUsedPercent, { broker });
    this.refuses = gauge(meter, catalog.refusesMessages, { broker });
    this.replicationLag = gauge(meter, catalog.replicationLag, { broker });
    this.connectedSlaves = gauge(meter, catalog.connectedSlaves, { broker });
    this.writable = gauge(meter, catalog.brokerWritable, { broker });
    this.clusterPutNums = items.item('BROKER_PUT_NUMS', cluster);
  }

  /** HOT. `count` messages of `bytes` record bytes went into the log. */
  stored(topic: BrokerTopic, count: number, bytes: number): void {
    this.putMessages += count;
    this.putBytes += bytes;
    topic.counters ??= this.ofTopic(topic.name);
    topic.counters.messages.add(count);
    topic.counters.bytes.add(bytes);
    topic.counters.putNums.add(count, 1);
    topic.counters.putSize.add(bytes, 1);
    this.clusterPutNums.add(count, 0);
  }

  /** A consumer of the group sent a message of the topic back; it was retried too often when it is dead. */
  sentBack(group: string, topic: string, isDead: boolean): void {
    const { meter, broker, items } = this;
    items.item('SNDBCK_PUT_NUMS', `${topic}@${group}`).add(1, 1);
    counter(meter, catalog.messagesSentBack, { broker, group, to: isDead ? 'dlq' : 'retry' }).add(1);
  }

  /** Consumers of the group got messages from the topic, with so many pulls. */
  got({ topic, group, messages, bytes, pulls }: GotByGroup): void {
    const { items, cluster } = this;
    items.item('GROUP_GET_NUMS', `${topic}@${group}`).add(messages, pulls);
    items.item('GROUP_GET_SIZE', `${topic}@${group}`).add(bytes, pulls);
    items.item('BROKER_GET_NUMS', cluster).add(messages, 0);
  }
  fileDeleted(reason: DeletionReason): void {
    counter(this.meter, catalog.logFilesDeleted, { broker: this.broker, reason }).add(1);
  }

  /** HOT. A slave has taken over `count` messages. */
  replicated(count: number, bytes: number): void {
    this.putMessages += count;
    this.putBytes += bytes;
  }

  private ofTopic(topic: string): TopicCounters {
    const { meter, broker, items } = this;
    return {
      messages: counter(meter, catalog.messagesIn, { broker, topic }),
      bytes: counter(meter, catalog.messageBytesIn, { broker, topic }),
      putNums: items.item('TOPIC_PUT_NUMS', topic),
      putSize: items.item('TOPIC_PUT_SIZE', topic),
    };
  }
}
