/**
 * The lock of a RAM disk, and the table of its owners. A thread that dies may hold it: the word says who does, so that
 * the main thread, which hears of every death, can take it over (`release` of an owner).
 *
 *     lock word   0 free | owner, and CONTENDED while somebody may be waiting
 */
import { invariant } from '../../base/invariant.js';
import { CONTROL, OWNERS_MAX } from './memory.js';

const CONTENDED = 1 << 8;
const OWNER = CONTENDED - 1;
invariant(OWNERS_MAX < CONTENDED, 'an owner fits below the bit');

/** Critical sections take microseconds: worth a short spin before the thread sleeps. */
const SPINS = 100;
/** Nobody sleeps longer without looking: who was woken may have died. */
const LOOK_AGAIN_MS = 50;

export class RamLock {
  constructor(
    private readonly control: Int32Array,
    private readonly owner: number,
    private readonly limitMs = Number.POSITIVE_INFINITY,
  ) {}

  /** False when it was not to be had within the limit. */
  acquire(): boolean {
    return Atomics.compareExchange(this.control, CONTROL.lock, 0, this.owner) === 0 || this.acquireContended();
  }

  private acquireContended(): boolean {
    const { control, owner } = this;
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.compareExchange(control, CONTROL.lock, 0, owner) === 0) return true;
    }
    const giveUpAt = performance.now() + this.limitMs;
    for (;;) {
      // From here on others may sleep as well, so the bit stays when the lock is taken; the release then wakes one.
      const found = Atomics.compareExchange(control, CONTROL.lock, 0, owner | CONTENDED);
      if (found === 0) return true;
      if (performance.now() >= giveUpAt) return false;
      const wanted = found | CONTENDED;
      const isMarked = found === wanted || Atomics.compareExchange(control, CONTROL.lock, found, wanted) === found;
      if (isMarked) Atomics.wait(control, CONTROL.lock, wanted, LOOK_AGAIN_MS);
    }
  }

  release(): void {
    const found = Atomics.exchange(this.control, CONTROL.lock, 0);
    if ((found & CONTENDED) !== 0) Atomics.notify(this.control, CONTROL.lock, 1);
  }

  /** True when `dead` held the lock, which is the caller's now. */
  takeFrom(dead: number): boolean {
    const { control, owner } = this;
    for (;;) {
      const found = Atomics.load(control, CONTROL.lock);
      if ((found & OWNER) !== dead) return false;
      if (Atomics.compareExchange(control, CONTROL.lock, found, owner | CONTENDED) === found) return true;
    }
  }
}

/** An owner number for `who`, any int32 but 0. */
export function claimOwner(control: Int32Array, who: number): number {
  for (let owner = 1; owner <= OWNERS_MAX; owner++) {
    if (Atomics.compareExchange(control, CONTROL.owners + owner - 1, 0, who) === 0) return owner;
  }
  invariant(false, 'a RAM disk has room for another thread', OWNERS_MAX);
}

/** The owner number of `who`, or 0. */
export function ownerOf(control: Int32Array, who: number): number {
  for (let owner = 1; owner <= OWNERS_MAX; owner++) {
    if (Atomics.load(control, CONTROL.owners + owner - 1) === who) return owner;
  }
  return 0;
}

/** Only when nothing of the owner is left. */
export function freeOwner(control: Int32Array, owner: number): void {
  Atomics.store(control, CONTROL.owners + owner - 1, 0);
}
