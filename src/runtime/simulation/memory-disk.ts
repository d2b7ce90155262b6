/**
 * The simulation's disk: in memory, deterministic, and unreliable on request. A seed decides what a power loss leaves:
 * unsynced sectors of each file (memory-inode.ts) and unsynced directory entries may be kept or lost, each directory
 * losing a suffix of its changes. Nothing here waits: a slow sync completes when the scheduler says so.
 */
import type { Clock } from '../../base/clock.js';
import { type Disk, DiskError, type DiskFile, type DiskUsage, type FileFacts } from '../../base/disk.js';
import type { Prng } from '../../base/prng.js';
import { Inode, PAGE_BYTES } from './memory-inode.js';
import { type Directory, Names, type Node, namesOf, newDirectory } from './memory-names.js';

export interface MemoryDiskOptions {
  readonly clock: Clock;
  /** Calls `action` after `delayMs` of virtual time: completions of syncLater and readLater. */
  readonly schedule: (delayMs: number, action: () => void) => void;
  /** How long each syncLater takes; 1 ms if not given. */
  readonly syncDelayMs?: () => number;
  /** What files say of it; 100 ms if not given, so that nobody waits in place. */
  readonly usualSyncMs?: () => number;
  /** What reads in place take; slow when not given, so that those who can wait for a read elsewhere do. */
  readonly readMs?: () => number;
  /** How long each readLater takes; 1 ms if not given. */
  readonly readDelayMs?: () => number;
  /** Bytes of data pages, holes free, before ENOSPC; no limit if not given. */
  readonly capacityBytes?: number;
}

export interface DiskFault {
  /** 'create': of files and directories. */
  readonly operation: 'read' | 'write' | 'sync' | 'create';
  /** Only paths that contain this. */
  readonly pathPart: string;
  readonly code: string;
  /** How many operations fail; Infinity until `clearFaults`. */
  times: number;
}

/** What MemoryDisk pretends to have when it has no limit. */
const UNLIMITED_BYTES = 1e15;

export class MemoryDisk implements Disk {
  private readonly names: Names;
  private readonly locked = new Set<Inode>();
  private readonly faults: DiskFault[] = [];
  private readonly handles = new Set<MemoryFile>();
  /** How often readLater was asked for. */
  laterReads = 0;
  private capacityBytes: number;
  private usedBytes = 0;
  /** Raised by kills and crashes: older handles and completions are dead. */
  private epoch = 0;

  constructor(private readonly options: MemoryDiskOptions) {
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.names = new Names(this.now());
  }

  open(path: string, options: { readonly create?: boolean } = {}): DiskFile {
    let node = this.names.find(path);
    if (node === undefined) {
      if (options.create !== true) throw new DiskError('ENOENT', path, 'open');
      this.failIfInjected('create', path);
      node = new Inode(this.now());
      this.change('open', [path], [node]);
    }
    if (node.isDirectory) throw new DiskError('EISDIR', path, 'open');
    const file = new MemoryFile(this, path, node, this.epoch);
    node.handles++;
    this.handles.add(file);
    return file;
  }

  readFile(path: string): Buffer | undefined {
    const node = this.names.find(path);
    if (node === undefined) return undefined;
    if (node.isDirectory) throw new DiskError('EISDIR', path, 'read');
    this.failIfInjected('read', path);
    const content = Buffer.alloc(node.bytes);
    node.read(content, 0, node.bytes, 0);
    return content;
  }

  writeFile(path: string, content: Uint8Array | string): void {
    const file = this.open(path, { create: true });
    try {
      file.truncate(0);
      const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
      file.write(bytes, 0, bytes.length, 0);
    } finally {
      file.close();
    }
  }

  stat(path: string): FileFacts | undefined {
    const node = this.names.find(path);
    if (node === undefined) return undefined;
    const bytes = node.isDirectory ? 0 : node.bytes;
    return { bytes, modifiedMs: Math.floor(node.modifiedMs), isDirectory: node.isDirectory };
  }

  list(directory: string): string[] {
    const node = this.names.find(directory);
    if (node === undefined) return [];
    if (!node.isDirectory) return [];
    return [...node.entries.keys()].sort();
  }

  makeDirectory(path: string): void {
    const names = namesOf(path);
    for (let depth = 1; depth <= names.length; depth++) {
      const part = `/${names.slice(0, depth).join('/')}`;
      const node = this.names.find(part);
      if (node === undefined) {
        this.failIfInjected('create', part);
        this.change('make directory', [part], [newDirectory(this.now())]);
      } else if (!node.isDirectory) {
        throw new DiskError(depth === names.length ? 'EEXIST' : 'ENOTDIR', path, 'make directory');
      }
    }
  }

  remove(path: string): void {
    const node = this.names.find(path);
    if (node === undefined) return;
    if (node.isDirectory) throw new DiskError('EISDIR', path, 'remove');
    this.change('remove', [path], [undefined]);
  }

