/** The runtime's side of an actor: binds the thread's services to one incarnation of one actor. */
import type { Clock } from '../base/clock.js';
import type { Disk, DiskFile } from '../base/disk.js';
import type { Prng } from '../base/prng.js';
import type { ActorId, Context, Log, LogFields, Place } from './actor.js';
import type { Kind, KindRow, Lane, Outgoing } from './message.js';
import type { Listener, Network, Socket, SocketEvents } from './network.js';
import type { Meter } from './slab.js';
import type { ThreadCore } from './thread-core.js';
import type { Timer } from './timers.js';

/** What a thread has to offer to its actors besides messages. */
export interface ThreadServices {
  readonly disk: Disk;
  /** Only where there are sockets. */
  readonly network: Network | undefined;
  readonly meter: Meter;
}

/** For connections whose actor is gone. */
const DEAF: SocketEvents = { onData: () => undefined, onDrained: () => undefined, onClosed: () => undefined };

export class ActorContext implements Context {
  readonly disk: Disk;
  readonly log: Log;
  readonly meter: Meter;
  /** Closed when the actor is dropped without closing them itself. */
  private readonly openFiles = new Set<DiskFile>();
  private readonly openLocks = new Set<{ release(): void }>();
  private readonly openSockets = new Set<Socket>();
  private readonly openListeners = new Set<Listener>();
  private readonly ownNetwork: Network | undefined;
  private isReleased = false;

  constructor(
    private readonly core: ThreadCore,
    readonly self: ActorId,
    readonly name: string,
    readonly clock: Clock,
    readonly random: Prng,
    services: ThreadServices,
  ) {
    this.meter = services.meter;
    this.disk = this.trackedDisk(services.disk);
    this.ownNetwork = services.network === undefined ? undefined : this.trackedNetwork(services.network);
    const write =
      (level: 'debug' | 'info' | 'warn' | 'error') =>
      (text: string, fields: LogFields = {}) =>
        core.report.log(level, name, text, fields);
    this.log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  }

  get network(): Network {
    if (this.ownNetwork === undefined) throw new Error(`${this.name} runs on a thread without sockets`);
    return this.ownNetwork;
  }

  send<R extends KindRow>(to: ActorId, kind: Kind<R>, message: Outgoing<R>, key = 0): void {
    this.core.send(this.self, to, kind, message, key);
  }

  trySend<R extends KindRow>(to: ActorId, kind: Kind<R>, message: Outgoing<R>, key = 0): boolean {
    if (!this.core.isOpen(to, kind.lane)) return false;
    this.core.send(this.self, to, kind, message, key);
    return true;
  }

  begin<R extends KindRow>(to: ActorId, kind: Kind<R>, message: Outgoing<R>, key: number, maxBytes: number): Place {
    return this.core.begin(this.self, to, kind, message, key, maxBytes);
  }

  end(bytes: number): void {
    this.core.end(bytes);
  }

  isOpen(to: ActorId, lane: Lane): boolean {
    return this.core.isOpen(to, lane);
  }

  onceOpen(to: ActorId, lane: Lane, fire: () => void): void {
    this.core.onceOpen(this.self, to, lane, fire);
  }

  stopwatch(): number {
    return this.core.stopwatch();
  }

  get behindSinceMs(): number | undefined {
    return this.core.behindSinceMs;
  }

  waiting(kind: Pick<Kind, 'id'>): number {
    return this.core.waiting(this.self, kind);
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.core.after(this.self, delayMs, fire);
  }

  touch(): void {
    this.core.touch(this.self);
  }

  ready(): void {
    this.core.ready(this.self);
  }

  report(fact: string, value: string | number): void {
    this.core.report.reported(this.self, fact, value);
  }

  fail(error: Error): void {
    this.core.failed(this.self, error);
  }

