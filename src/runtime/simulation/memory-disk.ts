/**
 * The simulation's disk: in memory, deterministic, and unreliable on request. A seed decides what a power loss leaves:
 * unsynced sectors of each file (memory-inode.ts) and unsynced directory entries may be kept or lost, each directory
 * losing a suffix of its changes. Nothing here waits: a slow sync completes when the scheduler says so.
 */
import type { Clock } from '../../base/clock.js';
import { type Disk, DiskError, type DiskFile, type FileFacts } from '../../base/disk.js';
import type { Prng } from '../../base/prng.js';
import { Inode, PAGE_BYTES } from './memory-inode.js';

export interface MemoryDiskOptions {
  readonly clock: Clock;
  /** Calls `action` after `delayMs` of virtual time: completions of syncLater. */
  readonly schedule: (delayMs: number, action: () => void) => void;
  /** How long each syncLater takes; 1 ms if not given. */
  readonly syncDelayMs?: () => number;
  /** Bytes of data pages, holes free, before ENOSPC; no limit if not given. */
  readonly capacityBytes?: number;
}

export interface DiskFault {
  readonly operation: 'read' | 'write' | 'sync';
  /** Only paths that contain this. */
  readonly pathPart: string;
  readonly code: string;
  /** How many operations fail; Infinity until `clearFaults`. */
  times: number;
}

interface Directory {
  readonly isDirectory: true;
  readonly entries: Map<string, Node>;
  /** Entries that a power loss cannot take away. */
  readonly durable: Map<string, Node>;
  modifiedMs: number;
}

type Node = Directory | Inode;

/** One change of the name space: entries set (or, undefined, removed), all of them or none. */
interface Change {
  readonly directories: readonly Directory[];
  readonly names: readonly string[];
  readonly nodes: readonly (Node | undefined)[];
}

/** The journal is finite: beyond this many changes the oldest half becomes durable by itself. */
const JOURNAL_CHANGES_MAX = 8192;

/** What MemoryDisk pretends to have when it has no limit. */
const UNLIMITED_BYTES = 1e15;

export class MemoryDisk implements Disk {
  private readonly root: Directory;
  /** Changes of directories that no syncDirectory has covered, oldest first, as in a file system's journal. */
  private unsynced: Change[] = [];
  private readonly locked = new Set<Inode>();
  private readonly faults: DiskFault[] = [];
  private readonly handles = new Set<MemoryFile>();
  private capacityBytes: number;
  private usedBytes = 0;
  /** Raised by kills and crashes: older handles and completions are dead. */
  private epoch = 0;

  constructor(private readonly options: MemoryDiskOptions) {
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.root = this.newDirectory();
  }

