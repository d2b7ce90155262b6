/** What the clients of one simulation share. */
import type { Simulation } from '../../src/runtime/simulation/simulation.js';
import type { Consumer } from './consumer.js';
import type { Delayer } from './delayer.js';
import type { Echo } from './echo.js';
import type { Guest } from './guests/guest.js';
import type { Ledger } from './ledger.js';
import type { Producer } from './producer.js';
import type { Role, SimCluster } from './sim-cluster.js';

/** How much is sent: `messages` in all, in bursts that begin each `burstMs`, evenly over `forMs`. */
export interface Load {
  readonly messages: number;
  readonly burstMs: number;
  readonly forMs: number;
}

export class World {
  private readonly startedMs: number;
  private extra = 0;
  readonly producers: Producer[] = [];
  readonly consumers: Consumer[] = [];
  readonly echoes: Echo[] = [];
  readonly delayers: Delayer[] = [];
  readonly guests: Guest[] = [];
  /** No faults, and no jumps of consumers any more: everybody reads to the end. */
  isQuiet = false;
  isSending = true;
  /** Faults that take a while end by then. */
  troubledUntilMs = 0;
  /** How often the machine was off: logs may have become shorter. */
  powerLosses = 0;

  constructor(
    readonly simulation: Simulation,
    readonly cluster: SimCluster,
    readonly ledger: Ledger,
    readonly topics: readonly string[],
    private readonly load: Load,
  ) {
    this.startedMs = simulation.time.monotonic();
  }

  troubledFor(ms: number): void {
    this.troubledUntilMs = Math.max(this.troubledUntilMs, this.simulation.time.monotonic() + ms);
  }

  /** So many more messages, at once. */
  sendMore(messages: number): void {
    this.extra += messages;
  }

  /** 0: a message may be sent now. Otherwise ask again after so many ms; undefined: never again. */
  msToNextSend(): number | undefined {
    const { messages, burstMs, forMs } = this.load;
    const { sent } = this.ledger;
    if (!this.isSending || sent.length >= messages + this.extra) return undefined;
    const elapsedMs = this.simulation.time.monotonic() - this.startedMs;
    const bursts = 1 + Math.floor(elapsedMs / burstMs);
    return sent.length < this.extra + (messages * bursts * burstMs) / forMs ? 0 : bursts * burstMs - elapsedMs;
  }

  openSends(): number {
    return [...this.producers, ...this.echoes, ...this.delayers].reduce((sum, { openCalls }) => sum + openCalls, 0);
  }

  /** One of the ports that take sends: the main one or, two below it, the VIP port (which answers no pulls, as Apache's). */
  sendPortOf(role: Role): number {
    const { listenPort } = this.cluster.settingsOf(role);
    return this.simulation.random.chance(0.7) ? listenPort : listenPort - 2;
  }
}
