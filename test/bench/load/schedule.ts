/** When a run measures and when it ends: a pure function of the moment at which it began, the same on every thread. */
import type { LoadOptions } from './options.js';

const MS_PER_SECOND = 1000;

export interface Schedule {
  readonly beginMs: number;
  /** Measured from here on ... */
  readonly fromMs: number;
  /** ... up to here, when senders stop. */
  readonly endMs: number;
  /** Between two messages of the whole run; 0 in a closed loop. */
  readonly gapMs: number;
}

/** Answers and messages that are still on their way at the end are waited for, so long at most. */
export const DRAIN_MS = 5_000;

export function scheduleFrom(beginMs: number, options: LoadOptions): Schedule {
  return {
    beginMs,
    fromMs: beginMs + options.warmSeconds * MS_PER_SECOND,
    endMs: beginMs + (options.warmSeconds + options.seconds) * MS_PER_SECOND,
    gapMs: options.rate === 0 ? 0 : MS_PER_SECOND / options.rate,
  };
}

export function isMeasured(schedule: Schedule, atMs: number): boolean {
  return atMs >= schedule.fromMs && atMs < schedule.endMs;
}
