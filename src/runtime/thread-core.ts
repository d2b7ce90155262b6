/**
 * One thread's actors and their turns, without the waiting: worker threads, the front thread and the simulation all
 * drive this class.
 *
 * A turn: timers and completions that are due; the rings, in the order of the contract; the thread's own mailbox and
 * endOfBatch until both are quiet; then everything this thread has to say is published, rings to workers first, the
 * ring to the sockets thread last, and the room of what was read is given back.
 *
 * Lanes. Request messages may wait in their ring: a thread whose answers do not leave (a full reply ring) stops taking
 * requests. Reply messages are always taken. Nobody waits for room on a request lane: senders look first (isOpen,
 * trySend) and do something on purpose. So two full rings cannot lock each other.
 *
 * Order. The head of a sockets thread's request ring is read first, then rings from workers are drained fully, then
 * the sockets thread's records up to that head: what a client did after it was answered finds the entries that the
 * answer promised (see design: a client that pulls too early is told "offset moved").
 */
import type { Clock } from '../base/clock.js';
import { asStartError } from '../base/disk-remedy.js';
import { invariant } from '../base/invariant.js';
import type { Prng } from '../base/prng.js';
import type { ActorId, AnyActorDefinition, Context, Place } from './actor.js';
import { ActorContext, type ThreadServices } from './context.js';
import type { Directory } from './directory.js';
import { Inbound } from './inbound.js';
import { type Incoming, type Kind, type KindRow, type Lane, type Outgoing, packValue, unpackValue } from './message.js';
import { MAX_MESSAGE_BYTES, Outbound, writeRecordHeader } from './outbound.js';
import { RecordQueue } from './record-queue.js';
import { RingReader, type RingMemory, RingWriter } from './ring.js';
import { PART, RECORD } from './ring-layout.js';
import { Timers } from './timers.js';

/** Records taken from one ring in one turn before the others get theirs. */
const RING_BUDGET = 1024;
/** Rounds of mailbox and endOfBatch in one turn; the rest waits for the next turn, so that answers leave. */
const MAILBOX_ROUNDS = 16;
const MAILBOX_LIMIT_BYTES = 256 * 1024 * 1024;
/** Beyond this a request to an actor on the same thread counts as "no room". */
const MAILBOX_OPEN_BYTES = 16 * 1024 * 1024;

interface Handler {
  readonly kind: Kind;
  readonly message: Incoming<KindRow> & { value?: unknown };
  readonly handle: (state: unknown, message: never) => void;
}

interface Resident {
  readonly id: ActorId;
  readonly unit: number;
  readonly definition: AnyActorDefinition;
  readonly context: ActorContext;
  /** Indexed by kind id. */
  readonly handlers: readonly (Handler | undefined)[];
  state: unknown;
  isTouched: boolean;
  isAlive: boolean;
  /** Who waits for the end of an orderly close: told when the actor is gone, even by a crash on the way. */
  whenGone: (() => void) | undefined;
}

export interface RingTo {
  readonly thread: number;
  readonly lane: Lane;
  readonly memory: RingMemory;
}

/** What the thread tells whoever drives it. */
export interface CoreEvents {
  /** An actor threw: `during` names the message kind or hook. Its unit is already stopped on this thread. */
  crashed(actor: ActorId, during: string, error: Error, epoch: number): void;
  ready(actor: ActorId, epoch: number): void;
  reported(actor: ActorId, fact: string, value: string | number): void;
  log(level: 'debug' | 'info' | 'warn' | 'error', actor: string, text: string, fields: unknown): void;
  /** Wakes a parked thread, after everything was published; or asks for one more turn of this thread. */
  ring(thread: number): void;
}

