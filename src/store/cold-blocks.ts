/**
 * Blocks of the old part of a log in memory, for readers that catch up: a bounded number, each with one valid range.
 *
 * Every block belongs to the reader that it was read for, and the reader with the most blocks gives up the one that it
 * used longest ago. So a reader that races through gigabytes replaces its own blocks, and what others read ahead for
 * themselves stays until they come to it.
 */
import { invariant } from '../base/invariant.js';
import { KIB } from '../base/units.js';
import { copyBytes } from '../message/bytes.js';

/** One read of the device, and one message from the thread that does it. */
export const BLOCK_BYTES = 64 * KIB;

/** `[from, to)`, offsets of the log, is valid; `bytes[0]` is the byte at `start`. */
export class Block {
  start = 0;
  from = 0;
  to = 0;
  share: Share | undefined = undefined;
  newer: Block | undefined = undefined;
  older: Block | undefined = undefined;
  readonly bytes = new Uint8Array(new ArrayBuffer(BLOCK_BYTES));
}

/** The blocks of one reader, in order of use. */
class Share {
  count = 0;
  newest: Block | undefined = undefined;
  oldest: Block | undefined = undefined;

  constructor(readonly reader: number) {}
}

export class ColdBlocks {
  private readonly blocks = new Map<number, Block>();
  private readonly shares = new Map<number, Share>();
  private uses = 0;

  constructor(
    private readonly fileBytes: number,
    readonly blocksMax: number,
  ) {
    invariant(blocksMax >= 1, 'at least one block', blocksMax);
  }

  /** How many are in memory. */
  get size(): number {
    return this.blocks.size;
  }

  /** Blocks of a reader. */
  countOf(reader: number): number {
    return this.shares.get(reader)?.count ?? 0;
  }

  /** Start of the block that holds `offset`: blocks begin with their file. */
  startOf(offset: number): number {
    return offset - ((offset % this.fileBytes) % BLOCK_BYTES);
  }

  /** The byte behind the block that starts there: files need not be a multiple of it. */
  endOf(start: number): number {
    return start + Math.min(BLOCK_BYTES, this.fileBytes - (start % this.fileBytes));
  }

  /** True when all of [from, to) is in memory. */
  has(from: number, to: number): boolean {
    for (let start = this.startOf(from); start < to; start = this.endOf(start)) {
      const block = this.blocks.get(start);
      if (block === undefined || block.from > Math.max(from, start) || block.to < Math.min(to, this.endOf(start))) {
        return false;
      }
    }
    return true;
  }

  /** Copies [from, to) to `target[at..]`; false, with `target` arbitrary, when a part of it is not in memory. */
  copy(from: number, to: number, target: Uint8Array, at: number): boolean {
    for (let start = this.startOf(from); start < to; start = this.endOf(start)) {
      const block = this.blocks.get(start);
      const partFrom = Math.max(from, start);
      const partTo = Math.min(to, this.endOf(start));
      if (block === undefined || block.from > partFrom || block.to < partTo) return false;
      copyBytes(block.bytes, partFrom - start, partTo - partFrom, target, at + partFrom - from);
      this.use(block);
    }
    return true;
  }

  /**
   * The block that starts there, to be read into: what was valid in it stays so. It cannot be evicted until `give`.
   * undefined when every block is being read into.
   */
  take(start: number): Block | undefined {
    let block = this.blocks.get(start);
    if (block !== undefined) {
      this.unlink(block);
      return block;
    }
    block = this.blocks.size < this.blocksMax ? new Block() : this.evict();
    if (block === undefined) return undefined;
    block.start = start;
    block.from = start;
    block.to = start;
    this.blocks.set(start, block);
    return block;
  }

  /** After `take`: [from, to) is valid now, and the block is that reader's. Without a valid byte it goes. */
  give(block: Block, reader: number, from: number, to: number): void {
    if (from < to) {
      block.from = from;
      block.to = to;
    }
    if (block.from === block.to) {
      this.blocks.delete(block.start);
      return;
    }
    let share = this.shares.get(reader);
    if (share === undefined) {
      share = new Share(reader);
      this.shares.set(reader, share);
    }
    share.count++;
    this.linkNewest(share, block);
  }

  /** What retention deleted is not read again. */
  dropBefore(offset: number): void {
    for (const block of this.blocks.values()) if (block.start < offset && block.share !== undefined) this.drop(block);
  }

  /** Gives the memory back if nobody has used it since the last call. */
  dropIfUnused(): void {
    if (this.uses === 0) for (const block of this.blocks.values()) if (block.share !== undefined) this.drop(block);
    this.uses = 0;
  }

  private use(block: Block): void {
    this.uses++;
    const { share } = block;
    if (share === undefined || share.newest === block) return;
    this.unlinkFrom(share, block);
    this.linkNewest(share, block);
  }

  /** The oldest block of the reader with the most; of several such readers, of any. */
  private evict(): Block | undefined {
    let largest: Share | undefined;
    for (const share of this.shares.values()) if (largest === undefined || share.count > largest.count) largest = share;
    const block = largest?.oldest;
    if (block !== undefined) this.drop(block);
    return block;
  }

  private drop(block: Block): void {
    this.unlink(block);
    this.blocks.delete(block.start);
  }

  private unlink(block: Block): void {
    const { share } = block;
    if (share === undefined) return;
    this.unlinkFrom(share, block);
    block.share = undefined;
    share.count--;
    if (share.count === 0) this.shares.delete(share.reader);
  }

  private linkNewest(share: Share, block: Block): void {
    block.share = share;
    block.older = share.newest;
    block.newer = undefined;
    if (share.newest === undefined) share.oldest = block;
    else share.newest.newer = block;
    share.newest = block;
  }

  private unlinkFrom(share: Share, block: Block): void {
    if (block.newer === undefined) share.newest = block.older;
    else block.newer.older = block.older;
    if (block.older === undefined) share.oldest = block.newer;
    else block.older.newer = block.newer;
    block.newer = undefined;
    block.older = undefined;
  }
}