  /** Called when the actor is gone: what it left open is closed, as the operating system would. */
  release(): void {
    this.isReleased = true;
    for (const listener of this.openListeners) listener.close();
    for (const socket of this.openSockets) socket.destroy(`${this.name} stopped`);
    for (const file of this.openFiles) file.close();
    for (const lock of this.openLocks) lock.release();
  }

  private trackedDisk(disk: Disk): Disk {
    const files = this.openFiles;
    const locks = this.openLocks;
    const { core, self } = this;
    return {
      open: (path, options) => {
        const file = disk.open(path, options);
        const tracked: DiskFile = {
          path: file.path,
          size: () => file.size(),
          read: (target, start, length, position) => file.read(target, start, length, position),
          readLater: (target, start, length, position, done) => {
            file.readLater(target, start, length, position, (error, bytes) => {
              if (!this.isReleased) core.complete(self, () => done(error, bytes));
            });
          },
          write: (source, start, length, position) => file.write(source, start, length, position),
          truncate: (bytes) => file.truncate(bytes),
          setModified: (ms) => file.setModified(ms),
          sync: () => file.sync(),
          syncLater: (done) => {
            file.syncLater((error) => {
              if (!this.isReleased) core.complete(self, () => done(error));
            });
          },
          get lastReadMs() {
            return file.lastReadMs;
          },
          get usualSyncMs() {
            return file.usualSyncMs;
          },
          close: () => {
            files.delete(tracked);
            file.close();
          },
        };
        files.add(tracked);
        return tracked;
      },
      readFile: (path) => disk.readFile(path),
      writeFile: (path, content) => disk.writeFile(path, content),
      stat: (path) => disk.stat(path),
      list: (directory) => disk.list(directory),
      makeDirectory: (path) => disk.makeDirectory(path),
      remove: (path) => disk.remove(path),
      removeTree: (path) => disk.removeTree(path),
      rename: (from, to) => disk.rename(from, to),
      syncDirectory: (path) => disk.syncDirectory(path),
      usage: (path) => disk.usage(path),
      lock: (path) => {
        const lock = disk.lock(path);
        const tracked = {
          release: () => {
            locks.delete(tracked);
            lock.release();
          },
        };
        locks.add(tracked);
        return tracked;
      },
    };
  }

  /** Socket callbacks run in turns of this actor, and not after it is gone. */
  private trackedNetwork(network: Network): Network {
    const inTurn =
      <A extends unknown[]>(call: (...args: A) => void) =>
      (...args: A): void => {
        if (!this.isReleased) this.core.complete(this.self, () => call(...args));
      };
    const wrap = (events: SocketEvents, socketOf: () => Socket): SocketEvents => ({
      onConnected: inTurn(() => events.onConnected?.()),
      onData: inTurn((chunk) => events.onData(chunk)),
      onDrained: inTurn(() => events.onDrained()),
      onClosed: (reason) => {
        this.openSockets.delete(socketOf());
        inTurn(events.onClosed)(reason);
      },
    });
    return {
      listen: (host, port, events) => {
        const listener = network.listen(host, port, {
          onListening: inTurn((bound) => events.onListening(bound)),
          onFailed: inTurn((code) => events.onFailed(code)),
          onConnection: (socket) => {
            if (this.isReleased) {
              socket.destroy(`${this.name} stopped`);
              return DEAF;
            }
            this.openSockets.add(socket);
            let own: SocketEvents | undefined;
            this.core.runNow(this.self, 'a new connection', () => {
              own = wrap(events.onConnection(socket), () => socket);
            });
            return own ?? DEAF;
          },
        });
        this.openListeners.add(listener);
        return {
          close: () => {
            this.openListeners.delete(listener);
            listener.close();
          },
        };
      },
      connect: (host, port, timeoutMs, events) => {
        const socket: Socket = network.connect(
          host,
          port,
          timeoutMs,
          wrap(events, () => socket),
        );
        this.openSockets.add(socket);
        return socket;
      },
    };
  }
}
