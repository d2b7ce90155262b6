/**
 * One TCP connection of the simulation: two sockets and a pipe each way. A pipe holds what was written and has not left
 * (`unsent`), what is on the way, and what has arrived and was not read because the reader has paused. What is on the
 * way and unread is bounded by a window, so that a reader that pauses slows its writer, as TCP does.
 *
 * Bytes arrive in pieces cut anywhere, each later than the one before.
 */
import type { Prng } from '../../base/prng.js';
import type { Socket, SocketEvents } from '../network.js';
import type { Trace } from './trace.js';
import type { VirtualTime } from './virtual-time.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a connection needs of its network. */
export interface Medium {
  readonly time: VirtualTime;
  readonly random: Prng;
  readonly trace: Trace;
  /** Milliseconds that a piece takes, drawn anew for each. */
  latencyMs(): number;
  /** The connection is over on both ends. */
  forget(connection: Connection): void;
}

const DEAF: SocketEvents = { onData: () => undefined, onDrained: () => undefined, onClosed: () => undefined };

class Pipe {
  readonly unsent: Buffer[] = [];
  unsentBytes = 0;
  /** Something written did not leave at once: the writer hears when it has. */
  isBehind = false;
  /** On the way, in order; the pieces' arrivals are events of their own. */
  readonly flying: Buffer[] = [];
  readonly arrived: Buffer[] = [];
  /** Bytes of `flying` and `arrived`. */
  windowUsed = 0;
  lastArrivalMs = 0;
  stalledUntilMs = 0;
  /** The writer will write no more; the reader learns it after the last byte. */
  isEnding = false;
  isEndOnTheWay = false;
  hasEnded = false;
}

export class SimSocket implements Socket {
  events: SocketEvents = DEAF;
  isPaused = false;
  /** onClosed was or will be called, or nobody listens any more; nothing else happens here. */
  isOver = false;
  /** The peer has ended: this end is over when what was written has left. */
  isClosing = false;
  closeReason = '';
  peer!: SimSocket;
  readonly outgoing = new Pipe();

  constructor(
    readonly connection: Connection,
    readonly local: Address,
    readonly remote: Address,
    /** Who dies with whom: a thread, or undefined for test clients. */
    public owner: unknown,
  ) {}

  get localAddress(): string {
    return this.local.host;
  }
  get localPort(): number {
    return this.local.port;
  }
  get remoteAddress(): string {
    return this.remote.host;
  }
  get remotePort(): number {
    return this.remote.port;
  }
  get bufferedBytes(): number {
    return this.outgoing.unsentBytes;
  }

  write(chunk: Buffer): boolean {
    const { outgoing } = this;
    if (this.isOver || outgoing.isEnding || chunk.length === 0) return true;
    const isTaken = this.connection.takesAtOnce(this, chunk.length);
    outgoing.unsent.push(isTaken ? Buffer.from(chunk) : chunk);
    outgoing.unsentBytes += chunk.length;
    if (isTaken) {
      this.connection.pump(this);
    } else {
      outgoing.isBehind = true;
      this.connection.pumpSoon(this);
    }
    return isTaken;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.connection.readSoon(this);
  }

  destroy(reason: string): void {
    this.connection.destroy(this, reason);
  }

  end(): void {
    if (this.isOver || this.outgoing.isEnding) return;
    this.closeReason = 'ended';
    this.outgoing.isEnding = true;
    this.connection.pumpSoon(this);
  }
}

/** Bytes that may be under way in one direction, drawn per connection. */
const WINDOWS = [4096, 65_536, 1_048_576] as const;
const LONGEST_PIECE = 65_536;
/** Longest pieces of connections that are cut to shreds now and then. */
const SHREDS = [1, 7, 64, 1460] as const;
const MICROSECOND = 0.001;

export class Connection {
  readonly client: SimSocket;
  readonly server: SimSocket;
  isConnected = false;
  /** Cut: nothing arrives any more. */
  private isBroken = false;
  private readonly window: number;
  private readonly isShredded: boolean;

