/**
 * The directories of the simulated disk, and which of their entries a power loss can take away. Changes go into a
 * journal as in a real file system; a power loss keeps, for each directory, its changes up to some point, and a rename
 * between two directories as a whole or not at all.
 */
import { DiskError } from '../../base/disk.js';
import type { Prng } from '../../base/prng.js';
import type { Inode } from './memory-inode.js';

export interface Directory {
  readonly isDirectory: true;
  readonly entries: Map<string, Node>;
  /** Entries that a power loss cannot take away. */
  readonly durable: Map<string, Node>;
  modifiedMs: number;
}

export type Node = Directory | Inode;

/** Entries set (or, undefined, removed), all of them or none. */
interface Change {
  readonly directories: readonly Directory[];
  readonly names: readonly string[];
  readonly nodes: readonly (Node | undefined)[];
}

/** The journal is finite: beyond this many changes the oldest half becomes durable by itself. */
const JOURNAL_CHANGES_MAX = 8_192;

export class Names {
  private readonly root: Directory;
  /** Changes that no sync has covered, oldest first. */
  private journal: Change[] = [];

  constructor(nowMs: number) {
    this.root = newDirectory(nowMs);
  }

  find(path: string): Node | undefined {
    let node: Node = this.root;
    for (const name of namesOf(path)) {
      if (!node.isDirectory) return undefined;
      const next: Node | undefined = node.entries.get(name);
      if (next === undefined) return undefined;
      node = next;
    }
    return node;
  }

  /** Sets or removes the entries of these paths together; returns the files that were there before. */
  change(operation: string, paths: readonly string[], nodes: readonly (Node | undefined)[], nowMs: number): Inode[] {
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
    const before: Inode[] = [];
    for (const [at, directory] of directories.entries()) {
      const node = directory.entries.get(names[at]!);
      if (node !== undefined && !node.isDirectory) before.push(node);
      directory.modifiedMs = nowMs;
    }
    applyTo('entries', change);
    this.journal.push(change);
    if (this.journal.length > JOURNAL_CHANGES_MAX) {
      for (const old of this.journal.splice(0, JOURNAL_CHANGES_MAX / 2)) applyTo('durable', old);
    }
    return before;
  }

  /** The changes of this directory become durable, and with them what the journal holds in front of them. */
  sync(directory: Directory): void {
    const covered = new Set<Directory>([directory]);
    const hardened: Change[] = [];
    const rest: Change[] = [];
    for (const change of this.journal.toReversed()) {
      const isCovered = change.directories.some((one) => covered.has(one));
      if (isCovered) for (const one of change.directories) covered.add(one);
      (isCovered ? hardened : rest).push(change);
    }
    for (const change of hardened.reverse()) applyTo('durable', change);
    this.journal = rest.reverse();
  }

  /**
   * Power loss at and below `top`: the durable entries are all there is, with those changes that the seed lets through.
   */
  crash(random: Prng, top: Directory = this.root): void {
    const affected = new Set<Directory>();
    collect(top, affected);
    const cut = new Set<Directory>();
    const rest: Change[] = [];
    const keepOdds = random.pick([0, 1, random.unit()]);
    for (const change of this.journal) {
      if (!change.directories.some((one) => affected.has(one))) {
        rest.push(change);
        continue;
      }
      const isCut = !random.chance(keepOdds) || change.directories.some((one) => cut.has(one));
      if (!isCut) applyTo('durable', change);
      else for (const one of change.directories) cut.add(one);
    }
    this.journal = rest;
    restore(top);
  }

  /** Every file that has a name, once for each. */
  eachFile(visit: (inode: Inode) => void, directory: Directory = this.root): void {
    for (const node of directory.entries.values()) {
      if (node.isDirectory) this.eachFile(visit, node);
      else visit(node);
    }
  }
}

export function newDirectory(nowMs: number): Directory {
  return { isDirectory: true, entries: new Map(), durable: new Map(), modifiedMs: nowMs };
}

export function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}

/** A directory with all below it that has a name, or had one when it was last synced. */
function collect(directory: Directory, into: Set<Directory>): void {
  if (into.has(directory)) return;
  into.add(directory);
  for (const entries of [directory.entries, directory.durable]) {
    for (const node of entries.values()) if (node.isDirectory) collect(node, into);
  }
}

function restore(directory: Directory): void {
  directory.entries.clear();
  for (const [name, node] of directory.durable) {
    directory.entries.set(name, node);
    if (node.isDirectory) restore(node);
  }
}

function applyTo(which: 'entries' | 'durable', change: Change): void {
  for (const [at, name] of change.names.entries()) {
    const entries = change.directories[at]![which];
    const node = change.nodes[at];
    if (node === undefined) entries.delete(name);
    else entries.set(name, node);
  }
}
