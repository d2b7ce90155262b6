/**
 * Fast failure: a request that has waited too long is refused with SYSTEM_BUSY and Apache's words, because its client
 * has given up or will soon. Source: BrokerFastFailure.java.
 *
 * Only a backlog is refused. Apache asks how long a request has waited in its queue; a process that stood still (SIGSTOP,
 * a closed laptop, a machine with other things to do) would then refuse all it finds when it goes on. Here a request must
 * have been there before the previous turn began, and time counts from when the thread's turns began to leave requests
 * behind: after a standstill everybody gets the full time once more.
 */
import { catalog } from '../../metrics/catalog.js';
import { counter, type SeriesMeter } from '../../metrics/meter.js';
import type { BrokerSettings } from '../../config/schema.js';
import { RequestCode } from '../remoting/request-codes.js';
import type { Context } from '../runtime/actor.js';
import type { Kind } from '../runtime/message.js';

export type RefusalReason =
  | 'queue_age'
  | 'disk_busy'
  | 'waiting_answers_full'
  | 'cold_pulls_full'
  | 'offset_searches_full';

export interface Refusal {
  readonly reason: RefusalReason;
  readonly remark: string;
}

/** All live (code 25). */
export type FlowLimits = Pick<
  BrokerSettings,
  | 'brokerFastFailureEnable'
  | 'waitTimeMillsInSendQueue'
  | 'waitTimeMillsInPullQueue'
  | 'waitTimeMillsInHeartbeatQueue'
  | 'waitTimeMillsInTransactionQueue'
  | 'osPageCacheBusyTimeOutMills'
>;

/** Apache's queue of the request, named by the setting that limits the waiting in it. */
const LIMIT_OF: ReadonlyMap<number, keyof FlowLimits & `waitTime${string}`> = new Map([
  [RequestCode.SEND_MESSAGE, 'waitTimeMillsInSendQueue'],
  [RequestCode.SEND_MESSAGE_V2, 'waitTimeMillsInSendQueue'],
  [RequestCode.SEND_BATCH_MESSAGE, 'waitTimeMillsInSendQueue'],
  [RequestCode.CONSUMER_SEND_MSG_BACK, 'waitTimeMillsInSendQueue'],
  [RequestCode.PULL_MESSAGE, 'waitTimeMillsInPullQueue'],
  [RequestCode.HEART_BEAT, 'waitTimeMillsInHeartbeatQueue'],
  [RequestCode.END_TRANSACTION, 'waitTimeMillsInTransactionQueue'],
] as const);

/** What the clock of an actor's thread tells. */
type Turns = Pick<Context, 'clock' | 'stopwatch' | 'behindSinceMs' | 'waiting'>;

export class FlowControl {
  /**
   * HOT. Wall clock ms: a frame that the front received before is looked at by `refusal`; all others are taken. It is
   * when the previous turn of the actor began, or when its slow file write ended.
   */
  suspectBefore = 0;
  /** How long the request waited that waited longest of this turn and the one before. */
  private oldestMs = 0;
  private oldestBeforeMs = 0;
  private previousTurnMs = 0;
  /** Wall clock ms at which a slow write ended; sends that were there before are refused. */
  private busyUntilMs = 0;
  private writeBeganMs = 0;

  constructor(
    private readonly context: Turns,
    private readonly meter: SeriesMeter,
    private readonly broker: string,
    /** Of the messages that bring requests: they are what waits. */
    private readonly frames: Pick<Kind, 'id'>,
  ) {}

  /** Longest wait in the actor's queue, ms: 0 while requests are taken in the turn after they came. */
  get headWaitMs(): number {
    return Math.max(this.oldestMs, this.oldestBeforeMs);
  }

  /** Requests that have come and are not handled yet. */
  get waiting(): number {
    return this.context.waiting(this.frames);
  }

  /** Why the request is refused, and with which remark; undefined when it is to be handled. */
  refusal(limits: FlowLimits, code: number, receivedMs: number): Refusal | undefined {
    const { clock, behindSinceMs } = this.context;
    const limit = LIMIT_OF.get(code);
    if (limit === undefined) return undefined;
    // The clock may have been set back.
    const waitedMs = Math.max(0, clock.now() - receivedMs);
    this.oldestMs = Math.max(this.oldestMs, waitedMs);
    if (!limits.brokerFastFailureEnable) return undefined;
    if (limit === 'waitTimeMillsInSendQueue' && receivedMs < this.busyUntilMs) {
      return { reason: 'disk_busy', remark: `[PCBUSY_CLEAN_QUEUE]${this.busy(waitedMs)}` };
    }
    if (behindSinceMs === undefined || receivedMs >= this.previousTurnMs) return undefined;
    if (clock.now() - Math.max(receivedMs, behindSinceMs) < limits[limit]) return undefined;
    return { reason: 'queue_age', remark: `[TIMEOUT_CLEAN_QUEUE]${this.busy(waitedMs)}` };
  }

  /** A file is about to be written. */
  beginWrite(): void {
    this.writeBeganMs = this.context.stopwatch();
  }

  /** It was, or not. */
  endWrite({ osPageCacheBusyTimeOutMills }: FlowLimits): void {
    const { clock } = this.context;
    const endedMs = this.context.stopwatch();
    if (endedMs - this.writeBeganMs <= osPageCacheBusyTimeOutMills) return;
    this.busyUntilMs = clock.now() + (endedMs - clock.monotonic());
  }

  endOfBatch(): void {
    this.previousTurnMs = this.context.clock.now();
    this.suspectBefore = Math.max(this.previousTurnMs, this.busyUntilMs);
    this.oldestBeforeMs = this.oldestMs;
    this.oldestMs = 0;
  }

  count(reason: RefusalReason): void {
    counter(this.meter, catalog.requestsRefused, { broker: this.broker, reason }).add(1);
  }

  private busy(waitedMs: number): string {
    return `broker busy, start flow control for a while, period in queue: ${waitedMs}ms, size of queue: ${this.waiting}`;
  }
}
