/**
 * Locks of orderly consumers: which client may consume a message queue. Renewed by its owner every 20 s, gone after 60 s
 * without, in memory only. Source: RebalanceLockManager.java.
 */
import type { MessageQueue } from '../../../remoting/bodies/message-queue.js';

export const LOCK_EXPIRES_MS = 60_000;
/** Of all groups together; beyond it no new lock is given, which a consumer takes for "held by another". */
export const LOCKS_MAX = 200_000;

interface Lock {
  clientId: string;
  /** Monotonic ms of the last renewal. */
  renewedMs: number;
}

export class QueueLocks {
  /** By group, then by queue. */
  private readonly groups = new Map<string, Map<string, Lock>>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** Locks what is free, expired or the client's already; answers what the client holds now of these queues. */
  lock(group: string, queues: readonly MessageQueue[], clientId: string, nowMs: number): MessageQueue[] {
    return queues.filter((queue) => this.lockOne(group, keyOf(queue), clientId, nowMs));
  }

  /** Only the owner's unlocking counts. */
  unlock(group: string, queues: readonly MessageQueue[], clientId: string): void {
    const locks = this.groups.get(group);
    if (locks === undefined) return;
    for (const queue of queues) {
      const key = keyOf(queue);
      if (locks.get(key)?.clientId === clientId && locks.delete(key)) this.count--;
    }
    if (locks.size === 0) this.groups.delete(group);
  }

  dropExpired(nowMs: number): void {
    for (const [group, locks] of this.groups) {
      for (const [key, lock] of locks) {
        if (isExpired(lock, nowMs) && locks.delete(key)) this.count--;
      }
      if (locks.size === 0) this.groups.delete(group);
    }
  }

  private lockOne(group: string, key: string, clientId: string, nowMs: number): boolean {
    const known = this.groups.get(group)?.get(key);
    if (known !== undefined) {
      if (known.clientId !== clientId && !isExpired(known, nowMs)) return false;
      known.clientId = clientId;
      known.renewedMs = nowMs;
      return true;
    }
    if (this.count >= LOCKS_MAX) return false;
    const locks = this.groups.get(group) ?? new Map<string, Lock>();
    this.groups.set(group, locks.set(key, { clientId, renewedMs: nowMs }));
    this.count++;
    return true;
  }
}

function isExpired(lock: Lock, nowMs: number): boolean {
  return nowMs - lock.renewedMs > LOCK_EXPIRES_MS;
}

/** A name with a line feed in it, which no client makes, can only meet locks of its own group. */
function keyOf({ topic, brokerName, queueId }: MessageQueue): string {
  return `${topic}\n${brokerName}\n${queueId}`;
}
