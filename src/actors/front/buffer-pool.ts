/**
 * Output buffers for use again: what the kernel takes at once, which is nearly everything, leaves its buffer free. Large
 * ones are what costs: without the pool a reader that catches up keeps the garbage collector busy.
 * Sizes are powers of two from MIN to MAX; what is kept is bounded.
 */
const MIN_BITS = 9;
const MAX_BITS = 18;
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

export const MAX_POOLED_BYTES = 2 ** MAX_BITS;

export class BufferPool {
  private readonly free: Buffer[][] = Array.from({ length: MAX_BITS - MIN_BITS + 1 }, () => []);
  private keptBytes = 0;

  /** A buffer of at least `bytes`; its content is whatever was there. */
  take(bytes: number): Buffer {
    if (bytes > MAX_POOLED_BYTES) return Buffer.allocUnsafe(bytes);
    const sizeClass = classOf(bytes);
    const kept = this.free[sizeClass]!.pop();
    if (kept === undefined) return Buffer.allocUnsafeSlow(2 ** (sizeClass + MIN_BITS));
    this.keptBytes -= kept.length;
    return kept;
  }

  /** Takes back what `take` gave and nobody refers to any more. */
  give(buffer: Buffer): void {
    if (buffer.length > MAX_POOLED_BYTES || this.keptBytes + buffer.length > KEPT_BYTES_MAX) return;
    this.keptBytes += buffer.length;
    this.free[classOf(buffer.length)]!.push(buffer);
  }
}

function classOf(bytes: number): number {
  return Math.max(0, 32 - Math.clz32(bytes - 1) - MIN_BITS);
}
