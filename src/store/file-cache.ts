/**
 * The open files of everything that has too many to keep them open: tens of thousands of consume queues, index files.
 * At most `maxOpen` at a time; the one used longest ago is closed when another is needed. Owners keep a CachedFile per
 * file and ask for the DiskFile in each call, so nobody holds one that has been closed meanwhile.
 *
 * One cache per broker and thread: `discard` lets go of everything that a crashed broker left there.
 */
import type { Disk, DiskFile } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { MIB } from '../base/units.js';
import { WriteBehind } from './write-behind.js';

const OPEN_FILES_MAX_DEFAULT = 256;
const BUFFERED_BYTES_MAX_DEFAULT = 2 * MIB;
const SCRATCH_BYTES = 64_000;

/** A file that may be open. `newer` and `older` are the cache's. */
export class CachedFile {
  file: DiskFile | undefined = undefined;
  newer: CachedFile | undefined = undefined;
  older: CachedFile | undefined = undefined;

  constructor(readonly path: string) {}
}

export interface FileCacheLimits {
  readonly openFilesMax?: number;
  /** Entries that consume queues hold back, all together. */
  readonly bufferedBytesMax?: number;
}

export class FileCache {
  readonly writeBehind: WriteBehind;
  private readonly openFilesMax: number;
  private newest: CachedFile | undefined = undefined;
  private oldest: CachedFile | undefined = undefined;
  private openCount = 0;
  private scratchBytes: Uint8Array | undefined = undefined;
  /** Directories in which others were made or removed since the last sync. */
  private readonly unsyncedDirectories = new Set<string>();

  constructor(
    readonly disk: Disk,
    limits: FileCacheLimits = {},
  ) {
    this.openFilesMax = limits.openFilesMax ?? OPEN_FILES_MAX_DEFAULT;
    invariant(this.openFilesMax >= 1, 'a file cache needs room for one file', this.openFilesMax);
    this.writeBehind = new WriteBehind(limits.bufferedBytesMax ?? BUFFERED_BYTES_MAX_DEFAULT);
  }

  /** How many files are open. */
  get size(): number {
    return this.openCount;
  }

  /** The open file, good until the next call. Throws DiskError: a file that is missing is made only with `create`. */
  use(cached: CachedFile, create = false): DiskFile {
    if (cached.file !== undefined) {
      if (cached !== this.newest) {
        this.unlink(cached);
        this.linkNewest(cached);
      }
      return cached.file;
    }
    while (this.openCount >= this.openFilesMax) this.close(this.oldest!);
    const file = this.disk.open(cached.path, { create });
    cached.file = file;
    this.linkNewest(cached);
    this.openCount++;
    return file;
  }

  /** Before its owner forgets, removes or renames it. */
  close(cached: CachedFile): void {
    const file = cached.file;
    if (file === undefined) return;
    this.unlink(cached);
    cached.file = undefined;
    this.openCount--;
    file.close();
  }

  closeAll(): void {
    while (this.newest !== undefined) this.close(this.newest);
  }

  /** After a crash of the owners: buffered entries are forgotten, not written, and files closed. */
  discard(): void {
    this.writeBehind.discardAll();
    this.closeAll();
    this.unsyncedDirectories.clear();
  }

  /** Room for whoever reads ahead within one call; its content lasts no longer. */
  scratch(): Uint8Array {
    this.scratchBytes ??= new Uint8Array(SCRATCH_BYTES);
    return this.scratchBytes;
  }

  /** Makes the directory and its parents, and remembers which parents `syncDirectories` has to sync. */
  makeDirectory(path: string): void {
    let missing = path;
    while (missing !== '' && this.disk.stat(missing) === undefined) {
      missing = missing.slice(0, missing.lastIndexOf('/'));
      this.unsyncedDirectories.add(missing || '/');
    }
    this.disk.makeDirectory(path);
  }

  /** After a crash: that this directory and the `levels` above it have their names need not be durable. */
  distrustDirectory(path: string, levels: number): void {
    let at = path;
    for (let level = 0; level <= levels && at !== ''; level++) {
      at = at.slice(0, at.lastIndexOf('/'));
      this.unsyncedDirectories.add(at || '/');
    }
  }

  removeTree(path: string): void {
    this.disk.removeTree(path);
    this.unsyncedDirectories.add(path.slice(0, path.lastIndexOf('/')) || '/');
  }

  /** Makes this durable: each parent is synced once, however many directories were made in it. */
  syncDirectories(): void {
    for (const path of this.unsyncedDirectories) {
      if (this.disk.stat(path) !== undefined) this.disk.syncDirectory(path);
      this.unsyncedDirectories.delete(path);
    }
  }

  private linkNewest(cached: CachedFile): void {
    cached.older = this.newest;
    cached.newer = undefined;
    if (this.newest === undefined) this.oldest = cached;
    else this.newest.newer = cached;
    this.newest = cached;
  }

  private unlink(cached: CachedFile): void {
    if (cached.newer === undefined) this.newest = cached.older;
    else cached.newer.older = cached.older;
    if (cached.older === undefined) this.oldest = cached.newer;
    else cached.older.newer = cached.newer;
    cached.newer = undefined;
    cached.older = undefined;
  }
}
