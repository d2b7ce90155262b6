/**
 * Searches of the key index that take long, because millions of messages have the key: a piece of one in each turn, so that
 * senders and consumers go on meanwhile.
 */
import { DiskError } from '../../../base/disk.js';
import type { Context } from '../../../runtime/actor.js';
import type { KeySearch } from '../../../store/key-search.js';

/** Searches under way: tools ask one at a time. */
export const KEY_SEARCHES_MAX = 64;

/** Reads of 20 bytes in a turn: 1 to 2 ms where the file is in the page cache. */
const READS_PER_TURN = 512;

interface Waiting {
  readonly search: KeySearch;
  readonly done: (error: DiskError | undefined) => void;
}

export class KeySearches {
  private readonly waiting: Waiting[] = [];

  constructor(private readonly context: Pick<Context, 'after'>) {}

  /** Calls `done` once, in this turn or a later one. False when too many searches are under way. */
  run(search: KeySearch, done: (error: DiskError | undefined) => void): boolean {
    if (search.step(READS_PER_TURN)) {
      done(undefined);
      return true;
    }
    if (this.waiting.length >= KEY_SEARCHES_MAX) return false;
    this.waiting.push({ search, done });
    if (this.waiting.length === 1) this.context.after(0, () => this.goOn());
    return true;
  }

  /** They take turns. */
  private goOn(): void {
    const next = this.waiting.shift()!;
    try {
      if (next.search.step(READS_PER_TURN)) next.done(undefined);
      else this.waiting.push(next);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      next.done(error);
    }
    if (this.waiting.length > 0) this.context.after(0, () => this.goOn());
  }
}
