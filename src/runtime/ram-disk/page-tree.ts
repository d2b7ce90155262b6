/**
 * The pages of one file: a tree that is as high as the file's highest page needs. Holes have no pages.
 *
 *     height 0   the page itself: files of up to 4 KiB
 *     height 1   a table of 1,024 pages: up to 4 MiB
 *     height 2   a table of tables: up to 4 GiB
 *
 * The node's word `root` holds page and height together, so that a tree grows in one store.
 */
import { PAGE_BYTES, PAGE_WORDS, type RamMemory } from './memory.js';
import { NODE, type Nodes } from './nodes.js';
import type { PagePool } from './page-pool.js';

const TABLE_SHIFT = Math.log2(PAGE_WORDS);
const TABLE_MASK = PAGE_WORDS - 1;
const HEIGHT_MAX = 2;
const HEIGHT_BITS = 2;
const HEIGHT_MASK = (1 << HEIGHT_BITS) - 1;

/** Pages that a tree of that height can hold. */
const capacityOf = (height: number): number => 1 << (height * TABLE_SHIFT);

export const FILE_BYTES_MAX = capacityOf(HEIGHT_MAX) * PAGE_BYTES;

export class PageTree {
  constructor(
    private readonly memory: RamMemory,
    private readonly pool: PagePool,
    private readonly nodes: Nodes,
  ) {}

  /** The page that holds the file's page `index`, or 0 for a hole. */
  find(node: number, index: number): number {
    const root = this.nodes.get(node, NODE.root);
    const height = root & HEIGHT_MASK;
    let page = root >>> HEIGHT_BITS;
    if (page === 0 || index >= capacityOf(height)) return 0;
    for (let level = height; level > 0 && page !== 0; level--) {
      page = this.memory.word(page, (index >>> ((level - 1) * TABLE_SHIFT)) & TABLE_MASK);
    }
    return page;
  }

  /** The same, but a hole becomes a page of zeros; 0 when the disk is full. */
  ensure(node: number, index: number): number {
    if (!this.grow(node, index)) return 0;
    const root = this.nodes.get(node, NODE.root);
    let page = root >>> HEIGHT_BITS;
    for (let level = root & HEIGHT_MASK; level > 0; level--) {
      const slot = (index >>> ((level - 1) * TABLE_SHIFT)) & TABLE_MASK;
      let below = this.memory.word(page, slot);
      if (below === 0) {
        below = this.pool.take();
        if (below === 0) return 0;
        this.memory.setWord(page, slot, below);
      }
      page = below;
    }
    return page;
  }

  /** Makes the tree high enough for `index`. */
  private grow(node: number, index: number): boolean {
    let root = this.nodes.get(node, NODE.root);
    while (root === 0 || index >= capacityOf(root & HEIGHT_MASK)) {
      const top = this.pool.take();
      if (top === 0) return false;
      let height = 0;
      if (root === 0) while (index >= capacityOf(height)) height++;
      else {
        height = (root & HEIGHT_MASK) + 1;
        this.memory.setWord(top, 0, root >>> HEIGHT_BITS);
      }
      root = (top << HEIGHT_BITS) | height;
      this.nodes.set(node, NODE.root, root);
    }
    return true;
  }

  /** Gives back the pages from index `keep` on. */
  trim(node: number, keep: number): void {
    const root = this.nodes.get(node, NODE.root);
    const page = root >>> HEIGHT_BITS;
    if (page === 0) return;
    if (keep > 0) {
      this.trimTable(page, root & HEIGHT_MASK, keep);
      return;
    }
    this.nodes.set(node, NODE.root, 0);
    this.giveTree(page, root & HEIGHT_MASK);
  }

  private trimTable(table: number, height: number, keep: number): void {
    if (height === 0) return;
    const shift = (height - 1) * TABLE_SHIFT;
    const boundary = keep >>> shift;
    const isCut = keep !== boundary << shift;
    for (let slot = PAGE_WORDS - 1; slot >= boundary; slot--) {
      const below = this.memory.word(table, slot);
      if (below === 0) continue;
      if (slot === boundary && isCut) {
        this.trimTable(below, height - 1, keep - (boundary << shift));
        continue;
      }
      // Out of the table before it is anybody else's.
      this.memory.setWord(table, slot, 0);
      this.giveTree(below, height - 1);
    }
  }

  private giveTree(page: number, height: number): void {
    if (height > 0) {
      for (let slot = PAGE_WORDS - 1; slot >= 0; slot--) {
        const below = this.memory.word(page, slot);
        if (below !== 0) this.giveTree(below, height - 1);
      }
    }
    this.pool.give(page);
  }

  /** Every page of the tree, tables too. */
  each(node: number, visit: (page: number) => void): void {
    const root = this.nodes.get(node, NODE.root);
    if (root !== 0) this.eachBelow(root >>> HEIGHT_BITS, root & HEIGHT_MASK, visit);
  }

  private eachBelow(page: number, height: number, visit: (page: number) => void): void {
    visit(page);
    if (height === 0) return;
    for (let slot = 0; slot < PAGE_WORDS; slot++) {
      const below = this.memory.word(page, slot);
      if (below !== 0) this.eachBelow(below, height - 1, visit);
    }
  }
}