export class ThreadCore {
  readonly timers = new Timers();
  private readonly residents: (Resident | undefined)[] = [];
  private readonly epochs: Int32Array;
  /** [thread * 2 + (lane === 'reply' ? 1 : 0)] */
  private readonly outbounds: (Outbound | undefined)[] = [];
  /** Publishing order: blocking threads first, the sockets thread last. */
  private readonly publishOrder: { readonly thread: number; readonly outbound: Outbound }[] = [];
  private readonly replyOutbounds: Outbound[] = [];
  /** Draining order: rings from blocking threads, then from the sockets thread. */
  private readonly inbounds: Inbound[] = [];
  private readonly fromSockets: Inbound[] = [];
  private mailbox = new RecordQueue('mailbox', MAILBOX_LIMIT_BYTES);
  private delivering = new RecordQueue('mailbox', MAILBOX_LIMIT_BYTES);
  private touched: Resident[] = [];
  private completions: { readonly resident: Resident; readonly fire: () => void }[] = [];
  private readonly turnClock: TurnClock;
  private readonly bells: Uint8Array;

  private readonly place: Place = { buffer: Buffer.alloc(0), view: new DataView(new ArrayBuffer(0)), at: 0 };
  private openTo: Outbound | undefined;
  private openRecordAt = -1;
  private openFieldBytes = 0;
  private openView: DataView = this.place.view;
  /** See Context. */
  behindSinceMs: number | undefined = undefined;
  /** Messages dropped because their target's unit was restarted meanwhile or is down. */
  droppedMessages = 0;

  constructor(
    readonly thread: number,
    readonly directory: Directory,
    clock: Clock,
    private readonly random: Prng,
    private readonly services: ThreadServices,
    private readonly events: CoreEvents,
    outbound: readonly RingTo[],
    inbound: readonly RingTo[],
  ) {
    this.turnClock = new TurnClock(clock);
    this.epochs = new Int32Array(directory.units.length);
    this.bells = new Uint8Array(directory.threads.length);
    const isSockets = (index: number): boolean => directory.threads[index]!.kind === 'sockets';
    for (const { thread: to, lane, memory } of outbound) {
      const name = `${directory.threads[thread]!.name} to ${directory.threads[to]!.name} (${lane})`;
      const out = new Outbound(new RingWriter(memory), name);
      this.outbounds[to * 2 + (lane === 'reply' ? 1 : 0)] = out;
      if (isSockets(to)) this.publishOrder.push({ thread: to, outbound: out });
      else this.publishOrder.unshift({ thread: to, outbound: out });
      if (lane === 'reply') this.replyOutbounds.push(out);
    }
    for (const { thread: from, lane, memory } of inbound) {
      const reader = new Inbound(new RingReader(memory), from, lane);
      if (isSockets(from)) this.fromSockets.push(reader);
      else this.inbounds.push(reader);
    }
    this.inbounds.sort((a, b) => (a.lane === b.lane ? a.fromThread - b.fromThread : a.lane === 'reply' ? -1 : 1));
  }

  get clock(): Clock {
    return this.turnClock;
  }

  /** Starts an actor of this thread. What its start throws is the caller's to handle: nothing is left of it. */
  start(id: ActorId, definition: AnyActorDefinition, options: unknown): void {
    const entry = this.directory.actors[id]!;
    invariant(entry.thread === this.thread, 'actor belongs to another thread', entry.name);
    invariant(this.residents[id] === undefined, 'actor is running', entry.name);
    const handlers: (Handler | undefined)[] = [];
    for (const [name, kind] of Object.entries(definition.messages) as [string, Kind][]) {
      const handle = definition.on[name]!;
      handlers[kind.id] = { kind, message: kind.create() as Handler['message'], handle };
    }
    const context = new ActorContext(this, id, entry.name, this.turnClock, this.random.fork(), this.services);
    const resident: Resident = {
      id,
      unit: entry.unit,
      definition,
      context,
      handlers,
      state: undefined,
      isTouched: false,
      isAlive: true,
      whenGone: undefined,
    };
    this.residents[id] = resident;
    this.turnClock.read();
    try {
      resident.state = definition.start(context, options);
    } catch (error) {
      this.openRecordAt = -1;
      this.drop(resident);
      throw asStartError(error, `${entry.name}: `);
    }
    this.touch(id);
  }

