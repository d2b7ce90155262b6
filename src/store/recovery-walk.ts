/**
 * The part of recovery that goes through the log: visits its records up to the end, puts them into consume queues and
 * index from a given offset on, and notes what was odd. See recovery.ts for where it begins and what follows.
 */
import { invariant } from '../base/invariant.js';
import { MIB } from '../base/units.js';
import { entersConsumeQueue } from '../message/system-flags.js';
import type { LogFiles } from './log-files.js';
import type { RemainsFinder } from './log-remains.js';
import type { LogBytes, LogScanner, ScannedRecord, ScanResult } from './log-scan.js';
import type { RecoveredQueues } from './recovered-queues.js';
import { isZero } from './zeros.js';

const PROGRESS_BYTES = 16 * MIB;
/** What a device writes as a whole. */
const SECTOR_BYTES = 512;

export interface WalkEvents {
  /** Before queues are changed for the first time. */
  onChange(): void;
  onProgress(bytesDone: number, bytesTotal: number): void;
  /** The queue of this record begins with it: what was before cannot be read. */
  onLostEntries(record: ScannedRecord): void;
  /** Reads the log in [from, to) ahead, if that is possible and worth it; it is closed after the walk. */
  readAhead(from: number, to: number): (LogBytes & { close(): void }) | undefined;
}

export interface WalkOptions {
  readonly checkBodyCrc: boolean;
  /** Store time to begin with: of a message before the first one visited. */
  readonly storeTimestamp: number;
}

export interface WalkRange {
  readonly from: number;
  /** Records from here on are dispatched. */
  readonly dispatchFrom: number;
  /** Nothing older can be read: a queue that misses entries begins anew. Otherwise the walk ends there. */
  readonly isFullRebuild: boolean;
}

export class RecoveryWalk {
  /** Of the last record; see WalkOptions when there was none. */
  storeTimestamp: number;
  /** Of the record before the last. */
  earlierStoreTimestamp = 0;
  /** Offset of the last record and of the one before it; -1 when there was none. */
  lastRecordOffset = -1;
  earlierRecordOffset = -1;
  /** Offset of the last record if its properties end with a zero, else -1. */
  suspectAt = -1;
  /** A queue misses entries before the record at this offset; -1 if none does. */
  gapAt = -1;
  /** Records that say that they lie elsewhere. */
  misplaced = 0;
  dispatched = 0;
  /** Records seen. */
  visited = 0;
  scannedBytes = 0;
  hasChanged = false;

  private reportedAt = 0;
  private dataEnd = 0;
  /** Offset of a record with a hole, at which the walk ended; -1 if none has one. */
  private tornAt = -1;
  private range: WalkRange = { from: 0, dispatchFrom: 0, isFullRebuild: false };

  constructor(
    private readonly log: LogFiles,
    private readonly scanner: LogScanner,
    private readonly options: WalkOptions,
    private readonly events: WalkEvents,
    private readonly remains: RemainsFinder,
  ) {
    this.storeTimestamp = options.storeTimestamp;
  }

  /** Visits the log from `range.from` to its end, or to a gap. Throws DiskError. */
  run(queues: RecoveredQueues, range: WalkRange): ScanResult {
    this.range = range;
    this.gapAt = -1;
    this.tornAt = -1;
    this.dispatched = 0;
    this.reportedAt = range.from;
    this.dataEnd = this.remains.estimateEnd();
    const visit = (record: ScannedRecord): boolean => this.onRecord(queues, record);
    const ahead = this.options.checkBodyCrc ? this.events.readAhead(range.from, this.dataEnd) : undefined;
    try {
      return this.walk(range.from, ahead ?? this.log, visit);
    } finally {
      ahead?.close();
    }
  }

  private walk(from: number, source: LogBytes, visit: (record: ScannedRecord) => boolean): ScanResult {
    for (let at = from; ; ) {
      const result = this.scanner.scan(source, at, this.log.endOfFiles, this.options.checkBodyCrc, visit);
      this.scannedBytes += result.offset - at;
      this.progress(result.offset);
      if (this.tornAt >= 0) {
        return { ...result, stop: 'bad', offset: this.tornAt, problem: 'zeros in topic or properties' };
      }
      if (result.stop !== 'missing') return result;
      // Somebody deleted a file; Apache's broker goes on with the next one, too.
      at = this.fileAfter(result.offset);
    }
  }

  private fileAfter(offset: number): number {
    for (let i = 0; i < this.log.count; i++) if (this.log.startAt(i) > offset) return this.log.startAt(i);
    invariant(false, 'there is a file behind a missing one', offset);
  }

  private onRecord(queues: RecoveredQueues, record: ScannedRecord): boolean {
    if (this.hasHole(record)) {
      this.tornAt = record.offset;
      return false;
    }
    this.visited++;
    this.earlierStoreTimestamp = this.storeTimestamp;
    this.storeTimestamp = record.storeTimestamp;
    this.earlierRecordOffset = this.lastRecordOffset;
    this.lastRecordOffset = record.offset;
    const lastByte = record.propertiesAt + record.propertiesBytes - 1;
    this.suspectAt = record.propertiesBytes > 0 && record.buffer[lastByte] === 0 ? record.offset : -1;
    if (record.physicalOffset !== record.offset) this.misplaced++;
    if (record.offset - this.reportedAt >= PROGRESS_BYTES) this.progress(record.offset);
    if (record.offset < this.range.dispatchFrom) return true;
    return !entersConsumeQueue(record.sysFlag) || this.dispatch(queues, record);
  }

  /**
   * A sector of topic or properties, which no checksum covers, that was never written: zeros from one sector boundary
   * to the next. A power loss leaves that in front of sectors, and of records, that were written.
   */
  private hasHole({ buffer, at, offset, topicAt, propertiesAt, propertiesBytes }: ScannedRecord): boolean {
    const end = propertiesAt + propertiesBytes;
    const beyondSector = ((offset + topicAt - at) % this.log.fileBytes) % SECTOR_BYTES;
    let from = topicAt + (beyondSector === 0 ? 0 : SECTOR_BYTES - beyondSector);
    for (; from + SECTOR_BYTES <= end; from += SECTOR_BYTES) {
      if (buffer[from] === 0 && isZero(buffer, from, SECTOR_BYTES)) return true;
    }
    return false;
  }

  private dispatch(queues: RecoveredQueues, record: ScannedRecord): boolean {
    this.change();
    if (queues.dispatch(record) === 'gap') {
      this.gapAt = record.offset;
      if (!this.range.isFullRebuild) return false;
      this.events.onLostEntries(record);
      queues.restartQueue(record);
      queues.dispatch(record);
    }
    this.dispatched++;
    return true;
  }

  private change(): void {
    if (this.hasChanged) return;
    this.events.onChange();
    this.hasChanged = true;
  }

  private progress(offset: number): void {
    this.reportedAt = offset;
    this.events.onProgress(offset - this.range.from, Math.max(offset, this.dataEnd) - this.range.from);
  }
}
