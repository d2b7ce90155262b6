/** What the front actor knows. */
import type { Context } from '../../runtime/actor.js';
import type { Connection } from './connection.js';
import type { UnitCounters } from './counters.js';
import type { HttpServer } from './http.js';
import type { InputBudget } from './input-budget.js';
import type { Loopback } from './loopback.js';
import type { FrontOptions } from './options.js';
import type { Output } from './output.js';
import type { QuietLog } from './quiet-log.js';
import type { Router } from './route.js';
import type { Stalls } from './stalls.js';
import type { Unit } from './unit.js';

export interface FrontState {
  readonly context: Context;
  readonly options: FrontOptions;
  readonly log: QuietLog;
  readonly units: readonly Unit[];
  /** Connections of actors whose unit has no listeners. */
  readonly others: { readonly counters: UnitCounters; readonly budget: InputBudget };
  /** By id: everything that an actor may write to. */
  readonly connections: Map<number, Connection>;
  /** Closed for the actors, still sending what was written. */
  readonly lingering: Set<Connection>;
  readonly router: Router;
  readonly stalls: Stalls;
  readonly output: Output;
  readonly loopback: Loopback;
  /** The last id given out; see FrontOptions.connectionIds. */
  readonly lastId: Int32Array;
  /** The one `frame` message, used again for every frame. */
  readonly frame: { connection: number; portKind: number; receivedMs: number };
  /** Accepted from outside, lingering ones included. */
  acceptedCount: number;
  isDraining: boolean;
  http: HttpServer | undefined;
  /** Asked by `close`: called when nothing lingers any more. */
  whenIdle: (() => void) | undefined;
}
