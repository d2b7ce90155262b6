/** What was counted and timed: by one thread, merged over threads, printed as one line of key=value figures. */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

const HIGHEST_US = 60_000_000;
const US_PER_MS = 1000;

/** Latencies in microseconds, three digits. Equal ones in a row (a batch, written and answered at once) cost one look-up. */
export class Latencies {
  readonly #histogram = emptyHistogram();
  #us = 0;
  #count = 0;

  record(ms: number): void {
    const us = Math.min(HIGHEST_US, Math.max(0, Math.round(ms * US_PER_MS)));
    if (us !== this.#us) {
      this.#settle();
      this.#us = us;
    }
    this.#count++;
  }

  /** For another thread. */
  encode(): string {
    this.#settle();
    return encodeIntoCompressedBase64(this.#histogram);
  }

  #settle(): void {
    if (this.#count > 0) this.#histogram.recordValueWithCount(this.#us, this.#count);
    this.#count = 0;
  }
}

function emptyHistogram(): Histogram {
  return build({ highestTrackableValue: HIGHEST_US, numberOfSignificantValueDigits: 3, autoResize: false });
}

/** Answers other than success, and requests without one. */
export class Failures {
  readonly #counts = new Map<string, number>();
  readonly #remarks = new Map<string, string>();

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** `kind` is "code 2" or a few words; the first remark of each kind is kept. */
  add(kind: string, remark: string, count = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
    if (!this.#remarks.has(kind)) this.#remarks.set(kind, remark);
  }

  list(): FailureCount[] {
    return [...this.#counts].map(([kind, count]) => ({ kind, count, remark: this.#remarks.get(kind)! }));
  }
}

export interface FailureCount {
  readonly kind: string;
  readonly count: number;
  readonly remark: string;
}

/** One thread's share of the outcome, as plain data. */
export interface PartFigures {
  readonly latencies: string;
  readonly failures: readonly FailureCount[];
  /** Successful answers that came in the measured time. */
  readonly measured: number;
  /** Messages over the whole run, warm-up included. */
  readonly sent: number;
  readonly received: number;
  /** Due in an open loop, but never sent because the server was behind. */
  readonly unsent: number;
  /** Share of the time that this thread was not waiting. */
  readonly busy: number;
}

export interface Figures extends Omit<PartFigures, 'latencies' | 'failures' | 'busy'> {
  readonly latencies: Histogram;
  readonly failures: Failures;
  readonly failed: number;
  /** Of the busiest thread. */
  readonly busy: number;
}

export function merge(parts: readonly PartFigures[]): Figures {
  const latencies = emptyHistogram();
  const failures = new Failures();
  for (const part of parts) {
    latencies.add(decodeFromCompressedBase64(part.latencies));
    for (const { kind, count, remark } of part.failures) failures.add(kind, remark, count);
  }
  const sum = (of: (part: PartFigures) => number): number => parts.reduce((total, part) => total + of(part), 0);
  return {
    latencies,
    failures,
    failed: failures.total,
    measured: sum((part) => part.measured),
    sent: sum((part) => part.sent),
    received: sum((part) => part.received),
    unsent: sum((part) => part.unsent),
    busy: Math.max(...parts.map((part) => part.busy)),
  };
}

export function quantiles(histogram: Histogram): Record<string, number> {
  return {
    p50_us: histogram.getValueAtPercentile(50),
    p99_us: histogram.getValueAtPercentile(99),
    p999_us: histogram.getValueAtPercentile(99.9),
    max_us: histogram.maxValue,
  };
}

export function line(figures: Readonly<Record<string, string | number>>): string {
  return Object.entries(figures)
    .map(([key, value]) => `${key}=${typeof value === 'number' ? Math.round(value) : value}`)
    .join(' ');
}
