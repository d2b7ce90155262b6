/**
 * Walks over the records of a part of a commit log: recovery, slaves that dispatch what they replicated, a broker that
 * goes back for a queue thread which fell behind, offline checks. One visitor object for all records.
 */
import { invariant } from '../base/invariant.js';
import { MIB } from '../base/units.js';
import { bytesEqual, parseDecimal } from '../message/bytes.js';
import { tagsCode } from '../message/java-hash.js';
import { PropertyScan, Scanned } from '../message/properties.js';
import {
  BLANK,
  checkRecord,
  Magic,
  RECORD,
  RECORD_HEAD_BYTES_MAX,
  RecordFields,
  type RecordProblem,
  recordHeadBytes,
  PROPERTIES_BYTES_MAX,
  TOPIC_BYTES_MAX,
} from '../message/record.js';
import { SystemTopic } from '../message/topics.js';

/** What can be scanned: LogFiles, or anything else that reads by physical offset. */
export interface LogBytes {
  /** Copies up to `length` bytes from `offset` on; returns how many there are. Throws DiskError. */
  read(offset: number, length: number, target: Uint8Array, at: number): number;
  /** Of what the latest read gave, all records that are whole are good, checksums of their bodies included. */
  readonly areBodiesGood?: boolean;
}

/** The current record. Ranges are positions in `buffer`, valid until the visitor returns. */
export class ScannedRecord extends RecordFields {
  buffer: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the record begins in `buffer`. */
  at = 0;
  /** Where it lies in the log; `physicalOffset` is what the record itself says. */
  offset = 0.5;
  readonly properties = new PropertyScan();
  /**
   * What its consume queue entry carries: the hash of its tag, or in SCHEDULE_TOPIC_XXXX the time of delivery (ms).
   */
  tagsCode = 0.5;
}

export type ScanStop =
  /** The range is done. */
  | 'end'
  /** Zeros where a record would begin: nothing was written there. */
  | 'empty'
  /** No record, and not zeros. */
  | 'bad'
  /** The range ends within a record or within the blank end of a file. */
  | 'cut'
  /** The bytes cannot be read: a file is missing. */
  | 'missing'
  /** The visitor had enough. */
  | 'stopped';

export interface ScanResult {
  readonly stop: ScanStop;
  /** Where the first record that was not visited begins. */
  readonly offset: number;
  /** First byte of the file that `offset` lies in; -1 when it is at a file's edge after the last record. */
  readonly fileStart: number;
  /** Set when bad. */
  readonly problem: RecordProblem | undefined;
  /** When bad: the size it claims, if only its size is wrong; else -1. Apache's dispatch skips such a record. */
  readonly claimedBytes: number;
}

/** Takes a record; false ends the scan before the next one. */
export type Visit = (record: ScannedRecord) => unknown;

export interface LogScannerOptions {
  readonly fileBytes: number;
  /** Delay of level n in ms at index n - 1 (messageDelayLevel). */
  readonly delayLevelsMs: readonly number[];
  /** Bytes per read. Default 1 MiB. */
  readonly blockBytes?: number;
}

const BLOCK_BYTES = MIB;
/** Larger than any record: frames have at most 16 MiB unless the limit was raised. What claims more is no record. */
export const RECORD_BYTES_MAX = 64 * MIB;
/** A level without a delay is delivered after this long (ScheduleMessageService.computeDeliverTimestamp). */
const UNKNOWN_LEVEL_DELAY_MS = 1000;
const SCHEDULE_TOPIC = Buffer.from(SystemTopic.SCHEDULE, 'latin1');

/** The delay levels of `messageDelayLevel`, in ms: '1s 5s 2m 1h 1d'. Undefined when the text is none. */
export function parseDelayLevels(text: string): number[] | undefined {
  const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  const levels: number[] = [];
  for (const level of text.trim().split(' ')) {
    const match = /^(\d+)([smhd])$/.exec(level);
    if (match === null) return undefined;
    levels.push(Number(match[1]) * unitMs[match[2]!]!);
  }
  return levels;
}

