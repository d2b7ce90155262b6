/**
 * Single-producer single-consumer ring of records. The writer encodes in place and publishes once per turn; the
 * reader handles records in place and gives the room back once per turn.
 */
import { invariant } from '../base/invariant.js';
import { CONTROL, FILLER, RECORD, recordBytes, UNIT_BYTES } from './ring-layout.js';

export type RingMemory = SharedArrayBuffer | ArrayBuffer;

const MAX_CAPACITY = 1 << 30;
/** As far as a ring gets that is read at once and was never full; a larger one a quarter of it. */
const RETURN_BYTES = 2 * 1024 * 1024;

/** Memory for a ring of `capacityBytes`, a power of two from 4 KiB to 1 GiB. */
export function ringBytes(capacityBytes: number): number {
  const isPowerOfTwo = (capacityBytes & (capacityBytes - 1)) === 0;
  invariant(isPowerOfTwo && capacityBytes >= 4096 && capacityBytes <= MAX_CAPACITY, 'ring capacity', capacityBytes);
  return CONTROL.bytes + capacityBytes;
}

class RingEnd {
  readonly capacityBytes: number;
  /** Longest payload that travels in one record; longer ones are sent in parts. */
  readonly maxPayloadBytes: number;
  readonly buffer: Buffer;
  readonly view: DataView;
  protected readonly control: Int32Array;
  protected readonly mask: number;

  constructor(memory: RingMemory) {
    this.capacityBytes = memory.byteLength - CONTROL.bytes;
    ringBytes(this.capacityBytes);
    this.maxPayloadBytes = this.capacityBytes / 8 - RECORD.payload;
    this.control = new Int32Array(memory, 0, CONTROL.bytes / 4);
    this.buffer = Buffer.from(memory as ArrayBuffer, CONTROL.bytes, this.capacityBytes);
    this.view = new DataView(memory, CONTROL.bytes, this.capacityBytes);
    this.mask = this.capacityBytes / UNIT_BYTES - 1;
  }

  /** Bytes published and not yet given back: what a depth gauge shows. Readable from any thread. */
  usedBytes(): number {
    return ((Atomics.load(this.control, CONTROL.head) - Atomics.load(this.control, CONTROL.tail)) | 0) * UNIT_BYTES;
  }

  /** How often the writer found the ring full and let messages wait, since its memory was made. */
  stalls(): number {
    return Atomics.load(this.control, CONTROL.stalls);
  }
}

/** The writing end; exactly one thread holds it. A new end on used memory goes on after the last published record. */
export class RingWriter extends RingEnd {
  /** Next free unit, ahead of the published head by the records of this turn. */
  private head: number;
  private published: number;
  /** The reader's tail as last seen; re-read only when the ring looks full. */
  private seenTail: number;
  /** Units that the open claim skips (filler) and takes. */
  private claimStart = 0;
  /** From this unit of the buffer on the writer returns to its beginning when everything was read. */
  private returnFrom: number;

  constructor(memory: RingMemory) {
    super(memory);
    this.returnFrom = Math.max(RETURN_BYTES, this.capacityBytes / 4) / UNIT_BYTES;
    this.head = Atomics.load(this.control, CONTROL.head);
    this.published = this.head;
    this.seenTail = Atomics.load(this.control, CONTROL.tail);
  }

  /**
   * Finds room for a record of up to `payloadBytes` and returns the index of the record in `buffer`, or -1 when the
   * ring is full. Nothing is taken until `commit`.
   */
  claim(payloadBytes: number): number {
    const units = recordBytes(payloadBytes) / UNIT_BYTES;
    const start = this.head & this.mask;
    const contiguous = this.mask + 1 - start;
    const returns = contiguous < units || (start >= this.returnFrom && this.isDrained());
    const needed = returns ? contiguous + units : units;
    if (!this.hasUnits(needed)) {
      // It needs all of its room.
      this.returnFrom = this.mask + 1;
      return -1;
    }
    if (returns) {
      this.view.setInt32(start * UNIT_BYTES, FILLER, true);
      this.claimStart = (this.head + contiguous) | 0;
      return 0;
    }
    this.claimStart = this.head;
    return start * UNIT_BYTES;
  }

