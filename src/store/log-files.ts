/**
 * The files of one log directory: fixed size, named by the offset of their first byte (20 digits), full-size and
 * sparse from creation. Offsets go on from file to file. Source: MappedFileQueue.java, MappedFile.java.
 *
 * Only the owner of the log (its broker, recovery) has a LogFiles; other threads read through LogReader.
 */
import type { Disk, DiskFile } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { makeDurableDirectory } from './directories.js';

/** What keeps a store from being opened: for the operator, with path and remedy. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

const NAME_DIGITS = 20;
const OPEN_FILES_MAX = 16;

export function logFileName(start: number): string {
  return String(start).padStart(NAME_DIGITS, '0');
}

/** Offset of the first byte, or -1 when the name is not one of a log file. */
export function logFileStart(name: string): number {
  if (name.length !== NAME_DIGITS || !/^\d+$/.test(name)) return -1;
  const start = Number(name);
  return Number.isSafeInteger(start) ? start : -1;
}

/** Opened files of a directory by start offset, at most `max` at a time; the one longest unused goes first. */
export class OpenLogFiles {
  /** In order of use, the latest last. */
  private readonly open = new Map<number, DiskFile>();

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly max: number,
  ) {
    invariant(max >= 1, 'at least one open file', max);
  }

  /** Opens or reuses the file; throws DiskError (ENOENT when there is none). */
  get(start: number): DiskFile {
    let file = this.open.get(start);
    if (file !== undefined && this.open.size === 1) return file;
    if (file === undefined) file = this.disk.open(`${this.directory}/${logFileName(start)}`);
    else this.open.delete(start);
    this.open.set(start, file);
    if (this.open.size > this.max) this.closeLeastUsed();
    return file;
  }

  /** Creates the file, empty, and keeps it open. */
  create(start: number): DiskFile {
    const file = this.disk.open(`${this.directory}/${logFileName(start)}`, { create: true });
    this.open.set(start, file);
    if (this.open.size > this.max) this.closeLeastUsed();
    return file;
  }

  private closeLeastUsed(): void {
    for (const start of this.open.keys()) {
      if (this.open.size <= this.max) return;
      this.close(start);
    }
  }

  close(start: number): void {
    this.open.get(start)?.close();
    this.open.delete(start);
  }

  /** Opens or reuses the file and hands it over: its new owner closes it. */
  take(start: number): DiskFile {
    const file = this.get(start);
    this.open.delete(start);
    return file;
  }

  /** Closes files that start before `offset`. */
  closeBefore(offset: number): void {
    for (const start of [...this.open.keys()]) if (start < offset) this.close(start);
  }

  closeAll(): void {
    for (const start of [...this.open.keys()]) this.close(start);
  }
}

export interface LogFilesOptions {
  readonly directory: string;
  readonly fileBytes: number;
  /** At most this many file descriptors. Default 16. */
  readonly openFilesMax?: number;
  /** The last file may be shorter, because clearTail was interrupted. */
  readonly isTailCut?: boolean;
}

export class LogFiles {
  readonly directory: string;
  readonly fileBytes: number;
  /** Directory entries that are no log files; they are left alone. */
  readonly strays: readonly string[];
  /** First offsets, ascending. Neighbours are contiguous unless somebody deleted a file between them. */
  private readonly starts: number[];
  private readonly openFiles: OpenLogFiles;

  /**
   * Lists the directory, creating it when missing. Throws StoreError when a file has another size than configured, as
   * Apache's broker refuses to start; only an empty last file, whose creation was cut short, is brought to its size, and
   * with `isTailCut` any last file.
   */
  static open(disk: Disk, options: LogFilesOptions): LogFiles {
    return new LogFiles(disk, options);
  }

  private constructor(
    private readonly disk: Disk,
    options: LogFilesOptions,
  ) {
    const { directory, fileBytes } = options;
    invariant(Number.isSafeInteger(fileBytes) && fileBytes > 0, 'bytes of a log file', fileBytes);
    this.directory = directory;
    this.fileBytes = fileBytes;
    this.openFiles = new OpenLogFiles(disk, directory, options.openFilesMax ?? OPEN_FILES_MAX);
    makeDurableDirectory(disk, directory);
    const names = disk.list(directory);
    this.strays = names.filter((name) => logFileStart(name) < 0);
    this.starts = names.map(logFileStart).filter((start) => start >= 0);
    for (const start of this.starts) this.checkSize(start, options.isTailCut === true);
  }

  private checkSize(start: number, isTailCut: boolean): void {
    const path = this.path(start);
    const bytes = this.disk.stat(path)?.bytes ?? 0;
    const isUnfinished = start === this.starts.at(-1) && (bytes === 0 || (isTailCut && bytes < this.fileBytes));
    if (isUnfinished) {
      this.openFiles.get(start).truncate(this.fileBytes);
    } else if (bytes !== this.fileBytes) {
      const others = this.starts.filter((other) => this.disk.stat(this.path(other))?.bytes === this.fileBytes).length;
      const remedy =
        others === 0
          ? `set mappedFileSizeCommitLog=${bytes}, which this store was written with, or its byte budget (--store-max-bytes) again`
          : `${others} others have that, so this one is damaged: put it back from a backup or from the other broker of the pair`;
      throw new StoreError(
        `${path} has ${bytes} bytes, but files of this log are configured to have ${this.fileBytes}: ${remedy}`,
      );
    }
    if (start % this.fileBytes !== 0) {
      throw new StoreError(`${path}: its name is no multiple of the configured file size ${this.fileBytes}`);
    }
  }

  path(start: number): string {
    return `${this.directory}/${logFileName(start)}`;
  }

  get count(): number {
    return this.starts.length;
  }

