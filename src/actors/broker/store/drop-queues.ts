/** Queues that go as a whole: the broker forgets where they end, the host that has them removes their files. */
import { queueMessages } from '../../queue/messages.js';
import type { BrokerState } from '../state.js';
import type { BrokerQueue, BrokerTopic } from '../tables/topic-table.js';

/** The next message of that queue gets offset 0. On the lane of the entries, so that none that was sent before follows. */
export function dropQueue(state: BrokerState, queue: BrokerQueue): void {
  const { context, options, dispatcher } = state;
  const { topic, queueId, key } = queue;
  topic.dropQueue(queue);
  const host = options.queueHosts[dispatcher.hostOf(queue)]!;
  const place = context.begin(host, queueMessages.queueGone, { queueId }, key, topic.bytes.length);
  place.buffer.set(topic.bytes, place.at);
  context.end(topic.bytes.length);
}

/** Every queue of the topic. */
export function dropQueuesOf(state: BrokerState, topic: BrokerTopic): number {
  const queues = [...topic.usedQueues()];
  for (const queue of queues) dropQueue(state, queue);
  return queues.length;
}
