/**
 * Pulls that name something the replica does not know. A group is asked for: the broker makes it or says that it does
 * not. A topic or a subscription may be on its way. They are tried again when the replica has changed, and answered
 * with what is known when their time is over; always at the end of a batch, so that what came meanwhile counts.
 */
import { KIB } from '../../base/units.js';
import { brokerMessages } from '../broker/messages.js';
import type { HostState } from './host-state.js';

/** How long a topic or a subscription may take to come. */
const REPLICA_WAIT_MS = 200;
/** The broker answers for a group in any case; it may be busy. */
const GROUP_WAIT_MS = 3_000;
const DEFERRED_MAX = 1024;
/** A pull is a short header and no body; a longer one is answered at once with what is known. */
const FRAME_BYTES_MAX = 64 * KIB;

interface DeferredFrame {
  readonly connection: number;
  /** Header word, header and body as they came. */
  readonly frame: Buffer;
  /** The group that was asked for; undefined: it waits for something else. */
  group: string | undefined;
  /** Monotonic ms at which it is answered with what is known. */
  untilMs: number;
}

/** Handles a frame; false when it should be tried again later, which it may say only if it `mayWait`. */
export type TryFrame = (
  state: HostState,
  connection: number,
  buffer: Buffer,
  view: DataView,
  start: number,
  mayWait: boolean,
) => boolean;

export class Deferred {
  /** Set by a pull that names a group without known settings. */
  wantedGroup: string | undefined = undefined;
  /** Since the last `retry`. */
  hasReplicaChanged = false;
  private frames: DeferredFrame[] = [];
  private timer: 'off' | 'set' | 'due' = 'off';

  get length(): number {
    return this.frames.length;
  }

  /** Keeps a frame that `tryFrame` has just answered false for; false when it cannot wait. */
  add(state: HostState, connection: number, buffer: Buffer, start: number, end: number): boolean {
    if (this.frames.length >= DEFERRED_MAX || end - start > FRAME_BYTES_MAX) return false;
    const { context, options } = state;
    const group = this.wantedGroup;
    if (group !== undefined) context.send(options.broker, brokerMessages.groupWanted, { value: { group } });
    const waitMs = group === undefined ? REPLICA_WAIT_MS : GROUP_WAIT_MS;
    const frame = Buffer.from(buffer.subarray(start, end));
    this.frames.push({ connection, frame, group, untilMs: context.clock.monotonic() + waitMs });
    this.setTimer(state, waitMs);
    return true;
  }

  /** The broker does not make the group. */
  deny(group: string): void {
    for (const one of this.frames) if (one.group === group) one.untilMs = 0;
  }

  closed(connection: number): void {
    if (this.frames.length === 0) return;
    this.frames = this.frames.filter((one) => one.connection !== connection);
  }

  /** At the end of a batch. */
  retry(state: HostState, tryFrame: TryFrame): void {
    if (!this.hasReplicaChanged && this.timer !== 'due') return;
    this.hasReplicaChanged = false;
    if (this.timer === 'due') this.timer = 'off';
    const nowMs = state.context.clock.monotonic();
    const waiting: DeferredFrame[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    const { context, options } = state;
    for (const one of this.frames) {
      // What is answered may be large: the rest follows when the front has taken it.
      if (!context.isOpen(options.front, 'reply') || !this.isDone(state, one, nowMs, tryFrame)) {
        waiting.push(one);
        nextMs = Math.min(nextMs, one.untilMs);
      }
    }
    this.frames = waiting;
    if (waiting.length > 0) this.setTimer(state, nextMs - nowMs);
    if (context.isOpen(options.front, 'reply')) return;
    this.hasReplicaChanged = true;
    context.onceOpen(options.front, 'reply', () => context.touch());
  }

  private isDone(state: HostState, one: DeferredFrame, nowMs: number, tryFrame: TryFrame): boolean {
    const mayWait = one.untilMs > nowMs;
    const { group, frame } = one;
    if (mayWait && group !== undefined && state.replica.groups.get(group)?.settings === undefined) return false;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    if (tryFrame(state, one.connection, frame, view, 0, mayWait)) return true;
    // The group is there now, and something else is missing.
    if (group !== undefined) {
      one.group = undefined;
      one.untilMs = nowMs + REPLICA_WAIT_MS;
    }
    return false;
  }

  private setTimer(state: HostState, delayMs: number): void {
    if (this.timer !== 'off') return;
    this.timer = 'set';
    state.context.after(delayMs, () => {
      this.timer = 'due';
    });
  }
}