  constructor(
    readonly id: number,
    private readonly medium: Medium,
    client: Address,
    server: Address,
    clientOwner: unknown,
  ) {
    this.client = new SimSocket(this, client, server, clientOwner);
    this.server = new SimSocket(this, server, client, undefined);
    this.client.peer = this.server;
    this.server.peer = this.client;
    this.window = medium.random.pick(WINDOWS);
    this.isShredded = medium.random.chance(0.3);
  }

  get name(): string {
    return `${this.client.local.host}:${this.client.local.port}->${this.server.local.host}:${this.server.local.port}`;
  }

  get isOver(): boolean {
    return this.client.isOver && this.server.isOver;
  }

  /** Nothing arrives in that direction for a while; it is not lost, unless the connection is cut meanwhile. */
  stall(direction: 'to server' | 'to client' | 'both', forMs: number): void {
    const untilMs = this.medium.time.monotonic() + forMs;
    for (const from of [this.client, this.server]) {
      if (direction !== 'both' && (direction === 'to server') !== (from === this.client)) continue;
      from.outgoing.stalledUntilMs = Math.max(from.outgoing.stalledUntilMs, untilMs);
    }
    this.medium.trace.note(this.medium.time.monotonic(), 'stall', this.name, forMs);
  }

  /** Both ends learn, each in its own time, that the connection is gone; what is on the way is lost. */
  cut(reason = 'ECONNRESET'): void {
    this.isBroken = true;
    for (const socket of [this.client, this.server]) {
      this.medium.time.after(this.medium.latencyMs() * this.medium.random.below(20), () => this.over(socket, reason));
    }
    this.medium.trace.note(this.medium.time.monotonic(), 'cut', this.name, this.id);
  }

  /** This end's owner is gone without a word: `silently` (power loss) or with its kernel still there to close. */
  abandon(socket: SimSocket, silently: boolean): void {
    if (socket.isOver) return;
    if (!silently) {
      this.destroy(socket, 'killed');
      socket.events = DEAF;
      return;
    }
    socket.isOver = true;
    socket.events = DEAF;
    this.isBroken = true;
    const { time, random } = this.medium;
    time.after(1000 + random.unit() * 20_000, () => this.over(socket.peer, 'ETIMEDOUT'));
  }

  destroy(socket: SimSocket, reason: string): void {
    if (socket.isOver) return;
    const { outgoing } = socket;
    outgoing.unsent.length = 0;
    outgoing.unsentBytes = 0;
    // A kernel that has unread bytes resets the connection; otherwise it delivers what it had taken, or not.
    const isReset = socket.peer.outgoing.arrived.length > 0 || this.medium.random.chance(0.5);
    if (!isReset) {
      outgoing.isEnding = true;
      this.pumpSoon(socket);
    } else {
      outgoing.flying.length = 0;
      this.medium.time.after(this.medium.latencyMs(), () => this.over(socket.peer, 'ECONNRESET'));
    }
    this.over(socket, reason);
  }

  /** The end of this socket's story. */
  over(socket: SimSocket, reason: string): void {
    if (socket.isOver) return;
    socket.isOver = true;
    const { time, trace } = this.medium;
    trace.note(time.monotonic(), 'closed', this.name, socket === this.client ? 0 : 1);
    time.after(MICROSECOND, () => socket.events.onClosed(socket.closeReason === '' ? reason : socket.closeReason));
    if (this.isOver) this.medium.forget(this);
  }

  /** The client knows that it is connected: what either end has written meanwhile leaves. */
  connected(): void {
    this.isConnected = true;
    this.pumpSoon(this.client);
    this.pumpSoon(this.server);
  }

  pumpSoon(socket: SimSocket): void {
    this.medium.time.after(this.medium.random.unit() * 10 * MICROSECOND, () => this.pump(socket));
  }

  readSoon(socket: SimSocket): void {
    this.medium.time.after(this.medium.random.unit() * 10 * MICROSECOND, () => this.read(socket));
  }

  /** Whether the kernel takes all of a write there and then: often it does when it has room. */
  takesAtOnce(from: SimSocket, bytes: number): boolean {
    const { unsentBytes, windowUsed } = from.outgoing;
    const hasRoom = this.isConnected && !this.isBroken && unsentBytes === 0 && windowUsed + bytes <= this.window;
    return hasRoom && this.medium.random.chance(0.7);
  }

