/**
 * The newest part of a commit log in shared memory: one writer (the broker), readers on any thread.
 *
 *     | control | window: windowBytes, addressed by physical offset modulo windowBytes | slack: maxRecordBytes |
 *
 * A record is always encoded contiguously. One that runs past the window's end is encoded into the slack, and `commit`
 * mirrors the overflow to the window's start:
 *
 *     window  |bbbb......................aaaaa|    slack |bbbb|      record aaaaabbbb
 *
 * Overwriting. The window is divided into sixteenths ("segments"). Before bytes of a segment are overwritten, validFrom
 * is raised past it, and a whole segment earlier than needed, so that normally turns pass between the raise and the
 * first overwriting byte, and no reordering of memory accesses matters. A reader copies first and looks at validFrom
 * afterwards: if its range is still valid then, nothing of it was overwritten while it copied. Looking only at the
 * log's end instead lets torn copies through (measured).
 *
 * Positions are kept as a segment number (int32, wrap-safe) and a byte in the segment.
 */
import { invariant } from '../base/invariant.js';
import { MIB } from '../base/units.js';
import { copyBytes } from '../message/bytes.js';

/** Int32 words of the control part. */
const WORD = {
  windowBytes: 0,
  slackBytes: 1,
  /** First valid segment. */
  validFrom: 16,
  /** Published end of the log: everything before it is in the window or older. */
  endSegment: 32,
  endByte: 33,
} as const;
const CONTROL_BYTES = 256;

const SEGMENTS = 16;
/** A raise gives up this many segments beyond what is about to be written ... */
const RAISE_SEGMENTS = 2;
/** ... and the next one comes when fewer than this many are left. */
const LEAD_SEGMENTS = 1;

export const WINDOW_BYTES_DEFAULT = 32 * MIB;

export class LogWindow {
  /** Give this to other threads; they `attach` to it. */
  readonly shared: SharedArrayBuffer | ArrayBuffer;
  /** The whole memory: positions from `position` and `reserve` index it, and it can be handed to Disk.write. */
  readonly buffer: Uint8Array;
  readonly view: DataView;
  readonly windowBytes: number;
  /** The longest range that can be reserved at once. */
  readonly slackBytes: number;
  private readonly words: Int32Array;
  private readonly mask: number;
  private readonly segmentBytes: number;
  private readonly segmentMask: number;
  /** Writer only: a reservation that ends after this offset raises validFrom first. */
  private raiseAt = 0;

  /** `windowBytes` is a power of two from 64 KiB to 1 GiB; `maxRecordBytes` at most a quarter of it. */
  static create(windowBytes: number, maxRecordBytes: number, options: { readonly shared: boolean }): LogWindow {
    invariant(
      windowBytes >= 65_536 && windowBytes <= 1024 * MIB && (windowBytes & (windowBytes - 1)) === 0,
      'window bytes are a power of two',
      windowBytes,
    );
    invariant(maxRecordBytes >= 1 && maxRecordBytes <= windowBytes / 4, 'record fits the window', maxRecordBytes);
    const bytes = CONTROL_BYTES + windowBytes + maxRecordBytes;
    const shared = options.shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
    const words = new Int32Array(shared, 0, CONTROL_BYTES / 4);
    words[WORD.windowBytes] = windowBytes;
    words[WORD.slackBytes] = maxRecordBytes;
    return new LogWindow(shared);
  }

  /** The window in memory made by `create`, on this or another thread. */
  static attach(shared: SharedArrayBuffer | ArrayBuffer): LogWindow {
    return new LogWindow(shared);
  }

  private constructor(shared: SharedArrayBuffer | ArrayBuffer) {
    this.shared = shared;
    this.words = new Int32Array(shared, 0, CONTROL_BYTES / 4);
    this.windowBytes = this.words[WORD.windowBytes]!;
    this.slackBytes = this.words[WORD.slackBytes]!;
    invariant(
      shared.byteLength === CONTROL_BYTES + this.windowBytes + this.slackBytes,
      'memory of a log window',
      shared.byteLength,
    );
    this.buffer = Buffer.from(shared);
    this.view = new DataView(shared);
    this.mask = this.windowBytes - 1;
    this.segmentBytes = this.windowBytes / SEGMENTS;
    this.segmentMask = this.segmentBytes - 1;
  }

  /** Where the byte with that physical offset lies in `buffer`. */
  position(offset: number): number {
    // ToInt32 takes a Number modulo 2^32, which the window's size divides.
    return CONTROL_BYTES + (offset & this.mask);
  }

  /** Bytes from `offset` to the window's end, where a range has to be split. */
  bytesToWrap(offset: number): number {
    return this.windowBytes - (offset & this.mask);
  }

  // The writer's side.

