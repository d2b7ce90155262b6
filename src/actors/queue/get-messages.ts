/**
 * HOT. What a pull gets from a queue: Apache's statuses, next offsets and batch limits.
 * Source: DefaultMessageStore.getMessage, isTheBatchFull.
 */
import type { BrokerSettings } from '../../../config/schema.js';
import { ENTRY, entryOffset, entrySize, entryTagsCode } from '../../store/consume-queue-entry.js';
import { KIB } from '../../base/units.js';
import type { RecordFilter, RecordProperties } from './filters.js';
import type { PullLimits } from './messages.js';
import type { ConsumeQueue } from '../../store/consume-queue.js';
import type { LogReader } from '../../store/log-reader.js';

export type GetStatus =
  | 'FOUND'
  | 'NO_MATCHED_MESSAGE'
  | 'MESSAGE_WAS_REMOVING'
  | 'OFFSET_FOUND_NULL'
  | 'OFFSET_OVERFLOW_BADLY'
  | 'OFFSET_OVERFLOW_ONE'
  | 'OFFSET_TOO_SMALL'
  | 'NO_MESSAGE_IN_QUEUE';

/** A pull looks at 16,000 bytes of entries, or at 20 times its count when that is more, within one file. */
const SCANNED_ENTRIES_MIN = 800;
const SCANNED_ENTRIES_MAX = 16_384;
/** Messages of one pull that are brought into memory for their properties. */
const LOADED_ENTRIES_MAX = 256;
const LOADED_BYTES_MAX = 256 * KIB;
/** A pull with an expensive filter looks at fewer messages: parts of the filter and pieces of properties, in all. */
const FILTER_WORK_MAX = 100_000;
const PROPERTIES_PIECE_BYTES = 64;

/** One per host, reused: ranges of the log, adjacent messages joined. */
export class Selection {
  status: GetStatus = 'FOUND';
  nextOffset = 0.5;
  minOffset = 0.5;
  maxOffset = 0.5;
  messages = 0;
  bytes = 0;
  rangeCount = 0;
  readonly starts: Float64Array;
  readonly lengths: Int32Array;
  suggestsSlave = false;
  /** The filter wants to see a message that is not in memory; nothing is selected. */
  isCold = false;
  private readonly scratch = new Uint8Array(SCANNED_ENTRIES_MAX * ENTRY.bytes);

  /** As of the broker's newest settings. */
  limits: PullLimits;

  constructor(
    private readonly settings: BrokerSettings,
    private readonly physicalMemoryBytes: number,
    private readonly properties: RecordProperties,
  ) {
    this.limits = settings;
    this.starts = new Float64Array(SCANNED_ENTRIES_MAX);
    this.lengths = new Int32Array(SCANNED_ENTRIES_MAX);
  }

