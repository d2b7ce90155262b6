/**
 * What lies behind the place where a log ends: usually zeros or half a record. A good record there means that something
 * in between was lost, and recovery has to know which of two things happened (see recovery.ts):
 *
 *     ...good|hole|good...   the machine lost its power before all of it was synced: pages reach the disk in any order
 *     ...good|bad |good...   what had been synced was damaged: a bad disk, a careless hand
 */
import { KIB, MIB } from '../base/units.js';
import { Magic, RECORD, RECORD_BYTES_MIN } from '../message/record.js';
import type { LogFiles } from './log-files.js';
import type { LogBytes, LogScanner } from './log-scan.js';
import { isZero } from './zeros.js';

/** A good record behind the end. */
export interface Remains {
  readonly offset: number;
  readonly storeTimestamp: number;
}

/** Looked through byte by byte behind the end. */
const NEAR_BYTES = 16 * MIB;
/** Farther away a log that goes on shows in one of these samples: records lie side by side. */
const SAMPLE_EVERY_BYTES = 4 * MIB;
const SAMPLE_BYTES = 64 * KIB;
const BLOCK_BYTES = MIB;
const MAGIC = Buffer.alloc(4);
MAGIC.writeInt32BE(Magic.RECORD);
const TWO_32 = 0x1_0000_0000;

/** What is looked through: LogFiles, or anything else that consists of such files. */
export type SearchedLog = LogBytes &
  Pick<LogFiles, 'fileBytes' | 'count' | 'minOffset' | 'endOfFiles' | 'startAt' | 'fileStart'>;

/** Read into within one call; shared by all finders of the thread. */
const block = Buffer.allocUnsafe(BLOCK_BYTES);

export class RemainsFinder {
  constructor(
    private readonly log: SearchedLog,
    private readonly scanner: LogScanner,
  ) {}

  /**
   * The first good record behind `end` that was stored at `notBefore` or later. An older one is a leftover: Apache's
   * broker does not clear what it cut off, and lets new messages grow over it.
   */
  find(end: number, notBefore: number): Remains | undefined {
    const { log } = this;
    const nearTo = Math.min(end + NEAR_BYTES, log.endOfFiles);
    const near = this.search(end + 1, nearTo, notBefore);
    if (near !== undefined) return near;
    const from = Math.max(nearTo, log.minOffset);
    for (let at = from - (from % SAMPLE_EVERY_BYTES); at < log.endOfFiles; at += SAMPLE_EVERY_BYTES) {
      if (!this.hasBytes(Math.max(from, at), SAMPLE_BYTES)) continue;
      const to = Math.min(at + SAMPLE_EVERY_BYTES + SAMPLE_BYTES, log.endOfFiles);
      const found = this.search(Math.max(from, at - SAMPLE_EVERY_BYTES), to, notBefore);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * Where the data of the log seems to end, looking at a few places only: files are sparse, and their size says nothing.
   * For telling how much there is to read; too much by a mebibyte, or by what an earlier broker left behind.
   */
  estimateEnd(): number {
    const { log } = this;
    for (let i = log.count - 1; i >= 0; i--) {
      let last = log.startAt(i);
      let end = last + log.fileBytes;
      if (!this.hasBytes(last, Math.min(SAMPLE_BYTES, log.fileBytes))) continue;
      while (end - last > BLOCK_BYTES) {
        const middle = last + Math.floor((end - last) / 2);
        if (this.hasBytes(middle, Math.min(SAMPLE_BYTES, end - middle))) last = middle;
        else end = middle;
      }
      return end;
    }
    return log.minOffset;
  }

  /** Whether something else than zeros lies in the `length` bytes from `offset` on. */
  hasBytes(offset: number, length: number): boolean {
    for (let done = 0; done < length; ) {
      const got = this.log.read(offset + done, Math.min(length - done, BLOCK_BYTES), block, 0);
      if (!isZero(block, 0, got)) return true;
      if (got === 0) return false;
      done += got;
    }
    return false;
  }

  /** The first good record that begins in [from, to) and was stored at `notBefore` or later; reads all of it. */
  search(from: number, to: number, notBefore: number): Remains | undefined {
    let offset = from;
    while (offset < to) {
      const wanted = Math.min(BLOCK_BYTES, to + RECORD_BYTES_MIN - offset);
      const got = this.log.read(offset, wanted, block, 0);
      const found = this.searchBlock(offset, got, notBefore);
      if (found !== undefined) return found;
      // A missing file gives nothing; the next one may be there.
      if (got < RECORD_BYTES_MIN) offset = this.log.fileStart(offset) + this.log.fileBytes;
      else offset += got - RECORD_BYTES_MIN + 1;
    }
    return undefined;
  }

  private searchBlock(offset: number, length: number, notBefore: number): Remains | undefined {
    let at = block.indexOf(MAGIC);
    for (; at >= 0 && at < length; at = block.indexOf(MAGIC, at + 1)) {
      const candidate = at - RECORD.magic;
      if (candidate < 0 || candidate + RECORD_BYTES_MIN > length) continue;
      // Costs little, and no body that quotes records by chance passes.
      const says = block.readInt32BE(candidate + RECORD.physicalOffset) * TWO_32;
      if (says + block.readUInt32BE(candidate + RECORD.physicalOffset + 4) !== offset + candidate) continue;
      const record = this.recordAt(offset + candidate);
      if (record !== undefined && record.storeTimestamp >= notBefore) return record;
    }
    return undefined;
  }

  private recordAt(offset: number): Remains | undefined {
    let storeTimestamp = -1;
    const fileEnd = this.log.fileStart(offset) + this.log.fileBytes;
    this.scanner.scan(this.log, offset, fileEnd, true, (record) => {
      storeTimestamp = record.storeTimestamp;
      return false;
    });
    return storeTimestamp < 0 ? undefined : { offset, storeTimestamp };
  }
}
