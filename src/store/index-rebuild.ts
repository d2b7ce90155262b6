/**
 * Puts the keys of a part of the log into the index after recovery, a piece at a time and in the order of the log, so
 * that the files come to hold what they would without a crash. Whoever owns the index reads the pieces, and keeps keys of
 * newer messages out until this has come to the end of the log.
 */
import type { Disk } from '../base/disk.js';
import { IndexKeys } from '../message/index-keys.js';
import { BLANK, Magic, RECORD, RECORD_BYTES_MIN } from '../message/record.js';
import { entersIndex } from '../message/system-flags.js';
import type { Checkpoint } from './checkpoint.js';
import type { IndexService } from './index-service.js';
import { LogScanner, RECORD_BYTES_MAX, type ScannedRecord } from './log-scan.js';
import { leaveUnindexed } from './store-directory.js';

/** A part of the log whose keys the index lacks, up to the log's end. Structured-cloneable. */
export interface Unindexed {
  /** A record begins there, or a file. */
  readonly from: number;
  /** Messages up to this offset have all their keys in the index; -1: none is known to. */
  readonly indexedTo: number;
}

/**
 * The last thing at an orderly stop while the index is still behind, instead of removing the abort file; everything is
 * synced. Apache's broker goes back to where the consume queues are vouched for, and indexes from there on; it keeps an index
 * file that is no newer than the checkpoint says. Our next start knows better (unindexedEnd) and lets only the index go on.
 */
export function stopUnindexed(
  disk: Disk,
  root: string,
  checkpoint: Checkpoint,
  index: IndexService,
  logEnd: number,
): void {
  checkpoint.indexTimestamp = Math.max(checkpoint.indexTimestamp, index.endTimestamp);
  checkpoint.consumeQueueTimestamp = Math.min(checkpoint.consumeQueueTimestamp, index.endTimestamp);
  checkpoint.save();
  leaveUnindexed(disk, root, logEnd);
}

export class IndexRebuild {
  private readonly scanner: LogScanner;
  private readonly keys = new IndexKeys();
  private at: number;
  private wanted = 0;
  private readonly visit = (record: ScannedRecord): void => this.putRecord(record);

  constructor(
    private readonly index: IndexService,
    private readonly fileBytes: number,
    private readonly unindexed: Unindexed,
    /** The log cannot be read as records at `offset`; it goes on behind that, at `position`. */
    private readonly onDamage: (offset: number, problem: string) => void,
    /** Keys of the record at `position` that are in the index: the disk refused the next one. */
    private keysPut = 0,
  ) {
    this.scanner = new LogScanner({ fileBytes, delayLevelsMs: [] });
    this.at = unindexed.from;
  }

  /** Everything before it is in the index. */
  get position(): number {
    return this.at;
  }

  /** The next piece has to have so many bytes, because the record at `position` does; mostly 0. */
  get wantedBytes(): number {
    return this.wanted;
  }

  /** What is before `offset`, where a record or a file begins, is not there any more. */
  skipTo(offset: number): void {
    this.at = Math.max(this.at, offset);
    this.keysPut = 0;
  }

  /**
   * Takes `buffer[0, length)`, which is the log from `position` on, all of one file; a record that is cut off at its end is
   * left for the next piece. Records end at `end`. Throws DiskError when the index cannot be written: `position` is the
   * record that is to be tried again.
   */
  put(buffer: Buffer, length: number, end: number): void {
    this.wanted = 0;
    const from = this.at;
    const result = this.scanner.scanBuffer(buffer, 0, length, from, false, this.visit);
    const { stop, offset, problem, claimedBytes } = result;
    this.at = offset;
    if (stop === 'cut') this.onCut(buffer, offset - from, length, end);
    else if (stop !== 'end') this.skipDamage(problem ?? 'no record', claimedBytes, end);
  }

  private putRecord(record: ScannedRecord): void {
    const { keys, index, unindexed } = this;
    this.at = record.offset;
    if (entersIndex(record.sysFlag) && record.offset > unindexed.indexedTo) {
      keys.open(record.buffer, record.topicAt, record.topicBytes, record.properties);
      for (let key = 0; keys.next(); key++) {
        if (key < this.keysPut) continue;
        index.put(keys.hash, record.offset, record.storeTimestamp);
        this.keysPut++;
      }
    }
    this.keysPut = 0;
    this.at = record.offset + record.totalBytes;
  }

  /** The piece ends within a record, or within the blank end of the file. */
  private onCut(buffer: Buffer, at: number, length: number, end: number): void {
    const fileEnd = this.fileEnd;
    if (length - at < BLANK.headBytes) {
      this.wanted = Math.min(RECORD_BYTES_MIN, end - this.at);
    } else if (buffer.readInt32BE(at + RECORD.magic) === Magic.BLANK) {
      this.at = Math.min(fileEnd, end);
    } else {
      // Before anything else of it was looked at, a record of that size would have to fit.
      const claimed = Math.max(RECORD_BYTES_MIN, buffer.readInt32BE(at + RECORD.totalBytes));
      const isPossible = claimed <= RECORD_BYTES_MAX && this.at + claimed <= Math.min(end, fileEnd);
      if (isPossible && claimed > length - at) this.wanted = claimed;
      else this.skipDamage('impossible length', -1, end);
    }
  }

  /** As Apache's dispatch: behind a record whose size alone is wrong, else with the next file. */
  private skipDamage(problem: string, claimedBytes: number, end: number): void {
    const offset = this.at;
    const { fileEnd } = this;
    this.at = Math.min(claimedBytes > 0 ? offset + claimedBytes : fileEnd, fileEnd, end);
    this.onDamage(offset, problem);
  }

  private get fileEnd(): number {
    return this.at - (this.at % this.fileBytes) + this.fileBytes;
  }
}
