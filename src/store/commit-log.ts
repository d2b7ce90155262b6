/**
 * The write path of a commit log: records are encoded into the window and written out once per turn.
 * One writer, synchronous. Source of the format: CommitLog.java (DefaultAppendMessageCallback).
 *
 *     minOffset ... flushedOffset <= writtenOffset <= endOffset
 *                   | synced      | in the files   | in the window only
 *
 * A master has a window and appends records (reserve, encode, commit; writeOut at the end of the turn). A follower
 * appends bytes of its master (appendRaw, appendFromWindow), which go straight to the files.
 *
 * Failure. When a write fails, `failure` says why, nothing more can be reserved, and what was appended since
 * `writtenOffset` stays in the window: the caller acknowledges nothing of it. The owner calls `retry` now and then; once
 * it succeeds, everything is in the files and the log goes on. After `fail` it never does.
 */
import { type Disk, DiskError, type DiskFile } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { StartError } from '../base/start-error.js';
import { BLANK, writeBlank } from '../message/record.js';
import { LogFiles } from './log-files.js';
import type { LogWindow } from './log-window.js';

export interface CommitLogOptions {
  readonly directory: string;
  /** Size of a file (mappedFileSizeCommitLog). */
  readonly fileBytes: number;
  /** Where appending goes on: the end that recovery found, or 0. */
  readonly startAt: number;
  /** The master's window, for this log alone. A follower has none. */
  readonly window?: LogWindow;
  readonly openFilesMax?: number;
  /** Called before a file is created: retention makes room for it. */
  readonly onNextFile?: () => void;
}

/** Answer of reserve: the log has failed, see `failure`. */
export const NOT_RESERVED = -1;

export class CommitLog {
  readonly files: LogFiles;
  readonly window: LogWindow | undefined;
  readonly fileBytes: number;
  /** The longest record, or batch of records, that can be reserved. */
  readonly maxReserveBytes: number;
  /** Why the last write failed; undefined while the log can be written. */
  failure: DiskError | undefined = undefined;

  private end: number;
  private written: number;
  private flushed: number;
  /** End of the newest file; equal to `end` when the next file has to be created first. */
  private fileEnd: number;
  /** Set by `fail`: no retry can help. */
  private isFinal = false;
  private readonly onNextFile: () => void;
  /** The failure is that the next file could not be created. */
  private lacksFile = false;

  static open(disk: Disk, options: CommitLogOptions): CommitLog {
    return new CommitLog(disk, options);
  }

  private constructor(disk: Disk, options: CommitLogOptions) {
    const { directory, fileBytes, startAt, window } = options;
    this.files = LogFiles.open(disk, {
      directory,
      fileBytes,
      ...(options.openFilesMax === undefined ? {} : { openFilesMax: options.openFilesMax }),
    });
    this.window = window;
    this.onNextFile = options.onNextFile ?? (() => {});
    this.fileBytes = fileBytes;
    this.maxReserveBytes = window === undefined ? 0 : Math.min(window.slackBytes, fileBytes - BLANK.headBytes);
    this.end = startAt;
    this.written = startAt;
    this.flushed = startAt;
    this.fileEnd = startAt;
    if (this.files.indexOf(startAt) >= 0) this.fileEnd = this.files.fileStart(startAt) + fileBytes;
    invariant(
      startAt <= this.files.endOfFiles || this.files.count === 0,
      'log starts where its files end',
      startAt,
      this.files.endOfFiles,
    );
    invariant(this.fileEnd > startAt || startAt % fileBytes === 0, 'log starts in a file or at its edge', startAt);
    if (window !== undefined) this.fillWindow(window, startAt);
  }

  /** Gives the window the part of its first segment that is already in the files, so that the segment is valid. */
  private fillWindow(window: LogWindow, startAt: number): void {
    window.reset(startAt);
    const from = Math.max(window.segmentStart(startAt), this.minOffset);
    // A segment lies in one piece before the window's end.
    const read = this.files.read(from, startAt - from, window.buffer, window.position(from));
    if (read === startAt - from) return;
    const missing = this.files.path(this.files.fileStart(from + read));
    throw new StartError(
      `${missing} is missing, too close to the end of the log (${startAt}) to go on without it: put it back from a backup or ` +
        'from the other broker of the pair, or move the files behind it away, too',
    );
  }

