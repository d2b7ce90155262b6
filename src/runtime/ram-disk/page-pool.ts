/**
 * Which pages are in use. Pages come from the list of those given back, else from the part that was never touched.
 * The list is derived: `reset` makes it anew from what files and nodes hold (repair.ts).
 */
import { CONTROL, PAGE_BYTES, type RamMemory } from './memory.js';

const ZEROS = new Uint8Array(PAGE_BYTES);

export class PagePool {
  constructor(private readonly memory: RamMemory) {}

  get used(): number {
    return this.memory.control[CONTROL.usedPages]!;
  }

  /** A page of zeros that belongs to nobody yet; 0 when the disk is full. */
  take(): number {
    const { memory } = this;
    const { control } = memory;
    const recycled = control[CONTROL.freePage]!;
    if (recycled !== 0) {
      control[CONTROL.freePage] = memory.word(recycled, 0);
      memory.chunkOf(recycled).set(ZEROS, memory.byteOf(recycled));
      control[CONTROL.usedPages]!++;
      return recycled;
    }
    const fresh = control[CONTROL.freshPage]!;
    if (fresh > memory.pages) return 0;
    control[CONTROL.freshPage] = fresh + 1;
    control[CONTROL.usedPages]!++;
    return fresh;
  }

  /** Nothing refers to the page any more. */
  give(page: number): void {
    const { memory } = this;
    memory.setWord(page, 0, memory.control[CONTROL.freePage]!);
    memory.control[CONTROL.freePage] = page;
    memory.control[CONTROL.usedPages]!--;
  }

  /** Gives back every page that was ever taken and is not marked. */
  reset(isMarked: (page: number) => boolean): void {
    const { control } = this.memory;
    const fresh = control[CONTROL.freshPage]!;
    control[CONTROL.freePage] = 0;
    control[CONTROL.usedPages] = fresh - 1;
    // Downwards, so that pages are taken upwards again: neighbours are copied in one piece.
    for (let page = fresh - 1; page >= 1; page--) if (!isMarked(page)) this.give(page);
  }
}
