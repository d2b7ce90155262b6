/**
 * A disk in memory that all threads of the process share: for stores that need no disk and leave nothing behind. Each
 * thread has a RamDisk of its own over the same RamBuffers. What a thread wrote is there for the others at once, and
 * survives the thread; it is gone with the process, or when nobody has the buffers any more.
 *
 * Every call takes the disk's lock for as long as it runs: microseconds, the copying of its bytes included.
 */
import type { Clock } from '../../base/clock.js';
import { type Disk, DiskError, type DiskFile, type DiskUsage, type FileFacts } from '../../base/disk.js';
import { claimOwner, freeOwner, ownerOf, RamLock } from './lock.js';
import { makeRamBuffers, PAGE_BYTES, type RamBuffers, RamMemory } from './memory.js';
import { NODE } from './nodes.js';
import { NONE, RamFiles } from './ram-files.js';

export interface RamDiskOptions {
  /** Whose thread it is: any int32 but 0, and nobody else's (`forget`). */
  readonly who: number;
  readonly clock: Pick<Clock, 'now'>;
  /** Calls `action` in a later turn: completions of syncLater and readLater. */
  readonly later: (action: () => void) => void;
  /**
   * A call that does not get the disk's lock within this time throws DiskError EBUSY: for the thread that calls `forget`,
   * which cannot do that while it waits. No limit if not given.
   */
  readonly lockLimitMs?: number;
}

/** The memory of a new, empty disk of at most `bytes`, names and tables included. */
export function createRamDisk(bytes: number, clock: Pick<Clock, 'now'>): RamBuffers {
  const buffers = makeRamBuffers(bytes);
  new RamFiles(new RamMemory(buffers), () => clock.now()).format();
  return buffers;
}

export class RamDisk implements Disk {
  private readonly memory: RamMemory;
  private readonly files: RamFiles;
  private readonly lockOfDisk: RamLock;
  private readonly owner: number;
  /** Handles by file; the shared memory knows only that there are some. */
  private readonly handles = new Map<number, number>();

  constructor(
    buffers: RamBuffers,
    private readonly options: RamDiskOptions,
  ) {
    this.memory = new RamMemory(buffers);
    this.files = new RamFiles(this.memory, () => options.clock.now());
    this.owner = claimOwner(this.memory.control, options.who);
    this.lockOfDisk = new RamLock(this.memory.control, this.owner, options.lockLimitMs);
  }

  open(path: string, options: { readonly create?: boolean } = {}): DiskFile {
    return this.locked(path, 'open', () => {
      let node = this.files.find(path);
      if (node === NONE) {
        if (options.create !== true) throw new DiskError('ENOENT', path, 'open');
        node = this.files.createFile(path, this.owner);
      }
      if (this.files.isDirectory(node)) throw new DiskError('EISDIR', path, 'open');
      this.files.setOpen(node, this.owner);
      this.handles.set(node, (this.handles.get(node) ?? 0) + 1);
      return new RamFile(this, path, node);
    });
  }

  readFile(path: string): Buffer | undefined {
    return this.locked(path, 'read', () => {
      const node = this.files.find(path);
      if (node === NONE) return undefined;
      if (this.files.isDirectory(node)) throw new DiskError('EISDIR', path, 'read');
      const content = Buffer.alloc(this.files.sizeOf(node));
      this.files.read(node, content, 0, content.length, 0);
      return content;
    });
  }

  writeFile(path: string, content: Uint8Array | string): void {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
    const file = this.open(path, { create: true });
    try {
      file.truncate(0);
      file.write(bytes, 0, bytes.length, 0);
    } finally {
      file.close();
    }
  }

  stat(path: string): FileFacts | undefined {
    return this.locked(path, 'stat', () => {
      const node = this.files.find(path);
      return node === NONE ? undefined : this.files.factsOf(node);
    });
  }

  list(directory: string): string[] {
    return this.locked(directory, 'list', () => {
      const node = this.files.find(directory);
      return node === NONE || !this.files.isDirectory(node) ? [] : this.files.list(node);
    });
  }

  makeDirectory(path: string): void {
    this.locked(path, 'make directory', () => this.files.makeDirectory(path));
  }

  remove(path: string): void {
    this.locked(path, 'remove', () => {
      const node = this.files.find(path);
      if (node === NONE) return;
      if (this.files.isDirectory(node)) throw new DiskError('EISDIR', path, 'remove');
      this.files.removeTree(node);
    });
  }

  removeTree(path: string): void {
    this.locked(path, 'remove tree', () => {
      const node = this.files.find(path);
      if (node !== NONE) this.files.removeTree(node);
    });
  }

  rename(from: string, to: string): void {
    this.locked(from, 'rename', () => this.files.rename(from, to));
  }

  /** Nothing to do: what others see is all that there is. */
  syncDirectory(path: string): void {
    this.locked(path, 'sync directory', () => {
      const node = this.files.find(path);
      if (node === NONE) throw new DiskError('ENOENT', path, 'sync directory');
      if (!this.files.isDirectory(node)) throw new DiskError('ENOTDIR', path, 'sync directory');
    });
  }

