/** What was counted, and how far all groups have come. Source: AdminBrokerProcessor.java. */
import {
  brokerStatsData,
  type ConsumeStats,
  consumeStatsList,
  consumeTimeSpan,
  type QueueTimeSpan,
} from '../../../remoting/bodies/statistics.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { storeTimeAt } from '../lookups/queue-times.js';
import type { BrokerState } from '../state.js';
import type { BrokerTopic } from '../tables/topic-table.js';
import { fail, okBody, on } from './answer.js';
import { consumeStatsOf, messageQueue } from './progress.js';

export const statisticsProcessors = [
  on(requests.viewBrokerStatsData, ({ items }, { statsName, statsKey }) => {
    const shown = items.shown(statsName, statsKey);
    return shown === undefined
      ? fail(ResponseCode.SYSTEM_ERROR, `The stats <${statsName}> <${statsKey}> not exist`)
      : okBody(brokerStatsData, shown);
  }),

  on(requests.getBrokerConsumeStats, (state, { isOrder }) => {
    let totalDiff = 0;
    const groups: Map<string, ConsumeStats[]>[] = [];
    for (const { groupName } of state.groups.all()) {
      const ofTopics: ConsumeStats[] = [];
      for (const name of state.offsets.topicsOf(groupName)) {
        const stats = consumeStatsOf(state, groupName, [name], isOrder === true);
        if (stats.offsetTable.size === 0) continue;
        for (const { brokerOffset, consumerOffset } of stats.offsetTable.values()) {
          totalDiff += brokerOffset - consumerOffset;
        }
        ofTopics.push(stats);
      }
      groups.push(new Map([[groupName, ofTopics]]));
    }
    return okBody(consumeStatsList, { brokerAddr: state.address, consumeStatsList: groups, totalDiff });
  }),

  on(requests.queryConsumeTimeSpan, (state, { topic: name, group }) => {
    const topic = state.topics.get(name);
    if (topic?.config === undefined) return fail(ResponseCode.TOPIC_NOT_EXIST, `topic[${name}] not exist`);
    const consumeTimeSpanSet: QueueTimeSpan[] = [];
    for (let queueId = 0; queueId < topic.config.writeQueueNums; queueId++) {
      consumeTimeSpanSet.push(timeSpan(state, topic, queueId, group));
    }
    return okBody(consumeTimeSpan, { consumeTimeSpanSet });
  }),
] as const;

/** Apache says -1 for the time of a message that is not there. */
const NONE = -1;

function timeSpan(state: BrokerState, topic: BrokerTopic, queueId: number, group: string): QueueTimeSpan {
  const queue = topic.usedQueue(queueId);
  const timeOf = (queueOffset: number): number =>
    (queue === undefined ? 0 : storeTimeAt(state, queue, queueOffset)) || NONE;
  const end = queue?.nextOffset ?? 0;
  const minTimeStamp = timeOf(queue?.minOffset ?? 0);
  // -1 where the group has no offset, as in Apache.
  const consumerOffset = state.offsets.get(group, topic.name, queueId) ?? NONE;
  return {
    messageQueue: messageQueue(state, topic.name, queueId),
    minTimeStamp,
    minTimeStampStr: undefined,
    maxTimeStamp: timeOf(end - 1),
    maxTimeStampStr: undefined,
    consumeTimeStamp: consumerOffset > 0 ? timeOf(consumerOffset - 1) : minTimeStamp,
    consumeTimeStampStr: undefined,
    // Of the next message: how long it has waited for the group.
    delayTime: consumerOffset < end ? state.context.clock.now() - timeOf(consumerOffset) : 0,
  };
}