  /** Sends what the window allows. */
  pump(from: SimSocket): void {
    if (!this.isConnected || this.isBroken) return;
    const pipe = from.outgoing;
    const wasBehind = pipe.isBehind;
    while (pipe.unsentBytes > 0 && pipe.windowUsed < this.window) {
      const first = pipe.unsent[0]!;
      const { random } = this.medium;
      const limit = this.isShredded && random.chance(0.3) ? random.pick(SHREDS) : LONGEST_PIECE;
      const longest = Math.min(first.length, this.window - pipe.windowUsed, limit);
      const bytes = random.chance(0.5) ? longest : 1 + random.below(longest);
      if (bytes === first.length) pipe.unsent.shift();
      else pipe.unsent[0] = first.subarray(bytes);
      pipe.unsentBytes -= bytes;
      pipe.windowUsed += bytes;
      pipe.flying.push(first.subarray(0, bytes));
      this.scheduleArrival(from, () => this.arrive(from));
    }
    if (pipe.unsentBytes > 0) return;
    pipe.isBehind = false;
    if (wasBehind && !from.isOver) from.events.onDrained();
    if (from.isClosing) this.closedByPeer(from);
    if (pipe.isEnding && !pipe.isEndOnTheWay) {
      pipe.isEndOnTheWay = true;
      this.scheduleArrival(from, () => this.endArrives(from));
    }
  }

  private scheduleArrival(from: SimSocket, arrive: () => void): void {
    const pipe = from.outgoing;
    const { time } = this.medium;
    pipe.lastArrivalMs = Math.max(pipe.lastArrivalMs, time.monotonic() + this.medium.latencyMs());
    time.after(pipe.lastArrivalMs - time.monotonic(), () => this.unlessStalled(pipe, arrive));
  }

  private unlessStalled(pipe: Pipe, arrive: () => void): void {
    const { time } = this.medium;
    const waitMs = pipe.stalledUntilMs - time.monotonic();
    if (waitMs <= 0) arrive();
    else time.after(waitMs, () => this.unlessStalled(pipe, arrive));
  }

  /** One piece arrives: always the oldest on the way, whichever event this is. */
  private arrive(from: SimSocket): void {
    const pipe = from.outgoing;
    const piece = pipe.flying.shift();
    if (piece === undefined || this.isBroken) return;
    if (from.peer.isOver) {
      // Nobody reads any more: the writer is told.
      pipe.windowUsed -= piece.length;
      this.medium.time.after(this.medium.latencyMs(), () => this.over(from, 'ECONNRESET'));
      return;
    }
    pipe.arrived.push(piece);
    this.read(from.peer);
  }

  private endArrives(from: SimSocket): void {
    if (this.isBroken) return;
    from.outgoing.hasEnded = true;
    this.read(from.peer);
  }

  private read(socket: SimSocket): void {
    const pipe = socket.peer.outgoing;
    const { time, trace } = this.medium;
    while (!socket.isPaused && !socket.isOver && pipe.arrived.length > 0) {
      const piece = pipe.arrived.shift()!;
      pipe.windowUsed -= piece.length;
      trace.note(time.monotonic(), 'bytes', this.name, piece.length);
      trace.bytes(piece);
      socket.events.onData(piece);
    }
    if (pipe.unsentBytes > 0 && pipe.windowUsed < this.window) this.pumpSoon(socket.peer);
    if (!pipe.hasEnded || pipe.arrived.length > 0 || pipe.flying.length > 0 || socket.isOver) return;
    // The peer has ended: what was written here still leaves, then this end is over too.
    if (socket.outgoing.unsentBytes > 0) socket.isClosing = true;
    else this.closedByPeer(socket);
  }

  private closedByPeer(socket: SimSocket): void {
    socket.isClosing = false;
    socket.outgoing.isEnding = true;
    this.pumpSoon(socket);
    this.over(socket, 'closed by the peer');
  }
}