/** tagsCode of the consume queue entry of a record (CommitLog.checkMessageAndReturnSize). */
export function entryTagsCodeOf(
  bytes: Uint8Array,
  topicAt: number,
  topicBytes: number,
  properties: PropertyScan,
  storeTimestamp: number,
  delayLevelsMs: readonly number[],
): number {
  if (properties.has(Scanned.DELAY) && bytesEqual(bytes, topicAt, topicBytes, SCHEDULE_TOPIC)) {
    const level = parseDecimal(bytes, properties.at(Scanned.DELAY), properties.length(Scanned.DELAY));
    if (level > 0) {
      const capped = Math.min(level, delayLevelsMs.length);
      return storeTimestamp + (delayLevelsMs[capped - 1] ?? UNKNOWN_LEVEL_DELAY_MS);
    }
  }
  return tagsCode(bytes, properties.at(Scanned.TAGS), properties.length(Scanned.TAGS));
}

export class LogScanner {
  private readonly record = new ScannedRecord();
  private readonly blockBytes: number;
  private block: Buffer;
  private blockView: DataView;
  /** Offset of the block's first byte, and how many bytes it holds. */
  private blockOffset = 0;
  private blockLength = 0;
  /** The last read gave less than was asked for. */
  private isShort = false;
  /** Somebody has compared the checksums already. */
  private areBodiesGood = false;

  constructor(private readonly options: LogScannerOptions) {
    this.blockBytes = options.blockBytes ?? BLOCK_BYTES;
    invariant(this.blockBytes >= 2 * RECORD_HEAD_BYTES_MAX, 'block of a log scan', this.blockBytes);
    this.block = Buffer.alloc(0);
    this.blockView = new DataView(this.block.buffer, 0, 0);
  }

  /** Visits the records of [from, to), where `from` is the begin of a record; without a visitor it only checks them. */
  scan(source: LogBytes, from: number, to: number, checkBodyCrc: boolean, visit: Visit | undefined): ScanResult {
    if (this.block.length < this.blockBytes) this.useBlock(Buffer.allocUnsafeSlow(this.blockBytes));
    this.blockLength = 0;
    this.isShort = false;
    return this.walk(source, from, to, checkBodyCrc, visit);
  }

  /** Visits the records of a range that is in memory: `buffer[at, at + length)` is the log from `offset` on. */
  scanBuffer(
    buffer: Buffer,
    at: number,
    length: number,
    offset: number,
    checkBodyCrc: boolean,
    visit: Visit,
  ): ScanResult {
    const own = this.block;
    // Positions count from the buffer's begin, so that visitors see the caller's buffer.
    this.useBlock(buffer);
    this.blockOffset = offset - at;
    this.blockLength = at + length;
    this.isShort = false;
    this.areBodiesGood = false;
    try {
      return this.walk(undefined, offset, offset + length, checkBodyCrc, visit);
    } finally {
      this.useBlock(own);
      this.blockLength = 0;
    }
  }

  private useBlock(block: Buffer): void {
    this.block = block;
    this.blockView = new DataView(block.buffer, block.byteOffset, block.length);
  }

