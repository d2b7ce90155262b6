/**
 * One round of checks over one half queue: which of its messages are done, which are to be asked about. Pure: entries and
 * records come in, what to do comes out.
 *
 *     op queue     opNext ............ end       each names a half message that is done
 *     half queue   next  x done x x open done    a message is passed when it is done, copied behind, or given up
 *
 * The op messages are read first, so that what is left has no word of its producer yet. Progress is saved as offsets of a
 * consumer group, as in Apache: half messages up to the first that still waits, op messages up to the first whose half
 * message was not passed. Source: TransactionalMessageServiceImpl.check.
 */

/** Op messages that one round takes in; the rest waits for the next. */
export const OPS_MAX = 200_000;
/** First copies whose producer may still speak of the original, see `originals`. */
const ORIGINALS_MAX = 100_000;

export interface HalfFacts {
  readonly bornTimestamp: number;
  readonly storeTimestamp: number;
  /** TRANSACTION_CHECK_TIMES; 0 without. */
  readonly checkTimes: number;
  /** CHECK_IMMUNITY_TIME_IN_SECONDS in ms; undefined without. NaN when it is no number. */
  readonly immunityMs: number | undefined;
  /** TRAN_PREPARED_QUEUE_OFFSET of a copy; undefined without. */
  readonly preparedQueueOffset: number | undefined;
}

export interface CheckPolicy {
  /** transactionTimeOut. */
  readonly timeoutMs: number;
  /** transactionCheckMax. */
  readonly checkMax: number;
  /** fileReservedTime: what is older may be deleted any moment. */
  readonly reservedMs: number;
}

/** `wait`: neither this nor what follows is to be looked at in this round. */
export type Verdict = 'done' | 'ask' | 'postpone' | 'give up' | 'wait';

export class HalfQueue {
  /** Queue offset of the half message that is looked at next. */
  next = 0;
  /** Queue offset of the next op message to read. */
  opNext = 0;
  startMs = 0;
  /** The highest queue offset that each op message from `opFrom` on says is done; -1: none. */
  private ops: number[] = [];
  private opFrom = 0;
  private done = new Set<number>();
  /** Queue offsets of half messages that were postponed by a copy: their producer speaks of them, not of the copy. */
  private readonly originals = new Set<number>();
  private readonly doneOriginals = new Set<number>();

  constructor(readonly queueId: number) {}

  begin(next: number, opNext: number, nowMs: number): void {
    this.next = next;
    this.opNext = opNext;
    this.opFrom = opNext;
    this.startMs = nowMs;
    this.ops = [];
    this.done = new Set();
  }

  get isFull(): boolean {
    return this.ops.length >= OPS_MAX;
  }

  /** The op message at `opNext` says that the half messages there are done; none: it says nothing. */
  takeOp(halfQueueOffsets: readonly number[]): void {
    let highest = -1;
    this.opNext++;
    for (const offset of halfQueueOffsets) {
      if (offset > highest) highest = offset;
      if (offset >= this.next) this.done.add(offset);
      if (this.originals.delete(offset)) this.doneOriginals.add(offset);
    }
    this.ops.push(highest);
  }

  /** Whether the half message at `next` is done without a look at it. */
  get isDone(): boolean {
    return this.done.has(this.next);
  }

  /** What to do with the half message at `next`. */
  judge(half: HalfFacts, nowMs: number, policy: CheckPolicy): Verdict {
    const ageMs = nowMs - half.bornTimestamp;
    const { preparedQueueOffset } = half;
    if (preparedQueueOffset !== undefined && this.isOriginalDone(preparedQueueOffset)) return 'done';
    if (half.checkTimes >= policy.checkMax || ageMs > policy.reservedMs) return 'give up';
    if (half.storeTimestamp >= this.startMs) return 'wait';
    const immunityMs =
      half.immunityMs === undefined || Number.isNaN(half.immunityMs) ? policy.timeoutMs : half.immunityMs;
    if (half.immunityMs !== undefined) {
      if (ageMs < immunityMs) return 'postpone';
    } else if (ageMs >= 0 && ageMs < immunityMs) return 'wait';
    // Not all op messages are known: its own may be among the others.
    return this.isFull ? 'wait' : 'ask';
  }

  private isOriginalDone(queueOffset: number): boolean {
    return this.doneOriginals.delete(queueOffset) || this.done.has(queueOffset);
  }

  /** A copy took its place, and its producer will speak of that original. */
  postponed(original: number): void {
    if (this.originals.size < ORIGINALS_MAX) this.originals.add(original);
  }

  pass(): void {
    this.next++;
  }

  /** Up to where op messages are of no use any more. */
  get opProgress(): number {
    let passed = 0;
    while (passed < this.ops.length && this.ops[passed]! < this.next) passed++;
    return this.opFrom + passed;
  }
}
