/** What the clients of one simulation share. */
import type { Simulation } from '../../src/runtime/simulation/simulation.js';
import type { Consumer } from './consumer.js';
import type { Ledger } from './ledger.js';
import type { Producer } from './producer.js';
import type { Role, SimCluster } from './sim-cluster.js';

export class World {
  readonly producers: Producer[] = [];
  readonly consumers: Consumer[] = [];
  /** No faults, and no jumps of consumers any more: everybody reads to the end. */
  isQuiet = false;
  isSending = true;
  /** Faults that take a while end by then. */
  troubledUntilMs = 0;

  constructor(
    readonly simulation: Simulation,
    readonly cluster: SimCluster,
    readonly ledger: Ledger,
    readonly topics: readonly string[],
    /** Producers stop after so many. */
    private readonly messagesMax: number,
  ) {}

  troubledFor(ms: number): void {
    this.troubledUntilMs = Math.max(this.troubledUntilMs, this.simulation.time.monotonic() + ms);
  }

  mayStillSend(): boolean {
    return this.isSending && this.ledger.sent.length < this.messagesMax;
  }

  openSends(): number {
    return this.producers.reduce((sum, { openCalls }) => sum + openCalls, 0);
  }

  /** One of the ports that take sends: the main one or, two below it, the VIP port (which answers no pulls, as Apache's). */
  sendPortOf(role: Role): number {
    const { listenPort } = this.cluster.settingsOf(role);
    return this.simulation.random.chance(0.7) ? listenPort : listenPort - 2;
  }
}
