/** A TCP proxy in front of one address: delays both directions, cuts what goes through it, refuses for a while. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A side is not read while that much of it waits for its time or for the other side. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

export class Link {
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private isRefusing = false;
  bytes = 0;

  private constructor(
    private readonly server: Server,
    private readonly target: { readonly host: string; readonly port: number },
    private readonly delayMs: number,
  ) {}

  static async open(target: string, delayMs = 0): Promise<Link> {
    const [host, port] = target.split(':') as [string, string];
    const server = createServer();
    const link = new Link(server, { host, port: Number(port) }, delayMs);
    server.on('connection', (client) => link.accept(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.pairs.size;
  }

  /** Ends every connection; what is on its way is lost. */
  cut(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
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
    const server = connect(this.target);
    const pair = [client, server] as const;
    this.pairs.add(pair);
    this.pass(client, server);
    this.pass(server, client);
    const end = (): void => {
      this.pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on('close', end).on('error', end).setNoDelay();
  }

  /** Chunks keep their order: all wait equally long. */
  private pass(from: Socket, to: Socket): void {
    let waiting = 0;
    from.on('data', (chunk) => {
      this.bytes += chunk.length;
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
