/**
 * Goes through every record of a commit log as it lies on the disk: sizes and names of files, checksums, offsets, the
 * blank records that close files. Behind something bad it looks for the next good record and goes on there.
 */
import { BLANK, Magic } from '../../message/record.js';
import { RemainsFinder } from '../log-remains.js';
import { LogScanner, type ScannedRecord } from '../log-scan.js';
import type { Findings } from './findings.js';
import type { LogImage } from './log-image.js';

export interface LogWalk {
  readonly findings: Findings;
  readonly delayLevelsMs: readonly number[];
  /** The store was closed in order: then there is no torn tail. */
  readonly isClean: boolean;
  /** false ends the walk. */
  readonly onRecord: (record: ScannedRecord) => unknown;
  /** Commit log offset reached. */
  readonly onProgress: (offset: number) => void;
  /** Where to begin: a record, or somewhere in one. Default the first. */
  readonly from?: number;
}

export interface LogFacts {
  readonly records: number;
  readonly bytes: number;
  /** Behind the last record. */
  readonly end: number;
  readonly lastStoreTimestamp: number;
}

const PROGRESS_BYTES = 16 * 1024 * 1024;

export function checkLogFiles(image: LogImage, findings: Findings): void {
  const { fileBytes, directory } = image;
  for (const name of image.strays) {
    findings.add('notice', 'log', `${directory}/${name}`, undefined, 'is no file of a commit log');
  }
  let expected = image.minOffset;
  for (const { start, path, bytes } of image.files) {
    if (bytes !== fileBytes) {
      const isUnfinished = bytes === 0 && start === image.files.at(-1)!.start;
      const text = `has ${bytes} bytes, files of this log have ${fileBytes}`;
      findings.add(isUnfinished ? 'notice' : 'damage', 'log', path, start, text);
    }
    if (start % fileBytes !== 0) {
      findings.add('damage', 'log', path, start, `its name is no multiple of the file size ${fileBytes}`);
    } else if (start > expected) {
      findings.add('damage', 'log', directory, expected, `files are missing: the log goes on at ${start}`);
    }
    expected = start + fileBytes;
  }
}

export function walkLog(image: LogImage, walk: LogWalk): LogFacts {
  return new Walk(image, walk).run();
}

class Walk {
  private readonly scanner: LogScanner;
  private readonly finder: RemainsFinder;
  private records = 0;
  private end: number;
  private lastStoreTimestamp = 0;
  private toldAt = 0;
  private isStopped = false;
  private bytes = 0;

  constructor(
    private readonly image: LogImage,
    private readonly walk: LogWalk,
  ) {
    this.scanner = new LogScanner({ fileBytes: image.fileBytes, delayLevelsMs: walk.delayLevelsMs });
    this.finder = new RemainsFinder(image, new LogScanner({ fileBytes: image.fileBytes, delayLevelsMs: [] }));
    this.end = image.minOffset;
  }

  run(): LogFacts {
    let at: number | undefined = this.beginning();
    while (at !== undefined && !this.isStopped) at = this.scanFile(at);
    const { records, bytes, end, lastStoreTimestamp } = this;
    return { records, bytes, end, lastStoreTimestamp };
  }

  private beginning(): number | undefined {
    const { image, walk } = this;
    if (image.count === 0) return undefined;
    if (walk.from === undefined || walk.from <= image.minOffset) return image.minOffset;
    return this.finder.search(walk.from, image.endOfFiles, 0)?.offset;
  }

  /** Scans from `at` to the end of its file; where to go on. */
  private scanFile(at: number): number | undefined {
    const { image } = this;
    const fileEnd = image.fileStart(at) + image.fileBytes;
    const { stop, offset, problem } = this.scanner.scan(image, at, fileEnd, true, (record) => this.onRecord(record));
    if (this.isStopped) return undefined;
    if (stop === 'end') {
      if (this.end < fileEnd) this.checkBlank(Math.max(this.end, at), fileEnd);
      return this.nextFile(fileEnd);
    }
    const next = this.finder.search(offset + 1, image.endOfFiles, this.lastStoreTimestamp);
    if (next === undefined) {
      this.onEnd(offset, problem);
      return undefined;
    }
    const what = stop === 'empty' ? 'zeros' : `bad record (${problem ?? stop})`;
    const where = `at byte ${offset - image.fileStart(offset)} of the file`;
    const text = `${what} ${where}; the next good record is at ${next.offset}`;
    this.walk.findings.add('damage', 'log', image.pathAt(offset), offset, text);
    return next.offset;
  }

  private onRecord(record: ScannedRecord): boolean {
    const end = record.offset + record.totalBytes;
    this.records++;
    this.bytes += record.totalBytes;
    this.end = end;
    this.lastStoreTimestamp = record.storeTimestamp;
    if (record.physicalOffset !== record.offset) {
      const text = `the record says that it lies at ${record.physicalOffset}`;
      this.walk.findings.add('damage', 'log', this.image.pathAt(record.offset), record.offset, text);
    }
    if (end - this.toldAt >= PROGRESS_BYTES) {
      this.toldAt = end;
      this.walk.onProgress(end);
    }
    if (this.walk.onRecord(record) === false) this.isStopped = true;
    return !this.isStopped;
  }

  /** The file's last record is a blank one from `at` on: its size has to lead to the file's end. */
  private checkBlank(at: number, fileEnd: number): void {
    const head = Buffer.alloc(BLANK.headBytes);
    this.image.read(at, head.length, head, 0);
    const bytes = head.readInt32BE(BLANK.totalBytes);
    if (head.readInt32BE(BLANK.magic) === Magic.BLANK && bytes === fileEnd - at) return;
    const text = `the blank record that closes the file claims ${bytes} bytes of ${fileEnd - at}`;
    this.walk.findings.add('damage', 'log', this.image.pathAt(at), at, text);
  }

  private nextFile(fileEnd: number): number | undefined {
    return this.image.files.find(({ start }) => start >= fileEnd)?.start;
  }

  /** Nothing good follows: the end of the log, or what a crash left there. */
  private onEnd(offset: number, problem: string | undefined): void {
    const { image, walk } = this;
    if (problem === undefined) return;
    const severity = walk.isClean && this.claimsToBe(offset) ? 'damage' : 'notice';
    const text = `the log ends in a torn or damaged record (${problem}) at byte ${offset - image.fileStart(offset)} of the file`;
    walk.findings.add(severity, 'log', image.pathAt(offset), offset, text);
  }

  /** A record was written there, and not one of before an earlier cut. */
  private claimsToBe(offset: number): boolean {
    const head = Buffer.alloc(36);
    this.image.read(offset, head.length, head, 0);
    return head.readInt32BE(4) === Magic.RECORD && head.readBigInt64BE(28) === BigInt(offset);
  }
}
