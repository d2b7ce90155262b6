/**
 * The real disk: node:fs, synchronous positional calls. What waits for a device goes to the I/O thread that the
 * runtime hands in, because a worker that parks in Atomics.wait has no event loop to complete an fs callback on.
 * Errors of the operating system become DiskError with its code and the path.
 */
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { type Disk, DiskError, type DiskFile, type DiskUsage, type FileFacts } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { KIB, MS_PER_SECOND } from '../base/units.js';

/**
 * Runs fdatasync(fd) on a thread that may block; `done` runs on the calling thread in a later turn, with the operating
 * system's error code if it failed. File descriptors belong to the process, so any thread may sync any of them.
 */
export type SyncThread = (fd: number, done: (errorCode?: string) => void) => void;

/**
 * The same for reading `length` bytes of a file at `position`: `bytes[start, end)` are valid until `done` returns.
 */
export type ReadThread = (fd: number, length: number, position: number, done: ReadDone) => void;
export type ReadDone = (errorCode: string | undefined, bytes: Uint8Array, start: number, end: number) => void;

/** Longer ones are read in pieces: each travels as one message, and others get their turn in between. */
export const READ_PIECE_BYTES = 64 * KIB;

/** What Hangar uses of npm fs-native-extensions, which has no types of its own. */
interface NativeLocks {
  tryLock(fd: number, offset: number, length: number): boolean;
  unlock(fd: number, offset: number, length: number): void;
}

/** The byte that Apache's broker locks (DefaultMessageStore: lockFile.getChannel().tryLock(0, 1, false)). */
const LOCK = { at: 0, bytes: 1 } as const;

export class NodeDisk implements Disk {
  constructor(
    private readonly syncThread: SyncThread,
    private readonly readThread: ReadThread = () => invariant(false, 'a disk without a thread that may block'),
  ) {}

  open(path: string, options: { readonly create?: boolean; readonly readOnly?: boolean } = {}): DiskFile {
    const access = options.readOnly === true ? fs.constants.O_RDONLY : fs.constants.O_RDWR;
    const flags = access | (options.create === true ? fs.constants.O_CREAT : 0);
    const fd = attempt('open', path, () => fs.openSync(path, flags, 0o644));
    return new NodeFile(path, fd, this.syncThread, this.readThread);
  }

  readFile(path: string): Buffer | undefined {
    return attempt('read', path, () => unlessMissing(() => fs.readFileSync(path)));
  }

  writeFile(path: string, content: Uint8Array | string): void {
    attempt('write', path, () => fs.writeFileSync(path, content));
  }

  stat(path: string): FileFacts | undefined {
    return attempt('stat', path, () => {
      const facts = unlessMissing(() => fs.statSync(path));
      if (facts === undefined) return undefined;
      const isDirectory = facts.isDirectory();
      return { bytes: isDirectory ? 0 : facts.size, modifiedMs: Math.floor(facts.mtimeMs), isDirectory };
    });
  }

  list(directory: string): string[] {
    return attempt('list', directory, () => (unlessMissing(() => fs.readdirSync(directory)) ?? []).sort());
  }

  makeDirectory(path: string): void {
    attempt('make directory', path, () => fs.mkdirSync(path, { recursive: true }));
  }

  remove(path: string): void {
    attempt('remove', path, () => unlessMissing(() => fs.unlinkSync(path)));
  }

  removeTree(path: string): void {
    attempt('remove tree', path, () => fs.rmSync(path, { recursive: true, force: true }));
  }

  rename(from: string, to: string): void {
    attempt('rename', from, () => fs.renameSync(from, to));
  }

