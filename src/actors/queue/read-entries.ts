/** Gives the broker entries of a consume queue: what the delivery of delayed messages goes through. */
import type { MessageOf } from '../../runtime/message.js';
import { ENTRY } from '../../store/consume-queue-entry.js';
import { brokerMessages } from '../broker/messages.js';
import { attempt } from './disk-trouble.js';
import type { HostState } from './host-state.js';
import { ENTRIES_READ_MAX, type queueMessages } from './messages.js';
import { findQueueByBytes } from './queues.js';

const scratch = Buffer.alloc(ENTRIES_READ_MAX * ENTRY.bytes);
const head = { reader: 0, queueId: 0, fromOffset: 0.5, minOffset: 0.5, maxOffset: 0.5, count: 0 };

export function onReadEntries(state: HostState, m: MessageOf<typeof queueMessages, 'readEntries'>): void {
  head.reader = m.reader;
  head.queueId = m.queueId;
  head.fromOffset = m.fromOffset;
  head.minOffset = 0;
  head.maxOffset = 0;
  head.count = 0;
  // What cannot be read now is answered as if it was not there yet: the reader asks again.
  attempt(state, () => read(state, m));
  const bytes = head.count * ENTRY.bytes;
  const place = state.context.begin(state.options.broker, brokerMessages.entriesRead, head as never, 0, bytes);
  scratch.copy(place.buffer, place.at, 0, bytes);
  state.context.end(bytes);
}

function read(state: HostState, m: MessageOf<typeof queueMessages, 'readEntries'>): void {
  const queue = findQueueByBytes(state, m.key, m.buffer, m.start, m.end - m.start, m.queueId);
  queue.lastUsedMs = state.context.clock.monotonic();
  const { entries } = queue;
  head.count = entries.read(m.fromOffset, Math.min(m.maxEntries, ENTRIES_READ_MAX), scratch, 0);
  head.minOffset = entries.minOffset;
  head.maxOffset = entries.maxOffset;
}
