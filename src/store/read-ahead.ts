/**
 * Goes over a log ahead of who walks through it, on another thread: reads it, so that it is in the page cache, and compares
 * bodies with their checksums, so that the walker need not. The device is busy while records are looked at, and a good part of
 * the work is done elsewhere. Nothing depends on it: nobody waits for it, what it has not seen the walker checks himself, and
 * at the first thing that is no good record it has done.
 *
 *     walkedTo <= goodTo <= walkedTo + FAR_BYTES     everything in between is good; one that falls behind skips what was walked
 */
import { MIB } from '../base/units.js';
import { type LogBytes, LogScanner } from './log-scan.js';

/** Offsets. Each is written by one side. */
const OFFSET = { goodTo: 0, walkedTo: 1, count: 2 } as const;
/** The walker's: grows with walkedTo, to wait for; 1: it needs nothing more. */
const WORD = { bell: 0, isClosed: 1, count: 2 } as const;

const PIECE_BYTES = MIB;
/** Farther ahead it might be gone from the page cache before it is needed. */
const FAR_BYTES = 64 * MIB;

/** Structured-cloneable. */
export interface ReadAheadMemory {
  readonly offsets: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
}

/** For a walk from `from` on. */
export function readAheadMemory(from: number): ReadAheadMemory {
  const offsets = new SharedArrayBuffer(8 * OFFSET.count);
  new BigInt64Array(offsets).fill(BigInt(from));
  return { offsets, words: new SharedArrayBuffer(4 * WORD.count) };
}

/** The thread that goes ahead. */
export class LogReadAhead {
  private readonly offsets: BigInt64Array;
  private readonly words: Int32Array;
  private readonly scanner: LogScanner;
  private pieceBytes = PIECE_BYTES;

  /** Looks at the log up to `to`. */
  constructor(
    private readonly log: LogBytes,
    memory: ReadAheadMemory,
    private readonly to: number,
    fileBytes: number,
  ) {
    this.offsets = new BigInt64Array(memory.offsets);
    this.words = new Int32Array(memory.words);
    this.scanner = new LogScanner({ fileBytes, delayLevelsMs: [] });
  }

  /** Until it has done; `wait` returns when the word is not `value` any more, or after a while. Throws DiskError. */
  run(wait: (words: Int32Array, word: number, value: number) => void): void {
    for (;;) {
      const bell = Atomics.load(this.words, WORD.bell);
      const next = this.step();
      if (next === 'done') return;
      if (next === 'far') wait(this.words, WORD.bell, bell);
    }
  }

  /** Looks at about a mebibyte. */
  step(): 'more' | 'far' | 'done' {
    const walkedTo = Number(Atomics.load(this.offsets, OFFSET.walkedTo));
    const from = Math.max(walkedTo, Number(Atomics.load(this.offsets, OFFSET.goodTo)));
    if (Atomics.load(this.words, WORD.isClosed) === 1 || from >= this.to) return 'done';
    if (from - walkedTo >= FAR_BYTES) return 'far';
    const end = Math.min(this.to, from + this.pieceBytes);
    const { stop, offset } = this.scanner.scan(this.log, from, end, true, undefined);
    // Stored after the records were looked at; pairs with the load in AheadLog.read.
    Atomics.store(this.offsets, OFFSET.goodTo, BigInt(offset));
    if (stop !== 'end' && (stop !== 'cut' || end === this.to)) return 'done';
    // One record is longer, or the blank end of the file.
    this.pieceBytes = offset === from ? 2 * this.pieceBytes : PIECE_BYTES;
    return 'more';
  }
}

/** The thread that walks. */
export class AheadLog implements LogBytes {
  /** See LogBytes. */
  areBodiesGood = false;
  private readonly offsets: BigInt64Array;
  private readonly words: Int32Array;

  constructor(
    private readonly log: LogBytes,
    memory: ReadAheadMemory,
  ) {
    this.offsets = new BigInt64Array(memory.offsets);
    this.words = new Int32Array(memory.words);
  }

  /** `offset` is where a record begins; everything before it has been walked through. */
  read(offset: number, length: number, target: Uint8Array, at: number): number {
    Atomics.store(this.offsets, OFFSET.walkedTo, BigInt(offset));
    Atomics.add(this.words, WORD.bell, 1);
    Atomics.notify(this.words, WORD.bell);
    this.areBodiesGood = offset + length <= Number(Atomics.load(this.offsets, OFFSET.goodTo));
    return this.log.read(offset, length, target, at);
  }

  /** Nothing more need be looked at. */
  close(): void {
    Atomics.store(this.words, WORD.isClosed, 1);
    Atomics.add(this.words, WORD.bell, 1);
    Atomics.notify(this.words, WORD.bell);
  }
}
