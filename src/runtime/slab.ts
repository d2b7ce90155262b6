/**
 * Counters and gauges of one thread in shared memory: the thread that counts is the only writer, the front actor
 * reads at scrape time, and no message is sent for it.
 *
 *     | control 64 B: series count, directory bytes, dropped series | values float64 x MAX_SERIES | directory UTF-8 |
 *
 * The directory holds one JSON line per series: {"name":...,"labels":{...}}; line i names value i.
 */
import { invariant } from '../base/invariant.js';
import type { RingMemory } from './ring.js';

export const MAX_SERIES = 32 * 1024;
const DIRECTORY_BYTES = 4 * 1024 * 1024;
const CONTROL_BYTES = 64;
const WORD = { series: 0, directoryBytes: 1, dropped: 2 } as const;
const DIRECTORY_AT = CONTROL_BYTES + MAX_SERIES * 8;
export const SLAB_BYTES = DIRECTORY_AT + DIRECTORY_BYTES;

export type Labels = Readonly<Record<string, string>>;

/** Where a thread counts. A series keeps its number for the life of the process. */
export class Meter {
  /** `values[series] += n` is how hot code counts. */
  readonly values: Float64Array;
  private readonly control: Int32Array;
  private readonly directory: Buffer;
  private readonly known = new Map<string, number>();

  constructor(memory: RingMemory) {
    invariant(memory.byteLength === SLAB_BYTES, 'slab size', memory.byteLength);
    this.control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.values = new Float64Array(memory, CONTROL_BYTES, MAX_SERIES);
    this.directory = Buffer.from(memory as ArrayBuffer, DIRECTORY_AT, DIRECTORY_BYTES);
    for (const [index, line] of readDirectory(memory).entries()) this.known.set(line, index);
    // Series 0 takes what does not fit any more, so that counting never needs a check.
    if (this.known.size === 0) this.series('hangar_dropped_series', {});
  }

  /** Number of a series, made on first use. When the slab is full: 0, and the loss is counted. */
  series(name: string, labels: Labels): number {
    const line = JSON.stringify({ name, labels });
    const found = this.known.get(line);
    if (found !== undefined) return found;
    const index = Atomics.load(this.control, WORD.series);
    const at = Atomics.load(this.control, WORD.directoryBytes);
    const bytes = Buffer.byteLength(line) + 1;
    if (index === MAX_SERIES || at + bytes > DIRECTORY_BYTES) {
      Atomics.add(this.control, WORD.dropped, 1);
      return 0;
    }
    this.directory.write(`${line}\n`, at, 'utf8');
    Atomics.store(this.control, WORD.directoryBytes, at + bytes);
    // Stored last: a reader that sees this count sees the whole line (pairs with the load in SlabReader.read).
    Atomics.store(this.control, WORD.series, index + 1);
    this.known.set(line, index);
    return index;
  }
}

export interface Series {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

/** Reads another thread's slab; parses each directory line once. */
export class SlabReader {
  private readonly control: Int32Array;
  private readonly values: Float64Array;
  private readonly parsed: { readonly name: string; readonly labels: Labels }[] = [];

  constructor(private readonly memory: RingMemory) {
    this.control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.values = new Float64Array(memory, CONTROL_BYTES, MAX_SERIES);
  }

  read(): Series[] {
    const count = Atomics.load(this.control, WORD.series);
    if (count > this.parsed.length) {
      const lines = readDirectory(this.memory);
      for (let i = this.parsed.length; i < count; i++) this.parsed.push(JSON.parse(lines[i]!));
    }
    const series = this.parsed.map(({ name, labels }, i) => ({ name, labels, value: this.values[i]! }));
    if (series.length > 0) series[0] = { ...series[0]!, value: Atomics.load(this.control, WORD.dropped) };
    return series;
  }
}

function readDirectory(memory: RingMemory): string[] {
  const control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
  const count = Atomics.load(control, WORD.series);
  const bytes = Atomics.load(control, WORD.directoryBytes);
  if (count === 0) return [];
  // Copied: TextDecoder and Buffer.toString differ in what they accept of shared memory.
  const text = Buffer.from(Buffer.from(memory as ArrayBuffer, DIRECTORY_AT, bytes)).toString('utf8');
  return text.split('\n').slice(0, count);
}