  /** Offset of the oldest byte. */
  get minOffset(): number {
    return this.files.count === 0 ? this.end : this.files.minOffset;
  }

  /** Where the next record begins. */
  get endOffset(): number {
    return this.end;
  }

  /** Everything before it is in the files (page cache). */
  get writtenOffset(): number {
    return this.written;
  }

  /** Everything before it survives a power failure. */
  get flushedOffset(): number {
    return this.flushed;
  }

  /** The window's memory, where records are encoded. */
  get buffer(): Uint8Array {
    invariant(this.window !== undefined, 'log has a window');
    return this.window.buffer;
  }

  get view(): DataView {
    invariant(this.window !== undefined, 'log has a window');
    return this.window.view;
  }

  // Appending by a master.

  /**
   * Makes room for `length` contiguous bytes (a record, or all records of a batch) and returns their position in
   * `buffer`, or NOT_RESERVED. Their physical offset is `endOffset` as it is after this call: at the end of a file the
   * blank record is written and the log goes on in the next file.
   */
  reserve(length: number): number {
    const window = this.window;
    invariant(window !== undefined && length > 0 && length <= this.maxReserveBytes, 'reservation', length);
    if (this.failure !== undefined) return NOT_RESERVED;
    if (length + BLANK.headBytes > this.fileEnd - this.end && !this.startNextFile()) return NOT_RESERVED;
    if (!this.hasRoom(length)) return NOT_RESERVED;
    return window.reserve(this.end, length);
  }

  /**
   * What is not in the files yet must stay readable in the window. The other half of it is room for what the window
   * gives up ahead of the writer.
   */
  private hasRoom(length: number): boolean {
    return this.end + length - this.written <= this.window!.windowBytes / 2 || this.writeOut();
  }

  /** Ends the current file with a blank record, if one is begun, and creates the next. */
  private startNextFile(): boolean {
    const window = this.window!;
    const blankBytes = this.fileEnd - this.end;
    if (!this.hasRoom(blankBytes) || !this.hasNextFile()) return false;
    if (blankBytes > 0) {
      // Zeros after the 8 bytes, so that the files of master and slaves are equal.
      window.clear(this.end, blankBytes);
      const at = window.reserve(this.end, BLANK.headBytes);
      writeBlank(window.view, at, blankBytes);
      window.commit(this.end, BLANK.headBytes);
      this.end += blankBytes;
    }
    this.fileEnd = this.end + this.fileBytes;
    return true;
  }

  /** Creates the file behind the current one, unless `retry` has done so. */
  private hasNextFile(): boolean {
    if (this.files.count > 0 && this.files.endOfFiles > this.fileEnd) return true;
    try {
      this.onNextFile();
      this.files.create(this.fileEnd);
      this.lacksFile = false;
      return true;
    } catch (error) {
      this.failure = asDiskError(error);
      this.lacksFile = true;
      return false;
    }
  }

  /**
   * After a failure: tries again what was refused, the write and the creation of the next file. True when the log can be
   * written (again).
   */
  retry(): boolean {
    if (this.failure === undefined) return true;
    return this.writeOut() && (!this.lacksFile || this.hasNextFile());
  }

  /** Appends what was encoded at the reserved position. */
  commit(length: number): void {
    this.window!.commit(this.end, length);
    this.end += length;
  }

  /**
   * Writes everything new to the files: once per turn, before anything about it is told to others. False when that
   * failed; `failure` says why, and the call may be repeated.
   */
  writeOut(): boolean {
    const window = this.window;
    if (this.isFinal) return false;
    if (window === undefined || this.written === this.end) {
      this.failure = undefined;
      return true;
    }
    try {
      while (this.written < this.end) {
        const left = this.end - this.written;
        const inFile = this.fileBytes - (this.written % this.fileBytes);
        const bytes = Math.min(left, inFile, window.bytesToWrap(this.written));
        this.files.write(window.buffer, window.position(this.written), bytes, this.written);
        this.written += bytes;
      }
      this.failure = undefined;
    } catch (error) {
      this.failure = asDiskError(error);
    }
    window.publishEnd(this.written);
    return this.failure === undefined;
  }

  // Appending by a follower.

