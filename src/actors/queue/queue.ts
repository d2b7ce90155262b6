/**
 * One message queue on its host: its consume queue, and the pulls that wait for messages.
 * Started by the host on first use. Invariant: only this actor writes its consume queue, so maxOffset never goes back.
 */
import type { ConsumeQueue } from '../../store/consume-queue.js';
import type { HeldPull } from './held.js';

export class Queue {
  /** Pulls that wait for a message or for the disk. */
  readonly held = new Set<HeldPull>();
  /** Monotonic ms of the last message or pull. */
  lastUsedMs = 0;
  isDirty = false;
  /** The log's beginning that its entries were last corrected for. */
  logMin = 0;

  constructor(
    readonly topic: string,
    readonly topicBytes: Buffer,
    readonly queueId: number,
    readonly key: number,
    readonly entries: ConsumeQueue,
  ) {}

  is(topicBytes: Uint8Array, start: number, length: number, queueId: number): boolean {
    if (queueId !== this.queueId || length !== this.topicBytes.length) return false;
    for (let i = 0; i < length; i++) if (this.topicBytes[i] !== topicBytes[start + i]) return false;
    return true;
  }
}
