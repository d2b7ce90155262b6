/**
 * One clock for all threads: milliseconds of the machine's monotonic clock, with fractions. performance.now() counts from
 * the start of its own thread, and times are taken on one thread and compared on another.
 */
export function nowMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
