/**
 * What the threads of a run share: they meet before it begins, begin at the same moment, are told of the moments at which
 * messages are due, hand out the queues that are still to be read, and add up what was sent.
 */
const Word = { READY: 0, BEGUN: 1, TICK: 2, NEXT_QUEUE: 3, IDLE: 4, SENT: 5, FINISHED: 6 } as const;
const WORD_BYTES = 8 * Int32Array.BYTES_PER_ELEMENT;

export class Control {
  readonly #words: Int32Array;
  readonly #beginMs: Float64Array;

  constructor(readonly shared = new SharedArrayBuffer(WORD_BYTES + Float64Array.BYTES_PER_ELEMENT)) {
    this.#words = new Int32Array(shared, 0, WORD_BYTES / Int32Array.BYTES_PER_ELEMENT);
    this.#beginMs = new Float64Array(shared, WORD_BYTES);
  }

  /** A thread is connected; resolves with the moment at which the run begins. */
  async ready(): Promise<number> {
    Atomics.add(this.#words, Word.READY, 1);
    Atomics.notify(this.#words, Word.READY);
    await this.#changed(Word.BEGUN, 0);
    return this.#beginMs[0]!;
  }

  allReady(threads: number): Promise<void> {
    return this.#reached(Word.READY, threads);
  }

  /** A thread has sent so many messages and sends no more; resolves with what all `threads` have sent. */
  async sent(messages: number, threads: number): Promise<number> {
    Atomics.add(this.#words, Word.SENT, messages);
    Atomics.add(this.#words, Word.FINISHED, 1);
    Atomics.notify(this.#words, Word.FINISHED);
    await this.#reached(Word.FINISHED, threads);
    return Atomics.load(this.#words, Word.SENT);
  }

  begin(atMs: number): void {
    this.#beginMs[0] = atMs;
    // Stored after the moment, so that who sees it sees the moment (pairs with `ready`).
    Atomics.store(this.#words, Word.BEGUN, 1);
    Atomics.notify(this.#words, Word.BEGUN);
  }

  /** Blocks this thread. */
  sleep(ms: number): void {
    Atomics.wait(this.#words, Word.IDLE, 0, ms);
  }

  tick(): void {
    Atomics.add(this.#words, Word.TICK, 1);
    Atomics.notify(this.#words, Word.TICK);
  }

  get ticks(): number {
    return Atomics.load(this.#words, Word.TICK);
  }

  async nextTick(seen: number): Promise<void> {
    await this.#changed(Word.TICK, seen);
  }

  takeQueue(): number {
    return Atomics.add(this.#words, Word.NEXT_QUEUE, 1);
  }

  async #reached(word: number, count: number): Promise<void> {
    let seen = Atomics.load(this.#words, word);
    while (seen < count) {
      await this.#changed(word, seen);
      seen = Atomics.load(this.#words, word);
    }
  }

  async #changed(word: number, from: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#words, word, from);
    if (wait.async) await wait.value;
  }
}
