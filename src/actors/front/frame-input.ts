/**
 * Bytes of one connection that no actor has got yet, as the chunks in which the socket delivered them. Frames are
 * copied out of them piece by piece; chunks are never joined.
 *
 *     current           rest[0]        rest[1]
 *     | done | unread | | unread     | | unread |
 *            ^ at
 *
 * A peer that sends a large frame in tiny pieces would make a list of as many buffers; from MANY_CHUNKS on, pieces below
 * SMALL_BYTES are copied into blocks instead, which bounds the memory to a few times the bytes received.
 */
import { invariant } from '../../base/invariant.js';
import { copyBytes } from '../../message/bytes.js';
import { checkFrame, checkLength, FRAME } from '../../remoting/frame.js';

const MANY_CHUNKS = 16;
const SMALL_BYTES = 1024;
const BLOCK_BYTES = 4096;
const EMPTY = Buffer.alloc(0);

export class FrameInput {
  /** Unread bytes. */
  bytes = 0;
  /** The oldest chunk with unread bytes, and where they start. */
  current: Buffer = EMPTY;
  at = 0;
  private rest: Buffer[] = [];
  /** The block that ends `rest`, when it does. */
  private block: Buffer = EMPTY;
  private blockBytes = 0;

  /** Takes ownership of the chunk. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.bytes === 0) {
      this.current = chunk;
      this.at = 0;
    } else if (chunk.length < SMALL_BYTES && this.rest.length >= MANY_CHUNKS) {
      this.pushSmall(chunk);
    } else {
      this.rest.push(chunk);
      this.block = EMPTY;
    }
    this.bytes += chunk.length;
  }

  /**
   * Bytes of the frame that comes next (not all of them need to be here), 0 while they cannot be told, or a negative
   * FrameProblem.
   */
  nextFrameBytes(): number {
    if (this.bytes >= FRAME.header) return checkFrame(this.int32(FRAME.length), this.int32(FRAME.headerWord));
    if (this.bytes < FRAME.headerWord) return 0;
    return Math.min(0, checkLength(this.int32(FRAME.length)));
  }

  /** The big-endian int32 that starts `offset` bytes behind the first unread one. */
  int32(offset: number): number {
    const { current } = this;
    const at = this.at + offset;
    if (at + 4 <= current.length) {
      return (current[at] << 24) | (current[at + 1] << 16) | (current[at + 2] << 8) | current[at + 3];
    }
    return (
      (this.byteAt(offset) << 24) |
      (this.byteAt(offset + 1) << 16) |
      (this.byteAt(offset + 2) << 8) |
      this.byteAt(offset + 3)
    );
  }

  /** Copies `length` bytes that start `offset` bytes behind the first unread one. */
  copy(offset: number, length: number, target: Buffer, targetAt: number): void {
    invariant(offset + length <= this.bytes, 'more bytes asked for than received', offset, length, this.bytes);
    const from = this.at + offset;
    if (from + length <= this.current.length) copyBytes(this.current, from, length, target, targetAt);
    else this.gather(from, length, target, targetAt);
  }

  /** Drops the first `count` unread bytes. */
  skip(count: number): void {
    this.bytes -= count;
    this.at += count;
    if (this.bytes === 0) this.clear();
    else if (this.at >= this.current.length) this.dropRead();
  }

  clear(): void {
    this.bytes = 0;
    this.current = EMPTY;
    this.at = 0;
    this.block = EMPTY;
    if (this.rest.length > 0) this.rest = [];
  }

  private pushSmall(chunk: Buffer): void {
    if (this.blockBytes + chunk.length > this.block.length) {
      this.block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.blockBytes = 0;
      this.rest.push(this.block);
    }
    chunk.copy(this.block, this.blockBytes);
    this.blockBytes += chunk.length;
    this.rest[this.rest.length - 1] = this.block.subarray(0, this.blockBytes);
  }

  private byteAt(offset: number): number {
    let at = this.at + offset;
    let chunk = this.current;
    for (let next = 0; at >= chunk.length; next++) {
      at -= chunk.length;
      chunk = this.rest[next];
    }
    return chunk[at];
  }

  /** `from` counts from the start of `current`. */
  private gather(from: number, length: number, target: Buffer, targetAt: number): void {
    let at = from;
    let missing = length;
    let chunk = this.current;
    for (let next = 0; missing > 0; next++) {
      if (at < chunk.length) {
        const count = Math.min(missing, chunk.length - at);
        copyBytes(chunk, at, count, target, targetAt + length - missing);
        missing -= count;
        at += count;
      }
      at -= chunk.length;
      chunk = this.rest[next];
    }
  }

  private dropRead(): void {
    let drop = 0;
    while (this.at >= this.current.length) {
      this.at -= this.current.length;
      this.current = this.rest[drop++];
    }
    this.rest.splice(0, drop);
    if (this.rest.length === 0) this.block = EMPTY;
  }
}