  private walk(
    source: LogBytes | undefined,
    from: number,
    to: number,
    checkBodyCrc: boolean,
    visit: Visit | undefined,
  ): ScanResult {
    const { fileBytes } = this.options;
    let offset = from;
    while (offset < to) {
      const fileEnd = offset - (offset % fileBytes) + fileBytes;
      const limit = Math.min(fileEnd, to);
      const at = this.load(source, offset, limit);
      const available = Math.min(this.blockOffset + this.blockLength, limit) - offset;
      if (available < BLANK.headBytes) {
        if (this.isShort) return this.stop('missing', offset);
        return limit < fileEnd ? this.stop('cut', offset) : this.stop('bad', offset, 'too short');
      }
      const check = checkRecord(this.block, this.blockView, at, available, checkBodyCrc && !this.areBodiesGood);
      if (check.status === 'record') {
        const next = offset + check.size;
        if (visit !== undefined) {
          this.readRecord(at, offset);
          if (visit(this.record) === false) return this.stop('stopped', next);
        }
        offset = next;
      } else if (check.status === 'blank') {
        if (limit < fileEnd) return this.stop('cut', offset);
        offset = fileEnd;
      } else {
        const claimed = this.blockView.getInt32(at + RECORD.totalBytes);
        const magic = this.blockView.getInt32(at + RECORD.magic);
        if (claimed === 0 && magic === 0) return this.stop('empty', offset);
        if (magic === Magic.RECORD && claimed > available) {
          if (this.isShort) return this.stop('missing', offset);
          if (claimed > limit - offset && limit < fileEnd) return this.stop('cut', offset);
        }
        return this.stop('bad', offset, check.reason, check.size);
      }
    }
    return this.stop('end', offset);
  }

  private stop(
    stop: ScanStop,
    offset: number,
    problem: RecordProblem | undefined = undefined,
    claimedBytes = -1,
  ): ScanResult {
    const fileStart =
      stop === 'end' && offset % this.options.fileBytes === 0 ? -1 : offset - (offset % this.options.fileBytes);
    return { stop, offset, fileStart, problem, claimedBytes };
  }

  /** Sees to it that the record at `offset` is in the block, as far as it is there at all; its position in the block. */
  private load(source: LogBytes | undefined, offset: number, limit: number): number {
    if (source === undefined) return offset - this.blockOffset;
    const wanted = Math.min(RECORD_HEAD_BYTES_MAX, limit - offset);
    if (offset < this.blockOffset || offset + wanted > this.blockOffset + this.blockLength) {
      this.readBlock(source, offset, limit);
    }
    const at = offset - this.blockOffset;
    const total = this.plausibleBytes(at, limit - offset);
    if (offset + total > this.blockOffset + this.blockLength) {
      if (total > this.block.length) this.useBlock(Buffer.allocUnsafeSlow(total));
      this.readBlock(source, offset, limit);
    }
    return offset - this.blockOffset;
  }

  private readBlock(source: LogBytes, offset: number, limit: number): void {
    const wanted = Math.min(this.block.length, limit - offset);
    this.blockOffset = offset;
    this.blockLength = source.read(offset, wanted, this.block, 0);
    this.isShort = this.blockLength < wanted;
    this.areBodiesGood = source.areBodiesGood === true;
  }

  /** Bytes of the record at `at`, if its head makes sense; else 0, so that garbage never asks for a huge block. */
  private plausibleBytes(at: number, limitBytes: number): number {
    const view = this.blockView;
    if (this.blockLength - at < RECORD_HEAD_BYTES_MAX) return 0;
    if (view.getInt32(at + RECORD.magic) !== Magic.RECORD) return 0;
    const total = view.getInt32(at + RECORD.totalBytes);
    const headBytes = recordHeadBytes(view.getInt32(at + RECORD.sysFlag));
    const tailBytes = total - headBytes - Math.max(0, view.getInt32(at + headBytes - 4));
    if (tailBytes < 3 || tailBytes > 3 + TOPIC_BYTES_MAX + PROPERTIES_BYTES_MAX) return 0;
    return total <= RECORD_BYTES_MAX && total <= limitBytes ? total : 0;
  }

  private readRecord(at: number, offset: number): void {
    const record = this.record;
    record.buffer = this.block;
    record.view = this.blockView;
    record.at = at;
    record.offset = offset;
    record.read(this.blockView, at);
    record.properties.scan(this.block, record.propertiesAt, record.propertiesBytes);
    record.tagsCode = entryTagsCodeOf(
      this.block,
      record.topicAt,
      record.topicBytes,
      record.properties,
      record.storeTimestamp,
      this.options.delayLevelsMs,
    );
  }
}