  syncDirectory(path: string): void {
    attempt('sync directory', path, () => {
      const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  usage(path: string): DiskUsage {
    return attempt('usage', path, () => {
      let existing = path;
      while (!fs.existsSync(existing)) existing = dirname(existing);
      const { bsize, blocks, bfree, bavail } = fs.statfsSync(existing);
      return { totalBytes: blocks * bsize, usedBytes: (blocks - bfree) * bsize, availableBytes: bavail * bsize };
    });
  }

  lock(path: string): { release(): void } {
    return attempt('lock', path, () => {
      const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
      let locked = false;
      try {
        locked = nativeLocks().tryLock(fd, LOCK.at, LOCK.bytes);
      } finally {
        if (!locked) fs.closeSync(fd);
      }
      if (!locked) throw new DiskError('EAGAIN', path, 'lock', 'another process or broker holds it');
      let held = true;
      return {
        release: () => {
          if (!held) return;
          held = false;
          attempt('unlock', path, () => nativeLocks().unlock(fd, LOCK.at, LOCK.bytes));
          attempt('close', path, () => fs.closeSync(fd));
        },
      };
    });
  }
}

/** How long the latest syncs of a file took. The median says it: any of them may have waited for a processor. */
class SyncTimes {
  private readonly latestMs = new Float64Array(9);
  private readonly sorted = new Float64Array(9);
  private next = 0;

  add(ms: number): void {
    this.latestMs[this.next] = ms;
    this.next = (this.next + 1) % this.latestMs.length;
  }

  get medianMs(): number {
    this.sorted.set(this.latestMs);
    return this.sorted.sort()[this.sorted.length >> 1]!;
  }
}

class NodeFile implements DiskFile {
  private readonly syncTimes = new SyncTimes();
  private closed = false;
  lastReadMs = 0;
  /** Syncs and reads elsewhere. */
  private inFlight = 0;

  constructor(
    readonly path: string,
    private readonly fd: number,
    private readonly syncThread: SyncThread,
    private readonly readThread: ReadThread,
  ) {}

  size(): number {
    this.mustBeOpen('size');
    return attempt('stat', this.path, () => fs.fstatSync(this.fd).size);
  }

  // read and write carry their own try: a closure per call would be garbage on the hot path.
  read(target: Uint8Array, start: number, length: number, position: number): number {
    this.mustBeOpen('read');
    const sinceMs = performance.now();
    let done = 0;
    try {
      while (done < length) {
        const count = fs.readSync(this.fd, target, start + done, length - done, position + done);
        if (count === 0) break;
        done += count;
      }
    } catch (error) {
      throw diskError(error, this.path, 'read');
    }
    this.lastReadMs = performance.now() - sinceMs;
    return done;
  }

  readLater(
    target: Uint8Array,
    start: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined, bytes: number) => void,
  ): void {
    this.mustBeOpen('read');
    this.inFlight++;
    let at = 0;
    const end = (errorCode: string | undefined): void => {
      this.inFlight--;
      this.closeIfIdle();
      if (errorCode === undefined) done(undefined, at);
      else done(new DiskError(errorCode, this.path, 'read'), 0);
    };
    const next = (): void => {
      const wanted = Math.min(length - at, READ_PIECE_BYTES);
      this.readThread(this.fd, wanted, position + at, (errorCode, bytes, from, to) => {
        if (errorCode !== undefined) return end(errorCode);
        target.set(bytes.subarray(from, to), start + at);
        at += to - from;
        if (to - from < wanted || at === length) end(undefined);
        else next();
      });
    };
    next();
  }

  write(source: Uint8Array, start: number, length: number, position: number): void {
    this.mustBeOpen('write');
    let done = 0;
    try {
      while (done < length) done += fs.writeSync(this.fd, source, start + done, length - done, position + done);
    } catch (error) {
      throw diskError(error, this.path, 'write');
    }
  }

  truncate(bytes: number): void {
    this.mustBeOpen('truncate');
    attempt('truncate', this.path, () => fs.ftruncateSync(this.fd, bytes));
  }

  setModified(ms: number): void {
    this.mustBeOpen('set times');
    // The fraction of a double may fall just below the millisecond that was meant; a reader rounds down.
    const seconds = (ms + 0.001) / MS_PER_SECOND;
    attempt('set times', this.path, () => fs.futimesSync(this.fd, seconds, seconds));
  }

  sync(): void {
    this.mustBeOpen('sync');
    const beganMs = performance.now();
    attempt('sync', this.path, () => fs.fdatasyncSync(this.fd));
    this.syncTimes.add(performance.now() - beganMs);
  }

  get usualSyncMs(): number {
    return this.syncTimes.medianMs;
  }

  syncLater(done: (error: DiskError | undefined) => void): void {
    this.mustBeOpen('sync');
    this.inFlight++;
    const beganMs = performance.now();
    this.syncThread(this.fd, (errorCode) => {
      this.syncTimes.add(performance.now() - beganMs);
      this.inFlight--;
      this.closeIfIdle();
      done(errorCode === undefined ? undefined : new DiskError(errorCode, this.path, 'sync'));
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.closeIfIdle();
  }

  /** The number goes back only when no thread uses it: a file opened meanwhile would get it and be synced or read in our place. */
  private closeIfIdle(): void {
    if (this.closed && this.inFlight === 0) attempt('close', this.path, () => fs.closeSync(this.fd));
  }

  private mustBeOpen(operation: string): void {
    if (this.closed) throw new DiskError('EBADF', this.path, operation, 'closed');
  }
}

let loadedLocks: NativeLocks | undefined;

/** Loaded on first use: only a store that is opened needs the native module. */
function nativeLocks(): NativeLocks {
  loadedLocks ??= createRequire(import.meta.url)('fs-native-extensions') as NativeLocks;
  return loadedLocks;
}

function attempt<T>(operation: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw diskError(error, path, operation);
  }
}

/** Undefined when the path, or a directory on the way to it, does not exist. */
function unlessMissing<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Errors without a code of the operating system are bugs of the caller and pass through unchanged. */
function diskError(error: unknown, path: string, operation: string): unknown {
  if (error instanceof DiskError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const isFromSystem = (error as NodeJS.ErrnoException).syscall !== undefined;
  return isFromSystem && code !== undefined ? new DiskError(code, path, operation) : error;
}