  /** Starts at `offset` with nothing valid before its segment. The caller fills the segment's part before `offset`. */
  reset(offset: number): void {
    this.raiseAt = this.segmentStart(offset) + this.windowBytes - LEAD_SEGMENTS * this.segmentBytes;
    Atomics.store(this.words, WORD.validFrom, this.segmentOf(offset));
    this.publishEnd(offset);
  }

  /**
   * Makes room for `length` bytes at `offset` and returns their position in `buffer`. What the room held before is
   * no longer valid for readers from here on.
   */
  reserve(offset: number, length: number): number {
    invariant(length <= this.slackBytes, 'reservation fits the slack', length);
    if (offset + length > this.raiseAt) this.raise(offset + length);
    return CONTROL_BYTES + (offset & this.mask);
  }

  private raise(end: number): void {
    // Byte x overwrites byte x - windowBytes: what lies before writableTo - windowBytes is given up.
    const writableTo = this.segmentStart(end + this.segmentMask) + RAISE_SEGMENTS * this.segmentBytes;
    this.raiseAt = writableTo - LEAD_SEGMENTS * this.segmentBytes;
    // Stored before the overwriting bytes; pairs with the load in isValid after a copy.
    Atomics.store(this.words, WORD.validFrom, this.segmentOf(writableTo - this.windowBytes));
  }

  /** Zeroes a range of at most half the window, for the rest of a file that a blank record closes. */
  clear(offset: number, length: number): void {
    invariant(length <= this.windowBytes / 2, 'cleared range fits the window', length);
    if (offset + length > this.raiseAt) this.raise(offset + length);
    const start = CONTROL_BYTES + (offset & this.mask);
    const toWrap = Math.min(length, this.bytesToWrap(offset));
    this.buffer.fill(0, start, start + toWrap);
    this.buffer.fill(0, CONTROL_BYTES, CONTROL_BYTES + length - toWrap);
  }

  /** Completes a range that was reserved and written: what went into the slack is mirrored to the window's start. */
  commit(offset: number, length: number): void {
    const overflow = (offset & this.mask) + length - this.windowBytes;
    if (overflow <= 0) return;
    const slackAt = CONTROL_BYTES + this.windowBytes;
    this.buffer.copyWithin(CONTROL_BYTES, slackAt, slackAt + overflow);
  }

  /** Lets readers see everything before `end`; once per turn. */
  publishEnd(end: number): void {
    // The byte first: a reader that loads the segment and then the byte never gets more than was published (the byte
    // of a later publication with an earlier segment lies before that publication's end).
    Atomics.store(this.words, WORD.endByte, end & this.segmentMask);
    Atomics.store(this.words, WORD.endSegment, this.segmentOf(end));
  }

  // The readers' side, also for the writer.

  /** True when the range is published and was not overwritten up to now. */
  covers(offset: number, length: number): boolean {
    return this.isPublished(offset + length) && this.isValid(offset);
  }

  /** True when nothing from `offset` on has been given up. To be asked after using the bytes. */
  isValid(offset: number): boolean {
    return ((this.segmentOf(offset) - Atomics.load(this.words, WORD.validFrom)) | 0) >= 0;
  }

  private isPublished(end: number): boolean {
    const endSegment = Atomics.load(this.words, WORD.endSegment);
    const endByte = Atomics.load(this.words, WORD.endByte);
    const segmentsLeft = (endSegment - this.segmentOf(end)) | 0;
    return segmentsLeft > 0 || (segmentsLeft === 0 && endByte >= (end & this.segmentMask));
  }

  /**
   * Copies the range to `target[at..]`. False when the window does not hold it, or held it and lost it meanwhile;
   * `target` is then arbitrary there and the caller reads the file.
   */
  copy(offset: number, length: number, target: Uint8Array, at: number): boolean {
    return this.covers(offset, length) && this.transfer(offset, length, target, at);
  }

  /** The same for the writer, which may also see what it has not published yet. */
  copyOwn(offset: number, length: number, target: Uint8Array, at: number): boolean {
    return this.isValid(offset) && this.transfer(offset, length, target, at);
  }

  private transfer(offset: number, length: number, target: Uint8Array, at: number): boolean {
    const start = CONTROL_BYTES + (offset & this.mask);
    const toWrap = this.windowBytes - (offset & this.mask);
    if (length <= toWrap) {
      copyBytes(this.buffer, start, length, target, at);
    } else {
      copyBytes(this.buffer, start, toWrap, target, at);
      copyBytes(this.buffer, CONTROL_BYTES, length - toWrap, target, at + toWrap);
    }
    // After the copy: pairs with the store in raise, which comes before the first overwriting byte.
    return this.isValid(offset);
  }

  /** Segment number as int32, modulo 2^32. */
  private segmentOf(offset: number): number {
    return Math.floor(offset / this.segmentBytes) | 0;
  }

  /** Offset of the first byte of the segment that holds `offset`. */
  segmentStart(offset: number): number {
    return offset - (offset & this.segmentMask);
  }
}
