/**
 * Files and directories: records of a fixed size with their name in them, twelve a page. What a node is, says, and holds
 * is primary; hash chains, lists of children and the list of unused nodes are derived from it and can be made anew.
 *
 *     page of nodes    0 next such page | 64 node 0 | 400 node 1 | ... | 3760 node 11
 *     node             fields, one word each (NODE) | 80 name, UTF-8
 *
 * A node's number is its page times 12 plus its place there; 0 means "none".
 */
import { invariant } from '../../base/invariant.js';
import { CONTROL, NAME_BYTES_MAX, PAGE_BYTES, type RamMemory } from './memory.js';
import type { PagePool } from './page-pool.js';

const NODES_PER_PAGE = 12;
/** The first node of page 1. */
export const FIRST_NODE = NODES_PER_PAGE;
const FIRST_NODE_WORD = 16;
const NODE_WORDS = 84;
const NAME_WORD = 20;

/** Words of a node. */
export const NODE = {
  /** Written last when a node comes into being. */
  state: 0,
  parent: 1,
  nameHash: 2,
  nextInBucket: 3,
  firstChild: 4,
  previousSibling: 5,
  /** Also links unused nodes. */
  nextSibling: 6,
  /** The file's tree of pages (page-tree.ts). */
  root: 7,
  /** Doubles. */
  bytes: 8,
  modifiedMs: 10,
  nameBytes: 12,
  /** Owner that holds the lock on the file, 0 = nobody. */
  lockedBy: 13,
  /** Two words: a bit for each owner that has the file open. */
  openBy: 14,
} as const;

/** `removed`: a file without a name that somebody still has open. */
export const State = { unused: 0, file: 1, directory: 2, removed: 3 } as const;

invariant((FIRST_NODE_WORD + NODES_PER_PAGE * NODE_WORDS) * 4 <= PAGE_BYTES, 'nodes fit their page');
invariant(NAME_WORD * 4 + NAME_BYTES_MAX < NODE_WORDS * 4, 'a name fits its node');

export class Nodes {
  constructor(
    private readonly memory: RamMemory,
    private readonly pool: PagePool,
  ) {}

  get(node: number, field: number): number {
    return this.memory.word(pageOf(node), wordOf(node) + field);
  }

  set(node: number, field: number, value: number): void {
    this.memory.setWord(pageOf(node), wordOf(node) + field, value);
  }

  getDouble(node: number, field: number): number {
    return this.memory.double(pageOf(node), wordOf(node) + field);
  }

  setDouble(node: number, field: number, value: number): void {
    this.memory.setDouble(pageOf(node), wordOf(node) + field, value);
  }

  nameOf(node: number): string {
    const page = pageOf(node);
    const chunk = this.memory.chunkOf(page);
    const at = this.nameAt(node);
    return Buffer.from(chunk.subarray(at, at + this.get(node, NODE.nameBytes))).toString('utf8');
  }

  setName(node: number, name: Uint8Array): void {
    this.memory.chunkOf(pageOf(node)).set(name, this.nameAt(node));
    this.set(node, NODE.nameBytes, name.length);
  }

  // Unused nodes.

  /** A node that nobody refers to, of state `unused`; 0 when the disk is full. */
  take(): number {
    const { control } = this.memory;
    if (control[CONTROL.freeNode] === 0 && !this.addPage()) return 0;
    const node = control[CONTROL.freeNode]!;
    control[CONTROL.freeNode] = this.get(node, NODE.nextSibling);
    return node;
  }

  give(node: number): void {
    this.set(node, NODE.nextSibling, this.memory.control[CONTROL.freeNode]!);
    this.memory.control[CONTROL.freeNode] = node;
  }

  private addPage(): boolean {
    const { control } = this.memory;
    const page = this.pool.take();
    if (page === 0) return false;
    this.memory.setWord(page, 0, control[CONTROL.nodePage]!);
    control[CONTROL.nodePage] = page;
    for (let place = NODES_PER_PAGE - 1; place >= 0; place--) this.give(page * NODES_PER_PAGE + place);
    return true;
  }

