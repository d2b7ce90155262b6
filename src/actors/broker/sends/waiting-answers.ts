/**
 * Answers to sends that wait: for this batch's file write, for the flush (SYNC_FLUSH), for a slave (SYNC_MASTER).
 * One ordered queue a broker of (log end, connection, response frame); everything covered by the written, flushed and
 * replicated offsets leaves at once, a sweep lets the timed-out head go with the code that Apache gives.
 *
 * Bounded by count and bytes: `isFull` makes new sends fail with SYSTEM_BUSY.
 */
import { invariant } from '../../../base/invariant.js';

/** What an answer waits for, besides the file write. */
export const NEEDS = { nothing: 0, flush: 1, slave: 2 } as const;

const CAPACITY = 1 << 16;
const MASK = CAPACITY - 1;
const FRAMES_BYTES = 32 * 1024 * 1024;
const FIRST_FRAMES_BYTES = 64 * 1024;

/** Sends the frame `bytes[start, end)`; unless 'ok' its code is replaced by the one that says what was waited for. */
export type Release = (
  connection: number,
  bytes: Buffer,
  start: number,
  end: number,
  status: 'ok' | 'flush timeout' | 'slave timeout',
  /** Monotonic ms at which it began to wait. */
  sinceMs: number,
) => void;

export class WaitingAnswers {
  private readonly logEnds = new Float64Array(CAPACITY);
  private readonly sinceMs = new Float64Array(CAPACITY);
  private readonly connections = new Int32Array(CAPACITY);
  private readonly frameEnds = new Int32Array(CAPACITY);
  private readonly frameStarts = new Int32Array(CAPACITY);
  private readonly needs = new Uint8Array(CAPACITY);
  private head = 0;
  private tail = 0;
  /** Frames lie behind each other; the place starts over whenever nothing waits. */
  buffer = Buffer.alloc(FIRST_FRAMES_BYTES);
  view = new DataView(this.buffer.buffer);
  private writeAt = 0;

  get count(): number {
    return this.tail - this.head;
  }

  get isEmpty(): boolean {
    return this.tail === this.head;
  }

  /** How long the oldest one has waited; 0 when none waits. */
  headWaitMs(nowMs: number): number {
    return this.isEmpty ? 0 : nowMs - this.sinceMs[this.head & MASK]!;
  }

  get isFull(): boolean {
    return this.tail - this.head === CAPACITY || this.writeAt >= FRAMES_BYTES;
  }

  /** Position in `buffer` for a frame of up to `maxBytes`. */
  claim(maxBytes: number): number {
    if (this.writeAt + maxBytes > this.buffer.length) this.makeRoom(maxBytes);
    return this.writeAt;
  }

  /** Adds the frame written at the claimed position. Log ends come in order. */
  add(frameBytes: number, connection: number, logEnd: number, needs: number, nowMs: number): void {
    invariant(!this.isFull, 'waiting answers are bounded', this.count);
    const i = this.tail & MASK;
    this.logEnds[i] = logEnd;
    this.sinceMs[i] = nowMs;
    this.connections[i] = connection;
    this.frameStarts[i] = this.writeAt;
    this.writeAt += frameBytes;
    this.frameEnds[i] = this.writeAt;
    this.needs[i] = needs;
    this.tail++;
  }

  /** Lets everything go, in order, that the offsets cover. */
  release(written: number, flushed: number, replicated: number, send: Release): void {
    while (this.head !== this.tail) {
      const i = this.head & MASK;
      const logEnd = this.logEnds[i]!;
      if (logEnd > written) return;
      const needs = this.needs[i]!;
      if ((needs & NEEDS.flush) !== 0 && logEnd > flushed) return;
      if ((needs & NEEDS.slave) !== 0 && logEnd > replicated) return;
      this.sendHead(i, send, 'ok');
    }
  }

  /** Lets the head go while it has waited too long; both waits run in parallel, the slave's verdict wins. */
  expire(
    nowMs: number,
    flushTimeoutMs: number,
    slaveTimeoutMs: number,
    written: number,
    flushed: number,
    replicated: number,
    send: Release,
  ): void {
    while (this.head !== this.tail) {
      const i = this.head & MASK;
      const logEnd = this.logEnds[i]!;
      const needs = this.needs[i]!;
      const waitedMs = nowMs - this.sinceMs[i]!;
      const lacksFlush = (needs & NEEDS.flush) !== 0 && logEnd > flushed;
      const lacksSlave = (needs & NEEDS.slave) !== 0 && logEnd > replicated;
      if (logEnd > written || (lacksFlush && waitedMs < flushTimeoutMs)) return;
      if (lacksSlave && waitedMs < slaveTimeoutMs) return;
      this.sendHead(i, send, lacksSlave ? 'slave timeout' : lacksFlush ? 'flush timeout' : 'ok');
    }
  }

  /** Takes everything that waits beyond `logEnd` out (newest part), calling `drop` for each: their write failed. */
  dropAfter(logEnd: number, drop: (connection: number, bytes: Buffer, start: number, end: number) => void): void {
    let from = this.tail;
    while (from !== this.head && this.logEnds[(from - 1) & MASK]! > logEnd) from--;
    for (let n = from; n !== this.tail; n++) {
      const i = n & MASK;
      drop(this.connections[i]!, this.buffer, this.frameStarts[i]!, this.frameEnds[i]!);
    }
    this.tail = from;
    this.startOverWhenEmpty();
  }

  private sendHead(i: number, send: Release, status: 'ok' | 'flush timeout' | 'slave timeout'): void {
    send(this.connections[i]!, this.buffer, this.frameStarts[i]!, this.frameEnds[i]!, status, this.sinceMs[i]!);
    this.head++;
    this.startOverWhenEmpty();
  }

  private startOverWhenEmpty(): void {
    if (this.head !== this.tail) return;
    this.head = 0;
    this.tail = 0;
    this.writeAt = 0;
  }

  /** Moves the frames that wait to the start, into a larger buffer when that alone does not help. */
  private makeRoom(maxBytes: number): void {
    const first = this.isEmpty ? this.writeAt : this.frameStarts[this.head & MASK]!;
    const used = this.writeAt - first;
    let size = this.buffer.length;
    while (size < (used + maxBytes) * 2) size *= 2;
    const target = size === this.buffer.length ? this.buffer : Buffer.alloc(size);
    this.buffer.copy(target, 0, first, this.writeAt);
    for (let n = this.head; n !== this.tail; n++) {
      this.frameStarts[n & MASK]! -= first;
      this.frameEnds[n & MASK]! -= first;
    }
    this.writeAt = used;
    if (target === this.buffer) return;
    this.buffer = target;
    this.view = new DataView(target.buffer, target.byteOffset, target.length);
  }
}