  /**
   * Selects up to `maxMessages` from `offset` on. `logMin` and `logEnd`: the commit log's range as last heard. With
   * `inMemory` it ends before the first message, except the very first, that would have to be read from the disk. A
   * `filter` ends it there in any case, and `isCold` says that this was the very first, unless there is `inMemory`.
   * Throws DiskError.
   */
  select(
    queue: ConsumeQueue,
    offset: number,
    maxMessages: number,
    codes: ReadonlySet<number> | undefined,
    filter: RecordFilter | undefined,
    logMin: number,
    logEnd: number,
    inMemory: LogReader | undefined,
  ): void {
    const { minOffset, maxOffset } = queue;
    this.minOffset = minOffset;
    this.maxOffset = maxOffset;
    this.messages = 0;
    this.bytes = 0;
    this.rangeCount = 0;
    this.suggestsSlave = false;
    this.isCold = false;
    if (maxOffset === 0) return this.none('NO_MESSAGE_IN_QUEUE', this.corrected(offset, 0));
    if (offset < minOffset) return this.none('OFFSET_TOO_SMALL', this.corrected(offset, minOffset));
    if (offset === maxOffset) return this.none('OFFSET_OVERFLOW_ONE', offset);
    if (offset > maxOffset) return this.none('OFFSET_OVERFLOW_BADLY', this.corrected(offset, maxOffset));

    const wanted = Math.min(SCANNED_ENTRIES_MAX, Math.max(SCANNED_ENTRIES_MIN, maxMessages));
    const count = queue.read(offset, wanted, this.scratch, 0);
    if (count === 0) return this.none('OFFSET_FOUND_NULL', Math.min(maxOffset, queue.nextFileOffset(offset)));
    this.status = 'NO_MATCHED_MESSAGE';
    const memoryBytes = (this.physicalMemoryBytes * this.limits.accessMessageInMemoryMaxRatio) / 100;
    let lastOffset = 0;
    let looked = 0;
    let work = 0;
    /** What lies before it is gone. */
    let from = logMin;
    for (let at = 0; looked < count; at += ENTRY.bytes, looked++) {
      const start = entryOffset(this.scratch, at);
      const size = entrySize(this.scratch, at);
      lastOffset = start;
      if (start < from) {
        if (this.messages === 0) this.status = 'MESSAGE_WAS_REMOVING';
        continue;
      }
      const isOnDisk = logEnd - start > memoryBytes;
      if (this.isFull(size, maxMessages, isOnDisk)) break;
      if (codes !== undefined && !codes.has(entryTagsCode(this.scratch, at))) continue;
      if (filter !== undefined) {
        const { properties } = this;
        if ((looked > 0 || inMemory === undefined) && !properties.areInMemory(start, size, logEnd)) {
          this.isCold = looked === 0;
          break;
        }
        if (!properties.read(start, size)) {
          if (this.messages === 0) this.status = 'MESSAGE_WAS_REMOVING';
          from = start - (start % this.settings.mappedFileSizeCommitLog) + this.settings.mappedFileSizeCommitLog;
          continue;
        }
        work += filter.size + properties.length / PROPERTIES_PIECE_BYTES;
        if (looked > 0 && work > FILTER_WORK_MAX) break;
        if (!filter.passes(properties.bytes, properties.start, properties.length)) {
          if (this.messages === 0) this.status = 'NO_MATCHED_MESSAGE';
          continue;
        }
      }
      if (inMemory !== undefined && this.messages > 0 && !inMemory.isInMemory(start, size, logEnd)) break;
      this.take(start, size);
    }
    this.nextOffset = offset + looked;
    this.suggestsSlave = logEnd - lastOffset > memoryBytes;
  }

  /** After `isCold`: the messages that the filter is to see next, as if all of them passed. */
  selectUnseen(queue: ConsumeQueue, offset: number, codes: ReadonlySet<number> | undefined): void {
    this.isCold = false;
    const count = queue.read(offset, LOADED_ENTRIES_MAX, this.scratch, 0);
    for (let at = 0; at < count * ENTRY.bytes && this.bytes < LOADED_BYTES_MAX; at += ENTRY.bytes) {
      if (codes !== undefined && !codes.has(entryTagsCode(this.scratch, at))) continue;
      this.take(entryOffset(this.scratch, at), entrySize(this.scratch, at));
    }
  }

  private take(start: number, size: number): void {
    this.status = 'FOUND';
    this.messages++;
    this.bytes += size;
    const last = this.rangeCount - 1;
    if (last >= 0 && this.starts[last]! + this.lengths[last]! === start) {
      this.lengths[last]! += size;
      return;
    }
    this.starts[this.rangeCount] = start;
    this.lengths[this.rangeCount] = size;
    this.rangeCount++;
  }

  private isFull(size: number, maxMessages: number, isOnDisk: boolean): boolean {
    if (this.messages === 0) return false;
    if (this.messages >= maxMessages) return true;
    const { limits } = this;
    return isOnDisk
      ? this.bytes + size > limits.maxTransferBytesOnMessageInDisk ||
          this.messages >= limits.maxTransferCountOnMessageInDisk
      : this.bytes + size > limits.maxTransferBytesOnMessageInMemory ||
          this.messages >= limits.maxTransferCountOnMessageInMemory;
  }

  private none(status: GetStatus, nextOffset: number): void {
    this.status = status;
    this.nextOffset = nextOffset;
  }

  /** A slave leaves the client's offset as it is, unless offsetCheckInSlave. */
  private corrected(offset: number, correct: number): number {
    return this.settings.brokerRole === 'SLAVE' && !this.limits.offsetCheckInSlave ? offset : correct;
  }
}