  // Names.

  /** The child of `parent` with that name, or 0. */
  find(parent: number, name: Uint8Array): number {
    const hash = hashOf(parent, name);
    let node = this.memory.control[this.bucketOf(hash)]!;
    while (node !== 0 && !this.isNamed(node, parent, hash, name)) node = this.get(node, NODE.nextInBucket);
    return node;
  }

  private isNamed(node: number, parent: number, hash: number, name: Uint8Array): boolean {
    if (this.get(node, NODE.nameHash) !== hash || this.get(node, NODE.parent) !== parent) return false;
    if (this.get(node, NODE.nameBytes) !== name.length) return false;
    const chunk = this.memory.chunkOf(pageOf(node));
    const at = this.nameAt(node);
    for (let i = 0; i < name.length; i++) if (chunk[at + i] !== name[i]) return false;
    return true;
  }

  /** Makes a node with parent and name known to its hash chain and to its parent. */
  link(node: number): void {
    const { control } = this.memory;
    const parent = this.get(node, NODE.parent);
    const at = this.nameAt(node);
    const name = this.memory.chunkOf(pageOf(node)).subarray(at, at + this.get(node, NODE.nameBytes));
    const hash = hashOf(parent, name);
    const bucket = this.bucketOf(hash);
    this.set(node, NODE.nameHash, hash);
    this.set(node, NODE.nextInBucket, control[bucket]!);
    control[bucket] = node;
    const first = this.get(parent, NODE.firstChild);
    this.set(node, NODE.previousSibling, 0);
    this.set(node, NODE.nextSibling, first);
    if (first !== 0) this.set(first, NODE.previousSibling, node);
    this.set(parent, NODE.firstChild, node);
  }

  unlink(node: number): void {
    const { control } = this.memory;
    const bucket = this.bucketOf(this.get(node, NODE.nameHash));
    const next = this.get(node, NODE.nextInBucket);
    let before = control[bucket]!;
    if (before === node) {
      control[bucket] = next;
    } else {
      while (this.get(before, NODE.nextInBucket) !== node) before = this.get(before, NODE.nextInBucket);
      this.set(before, NODE.nextInBucket, next);
    }
    const younger = this.get(node, NODE.previousSibling);
    const older = this.get(node, NODE.nextSibling);
    if (younger === 0) this.set(this.get(node, NODE.parent), NODE.firstChild, older);
    else this.set(younger, NODE.nextSibling, older);
    if (older !== 0) this.set(older, NODE.previousSibling, younger);
  }

  // For the repair.

  /** Every node of every page of nodes, unused ones too. */
  each(visit: (node: number) => void): void {
    this.eachPage((page) => {
      for (let place = 0; place < NODES_PER_PAGE; place++) visit(page * NODES_PER_PAGE + place);
    });
  }

  eachPage(visit: (page: number) => void): void {
    for (let page = this.memory.control[CONTROL.nodePage]!; page !== 0; page = this.memory.word(page, 0)) visit(page);
  }

  /** Forgets everything derived. */
  clearLists(): void {
    const { control } = this.memory;
    control.fill(0, CONTROL.buckets);
    control[CONTROL.freeNode] = 0;
    this.each((node) => this.set(node, NODE.firstChild, 0));
  }

  private nameAt(node: number): number {
    return this.memory.byteOf(pageOf(node)) + (wordOf(node) + NAME_WORD) * 4;
  }

  private bucketOf(hash: number): number {
    return CONTROL.buckets + (hash & (this.memory.buckets - 1));
  }
}

function pageOf(node: number): number {
  return (node / NODES_PER_PAGE) | 0;
}

function wordOf(node: number): number {
  return FIRST_NODE_WORD + (node % NODES_PER_PAGE) * NODE_WORDS;
}

/** FNV-1a. */
function hashOf(parent: number, name: Uint8Array): number {
  let hash = Math.imul(0x811c9dc5 ^ parent, 0x01000193);
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name[i]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
