/**
 * One clock for all threads: milliseconds of the machine's monotonic clock, with fractions. performance.now() alone counts
 * from the start of its own thread, and times are taken on one thread and subtracted on another.
 */
const threadStartMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export function nowMs(): number {
  return threadStartMs + performance.now();
}
