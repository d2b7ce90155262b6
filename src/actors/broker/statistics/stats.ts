/**
 * What a broker can say of its recent past: messages put and got per second over 10 s, a minute and ten minutes, how long
 * puts took, totals since midnight. Answers GET_BROKER_RUNTIME_INFO. Source: StoreStatsService.java, BrokerStats.java.
 */
import type { Context } from '../../../runtime/actor.js';
import type { Counters } from './counters.js';
import { PutTimes } from './put-times.js';

const SAMPLE_MS = 1_000;
/** Samples that are kept: enough for the longest window. */
const SAMPLES = 601;
const WINDOWS_S = [10, 60, 600] as const;

/** Running totals; one row of samples each. */
const ROW = { put: 0, found: 1, miss: 2, transferred: 3, count: 4 } as const;

export class BrokerStats {
  readonly putTimes: PutTimes;
  /** Pulls that found messages or did not, messages that they got: all queue hosts together. */
  pullsFound = 0;
  pullsMissed = 0;
  messagesGot = 0;
  /** Totals as they were at the last midnights, local time; 0 while there was none since the start. */
  putYesterdayMorning = 0;
  putTodayMorning = 0;
  gotYesterdayMorning = 0;
  gotTodayMorning = 0;
  /** By queue host. */
  private readonly waitingPulls = new Map<number, { readonly count: number; readonly headWaitMs: number }>();
  private readonly samples = new Float64Array(SAMPLES * ROW.count);
  private readonly sampledMs = new Float64Array(SAMPLES);
  /** Samples taken since the start; sample n lies at n % SAMPLES. */
  private taken = 0;
  private day: string;

  constructor(
    private readonly context: Context,
    private readonly counters: Counters,
  ) {
    this.putTimes = new PutTimes(context.clock.monotonic());
    this.day = localDay(context.clock.now());
    this.sample();
  }

  /** A queue host reports what its pulls did since its last report. */
  pulled(found: number, missed: number, messages: number): void {
    this.pullsFound += found;
    this.pullsMissed += missed;
    this.messagesGot += messages;
  }

  /** How many pulls wait at a queue host, and how long one waited lately. */
  pullsWait(host: number, count: number, headWaitMs: number): void {
    this.waitingPulls.set(host, { count, headWaitMs });
  }

  /** All queue hosts together, as they said last. */
  get pullQueue(): { count: number; headWaitMs: number } {
    const queue = { count: 0, headWaitMs: 0 };
    for (const { count, headWaitMs } of this.waitingPulls.values()) {
      queue.count += count;
      queue.headWaitMs = Math.max(queue.headWaitMs, headWaitMs);
    }
    return queue;
  }

  /** Messages put per second, over each window that has passed already: `12.0 10.5 9.7`. */
  get putTps(): string {
    return this.rates(ROW.put);
  }

  get foundTps(): string {
    return this.rates(ROW.found);
  }

  get missTps(): string {
    return this.rates(ROW.miss);
  }

  get transferredTps(): string {
    return this.rates(ROW.transferred);
  }

  /** All pulls. */
  get totalTps(): string {
    return WINDOWS_S.map((seconds) =>
      text((this.rate(ROW.found, seconds) ?? 0) + (this.rate(ROW.miss, seconds) ?? 0)),
    ).join(' ');
  }

  private rates(row: number): string {
    return WINDOWS_S.map((seconds) => this.rate(row, seconds))
      .map((rate) => (rate === undefined ? '' : text(rate)))
      .join(' ');
  }

  /** Undefined while the window reaches back before the start. */
  private rate(row: number, seconds: number): number | undefined {
    const last = this.taken - 1;
    const first = last - seconds;
    if (first < 0) return undefined;
    const elapsedMs = this.sampledMs[last % SAMPLES]! - this.sampledMs[first % SAMPLES]!;
    const count = this.at(last, row) - this.at(first, row);
    return elapsedMs > 0 ? (count * 1000) / elapsedMs : 0;
  }

  private at(sample: number, row: number): number {
    return this.samples[(sample % SAMPLES) * ROW.count + row]!;
  }

  private sample(): void {
    const { context, counters } = this;
    const at = (this.taken % SAMPLES) * ROW.count;
    this.samples[at + ROW.put] = counters.putMessages;
    this.samples[at + ROW.found] = this.pullsFound;
    this.samples[at + ROW.miss] = this.pullsMissed;
    this.samples[at + ROW.transferred] = this.messagesGot;
    this.sampledMs[this.taken % SAMPLES] = context.clock.monotonic();
    this.taken++;
    this.putTimes.rollOver(context.clock.monotonic());
    this.noteMidnight(localDay(context.clock.now()));
    context.after(SAMPLE_MS, () => this.sample());
  }

  private noteMidnight(day: string): void {
    if (day === this.day) return;
    this.day = day;
    this.putYesterdayMorning = this.putTodayMorning;
    this.gotYesterdayMorning = this.gotTodayMorning;
    this.putTodayMorning = this.counters.putMessages;
    this.gotTodayMorning = this.messagesGot;
  }
}

function localDay(nowMs: number): string {
  return new Date(nowMs).toDateString();
}

/** As Java prints a double, near enough to be split and parsed by tools: `0.0`, `12.5`. */
function text(rate: number): string {
  return Number.isInteger(rate) ? `${rate}.0` : String(rate);
}