  /** Runs an actor's orderly close; `done` is called when the actor is gone: it has finished, crashed or was killed. */
  close(id: ActorId, done: () => void): void {
    const resident = this.residents[id];
    if (resident === undefined) {
      done();
      return;
    }
    resident.whenGone = done;
    const { close } = resident.definition;
    const finish = (): void => this.drop(resident);
    if (close === undefined) finish();
    else this.guard(resident, 'close', () => close(resident.state, finish));
  }

  /** Drops a unit's actors on this thread without closing them, as a killed process would. */
  kill(unit: number): void {
    for (const resident of this.residents) if (resident?.unit === unit) this.drop(resident);
  }

  /** From now on messages of older epochs are dropped. */
  setEpoch(unit: number, epoch: number): void {
    this.epochs[unit] = epoch;
  }

  isRunning(id: ActorId): boolean {
    return this.residents[id] !== undefined;
  }

  definitionOf(id: ActorId): AnyActorDefinition | undefined {
    return this.residents[id]?.definition;
  }

  /** Milliseconds until a timer is due: Infinity when there is none. */
  msToNextTimer(): number {
    const due = this.timers.nextDueMs();
    return due === undefined ? Number.POSITIVE_INFINITY : Math.max(0, due - this.turnClock.monotonicNow());
  }

  /** For inspection and faults: the state of a running actor. */
  stateOf(id: ActorId): unknown {
    return this.residents[id]?.state;
  }

  /** For dumps: what runs and what waits here. */
  describe(): string {
    const nameOf = (thread: number): string => this.directory.threads[thread]!.name;
    const running = this.residents.filter((resident) => resident !== undefined).map(({ context }) => context.name);
    const parts = [`runs ${running.join(', ') || 'nothing'}`];
    if (!this.mailbox.isEmpty) parts.push(`mailbox ${this.mailbox.usedBytes} bytes`);
    if (this.completions.length > 0) parts.push(`${this.completions.length} completions`);
    for (const { thread, outbound } of this.publishOrder) {
      const { ring, spilledBytes } = outbound;
      const spilled = spilledBytes > 0 ? `, ${spilledBytes} waiting` : '';
      if (ring.usedBytes() > 0)
        parts.push(`to ${nameOf(thread)}: ${ring.usedBytes()} of ${ring.capacityBytes}${spilled}`);
    }
    for (const inbound of [...this.inbounds, ...this.fromSockets]) {
      if (inbound.ring.hasMore() && !this.mayTake(inbound))
        parts.push(`takes nothing from ${nameOf(inbound.fromThread)}`);
    }
    return parts.join('; ');
  }

  /** One turn; true when anything was done. */
  turn(): boolean {
    this.turnClock.read();
    let didWork = this.runDue();
    for (const { outbound } of this.publishOrder) outbound.flush();
    didWork = this.drainRings() || didWork;
    didWork = this.runMailbox() || didWork;
    this.publish();
    return didWork;
  }

  /** True when a turn would find something to do now (timers aside): the look after arming the doorbell. */
  hasWork(): boolean {
    if (!this.mailbox.isEmpty || this.completions.length > 0 || this.touched.length > 0) return true;
    // Room that a reader gave back between the last flush and the arming of the doorbell woke nobody.
    for (const { outbound } of this.publishOrder) if (outbound.canFlush()) return true;
    for (const inbound of this.inbounds) if (this.mayTake(inbound) && inbound.ring.hasMore()) return true;
    for (const inbound of this.fromSockets) if (this.mayTake(inbound) && inbound.ring.hasMore()) return true;
    return false;
  }

  // ---- for contexts -------------------------------------------------------------------------------------------

