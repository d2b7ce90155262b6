/**
 * Connections whose both ends are in this process: a pair of sockets without an operating system in between. What one
 * end writes is handed to the other at the end of the turn, so that nothing runs inside of the writer's call.
 */
import type { Socket, SocketEvents } from '../../runtime/network.js';

export class Loopback {
  /** Ends that have something to hand over. */
  private waiting: LoopbackSocket[] = [];

  /** The end of the one who dials, and the end that is accepted at `host:port`. */
  pair(host: string, port: number): { readonly dialed: LoopbackSocket; readonly accepted: LoopbackSocket } {
    const dialed = new LoopbackSocket(this, host, port, 0);
    const accepted = new LoopbackSocket(this, host, 0, port);
    dialed.peer = accepted;
    accepted.peer = dialed;
    return { dialed, accepted };
  }

  /** Hands over what was written; called at the end of every turn of the front actor. */
  run(): void {
    while (this.waiting.length > 0) {
      const now = this.waiting;
      this.waiting = [];
      for (const socket of now) socket.deliver();
    }
  }

  add(socket: LoopbackSocket): void {
    this.waiting.push(socket);
  }
}

export class LoopbackSocket implements Socket {
  /** Set by whoever owns this end, before anything happens on it. */
  events!: SocketEvents;
  peer!: LoopbackSocket;
  readonly remoteAddress: string;
  readonly localAddress: string;
  bufferedBytes = 0;
  /** Written here, not yet taken by the peer: bounded by the writer's output limit. */
  private written: Buffer[] = [];
  private isPaused = false;
  private isEnding = false;
  private isClosed = false;
  private isClosedTold = false;
  private closeReason = '';
  private isQueued = false;

  constructor(
    private readonly loopback: Loopback,
    host: string,
    readonly remotePort: number,
    readonly localPort: number,
  ) {
    this.remoteAddress = host;
    this.localAddress = host;
  }

  write(chunk: Buffer): boolean {
    if (this.isClosed || this.isEnding) return true;
    this.written.push(chunk);
    this.bufferedBytes += chunk.length;
    this.queue();
    return false;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.peer.queue();
  }

  destroy(reason: string): void {
    if (this.isClosed) return;
    this.shut(reason);
    this.peer.shut('closed by the peer');
  }

  end(): void {
    this.isEnding = true;
    this.queue();
  }

  /** Called by Loopback.run. */
  deliver(): void {
    this.isQueued = false;
    if (this.isClosed) {
      if (!this.isClosedTold) this.events.onClosed(this.closeReason);
      this.isClosedTold = true;
      return;
    }
    const { peer } = this;
    while (this.written.length > 0 && !peer.isPaused && !this.isClosed) {
      const chunk = this.written.shift()!;
      this.bufferedBytes -= chunk.length;
      peer.events.onData(chunk);
    }
    if (this.written.length > 0 || this.isClosed) return;
    if (this.isEnding) this.destroy('ended');
    else this.events.onDrained();
  }

  private queue(): void {
    if (this.isQueued) return;
    this.isQueued = true;
    this.loopback.add(this);
  }

  private shut(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closeReason = reason;
    this.written = [];
    this.bufferedBytes = 0;
    this.queue();
  }
}
