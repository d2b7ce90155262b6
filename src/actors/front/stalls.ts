/**
 * Connections whose next frame has to wait because the ring to its actor is full. They are served in the order in which
 * they came, and as long as one waits for an actor, nobody overtakes it with frames for the same actor.
 */
import type { ActorId, Context } from '../../runtime/actor.js';
import { type Connection, NOBODY } from './connection.js';

export class Stalls {
  /** By actor id. */
  private readonly queues: (Connection[] | undefined)[] = [];
  /** 1 while connections wait for this actor and `onceOpen` is asked. */
  private readonly isWaitedFor: Uint8Array;

  constructor(
    private readonly context: Context,
    actors: number,
    /** Goes on with a connection; it may stall again. */
    private readonly serve: (connection: Connection) => void,
  ) {
    this.isWaitedFor = new Uint8Array(actors);
  }

  /** True when a frame for the actor may be sent now. */
  mayPass(to: ActorId): boolean {
    return this.isWaitedFor[to] === 0 && this.context.isOpen(to, 'request');
  }

  add(connection: Connection, to: ActorId): void {
    connection.stalledOn = to;
    let queue = this.queues[to];
    if (queue === undefined) {
      queue = [];
      this.queues[to] = queue;
    }
    queue.push(connection);
    this.ask(to);
  }

  /** For connections that close while they wait: at most as many as there are open ones are in a queue. */
  remove(connection: Connection): void {
    if (connection.stalledOn === NOBODY) return;
    const queue = this.queues[connection.stalledOn]!;
    queue.splice(queue.indexOf(connection), 1);
    connection.stalledOn = NOBODY;
  }

  private ask(to: ActorId): void {
    if (this.isWaitedFor[to] === 1) return;
    this.isWaitedFor[to] = 1;
    this.context.onceOpen(to, 'request', () => this.drain(to));
  }

  private drain(to: ActorId): void {
    const queue = this.queues[to]!;
    this.isWaitedFor[to] = 0;
    // A connection that stalls again goes to the end of the queue and asks for room: the loop ends.
    while (queue.length > 0 && this.mayPass(to)) {
      const connection = queue.shift()!;
      connection.stalledOn = NOBODY;
      this.serve(connection);
    }
    if (queue.length > 0) this.ask(to);
  }
}
