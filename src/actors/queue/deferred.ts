/**
 * Pulls that name something the replica does not know. A group is asked for: the broker makes it or says that it does
 * not. A topic or a subscription may be on its way. They are tried again when the replica has changed, and answered
 * with what is known when their time is over; always at the end of a batch, so that what came meanwhile counts.
 */
import { KIB } from '../../base/units.js';
import { brokerMessages } from '../broker/messages.js';
import type { Timer } from '../../runtime/timers.js';
import type { HostState } from './host-state.js';

/** How long a topic or a subscription may take to come. */
const REPLICA_WAIT_MS = 200;
/** The broker answers for a group in any case; it may be busy. */
const GROUP_WAIT_MS = 3_000;
/**
 * A newer version of a known subscription takes a heartbeat. A Java client that rebalances while it sends one skips the
 * one that would tell of it (MQClientInstance.sendHeartbeatToAllBrokerWithLock); as it does so mostly in the first second
 * after its start, and sends one when that is over, the pull waits for this instead of coming again a second later.
 */
const HEARTBEAT_WAIT_MS = 1_000;
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
  /** Set by a pull with a newer version of its subscription than is known. */
  wantsHeartbeat = false;
  /** Since the last `retry`. */
  hasReplicaChanged = false;
  private frames: DeferredFrame[] = [];
  private timer: Timer | undefined = undefined;
  /** Monotonic ms at which the timer fires. */
  private timerMs = Number.POSITIVE_INFINITY;
  private isDue = false;

  get length(): number {
    return this.frames.length;
  }

  /** Keeps a frame that `tryFrame` has just answered false for; false when it cannot wait. */
  add(state: HostState, connection: number, buffer: Buffer, start: number, end: number): boolean {
    if (this.frames.length >= DEFERRED_MAX || end - start > FRAME_BYTES_MAX) return false;
    const { context, options } = state;
    const group = this.wantedGroup;
    if (group !== undefined) context.send(options.broker, brokerMessages.groupWanted, { value: { group } });
    const untilMs = context.clock.monotonic() + (group === undefined ? this.waitMs() : GROUP_WAIT_MS);
    const frame = Buffer.from(buffer.subarray(start, end));
    this.frames.push({ connection, frame, group, untilMs });
    this.setTimer(state, untilMs);
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
    if (!this.hasReplicaChanged && !this.isDue) return;
    this.hasReplicaChanged = false;
    this.isDue = false;
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
    this.setTimer(state, nextMs);
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
      one.untilMs = nowMs + this.waitMs();
    }
    return false;
  }

  /** For a pull that could not be handled just now. */
  private waitMs(): number {
    return this.wantsHeartbeat ? HEARTBEAT_WAIT_MS : REPLICA_WAIT_MS;
  }

  /** To fire at `atMs` or before. */
  private setTimer({ context }: HostState, atMs: number): void {
    if (atMs >= this.timerMs) return;
    this.timer?.cancel();
    this.timerMs = atMs;
    this.timer = context.after(Math.max(0, atMs - context.clock.monotonic()), () => {
      this.timerMs = Number.POSITIVE_INFINITY;
      this.isDue = true;
    });
  }
}
