/**
 * HOT. Consume queue entries on their way to the queue hosts: collected per message queue during a batch, sent as one
 * message a queue once the log is in the files. A host that has no room is "behind": entries for it are not kept, it
 * gets them later from a scan of the log (catchUp in replicate.ts), so that the broker never waits for it. It is told so
 * before the answers leave: clients may then know of more than it does. A host whose disk refuses entries is "stalled":
 * behind, too, and left alone for a while before it gets them again.
 */
import { readInt64, writeInt64 } from '../../../base/int64.js';
import type { ActorId, Context } from '../../../runtime/actor.js';
import { queueHostIndex } from '../../front/options.js';
import { ENTRY } from '../../../store/consume-queue-entry.js';
import { queueMessages } from '../../queue/messages.js';
import { PendingPool } from './pending-entries.js';
import type { BrokerQueue } from '../tables/topic-table.js';

export class Dispatcher {
  private readonly touched: BrokerQueue[] = [];
  private readonly pool = new PendingPool();
  /** Per host: physical offset from which it has to be told everything again, or -1. */
  private readonly behindFrom: Float64Array;
  /** Per host: number of its last time behind, and whether that is over. */
  private readonly lags: Int32Array;
  private readonly isLagging: Uint8Array;
  /** Per host: number of its stall, not yet told to resume, or 0; when to do so; since when it is stalled, or -1. */
  private readonly stalls: Int32Array;
  private readonly notBeforeMs: Float64Array;
  private readonly stalledSinceMs: Float64Array;
  private lastStoreTimestamp = 0;
  /** Store time of the newest message whose entries were sent, or kept back because its host is behind; 0 at first. */
  sentTimestamp = 0;
  private readonly head = { queueId: 0, firstQueueOffset: 0.5, count: 0 };

  constructor(
    private readonly context: Context,
    private readonly hosts: readonly ActorId[],
  ) {
    this.behindFrom = new Float64Array(hosts.length).fill(-1);
    this.lags = new Int32Array(hosts.length);
    this.isLagging = new Uint8Array(hosts.length);
    this.stalls = new Int32Array(hosts.length);
    this.notBeforeMs = new Float64Array(hosts.length);
    this.stalledSinceMs = new Float64Array(hosts.length).fill(-1);
  }

  /** Notes one entry; `tagsCode` is a 64-bit value that fits a Number (a hash, or a delivery time). */
  add(
    queue: BrokerQueue,
    queueOffset: number,
    physicalOffset: number,
    sizeBytes: number,
    tagsCode: number,
    storeTimestamp: number,
  ): void {
    // Its topic was deleted and made again: what is collected is of its earlier life (slaves and catch-up get both).
    if (queueOffset === 0) queue.pendingCount = 0;
    let { pending } = queue;
    if (pending === undefined) {
      pending = this.pool.take();
      queue.pending = pending;
      this.touched.push(queue);
    }
    if (queue.pendingCount === 0) queue.pendingFirst = queueOffset;
    const at = pending.room(queue.pendingCount);
    const { view } = pending;
    writeInt64(view, at + ENTRY.commitLogOffset, physicalOffset);
    view.setInt32(at + ENTRY.sizeBytes, sizeBytes);
    writeInt64(view, at + ENTRY.tagsCode, tagsCode);
    queue.pendingCount++;
    this.lastStoreTimestamp = storeTimestamp;
  }

  /** Sends what was collected. */
  flush(): void {
    for (const queue of this.touched) {
      // Without any its topic was deleted meanwhile.
      if (queue.pendingCount > 0) {
        const host = this.hostOf(queue);
        if (this.behindFrom[host]! < 0 && this.context.isOpen(this.hosts[host]!, 'request'))
          this.sendPending(queue, host);
        else this.fallBehindAt(host, oldestOf(queue));
      }
      this.forget(queue);
    }
    this.touched.length = 0;
    this.sentTimestamp = this.lastStoreTimestamp;
  }

  /** Hosts that must be caught up by a scan from that physical offset. Those left alone for now are among them. */
  *behind(): Iterable<{ readonly host: number; readonly from: number }> {
    for (let host = 0; host < this.behindFrom.length; host++) {
      if (this.behindFrom[host]! >= 0) yield { host, from: this.behindFrom[host]! };
    }
  }