  open(path: string, options: { readonly create?: boolean } = {}): DiskFile {
    let node = this.find(path);
    if (node === undefined) {
      if (options.create !== true) throw new DiskError('ENOENT', path, 'open');
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
    const node = this.find(path);
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
    const node = this.find(path);
    if (node === undefined) return undefined;
    const bytes = node.isDirectory ? 0 : node.bytes;
    return { bytes, modifiedMs: Math.floor(node.modifiedMs), isDirectory: node.isDirectory };
  }

  list(directory: string): string[] {
    const node = this.find(directory);
    if (node === undefined) return [];
    if (!node.isDirectory) return [];
    return [...node.entries.keys()].sort();
  }

  makeDirectory(path: string): void {
    const names = namesOf(path);
    for (let depth = 1; depth <= names.length; depth++) {
      const part = `/${names.slice(0, depth).join('/')}`;
      const node = this.find(part);
      if (node === undefined) this.change('make directory', [part], [this.newDirectory()]);
      else if (!node.isDirectory) {
        throw new DiskError(depth === names.length ? 'EEXIST' : 'ENOTDIR', path, 'make directory');
      }
    }
  }

  remove(path: string): void {
    const node = this.find(path);
    if (node === undefined) return;
    if (node.isDirectory) throw new DiskError('EISDIR', path, 'remove');
    this.change('remove', [path], [undefined]);
  }

  removeTree(path: string): void {
    const node = this.find(path);
    if (node === undefined) return;
    if (node.isDirectory) for (const name of [...node.entries.keys()]) this.removeTree(`${path}/${name}`);
    this.change('remove tree', [path], [undefined]);
  }

  rename(from: string, to: string): void {
    const node = this.find(from);
    if (node === undefined) throw new DiskError('ENOENT', from, 'rename');
    const replaced = this.find(to);
    if (replaced === node) return;
    if (replaced?.isDirectory === true) throw new DiskError('EISDIR', from, 'rename', `${to} is a directory`);
    this.change('rename', [from, to], [undefined, node]);
  }

  /** Changes of this directory become durable, and with them what the journal holds in front of them. */
  syncDirectory(path: string): void {
    const directory = this.find(path);
    if (directory === undefined) throw new DiskError('ENOENT', path, 'sync directory');
    if (!directory.isDirectory) throw new DiskError('ENOTDIR', path, 'sync directory');
    this.failIfInjected('sync', path);
    const covered = new Set<Directory>([directory]);
    const hardened: Change[] = [];
    const rest: Change[] = [];
    for (let at = this.unsynced.length - 1; at >= 0; at--) {
      const change = this.unsynced[at]!;
      const isCovered = change.directories.some((one) => covered.has(one));
      if (isCovered) for (const one of change.directories) covered.add(one);
      (isCovered ? hardened : rest).push(change);
    }
    for (const change of hardened.reverse()) applyTo('durable', change);
    this.unsynced = rest.reverse();
  }

  usage(_path: string): { readonly totalBytes: number; readonly availableBytes: number } {
    const totalBytes = Math.min(this.capacityBytes, UNLIMITED_BYTES);
    return { totalBytes, availableBytes: Math.max(0, totalBytes - this.usedBytes) };
  }

  lock(path: string): { release(): void } {
    const file = this.open(path, { create: true });
    const inode = this.find(path) as Inode;
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
    this.eachFile(this.root, (inode) => inode.abandonSyncs());
    for (const file of [...this.handles]) this.closed(file);
  }

  /** Power loss: like a kill, and what no sync covered is lost, kept or torn as the seed decides. */
  crash(random: Prng): void {
    this.processKill();
    const cut = new Set<Directory>();
    const keepOdds = random.pick([0, 1, random.unit()]);
    for (const change of this.unsynced) {
      const isCut = !random.chance(keepOdds) || change.directories.some((one) => cut.has(one));
      if (!isCut) applyTo('durable', change);
      else for (const one of change.directories) cut.add(one);
    }
    this.unsynced = [];
    this.usedBytes = 0;
    this.restore(this.root, random, new Set());
  }

  /** The kernel writes back some dirty sectors of every file, as it may at any time. */
  writeBack(random: Prng): void {
    this.eachFile(this.root, (inode) => inode.writeBack(random));
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

  later(action: () => void): void {
    this.options.schedule(this.options.syncDelayMs?.() ?? 1, action);
  }

  private newDirectory(): Directory {
    return { isDirectory: true, entries: new Map(), durable: new Map(), modifiedMs: this.now() };
  }

  private eachFile(directory: Directory, visit: (inode: Inode) => void): void {
    for (const node of directory.entries.values()) {
      if (node.isDirectory) this.eachFile(node, visit);
      else visit(node);
    }
  }

  private find(path: string): Node | undefined {
    let node: Node = this.root;
    for (const name of namesOf(path)) {
      if (!node.isDirectory) return undefined;
      const next: Node | undefined = node.entries.get(name);
      if (next === undefined) return undefined;
      node = next;
    }
    return node;
  }

  private change(operation: string, paths: readonly string[], nodes: readonly (Node | undefined)[]): void {
    const directories: Directory[] = [];
    const names: string[] = [];
    for (const path of paths) {
      const parts = namesOf(path);
      const name = parts.pop();
      if (name === undefined) throw new DiskError('EBUSY', path, operation, 'the root directory');
      const parent = this.find(`/${parts.join('/')}`);
      if (parent === undefined) throw new DiskError('ENOENT', path, operation);
      if (!parent.isDirectory) throw new DiskError('ENOTDIR', path, operation);
      directories.push(parent);
      names.push(name);
    }
    const change: Change = { directories, names, nodes };
    const before = directories.map((directory, at) => directory.entries.get(names[at]!));
    applyTo('entries', change);
    for (const node of nodes) if (node !== undefined && !node.isDirectory) node.links++;
    for (const node of before) {
      if (node === undefined || node.isDirectory) continue;
      node.links--;
      this.freeIfUnused(node);
    }
    for (const directory of directories) directory.modifiedMs = this.now();
    this.unsynced.push(change);
    if (this.unsynced.length > JOURNAL_CHANGES_MAX) {
      for (const old of this.unsynced.splice(0, JOURNAL_CHANGES_MAX / 2)) applyTo('durable', old);
    }
  }

  private freeIfUnused(inode: Inode): void {
    if (inode.links === 0 && inode.handles === 0) this.usedBytes -= inode.allocatedBytes();
  }

  /** After a power loss: the durable entries are all there is, and each file is what its device has. */
  private restore(directory: Directory, random: Prng, restored: Set<Node>): void {
    directory.entries.clear();
    for (const [name, node] of directory.durable) {
      directory.entries.set(name, node);
      if (!node.isDirectory) {
        node.links = restored.has(node) ? node.links + 1 : 1;
        if (restored.has(node)) continue;
        restored.add(node);
        node.crash(random);
        this.usedBytes += node.allocatedBytes();
      } else if (!restored.has(node)) {
        restored.add(node);
        this.restore(node, random, restored);
      }
    }
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
    return this.inode.read(target, start, length, position);
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

function applyTo(which: 'entries' | 'durable', change: Change): void {
  for (let at = 0; at < change.names.length; at++) {
    const entries = change.directories[at]![which];
    const node = change.nodes[at];
    if (node === undefined) entries.delete(change.names[at]!);
    else entries.set(change.names[at]!, node);
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}
