/** Network over node:net. */
import { type AddressInfo, createServer, Socket as NetSocket, type Server } from 'node:net';
import type { Listener, ListenerEvents, Network, Socket, SocketEvents } from './network.js';

/** Connections that the kernel keeps for us until they are accepted. Source: NettyServerConfig.serverSocketBacklog. */
const BACKLOG = 1024;
const IPV4_MAPPED = '::ffff:';
const WARN_EACH_MS = 10_000;
/**
 * What one connection may deliver in one round of the event loop. libuv would read up to 32 chunks of 64 KiB from each
 * before anybody can say that it is too much.
 */
const ROUND_BYTES = 256 * 1024;
const DEAF: SocketEvents = { onData: () => undefined, onDrained: () => undefined, onClosed: () => undefined };

export class NodeNetwork implements Network {
  private warnedMs = Number.NEGATIVE_INFINITY;
  private readonly rounds = new Rounds();

  /** `warn` hears, now and then, that a working listener cannot accept (EMFILE): those connections are lost. */
  constructor(private readonly warn: (text: string) => void = (text) => process.emitWarning(text)) {}

  listen(host: string, port: number, events: ListenerEvents): Listener {
    const server = createServer({ noDelay: true, allowHalfOpen: false });
    let isSettled = false;
    const fail = (error: NodeJS.ErrnoException): void => {
      const code = codeOf(error);
      if (isSettled) {
        this.acceptFailed(`cannot accept connections on ${host}:${port}: ${code}`);
        return;
      }
      isSettled = true;
      events.onFailed(code);
    };
    server.on('error', fail);
    server.on('connection', (connection) => {
      // Already reset by the peer: there is nothing to tell about it.
      if (connection.remoteAddress === undefined) {
        connection.destroy();
        return;
      }
      const socket = new NodeSocket(connection, this.rounds);
      socket.readAddresses();
      socket.events = events.onConnection(socket);
    });
    server.on('listening', () => {
      isSettled = true;
      events.onListening((server.address() as AddressInfo).port);
    });
    try {
      server.listen({ host, port, backlog: BACKLOG, exclusive: true });
    } catch (error) {
      // A port out of range throws; callers hear of it like of any other failure.
      process.nextTick(fail, error);
    }
    return { close: () => closeServer(server) };
  }

  connect(host: string, port: number, timeoutMs: number, events: SocketEvents): Socket {
    const connection = new NetSocket({ allowHalfOpen: false });
    const socket = new NodeSocket(connection, this.rounds);
    socket.events = events;
    const timer = setTimeout(() => socket.destroy(`no connection within ${timeoutMs} ms`), timeoutMs);
    connection.once('close', () => clearTimeout(timer));
    connection.once('connect', () => {
      clearTimeout(timer);
      socket.readAddresses();
      events.onConnected?.();
    });
    try {
      connection.connect({ host, port, noDelay: true });
    } catch (error) {
      socket.destroy(codeOf(error as NodeJS.ErrnoException));
    }
    return socket;
  }

  private acceptFailed(text: string): void {
    const now = performance.now();
    if (now - this.warnedMs < WARN_EACH_MS) return;
    this.warnedMs = now;
    this.warn(text);
  }
}

function closeServer(server: Server): void {
  // Before it listens, close would leave it to bind later.
  if (server.listening) server.close();
  else server.once('listening', () => server.close());
}

/** Counts rounds of the event loop in which data came, and lets those go on who had delivered enough. */
class Rounds {
  current = 0;
  private readonly throttled: NodeSocket[] = [];
  private isScheduled = false;
  private readonly next = (): void => {
    this.isScheduled = false;
    this.current++;
    for (const socket of this.throttled.splice(0)) socket.release();
  };

  mark(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(this.next);
  }

  throttle(socket: NodeSocket): void {
    this.throttled.push(socket);
  }
}

class NodeSocket implements Socket {
  /** Set before the event loop goes on, so before anything can happen. */
  events = DEAF;
  remoteAddress = '';
  remotePort = 0;
  localAddress = '';
  localPort = 0;
  private closeReason = '';
  private isPaused = false;
  private isThrottled = false;
  private round = -1;
  private roundBytes = 0;
  /** Something written did not leave at once. */
  private isBehind = false;
  private readonly written = (): void => {
    if (!this.isBehind || this.connection.writableLength > 0 || this.connection.destroyed) return;
    this.isBehind = false;
    this.events.onDrained();
  };

  constructor(
    private readonly connection: NetSocket,
    private readonly rounds: Rounds,
  ) {
    connection.on('data', (chunk: Buffer) => this.arrived(chunk));
    connection.on('error', (error: NodeJS.ErrnoException) => {
      if (this.closeReason === '') this.closeReason = codeOf(error);
    });
    connection.on('end', () => {
      if (this.closeReason === '') this.closeReason = 'closed by the peer';
    });
    connection.on('close', () => this.events.onClosed(this.closeReason));
  }

  get bufferedBytes(): number {
    return this.connection.writableLength;
  }

  readAddresses(): void {
    const { remoteAddress, remotePort, localAddress, localPort } = this.connection;
    this.remoteAddress = unmapped(remoteAddress);
    this.remotePort = remotePort ?? 0;
    this.localAddress = unmapped(localAddress);
    this.localPort = localPort ?? 0;
  }

  write(chunk: Buffer): boolean {
    // What is written to a connection that is going has nowhere to go; onClosed is on its way.
    if (!this.connection.writable) return true;
    this.connection.write(chunk, this.written);
    // The kernel took all of it, or libuv holds on to the rest.
    if (this.connection.writableLength === 0) return true;
    this.isBehind = true;
    return false;
  }

  pause(): void {
    this.isPaused = true;
    this.connection.pause();
  }

  resume(): void {
    this.isPaused = false;
    if (!this.isThrottled) this.connection.resume();
  }

  /** A new round has begun: see Rounds. */
  release(): void {
    this.isThrottled = false;
    if (!this.isPaused) this.connection.resume();
  }

  destroy(reason: string): void {
    if (this.closeReason === '') this.closeReason = reason;
    this.connection.destroy();
  }

  end(): void {
    if (this.closeReason === '') this.closeReason = 'ended';
    this.connection.end();
  }

  private arrived(chunk: Buffer): void {
    const { rounds } = this;
    if (this.round !== rounds.current) {
      this.round = rounds.current;
      this.roundBytes = 0;
      rounds.mark();
    }
    this.roundBytes += chunk.length;
    if (this.roundBytes >= ROUND_BYTES && !this.isThrottled) {
      this.isThrottled = true;
      this.connection.pause();
      rounds.throttle(this);
    }
    this.events.onData(chunk);
  }
}

/** `::ffff:10.0.0.1` is how a socket for both protocols spells 10.0.0.1. */
function unmapped(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith(IPV4_MAPPED) ? address.slice(IPV4_MAPPED.length) : address;
}

function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? error.message;
}