  /** Removes all files, the newest first: what an interruption leaves is the beginning of the log. Throws DiskError. */
  clear(): void {
    invariant(this.window === undefined, 'only a follower gives its log up');
    this.files.deleteAfter(-1);
  }

  /** Begins an empty log at a file's first byte: where its master's log begins. */
  beginAt(offset: number): void {
    invariant(this.files.count === 0 && offset % this.fileBytes === 0, 'only an empty log begins elsewhere', offset);
    this.end = offset;
    this.written = offset;
    this.flushed = offset;
    this.fileEnd = offset;
    this.window?.reset(offset);
  }

  /** Appends `source[at, at + length)`, the master's bytes from `endOffset` on. False when that failed. */
  appendRaw(source: Uint8Array, at: number, length: number): boolean {
    invariant(this.window === undefined && !this.isFinal, 'a follower appends raw bytes');
    let done = 0;
    try {
      while (done < length) {
        const offset = this.end + done;
        if (offset === this.fileEnd) {
          this.onNextFile();
          this.files.create(offset);
          this.fileEnd = offset + this.fileBytes;
        }
        const bytes = Math.min(length - done, this.fileEnd - offset);
        this.files.write(source, at + done, bytes, offset);
        done += bytes;
      }
    } catch (error) {
      // What was written is not counted; it is written again.
      this.failure = asDiskError(error);
      return false;
    }
    this.advance(length);
    return true;
  }

  private advance(length: number): void {
    this.failure = undefined;
    this.end += length;
    this.written = this.end;
  }

  /**
   * Appends [endOffset, to) of a master in the same process, straight out of its window.
   * 'gone' when the window does not hold that any more (the caller reads the master's files), 'failed' as appendRaw.
   */
  appendFromWindow(master: LogWindow, to: number): 'appended' | 'gone' | 'failed' {
    const from = this.end;
    invariant(to >= from, 'the master is ahead', to, from);
    if (!master.covers(from, to - from)) return 'gone';
    let isWritten = true;
    while (isWritten && this.end < to) {
      const bytes = Math.min(to - this.end, master.bytesToWrap(this.end));
      isWritten = this.appendRaw(master.buffer, master.position(this.end), bytes);
    }
    if (isWritten && master.isValid(from)) return 'appended';
    // Some of it may have been overwritten while it was being written: what lies in the files there is void.
    this.end = from;
    this.written = from;
    return isWritten ? 'gone' : 'failed';
  }

  // Reading and flushing.

  /** Copies [offset, offset + length) to `target[at..]`; false when it lies outside the log. Throws DiskError. */
  read(offset: number, length: number, target: Uint8Array, at: number): boolean {
    if (offset < this.minOffset || offset + length > this.end) return false;
    if (this.window?.copyOwn(offset, length, target, at) === true) return true;
    // Older than the window, so it was written out.
    return this.files.read(offset, length, target, at) === length;
  }

  /** Called by the flusher: everything before `offset` was synced. */
  noteFlushed(offset: number): void {
    invariant(offset <= this.written, 'flushed what was written', offset, this.written);
    if (offset > this.flushed) this.flushed = offset;
  }

  /** Deletes the oldest file (see LogFiles.unlinkOldest): nobody waits any more for what of it was not synced. */
  unlinkOldest(): DiskFile | undefined {
    // One that is not full is the last, whatever `retry` has created behind it.
    if (this.files.count > 0 && this.files.minOffset + this.fileBytes > this.written) return undefined;
    const file = this.files.unlinkOldest();
    this.flushed = Math.max(this.flushed, this.minOffset);
    return file;
  }

  /** Called by the flusher when fdatasync failed: the kernel may have dropped pages, so no later success means a thing. */
  fail(error: DiskError): void {
    this.failure = error;
    this.isFinal = true;
  }

  /** Writes out, syncs and closes. Throws DiskError when that is not possible. */
  close(): void {
    try {
      if (!this.writeOut()) throw this.failure!;
      // One that `retry` made and nobody needed.
      if (this.window !== undefined && this.files.endOfFiles > this.fileEnd) this.files.deleteAfter(this.fileEnd - 1);
      if (this.flushed < this.written) {
        this.files.sync(this.flushed, this.written);
        this.flushed = this.written;
      }
    } finally {
      this.files.close();
    }
  }
}

function asDiskError(error: unknown): DiskError {
  if (error instanceof DiskError) return error;
  throw error;
}
