/**
 * Warnings that peers can cause as often as they like: the first of a kind is written, further ones within
 * QUIET_MS are only counted, and the next that is written says how many there were.
 */
import type { Clock } from '../../base/clock.js';
import type { Log, LogFields } from '../../runtime/actor.js';

const QUIET_MS = 10_000;

interface Kind {
  writtenMs: number;
  suppressed: number;
}

export class QuietLog {
  /** Bounded: kinds come from the code, not from peers. */
  private readonly kinds = new Map<string, Kind>();

  constructor(
    private readonly log: Log,
    private readonly clock: Clock,
  ) {}

  warn(kind: string, text: string, fields: LogFields): void {
    const now = this.clock.monotonic();
    const last = this.kinds.get(kind);
    if (last === undefined) {
      this.kinds.set(kind, { writtenMs: now, suppressed: 0 });
      this.log.warn(text, fields);
      return;
    }
    if (now - last.writtenMs < QUIET_MS) {
      last.suppressed++;
      return;
    }
    this.log.warn(text, last.suppressed === 0 ? fields : { ...fields, alsoSince: last.suppressed });
    last.writtenMs = now;
    last.suppressed = 0;
  }
}
