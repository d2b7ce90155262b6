/**
 * One connection that sends. It has a slot per request in flight, and a slot is a complete frame whose opaque names it;
 * the frames lie one behind the other, so that the slots which a read of answers has freed leave as one write.
 *
 * Closed loop: a freed slot leaves at once, and its latency counts from its write. Open loop: message n of the run is due
 * at begin + n * gap whatever the server does, and its latency counts from then (no coordinated omission); when all slots
 * wait for answers the due ones leave late.
 */
import { nowMs } from './clock.js';
import type { Connection, Receiver } from './connection.js';
import { Failures, Latencies } from './figures.js';
import { sendFrame, slotFrames } from './frames.js';
import { isStamped, type LoadOptions } from './options.js';
import { type Reply, Success } from './reply.js';
import { isMeasured, type Schedule } from './schedule.js';

/** What the senders of one thread count together. */
export class SendFigures {
  readonly latencies = new Latencies();
  readonly failures = new Failures();
  measured = 0;
  sent = 0;
}

export class Sender implements Receiver {
  /** Resolves when nothing is in flight after the end, or the connection is gone. */
  readonly finished: Promise<void>;
  #finish: () => void = () => {};
  readonly #frames: Buffer;
  readonly #frameBytes: number;
  /** Of a body that begins with the moment at which its message is due; -1 when nobody reads it. */
  readonly #stampAt: number;
  /** By slot: from when its latency counts. */
  readonly #startMs: Float64Array;
  /** A ring of free slots. */
  readonly #free: Int32Array;
  #freeAt = 0;
  #freeCount: number;
  #isClosed = false;
  #schedule: Schedule | undefined;
  /** The next message of this sender, counted over all senders, and when it is due. */
  #next: number;
  #dueMs = 0;

  /** Sender `index` of `count` sends every `count`-th message. */
  constructor(
    readonly connection: Connection,
    options: LoadOptions,
    queueId: number,
    readonly index: number,
    readonly count: number,
    readonly figures: SendFigures,
  ) {
    const frame = sendFrame(options, queueId);
    this.#frames = slotFrames(frame, options.inflight, options.binary);
    this.#frameBytes = frame.bytes.length;
    this.#stampAt = isStamped(options.mode) ? frame.bodyAt : -1;
    this.#startMs = new Float64Array(options.inflight);
    this.#free = Int32Array.from({ length: options.inflight }, (_, slot) => slot);
    this.#freeCount = options.inflight;
    this.#next = index;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    connection.receiver = this;
  }

  start(schedule: Schedule): void {
    this.#schedule = schedule;
    this.#dueMs = schedule.beginMs + this.#next * schedule.gapMs;
    this.fill();
  }

  /** Writes what is due, as far as slots are free. */
  fill(): void {
    if (this.#isClosed) return;
    const schedule = this.#schedule!;
    const now = nowMs();
    let first = 0;
    let after = 0;
    this.connection.cork();
    while (this.#freeCount > 0) {
      const dueMs = schedule.gapMs === 0 ? now : this.#dueMs;
      if (dueMs > now || dueMs >= schedule.endMs) break;
      const slot = this.#takeSlot();
      if (slot !== after) {
        this.#write(first, after);
        first = slot;
      }
      after = slot + 1;
      this.#startMs[slot] = dueMs;
      if (this.#stampAt >= 0) this.#frames.writeDoubleBE(dueMs, slot * this.#frameBytes + this.#stampAt);
      this.#next += this.count;
      this.#dueMs = schedule.beginMs + this.#next * schedule.gapMs;
    }
    this.#write(first, after);
    this.connection.uncork();
    this.#finishIfDone(now);
  }

  onReply(reply: Reply, atMs: number): void {
    const startMs = this.#startMs[reply.slot]!;
    const schedule = this.#schedule!;
    if (reply.code !== Success) this.figures.failures.add(`code ${reply.code}`, reply.remark());
    else {
      if (isMeasured(schedule, atMs)) this.figures.measured++;
      // An open loop waits for what was due in time and answered late: the slowest would be missing otherwise.
      if (isMeasured(schedule, schedule.gapMs === 0 ? atMs : startMs)) this.figures.latencies.record(atMs - startMs);
    }
    this.#free[(this.#freeAt + this.#freeCount++) % this.#free.length] = reply.slot;
  }

  onRead(): void {
    this.fill();
  }

  onClosed(error: Error | undefined): void {
    this.figures.failures.add('closed', error?.message ?? 'the server closed the connection', this.#inFlight);
    this.#freeCount = this.#free.length;
    this.#isClosed = true;
    this.#finish();
  }

  /** After the limit for late answers. */
  close(): void {
    if (this.#inFlight > 0) this.figures.failures.add('unanswered', 'no answer before the end', this.#inFlight);
    this.connection.close();
  }

  /** Messages of the open loop that were due before the end and never left. */
  get unsent(): number {
    const schedule = this.#schedule;
    if (schedule === undefined || schedule.gapMs === 0) return 0;
    return Math.max(0, Math.ceil((schedule.endMs - this.#dueMs) / (schedule.gapMs * this.count)));
  }

  get #inFlight(): number {
    return this.#free.length - this.#freeCount;
  }

  #takeSlot(): number {
    const slot = this.#free[this.#freeAt]!;
    this.#freeAt = (this.#freeAt + 1) % this.#free.length;
    this.#freeCount--;
    return slot;
  }

  /** The frames of slots `first` to `after` - 1. */
  #write(first: number, after: number): void {
    if (after === first) return;
    this.connection.write(this.#frames.subarray(first * this.#frameBytes, after * this.#frameBytes));
    this.figures.sent += after - first;
  }

  #finishIfDone(now: number): void {
    const schedule = this.#schedule!;
    const nothingMore = schedule.gapMs === 0 ? now >= schedule.endMs : this.#dueMs >= schedule.endMs;
    if (nothingMore && this.#inFlight === 0) this.#finish();
  }
}
