/**
 * Whether old parts of a log may be read in place, by how long that took lately. Nobody can say what the system has in its
 * page cache; a read that took long says that it was not there, and then reads go to a thread that may block, until it is
 * tried again: soon after the first slow one, later and later while they stay slow. So a warm log is read without a hop,
 * and a cold one costs the thread one slow read now and then.
 */
/** From the page cache a pull's bytes take some 50 µs; a device takes at least twice that for each of its reads. */
const SLOW_MS = 0.5;
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1_600;

export class QuickReads {
  private pauseMs = FIRST_PAUSE_MS;
  private pausedUntilMs: number;

  /** `nowMs`: monotonic. It begins with a pause: what was before nobody knows. */
  constructor(nowMs: number) {
    this.pausedUntilMs = nowMs + FIRST_PAUSE_MS;
  }

  mayReadHere(nowMs: number): boolean {
    return nowMs >= this.pausedUntilMs;
  }

  /** Something was read in place, which took `tookMs`. */
  note(tookMs: number, nowMs: number): void {
    if (tookMs < SLOW_MS) {
      this.pauseMs = FIRST_PAUSE_MS;
      return;
    }
    this.pausedUntilMs = nowMs + this.pauseMs;
    this.pauseMs = Math.min(LAST_PAUSE_MS, this.pauseMs * 2);
  }
}
