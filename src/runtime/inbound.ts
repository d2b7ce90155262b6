/** The reading end of a ring plus the joining of messages that were sent in parts. */
import { invariant } from '../base/invariant.js';
import { MAX_MESSAGE_BYTES } from './outbound.js';
import type { RingReader } from './ring.js';
import { PART, RECORD } from './ring-layout.js';

const NOTHING = Buffer.alloc(0);

export class Inbound {
  /** Bytes of the message being joined so far; at most one per ring, at most MAX_MESSAGE_BYTES. */
  private joined = NOTHING;
  private joinedBytes = 0;

  constructor(
    readonly ring: RingReader,
    readonly fromThread: number,
    readonly lane: 'request' | 'reply',
  ) {}

  /**
   * Takes one part. Returns the whole message as a record (header and payload) with the last part, else undefined.
   * A `first` forgets what was joined before: its writer crashed in the middle.
   */
  join(at: number): Buffer | undefined {
    const { buffer, view } = this.ring;
    const part = view.getUint16(at + RECORD.part, true);
    const payloadBytes = view.getInt32(at + RECORD.length, true);
    let from = at + RECORD.payload;
    const end = from + payloadBytes;
    if (part === PART.first) {
      const totalBytes = view.getInt32(from, true);
      invariant(totalBytes > 0 && totalBytes <= MAX_MESSAGE_BYTES, 'joined message size', totalBytes);
      this.joined = Buffer.allocUnsafe(RECORD.payload + totalBytes);
      buffer.copy(this.joined, 0, at, from);
      this.joined.writeInt32LE(totalBytes, RECORD.length);
      this.joined.writeUInt16LE(PART.whole, RECORD.part);
      this.joinedBytes = RECORD.payload;
      from += 8;
    }
    if (this.joined.length === 0) return undefined;
    invariant(this.joinedBytes + end - from <= this.joined.length, 'parts exceed the announced size', payloadBytes);
    buffer.copy(this.joined, this.joinedBytes, from, end);
    this.joinedBytes += end - from;
    if (part !== PART.last) return undefined;
    invariant(this.joinedBytes === this.joined.length, 'last part ends the message', this.joinedBytes);
    const whole = this.joined;
    this.joined = NOTHING;
    return whole;
  }
}