  /** Takes the claimed record, `payloadBytes` long (no longer than what was claimed). Readers see it after `publish`. */
  commit(payloadBytes: number): void {
    this.head = (this.claimStart + recordBytes(payloadBytes) / UNIT_BYTES) | 0;
  }

  /** Makes this turn's records visible; false when there were none. */
  publish(): boolean {
    if (this.head === this.published) return false;
    // Stored last: a reader that loads this head sees whole records (pairs with the load in RingReader.refresh).
    Atomics.store(this.control, CONTROL.head, this.head);
    this.published = this.head;
    return true;
  }

  countStall(): void {
    Atomics.add(this.control, CONTROL.stalls, 1);
  }

  /** Asks the reader to ring back when it has given room back. The writer must look for room once more afterwards. */
  awaitRoom(): void {
    // Pairs with the exchange in RingReader.release: either the reader sees the flag, or we see its tail.
    Atomics.store(this.control, CONTROL.writerWaits, 1);
  }

  /**
   * Everything was read, and nothing is written since. A ring that goes round all the time makes all of its memory
   * resident and keeps none of it in the caches; one that returns early touches what it needs. Until the reader has seen
   * the filler there is room only before it: at least `returnFrom` units. Once that was too little, it is never done again.
   */
  private isDrained(): boolean {
    if (this.head !== this.published) return false;
    this.seenTail = Atomics.load(this.control, CONTROL.tail);
    return this.seenTail === this.head;
  }

  private hasUnits(units: number): boolean {
    const capacity = this.mask + 1;
    if (((this.head + units - this.seenTail) | 0) <= capacity) return true;
    this.seenTail = Atomics.load(this.control, CONTROL.tail);
    return ((this.head + units - this.seenTail) | 0) <= capacity;
  }
}

/** The reading end; exactly one thread holds it. */
export class RingReader extends RingEnd {
  private tail: number;
  private released: number;
  /** Head up to which records may be read; moves only in `refresh`. */
  private limit: number;

  constructor(memory: RingMemory) {
    super(memory);
    this.tail = Atomics.load(this.control, CONTROL.tail);
    this.released = this.tail;
    this.limit = this.tail;
  }

  /** Looks how far the writer has published; true when there is something to read. */
  refresh(): boolean {
    this.limit = Atomics.load(this.control, CONTROL.head);
    return this.limit !== this.tail;
  }

  /** True when the writer has published something that was not read yet. */
  hasMore(): boolean {
    return Atomics.load(this.control, CONTROL.head) !== this.tail;
  }

  /** Index in `buffer` of the next record up to the last refreshed head, or -1. */
  next(): number {
    if (this.tail === this.limit) return -1;
    const start = this.tail & this.mask;
    if (this.view.getInt32(start * UNIT_BYTES, true) !== FILLER) return start * UNIT_BYTES;
    this.tail = (this.tail + this.mask + 1 - start) | 0;
    return this.tail === this.limit ? -1 : 0;
  }

  /** Steps over the record at `index`; its bytes stay valid until `release`. */
  skip(index: number): void {
    const payloadBytes = this.view.getInt32(index + RECORD.length, true);
    this.tail = (this.tail + recordBytes(payloadBytes) / UNIT_BYTES) | 0;
  }

  /** Indices of the records that are published and not read, for those who count them. */
  *unread(): Generator<number> {
    const head = Atomics.load(this.control, CONTROL.head);
    let at = this.tail;
    while (at !== head) {
      const start = at & this.mask;
      const payloadBytes = this.view.getInt32(start * UNIT_BYTES, true);
      if (payloadBytes === FILLER) {
        at = (at + this.mask + 1 - start) | 0;
        continue;
      }
      yield start * UNIT_BYTES;
      at = (at + recordBytes(payloadBytes) / UNIT_BYTES) | 0;
    }
  }

  /** Gives the room of all records read so far back; true when the writer waits for it and must be woken. */
  release(): boolean {
    if (this.tail === this.released) return false;
    Atomics.store(this.control, CONTROL.tail, this.tail);
    this.released = this.tail;
    if (Atomics.load(this.control, CONTROL.writerWaits) === 0) return false;
    return Atomics.exchange(this.control, CONTROL.writerWaits, 0) === 1;
  }
}
