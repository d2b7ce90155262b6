/**
 * Tells how far the recovery of stores is, all of them in one line a second. A recovery that takes less says nothing.
 *
 *     recovering stores: broker-a 1.2 of 4.0 GiB, 650 MB/s, 5 s left; broker-b waits
 */
import { progressText } from '../base/progress.js';
import { MS_PER_SECOND } from '../base/units.js';

interface Running {
  readonly sinceMs: number;
  /** When it was first heard of, and how far it was then: it may have waited for a free thread before. */
  first: { readonly atMs: number; readonly done: number } | undefined;
  done: number;
  total: number;
}

export class RecoveryProgress {
  private readonly running = new Map<string, Running>();
  private lineAtMs = Number.NEGATIVE_INFINITY;

  /** `now` is monotonic, ms. */
  constructor(
    private readonly now: () => number,
    private readonly print: (line: string) => void,
  ) {}

  begin(role: string): void {
    this.running.set(role, { sinceMs: this.now(), first: undefined, done: 0, total: 0 });
  }

  update(role: string, done: number, total: number): void {
    const own = this.running.get(role);
    if (own === undefined) return;
    own.done = done;
    own.total = total;
    const nowMs = this.now();
    // An index or queues that have to be built from further back make it begin anew.
    if (own.first === undefined || done < own.first.done) own.first = { atMs: nowMs, done };
    if (nowMs - own.sinceMs < MS_PER_SECOND || nowMs - this.lineAtMs < MS_PER_SECOND) return;
    this.lineAtMs = nowMs;
    const parts = [...this.running].map(([name, state]) => `${name} ${progressOf(state, nowMs)}`);
    this.print(`recovering stores: ${parts.join('; ')}`);
  }

  /** Prints how long it took when it took long. */
  end(role: string): void {
    const own = this.running.get(role);
    this.running.delete(role);
    if (own === undefined) return;
    const ms = this.now() - own.sinceMs;
    if (ms >= MS_PER_SECOND) this.print(`${role} has recovered its store in ${(ms / MS_PER_SECOND).toFixed(1)} s`);
  }

  /** It could not be recovered. */
  fail(role: string): void {
    this.running.delete(role);
  }
}

function progressOf({ first, done, total }: Running, nowMs: number): string {
  if (first === undefined) return 'waits';
  return progressText(done, total, done - first.done, nowMs - first.atMs);
}
