/**
 * The file system of a RAM disk over its shared memory: names, sizes, content. Callers hold the lock.
 *
 * A thread may be ended in the middle of any of these calls. So each change has one store that makes it true (a node's
 * state, a file's size, a slot of its tree, the intent of a rename); before it the new is not reachable, after it the
 * rest is derived, and `repair` makes that anew.
 */
import { DiskError, type FileFacts } from '../../base/disk.js';
import { CONTROL, INTENT, NAME_BYTES_MAX, PAGE_BYTES, type RamMemory } from './memory.js';
import { FIRST_NODE, NODE, Nodes, State } from './nodes.js';
import { PagePool } from './page-pool.js';
import { FILE_BYTES_MAX, PageTree } from './page-tree.js';

export const NONE = 0;
/** The first node that was made (`format`): the directory / */
const ROOT = FIRST_NODE;
const ZEROS = new Uint8Array(PAGE_BYTES);

export class RamFiles {
  readonly pool: PagePool;
  readonly nodes: Nodes;
  readonly tree: PageTree;

  constructor(
    readonly memory: RamMemory,
    private readonly now: () => number,
  ) {
    this.pool = new PagePool(memory);
    this.nodes = new Nodes(memory, this.pool);
    this.tree = new PageTree(memory, this.pool, this.nodes);
  }

  /** Makes the root directory of a new disk: the first node of the first page. */
  format(): void {
    const root = this.nodes.take();
    this.nodes.setDouble(root, NODE.modifiedMs, this.now());
    this.nodes.set(root, NODE.state, State.directory);
  }

  // Names.

  /** The file or directory with that path, or NONE. */
  find(path: string): number {
    let node = ROOT;
    for (const name of namesOf(path)) {
      node = this.nodes.get(node, NODE.state) === State.directory ? this.nodes.find(node, Buffer.from(name)) : NONE;
      if (node === NONE) return NONE;
    }
    return node;
  }

  isDirectory(node: number): boolean {
    return this.nodes.get(node, NODE.state) === State.directory;
  }

  /** A new, empty file; opened by `owner`. Throws DiskError. */
  createFile(path: string, owner: number): number {
    const [parent, name] = this.placeOf(path, 'open');
    return this.create(parent, name, State.file, path, 'open', owner);
  }

  makeDirectory(path: string): void {
    let parent = ROOT;
    const names = namesOf(path);
    for (const [depth, name] of names.entries()) {
      const bytes = nameBytes(name, path, 'make directory');
      const node = this.nodes.find(parent, bytes);
      if (node === NONE) {
        parent = this.create(parent, bytes, State.directory, path, 'make directory', 0);
        continue;
      }
      if (!this.isDirectory(node)) {
        throw new DiskError(depth === names.length - 1 ? 'EEXIST' : 'ENOTDIR', path, 'make directory');
      }
      parent = node;
    }
  }

  private create(
    parent: number,
    name: Uint8Array,
    state: number,
    path: string,
    operation: string,
    owner: number,
  ): number {
    const { nodes } = this;
    const node = nodes.take();
    if (node === NONE) throw noSpace(path, operation);
    nodes.set(node, NODE.parent, parent);
    nodes.set(node, NODE.firstChild, NONE);
    nodes.set(node, NODE.root, 0);
    nodes.setDouble(node, NODE.bytes, 0);
    nodes.setDouble(node, NODE.modifiedMs, this.now());
    nodes.set(node, NODE.lockedBy, 0);
    nodes.set(node, NODE.openBy, 0);
    nodes.set(node, NODE.openBy + 1, 0);
    if (owner > 0) this.setOpen(node, owner);
    nodes.setName(node, name);
    nodes.set(node, NODE.state, state);
    nodes.link(node);
    nodes.setDouble(parent, NODE.modifiedMs, this.now());
    return node;
  }

  list(directory: number): string[] {
    const names: string[] = [];
    const { nodes } = this;
    for (let node = nodes.get(directory, NODE.firstChild); node !== NONE; node = nodes.get(node, NODE.nextSibling)) {
      names.push(nodes.nameOf(node));
    }
    return names.sort();
  }

  factsOf(node: number): FileFacts {
    return {
      bytes: this.isDirectory(node) ? 0 : this.nodes.getDouble(node, NODE.bytes),
      modifiedMs: Math.floor(this.nodes.getDouble(node, NODE.modifiedMs)),
      isDirectory: this.isDirectory(node),
    };
  }

  /** Takes a file, or a directory with everything below it, out of the tree. */
  removeTree(node: number): void {
    if (node === ROOT) throw new DiskError('EBUSY', '/', 'remove tree', 'the root directory');
    const { nodes } = this;
    for (let child = nodes.get(node, NODE.firstChild); child !== NONE; child = nodes.get(node, NODE.firstChild)) {
      this.removeTree(child);
    }
    nodes.setDouble(nodes.get(node, NODE.parent), NODE.modifiedMs, this.now());
    nodes.unlink(node);
    this.dropName(node);
  }