  begin<R extends KindRow>(
    from: ActorId,
    to: ActorId,
    kind: Kind<R>,
    message: Outgoing<R>,
    key: number,
    maxBytes: number,
  ): Place {
    invariant(this.openRecordAt < 0, 'a message is being written', kind.name);
    const target = this.directory.actors[to]!;
    const payloadBytes = kind.fieldBytes + maxBytes;
    const place = this.place;
    if (target.thread === this.thread) {
      this.openTo = undefined;
      place.at = this.mailbox.claim(payloadBytes);
      place.buffer = this.mailbox.buffer;
      place.view = this.mailbox.view;
    } else {
      const outbound = this.outboundTo(to, kind.lane);
      outbound.claim(payloadBytes, place);
      this.openTo = outbound;
    }
    writeRecordHeader(place.view, place.at, 0, to, from, kind.id, PART.whole, this.epochs[target.unit]!, key);
    kind.encode(place.view, place.at + RECORD.payload, message);
    this.openRecordAt = place.at;
    this.openView = place.view;
    this.openFieldBytes = kind.fieldBytes;
    place.at += RECORD.payload + kind.fieldBytes;
    return place;
  }

  end(bytes: number): void {
    invariant(this.openRecordAt >= 0, 'no message is being written');
    const payloadBytes = this.openFieldBytes + bytes;
    this.openView.setInt32(this.openRecordAt + RECORD.length, payloadBytes, true);
    if (this.openTo === undefined) this.mailbox.commit(payloadBytes);
    else this.openTo.commit(payloadBytes);
    this.openRecordAt = -1;
  }

  send<R extends KindRow>(from: ActorId, to: ActorId, kind: Kind<R>, message: Outgoing<R>, key: number): void {
    if (!kind.hasValue) {
      this.begin(from, to, kind, message, key, 0);
      this.end(0);
      return;
    }
    const packed = packValue((message as unknown as { value: unknown }).value);
    const place = this.begin(from, to, kind, message, key, packed.length);
    packed.copy(place.buffer, place.at);
    this.end(packed.length);
  }

  isOpen(to: ActorId, lane: Lane): boolean {
    if (this.directory.actors[to]!.thread === this.thread) return this.mailbox.usedBytes < MAILBOX_OPEN_BYTES;
    return this.outboundTo(to, lane).isOpen;
  }

  onceOpen(from: ActorId, to: ActorId, lane: Lane, fire: () => void): void {
    const resident = this.residents[from];
    // Not for a later incarnation of the actor.
    const completion = (): void => {
      if (resident?.isAlive) this.complete(from, fire);
    };
    if (this.isOpen(to, lane) || this.directory.actors[to]!.thread === this.thread) completion();
    else this.outboundTo(to, lane).onceOpen(completion);
  }

  stopwatch(): number {
    return this.turnClock.monotonicNow();
  }

  waiting(id: ActorId, kind: Pick<Kind, 'id'>): number {
    const count = (view: DataView, at: number): number =>
      view.getInt32(at + RECORD.target, true) === id &&
      view.getUint16(at + RECORD.kind, true) === kind.id &&
      view.getUint16(at + RECORD.part, true) <= PART.first
        ? 1
        : 0;
    let found = 0;
    for (const { ring } of [...this.inbounds, ...this.fromSockets]) {
      for (const at of ring.unread()) found += count(ring.view, at);
    }
    for (const queue of [this.delivering, this.mailbox])
      for (const at of queue.unread()) found += count(queue.view, at);
    // The one that is being handled is still where it came from.
    return Math.max(0, found - 1);
  }

  touch(id: ActorId): void {
    const resident = this.residents[id];
    if (resident === undefined || resident.isTouched) return;
    resident.isTouched = true;
    this.touched.push(resident);
  }

  /** Runs `fire` in a later turn of this thread, as a turn of the actor; not at all when the actor is gone by then. */
  complete(id: ActorId, fire: () => void): void {
    const resident = this.residents[id];
    if (resident === undefined) return;
    this.completions.push({ resident, fire });
    this.events.ring(this.thread);
  }

  /** Runs `run` at once as a turn of the actor: for callers outside of turns that need its result. */
  runNow(id: ActorId, during: string, run: () => void): void {
    const resident = this.residents[id];
    if (resident === undefined) return;
    this.turnClock.read();
    this.guard(resident, during, run);
    this.events.ring(this.thread);
  }

  after(id: ActorId, delayMs: number, fire: () => void): { cancel(): void } {
    return this.timers.set(this.turnClock.monotonic() + Math.max(0, delayMs), id, fire);
  }