  removeTree(path: string): void {
    const node = this.names.find(path);
    if (node === undefined) return;
    if (node.isDirectory) for (const name of [...node.entries.keys()]) this.removeTree(`${path}/${name}`);
    this.change('remove tree', [path], [undefined]);
  }

  rename(from: string, to: string): void {
    const node = this.names.find(from);
    if (node === undefined) throw new DiskError('ENOENT', from, 'rename');
    const replaced = this.names.find(to);
    if (replaced === node) return;
    if (replaced?.isDirectory === true) throw new DiskError('EISDIR', from, 'rename', `${to} is a directory`);
    this.change('rename', [from, to], [undefined, node]);
  }

  syncDirectory(path: string): void {
    const directory = this.names.find(path);
    if (directory === undefined) throw new DiskError('ENOENT', path, 'sync directory');
    if (!directory.isDirectory) throw new DiskError('ENOTDIR', path, 'sync directory');
    this.failIfInjected('sync', path);
    this.names.sync(directory);
  }

  usage(_path: string): DiskUsage {
    const totalBytes = Math.min(this.capacityBytes, UNLIMITED_BYTES);
    const { usedBytes } = this;
    return { totalBytes, usedBytes, availableBytes: Math.max(0, totalBytes - usedBytes) };
  }

  lock(path: string): { release(): void } {
    const file = this.open(path, { create: true });
    const inode = this.names.find(path) as Inode;
    if (this.locked.has(inode)) {
      file.close();
      throw new DiskError('EAGAIN', path, 'lock', 'another process or broker holds it');
    }
    this.locked.add(inode);
    const epoch = this.epoch;
    let held = true;
    return {
      release: () => {
        if (!held || epoch !== this.epoch) return;
        held = false;
        this.locked.delete(inode);
        file.close();
      },
    };
  }

  // What the simulation does to it.

  /** The next `times` operations of this kind on matching paths fail with `code`. */
  inject(fault: DiskFault): void {
    this.faults.push({ ...fault });
  }

  clearFaults(): void {
    this.faults.length = 0;
  }

  setCapacity(bytes: number): void {
    this.capacityBytes = bytes;
  }

  /** Handles that nobody closed. */
  openFiles(): number {
    return this.handles.size;
  }

  /** The process dies: its handles, locks and running syncs are gone, the page cache is intact. */
  processKill(): void {
    this.epoch++;
    this.locked.clear();
    this.names.eachFile((inode) => inode.abandonSyncs());
    for (const file of [...this.handles]) this.closed(file);
  }

  /**
   * Power loss: like a kill, and what no sync covered is lost, kept or torn as the seed decides. With `under`, only in
   * that directory, as if a disk of its own were mounted there; the others keep their page cache.
   */
  crash(random: Prng, under = '/'): void {
    this.processKill();
    const node = this.names.find(under);
    if (node?.isDirectory === true) this.crashTree(node, random);
    this.usedBytes = 0;
    const counted = new Set<Inode>();
    this.names.eachFile((inode) => {
      inode.links = counted.has(inode) ? inode.links + 1 : 1;
      if (counted.has(inode)) return;
      counted.add(inode);
      this.usedBytes += inode.allocatedBytes();
    });
  }

  private crashTree(directory: Directory, random: Prng): void {
    this.names.crash(random, directory);
    const restored = new Set<Inode>();
    this.names.eachFile((inode) => {
      if (restored.has(inode)) return;
      restored.add(inode);
      inode.crash(random);
    }, directory);
  }

  /** What failed syncs gave up leaves the page cache. */
  evictLost(): void {
    this.names.eachFile((inode) => inode.evictLost());
  }

  /** The kernel writes back some dirty sectors of every file, as it may at any time. */
  writeBack(random: Prng): void {
    this.names.eachFile((inode) => inode.writeBack(random));
  }

  // For its files.

  now(): number {
    return this.options.clock.now();
  }

  isAlive(epoch: number): boolean {
    return epoch === this.epoch;
  }

  closed(file: MemoryFile): void {
    if (!this.handles.delete(file)) return;
    file.inode.handles--;
    this.freeIfUnused(file.inode);
  }

  /** Accounts for the pages that a write needs; false when there is no room for all of them. */
  reserve(pages: number): boolean {
    if (this.usedBytes + pages * PAGE_BYTES > this.capacityBytes) return false;
    this.usedBytes += pages * PAGE_BYTES;
    return true;
  }

  release(bytes: number): void {
    this.usedBytes -= bytes;
  }

  injectedFault(operation: DiskFault['operation'], path: string): string | undefined {
    const at = this.faults.findIndex((fault) => fault.operation === operation && path.includes(fault.pathPart));
    if (at < 0) return undefined;
    const fault = this.faults[at]!;
    if (--fault.times <= 0) this.faults.splice(at, 1);
    return fault.code;
  }