  /** Offset of the first byte of the file with that index, 0 being the oldest. */
  startAt(index: number): number {
    const start = this.starts[index];
    invariant(start !== undefined, 'index of a log file', index, this.starts.length);
    return start;
  }

  /** First byte of the oldest file; 0 when there is none. */
  get minOffset(): number {
    return this.starts[0] ?? 0;
  }

  /** End of the newest file; 0 when there is none. */
  get endOfFiles(): number {
    const last = this.starts.at(-1);
    return last === undefined ? 0 : last + this.fileBytes;
  }

  /** First byte of the file that holds, or would hold, `offset`. */
  fileStart(offset: number): number {
    return offset - (offset % this.fileBytes);
  }

  /** Index of the file that holds `offset`, or -1. */
  indexOf(offset: number): number {
    const first = this.starts[0];
    if (first === undefined) return -1;
    const start = this.fileStart(offset);
    // Almost always right; a gap left by a deleted file makes it too large.
    const guess = (start - first) / this.fileBytes;
    return this.starts[guess] === start ? guess : this.starts.indexOf(start);
  }

  /** Modification time of a file, ms since the epoch; retention goes by it. */
  modifiedMs(index: number): number {
    return this.disk.stat(this.path(this.startAt(index)))?.modifiedMs ?? 0;
  }

  /** Creates the file that follows the newest one, full-size and durable in its directory. Throws DiskError. */
  create(start: number): void {
    invariant(start % this.fileBytes === 0, 'start of a log file', start);
    invariant(this.starts.length === 0 || start >= this.endOfFiles, 'log files are created in order', start);
    const file = this.openFiles.create(start);
    try {
      file.truncate(this.fileBytes);
      // The size first: after a power failure a file has its full size, unless its creation was the last thing done.
      file.sync();
      this.disk.syncDirectory(this.directory);
    } catch (error) {
      this.openFiles.close(start);
      this.disk.remove(this.path(start));
      throw error;
    }
    this.starts.push(start);
  }

  /**
   * Copies up to `length` bytes from `offset` on to `target[at..]`, across files; returns how many there were before
   * the first missing byte. Throws DiskError.
   */
  read(offset: number, length: number, target: Uint8Array, at: number): number {
    let done = 0;
    while (done < length) {
      const start = this.fileStart(offset + done);
      if (this.indexOf(start) < 0) break;
      const inFile = offset + done - start;
      const wanted = Math.min(length - done, this.fileBytes - inFile);
      const read = this.openFiles.get(start).read(target, at + done, wanted, inFile);
      done += read;
      if (read < wanted) break;
    }
    return done;
  }

  /** Writes at `offset`, across files, all of which exist. Throws DiskError, possibly with a part written. */
  write(source: Uint8Array, at: number, length: number, offset: number): void {
    let done = 0;
    while (done < length) {
      const start = this.fileStart(offset + done);
      invariant(this.indexOf(start) >= 0, 'log file exists', this.directory, start);
      const inFile = offset + done - start;
      const bytes = Math.min(length - done, this.fileBytes - inFile);
      this.openFiles.get(start).write(source, at + done, bytes, inFile);
      done += bytes;
    }
  }

  /** The file that holds `offset`: for syncLater, which outlives a close. */
  fileAt(offset: number): DiskFile {
    const start = this.fileStart(offset);
    invariant(this.indexOf(start) >= 0, 'log file exists', this.directory, start);
    return this.openFiles.get(start);
  }

  /** fdatasync, blocking, of every file that holds a byte of [from, to). */
  sync(from: number, to: number): void {
    for (const start of this.starts) {
      if (start < to && start + this.fileBytes > from) this.openFiles.get(start).sync();
    }
  }

  /**
   * Deletes the oldest file, never the newest; undefined when there is nothing to delete. Its name is durably gone; the
   * caller closes the file, which is what gives its bytes back. Throws DiskError.
   */
  unlinkOldest(): DiskFile | undefined {
    const start = this.starts[0];
    if (start === undefined || this.starts.length === 1) return undefined;
    const file = this.openFiles.take(start);
    try {
      this.disk.remove(this.path(start));
      this.starts.shift();
      this.disk.syncDirectory(this.directory);
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  /** The same, and the bytes are given back at once. */
  deleteOldest(): boolean {
    const file = this.unlinkOldest();
    file?.close();
    return file !== undefined;
  }

  /** Deletes files that start after `offset`, the newest first; returns how many. */
  deleteAfter(offset: number): number {
    let deleted = 0;
    for (let start = this.starts.at(-1); start !== undefined && start > offset; start = this.starts.at(-1)) {
      this.openFiles.close(start);
      this.disk.remove(this.path(start));
      this.starts.pop();
      deleted++;
    }
    if (deleted > 0) this.disk.syncDirectory(this.directory);
    return deleted;
  }

  /** Moves the newest file to another place of the same file system. Throws DiskError. */
  moveLast(to: string): void {
    const start = this.starts.at(-1);
    invariant(start !== undefined, 'there is a file to move', this.directory);
    this.openFiles.close(start);
    this.disk.rename(this.path(start), to);
    this.starts.pop();
    this.disk.syncDirectory(this.directory);
  }

  /**
   * Gives back the rest of the file that holds `offset`, so that what lay there can never be taken for records again:
   * zeros from now on, durably. In between the file is shorter, which the caller has to be able to tell after a crash.
   */
  clearTail(offset: number): void {
    const start = this.fileStart(offset);
    if (this.indexOf(start) < 0) return;
    const file = this.openFiles.get(start);
    file.truncate(offset - start);
    file.truncate(this.fileBytes);
    file.sync();
  }

  close(): void {
    this.openFiles.closeAll();
  }
}