  usage(path: string): DiskUsage {
    return this.locked(path, 'usage', () => {
      const { pages } = this.memory;
      const { used } = this.files.pool;
      return {
        totalBytes: pages * PAGE_BYTES,
        usedBytes: used * PAGE_BYTES,
        availableBytes: (pages - used) * PAGE_BYTES,
      };
    });
  }

  /** Excludes others in this process; nobody outside can see the file. */
  lock(path: string): { release(): void } {
    const file = this.open(path, { create: true }) as RamFile;
    const { node } = file;
    const taken = this.locked(path, 'lock', () => {
      if (this.files.nodes.get(node, NODE.lockedBy) !== 0) return false;
      this.files.nodes.set(node, NODE.lockedBy, this.owner);
      return true;
    });
    if (!taken) {
      file.close();
      throw new DiskError('EAGAIN', path, 'lock', 'another broker holds it');
    }
    let isHeld = true;
    return {
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.locked(path, 'unlock', () => this.files.nodes.set(node, NODE.lockedBy, 0));
        file.close();
      },
    };
  }

  /** Closes what is still open and gives the owner's place back: the end of a job. */
  detach(): void {
    this.locked('/', 'detach', () => this.files.forgetOwner(this.owner));
    freeOwner(this.memory.control, this.owner);
  }

  /**
   * After the end of a thread or job: closes what it left open, and if it ended in the middle of a call, puts that
   * right and answers true. Only when `who` cannot run any more.
   */
  forget(who: number): boolean {
    const dead = ownerOf(this.memory.control, who);
    if (dead === 0) return false;
    const isRepaired = this.lockOfDisk.takeFrom(dead);
    if (isRepaired) {
      try {
        this.files.repair();
      } finally {
        this.lockOfDisk.release();
      }
    }
    this.locked('/', 'forget', () => this.files.forgetOwner(dead));
    freeOwner(this.memory.control, dead);
    return isRepaired;
  }

  // For its files. `read` and `write` are hot: no closures there.

  readAt(node: number, path: string, target: Uint8Array, start: number, length: number, position: number): number {
    this.acquire(path, 'read');
    try {
      return this.files.read(node, target, start, length, position);
    } finally {
      this.lockOfDisk.release();
    }
  }

  writeAt(node: number, path: string, source: Uint8Array, start: number, length: number, position: number): void {
    this.acquire(path, 'write');
    try {
      this.files.write(node, source, start, length, position, path);
    } finally {
      this.lockOfDisk.release();
    }
  }

  withFile<T>(path: string, operation: string, action: (files: RamFiles) => T): T {
    return this.locked(path, operation, () => action(this.files));
  }

  closed(node: number, path: string): void {
    const left = this.handles.get(node)! - 1;
    if (left > 0) {
      this.handles.set(node, left);
      return;
    }
    this.handles.delete(node);
    this.locked(path, 'close', () => this.files.setClosed(node, this.owner));
  }

  later(action: () => void): void {
    this.options.later(action);
  }

  private locked<T>(path: string, operation: string, action: () => T): T {
    this.acquire(path, operation);
    try {
      return action();
    } finally {
      this.lockOfDisk.release();
    }
  }

  private acquire(path: string, operation: string): void {
    if (this.lockOfDisk.acquire()) return;
    throw new DiskError('EBUSY', path, operation, 'the thread that uses this memory store does not come to an end');
  }
}

class RamFile implements DiskFile {
  private isClosed = false;

  constructor(
    private readonly disk: RamDisk,
    readonly path: string,
    readonly node: number,
  ) {}

  size(): number {
    this.mustBeOpen('size');
    return this.disk.withFile(this.path, 'size', (files) => files.sizeOf(this.node));
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    this.mustBeOpen('read');
    return this.disk.readAt(this.node, this.path, target, start, length, position);
  }

  /** Nothing has to be waited for. */
  readLater(
    target: Uint8Array,
    start: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined, bytes: number) => void,
  ): void {
    const bytes = this.read(target, start, length, position);
    this.disk.later(() => done(undefined, bytes));
  }

  write(source: Uint8Array, start: number, length: number, position: number): void {
    this.mustBeOpen('write');
    this.disk.writeAt(this.node, this.path, source, start, length, position);
  }

  truncate(bytes: number): void {
    this.mustBeOpen('truncate');
    this.disk.withFile(this.path, 'truncate', (files) => files.truncate(this.node, bytes, this.path));
  }

  setModified(ms: number): void {
    this.mustBeOpen('set times');
    this.disk.withFile(this.path, 'set times', (files) => files.nodes.setDouble(this.node, NODE.modifiedMs, ms));
  }

  /** There is nothing between the writer and what survives him. */
  sync(): void {
    this.mustBeOpen('sync');
  }

  readonly usualSyncMs = 0;
  readonly lastReadMs = 0;

  syncLater(done: (error: DiskError | undefined) => void): void {
    this.mustBeOpen('sync');
    this.disk.later(() => done(undefined));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.disk.closed(this.node, this.path);
  }

  private mustBeOpen(operation: string): void {
    if (this.isClosed) throw new DiskError('EBADF', this.path, operation, 'closed');
  }
}
