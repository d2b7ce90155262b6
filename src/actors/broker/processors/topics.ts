/** Topics as tools create, change, list and delete them. Source: AdminBrokerProcessor.java, TopicValidator.java. */
import { isSystemTopic, topicNameProblem } from '../../../message/topics.js';
import { topicList } from '../../../remoting/bodies/routes.js';
import { topicFilterType } from '../../../remoting/bodies/tables.js';
import { BodyProblem, convert } from '../../../remoting/body-codec.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { topicsText } from '../tables/config-files.js';
import {
  deleteTopic,
  QUEUES_PER_TOPIC_MAX,
  saveTopic,
  systemTopicNames,
  topicsRefusal,
} from '../tables/create-topic.js';
import type { BrokerState } from '../state.js';
import { type Answer, answerLater, fail, LATER, OK, okBody, okText, on, peer } from './answer.js';

export const SLAVE_REFUSAL =
  "Can't modify topic or subscription group from slave broker, please execute it from master broker.";
const PERM_MAX = 7;

export const topicProcessors = [
  on(requests.updateAndCreateTopic, (state, header, { connection }) => {
    const { topic, readQueueNums, writeQueueNums, perm, topicSysFlag } = header;
    const refused = refusal(state, topic) ?? shapeRefusal(state, header);
    if (refused !== undefined) return refused;
    const filterType = convert(topicFilterType, header.topicFilterType);
    if (filterType instanceof BodyProblem)
      return fail(ResponseCode.SYSTEM_ERROR, `topicFilterType: ${filterType.text}`);
    state.context.log.info('topic update asked for', { topic, by: peer(connection) });
    saveTopic(state, {
      // The name servers' ORDER_TOPIC_CONFIG decides about the order, not the request.
      order: false,
      perm,
      readQueueNums,
      topicFilterType: filterType,
      topicName: topic,
      topicSysFlag: topicSysFlag ?? 0,
      writeQueueNums,
    });
    // Tools look the route up next: the answer waits for the name servers.
    const answered = answerLater(state, connection);
    state.registration.whenTold(() => answered(OK));
    return LATER;
  }),

  on(requests.deleteTopicInBroker, (state, { topic }, { connection }) => {
    const refused = refusal(state, topic);
    if (refused !== undefined) return refused;
    state.context.log.info('topic deletion asked for', { topic, by: peer(connection) });
    deleteTopic(state, topic);
    return OK;
  }),

  on(requests.getAllTopicConfig, ({ topics }) => okText(topicsText(topics, 'plain'))),

  on(requests.getSystemTopicListFromBroker, ({ settings }) =>
    okBody(topicList, { brokerAddr: undefined, topicList: [...systemTopicNames(settings)] }),
  ),
] as const;

function refusal(state: BrokerState, topic: string): Answer | undefined {
  if (state.isSlave) return fail(ResponseCode.SYSTEM_ERROR, SLAVE_REFUSAL);
  const problem = topicNameProblem(topic);
  if (problem !== undefined) return fail(ResponseCode.SYSTEM_ERROR, problem);
  if (isSystemTopic(topic) || systemTopicNames(state.settings).has(topic)) {
    return fail(ResponseCode.SYSTEM_ERROR, `The topic[${topic}] is conflict with system topic.`);
  }
  return undefined;
}

function shapeRefusal(
  state: BrokerState,
  shape: {
    readonly topic: string;
    readonly readQueueNums: number;
    readonly writeQueueNums: number;
    readonly perm: number;
  },
): Answer | undefined {
  const full = topicsRefusal(state, shape.topic);
  if (full !== undefined) return fail(ResponseCode.SYSTEM_ERROR, full);
  for (const name of ['readQueueNums', 'writeQueueNums'] as const) {
    if (shape[name] >= 0 && shape[name] <= QUEUES_PER_TOPIC_MAX) continue;
    return fail(ResponseCode.SYSTEM_ERROR, `${name}=${shape[name]}: allowed: 0 to ${QUEUES_PER_TOPIC_MAX}`);
  }
  if (shape.perm >= 0 && shape.perm <= PERM_MAX) return undefined;
  const text = `perm=${shape.perm}: allowed: a sum of 4 (read), 2 (write) and 1 (inherit)`;
  return fail(ResponseCode.SYSTEM_ERROR, text);
}