  failed(id: ActorId, error: Error): void {
    const resident = this.residents[id];
    if (resident !== undefined) this.crash(resident, 'a callback', error);
  }

  /** An actor says that it serves. */
  ready(id: ActorId): void {
    this.events.ready(id, this.epochs[this.directory.actors[id]!.unit]!);
  }

  get report(): CoreEvents {
    return this.events;
  }

  // ---- the parts of a turn ------------------------------------------------------------------------------------

  private runDue(): boolean {
    let didWork = false;
    const now = this.turnClock.monotonic();
    const mark = this.timers.mark();
    for (let due = this.timers.takeDue(now, mark); due !== undefined; due = this.timers.takeDue(now, mark)) {
      const resident = this.residents[due.owner];
      if (resident === undefined) continue;
      const { fire } = due;
      didWork = true;
      this.guard(resident, 'timer', fire);
    }
    if (this.completions.length === 0) return didWork;
    const completions = this.completions;
    this.completions = [];
    for (const { resident, fire } of completions) if (resident.isAlive) this.guard(resident, 'completion', fire);
    return true;
  }

  /** Requests wait while an answer does: see Lanes above. */
  private mayTake(inbound: Inbound): boolean {
    if (inbound.lane === 'reply') return true;
    for (const outbound of this.replyOutbounds) if (!outbound.isOpen) return false;
    return this.mailbox.usedBytes < MAILBOX_OPEN_BYTES;
  }

  private drainRings(): boolean {
    let didWork = false;
    for (const inbound of this.fromSockets) inbound.ring.refresh();
    for (const inbound of this.inbounds) {
      // Fully, not by budget: records from the sockets thread that follow may depend on all of them.
      inbound.ring.refresh();
      didWork = this.drain(inbound, Number.MAX_SAFE_INTEGER) || didWork;
    }
    for (const inbound of this.fromSockets) didWork = this.drain(inbound, RING_BUDGET) || didWork;
    this.noteLeft();
    return didWork;
  }

  /** What the sockets thread had published by the begin of this turn and was not taken in it. */
  private noteLeft(): void {
    let isBehind = false;
    for (const inbound of this.fromSockets) isBehind ||= inbound.ring.next() >= 0;
    if (!isBehind) this.behindSinceMs = undefined;
    else this.behindSinceMs ??= this.turnClock.now();
  }

  private drain(inbound: Inbound, budget: number): boolean {
    const { ring } = inbound;
    let count = 0;
    while (count < budget && this.mayTake(inbound)) {
      const at = ring.next();
      if (at < 0) break;
      count++;
      if (ring.view.getUint16(at + RECORD.part, true) === PART.whole) {
        this.deliver(ring.buffer, ring.view, at);
      } else {
        const whole = inbound.join(at);
        if (whole !== undefined) {
          this.deliver(whole, new DataView(whole.buffer, whole.byteOffset, whole.length), 0);
        }
      }
      ring.skip(at);
    }
    return count > 0;
  }

  private runMailbox(): boolean {
    let didWork = false;
    for (let round = 0; round < MAILBOX_ROUNDS; round++) {
      if (this.mailbox.isEmpty && this.touched.length === 0) return didWork;
      didWork = true;
      this.deliverMailbox();
      const touched = this.touched;
      this.touched = [];
      for (const resident of touched) {
        resident.isTouched = false;
        const { endOfBatch } = resident.definition;
        if (endOfBatch === undefined || !resident.isAlive) continue;
        try {
          endOfBatch(resident.state);
        } catch (error) {
          this.crash(resident, 'endOfBatch', error as Error);
        }
      }
    }
    return didWork;
  }

  private deliverMailbox(): void {
    // Handlers append to the other queue, so the records being handled do not move.
    const { mailbox } = this;
    this.mailbox = this.delivering;
    this.delivering = mailbox;
    for (let at = mailbox.next(); at >= 0; at = mailbox.next()) {
      this.deliver(mailbox.buffer, mailbox.view, at);
      mailbox.skip(at);
    }
    mailbox.reset();
  }

