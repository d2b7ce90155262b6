/**
 * One message queue on its host: its consume queue, and the pulls that wait for messages.
 * Started by the host on first use. Invariant: only this actor writes its consume queue, so maxOffset never goes back.
 */
import { invariant } from '../../base/invariant.js';
import type { ConsumeQueue } from '../../store/consume-queue.js';
import type { HeldPull } from './held.js';

const NO_PULLS: ReadonlySet<HeldPull> = new Set();

export class Queue {
  /** undefined before the first held pull, and while the queue sleeps. */
  private heldPulls: Set<HeldPull> | undefined = undefined;
  /** Monotonic ms of the last message or pull. */
  lastUsedMs = 0;
  isDirty = false;
  /** It may have buffers and file handles: it is in HostState.awake. */
  isAwake = false;
  /** The log's beginning that its entries were last corrected for. */
  logMin = 0;

  constructor(
    readonly topic: string,
    readonly topicBytes: Buffer,
    readonly queueId: number,
    readonly key: number,
    readonly entries: ConsumeQueue,
  ) {}

  /** Pulls that wait for a message or for the disk. */
  get held(): ReadonlySet<HeldPull> {
    return this.heldPulls ?? NO_PULLS;
  }

  hold(pull: HeldPull): void {
    this.heldPulls ??= new Set();
    this.heldPulls.add(pull);
  }

  release(pull: HeldPull): void {
    this.heldPulls?.delete(pull);
  }

  /** The queue goes to sleep, which one with held pulls does not. */
  forgetHeld(): void {
    invariant(this.held.size === 0, 'a queue that holds pulls is awake', this.topic, this.queueId);
    this.heldPulls = undefined;
  }

  is(topicBytes: Uint8Array, start: number, length: number, queueId: number): boolean {
    if (queueId !== this.queueId || length !== this.topicBytes.length) return false;
    for (let i = 0; i < length; i++) if (this.topicBytes[i] !== topicBytes[start + i]) return false;
    return true;
  }
}
