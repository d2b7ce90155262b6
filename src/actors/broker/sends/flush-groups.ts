/**
 * SYNC_FLUSH: when the next fdatasync begins. Senders that wait for their answers send again as soon as they have them. A
 * sync that begins at once would leave those behind whose answers have just gone, and then they wait for two: with all of
 * them in each group there are half as many syncs. So after a sync the next one is held back until as many wait as there
 * were before it ended, for a part of the time that a sync takes.
 */
import type { Context } from '../../../runtime/actor.js';
import type { Timer } from '../../../runtime/timers.js';
import type { LogFlusher } from '../../../store/log-flusher.js';

/** Share of those expected that is enough. */
const ENOUGH = 0.9;
/** The next sync waits no longer than this share of a sync, and never longer than HOLD_MS_MAX. */
const HOLD_SHARE = 0.5;
const HOLD_MS_MAX = 2;

export class FlushGroups {
  /** Answers that are waited for until the next sync begins; 0: it begins at once. */
  private expected = 0;
  private group = 0;
  private timer: Timer | undefined;

  constructor(
    private readonly context: Context,
    private readonly flusher: LogFlusher,
    /** Answers that wait for a flush now. */
    private readonly waiting: () => number,
  ) {}

  /** A sync has ended; its answers have not been released yet. */
  ended(): void {
    this.expected = this.group === 0 ? 0 : Math.max(this.waiting(), this.group) * ENOUGH;
  }

  /** Something is written and not synced: called at the end of each batch. */
  request(): void {
    if (this.flusher.isInFlight) return;
    const holdMs = Math.min(HOLD_MS_MAX, this.flusher.usualSyncMs * HOLD_SHARE);
    if (this.waiting() >= this.expected || holdMs <= 0) return this.begin();
    this.timer ??= this.context.after(holdMs, () => {
      this.timer = undefined;
      if (!this.flusher.isInFlight) this.begin();
    });
  }

  private begin(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.group = this.waiting();
    this.expected = 0;
    this.flusher.request();
  }
}