  /** The node has no name any more; it goes on while it is open. */
  private dropName(node: number): void {
    if (!this.isOpen(node)) return this.free(node);
    this.nodes.set(node, NODE.state, State.removed);
  }

  private free(node: number): void {
    this.nodes.set(node, NODE.state, State.unused);
    this.tree.trim(node, 0);
    this.nodes.give(node);
  }

  /** Throws DiskError. */
  rename(from: string, to: string): void {
    const node = this.find(from);
    if (node === NONE) throw new DiskError('ENOENT', from, 'rename');
    if (node === ROOT) throw new DiskError('EBUSY', from, 'rename', 'the root directory');
    const [parent, name] = this.placeOf(to, 'rename');
    const replaced = this.nodes.find(parent, name);
    if (replaced === node) return;
    if (replaced !== NONE && this.isDirectory(replaced)) {
      throw new DiskError('EISDIR', from, 'rename', `${to} is a directory`);
    }
    for (let above = parent; above !== ROOT; above = this.nodes.get(above, NODE.parent)) {
      if (above === node) throw new DiskError('EINVAL', from, 'rename', `${to} lies in it`);
    }
    const { control } = this.memory;
    const intent = CONTROL.intent;
    control[intent + INTENT.node] = node;
    control[intent + INTENT.parent] = parent;
    control[intent + INTENT.replaced] = replaced;
    control[intent + INTENT.nameBytes] = name.length;
    this.intendedName().set(name);
    control[intent + INTENT.isSet] = 1;
    this.nodes.unlink(node);
    if (replaced !== NONE) this.nodes.unlink(replaced);
    this.carryOut();
    this.nodes.link(node);
    control[intent + INTENT.isSet] = 0;
    if (replaced !== NONE) this.dropName(replaced);
    this.nodes.setDouble(parent, NODE.modifiedMs, this.now());
  }

  /** The stores of the rename that was intended, in any number of repetitions; lists are not touched. */
  private carryOut(): void {
    const { control } = this.memory;
    const intent = CONTROL.intent;
    const node = control[intent + INTENT.node]!;
    const replaced = control[intent + INTENT.replaced]!;
    this.nodes.set(node, NODE.parent, control[intent + INTENT.parent]!);
    this.nodes.setName(node, this.intendedName().subarray(0, control[intent + INTENT.nameBytes]!));
    if (replaced !== NONE) this.nodes.set(replaced, NODE.state, State.removed);
  }

  private intendedName(): Uint8Array {
    const { buffer, byteOffset } = this.memory.control;
    return new Uint8Array(buffer, byteOffset + (CONTROL.intent + INTENT.name) * 4, NAME_BYTES_MAX);
  }

  // Who has it open.

  setOpen(node: number, owner: number): void {
    const word = NODE.openBy + ((owner - 1) >>> 5);
    this.nodes.set(node, word, this.nodes.get(node, word) | (1 << ((owner - 1) & 31)));
  }

  /** `owner` has closed its last handle of the file. */
  setClosed(node: number, owner: number): void {
    const word = NODE.openBy + ((owner - 1) >>> 5);
    this.nodes.set(node, word, this.nodes.get(node, word) & ~(1 << ((owner - 1) & 31)));
    if (this.nodes.get(node, NODE.state) === State.removed && !this.isOpen(node)) this.free(node);
  }

  private isOpen(node: number): boolean {
    return (this.nodes.get(node, NODE.openBy) | this.nodes.get(node, NODE.openBy + 1)) !== 0;
  }

  // Content.

  sizeOf(node: number): number {
    return this.nodes.getDouble(node, NODE.bytes);
  }

