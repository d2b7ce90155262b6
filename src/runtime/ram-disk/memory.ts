/**
 * The memory of a RAM disk: made once, shared by all threads, committed by the operating system page by page as it is
 * first touched. Everything is an int32 word, a double or a byte at a place that this file names.
 *
 *     control   0    lock word, alone in its cache line
 *               16   counts and heads of lists (CONTROL)
 *               64   owners: who claimed owner 1 to 64, 0 = nobody
 *               128  a rename under way (INTENT)
 *               256  hash table of names: first node of each chain
 *     chunks    256 MiB each, the last one shorter: pages of 4 KiB, numbered through; page 0 is not used, 0 means "none"
 */
import { invariant } from '../../base/invariant.js';
import { MIB } from '../../base/units.js';

export const PAGE_BYTES = 4096;
export const PAGE_WORDS = PAGE_BYTES / 4;
const CHUNK_BYTES = 256 * MIB;
const CHUNK_PAGES = CHUNK_BYTES / PAGE_BYTES;
const CHUNK_SHIFT = Math.log2(CHUNK_PAGES);
const CHUNK_MASK = CHUNK_PAGES - 1;

/** Words of the control part. */
export const CONTROL = {
  lock: 0,
  /** Pages that may be used. */
  pages: 16,
  /** The first page that was never used: it and all after it are zeros. */
  freshPage: 17,
  /** Head of the list of pages that were given back, linked by their first word. */
  freePage: 18,
  usedPages: 19,
  /** Head of the list of unused nodes. */
  freeNode: 20,
  /** Head of the list of pages with nodes, linked by their first word. */
  nodePage: 21,
  owners: 64,
  intent: 128,
  buckets: 256,
} as const;

/** Threads and jobs that may use one disk at a time. */
export const OWNERS_MAX = 64;

/** A rename, written down before it is done, so that it is done as a whole; words after CONTROL.intent. */
export const INTENT = { isSet: 0, node: 1, parent: 2, replaced: 3, nameBytes: 4, name: 8 } as const;

export const NAME_BYTES_MAX = 255;
invariant(INTENT.name * 4 + NAME_BYTES_MAX <= (CONTROL.buckets - CONTROL.intent) * 4, 'an intent has room for a name');

/** What travels between threads. */
export interface RamBuffers {
  readonly control: SharedArrayBuffer;
  readonly chunks: readonly SharedArrayBuffer[];
}

/** Throws RangeError when the system does not hand out that much address space. */
export function makeRamBuffers(bytes: number): RamBuffers {
  const pages = Math.floor(bytes / PAGE_BYTES);
  invariant(pages >= 16, 'a RAM disk has at least 16 pages', bytes);
  const buckets = 2 ** Math.ceil(Math.log2(pages / 4));
  const control = new SharedArrayBuffer((CONTROL.buckets + buckets) * 4);
  const chunks: SharedArrayBuffer[] = [];
  for (let left = (pages + 1) * PAGE_BYTES; left > 0; left -= CHUNK_BYTES) {
    chunks.push(new SharedArrayBuffer(Math.min(left, CHUNK_BYTES)));
  }
  const words = new Int32Array(control);
  words[CONTROL.pages] = pages;
  words[CONTROL.freshPage] = 1;
  return { control, chunks };
}

/** One thread's views of the memory. */
export class RamMemory {
  readonly control: Int32Array;
  /** The same memory as words, doubles and bytes, by chunk. */
  readonly words: readonly Int32Array[];
  readonly doubles: readonly Float64Array[];
  readonly bytes: readonly Uint8Array[];
  /** Chains of the hash table, a power of two. */
  readonly buckets: number;

  constructor({ control, chunks }: RamBuffers) {
    this.control = new Int32Array(control);
    this.words = chunks.map((chunk) => new Int32Array(chunk));
    this.doubles = chunks.map((chunk) => new Float64Array(chunk));
    this.bytes = chunks.map((chunk) => new Uint8Array(chunk));
    this.buckets = this.control.length - CONTROL.buckets;
  }

  get pages(): number {
    return this.control[CONTROL.pages]!;
  }

  word(page: number, index: number): number {
    return this.words[page >>> CHUNK_SHIFT]![(page & CHUNK_MASK) * PAGE_WORDS + index]!;
  }

  setWord(page: number, index: number, value: number): void {
    this.words[page >>> CHUNK_SHIFT]![(page & CHUNK_MASK) * PAGE_WORDS + index] = value;
  }

  /** The chunk that a page lies in, as bytes. */
  chunkOf(page: number): Uint8Array {
    return this.bytes[page >>> CHUNK_SHIFT]!;
  }

  /** Where the page begins in its chunk. */
  byteOf(page: number): number {
    return (page & CHUNK_MASK) * PAGE_BYTES;
  }

  double(page: number, index: number): number {
    return this.doubles[page >>> CHUNK_SHIFT]![((page & CHUNK_MASK) * PAGE_WORDS + index) >>> 1]!;
  }

  /** `index` counts words and is even. */
  setDouble(page: number, index: number, value: number): void {
    this.doubles[page >>> CHUNK_SHIFT]![((page & CHUNK_MASK) * PAGE_WORDS + index) >>> 1] = value;
  }
}
