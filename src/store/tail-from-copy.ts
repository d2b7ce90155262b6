/**
 * A master that lost the end of its log to a power loss takes it back from the log of its slave in the same process,
 * which holds nothing that did not come from it: messages that were acknowledged, with SYNC_MASTER, are there again at
 * their offsets, and the slave need not be refused for knowing more than its master.
 *
 *     master  ...........|E                    before E both are compared; a copy of another history is left alone
 *     slave   ...........|=====|S              records from E to S, each checked, are appended to the master's log
 *
 * The slave may be recovering itself meanwhile: it only removes what is no record. A log without files takes nothing:
 * somebody emptied it. One whose first file is there and empty lost all that it had.
 */
import { type Disk, DiskError } from '../base/disk.js';
import { KIB, MIB } from '../base/units.js';
import { LogFiles, OpenLogFiles } from './log-files.js';
import { type LogBytes, LogScanner } from './log-scan.js';
import type { RecoverOptions } from './recovery.js';

/** How much in front of the end has to be the same in both. */
const COMPARED_BYTES = 64 * KIB;
const OPEN_FILES_MAX = 2;

/** Appends what `copyDirectory` has behind `endOffset`; returns how many bytes. The log has to be recovered again then. */
export function takeTail(disk: Disk, options: RecoverOptions, copyDirectory: string, endOffset: number): number {
  const { commitLogDirectory: directory, fileBytes, delayLevelsMs } = options;
  const log = LogFiles.open(disk, { directory, fileBytes });
  const copy = new LogCopy(disk, copyDirectory, fileBytes);
  try {
    if (log.count === 0 || !isSameBefore(log, copy, endOffset)) return 0;
    const scanner = new LogScanner({ fileBytes, delayLevelsMs });
    const { offset: end } = scanner.scan(copy, endOffset, Number.MAX_SAFE_INTEGER, true, (record) => {
      return record.physicalOffset === record.offset;
    });
    append(log, copy, endOffset, end);
    return Math.max(0, end - endOffset);
  } finally {
    copy.close();
    log.close();
  }
}

function isSameBefore(log: LogFiles, copy: LogBytes, end: number): boolean {
  if (end === 0) return true;
  const length = Math.min(COMPARED_BYTES, end - log.minOffset);
  const own = Buffer.alloc(length);
  const other = Buffer.alloc(length);
  const areThere =
    length > 0 &&
    log.read(end - length, length, own, 0) === length &&
    copy.read(end - length, length, other, 0) === length;
  return areThere && own.equals(other);
}

function append(log: LogFiles, copy: LogBytes, from: number, to: number): void {
  const chunk = Buffer.alloc(Math.min(MIB, Math.max(0, to - from)));
  for (let at = from; at < to; ) {
    const start = log.fileStart(at);
    if (log.indexOf(at) < 0) log.create(start);
    const bytes = copy.read(at, Math.min(chunk.length, to - at, start + log.fileBytes - at), chunk, 0);
    // Cut off by its own recovery in this moment.
    if (bytes === 0) return;
    log.write(chunk, 0, bytes, at);
    at += bytes;
  }
}

/** Files of a log that somebody else has open, and may be changing. */
class LogCopy implements LogBytes {
  private readonly files: OpenLogFiles;

  constructor(
    disk: Disk,
    directory: string,
    private readonly fileBytes: number,
  ) {
    this.files = new OpenLogFiles(disk, directory, OPEN_FILES_MAX);
  }

  read(offset: number, length: number, target: Uint8Array, at: number): number {
    let done = 0;
    while (done < length) {
      const inFile = (offset + done) % this.fileBytes;
      const wanted = Math.min(length - done, this.fileBytes - inFile);
      const read = this.readFile(offset + done - inFile, inFile, wanted, target, at + done);
      done += read;
      if (read < wanted) break;
    }
    return done;
  }

  private readFile(start: number, inFile: number, length: number, target: Uint8Array, at: number): number {
    try {
      return this.files.get(start).read(target, at, length, inFile);
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return 0;
      throw error;
    }
  }

  close(): void {
    this.files.closeAll();
  }
}