  read(node: number, target: Uint8Array, start: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.sizeOf(node) - position));
    for (let done = 0; done < count; ) {
      const inPage = (position + done) % PAGE_BYTES;
      const page = this.tree.find(node, Math.floor((position + done) / PAGE_BYTES));
      if (page === 0) {
        const bytes = Math.min(count - done, PAGE_BYTES - inPage);
        target.fill(0, start + done, start + done + bytes);
        done += bytes;
        continue;
      }
      const bytes = this.runFrom(node, page, position + done, count - done, false);
      const at = this.memory.byteOf(page) + inPage;
      target.set(this.memory.chunkOf(page).subarray(at, at + bytes), start + done);
      done += bytes;
    }
    return count;
  }

  /** Throws DiskError: ENOSPC after what fitted. */
  write(node: number, source: Uint8Array, start: number, length: number, position: number, path: string): void {
    if (position + length > FILE_BYTES_MAX) throw new DiskError('EFBIG', path, 'write');
    let done = 0;
    while (done < length) {
      const page = this.tree.ensure(node, Math.floor((position + done) / PAGE_BYTES));
      if (page === 0) break;
      const bytes = this.runFrom(node, page, position + done, length - done, true);
      const at = this.memory.byteOf(page) + ((position + done) % PAGE_BYTES);
      this.memory.chunkOf(page).set(source.subarray(start + done, start + done + bytes), at);
      done += bytes;
    }
    if (done > 0) {
      if (position + done > this.sizeOf(node)) this.nodes.setDouble(node, NODE.bytes, position + done);
      this.nodes.setDouble(node, NODE.modifiedMs, this.now());
    }
    if (done < length) throw noSpace(path, 'write');
  }

  /** Bytes from `position`, in `page`, on that lie next to each other in memory, at most `length`. */
  private runFrom(node: number, page: number, position: number, length: number, ensures: boolean): number {
    const chunk = this.memory.chunkOf(page);
    let index = Math.floor(position / PAGE_BYTES);
    let bytes = PAGE_BYTES - (position % PAGE_BYTES);
    let last = page;
    while (bytes < length) {
      index++;
      const next = ensures ? this.tree.ensure(node, index) : this.tree.find(node, index);
      if (next !== last + 1 || this.memory.chunkOf(next) !== chunk) break;
      last = next;
      bytes += PAGE_BYTES;
    }
    return Math.min(bytes, length);
  }

  /** Throws DiskError. */
  truncate(node: number, bytes: number, path: string): void {
    if (bytes > FILE_BYTES_MAX) throw new DiskError('EFBIG', path, 'truncate');
    this.nodes.setDouble(node, NODE.bytes, bytes);
    this.cutTail(node);
    this.nodes.setDouble(node, NODE.modifiedMs, this.now());
  }

  /** Makes sure that nothing lies behind the file's end. */
  private cutTail(node: number): void {
    const bytes = this.sizeOf(node);
    const keep = Math.ceil(bytes / PAGE_BYTES);
    this.tree.trim(node, keep);
    const inPage = bytes % PAGE_BYTES;
    const page = inPage === 0 ? 0 : this.tree.find(node, keep - 1);
    if (page === 0) return;
    this.memory.chunkOf(page).set(ZEROS.subarray(inPage), this.memory.byteOf(page) + inPage);
  }

  // Repair.

  /** Completes what a thread left half done when it ended, and makes everything derived anew. */
  repair(): void {
    const { memory, nodes, tree } = this;
    if (memory.control[CONTROL.intent + INTENT.isSet] === 1) {
      this.carryOut();
      memory.control[CONTROL.intent + INTENT.isSet] = 0;
    }
    const inUse = new Uint8Array(memory.pages + 1);
    const mark = (page: number): void => {
      inUse[page] = 1;
    };
    nodes.eachPage(mark);
    nodes.clearLists();
    nodes.each((node) => {
      const state = nodes.get(node, NODE.state);
      if (state === State.removed && !this.isOpen(node)) nodes.set(node, NODE.state, State.unused);
      if (nodes.get(node, NODE.state) === State.unused) nodes.give(node);
      else if (state !== State.removed && node !== ROOT) nodes.link(node);
    });
    // The lists of free pages are still those of before: pages that are cut off go through them, and away in `reset`.
    nodes.each((node) => {
      const state = nodes.get(node, NODE.state);
      if (state !== State.file && state !== State.removed) return;
      this.cutTail(node);
      tree.each(node, mark);
    });
    this.pool.reset((page) => inUse[page] === 1);
  }

  /** Ends what an owner that is gone had open and locked. */
  forgetOwner(owner: number): void {
    const { nodes } = this;
    nodes.each((node) => {
      if (nodes.get(node, NODE.state) === State.unused) return;
      if (nodes.get(node, NODE.lockedBy) === owner) nodes.set(node, NODE.lockedBy, 0);
      this.setClosed(node, owner);
    });
  }

  /** Parent directory and name; throws DiskError when there is no such directory. */
  private placeOf(path: string, operation: string): [parent: number, name: Uint8Array] {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw new DiskError('EBUSY', path, operation, 'the root directory');
    const parent = this.find(names.join('/'));
    if (parent === NONE) throw new DiskError('ENOENT', path, operation);
    if (!this.isDirectory(parent)) throw new DiskError('ENOTDIR', path, operation);
    return [parent, nameBytes(name, path, operation)];
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}

function nameBytes(name: string, path: string, operation: string): Uint8Array {
  const bytes = Buffer.from(name, 'utf8');
  if (bytes.length > NAME_BYTES_MAX) throw new DiskError('ENAMETOOLONG', path, operation);
  return bytes;
}

function noSpace(path: string, operation: string): DiskError {
  return new DiskError('ENOSPC', path, operation, 'the memory of this store is used up: raise its storeMaxBytes');
}
