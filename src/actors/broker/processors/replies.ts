/**
 * Replies of consumers to producers that wait for one: pushed to the producer over its own connection, whatever queue they
 * were meant for, and stored beside that. The consumer is told whether the producer took it.
 * Source: ReplyMessageProcessor.java.
 */
import { formatProperties, parseProperties, PropertyName } from '../../../message/properties.js';
import { messageIdChars, writeMessageId } from '../../../message/message-id.js';
import { PROPERTIES_BYTES_MAX } from '../../../message/record.js';
import { isBrokerOnlyTopic, topicNameProblem } from '../../../message/topics.js';
import { encodeHeader, type HeaderOf } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { createTopicOnSend } from '../tables/create-topic.js';
import { type Outcome, RemoteFailure } from '../peers/remote.js';
import type { BrokerState, Connection } from '../state.js';
import { writeRefusal } from '../store/store-health.js';
import { putMessage, withHosts } from '../sends/store-message.js';
import { type BrokerTopic, Perm } from '../tables/topic-table.js';
import { type Answer, answerLater, fail, LATER, OK, on, peer, type Request } from './answer.js';

type Reply = HeaderOf<typeof requests.sendReplyMessage.header>;

const PUSH_TIMEOUT_MS = 10_000;
/** Of a reply that was not stored: clients want some. */
const NO_PLACE = { msgId: '0', queueOffset: 0 } as const;

export const replyProcessors = [
  on(requests.sendReplyMessage, onReply),
  on(requests.sendReplyMessageV2, onReply),
] as const;

function onReply(state: BrokerState, header: Reply, { connection, body }: Request): Answer | typeof LATER {
  const { settings, context, clients } = state;
  if (context.clock.now() < settings.startAcceptSendRequestTimeStamp) {
    const since = settings.startAcceptSendRequestTimeStamp;
    return refuse(state, ResponseCode.SYSTEM_ERROR, `broker unable to service, until ${since} (epoch ms)`);
  }
  const topic = topicOf(state, header);
  if (!('name' in topic)) return topic;
  const { readQueueNums, writeQueueNums } = topic.config!;
  if (header.queueId >= Math.max(readQueueNums, writeQueueNums)) {
    const text = `request queueId[${header.queueId}] is illegal, topic ${topic.name} has ${writeQueueNums} write queues`;
    return refuse(state, ResponseCode.SYSTEM_ERROR, text);
  }
  if (header.queueId < 0 && writeQueueNums === 0) {
    return refuse(state, ResponseCode.SYSTEM_ERROR, `topic ${topic.name} has no queues to write to`);
  }
  const queueId = header.queueId >= 0 ? header.queueId : context.random.below(writeQueueNums);
  const properties = parseProperties(header.properties ?? '');
  const client = properties.get(PropertyName.REPLY_TO_CLIENT);
  const producer = client === undefined ? undefined : clients.producerConnection(client);
  const reply = answerLater(state, connection);
  const place = settings.storeReplyMessageEnable ? store(state, connection, topic, queueId, header, body) : NO_PLACE;
  const ext = encodeHeader(requests.sendReplyMessage.response, {
    ...place,
    queueId,
    transactionId: undefined,
    msgRegion: settings.regionId,
    traceOn: String(settings.traceOn),
  });
  const answer = (problem: string | undefined): void =>
    reply(problem === undefined ? { ...OK, ext } : { ...fail(ResponseCode.SYSTEM_ERROR, problem), ext });
  if (producer === undefined) {
    answer(
      client === undefined
        ? `reply message properties[${PropertyName.REPLY_TO_CLIENT}] is null`
        : `push reply message fail, channel of <${client}> not found.`,
    );
    return LATER;
  }
  properties.set(PropertyName.PUSH_REPLY_TIME, String(context.clock.now()));
  const { code, header: table } = requests.pushReplyMessageToClient;
  const pushed = encodeHeader(table, {
    ...header,
    properties: formatProperties(properties),
    bornHost: peer(connection),
    storeHost: state.address,
    storeTimestamp: context.clock.now(),
  });
  state.remote.callConnection(producer, { code, ext: pushed }, Buffer.from(body), PUSH_TIMEOUT_MS, (outcome) =>
    answer(isTaken(outcome) ? undefined : `push reply message to ${client}fail.`),
  );
  return LATER;
}

function isTaken(outcome: Outcome): boolean {
  return !(outcome instanceof RemoteFailure) && outcome.command.code === ResponseCode.SUCCESS;
}

function topicOf(
  state: BrokerState,
  { topic: name, defaultTopic, defaultTopicQueueNums, unitMode }: Reply,
): BrokerTopic | Answer {
  const { settings, topics } = state;
  const known = topics.get(name);
  const problem = topicNameProblem(name);
  if (problem !== undefined) return refuse(state, ResponseCode.SYSTEM_ERROR, problem);
  if (isBrokerOnlyTopic(name)) {
    return refuse(state, ResponseCode.NO_PERMISSION, `Sending message to topic[${name}] is forbidden.`);
  }
  if (state.isSlave) {
    return refuse(state, ResponseCode.SERVICE_NOT_AVAILABLE, 'service not available now: this broker is a slave');
  }
  const topic =
    known?.config === undefined
      ? createTopicOnSend(state, name, defaultTopic, defaultTopicQueueNums, unitMode === true)
      : known;
  if (topic === undefined) {
    return refuse(state, ResponseCode.TOPIC_NOT_EXIST, `topic[${name}] not exist, apply first please!`);
  }
  if ((settings.brokerPermission & Perm.WRITE) === 0 && topic.config!.order) {
    return refuse(state, ResponseCode.NO_PERMISSION, `the broker[${settings.brokerIP1}] sending message is forbidden`);
  }
  return topic;
}

/** Every answer names region and trace switch, as those to sends do. */
function refuse({ settings }: BrokerState, code: ResponseCode, remark: string): Answer {
  return { ...fail(code, remark), ext: { MSG_REGION: settings.regionId, TRACE_ON: String(settings.traceOn) } };
}

/** Where the reply was stored; one that cannot be is pushed all the same. */
function store(
  state: BrokerState,
  connection: Connection,
  topic: BrokerTopic,
  queueId: number,
  header: Reply,
  body: Buffer,
): { readonly msgId: string; readonly queueOffset: number } {
  const { message, properties: scan, counters, storeHost } = state;
  const stored = Buffer.from(header.properties ?? '');
  const isRefused = writeRefusal(state) !== undefined;
  if (isRefused || stored.length > PROPERTIES_BYTES_MAX || body.length > state.settings.maxMessageSize) {
    counters.failedPuts++;
    return NO_PLACE;
  }
  message.topic = topic;
  message.queueId = queueId;
  message.flag = header.flag;
  message.sysFlag = withHosts(0, connection.bornHost, storeHost);
  message.bornTimestamp = header.bornTimestamp;
  message.bornHost = connection.bornHost;
  message.reconsumeTimes = header.reconsumeTimes ?? 0;
  message.preparedTransactionOffset = 0;
  message.body = body;
  message.bodyAt = 0;
  message.bodyBytes = body.length;
  message.properties = stored;
  message.propertiesBytes = stored.length;
  scan.scan(stored, 0, stored.length);
  if (putMessage(state, message, scan) !== 'stored') {
    counters.failedPuts++;
    return NO_PLACE;
  }
  const id = Buffer.alloc(messageIdChars(storeHost.length));
  writeMessageId(id, 0, storeHost, 0, storeHost.length, message.physicalOffset);
  return { msgId: id.toString('latin1'), queueOffset: message.queueOffset };
}
