/** What the delivery of delayed messages counts. The series of a level are made when it is used. */
import { catalog } from '../../../../metrics/catalog.js';
import { type Counter, counter, type Gauge, gauge } from '../../../../metrics/meter.js';
import type { Context } from '../../../runtime/actor.js';
import type { DelayLevel } from './level.js';

const UPDATE_MS = 1_000;

interface LevelCounters {
  readonly delivered: Counter;
  readonly pending: Gauge;
  readonly late: Gauge;
}

export class ScheduleCounters {
  readonly skipped: Counter;
  private readonly byLevel: (LevelCounters | undefined)[] = [];

  constructor(private readonly context: Context) {
    this.skipped = counter(context.meter, catalog.delayedSkipped, { broker: context.name });
  }

  start(update: () => void): void {
    this.context.after(UPDATE_MS, () => {
      update();
      this.start(update);
    });
  }

  /** HOT. */
  delivered(level: DelayLevel): Counter {
    return this.of(level).delivered;
  }

  update(level: DelayLevel, pending: number, lateMs: number): void {
    if (pending === 0 && this.byLevel[level.level] === undefined) return;
    const counters = this.of(level);
    counters.pending.set(pending);
    counters.late.set(lateMs / 1000);
  }

  private of({ level }: DelayLevel): LevelCounters {
    const known = this.byLevel[level];
    if (known !== undefined) return known;
    const { meter, name } = this.context;
    const labels = { broker: name, level: String(level) };
    const made = {
      delivered: counter(meter, catalog.delayedDelivered, labels),
      pending: gauge(meter, catalog.delayedPending, labels),
      late: gauge(meter, catalog.delayedLate, labels),
    };
    this.byLevel[level] = made;
    return made;
  }
}
