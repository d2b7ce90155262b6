/** A client outside of every simulated process: what tests talk to the cluster with. */
import type { Socket, SocketEvents } from '../network.js';

export class TestClient {
  isConnected = false;
  /** Why it is over; undefined while it is not. */
  closedReason: string | undefined;
  /** Replace these; without them what arrives is kept in `received`. */
  onConnected: () => void = () => undefined;
  onData: (chunk: Buffer) => void = (chunk) => this.received.push(chunk);
  onClosed: (reason: string) => void = () => undefined;
  readonly received: Buffer[] = [];
  private readonly socket: Socket;

  constructor(dial: (events: SocketEvents) => Socket) {
    this.socket = dial({
      onConnected: () => {
        this.isConnected = true;
        this.onConnected();
      },
      onData: (chunk) => this.onData(chunk),
      onDrained: () => undefined,
      onClosed: (reason) => {
        this.closedReason = reason;
        this.onClosed(reason);
      },
    });
  }

  get isOpen(): boolean {
    return this.isConnected && this.closedReason === undefined;
  }

  /** Bytes that have not left yet: the server does not read. */
  get unsentBytes(): number {
    return this.socket.bufferedBytes;
  }

  /** Before the connection is there: sent as soon as it is. */
  send(bytes: Uint8Array): void {
    this.socket.write(Buffer.from(bytes));
  }

  /** Stops reading: the server's answers pile up. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Closes after what was sent has left. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy('the client is done');
  }
}
