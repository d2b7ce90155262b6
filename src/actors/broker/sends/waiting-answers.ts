/**
 * Answers to sends that wait: for this batch's file write, for the flush (SYNC_FLUSH), for a slave (SYNC_MASTER).
 * One ordered queue a broker of (log end, connection, response frame); everything covered by the written, flushed and
 * replicated offsets leaves at once.
 *
 * Both waits run side by side, each with a limit of its own, and an answer leaves when both are over. What was late stays
 * late, even if it comes while the other wait goes on; the slave's verdict wins.
 * Source: CommitLog.asyncPutMessage (thenCombine), FlushDiskWatcher.java, HAService.GroupTransferService.
 *
 * Bounded by count and bytes: `isFull` makes new sends fail with SYSTEM_BUSY.
 */
import { invariant } from '../../../base/invariant.js';

/**
 * What an answer waits for, besides the file write. `hasVerdict`: there is no slave to wait for, and the code in the frame,
 * which says so, is right whatever becomes of the flush.
 */
export const NEEDS = { nothing: 0, flush: 1, slave: 2, hasVerdict: 4 } as const;
/** In place of a need once its time was up. */
const LATE = { flush: 8, slave: 16 } as const;

const CAPACITY = 1 << 16;
const MASK = CAPACITY - 1;
const FRAMES_BYTES = 32 * 1024 * 1024;
const FIRST_FRAMES_BYTES = 64 * 1024;

export type AnswerStatus = 'ok' | 'flush timeout' | 'slave timeout';

/** Sends the frame `bytes[start, end)`; unless 'ok' its code is replaced by the one that says what was waited for. */
export type Release = (
  connection: number,
  bytes: Buffer,
  start: number,
  end: number,
  status: AnswerStatus,
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
  /** Those before it have met their limit for the flush, for a slave. */
  private flushJudged = 0;
  private slaveJudged = 0;
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

  /** Lets everything go, in order, that the offsets cover and time has judged. */
  release(written: number, flushed: number, replicated: number, send: Release): void {
    while (this.head !== this.tail) {
      const i = this.head & MASK;
      const logEnd = this.logEnds[i]!;
      if (logEnd > written) return;
      const needs = this.needs[i]!;
      if ((needs & NEEDS.flush) !== 0 && logEnd > flushed) return;
      if ((needs & NEEDS.slave) !== 0 && logEnd > replicated) return;
      this.sendHead(i, send, statusOf(needs));
    }
  }

  /** Ends the waits whose time is up; `release` lets go what waits for nothing any more. Called now and then. */
  judge(nowMs: number, flushTimeoutMs: number, slaveTimeoutMs: number, flushed: number, replicated: number): void {
    for (let n = Math.max(this.head, this.flushJudged); n !== this.tail; n++) {
      const i = n & MASK;
      if (nowMs - this.sinceMs[i]! < flushTimeoutMs) break;
      this.flushJudged = n + 1;
      const needs = this.needs[i]!;
      if ((needs & NEEDS.flush) === 0 || this.logEnds[i]! <= flushed) continue;
      this.needs[i] = (needs & ~NEEDS.flush) | ((needs & NEEDS.hasVerdict) === 0 ? LATE.flush : 0);
    }
    for (let n = Math.max(this.head, this.slaveJudged); n !== this.tail; n++) {
      const i = n & MASK;
      if (nowMs - this.sinceMs[i]! < slaveTimeoutMs) break;
      this.slaveJudged = n + 1;
      const needs = this.needs[i]!;
      if ((needs & NEEDS.slave) === 0 || this.logEnds[i]! <= replicated) continue;
      this.needs[i] = (needs & ~NEEDS.slave) | LATE.slave;
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
    this.flushJudged = Math.min(this.flushJudged, from);
    this.slaveJudged = Math.min(this.slaveJudged, from);
    this.startOverWhenEmpty();
  }

  private sendHead(i: number, send: Release, status: AnswerStatus): void {
    send(this.connections[i]!, this.buffer, this.frameStarts[i]!, this.frameEnds[i]!, status, this.sinceMs[i]!);
    this.head++;
    this.startOverWhenEmpty();
  }

  private startOverWhenEmpty(): void {
    if (this.head !== this.tail) return;
    this.head = 0;
    this.tail = 0;
    this.flushJudged = 0;
    this.slaveJudged = 0;
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

function statusOf(needs: number): AnswerStatus {
  if ((needs & LATE.slave) !== 0) return 'slave timeout';
  return (needs & LATE.flush) !== 0 ? 'flush timeout' : 'ok';
}
