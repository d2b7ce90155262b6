/**
 * Typed ways to count in a thread's slab. Making a counter looks its series up; `add` compiles to one addition in shared
 * memory, so hot code keeps the counter and calls it freely.
 */
import type { MetricRow } from './catalog.js';

/** What is needed of the runtime's Meter. */
export interface SeriesMeter {
  readonly values: Float64Array;
  series(name: string, labels: Readonly<Record<string, string>>): number;
}

type LabelsOf<R extends MetricRow> = { readonly [K in R['labels'][number]]: string };

/** Only grows. */
export class Counter {
  constructor(
    private readonly values: Float64Array,
    private readonly series: number,
  ) {}

  add(amount: number): void {
    this.values[this.series] += amount;
  }
}

/** A level. It keeps its last value when its actor crashes, so whoever owns it sets it at start. */
export class Gauge {
  constructor(
    private readonly values: Float64Array,
    private readonly series: number,
  ) {}

  set(level: number): void {
    this.values[this.series] = level;
  }

  add(amount: number): void {
    this.values[this.series] += amount;
  }
}

export function counter<R extends MetricRow & { readonly kind: 'counter' }>(
  meter: SeriesMeter,
  row: R,
  labels: LabelsOf<R>,
): Counter {
  return new Counter(meter.values, seriesOf(meter, row, labels));
}

export function gauge<R extends MetricRow & { readonly kind: 'gauge' }>(
  meter: SeriesMeter,
  row: R,
  labels: LabelsOf<R>,
): Gauge {
  return new Gauge(meter.values, seriesOf(meter, row, labels));
}

/** Labels in the order of the row, so that the same series gets the same line in every slab. */
function seriesOf(meter: SeriesMeter, row: MetricRow, labels: Readonly<Record<string, string>>): number {
  const ordered: Record<string, string> = {};
  for (const name of row.labels) ordered[name] = labels[name];
  return meter.series(row.name, ordered);
}
