/**
 * Brings old parts of a log into memory on a thread that may block. Reads are asked for in the order of the requests, a
 * few at a time; what several wait for is read once.
 */
import { DiskError } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { type Block, BLOCK_BYTES, ColdBlocks } from './cold-blocks.js';
import type { OpenLogFiles } from './log-files.js';

/** Enough that the thread always has one, few enough that hosts take turns and a read ahead soon comes. */
const IN_FLIGHT_MAX = 32;
/** Nothing is read ahead while this many blocks are waited for. */
const BUSY_LOADS = 64;

/** Who waits for bytes. */
export interface Waiter {
  /** Loads that are still to come; the one who asks counts as one until it has asked for everything. */
  missing: number;
  /** Why they did not. A file that is gone is none: nothing is in memory then. */
  failure: DiskError | undefined;
  /** It does not wait any more. */
  isOver(): boolean;
  /** Everything has come or failed. */
  ready(): void;
}

/** [from, to) of one block. */
interface Load {
  from: number;
  to: number;
  readonly reader: number;
  readonly waiters: Waiter[];
}

/** One load of a waiter is over. */
export function arrived(waiter: Waiter): void {
  waiter.missing--;
  if (waiter.missing === 0) waiter.ready();
}

export class ColdReads {
  readonly blocks: ColdBlocks;
  /** Bytes read; who reports them sets it back. */
  readBytes = 0;
  /** By start of the block; in the order in which they were asked for. */
  private readonly pending = new Map<number, Load>();
  private readonly inFlight = new Map<number, Load>();

  constructor(
    private readonly files: OpenLogFiles,
    private readonly fileBytes: number,
    cacheBytes: number,
  ) {
    this.blocks = new ColdBlocks(fileBytes, Math.max(IN_FLIGHT_MAX, Math.floor(cacheBytes / BLOCK_BYTES)));
  }

  /** Too much is waited for to read ahead. */
  get isBusy(): boolean {
    return this.pending.size >= BUSY_LOADS;
  }

  /** Loads what is not there of [from, to); `waiter` waits for each block of it. */
  load(reader: number, from: number, to: number, waiter: Waiter | undefined): void {
    const { blocks } = this;
    for (let start = blocks.startOf(from); start < to; start = blocks.endOf(start)) {
      const partFrom = Math.max(from, start);
      const partTo = Math.min(to, blocks.endOf(start));
      if (!blocks.has(partFrom, partTo)) this.loadPart(reader, start, partFrom, partTo, waiter);
    }
    this.issue();
  }

  private loadPart(reader: number, start: number, from: number, to: number, waiter: Waiter | undefined): void {
    let load = this.inFlight.get(start);
    if (load === undefined || load.from > from || load.to < to) {
      load = this.pending.get(start);
      if (load === undefined) {
        load = { from, to, reader, waiters: [] };
        this.pending.set(start, load);
      } else {
        load.from = Math.min(load.from, from);
        load.to = Math.max(load.to, to);
      }
    }
    if (waiter === undefined) return;
    waiter.missing++;
    load.waiters.push(waiter);
  }

  private issue(): void {
    for (const [start, load] of this.pending) {
      if (this.inFlight.size >= IN_FLIGHT_MAX) return;
      // Another part of the same block is on its way into it.
      if (this.inFlight.has(start)) continue;
      this.pending.delete(start);
      if (load.waiters.length > 0 && load.waiters.every((waiter) => waiter.isOver())) continue;
      this.begin(start, load);
    }
  }

  private begin(start: number, load: Load): void {
    const block = this.blocks.take(start);
    invariant(block !== undefined, 'more blocks than reads under way');
    // One valid range a block: what is there already stays if the new part touches it.
    if (block.from < block.to && load.from <= block.to && load.to >= block.from) {
      load.from = Math.min(load.from, block.from);
      load.to = Math.max(load.to, block.to);
    }
    const fileStart = start - (start % this.fileBytes);
    this.inFlight.set(start, load);
    try {
      const file = this.files.get(fileStart);
      file.readLater(block.bytes, load.from - start, load.to - load.from, load.from - fileStart, (error, bytes) => {
        this.end(block, load, error, bytes);
        this.issue();
      });
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.end(block, load, error.code === 'ENOENT' ? undefined : error, 0);
    }
  }

  private end(block: Block, load: Load, error: DiskError | undefined, bytes: number): void {
    this.inFlight.delete(block.start);
    this.readBytes += bytes;
    this.blocks.give(block, load.reader, load.from, load.from + bytes);
    for (const waiter of load.waiters) {
      waiter.failure ??= error;
      arrived(waiter);
    }
  }
}
