/**
 * The files of one consume queue as one range of bytes. Entry n is at byte 20 n; a file is named after its first byte
 * (20 digits) and has its full size from the beginning, zeros behind the last entry:
 *
 *     00000000000006000000   00000000000012000000
 *     |eeeeeeeeeeeeeeeeeee|  |eeeeeee............|       deleted from the front, appended to at the end
 *
 * Source: MappedFileQueue.java. Files are opened through the cache and only for the call.
 */
import { DiskError, type DiskFile } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { ENTRY, writeBlankEntry } from './consume-queue-entry.js';
import { CachedFile, type FileCache } from './file-cache.js';
import { logFileName, logFileStart, StoreError } from './log-files.js';

const NO_STRAYS: readonly string[] = [];
/** Stands for "there is no file". */
const NONE = -1;
/** consumequeue/topic above the directory of a queue. */
const DIRECTORY_LEVELS = 2;
/** Stands for "everything is synced". */
const CLEAN = Number.MAX_SAFE_INTEGER;

export class ConsumeQueueFiles {
  /** First byte of the first and of the last file; -1 when there are none. */
  first = NONE;
  last = NONE;
  private lastFile: CachedFile | undefined = undefined;
  /** The older file that was read last, and its first byte. */
  private olderFile: CachedFile | undefined = undefined;
  private olderStart = NONE;
  /** Bytes from here on changed since the last sync began. */
  private unsyncedFrom = CLEAN;
  /** The same for the syncs under way. */
  private syncingFrom = CLEAN;
  private syncsInFlight = 0;
  private areNamesUnsynced = false;
  private syncFailure: DiskError | undefined = undefined;

  /** Directory entries that are no such files; they are left alone. */
  readonly strays: readonly string[] = NO_STRAYS;
  /** A file was shorter than it should be, and was brought to its size. */
  wasShort = false;

  /** `fileBytes` is a multiple of 20. Throws StoreError when the directory holds files of another size. */
  constructor(
    private readonly files: FileCache,
    private readonly directory: string,
    readonly fileBytes: number,
  ) {
    const names = files.disk.list(directory);
    for (const name of names) {
      const start = logFileStart(name);
      if (start === NONE) {
        this.strays = [...this.strays, name];
        continue;
      }
      if (start % fileBytes !== 0) throw this.misfit(name, 'is not the name of one');
      if (this.last !== NONE && start !== this.last + fileBytes) throw this.misfit(name, 'does not follow the last');
      if (this.first === NONE) this.first = start;
      this.last = start;
      this.complete(name, start);
    }
  }

  /** The byte behind the last file. */
  get end(): number {
    return this.last === NONE ? 0 : this.last + this.fileBytes;
  }

  get count(): number {
    return this.last === NONE ? 0 : (this.last - this.first) / this.fileBytes + 1;
  }

  startOf(position: number): number {
    return position - (position % this.fileBytes);
  }

  /** `length` bytes at `position`, all in one file; 0 when somebody has removed it. */
  read(target: Uint8Array, start: number, length: number, position: number): number {
    try {
      return this.files.use(this.fileAt(position)).read(target, start, length, position % this.fileBytes);
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return 0;
      throw error;
    }
  }

  /** `length` bytes at `position`, all in one file, which is made if it would be the next. */
  write(source: Uint8Array, start: number, length: number, position: number): void {
    const fileStart = this.startOf(position);
    if (fileStart !== this.last) this.create(fileStart, position);
    this.files.use(this.fileAt(position)).write(source, start, length, position % this.fileBytes);
    if (position < this.unsyncedFrom) this.unsyncedFrom = position;
  }

  /** The oldest file goes; never the last one. */
  removeFirst(): void {
    invariant(this.first < this.last, 'the last file of a consume queue stays', this.directory);
    this.remove(this.first);
    this.first += this.fileBytes;
  }

  /** Takes back everything from `position` on. The first file stays, as the place where the queue goes on. */
  cut(position: number): void {
    // From the end, and durable before the cut: a power loss in between leaves no gap and no zeros in the middle.
    const last = this.last;
    while (this.last > this.first && this.last >= position) {
      this.remove(this.last);
      this.forgetHandles();
      this.last -= this.fileBytes;
    }
    if (last !== this.last) this.files.disk.syncDirectory(this.directory);
    if (this.last !== NONE && position < this.end) {
      const file = this.files.use(this.fileAt(this.last));
      file.truncate(Math.max(0, position - this.last));
      file.truncate(this.fileBytes);
    }
    if (position < this.unsyncedFrom) this.unsyncedFrom = position;
  }

  /** Removes all files and the directory. */
  destroy(): void {
    this.forgetHandles();
    this.files.removeTree(this.directory);
    this.first = NONE;
    this.last = NONE;
    this.unsyncedFrom = CLEAN;
    this.areNamesUnsynced = false;
  }

  /** After a crash nobody knows what of it was synced, names included: the next sync takes all of it. */
  distrust(): void {
    this.files.distrustDirectory(this.directory, DIRECTORY_LEVELS);
    if (this.last === NONE) return;
    this.unsyncedFrom = this.first;
    this.areNamesUnsynced = true;
  }

  /** What was written survives a power loss, names and cuts included. Once a sync has failed every later one does. */
  sync(): void {
    this.beginSync();
    for (let start = this.firstUnsynced(); start <= this.last; start += this.fileBytes) {
      const file = this.files.use(this.fileAt(start));
      try {
        file.sync();
      } catch (error) {
        this.syncFailure = error as DiskError;
        throw error;
      }
    }
    this.unsyncedFrom = CLEAN;
  }

