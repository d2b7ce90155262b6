/** Timers of one thread: a binary heap by due time. Ties fire in the order in which they were set. */
export interface Timer {
  /** Does nothing when the timer has fired or was cancelled before. */
  cancel(): void;
}

class Entry implements Timer {
  isCancelled = false;
  /** Left the heap: cancelling it changes nothing any more. */
  isOver = false;
  constructor(
    private readonly timers: Timers,
    readonly dueMs: number,
    readonly sequence: number,
    readonly owner: number,
    readonly fire: () => void,
  ) {}
  cancel(): void {
    if (this.isCancelled || this.isOver) return;
    this.isCancelled = true;
    this.timers.cancelled++;
  }
}

/** Cancelled entries stay until they are due, or are the majority of more than this many. */
const CANCELLED_KEPT = 64;

export class Timers {
  /** Of the heap's entries. */
  cancelled = 0;
  private heap: Entry[] = [];
  private sequence = 0;

  /** Calls `fire` in the first turn at or after `dueMs` (monotonic milliseconds), unless its owner was dropped. */
  set(dueMs: number, owner: number, fire: () => void): Timer {
    if (this.cancelled > CANCELLED_KEPT && this.cancelled * 2 > this.heap.length) this.dropCancelled();
    const entry = new Entry(this, dueMs, this.sequence++, owner, fire);
    this.heap.push(entry);
    this.up(this.heap.length - 1);
    return entry;
  }

  /** Forgets the timers of an owner (an actor that is stopped). */
  dropOwner(owner: number): void {
    for (const entry of this.heap) if (entry.owner === owner) entry.cancel();
  }

  /** When the next timer is due, or undefined. */
  nextDueMs(): number | undefined {
    while (this.heap.length > 0 && this.heap[0]!.isCancelled) this.pop();
    return this.heap[0]?.dueMs;
  }

  /** A mark between the timers set so far and those set from now on. */
  mark(): number {
    return this.sequence;
  }

  /**
   * Takes the next timer that is due and was set before the mark; call until undefined. Timers that these set in turn
   * wait for the next mark, even with no delay: otherwise a turn might never end.
   */
  takeDue(nowMs: number, mark: number): { readonly owner: number; readonly fire: () => void } | undefined {
    const due = this.nextDueMs();
    // What is set after the mark is due at nowMs or later, and behind the older ones of the same time.
    return due !== undefined && due <= nowMs && this.heap[0]!.sequence < mark ? this.pop() : undefined;
  }

  get size(): number {
    return this.heap.length;
  }

  private dropCancelled(): void {
    // A sorted array is a heap.
    this.heap = this.heap.filter(({ isCancelled }) => !isCancelled).sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.cancelled = 0;
  }

  private pop(): Entry {
    const top = this.heap[0]!;
    top.isOver = true;
    if (top.isCancelled) this.cancelled--;
    const last = this.heap.pop()!;
    if (this.heap.length > 0) {
      this.heap[0] = last;
      this.down(0);
    }
    return top;
  }

  private up(at: number): void {
    const heap = this.heap;
    const entry = heap[at]!;
    let index = at;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, entry)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  private down(at: number): void {
    const heap = this.heap;
    const entry = heap[at]!;
    let index = at;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(entry, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);
}
