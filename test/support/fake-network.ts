/**
 * An in-memory network for tests: the test is the peer of every socket. What happens is queued and delivered by
 * `run`, so that a test decides when.
 */
import type { Listener, ListenerEvents, Network, Socket, SocketEvents } from '../../src/runtime/network.js';

const FIRST_PICKED_PORT = 40_000;

interface Bound {
  readonly host: string;
  readonly port: number;
  readonly events: ListenerEvents;
}

export class FakeNetwork implements Network {
  /** Ports that something else uses. */
  readonly taken = new Set<number>();
  /** What port 0 picks next; empty: one after the other. */
  readonly picks: number[] = [];
  readonly bound = new Map<number, Bound>();
  /** Who answers dials, by `host:port`; others are refused. */
  readonly servers = new Map<string, (peer: Peer) => void>();
  /** Dials that neither succeed nor fail before their time-out. */
  readonly silent = new Set<string>();
  private queue: (() => void)[] = [];
  private picked = FIRST_PICKED_PORT;
  private remotePort = 50_000;

  /** Delivers what is queued, one chunk a connection; what that causes comes with the next call. True when there was any. */
  run(): boolean {
    const events = this.queue;
    this.queue = [];
    for (const event of events) event();
    return events.length > 0;
  }

  defer(event: () => void): void {
    this.queue.push(event);
  }

  listen(host: string, port: number, events: ListenerEvents): Listener {
    const wanted = port === 0 ? (this.picks.shift() ?? this.picked++) : port;
    const isFree = !this.taken.has(wanted) && !this.bound.has(wanted);
    const bound = { host, port: wanted, events };
    if (isFree) this.bound.set(wanted, bound);
    this.defer(() => (isFree ? events.onListening(wanted) : events.onFailed('EADDRINUSE')));
    return {
      close: () => {
        if (this.bound.get(wanted) === bound) this.bound.delete(wanted);
      },
    };
  }

  connect(host: string, port: number, timeoutMs: number, events: SocketEvents): Socket {
    const socket = new FakeSocket(this, host, port);
    const serve = this.servers.get(`${host}:${port}`);
    socket.events = events;
    if (this.silent.has(`${host}:${port}`)) return socket;
    this.defer(() => {
      if (socket.isClosed) return;
      if (serve === undefined) {
        socket.close(timeoutMs > 0 ? 'ECONNREFUSED' : 'no time');
        return;
      }
      events.onConnected?.();
      serve(socket.peer);
    });
    return socket;
  }

  /** A client connects to a port that was listened on. */
  client(port: number): Peer {
    const bound = this.bound.get(port);
    if (bound === undefined) throw new Error(`nothing listens on ${port}`);
    const socket = new FakeSocket(this, '10.1.2.3', this.remotePort++);
    socket.events = bound.events.onConnection(socket);
    return socket.peer;
  }
}

/** The test's end of a connection. */
export class Peer {
  /** What arrived, as long as the peer reads. */
  readonly received: Buffer[] = [];
  /** Buffers that the other side wrote, read or not. */
  writes = 0;
  isReading = true;
  constructor(readonly socket: FakeSocket) {}

  get bytes(): Buffer {
    return Buffer.concat(this.received);
  }

  get isClosed(): boolean {
    return this.socket.isClosed;
  }

  /** Why the other side closed it. */
  get reason(): string {
    return this.socket.reason;
  }

  /** Sends one chunk. It waits, like in the kernel, while the other side does not read. */
  send(chunk: Buffer): void {
    this.socket.arrived.push(Buffer.from(chunk));
    this.socket.pump();
  }

  /** Ends the connection after what was sent. */
  close(): void {
    this.socket.isEndedByPeer = true;
    this.socket.pump();
  }

  /** Resets the connection. */
  reset(): void {
    this.socket.close('ECONNRESET');
  }

  /** Reads what waits. */
  read(): void {
    this.isReading = true;
    this.socket.drain();
  }
}

export class FakeSocket implements Socket {
  readonly peer = new Peer(this);
  readonly localAddress = '127.0.0.1';
  readonly localPort = 1;
  events: SocketEvents = { onData: () => undefined, onDrained: () => undefined, onClosed: () => undefined };
  readonly arrived: Buffer[] = [];
  isPaused = false;
  isClosed = false;
  isEndedByPeer = false;
  reason = '';
  bufferedBytes = 0;
  private waiting: Buffer[] = [];
  private isEnding = false;
  private isPumping = false;

  constructor(
    private readonly network: FakeNetwork,
    readonly remoteAddress: string,
    readonly remotePort: number,
  ) {}

  pump(): void {
    if (this.isPumping) return;
    this.isPumping = true;
    this.network.defer(() => {
      this.isPumping = false;
      if (this.isPaused || this.isClosed) return;
      const chunk = this.arrived.shift();
      if (chunk !== undefined) this.events.onData(chunk);
      if (this.arrived.length > 0) this.pump();
      else if (this.isEndedByPeer) this.close('closed by the peer');
    });
  }

  drain(): void {
    if (this.waiting.length > 0) {
      this.peer.received.push(...this.waiting);
      this.waiting = [];
      this.bufferedBytes = 0;
      this.network.defer(() => {
        if (!this.isClosed) this.events.onDrained();
      });
    }
    if (this.isEnding) this.close('ended');
  }

  /** Copies what it takes at once, as a kernel does. */
  write(chunk: Buffer): boolean {
    if (this.isClosed || this.isEnding) return true;
    this.peer.writes++;
    if (this.peer.isReading) {
      this.peer.received.push(Buffer.from(chunk));
      return true;
    }
    this.waiting.push(chunk);
    this.bufferedBytes += chunk.length;
    return false;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.pump();
  }

  destroy(reason: string): void {
    this.close(reason);
  }

  end(): void {
    this.isEnding = true;
    if (this.bufferedBytes === 0) this.close('ended');
  }

  close(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.reason = reason;
    this.waiting = [];
    this.network.defer(() => this.events.onClosed(reason));
  }
}
