/** What the front actor counts, per unit: a unit's counters are looked up once and used for all of its connections. */
import { catalog } from '../../../metrics/catalog.js';
import { type Counter, counter, type Gauge, gauge, type SeriesMeter } from '../../../metrics/meter.js';

/** Why connections are closed; the label `reason` of the metric, and what a log line says about it. */
export const CLOSE_REASONS = {
  peer: 'closed by the peer or the network',
  actor: 'closed by the actor behind it',
  unit: 'its unit stopped',
  stop: 'Hangar stops',
  idle: 'nothing was read or written for too long',
  slow_frame: 'a frame was begun and not finished in time',
  slow_reader: 'the peer does not read its answers',
  negative_length: 'malformed frame',
  too_short: 'malformed frame',
  oversized: 'malformed frame',
  header_length: 'malformed frame',
  serialization: 'malformed frame',
  header: 'malformed frame header',
} as const;
export type CloseReason = keyof typeof CLOSE_REASONS;

/** Why connections are not accepted. */
export type RefuseReason = 'limit' | 'not_serving';

export class UnitCounters {
  readonly connections: Gauge;
  readonly opened: Counter;
  readonly framesIn: Counter;
  readonly frameBytesIn: Counter;
  readonly writes: Counter;
  readonly writeBytes: Counter;
  readonly inputStalls: Counter;
  private readonly closedBy = new Map<CloseReason, Counter>();
  private readonly refusedBy = new Map<RefuseReason, Counter>();

  constructor(
    private readonly meter: SeriesMeter,
    private readonly role: string,
  ) {
    const labels = { unit: role };
    this.connections = gauge(meter, catalog.connections, labels);
    this.connections.set(0);
    this.opened = counter(meter, catalog.connectionsOpened, labels);
    this.framesIn = counter(meter, catalog.framesIn, labels);
    this.frameBytesIn = counter(meter, catalog.frameBytesIn, labels);
    this.writes = counter(meter, catalog.writes, labels);
    this.writeBytes = counter(meter, catalog.writeBytes, labels);
    this.inputStalls = counter(meter, catalog.inputStalls, labels);
  }

  /** Series of reasons that never happen are never made. */
  closed(reason: CloseReason): Counter {
    let found = this.closedBy.get(reason);
    if (found === undefined) {
      found = counter(this.meter, catalog.connectionsClosed, { unit: this.role, reason });
      this.closedBy.set(reason, found);
    }
    return found;
  }

  refused(reason: RefuseReason): Counter {
    let found = this.refusedBy.get(reason);
    if (found === undefined) {
      found = counter(this.meter, catalog.connectionsRefused, { unit: this.role, reason });
      this.refusedBy.set(reason, found);
    }
    return found;
  }
}
