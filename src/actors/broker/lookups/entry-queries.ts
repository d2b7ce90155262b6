/** Questions to the queue hosts for entries of a consume queue, for tools. The answers come back as messages. */
import { queueMessages } from '../../queue/messages.js';
import type { MessageOf } from '../../../runtime/message.js';
import { type brokerMessages, EntryReader } from '../messages.js';
import type { BrokerState } from '../state.js';
import type { BrokerQueue } from '../tables/topic-table.js';

/** Questions under way: tools ask one at a time. */
export const ENTRY_QUERIES_MAX = 1_024;

export type EntriesRead = MessageOf<typeof brokerMessages, 'entriesRead'>;

export class EntryQueries {
  private readonly waiting = new Map<number, (m: EntriesRead) => void>();
  private last = 0;

  /**
   * `done` is called once, in a later turn, with up to `count` entries from `fromOffset` on; the message is valid until it
   * returns. False when too many questions are under way or the host has no room.
   */
  ask(
    { context, options, dispatcher }: BrokerState,
    queue: BrokerQueue,
    fromOffset: number,
    count: number,
    done: (m: EntriesRead) => void,
  ): boolean {
    const host = options.queueHosts[dispatcher.hostOf(queue)]!;
    if (this.waiting.size >= ENTRY_QUERIES_MAX || !context.isOpen(host, 'request')) return false;
    this.last = (this.last + 1) % 0x4000_0000;
    const reader = EntryReader.QUERIES + this.last;
    this.waiting.set(reader, done);
    const { bytes } = queue.topic;
    const request = { reader, queueId: queue.queueId, fromOffset, maxEntries: count };
    const place = context.begin(host, queueMessages.readEntries, request, queue.key, bytes.length);
    place.buffer.set(bytes, place.at);
    context.end(bytes.length);
    return true;
  }

  entriesRead(m: EntriesRead): void {
    const done = this.waiting.get(m.reader);
    this.waiting.delete(m.reader);
    done?.(m);
  }
}
