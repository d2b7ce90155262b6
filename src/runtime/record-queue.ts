/**
 * Records of one thread to itself, or spilled because a ring was full: the ring's record format in ordinary memory.
 * Grows by doubling up to a limit; when drained it shrinks back to nothing.
 */
import { invariant } from '../base/invariant.js';
import { RECORD, recordBytes } from './ring-layout.js';

const INITIAL_BYTES = 16 * 1024;
/** A drained queue larger than this gives its memory back. */
const KEEP_BYTES = 1024 * 1024;

export class RecordQueue {
  buffer: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(this.buffer.buffer, 0, 0);
  private readAt = 0;
  private writeAt = 0;

  constructor(
    private readonly name: string,
    readonly limitBytes: number,
  ) {}

  get isEmpty(): boolean {
    return this.readAt === this.writeAt;
  }

  get usedBytes(): number {
    return this.writeAt - this.readAt;
  }

  /** Index of a place for a record of up to `payloadBytes`; throws InvariantError beyond the limit. */
  claim(payloadBytes: number): number {
    const needed = recordBytes(payloadBytes);
    const used = this.usedBytes + needed;
    invariant(used <= this.limitBytes, `${this.name}: more waiting than its limit`, used, this.limitBytes);
    if (this.writeAt + needed > this.buffer.length) this.grow(needed);
    return this.writeAt;
  }

  commit(payloadBytes: number): void {
    this.writeAt += recordBytes(payloadBytes);
  }

  /** Index of the oldest record, or -1. */
  next(): number {
    return this.readAt === this.writeAt ? -1 : this.readAt;
  }

  skip(index: number): void {
    this.readAt = index + recordBytes(this.view.getInt32(index + RECORD.length, true));
  }

  /** Indices of the records that are not read yet. */
  *unread(): Generator<number> {
    for (let at = this.readAt; at < this.writeAt; at += recordBytes(this.view.getInt32(at + RECORD.length, true)))
      yield at;
  }

  /** Called when everything was read: the memory is used again from the start, or given back when it was a lot. */
  reset(): void {
    invariant(this.isEmpty, 'reset of a queue with records', this.name);
    this.readAt = 0;
    this.writeAt = 0;
    if (this.buffer.length > KEEP_BYTES) this.replace(Buffer.alloc(0));
  }

  /** Old memory is left as it is: a record being handled stays valid while its handler appends. */
  private grow(needed: number): void {
    const used = this.usedBytes;
    let size = Math.max(INITIAL_BYTES, this.buffer.length);
    while (size < (used + needed) * 2) size *= 2;
    const larger = Buffer.alloc(size);
    this.buffer.copy(larger, 0, this.readAt, this.writeAt);
    this.replace(larger);
    this.readAt = 0;
    this.writeAt = used;
  }

  private replace(buffer: Buffer): void {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  }
}
