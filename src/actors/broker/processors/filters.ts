/** Looking into consume queues, and what is left of the class-filter servers. Source: AdminBrokerProcessor.queryConsumeQueue. */
import { consumerFilterData } from '../../../remoting/bodies/filters.js';
import {
  type ConsumeQueueData,
  type QueryConsumeQueueResult,
  queryConsumeQueueResult,
} from '../../../remoting/bodies/statistics.js';
import { encodeText } from '../../../remoting/body-codec.js';
import { RequestCode } from '../../../remoting/request-codes.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { entryOffset, entrySize, entryTagsCode, ENTRY } from '../../../store/consume-queue-entry.js';
import { ENTRIES_READ_MAX } from '../../queue/messages.js';
import type { EntriesRead } from '../lookups/entry-queries.js';
import type { BrokerState } from '../state.js';
import { type Answer, answerLater, fail, type Handler, LATER, OK, okBody, on } from './answer.js';

const NO_CLASS_FILTERS =
  'class filters are gone since RocketMQ 4.3: subscribe by tags, or by properties with MessageSelector.bySql';

const refuseClassFilter: Handler = () => fail(ResponseCode.REQUEST_CODE_NOT_SUPPORTED, NO_CLASS_FILTERS);

export const filterProcessors = [
  [RequestCode.REGISTER_FILTER_SERVER, refuseClassFilter],
  [RequestCode.REGISTER_MESSAGE_FILTER_CLASS, refuseClassFilter],

  on(requests.queryConsumeQueue, (state, { topic = '', queueId = 0, index = 0, count = 0, consumerGroup }, request) => {
    const queue = queueId < 0 ? undefined : state.topics.get(topic)?.usedQueue(queueId);
    if (queue === undefined) return fail(ResponseCode.SYSTEM_ERROR, `${queueId}@${topic} is not exist!`);
    const facts = consumerGroup === undefined ? {} : filterFacts(state, consumerGroup, topic);
    const answered = answerLater(state, request.connection);
    const wanted = Math.max(0, Math.min(count, ENTRIES_READ_MAX));
    const isAsked = state.entryQueries.ask(state, queue, Math.max(0, index), Math.max(1, wanted), (m) => {
      const where = `Index ${index} of ${queueId}@${topic} is not exist!`;
      answered(
        m.count === 0 || index < 0 ? { ...OK, remark: where } : entriesFound(m, Math.min(m.count, wanted), facts),
      );
    });
    return isAsked ? LATER : fail(ResponseCode.SYSTEM_BUSY, 'too many queries at a time: ask again later');
  }),
] as const satisfies readonly (readonly [number, Handler])[];

type FilterFacts = Partial<Pick<QueryConsumeQueueResult, 'subscriptionData' | 'filterData'>>;

function filterFacts({ clients, filters }: BrokerState, group: string, topic: string): FilterFacts {
  const subscriptionData = clients.consumers.get(group)?.subscriptions.get(topic);
  if (subscriptionData === undefined) return { filterData: `${group}@${topic} is not online!` };
  const filter = filters.get(topic, group);
  return {
    subscriptionData,
    filterData: filter === undefined ? 'null' : encodeText(consumerFilterData, filter, 'pretty'),
  };
}

/** Not extended. */
const PLAIN = { bitMap: undefined, eval: false, extendDataJson: undefined, msg: undefined } as const;

function entriesFound(m: EntriesRead, count: number, facts: FilterFacts): Answer {
  const queueData: ConsumeQueueData[] = [];
  for (let at = m.start; at < m.start + count * ENTRY.bytes; at += ENTRY.bytes) {
    const physicOffset = entryOffset(m.buffer, at);
    const physicSize = entrySize(m.buffer, at);
    queueData.push({ ...PLAIN, physicOffset, physicSize, tagsCode: entryTagsCode(m.buffer, at) });
  }
  const body = {
    subscriptionData: undefined,
    filterData: undefined,
    ...facts,
    queueData,
    minQueueIndex: m.minOffset,
    maxQueueIndex: m.maxOffset,
  };
  return okBody(queryConsumeQueueResult, body);
}
