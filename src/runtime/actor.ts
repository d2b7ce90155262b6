/**
 * What an actor is and what the runtime hands it. An actor owns its state; handlers run to completion on one thread
 * and everything impure comes from the context, so that the same definition runs on worker threads and in the seeded
 * simulation.
 */
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import type { Prng } from '../base/prng.js';
import type { Incoming, Kind, KindRow, Lane, MessageOf, MessageTable, Outgoing } from './message.js';
import type { Network } from './network.js';
import type { Meter } from './slab.js';
import type { Timer } from './timers.js';

/** Dense number of an actor in its cluster; fixed for the life of the process, across restarts. */
export type ActorId = number;

export interface ActorDefinition<State, Messages extends MessageTable, Options> {
  readonly kind: string;
  readonly messages: Messages;
  /** Makes the state. An actor that can serve only later says so itself with context.ready(). */
  readonly start: (context: Context, options: Options) => State;
  readonly on: { readonly [K in keyof Messages]: (state: State, message: MessageOf<Messages, K>) => void };
  /** Called once per turn for every actor that handled anything in it. */
  readonly endOfBatch?: (state: State) => void;
  /** Orderly stop: finish what was promised, then call `done`. A crash skips it. */
  readonly close?: (state: State, done: () => void) => void;
}

// biome-ignore lint/suspicious/noExplicitAny: states, tables and options differ between actors
export type AnyActorDefinition = ActorDefinition<any, any, any>;

/** Names the kind and checks the table against the handlers. */
export function actor<State, Messages extends MessageTable, Options>(
  kind: string,
  definition: Omit<ActorDefinition<State, Messages, Options>, 'kind'>,
): ActorDefinition<State, Messages, Options> {
  return { kind, ...definition };
}

/** A place for the bytes of a message; reused, valid until `end`. */
export interface Place {
  buffer: Buffer;
  view: DataView;
  at: number;
}

/** A fact that is reported: how far long work is, a line for the console. */
export const PROGRESS = 'progress';

export interface Context {
  readonly self: ActorId;
  readonly name: string;
  /** now() and monotonic() are read once per turn. */
  readonly clock: Clock;
  readonly random: Prng;
  readonly disk: Disk;
  /** Only the front actor's thread has one. */
  readonly network: Network;
  readonly log: Log;
  readonly meter: Meter;

  /** Sends; when the receiver's ring is full the message waits in this thread (bounded: look with isOpen first). */
  send<R extends KindRow>(to: ActorId, kind: Kind<R>, message: Outgoing<R>, key?: number): void;
  /** Sends unless the receiver has no room: then false, and nothing is sent. */
  trySend<R extends KindRow>(to: ActorId, kind: Kind<R>, message: Outgoing<R>, key?: number): boolean;
  /**
   * Begins a message with up to `maxBytes` of bytes, to be written at the returned place; `end` says how many there are.
   * One message at a time; nothing else may be sent in between.
   */
  begin<R extends KindRow>(to: ActorId, kind: Kind<R>, message: Outgoing<R>, key: number, maxBytes: number): Place;
  end(bytes: number): void;
  /** False while messages of that lane wait in this thread because the receiver's ring is full. */
  isOpen(to: ActorId, lane: Lane): boolean;
  /** Calls `fire` in the turn in which the lane has room again. */
  onceOpen(to: ActorId, lane: Lane, fire: () => void): void;

  /** Monotonic ms at this very moment, unlike the clock, which stands still in a turn: for measuring what a call takes. */
  stopwatch(): number;
  /**
   * Wall clock ms since when every turn has left requests in the ring from the sockets thread, because there were more
   * than a turn takes or answers did not leave; undefined while the turns take all there are.
   */
  readonly behindSinceMs: number | undefined;
  /** Messages of that kind that have arrived for this actor and wait behind the one it handles. Counts them: for rare use. */
  waiting(kind: Pick<Kind, 'id'>): number;

  /** Calls `fire` in a later turn, `delayMs` from now. */
  after(delayMs: number, fire: () => void): Timer;
  /** Asks for endOfBatch at the end of this turn. */
  touch(): void;
  /** Says that this actor serves; the supervisor waits for it at start. */
  ready(): void;
  /** Tells the supervisor something for the operator (a listener's port, PROGRESS). */
  report(fact: string, value: string | number): void;
  /** The way to crash on purpose from a callback: same as throwing in a handler. */
  fail(error: Error): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured log lines, written by the main thread. */
export interface Log {
  debug(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  error(text: string, fields?: LogFields): void;
}

export type { Incoming, Kind, Lane, MessageOf, MessageTable, Outgoing };