  private deliver(buffer: Buffer, view: DataView, at: number): void {
    const resident = this.residents[view.getInt32(at + RECORD.target, true)];
    if (resident === undefined || view.getInt32(at + RECORD.epoch, true) !== this.epochs[resident.unit]) {
      this.droppedMessages++;
      return;
    }
    const handler = resident.handlers[view.getUint16(at + RECORD.kind, true)];
    if (handler === undefined) {
      this.crash(resident, 'delivery', new Error(`unknown message kind ${view.getUint16(at + RECORD.kind, true)}`));
      return;
    }
    const { kind, message } = handler;
    const fieldsAt = at + RECORD.payload;
    kind.decode(view, fieldsAt, message as never);
    message.source = view.getInt32(at + RECORD.source, true);
    message.key = view.getInt32(at + RECORD.key, true);
    if (kind.hasBytes || kind.hasValue) {
      const start = fieldsAt + kind.fieldBytes;
      const end = fieldsAt + view.getInt32(at + RECORD.length, true);
      if (kind.hasBytes) {
        const range = message as unknown as { buffer: Buffer; view: DataView; start: number; end: number };
        range.buffer = buffer;
        range.view = view;
        range.start = start;
        range.end = end;
      } else {
        message.value = unpackValue(Buffer.from(buffer.subarray(start, end)));
      }
    }
    if (!resident.isTouched) {
      resident.isTouched = true;
      this.touched.push(resident);
    }
    try {
      handler.handle(resident.state, message as never);
    } catch (error) {
      this.crash(resident, kind.name, error as Error);
    }
  }

  private publish(): void {
    for (const { thread, outbound } of this.publishOrder) {
      outbound.flush();
      if (outbound.ring.publish()) this.bells[thread] = 1;
    }
    for (const inbound of this.inbounds) if (inbound.ring.release()) this.bells[inbound.fromThread] = 1;
    for (const inbound of this.fromSockets) if (inbound.ring.release()) this.bells[inbound.fromThread] = 1;
    for (let thread = 0; thread < this.bells.length; thread++) {
      if (this.bells[thread] === 0) continue;
      this.bells[thread] = 0;
      this.events.ring(thread);
    }
  }

  private outboundTo(to: ActorId, lane: Lane): Outbound {
    const { thread, name } = this.directory.actors[to]!;
    const outbound = this.outbounds[thread * 2 + (lane === 'reply' ? 1 : 0)];
    invariant(outbound !== undefined, 'no ring to', name, lane);
    return outbound;
  }

  private guard(resident: Resident, during: string, run: () => void): void {
    this.touch(resident.id);
    try {
      run();
    } catch (error) {
      this.crash(resident, during, error as Error);
    }
  }

  private crash(resident: Resident, during: string, error: Error): void {
    // A message half written by the one that threw is not committed, so nobody will see it.
    this.openRecordAt = -1;
    if (!resident.isAlive) return;
    this.kill(resident.unit);
    this.events.crashed(resident.id, during, error, this.epochs[resident.unit]!);
  }

  private drop(resident: Resident): void {
    if (!resident.isAlive) return;
    resident.isAlive = false;
    this.residents[resident.id] = undefined;
    this.timers.dropOwner(resident.id);
    resident.context.release();
    resident.whenGone?.();
  }
}

/** Time of the current turn: read once, so that a batch costs one clock call. */
class TurnClock implements Clock {
  private wallMs = 0;
  private monotonicMs = 0;
  constructor(private readonly source: Clock) {
    this.read();
  }
  read(): void {
    this.wallMs = this.source.now();
    this.monotonicMs = this.source.monotonic();
  }
  now(): number {
    return this.wallMs;
  }
  monotonicNow(): number {
    return this.source.monotonic();
  }
  monotonic(): number {
    return this.monotonicMs;
  }
  localHour(): number {
    return this.source.localHour();
  }
}

export { MAX_MESSAGE_BYTES };
export type { Context };
