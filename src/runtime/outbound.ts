/**
 * One thread's way to another, on one lane: the ring's writing end, and the queue in which messages wait in order
 * while the ring is full.
 */
import type { ActorId, Place } from './actor.js';
import { invariant } from '../base/invariant.js';
import { RecordQueue } from './record-queue.js';
import type { RingWriter } from './ring.js';
import { PART, RECORD } from './ring-layout.js';

/** Longest message: a 16 MiB frame and its fields. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024 + 4096;
/** A handler may be answering with large batches when the ring turns out full; beyond this it is a bug. */
const SPILL_LIMIT_BYTES = 256 * 1024 * 1024;

const EMPTY_VIEW = new DataView(new ArrayBuffer(0));
const EMPTY_BUFFER = Buffer.alloc(0);

export function writeRecordHeader(
  view: DataView,
  at: number,
  payloadBytes: number,
  target: ActorId,
  source: ActorId,
  kind: number,
  part: number,
  epoch: number,
  key: number,
): void {
  view.setInt32(at + RECORD.length, payloadBytes, true);
  view.setInt32(at + RECORD.target, target, true);
  view.setInt32(at + RECORD.source, source, true);
  view.setUint16(at + RECORD.kind, kind, true);
  view.setUint16(at + RECORD.part, part, true);
  view.setInt32(at + RECORD.epoch, epoch, true);
  view.setInt32(at + RECORD.key, key, true);
}

export class Outbound {
  private readonly spill: RecordQueue;
  private mode: 'none' | 'ring' | 'spill' | 'parts' = 'none';
  private large = EMPTY_BUFFER;
  private largeView = EMPTY_VIEW;
  private waiting: (() => void)[] = [];

  constructor(
    readonly ring: RingWriter,
    name: string,
  ) {
    this.spill = new RecordQueue(`spill ${name}`, SPILL_LIMIT_BYTES);
  }

  get isOpen(): boolean {
    return this.spill.isEmpty;
  }

  get spilledBytes(): number {
    return this.spill.usedBytes;
  }

  /**
   * True when something waits and there is room for it now; else the reader will ring. Asks again for that: the reader
   * may have answered the last call, with too little room, before this thread was parked.
   */
  canFlush(): boolean {
    if (this.spill.isEmpty) return false;
    this.ring.awaitRoom();
    return this.ring.claim(this.spill.view.getInt32(this.spill.next() + RECORD.length, true)) >= 0;
  }

  onceOpen(fire: () => void): void {
    this.waiting.push(fire);
  }

  /** Sets `place` to where a record (header and payload of up to `payloadBytes`) may be written. */
  claim(payloadBytes: number, place: Place): void {
    invariant(payloadBytes <= MAX_MESSAGE_BYTES, 'message too large', payloadBytes);
    if (payloadBytes > this.ring.maxPayloadBytes) {
      this.large = Buffer.allocUnsafe(RECORD.payload + payloadBytes);
      this.largeView = new DataView(this.large.buffer, this.large.byteOffset, this.large.length);
      this.mode = 'parts';
      place.buffer = this.large;
      place.view = this.largeView;
      place.at = 0;
      return;
    }
    const at = this.spill.isEmpty ? this.ring.claim(payloadBytes) : -1;
    if (at >= 0) {
      this.mode = 'ring';
      place.buffer = this.ring.buffer;
      place.view = this.ring.view;
      place.at = at;
      return;
    }
    this.mode = 'spill';
    place.at = this.spill.claim(payloadBytes);
    place.buffer = this.spill.buffer;
    place.view = this.spill.view;
  }

  /** Completes the claimed record. */
  commit(payloadBytes: number): void {
    switch (this.mode) {
      case 'ring':
        this.ring.commit(payloadBytes);
        break;
      case 'spill':
        // flush asks for room at the end of the turn.
        if (this.spill.isEmpty) this.ring.countStall();
        this.spill.commit(payloadBytes);
        break;
      case 'parts':
        this.commitParts(payloadBytes);
        break;
      case 'none':
        invariant(false, 'commit without claim');
    }
    this.mode = 'none';
  }

  /** Moves what waits into the ring as far as there is room. Called at the start and the end of every turn. */
  flush(): void {
    if (this.spill.isEmpty) return;
    const { spill, ring } = this;
    for (let from = spill.next(); from >= 0; from = spill.next()) {
      const payloadBytes = spill.view.getInt32(from + RECORD.length, true);
      const to = ring.claim(payloadBytes);
      if (to < 0) {
        ring.awaitRoom();
        // Room may have come between the claim and the flag: look once more, or nobody would wake us.
        if (ring.claim(payloadBytes) < 0) return;
        continue;
      }
      spill.buffer.copy(ring.buffer, to, from, from + RECORD.payload + payloadBytes);
      ring.commit(payloadBytes);
      spill.skip(from);
    }
    spill.reset();
    const waiting = this.waiting;
    this.waiting = [];
    for (const fire of waiting) fire();
  }

  /** first (i32 total, then bytes) | more ... | last. The total lets the receiver take the room at once. */
  private commitParts(payloadBytes: number): void {
    const { large, largeView } = this;
    const partBytes = this.ring.maxPayloadBytes & ~7;
    const source = largeView.getInt32(RECORD.source, true);
    const target = largeView.getInt32(RECORD.target, true);
    const kind = largeView.getUint16(RECORD.kind, true);
    const epoch = largeView.getInt32(RECORD.epoch, true);
    const key = largeView.getInt32(RECORD.key, true);
    const place: Place = { buffer: large, view: largeView, at: 0 };
    this.large = EMPTY_BUFFER;
    this.largeView = EMPTY_VIEW;
    if (payloadBytes <= this.ring.maxPayloadBytes) {
      // More was claimed than written: it fits into one record after all.
      this.claim(payloadBytes, place);
      large.copy(place.buffer, place.at, 0, RECORD.payload + payloadBytes);
      this.commit(payloadBytes);
      return;
    }
    for (let sent = 0; sent < payloadBytes; ) {
      const prefix = sent === 0 ? 8 : 0;
      const bytes = Math.min(partBytes - prefix, payloadBytes - sent);
      const part = sent === 0 ? PART.first : sent + bytes === payloadBytes ? PART.last : PART.more;
      this.claim(prefix + bytes, place);
      writeRecordHeader(place.view, place.at, prefix + bytes, target, source, kind, part, epoch, key);
      if (prefix > 0) place.view.setInt32(place.at + RECORD.payload, payloadBytes, true);
      large.copy(
        place.buffer,
        place.at + RECORD.payload + prefix,
        RECORD.payload + sent,
        RECORD.payload + sent + bytes,
      );
      this.commit(prefix + bytes);
      sent += bytes;
    }
  }
}
