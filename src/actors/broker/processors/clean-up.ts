/**
 * What tools ask to be cleaned. All three answer success at once; masters and slaves take them alike.
 * Source: AdminBrokerProcessor.java, DefaultMessageStore (executeDeleteFilesManually, cleanExpiredConsumerQueue, cleanUnusedTopic).
 */
import { SystemTopic } from '../../../message/topics.js';
import { requests } from '../../../remoting/requests.js';
import { dropQueue, dropQueuesOf } from '../store/drop-queues.js';
import type { BrokerState } from '../state.js';
import type { BrokerTopic } from '../tables/topic-table.js';
import { OK, on, peer } from './answer.js';

/** Source: MixAll.LMQ_PREFIX. */
const LIGHT_QUEUE_PREFIX = '%LMQ%';

export const cleanUpProcessors = [
  on(requests.deleteExpiredCommitLog, (state, _header, { connection }) => {
    state.retention.askedByHand();
    state.context.log.info('deletion of old commit log files asked for', { by: peer(connection) });
    return OK;
  }),

  on(requests.cleanExpiredConsumeQueue, (state, _header, { connection }) => {
    const queues = dropExpiredQueues(state);
    state.context.log.info('consume queues without messages removed', { queues, by: peer(connection) });
    return OK;
  }),

  on(requests.cleanUnusedTopic, (state, _header, { connection }) => {
    const topics = dropUnusedTopics(state);
    state.context.log.info('topics without configuration removed', { topics, by: peer(connection) });
    return OK;
  }),
] as const;

/** Queues whose newest message is older than the commit log; not those of delayed messages. Returns how many. */
function dropExpiredQueues(state: BrokerState): number {
  const { log, topics } = state;
  let dropped = 0;
  for (const topic of topics.all()) {
    if (topic.name === SystemTopic.SCHEDULE) continue;
    for (const queue of [...topic.usedQueues()]) {
      if (queue.physicalEnd < 0 || queue.physicalEnd >= log.minOffset) continue;
      dropQueue(state, queue);
      dropped++;
    }
  }
  return dropped;
}

/** Topics that have messages but are not in the table of topics. Returns how many. */
function dropUnusedTopics(state: BrokerState): number {
  const unused = [...state.topics.all()].filter((topic) => topic.config === undefined && mayGo(topic));
  for (const topic of unused) {
    dropQueuesOf(state, topic);
    state.topics.delete(topic.name);
  }
  return unused.length;
}

function mayGo({ name }: BrokerTopic): boolean {
  return name !== SystemTopic.SCHEDULE && name !== SystemTopic.TRANSACTION_OP && !name.startsWith(LIGHT_QUEUE_PREFIX);
}
