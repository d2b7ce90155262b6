/**
 * How threads sleep and wake each other: one int32 word a thread, in shared memory.
 *
 *     bit 0  PARKED   the thread is going to wait, or waits: whoever publishes for it must wake it
 *     bit 1  CONTROL  a control message waits in its event loop: it must run one
 *
 * A thread arms PARKED, looks at its rings once more, and waits while the word is exactly PARKED. A publisher stores
 * its ring head first and looks at the word then; both are sequentially consistent, so one of the two sees the other.
 */
const PARKED = 1;
const CONTROL = 2;
const WORDS_PER_THREAD = 16; // one cache line

export function doorbellBytes(threads: number): number {
  return threads * WORDS_PER_THREAD * 4;
}

export class Doorbells {
  private readonly words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
  }

  /** Wakes the thread if it is parked. */
  ring(thread: number): void {
    const word = thread * WORDS_PER_THREAD;
    if ((Atomics.load(this.words, word) & PARKED) === 0) return;
    // Only one of several publishers pays for the wake-up.
    if ((Atomics.and(this.words, word, ~PARKED) & PARKED) !== 0) Atomics.notify(this.words, word);
  }

  /** Makes the thread run its event loop, parked or not. */
  ringControl(thread: number): void {
    const word = thread * WORDS_PER_THREAD;
    Atomics.or(this.words, word, CONTROL);
    Atomics.notify(this.words, word);
  }

  /** Takes the control bit; true when it was set. */
  takeControl(thread: number): boolean {
    const word = thread * WORDS_PER_THREAD;
    if ((Atomics.load(this.words, word) & CONTROL) === 0) return false;
    Atomics.and(this.words, word, ~CONTROL);
    return true;
  }

  arm(thread: number): void {
    Atomics.or(this.words, thread * WORDS_PER_THREAD, PARKED);
  }

  disarm(thread: number): void {
    Atomics.and(this.words, thread * WORDS_PER_THREAD, ~PARKED);
  }

  isArmed(thread: number): boolean {
    return (Atomics.load(this.words, thread * WORDS_PER_THREAD) & PARKED) !== 0;
  }

  /** Blocks the calling thread until it is rung, or for `timeoutMs` (Infinity: no limit). */
  wait(thread: number, timeoutMs: number): void {
    Atomics.wait(this.words, thread * WORDS_PER_THREAD, PARKED, timeoutMs);
  }

  /** Resolves when the thread is rung; undefined when it is not parked any more. For threads with an event loop. */
  waitAsync(thread: number): Promise<unknown> | undefined {
    const result = Atomics.waitAsync(this.words, thread * WORDS_PER_THREAD, PARKED);
    return result.async ? result.value : undefined;
  }
}
