/**
 * Files and directories as the store and the actors see them. Three implementations: the real one over node:fs, the
 * one in shared memory for stores in memory, and the simulation's that can lose, tear and refuse writes. Paths are absolute.
 *
 * Reads and writes are positional and synchronous (microseconds through the page cache); what waits for a device
 * (`syncLater`, `readLater`) runs elsewhere and comes back in a later turn of the calling actor.
 */
export interface Disk {
  /**
   * Opens a file for reading and writing. With `create`, makes it when missing; with `readOnly`, for reading what may not
   * be written. Throws DiskError otherwise.
   */
  open(path: string, options?: { readonly create?: boolean; readonly readOnly?: boolean }): DiskFile;
  /** Whole content, or undefined when there is no such file. */
  readFile(path: string): Buffer | undefined;
  /** Replaces the content in place, unsynced. Use `replaceFile` for what must survive a crash. */
  writeFile(path: string, content: Uint8Array | string): void;
  /** Size and modification time (ms since the epoch) of a file or directory; undefined when missing. */
  stat(path: string): FileFacts | undefined;
  /** Names in a directory, sorted; empty when the directory is missing. */
  list(directory: string): string[];
  /** Creates the directory and its parents; no error when it exists. */
  makeDirectory(path: string): void;
  /** Removes a file; no error when missing. */
  remove(path: string): void;
  /** Removes a directory and everything below it; no error when missing. */
  removeTree(path: string): void;
  /** Atomic within one file system. */
  rename(from: string, to: string): void;
  /** Makes creations, renames and deletions in the directory durable. */
  syncDirectory(path: string): void;
  /** The file system that holds `path`. */
  usage(path: string): DiskUsage;
  /** Takes an exclusive OS lock on byte 0 of the file (as Java's FileChannel.lock does), or throws DiskError EAGAIN. */
  lock(path: string): { release(): void };
}

/** Used and available bytes make less than the total where some are reserved for root, or by a quota. */
export interface DiskUsage {
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly availableBytes: number;
}

export interface FileFacts {
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly isDirectory: boolean;
}

export interface DiskFile {
  readonly path: string;
  /** Current size in bytes. */
  size(): number;
  /** Copies up to `length` bytes from `position` to `target[start..]`; returns how many there were. */
  read(target: Uint8Array, start: number, length: number, position: number): number;
  /** How long the latest `read` took. */
  readonly lastReadMs: number;
  /**
   * The same on a thread that may block, for what may not be in memory. `done` runs in a later turn; until then `target`
   * has to stay, and is written at some time. With an error `bytes` is 0.
   */
  readLater(
    target: Uint8Array,
    start: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined, bytes: number) => void,
  ): void;
  /** Writes all of `source[start, start + length)` at `position`, or throws DiskError (ENOSPC, EIO, ...). */
  write(source: Uint8Array, start: number, length: number, position: number): void;
  /** Sets the size; growing leaves a hole of zeros. */
  truncate(bytes: number): void;
  /** Sets the modification time, ms since the epoch (Apache picks files by it). */
  setModified(ms: number): void;
  /** fdatasync, blocking: for start, stop and small files. */
  sync(): void;
  /** fdatasync on an I/O thread. `done` runs in a later turn; an error means that nothing since the last sync is promised. */
  syncLater(done: (error: DiskError | undefined) => void): void;
  /** How long a sync of this file has usually taken lately; 0 before the first. */
  readonly usualSyncMs: number;
  close(): void;
}

/** A failed disk operation, with the operating system's code and the path: what an operator can act on. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  constructor(
    readonly code: string,
    readonly path: string,
    operation: string,
    detail = '',
  ) {
    super(`${operation} ${path}: ${code}${detail === '' ? '' : ` (${detail})`}`);
  }
}

/**
 * Writes a small file so that a crash leaves either the old or the new content: temporary file, sync, rename, sync of
 * the directory. `path.tmp` is left behind only by a crash.
 */
export function replaceFile(disk: Disk, path: string, content: string): void {
  const temporary = `${path}.tmp`;
  const bytes = Buffer.from(content, 'utf8');
  disk.remove(temporary);
  const file = disk.open(temporary, { create: true });
  try {
    file.write(bytes, 0, bytes.length, 0);
    file.sync();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  disk.syncDirectory(path.slice(0, path.lastIndexOf('/')) || '/');
}
