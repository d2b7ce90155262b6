/**
 * Statistics by topic, group and cluster that tools ask for by name (VIEW_BROKER_STATS_DATA): totals that are sampled, so
 * that an answer is of the last minute, hour and day. Source: BrokerStatsManager.java, StatsItem.java.
 */
import { MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND } from '../../../base/units.js';
import type { BrokerStatsData, BrokerStatsItem } from '../../../remoting/bodies/statistics.js';
import type { Context } from '../../../runtime/actor.js';

/** What is counted, and what the key of an item is. */
export const STATISTICS = {
  TOPIC_PUT_NUMS: 'topic',
  TOPIC_PUT_SIZE: 'topic',
  GROUP_GET_NUMS: 'topic@group',
  GROUP_GET_SIZE: 'topic@group',
  SNDBCK_PUT_NUMS: 'topic@group',
  BROKER_PUT_NUMS: 'cluster',
  BROKER_GET_NUMS: 'cluster',
} as const;
export type StatisticName = keyof typeof STATISTICS;

/** About 1.5 KiB each. What comes beyond it is not counted here; the metrics have it. */
export const ITEMS_MAX = 50_000;

/** A window shows what came between its first and its last sample. */
const MINUTE = { everyMs: 10 * MS_PER_SECOND, samples: 7 } as const;
const HOUR = { everyMs: 10 * MS_PER_MINUTE, samples: 7 } as const;
const DAY = { everyMs: MS_PER_HOUR, samples: MS_PER_DAY / MS_PER_HOUR + 1 } as const;
const SAMPLE = { timeMs: 0, value: 1, times: 2, words: 3 } as const;

const NOTHING: BrokerStatsItem = { sum: 0, tps: 0, avgpt: 0 };

class Window {
  private readonly kept: Float64Array;
  private count = 0;

  constructor(
    private readonly everyMs: number,
    private readonly capacity: number,
  ) {
    this.kept = new Float64Array(capacity * SAMPLE.words);
  }

  sample(nowMs: number, value: number, times: number): void {
    // The item began within the time before its first sample.
    if (this.count === 0) this.push(nowMs - this.everyMs, 0, 0);
    this.push(nowMs, value, times);
  }

  shown(): BrokerStatsItem {
    const { kept, count } = this;
    if (count === 0) return NOTHING;
    const last = (count - 1) * SAMPLE.words;
    const sum = kept[last + SAMPLE.value]! - kept[SAMPLE.value]!;
    const times = kept[last + SAMPLE.times]! - kept[SAMPLE.times]!;
    const elapsedMs = kept[last + SAMPLE.timeMs]! - kept[SAMPLE.timeMs]!;
    return { sum, tps: elapsedMs > 0 ? (sum * 1000) / elapsedMs : 0, avgpt: times > 0 ? sum / times : 0 };
  }

  private push(timeMs: number, value: number, times: number): void {
    if (this.count === this.capacity) {
      this.kept.copyWithin(0, SAMPLE.words);
      this.count--;
    }
    const at = this.count * SAMPLE.words;
    this.kept[at + SAMPLE.timeMs] = timeMs;
    this.kept[at + SAMPLE.value] = value;
    this.kept[at + SAMPLE.times] = times;
    this.count++;
  }
}

export class Item {
  /** Total since the start, and in how many additions. */
  value = 0;
  times = 0;
  readonly minute = new Window(MINUTE.everyMs, MINUTE.samples);
  readonly hour = new Window(HOUR.everyMs, HOUR.samples);
  readonly day = new Window(DAY.everyMs, DAY.samples);

  /** HOT. */
  add(value: number, times: number): void {
    this.value += value;
    this.times += times;
  }
}

export class ItemStatistics {
  private readonly items = new Map<StatisticName, Map<string, Item>>();
  private count = 0;

  constructor(context: Context) {
    for (const name of Object.keys(STATISTICS) as StatisticName[]) this.items.set(name, new Map());
    for (const [window, { everyMs }] of Object.entries({ minute: MINUTE, hour: HOUR, day: DAY })) {
      const sample = (): void => {
        const nowMs = context.clock.now();
        for (const item of this.all()) item[window as 'minute'].sample(nowMs, item.value, item.times);
        context.after(everyMs, sample);
      };
      sample();
    }
  }

  /** Where to count; one that nobody sees when there are too many. */
  item(name: StatisticName, key: string): Item {
    const ofName = this.items.get(name)!;
    let item = ofName.get(key);
    if (item === undefined) {
      item = new Item();
      if (this.count >= ITEMS_MAX) return item;
      this.count++;
      ofName.set(key, item);
    }
    return item;
  }

  /** undefined: nothing of that name and key was counted since the start. */
  shown(name: string, key: string): BrokerStatsData | undefined {
    const item = this.items.get(name as StatisticName)?.get(key);
    if (item === undefined) return undefined;
    return { statsMinute: item.minute.shown(), statsHour: item.hour.shown(), statsDay: item.day.shown() };
  }

  /** Messages per second that the group got from the topic in the last minute. */
  consumeTps(group: string, topic: string): number {
    return this.items.get('GROUP_GET_NUMS')!.get(`${topic}@${group}`)?.minute.shown().tps ?? 0;
  }

  /** Forgets what is counted of a deleted topic (autoDeleteUnusedStats). */
  topicDeleted(topic: string): void {
    this.drop((key) => key === topic || key.startsWith(`${topic}@`));
  }

  groupDeleted(group: string): void {
    this.drop((key) => key.endsWith(`@${group}`));
  }

  private drop(matches: (key: string) => boolean): void {
    for (const [name, ofName] of this.items) {
      if (STATISTICS[name] === 'cluster') continue;
      for (const key of [...ofName.keys()]) if (matches(key) && ofName.delete(key)) this.count--;
    }
  }

  private *all(): Generator<Item> {
    for (const ofName of this.items.values()) yield* ofName.values();
  }
}
