/**
 * What the members of one group have handled of their queues: nobody ever goes on behind a message that none of them has
 * handled, and at last everything that was acknowledged was handled.
 */
import { violated } from '../ledger.js';
import { queueKey, type StoredMessage } from '../stored.js';
import type { World } from '../world.js';
import type { OwnedQueue } from './owned-queue.js';

export class Progress {
  /** Keys of messages, and how often each was handled. */
  readonly times = new Map<string, number>();
  private readonly ends = new Map<string, number>();

  constructor(private readonly world: World) {}

  /** A member begins with the message. */
  takes({ queueOffset }: StoredMessage, { topic, queueId, where }: OwnedQueue): void {
    const end = this.ends.get(queueKey(topic, queueId)) ?? 0;
    if (queueOffset > end) violated(`${where}: ${queueOffset} is handled, and what is from ${end} on was not`);
  }

  /** And has done it. */
  handled({ queueOffset, body }: StoredMessage, { topic, queueId }: OwnedQueue): void {
    const key = queueKey(topic, queueId);
    const text = body.toString('latin1');
    const before = this.times.get(text) ?? 0;
    this.world.ledger.count(before === 0 ? `handled ${topic}` : `handled ${topic} again`);
    this.times.set(text, before + 1);
    this.ends.set(key, Math.max(this.ends.get(key) ?? 0, queueOffset + 1));
  }

  /** Nobody has handled anything else than what was sent. Throws a Violation. */
  checkSent(sent: ReadonlySet<string>): void {
    for (const key of this.times.keys()) {
      if (!sent.has(key)) violated(`somebody handled ${key}, which nobody sent`);
    }
  }

  /** Of these keys, those that nobody has handled. */
  missingOf(keys: Iterable<string>): string[] {
    return [...keys].filter((key) => !this.times.has(key)).map((key) => `${key} was acknowledged, and nobody got it`);
  }
}
