/** Consumer offsets and the ends of queues. Source: ConsumerManageProcessor.java, ConsumerOffsetManager.java. */
import { correctionOffsets } from '../../../remoting/bodies/statistics.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { offsetsText } from '../tables/config-files.js';
import { physicalOffsetAt } from '../lookups/queue-times.js';
import type { BrokerState } from '../state.js';
import type { BrokerQueue } from '../tables/topic-table.js';
import { type Answer, fail, OK, okBody, okExt, okText, on } from './answer.js';

export const offsetProcessors = [
  on(requests.queryConsumerOffset, (state, { consumerGroup, topic, queueId }) => {
    if (queueId < 0) return negative(queueId);
    const committed = state.offsets.get(consumerGroup, topic, queueId);
    if (committed !== undefined && committed >= 0) return offsetAnswer(committed);
    // A group that nobody knows begins at 0 as long as the queue's first message is there and recent.
    if (beginsInMemory(state, queueOf(state, topic, queueId))) return offsetAnswer(0);
    const text = 'Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first';
    return fail(ResponseCode.QUERY_NOT_FOUND, text);
  }),

  on(requests.updateConsumerOffset, (state, { consumerGroup, topic, queueId, commitOffset }) => {
    if (queueId < 0) return negative(queueId);
    if (!state.offsets.commit(consumerGroup, topic, queueId, commitOffset)) return offsetsFull();
    state.slaveSync?.commits.note(consumerGroup, topic, queueId, commitOffset);
    return OK;
  }),

  on(requests.getMaxOffset, (state, { topic, queueId }) =>
    queueId < 0 ? negative(queueId) : offsetAnswer(queueOf(state, topic, queueId)?.maxOffset ?? 0),
  ),

  on(requests.getMinOffset, (state, { topic, queueId }) =>
    queueId < 0 ? negative(queueId) : offsetAnswer(queueOf(state, topic, queueId)?.minOffset ?? 0),
  ),

  on(requests.getAllConsumerOffset, ({ offsets }) => okText(offsetsText(offsets, 'plain'))),

  on(requests.cloneGroupOffset, ({ offsets, topics, clients }, { srcGroup, destGroup, topic, offline }) => {
    const isAll = topic === undefined || topic.trim() === '';
    const subscriptions = clients.consumers.get(srcGroup)?.subscriptions;
    for (const name of isAll ? offsets.topicsOf(srcGroup) : [topic]) {
      if (topics.get(name)?.config === undefined) continue;
      // What an online group does not subscribe to any more is not its progress.
      const isLeft = subscriptions !== undefined && subscriptions.size > 0 && !subscriptions.has(name);
      if (isLeft && offline !== true) continue;
      const queues = offsets.queuesOf(srcGroup, name) ?? [];
      for (const [queueId, offset] of queues) {
        if (!offsets.commit(destGroup, name, queueId, offset)) return offsetsFull();
      }
    }
    return OK;
  }),

  on(requests.queryCorrectionOffset, (state, { topic, filterGroups, compareGroup }) => {
    const { offsets } = state;
    const ignored = new Set((filterGroups ?? '').split(','));
    const least = new Map<number, number>();
    for (const group of offsets.groupsOf(topic)) {
      if (ignored.has(group)) continue;
      for (const [queueId, offset] of offsets.queuesOf(group, topic)!) {
        const isThere = offset >= (queueOf(state, topic, queueId)?.minOffset ?? 0);
        if (isThere) least.set(queueId, Math.min(offset, least.get(queueId) ?? offset));
      }
    }
    for (const [queueId, offset] of offsets.queuesOf(compareGroup, topic) ?? []) {
      if ((least.get(queueId) ?? 0) > offset) least.set(queueId, Number.MAX_SAFE_INTEGER);
    }
    return okBody(correctionOffsets, { correctionOffsets: least });
  }),

  on(requests.getAllDelayOffset, ({ files }) => okText(files.delayOffsets)),
] as const;

function offsetsFull(): Answer {
  const text = 'the broker holds as many consumer offsets as it can: delete groups that are not used any more';
  return fail(ResponseCode.SYSTEM_ERROR, text);
}

function offsetAnswer(offset: number): Answer {
  return okExt(encodeHeader(requests.getMaxOffset.response, { offset }));
}

function queueOf({ topics }: BrokerState, topic: string, queueId: number): BrokerQueue | undefined {
  return topics.get(topic)?.usedQueue(queueId);
}

/** Apache answers 0, as for a queue that is not there. */
function negative(queueId: number): Answer {
  return fail(ResponseCode.SYSTEM_ERROR, `queueId[${queueId}] is negative: queue ids are 0 and above`);
}

/** Source: DefaultMessageStore.checkInDiskByConsumeOffset for offset 0. An empty queue counts. */
function beginsInMemory(state: BrokerState, queue: BrokerQueue | undefined): boolean {
  if (queue === undefined) return true;
  if (queue.minOffset > 0) return false;
  const { log, settings, options } = state;
  const memoryBytes = (options.physicalMemoryBytes * settings.accessMessageInMemoryMaxRatio) / 100;
  if (queue.nextOffset === 0 || log.endOffset - log.minOffset <= memoryBytes) return true;
  const first = physicalOffsetAt(state, queue, 0);
  return first === undefined || log.endOffset - first <= memoryBytes;
}
