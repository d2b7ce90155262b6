/**
 * One delay level: how far its queue of SCHEDULE_TOPIC_XXXX is delivered, and the entries behind that which its queue
 * host has told of. Most of what waits is only in the consume queue; the entries here are those that are due next.
 *
 *     queue offset   next                next + count         end of the queue
 *                    | entries, fetched   | not fetched         |
 *                    ^ due at headDueMs   ^ due at beyondDueMs
 */
import { ENTRY, entryOffset, entrySize, entryTagsCode } from '../../../store/consume-queue-entry.js';

/** Entries that are asked for at once. */
export const FETCHED_MAX = 1024;
/** More are asked for while no more than this many are left. */
const FEW = FETCHED_MAX / 2;
const CAPACITY = FETCHED_MAX + FEW;

export class DelayLevel {
  /** Queue offset of the next message to deliver. */
  next = 0;
  /** `next` is worth saving: something was delivered, or it was loaded. */
  isKnown = false;
  /** Its queue host has been asked for entries. */
  isAsked = false;
  /** Nothing is tried before this, epoch ms: the log could not be written, or the queue host had nothing yet. */
  notBeforeMs = 0;
  /** Tags code of the first entry that was not fetched; 0 when unknown. */
  firstBeyondMs = 0;
  private head = 0;
  private tail = 0;
  // Made with the first entries: most levels are never used.
  private offsets = new Float64Array(0);
  private dues = new Float64Array(0);
  private sizes = new Int32Array(0);

  constructor(
    /** 1 for the first. */
    readonly level: number,
    readonly delayMs: number,
  ) {}

  /** Entries that are here. */
  get count(): number {
    return this.tail - this.head;
  }

  get isShort(): boolean {
    return this.count <= FEW;
  }

  /** When the next message is due, epoch ms. */
  headDueMs(nowMs: number): number {
    return this.correctedMs(this.dues[this.head]!, nowMs);
  }

  /** The same of the first message that was not fetched; 0 when unknown. */
  beyondDueMs(nowMs: number): number {
    return this.correctedMs(this.firstBeyondMs, nowMs);
  }

  /** Further away than the level's delay (it had another one, or the clock was set back): due at once, as in Apache. */
  private correctedMs(dueMs: number, nowMs: number): number {
    return dueMs > nowMs + this.delayMs ? nowMs : dueMs;
  }

  /** Physical offset of the next message, and the bytes of its record. */
  get headOffset(): number {
    return this.offsets[this.head]!;
  }

  get headBytes(): number {
    return this.sizes[this.head]!;
  }

  /** The next message is delivered, or given up. */
  shift(): void {
    this.head++;
    this.next++;
    this.isKnown = true;
  }

  /** Takes over entries that follow those that are here; `dueOf` says when an entry is due whose own word is no time. */
  append(
    bytes: Uint8Array,
    start: number,
    count: number,
    dueOf: (physicalOffset: number, sizeBytes: number) => number,
  ): void {
    this.makeRoom();
    for (let i = 0; i < count; i++) {
      const at = start + i * ENTRY.bytes;
      const code = entryTagsCode(bytes, at);
      const offset = entryOffset(bytes, at);
      const size = entrySize(bytes, at);
      this.offsets[this.tail] = offset;
      this.sizes[this.tail] = size;
      this.dues[this.tail] = code < EXTENDED ? dueOf(offset, size) : code;
      this.tail++;
    }
  }

  /** Forgets the entries and goes on elsewhere. */
  moveTo(queueOffset: number): void {
    this.head = 0;
    this.tail = 0;
    this.next = queueOffset;
    this.firstBeyondMs = 0;
  }

  private makeRoom(): void {
    if (this.offsets.length === 0) {
      this.offsets = new Float64Array(CAPACITY);
      this.dues = new Float64Array(CAPACITY);
      this.sizes = new Int32Array(CAPACITY);
    }
    this.offsets.copyWithin(0, this.head, this.tail);
    this.dues.copyWithin(0, this.head, this.tail);
    this.sizes.copyWithin(0, this.head, this.tail);
    this.tail -= this.head;
    this.head = 0;
  }
}

/** Below this a tags code is an address in a consume queue extension. Source: ConsumeQueueExt.isExtAddr. */
const EXTENDED = -2_147_483_648;