  failIfInjected(operation: DiskFault['operation'], path: string): void {
    const code = this.injectedFault(operation, path);
    if (code !== undefined) throw new DiskError(code, path, operation, 'injected');
  }

  get usualSyncMs(): number {
    return this.options.usualSyncMs?.() ?? 100;
  }

  get readMs(): number {
    return this.options.readMs?.() ?? 100;
  }

  later(action: () => void): void {
    this.options.schedule(this.options.syncDelayMs?.() ?? 1, action);
  }

  afterRead(action: () => void): void {
    this.laterReads++;
    this.options.schedule(this.options.readDelayMs?.() ?? 1, action);
  }

  private change(operation: string, paths: readonly string[], nodes: readonly (Node | undefined)[]): void {
    const before = this.names.change(operation, paths, nodes, this.now());
    for (const node of nodes) if (node !== undefined && !node.isDirectory) node.links++;
    for (const inode of before) {
      inode.links--;
      this.freeIfUnused(inode);
    }
  }

  private freeIfUnused(inode: Inode): void {
    if (inode.links === 0 && inode.handles === 0) this.usedBytes -= inode.allocatedBytes();
  }
}

class MemoryFile implements DiskFile {
  private isClosed = false;

  constructor(
    private readonly disk: MemoryDisk,
    readonly path: string,
    readonly inode: Inode,
    private readonly epoch: number,
  ) {}

  size(): number {
    this.mustBeOpen('size');
    return this.inode.bytes;
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    this.mustBeOpen('read');
    this.disk.failIfInjected('read', this.path);
    this.lastReadMs = this.disk.readMs;
    return this.inode.read(target, start, length, position);
  }

  readLater(
    target: Uint8Array,
    start: number,
    length: number,
    position: number,
    done: (error: DiskError | undefined, bytes: number) => void,
  ): void {
    this.mustBeOpen('read');
    this.disk.afterRead(() => {
      if (!this.disk.isAlive(this.epoch)) return;
      const code = this.disk.injectedFault('read', this.path);
      if (code !== undefined) return done(new DiskError(code, this.path, 'read', 'injected'), 0);
      done(undefined, this.inode.read(target, start, length, position));
    });
  }

  write(source: Uint8Array, start: number, length: number, position: number): void {
    this.mustBeOpen('write');
    this.disk.failIfInjected('write', this.path);
    if (this.disk.reserve(this.inode.missingPages(length, position))) {
      this.inode.write(source, start, length, position, this.disk.now());
      return;
    }
    // A full disk takes what fits and then refuses, page by page.
    for (let done = 0; done < length; ) {
      const step = Math.min(length - done, PAGE_BYTES - ((position + done) % PAGE_BYTES));
      if (!this.disk.reserve(this.inode.missingPages(step, position + done))) break;
      this.inode.write(source, start + done, step, position + done, this.disk.now());
      done += step;
    }
    throw new DiskError('ENOSPC', this.path, 'write');
  }

  truncate(bytes: number): void {
    this.mustBeOpen('truncate');
    const before = bytes < this.inode.bytes ? this.inode.allocatedBytes() : 0;
    this.inode.truncate(bytes, this.disk.now());
    if (before > 0) this.disk.release(before - this.inode.allocatedBytes());
  }

  setModified(ms: number): void {
    this.mustBeOpen('set times');
    this.inode.modifiedMs = ms;
  }

  sync(): void {
    this.mustBeOpen('sync');
    const code = this.disk.injectedFault('sync', this.path);
    if (code === undefined) {
      this.inode.syncNow();
      return;
    }
    this.inode.endSync(this.inode.beginSync(), 'failed');
    throw new DiskError(code, this.path, 'sync', 'injected');
  }

  lastReadMs = 0;

  get usualSyncMs(): number {
    return this.disk.usualSyncMs;
  }

  syncLater(done: (error: DiskError | undefined) => void): void {
    this.mustBeOpen('sync');
    const sync = this.inode.beginSync();
    this.disk.later(() => {
      if (!this.disk.isAlive(this.epoch)) return;
      const code = this.disk.injectedFault('sync', this.path);
      this.inode.endSync(sync, code === undefined ? 'durable' : 'failed');
      done(code === undefined ? undefined : new DiskError(code, this.path, 'sync', 'injected'));
    });
  }

  close(): void {
    if (this.isClosed || !this.disk.isAlive(this.epoch)) return;
    this.isClosed = true;
    this.disk.closed(this);
  }

  private mustBeOpen(operation: string): void {
    if (!this.disk.isAlive(this.epoch)) throw new DiskError('EBADF', this.path, operation, 'the process was killed');
    if (this.isClosed) throw new DiskError('EBADF', this.path, operation, 'closed');
  }
}
