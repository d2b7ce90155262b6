/**
 * How long puts took, from the batch that stored them to their answer, flush and slave included: counts per duration, of
 * the minute that is under way and of the one before, which is what tools are told.
 * Source: StoreStatsService.java (PUT_MESSAGE_ENTIRE_TIME_MAX_DESC, PUT_MESSAGE_ENTIRE_TIME_BUCKETS).
 */
import { MS_PER_MINUTE } from '../../../base/units.js';

/** Upper ends in ms, exclusive, of what putMessageDistributeTime shows; 0 is a bucket of its own. */
const SHOWN = [
  ['[<=0ms]', 0],
  ['[0~10ms]', 10],
  ['[10~50ms]', 50],
  ['[50~100ms]', 100],
  ['[100~200ms]', 200],
  ['[200~500ms]', 500],
  ['[500ms~1s]', 1_000],
  ['[1~2s]', 2_000],
  ['[2~3s]', 3_000],
  ['[3~4s]', 4_000],
  ['[4~5s]', 5_000],
  ['[5~10s]', 10_000],
  ['[10s~]', Number.POSITIVE_INFINITY],
] as const;

/** Finer ones for the percentiles: [step in ms, how many]. */
const STEPS = [
  [1, 20],
  [2, 15],
  [5, 10],
  [10, 10],
  [50, 6],
  [100, 5],
  [1_000, 9],
] as const;
/** Upper ends in ms, inclusive; the last bucket has none. */
const ENDS: readonly number[] = makeEnds();

function makeEnds(): number[] {
  const ends: number[] = [];
  let end = 0;
  for (const [step, count] of STEPS) {
    for (let i = 0; i < count; i++) {
      end += step;
      ends.push(end);
    }
  }
  return ends;
}

export class PutTimes {
  /** Longest put since the start, ms. */
  maxMs = 0;
  private shown = new Float64Array(SHOWN.length);
  private fine = new Float64Array(ENDS.length + 1);
  private lastShown = new Float64Array(SHOWN.length);
  private lastFine = new Float64Array(ENDS.length + 1);

  constructor(private startedMs: number) {}

  /** HOT. A put was answered after `elapsedMs`. */
  add(elapsedMs: number): void {
    if (elapsedMs <= 0) {
      this.shown[0]!++;
      this.fine[0]!++;
      return;
    }
    let shown = 1;
    while (elapsedMs >= SHOWN[shown]![1]) shown++;
    this.shown[shown]!++;
    let fine = 0;
    while (fine < ENDS.length && elapsedMs > ENDS[fine]!) fine++;
    this.fine[fine]!++;
    if (elapsedMs > this.maxMs) this.maxMs = elapsedMs;
  }

  /** Begins a new minute when one is over. */
  rollOver(nowMs: number): void {
    if (nowMs - this.startedMs < MS_PER_MINUTE) return;
    this.startedMs = nowMs;
    [this.lastShown, this.shown] = [this.shown, this.lastShown.fill(0)];
    [this.lastFine, this.fine] = [this.fine, this.lastFine.fill(0)];
  }

  /** `[<=0ms]:5 [0~10ms]:3 ... [10s~]:0 ` of the last full minute. */
  distribution(): string {
    return SHOWN.map(([name], i) => `${name}:${this.lastShown[i]} `).join('');
  }

  /** Time in ms that the given part of the last full minute's puts took at most, interpolated in its bucket; 0 without puts. */
  percentile(part: number): number {
    let total = 0;
    for (const count of this.lastFine) total += count;
    const wanted = Math.ceil(total * part);
    let passed = 0;
    for (let i = 0; i < ENDS.length; i++) {
      const count = this.lastFine[i]!;
      const from = i === 0 ? 0 : ENDS[i - 1]!;
      if (wanted <= passed + count) return count === 0 ? from : from + ((ENDS[i]! - from) * (wanted - passed)) / count;
      passed += count;
    }
    return ENDS[ENDS.length - 1]!;
  }
}
