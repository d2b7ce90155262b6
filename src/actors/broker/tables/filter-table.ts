/**
 * What groups filter by: their SQL92 subscriptions by topic, as of the newest version that a heartbeat brought. They
 * outlive their consumers for filterDataCleanTimeSpan, in config/consumerFilter.json also the broker.
 * Source: ConsumerFilterManager.java.
 */
import { type BloomFilter, bloomPositions } from '../../../filter/bloom.js';
import { isTagType, NoFilter, readFilter } from '../../../filter/subscription.js';
import type { ConsumerFilterData, ConsumerFilterTable } from '../../../remoting/bodies/filters.js';
import type { SubscriptionData } from '../../../remoting/bodies/heartbeat.js';

/** Beyond one of them filters of absent consumers go, the one that is dead longest first; then no new one is taken. */
export const FILTERS_MAX = 50_000;
export const FILTER_CHARS_MAX = 32 * 1024 * 1024;
const DROPPED_AT_ONCE = FILTERS_MAX / 16;
/** Refusals that are remembered, so that they are told once and not with every heartbeat. */
const TOLD_MAX = 1_000;
/** Consumers that were there when the file was written have left a while before it is read. */
const DEAD_BEFORE_LOAD_MS = 30_000;

type Filter = { -readonly [K in keyof ConsumerFilterData]: ConsumerFilterData[K] };

export class FilterTable {
  /** To be written. */
  isDirty = false;
  /** By group, then by topic. */
  private readonly groups = new Map<string, Map<string, Filter>>();
  private count = 0;
  private deadCount = 0;
  private chars = 0;
  private readonly told = new Set<string>();

  constructor(
    private readonly bloom: BloomFilter,
    /** Told of filters that are not taken, and why. */
    private readonly onRefused: (group: string, topic: string, reason: string) => void,
  ) {}

  get size(): number {
    return this.count;
  }

  get(topic: string, group: string): ConsumerFilterData | undefined {
    return this.groups.get(group)?.get(topic);
  }

  ofGroup(group: string): Iterable<ConsumerFilterData> {
    return this.groups.get(group)?.values() ?? [];
  }

  /** Of every heartbeat. True when pulls of the group see something new. */
  register(group: string, subscriptions: readonly SubscriptionData[], nowMs: number): boolean {
    let isChanged = false;
    for (const one of subscriptions) {
      if (isTagType(one.expressionType) || one.subString === '') continue;
      if (this.registerOne(group, one, nowMs)) isChanged = true;
    }
    const known = this.groups.get(group);
    if (known === undefined) return isChanged;
    const topics = new Set(subscriptions.map(({ topic }) => topic));
    for (const filter of known.values()) if (!topics.has(filter.topic)) this.die(filter, nowMs);
    return isChanged;
  }

  private registerOne(group: string, subscription: SubscriptionData, nowMs: number): boolean {
    const { topic, subString: expression, expressionType, subVersion } = subscription;
    const known = this.groups.get(group)?.get(topic);
    if (known !== undefined && subVersion <= known.clientVersion) {
      // An older consumer of the group, which may also have subscribed otherwise.
      if (subVersion === known.clientVersion) this.revive(known);
      return false;
    }
    if (known !== undefined && known.expression === expression && known.expressionType === expressionType) {
      known.clientVersion = subVersion;
      this.revive(known);
      this.isDirty = true;
      return true;
    }
    const filter = readFilter(expressionType, expression);
    if (known !== undefined) this.remove(known);
    // Pulls then answer that there is none, which tells the client.
    if (filter instanceof NoFilter) this.refused(group, topic, filter.reason);
    else if (!this.hasRoom(expression.length)) this.refused(group, topic, 'the broker keeps too many filters');
    else {
      this.add({
        bloomFilterData: { bitNum: this.bloom.bitCount, bitPos: bloomPositions(this.bloom, `${group}#${topic}`) },
        bornTime: nowMs,
        clientVersion: subVersion,
        consumerGroup: group,
        dead: false,
        deadTime: 0,
        expression,
        expressionType,
        topic,
      });
      return true;
    }
    return known !== undefined;
  }

  /** Nobody of the group is connected any more. */
  unregister(group: string, nowMs: number): void {
    for (const filter of this.groups.get(group)?.values() ?? []) this.die(filter, nowMs);
  }

