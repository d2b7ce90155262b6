/**
 * A TCP proxy in front of one address: delays both directions, cuts what goes through it, refuses for a while, or loses
 * connections without a word, as a machine that is gone does.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A side is not read while that much of it waits for its time or for the other side. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

interface Pair {
  readonly sockets: readonly [Socket, Socket];
  /** Nothing comes through any more, not even its end. */
  isLost: boolean;
}

export class Link {
  private readonly pairs = new Set<Pair>();
  private isRefusing = false;
  bytes = 0;
  /** Connections so far. */
  accepted = 0;
  /** Called with every chunk that goes through, and whose it is. */
  tap: (from: 'client' | 'server', chunk: Buffer) => void = () => undefined;

  private constructor(
    private readonly server: Server,
    private target: { readonly host: string; readonly port: number },
    private readonly delayMs: number,
  ) {}

  static async open(target: string, delayMs = 0): Promise<Link> {
    const server = createServer();
    const link = new Link(server, partsOf(target), delayMs);
    server.on('connection', (client) => link.accept(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** New connections go there; those that are there stay. */
  lead(target: string): void {
    this.target = partsOf(target);
  }

  get connections(): number {
    let count = 0;
    for (const { isLost } of this.pairs) if (!isLost) count++;
    return count;
  }

  /** Nothing comes through the connections that are there; neither side is told. New ones are as any. */
  lose(): void {
    for (const pair of this.pairs) pair.isLost = true;
  }

  /** Ends every connection; what is on its way is lost. */
  cut(): void {
    for (const { sockets } of this.pairs) for (const socket of sockets) socket.destroy();
  }

  /** Nobody gets through from now on, or everybody again. */
  refuse(isRefusing: boolean): void {
    this.isRefusing = isRefusing;
    if (isRefusing) this.cut();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(client: Socket): void {
    if (this.isRefusing) {
      client.destroy();
      return;
    }
    this.accepted++;
    const server = connect(this.target);
    const pair: Pair = { sockets: [client, server], isLost: false };
    this.pairs.add(pair);
    this.pass('client', pair, client, server);
    this.pass('server', pair, server, client);
    const end = (): void => {
      if (pair.isLost && pair.sockets.some(({ destroyed }) => !destroyed)) return;
      this.pairs.delete(pair);
      for (const socket of pair.sockets) socket.destroy();
    };
    for (const socket of pair.sockets) socket.on('close', end).on('error', end).setNoDelay();
  }

  /** Chunks keep their order: all wait equally long. */
  private pass(who: 'client' | 'server', pair: Pair, from: Socket, to: Socket): void {
    let waiting = 0;
    from.on('data', (chunk) => {
      if (pair.isLost) return;
      this.bytes += chunk.length;
      this.tap(who, chunk);
      waiting += chunk.length;
      if (waiting > WAITING_BYTES_MAX) from.pause();
      const leave = (): void => {
        to.write(chunk, () => {
          waiting -= chunk.length;
          if (waiting <= WAITING_BYTES_MAX && !from.destroyed) from.resume();
        });
      };
      if (this.delayMs === 0) leave();
      else setTimeout(leave, this.delayMs);
    });
  }
}

function partsOf(address: string): { readonly host: string; readonly port: number } {
  const [host, port] = address.split(':') as [string, string];
  return { host, port: Number(port) };
}
