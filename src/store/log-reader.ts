/**
 * Reads a commit log that another actor writes: from its shared window, else from its files by position. For queue and
 * HA actors on any thread. Nothing is listed: the file is known from the offset.
 */
import { type Disk, DiskError } from '../base/disk.js';
import { OpenLogFiles } from './log-files.js';
import type { LogWindow } from './log-window.js';

/** A reader far behind walks through one file at a time; two readers of a thread may be at different places. */
const OPEN_FILES_MAX = 4;

export interface LogReaderOptions {
  readonly directory: string;
  readonly fileBytes: number;
  /** The writer's window (attached); without it every read goes to the files. */
  readonly window: LogWindow | undefined;
  /** At most this many file descriptors. Default 4. */
  readonly openFilesMax?: number;
}

export class LogReader {
  /** Reads that the window answered, and that went to a file. */
  windowReads = 0;
  fileReads = 0;
  private readonly openFiles: OpenLogFiles;

  constructor(
    disk: Disk,
    private readonly options: LogReaderOptions,
  ) {
    this.openFiles = new OpenLogFiles(disk, options.directory, options.openFilesMax ?? OPEN_FILES_MAX);
  }

  /**
   * Copies the range to `target[at..]`. The caller knows that it was appended (a consume queue entry, a notice of the
   * log's end). False when a file with a part of it is gone; other disk errors are thrown as DiskError.
   */
  read(offset: number, length: number, target: Uint8Array, at: number): boolean {
    if (this.options.window?.copy(offset, length, target, at) === true) {
      this.windowReads++;
      return true;
    }
    this.fileReads++;
    const fileBytes = this.options.fileBytes;
    let done = 0;
    while (done < length) {
      const inFile = (offset + done) % fileBytes;
      const wanted = Math.min(length - done, fileBytes - inFile);
      if (this.readFile(offset + done - inFile, inFile, wanted, target, at + done) < wanted) return false;
      done += wanted;
    }
    return true;
  }

  private readFile(start: number, inFile: number, length: number, target: Uint8Array, at: number): number {
    try {
      return this.openFiles.get(start).read(target, at, length, inFile);
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return 0;
      throw error;
    }
  }

  /** Closes what retention deleted. */
  forgetBefore(minOffset: number): void {
    const fileBytes = this.options.fileBytes;
    this.openFiles.closeBefore(minOffset - (minOffset % fileBytes));
  }

  /** Closes all files; the next read opens what it needs. For actors that go to sleep. */
  release(): void {
    this.openFiles.closeAll();
  }
}
