/** What a queue host counts; see metrics/catalog.ts. */
import { catalog } from '../../../metrics/catalog.js';
import { type Counter, counter, gauge, type Gauge } from '../../../metrics/meter.js';
import type { Meter } from '../../runtime/slab.js';
import type { GotByGroup } from '../broker/messages.js';
import { RequestCounters } from '../request-counters.js';
import type { Topic } from './replica.js';

interface TopicCounters {
  readonly messages: Counter;
  readonly bytes: Counter;
}

interface Got {
  messages: number;
  bytes: number;
  pulls: number;
}

export class HostCounters {
  readonly requests: RequestCounters;
  readonly held: Gauge;
  readonly cold: Gauge;
  readonly coldPulls: Counter;
  readonly coldBytes: Counter;
  /** Since the broker was told of them last: pulls answered with messages and without, and those messages. */
  found = 0;
  missed = 0;
  messages = 0;
  /** The broker was told last that pulls wait. */
  hasToldWaiting = false;
  private readonly byTopic = new Map<string, TopicCounters>();

  constructor(
    private readonly meter: Meter,
    private readonly broker: string,
    host: number,
  ) {
    this.requests = new RequestCounters(meter, broker);
    const labels = { broker, host: String(host) };
    this.held = gauge(meter, catalog.heldPulls, labels);
    this.cold = gauge(meter, catalog.coldPulls, labels);
    this.coldPulls = counter(meter, catalog.coldPullsTotal, labels);
    this.coldBytes = counter(meter, catalog.coldReadBytes, labels);
  }

  /** What groups got since the broker was told last: group by topic. */
  private readonly got = new Map<string, Map<string, Got>>();

  /** HOT. The group got messages. */
  pulled(topic: Topic, group: string, messages: number, bytes: number): void {
    let counters = this.byTopic.get(topic.topic);
    if (counters === undefined) {
      const labels = { broker: this.broker, topic: topic.topic };
      counters = {
        messages: counter(this.meter, catalog.messagesOut, labels),
        bytes: counter(this.meter, catalog.messageBytesOut, labels),
      };
      this.byTopic.set(topic.topic, counters);
    }
    counters.messages.add(messages);
    counters.bytes.add(bytes);
    this.countGot(topic.topic, group, messages, bytes);
    this.found++;
    this.messages += messages;
  }

  /** What `pulled` was told since the last call. */
  takeGot(): GotByGroup[] {
    const all: GotByGroup[] = [];
    for (const [topic, groups] of this.got) for (const [group, got] of groups) all.push({ topic, group, ...got });
    this.got.clear();
    return all;
  }

  private countGot(topic: string, group: string, messages: number, bytes: number): void {
    let groups = this.got.get(topic);
    if (groups === undefined) {
      groups = new Map();
      this.got.set(topic, groups);
    }
    const got = groups.get(group);
    if (got === undefined) {
      groups.set(group, { messages, bytes, pulls: 1 });
      return;
    }
    got.messages += messages;
    got.bytes += bytes;
    got.pulls++;
  }
}
