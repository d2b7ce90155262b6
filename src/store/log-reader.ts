/**
 * Reads a commit log that another actor writes: from its shared window, from blocks that were brought into memory, else
 * from its files by position. For queue and HA actors on any thread. Nothing is listed: the file is known from the offset.
 *
 * The last of these may have to wait for the device. Who must not lets `cold` bring the bytes first: everything that
 * `isRecent` denies; whether the system still has it in its page cache nobody can say.
 */
import { type Disk, DiskError } from '../base/disk.js';
import { ColdReads } from './cold-reads.js';
import { OpenLogFiles } from './log-files.js';
import { type LogWindow, WINDOW_BYTES_DEFAULT } from './log-window.js';

/** A reader far behind walks through one file at a time; two readers of a thread may be at different places. */
const OPEN_FILES_MAX = 4;

export interface LogReaderOptions {
  readonly directory: string;
  readonly fileBytes: number;
  /** The writer's window (attached); without it every read goes to the files. */
  readonly window: LogWindow | undefined;
  /** At most this many file descriptors. Default 4. */
  readonly openFilesMax?: number;
  /** Memory for blocks of `cold`. Default 0: as little as it works with. */
  readonly cacheBytes?: number;
  /** The files are in memory, too: no read waits. */
  readonly isMemory?: boolean;
}

export class LogReader {
  /** Reads that the window answered, and that went to a file. */
  windowReads = 0;
  fileReads = 0;
  /** How long reads of files took, since it was last set to 0. */
  fileReadMs = 0;
  readonly cold: ColdReads;
  private readonly openFiles: OpenLogFiles;

  constructor(
    disk: Disk,
    private readonly options: LogReaderOptions,
  ) {
    this.openFiles = new OpenLogFiles(disk, options.directory, options.openFilesMax ?? OPEN_FILES_MAX);
    this.cold = new ColdReads(this.openFiles, options.fileBytes, options.cacheBytes ?? 0);
  }

  /**
   * HOT. True when what lies at `offset` of a log that ends at `logEnd`, and everything behind it, is in the window; where
   * there is none, when it is about as near to the end.
   */
  isRecent(offset: number, logEnd: number): boolean {
    const { window, isMemory } = this.options;
    if (isMemory === true) return true;
    return window === undefined ? logEnd - offset <= WINDOW_BYTES_DEFAULT : window.isValid(offset);
  }

  /** True when that range needs no file. */
  isInMemory(offset: number, length: number, logEnd: number): boolean {
    return this.isRecent(offset, logEnd) || this.cold.blocks.has(offset, offset + length);
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
    if (this.cold.blocks.copy(offset, offset + length, target, at)) return true;
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
      const file = this.openFiles.get(start);
      const bytes = file.read(target, at, length, inFile);
      this.fileReadMs += file.lastReadMs;
      return bytes;
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return 0;
      throw error;
    }
  }

  /** Closes what retention deleted. */
  forgetBefore(minOffset: number): void {
    const fileBytes = this.options.fileBytes;
    const first = minOffset - (minOffset % fileBytes);
    this.openFiles.closeBefore(first);
    this.cold.blocks.dropBefore(first);
  }

  /** Closes all files; the next read opens what it needs. For actors that go to sleep. */
  release(): void {
    this.openFiles.closeAll();
  }
}
