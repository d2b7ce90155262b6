/**
 * What a broker's disk refuses at the moment, by part of the store. Each part says once in the log that it began to fail,
 * with path and remedy, and once that it works again; in between it is counted. The same can be read as metrics, and as
 * the remark of the sends that are refused because of it.
 */
import { catalog } from '../../../../metrics/catalog.js';
import { counter, gauge } from '../../../../metrics/meter.js';
import { type DiskErrorFacts, withRemedy } from '../../../base/disk-remedy.js';
import type { Context } from '../../../runtime/actor.js';

/** Part -> what its failing means to the operator. */
const PARTS = {
  commitLog: 'messages cannot be written, sends are refused until they can',
  flush:
    'messages cannot be flushed: sends are refused and nothing is acknowledged any more, until the broker is restarted',
  consumeQueue:
    'consume queues cannot be written: consumers get no new messages of the queues concerned until they can',
  checkpoint: 'the checkpoint cannot be written: a start after a crash would take longer',
  index: 'message keys cannot be written: queries by key miss new messages until they can',
  config: 'a table cannot be written: a restart would begin with its old content',
} as const;

export type StorePart = keyof typeof PARTS;

export class StoreFaults {
  private readonly failing = new Map<StorePart, DiskErrorFacts>();

  constructor(
    private readonly context: Context,
    private readonly broker: string,
  ) {
    for (const part of Object.keys(PARTS) as StorePart[]) this.show(part, 0);
  }

  /** Why that part fails; undefined while it works. */
  get(part: StorePart): DiskErrorFacts | undefined {
    return this.failing.get(part);
  }

  failed(part: StorePart, error: DiskErrorFacts): void {
    const { context, broker } = this;
    counter(context.meter, catalog.storeErrors, { broker, part }).add(1);
    const known = this.failing.get(part);
    this.failing.set(part, error);
    if (known !== undefined && known.code === error.code) return;
    this.show(part, 1);
    context.log.error(`${PARTS[part]}: ${withRemedy(error)}`, { part, path: error.path });
  }

  worked(part: StorePart): void {
    if (!this.failing.delete(part)) return;
    this.show(part, 0);
    this.context.log.warn('the disk takes it again', { part });
  }

  private show(part: StorePart, value: number): void {
    gauge(this.context.meter, catalog.storeFailing, { broker: this.broker, part }).set(value);
  }
}
