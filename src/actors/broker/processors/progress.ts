/** How far queues have grown and groups have come. Source: AdminBrokerProcessor.java. */
import type { MessageQueue } from '../../../remoting/bodies/message-queue.js';
import {
  type ConsumeStats,
  consumeStats,
  groupList,
  type OffsetWrapper,
  type TopicOffset,
  topicStatsTable,
} from '../../../remoting/bodies/statistics.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { storeTimeAt } from '../lookups/queue-times.js';
import type { BrokerState } from '../state.js';
import type { BrokerTopic } from '../tables/topic-table.js';
import { fail, okBody, on } from './answer.js';

export const progressProcessors = [
  on(requests.getTopicStatsInfo, (state, { topic: name }) => {
    const topic = state.topics.get(name);
    if (topic?.config === undefined) return fail(ResponseCode.TOPIC_NOT_EXIST, `topic[${name}] not exist`);
    const { readQueueNums, writeQueueNums } = topic.config;
    const offsetTable = new Map<MessageQueue, TopicOffset>();
    for (let queueId = 0; queueId < Math.max(readQueueNums, writeQueueNums); queueId++) {
      offsetTable.set(messageQueue(state, name, queueId), topicOffset(state, topic, queueId));
    }
    return okBody(topicStatsTable, { offsetTable });
  }),

  on(requests.getConsumeStats, (state, { consumerGroup, topic }) => {
    const names = topic === undefined || topic.trim() === '' ? state.offsets.topicsOf(consumerGroup) : [topic];
    return okBody(consumeStats, consumeStatsOf(state, consumerGroup, names, false));
  }),

  on(requests.queryTopicConsumeByWho, ({ clients, offsets }, { topic }) => {
    const groups = new Set(offsets.groupsOf(topic));
    for (const { name, subscriptions } of clients.consumers.values()) if (subscriptions.has(topic)) groups.add(name);
    return okBody(groupList, { groupList: [...groups] });
  }),
] as const;

/** How far the group has come in those of the topics that are here and that it subscribes to, if it is online. */
export function consumeStatsOf(
  state: BrokerState,
  group: string,
  names: readonly string[],
  isOrderOnly: boolean,
): ConsumeStats {
  const subscriptions = state.clients.consumers.get(group)?.subscriptions;
  const offsetTable = new Map<MessageQueue, OffsetWrapper>();
  let consumeTps = 0;
  for (const name of names) {
    const found = state.topics.get(name);
    // What an online group does not subscribe to any more is nothing that it lags behind in.
    const isLeft = subscriptions !== undefined && subscriptions.size > 0 && !subscriptions.has(name);
    if (found?.config === undefined || isLeft || (isOrderOnly && !found.config.order)) continue;
    consumeTps += state.items.consumeTps(group, name);
    for (let queueId = 0; queueId < found.config.readQueueNums; queueId++) {
      offsetTable.set(messageQueue(state, name, queueId), progress(state, group, found, queueId));
    }
  }
  return { consumeTps, offsetTable };
}

export function messageQueue({ settings }: BrokerState, topic: string, queueId: number): MessageQueue {
  return { brokerName: settings.brokerName, queueId, topic };
}

function topicOffset(state: BrokerState, topic: BrokerTopic, queueId: number): TopicOffset {
  const queue = topic.usedQueue(queueId);
  if (queue === undefined) return { lastUpdateTimestamp: 0, maxOffset: 0, minOffset: 0 };
  const lastUpdateTimestamp = storeTimeAt(state, queue, queue.maxOffset - 1);
  return { lastUpdateTimestamp, maxOffset: queue.maxOffset, minOffset: queue.minOffset };
}

function progress(state: BrokerState, group: string, topic: BrokerTopic, queueId: number): OffsetWrapper {
  const queue = topic.usedQueue(queueId);
  const consumerOffset = Math.max(0, state.offsets.get(group, topic.name, queueId) ?? 0);
  const lastTimestamp = queue === undefined ? 0 : storeTimeAt(state, queue, consumerOffset - 1);
  return { brokerOffset: queue?.maxOffset ?? 0, consumerOffset, lastTimestamp };
}