  /** Physical offset of the oldest message whose entry is still collected here; Infinity without one. */
  get oldestPending(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const queue of this.touched) {
      if (queue.pendingCount > 0) oldest = Math.min(oldest, oldestOf(queue));
    }
    return oldest;
  }

  isBehind(host: number): boolean {
    return this.behindFrom[host]! >= 0;
  }

  /** It misses entries, or has not been told yet that it has them all. */
  isLate(host: number): boolean {
    return this.isBehind(host) || this.isLagging[host] === 1;
  }

  isLeftAlone(host: number, nowMs: number): boolean {
    return this.stalls[host] !== 0 && nowMs < this.notBeforeMs[host]!;
  }

  /** How long the host that is stalled longest has been so. */
  stalledForMs(nowMs: number): number {
    let longest = 0;
    for (const since of this.stalledSinceMs) if (since >= 0) longest = Math.max(longest, nowMs - since);
    return longest;
  }

  /** The host's disk refused entries: it has dropped what came since, and lacks the messages from `from` on. */
  stalled(host: number, stall: number, from: number, retryAtMs: number, nowMs: number): void {
    this.fallBehindAt(host, from);
    this.stalls[host] = stall;
    this.notBeforeMs[host] = retryAtMs;
    if (this.stalledSinceMs[host]! < 0) this.stalledSinceMs[host] = nowMs;
  }

  /** It has everything, and could write all of it. */
  stallOver(host: number): void {
    this.stalledSinceMs[host] = -1;
  }

  /** The host is told everything again from its `behind` offset on: new entries go to it as usual. */
  caughtUp(host: number): void {
    if (this.stalls[host] !== 0) {
      const resume = { stall: this.stalls[host]!, from: this.behindFrom[host]! };
      this.context.send(this.hosts[host]!, queueMessages.resume, resume);
      this.stalls[host] = 0;
    }
    this.behindFrom[host] = -1;
  }

  /** Everything that the host had missed was sent: tells it so, behind it. */
  lagOver(host: number): void {
    this.isLagging[host] = 0;
    this.context.send(this.hosts[host]!, queueMessages.caughtUp, { lag: this.lags[host]! });
  }

  /** From now on entries for the host are not kept; it gets them by a scan from `physicalOffset`. */
  fallBehindAt(host: number, physicalOffset: number): void {
    const known = this.behindFrom[host]!;
    if (known < 0 || physicalOffset < known) this.behindFrom[host] = physicalOffset;
    if (this.isLagging[host] === 1) return;
    this.isLagging[host] = 1;
    this.lags[host]!++;
    this.context.send(this.hosts[host]!, queueMessages.behind, { lag: this.lags[host]! });
  }

  /** The log was emptied and begins at `physicalOffset`: nothing before it is sent any more. */
  beginAt(physicalOffset: number): void {
    for (const queue of this.touched) this.forget(queue);
    this.touched.length = 0;
    for (let host = 0; host < this.behindFrom.length; host++) {
      if (this.behindFrom[host]! >= 0) this.behindFrom[host] = physicalOffset;
    }
  }

  hostOf(queue: BrokerQueue): number {
    return queueHostIndex(queue.topic.hash, queue.queueId, this.hosts.length);
  }

  private forget(queue: BrokerQueue): void {
    this.pool.giveBack(queue.pending!);
    queue.pending = undefined;
    queue.pendingCount = 0;
  }

  private sendPending(queue: BrokerQueue, host: number): void {
    const { head } = this;
    const topic = queue.topic.bytes;
    const entriesBytes = queue.pendingCount * ENTRY.bytes;
    head.queueId = queue.queueId;
    head.firstQueueOffset = queue.pendingFirst;
    head.count = queue.pendingCount;
    const bytes = 1 + topic.length + entriesBytes;
    const place = this.context.begin(this.hosts[host]!, queueMessages.dispatch, head as never, queue.key, bytes);
    place.buffer[place.at] = topic.length;
    place.buffer.set(topic, place.at + 1);
    queue.pending!.bytes.copy(place.buffer, place.at + 1 + topic.length, 0, entriesBytes);
    this.context.end(bytes);
  }
}

/** Physical offset of the first entry collected for the queue. */
function oldestOf(queue: BrokerQueue): number {
  return readInt64(queue.pending!.view, ENTRY.commitLogOffset);
}