  /** The same with the waiting on the I/O thread. `done` is called at once when there was nothing to wait for. */
  syncLater(done: (error: DiskError | undefined) => void): void {
    this.beginSync();
    const from = this.firstUnsynced();
    const last = this.last;
    if (from > last) {
      done(undefined);
      return;
    }
    let failure: DiskError | undefined;
    // One more than files, so that it ends after the loop even if the files answer at once.
    let waiting = (last - from) / this.fileBytes + 2;
    const onEnd = (error: DiskError | undefined): void => {
      failure ??= error;
      waiting--;
      if (waiting > 0) return;
      this.syncsInFlight--;
      if (this.syncsInFlight === 0) this.syncingFrom = CLEAN;
      if (failure !== undefined) this.unsyncedFrom = Math.min(this.unsyncedFrom, from);
      done(failure);
    };
    const onSynced = (error: DiskError | undefined): void => {
      this.syncFailure ??= error;
      onEnd(error);
    };
    this.syncingFrom = from;
    this.unsyncedFrom = CLEAN;
    this.syncsInFlight++;
    for (let start = from; start <= last; start += this.fileBytes) {
      const file = this.openForSync(start);
      if (file instanceof DiskError) onEnd(file);
      else file.syncLater(onSynced);
    }
    onEnd(undefined);
  }

  /** Gives the file handles back. */
  release(): void {
    this.forgetHandles();
  }

  private openForSync(start: number): DiskFile | DiskError {
    try {
      return this.files.use(this.fileAt(start));
    } catch (error) {
      if (error instanceof DiskError) return error;
      throw error;
    }
  }

  private fileAt(position: number): CachedFile {
    const start = this.startOf(position);
    if (start === this.last) {
      this.lastFile ??= new CachedFile(this.pathOf(start));
      return this.lastFile;
    }
    invariant(start >= this.first && start < this.last, 'no such consume queue file', this.directory, start);
    if (this.olderFile === undefined || this.olderStart !== start) {
      if (this.olderFile !== undefined) this.files.close(this.olderFile);
      this.olderFile = new CachedFile(this.pathOf(start));
      this.olderStart = start;
    }
    return this.olderFile;
  }

  private create(start: number, firstPosition: number): void {
    invariant(this.last === NONE || start === this.end, 'gap between consume queue files', this.directory, start);
    if (this.last === NONE) this.files.makeDirectory(this.directory);
    const next = new CachedFile(this.pathOf(start));
    this.areNamesUnsynced = true;
    try {
      const file = this.files.use(next, true);
      file.truncate(this.fileBytes);
      if (this.last === NONE && firstPosition > start) this.pad(file, firstPosition - start);
    } catch (error) {
      this.files.close(next);
      throw error;
    }
    this.unsyncedFrom = Math.min(this.unsyncedFrom, start);
    if (this.lastFile !== undefined) this.files.close(this.lastFile);
    this.lastFile = next;
    if (this.first === NONE) this.first = start;
    this.last = start;
  }

  private pad(file: DiskFile, bytes: number): void {
    const blanks = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += ENTRY.bytes) writeBlankEntry(blanks, at);
    file.write(blanks, 0, bytes, 0);
  }

  /** A power loss may leave a file that was just made, or cut, shorter than it was. */
  private complete(name: string, start: number): void {
    const bytes = this.files.disk.stat(this.pathOf(start))?.bytes ?? 0;
    if (bytes > this.fileBytes) throw this.misfit(name, `has ${bytes} bytes`);
    if (bytes === this.fileBytes) return;
    this.wasShort = true;
    const file = this.files.disk.open(this.pathOf(start));
    try {
      file.truncate(this.fileBytes);
    } finally {
      file.close();
    }
  }

  private remove(start: number): void {
    if (this.olderFile !== undefined && this.olderStart === start) {
      this.files.close(this.olderFile);
      this.olderFile = undefined;
    }
    this.files.disk.remove(this.pathOf(start));
    this.areNamesUnsynced = true;
  }

  private forgetHandles(): void {
    if (this.lastFile !== undefined) this.files.close(this.lastFile);
    if (this.olderFile !== undefined) this.files.close(this.olderFile);
    this.lastFile = undefined;
    this.olderFile = undefined;
  }

  private beginSync(): void {
    if (this.syncFailure !== undefined) throw this.syncFailure;
    if (this.areNamesUnsynced) {
      this.files.disk.syncDirectory(this.directory);
      this.areNamesUnsynced = false;
    }
    this.files.syncDirectories();
  }

  /** Start of the first file with something to sync; beyond `last` when there is none. */
  private firstUnsynced(): number {
    const from = Math.min(this.unsyncedFrom, this.syncingFrom);
    return this.last === NONE || from === CLEAN ? CLEAN : Math.max(this.first, this.startOf(from));
  }

  private pathOf(start: number): string {
    return `${this.directory}/${logFileName(start)}`;
  }

  private misfit(name: string, problem: string): StoreError {
    const hint = `a consume queue consists of files of ${this.fileBytes} bytes, each named after its first byte`;
    return new StoreError(
      `${this.directory}/${name} ${problem}: ${hint}. Set mappedFileSizeConsumeQueue to what this store was written with, or delete the ` +
        'consumequeue directory (it is rebuilt from the commit log).',
    );
  }
}
