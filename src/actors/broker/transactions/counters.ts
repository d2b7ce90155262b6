/** What transactions count. */
import { catalog } from '../../../../metrics/catalog.js';
import { type Counter, counter, type Gauge, gauge } from '../../../../metrics/meter.js';
import type { Context } from '../../../runtime/actor.js';

export class TransactionCounters {
  readonly checked: Counter;
  readonly givenUp: Counter;
  readonly open: Gauge;

  constructor(private readonly context: Context) {
    const labels = { broker: context.name };
    this.checked = counter(context.meter, catalog.transactionsChecked, labels);
    this.givenUp = counter(context.meter, catalog.transactionsGivenUp, labels);
    this.open = gauge(context.meter, catalog.transactionsOpen, labels);
  }

  /** A producer has said what became of one. */
  ended(as: 'commit' | 'rollback' | 'unknown'): void {
    const { meter, name } = this.context;
    counter(meter, catalog.transactionsEnded, { broker: name, as }).add(1);
  }
}