  /** Forgets what has been dead for that long; returns the groups that it was of. */
  clean(nowMs: number, spanMs: number): Set<string> {
    const groups = new Set<string>();
    for (const filters of this.groups.values()) {
      for (const filter of filters.values()) {
        if (!filter.dead || nowMs - filter.deadTime < spanMs) continue;
        this.remove(filter);
        groups.add(filter.consumerGroup);
      }
    }
    return groups;
  }

  /** Content of the file; false when it is ignored, because its bloom filters are of other settings. */
  load({ filterDataByTopic }: ConsumerFilterTable, nowMs: number): boolean {
    const all = [...filterDataByTopic.values()].flatMap(({ groupFilterData }) => [...groupFilterData.values()]);
    const { bitCount, hashCount } = this.bloom;
    const fits = ({ bloomFilterData: bloom }: ConsumerFilterData): boolean =>
      bloom !== undefined && bloom.bitNum === bitCount && bloom.bitPos.length === hashCount;
    if (!all.every(fits)) return false;
    for (const one of all) {
      const filter = readFilter(one.expressionType, one.expression);
      if (filter instanceof NoFilter) this.refused(one.consumerGroup, one.topic, filter.reason);
      else if (this.hasRoom(one.expression.length)) {
        const deadTime = one.deadTime === 0 ? Math.max(one.bornTime, nowMs - DEAD_BEFORE_LOAD_MS) : one.deadTime;
        this.add({ ...one, deadTime, dead: deadTime >= one.bornTime });
      }
    }
    this.isDirty = false;
    return true;
  }

  table(): ConsumerFilterTable {
    const byTopic = new Map<string, { topic: string; groupFilterData: Map<string, ConsumerFilterData> }>();
    for (const filters of this.groups.values()) {
      for (const filter of filters.values()) {
        const { topic, consumerGroup } = filter;
        const ofTopic = byTopic.get(topic) ?? { topic, groupFilterData: new Map() };
        ofTopic.groupFilterData.set(consumerGroup, filter);
        byTopic.set(topic, ofTopic);
      }
    }
    return { filterDataByTopic: byTopic };
  }

  private hasRoom(chars: number): boolean {
    const fits = (): boolean => this.count < FILTERS_MAX && this.chars + chars <= FILTER_CHARS_MAX;
    while (!fits() && this.deadCount > 0) this.dropDead();
    return fits();
  }

  /** A portion at a time, because it looks at all of them. */
  private dropDead(): void {
    const all = [...this.groups.values()].flatMap((filters) => [...filters.values()]);
    const dead = all.filter((filter) => filter.dead).sort((a, b) => a.deadTime - b.deadTime);
    for (const filter of dead.slice(0, DROPPED_AT_ONCE)) this.remove(filter);
  }

  private add(filter: Filter): void {
    let filters = this.groups.get(filter.consumerGroup);
    if (filters === undefined) {
      filters = new Map();
      this.groups.set(filter.consumerGroup, filters);
    }
    filters.set(filter.topic, filter);
    this.count++;
    if (filter.dead) this.deadCount++;
    this.chars += filter.expression.length;
    this.isDirty = true;
  }

  private remove(filter: Filter): void {
    const filters = this.groups.get(filter.consumerGroup)!;
    filters.delete(filter.topic);
    if (filters.size === 0) this.groups.delete(filter.consumerGroup);
    this.count--;
    if (filter.dead) this.deadCount--;
    this.chars -= filter.expression.length;
    this.isDirty = true;
  }

  private die(filter: Filter, nowMs: number): void {
    if (filter.dead) return;
    filter.deadTime = nowMs;
    // A clock that went back leaves it alive, as in Apache.
    filter.dead = nowMs >= filter.bornTime;
    if (filter.dead) this.deadCount++;
    this.isDirty = true;
  }

  private revive(filter: Filter): void {
    if (!filter.dead) return;
    filter.deadTime = 0;
    filter.dead = false;
    this.deadCount--;
    this.isDirty = true;
  }

  private refused(group: string, topic: string, reason: string): void {
    const key = `${group} ${topic} ${reason}`;
    if (this.told.has(key)) return;
    if (this.told.size >= TOLD_MAX) this.told.clear();
    this.told.add(key);
    this.onRefused(group, topic, reason);
  }
}
