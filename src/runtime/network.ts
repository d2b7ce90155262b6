/**
 * Stream sockets as the front actor sees them. Two implementations: node:net, and the simulation's network that can
 * drop, delay and cut. Callbacks run inside the owning thread's turns.
 */
export interface Network {
  /** Binds; exactly one of `onListening` and `onFailed` is called. Port 0 picks a free one. */
  listen(host: string, port: number, events: ListenerEvents): Listener;
  /** Dials; exactly one of `onConnected` and `onClosed` comes first. */
  connect(host: string, port: number, timeoutMs: number, events: SocketEvents): Socket;
}

export interface ListenerEvents {
  onListening(port: number): void;
  /** `code` is the operating system's (EADDRINUSE, EACCES, EADDRNOTAVAIL ...). */
  onFailed(code: string): void;
  /** A new connection; the events that the socket reports to are returned. */
  onConnection(socket: Socket): SocketEvents;
}

export interface Listener {
  /** Stops accepting; open connections stay. */
  close(): void;
}

export interface SocketEvents {
  onConnected?(): void;
  /** `chunk` belongs to the receiver from now on. */
  onData(chunk: Buffer): void;
  /** Everything written has left for the kernel: `bufferedBytes` is 0 again. */
  onDrained(): void;
  /** Exactly once, whoever closed it. `reason` is for logs. */
  onClosed(reason: string): void;
}

export interface Socket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Bytes accepted by `write` that have not left for the kernel. */
  readonly bufferedBytes: number;
  /** Takes ownership of `chunk`, unless it answers true: then its bytes are gone already and the memory is the caller's again. */
  write(chunk: Buffer): boolean;
  /** Stops and restarts `onData`; what arrives meanwhile waits in the kernel, which slows the peer. */
  pause(): void;
  resume(): void;
  /** Closes at once; unsent bytes are dropped. */
  destroy(reason: string): void;
  /** Closes after what was written has left. */
  end(): void;
}
