/**
 * Questions to the queue hosts for the queue offset that belongs to a time: consume queues are theirs. The answers come
 * back as messages; a host answers every question.
 */
import type { DiskErrorFacts } from '../../../base/disk-remedy.js';
import { queueMessages } from '../../queue/messages.js';
import type { BrokerState } from '../state.js';
import type { BrokerQueue } from '../tables/topic-table.js';

/** The offset as SEARCH_OFFSET_BY_TIMESTAMP gives it, or why the disk does not give it. */
export type SearchOutcome = number | DiskErrorFacts;

/** Questions under way: a topic has at most so many queues, and tools ask one at a time. */
export const OFFSET_SEARCHES_MAX = 65_536;

export class OffsetSearches {
  private readonly waiting = new Map<number, (outcome: SearchOutcome) => void>();
  private lastToken = 0;

  /** True when `count` more questions may be asked. */
  hasRoomFor(count: number): boolean {
    return this.waiting.size + count <= OFFSET_SEARCHES_MAX;
  }

  /** `done` is called once, in a later turn. */
  ask(
    { context, options, dispatcher }: BrokerState,
    queue: BrokerQueue,
    timestamp: number,
    done: (outcome: SearchOutcome) => void,
  ): void {
    this.lastToken = (this.lastToken % 0x7fff_ffff) + 1;
    this.waiting.set(this.lastToken, done);
    const { topic, queueId } = queue;
    context.send(options.queueHosts[dispatcher.hostOf(queue)]!, queueMessages.searchOffset, {
      value: { topic: topic.name, queueId, timestamp, token: this.lastToken },
    });
  }

  answered(token: number, outcome: SearchOutcome): void {
    const done = this.waiting.get(token);
    this.waiting.delete(token);
    done?.(outcome);
  }
}
