/** What a broker counts: see metrics/catalog.ts. */
import { catalog } from '../../../metrics/catalog.js';
import { type Counter, counter, gauge, type Gauge } from '../../../metrics/meter.js';
import type { Meter } from '../../runtime/slab.js';
import type { DeletionReason } from '../../store/retention.js';
import { RequestCounters } from '../request-counters.js';
import type { BrokerTopic } from './topic-table.js';

/** What goes into one topic. */
export interface TopicCounters {
  readonly messages: Counter;
  readonly bytes: Counter;
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
  private readonly messagesNotIndexed: Counter;

  constructor(
    private readonly meter: Meter,
    private readonly broker: string,
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
    this.messagesNotIndexed = counter(meter, catalog.messagesNotIndexed, { broker });
  }

  /** HOT. `count` messages of `bytes` record bytes went into the log. */
  stored(topic: BrokerTopic, count: number, bytes: number): void {
    this.putMessages += count;
    this.putBytes += bytes;
    topic.counters ??= this.ofTopic(topic.name);
    topic.counters.messages.add(count);
    topic.counters.bytes.add(bytes);
  }

  /** A consumer of the group sent a message back; it was retried too often when it is dead. */
  sentBack(group: string, isDead: boolean): void {
    const { meter, broker } = this;
    counter(meter, catalog.messagesSentBack, { broker, group, to: isDead ? 'dlq' : 'retry' }).add(1);
  }

  /** A message's keys could not be put into the index. */
  notIndexed(): void {
    this.messagesNotIndexed.add(1);
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
    const { meter, broker } = this;
    return {
      messages: counter(meter, catalog.messagesIn, { broker, topic }),
      bytes: counter(meter, catalog.messageBytesIn, { broker, topic }),
    };
  }
}
