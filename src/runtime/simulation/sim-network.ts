/**
 * The simulation's network: TCP between simulated processes and test clients, over addresses that exist only here. It
 * delays, cuts bytes into pieces, stalls one direction or both, and cuts connections: by itself never, on request always
 * (connections(), partition()).
 */
import type { Prng } from '../../base/prng.js';
import type { Listener, ListenerEvents, Network, Socket, SocketEvents } from '../network.js';
import { type Address, Connection, type Medium, type SimSocket } from './sim-socket.js';
import type { Trace } from './trace.js';
import type { VirtualTime } from './virtual-time.js';

const FIRST_PICKED_PORT = 40_000;
const FIRST_CLIENT_PORT = 50_000;

interface Bound {
  readonly address: Address;
  readonly owner: unknown;
  readonly events: ListenerEvents;
}

interface Partition {
  readonly affects: (client: Address, server: Address) => boolean;
  readonly untilMs: number;
}

export class SimNetwork implements Medium {
  /** Range of what a piece takes from end to end, milliseconds. */
  latencyRangeMs: readonly [number, number];
  private readonly bound: Bound[] = [];
  private readonly open = new Set<Connection>();
  private partitions: Partition[] = [];
  private nextPort = FIRST_PICKED_PORT;
  private nextClientPort = FIRST_CLIENT_PORT;
  private nextId = 1;

  constructor(
    readonly time: VirtualTime,
    readonly random: Prng,
    readonly trace: Trace,
  ) {
    const slowestMs = random.pick([0.1, 1, 20]);
    this.latencyRangeMs = [0.02, slowestMs];
  }

  latencyMs(): number {
    const [from, to] = this.latencyRangeMs;
    return from + this.random.unit() * (to - from);
  }

  /** What an actor's thread gets. Sockets and listeners die with the owner (drop). */
  of(owner: () => unknown, localHost: string): Network {
    return {
      listen: (host, port, events) => this.listen(owner(), host, port, events),
      connect: (host, port, timeoutMs, events) => this.dial(owner(), localHost, host, port, timeoutMs, events),
    };
  }

  /** Connections that are not over, oldest first. */
  connections(matches: (connection: Connection) => boolean = () => true): Connection[] {
    return [...this.open].filter(matches);
  }

  /**
   * Nothing arrives in either direction on the affected connections for a while; those that are dialed meanwhile wait,
   * and time out when their time is shorter.
   */
  partition(affects: (client: Address, server: Address) => boolean, forMs: number): void {
    const nowMs = this.time.monotonic();
    this.partitions = this.partitions.filter(({ untilMs }) => untilMs > nowMs);
    this.partitions.push({ affects, untilMs: nowMs + forMs });
    for (const connection of this.open) {
      if (affects(connection.client.local, connection.server.local)) connection.stall('both', forMs);
    }
  }

  /** An owner is gone: its listeners and sockets with it. `silently`: so is its machine, nobody tells the peers. */
  drop(owner: unknown, silently: boolean): void {
    for (let index = this.bound.length - 1; index >= 0; index--) {
      if (this.bound[index]!.owner === owner) this.bound.splice(index, 1);
    }
    for (const connection of [...this.open]) {
      for (const socket of [connection.client, connection.server]) {
        if (socket.owner === owner) connection.abandon(socket, silently);
      }
    }
  }

  forget(connection: Connection): void {
    this.open.delete(connection);
  }

  dial(owner: unknown, localHost: string, host: string, port: number, timeoutMs: number, events: SocketEvents): Socket {
    const client: Address = { host: localHost, port: this.nextClientPort++ };
    const server: Address = { host, port };
    const connection = new Connection(this.nextId++, this, client, server, owner);
    const socket = connection.client;
    socket.events = events;
    this.open.add(connection);
    this.time.after(timeoutMs, () => {
      if (connection.isConnected || socket.isOver) return;
      connection.over(connection.server, 'ECONNRESET');
      connection.over(socket, `no connection within ${timeoutMs} ms`);
    });
    this.time.after(this.latencyMs(), () => this.reach(connection));
    return socket;
  }

  private listen(owner: unknown, host: string, port: number, events: ListenerEvents): Listener {
    const address: Address = { host, port: port === 0 ? this.nextPort++ : port };
    const isTaken = this.bound.some(
      ({ address: other }) =>
        other.port === address.port && (other.host === host || isWildcard(other.host) || isWildcard(host)),
    );
    if (isTaken) {
      this.time.after(this.latencyMs(), () => events.onFailed('EADDRINUSE'));
      return { close: () => undefined };
    }
    const bound: Bound = { address, owner, events };
    this.bound.push(bound);
    this.time.after(this.latencyMs(), () => {
      if (this.bound.includes(bound)) events.onListening(address.port);
    });
    return {
      close: () => {
        const index = this.bound.indexOf(bound);
        if (index >= 0) this.bound.splice(index, 1);
      },
    };
  }

  /** The dial reaches the server's host, unless a partition is in between. */
  private reach(connection: Connection): void {
    const { client, server } = connection;
    if (client.isOver || server.isOver) {
      // Given up, or cut before it arrived: the client hears of that in its own time.
      server.isOver = true;
      if (client.isOver) this.forget(connection);
      return;
    }
    const nowMs = this.time.monotonic();
    const wall = this.partitions.find(({ affects, untilMs }) => untilMs > nowMs && affects(client.local, server.local));
    if (wall !== undefined) {
      this.time.after(wall.untilMs - nowMs, () => this.reach(connection));
      return;
    }
    const bound = this.boundTo(server.local);
    if (bound === undefined) {
      server.isOver = true;
      this.time.after(this.latencyMs(), () => connection.over(client, 'ECONNREFUSED'));
      return;
    }
    this.accept(connection, bound);
  }

  private accept(connection: Connection, bound: Bound): void {
    const { client, server } = connection;
    server.owner = bound.owner;
    this.trace.note(this.time.monotonic(), 'accepted', connection.name, connection.id);
    server.events = bound.events.onConnection(server);
    const delayMs = this.latencyMs();
    // What the server writes at once must not overtake the news that it has accepted.
    server.outgoing.lastArrivalMs = this.time.monotonic() + delayMs;
    this.time.after(delayMs, () => {
      connection.connected();
      if (!client.isOver) client.events.onConnected?.();
    });
  }

  private boundTo({ host, port }: Address): Bound | undefined {
    return this.bound.find(
      ({ address }) => address.port === port && (address.host === host || isWildcard(address.host)),
    );
  }
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

export type { Connection, SimSocket };
