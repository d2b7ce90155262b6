/**
 * Buffers of consume queues that hold entries back, so that a file write carries many of them. Bounded: beyond
 * `bytesMax` the queue that has waited longest is written out before another takes a buffer.
 *
 * Buffers come in four sizes, for 32 to 2,048 entries; a queue starts small and grows while it is busy. Those given
 * back are kept for the next one as long as all buffers together stay within the limit.
 */
import { invariant } from '../base/invariant.js';

export const BUFFER_BYTES = [640, 2_560, 10_240, 40_960] as const;
export const BUFFER_BYTES_MAX = BUFFER_BYTES[BUFFER_BYTES.length - 1]!;

/** One that holds bytes back. `newer` and `older` are the list's. */
export interface Buffered {
  newerBuffered: Buffered | undefined;
  olderBuffered: Buffered | undefined;
  /** Writes the bytes out and gives the buffer back. Throws DiskError and keeps what was not written. */
  flush(): void;
  /** Gives the buffer back and forgets the bytes. */
  discard(): void;
}

export class WriteBehind {
  private newest: Buffered | undefined = undefined;
  private oldest: Buffered | undefined = undefined;
  private usedBytes = 0;
  private freeBytes = 0;
  /** A buffer was taken since trimIfUnused looked last. */
  private isUsed = false;
  private readonly free: Uint8Array[][] = BUFFER_BYTES.map(() => []);

  constructor(private readonly bytesMax: number) {
    invariant(bytesMax >= BUFFER_BYTES_MAX, 'write-behind needs room for one buffer', bytesMax);
  }

  /** Bytes of buffers in use. */
  get bufferedBytes(): number {
    return this.usedBytes;
  }

  /** Bytes of buffers kept for the next one. */
  get keptBytes(): number {
    return this.freeBytes;
  }

  /**
   * A buffer of at least `bytes` for `owner`, which must not be listed. Throws the DiskError of another owner that
   * had to be written out; nothing has changed then.
   */
  take(owner: Buffered, bytes: number): Uint8Array {
    const sizeIndex = sizeIndexFor(bytes);
    const size = BUFFER_BYTES[sizeIndex]!;
    while (this.usedBytes + size > this.bytesMax && this.oldest !== undefined) this.oldest.flush();
    this.link(owner);
    return this.allocate(sizeIndex);
  }

  /** The next larger buffer for a listed owner, with the content of `buffer`; undefined when there is no room for it. */
  grow(buffer: Uint8Array): Uint8Array | undefined {
    const sizeIndex = sizeIndexFor(buffer.length + 1);
    const size = BUFFER_BYTES[sizeIndex]!;
    if (size <= buffer.length || this.usedBytes + size > this.bytesMax) return undefined;
    const larger = this.allocate(sizeIndex);
    larger.set(buffer);
    this.keep(buffer);
    return larger;
  }

  giveBack(owner: Buffered, buffer: Uint8Array): void {
    this.unlink(owner);
    this.keep(buffer);
  }

  /** Writes everything out, each owner once; throws the first error after all have had their turn. */
  flushAll(): void {
    let failure: unknown;
    let next = this.oldest;
    while (next !== undefined) {
      const owner = next;
      next = owner.newerBuffered;
      try {
        owner.flush();
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  discardAll(): void {
    while (this.oldest !== undefined) this.oldest.discard();
  }

  /** Called now and then: lets go of the kept buffers when none was taken since the last call. */
  trimIfUnused(): void {
    if (!this.isUsed) this.trim();
    this.isUsed = false;
  }

  /** Lets go of the buffers that nobody uses. */
  trim(): void {
    for (const buffers of this.free) buffers.length = 0;
    this.freeBytes = 0;
  }

  private allocate(sizeIndex: number): Uint8Array {
    const size = BUFFER_BYTES[sizeIndex]!;
    this.isUsed = true;
    this.usedBytes += size;
    const kept = this.free[sizeIndex]!.pop();
    if (kept !== undefined) {
      this.freeBytes -= size;
      return kept;
    }
    if (this.usedBytes + this.freeBytes > this.bytesMax) this.trim();
    return new Uint8Array(size);
  }

  private keep(buffer: Uint8Array): void {
    this.usedBytes -= buffer.length;
    if (this.usedBytes + this.freeBytes + buffer.length > this.bytesMax) return;
    this.free[sizeIndexFor(buffer.length)]!.push(buffer);
    this.freeBytes += buffer.length;
  }

  private link(owner: Buffered): void {
    owner.olderBuffered = this.newest;
    if (this.newest === undefined) this.oldest = owner;
    else this.newest.newerBuffered = owner;
    this.newest = owner;
  }

  private unlink(owner: Buffered): void {
    if (owner.newerBuffered === undefined) this.newest = owner.olderBuffered;
    else owner.newerBuffered.olderBuffered = owner.olderBuffered;
    if (owner.olderBuffered === undefined) this.oldest = owner.newerBuffered;
    else owner.olderBuffered.newerBuffered = owner.newerBuffered;
    owner.newerBuffered = undefined;
    owner.olderBuffered = undefined;
  }
}

function sizeIndexFor(bytes: number): number {
  let index = 0;
  while (index < BUFFER_BYTES.length - 1 && BUFFER_BYTES[index]! < bytes) index++;
  return index;
}
