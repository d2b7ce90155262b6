/**
 * CONSUMER_SEND_MSG_BACK: a consumer could not handle a message. A copy goes to %RETRY%group by way of a delay level, 3 +
 * times by default, or, when it came back too often or the consumer says so (a level below 0), to %DLQ%group. Sends to a
 * retry topic, which clients fall back to, are held to the same maximum (retryTarget).
 * Source: SendMessageProcessor.asyncConsumerSendMsgBack, handleRetryAndDLQ.
 */
import { DiskError } from '../../../base/disk.js';
import { messageIdChars, writeMessageId } from '../../../message/message-id.js';
import { PropertyName, PropertyScan, Scanned } from '../../../message/properties.js';
import { appendProperty, copyWithout } from '../../../message/property-edit.js';
import { PROPERTIES_BYTES_MAX } from '../../../message/record.js';
import { deadLetterTopic, retryTopic } from '../../../message/topics.js';
import type { HeaderOf } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { maxResponseBytes } from '../../../remoting/response-writer.js';
import { VersionSince } from '../../../remoting/version.js';
import { ensureTopic, QUEUES_PER_TOPIC_MAX } from '../tables/create-topic.js';
import { findOrCreateGroup } from '../tables/groups.js';
import { type Answer, fail, LATER, OK, on, type Request } from '../processors/answer.js';
import { findRecord, messageOf, type RecordAt } from '../lookups/record-at.js';
import { DELAY } from '../schedule/divert.js';
import type { BrokerState, Connection } from '../state.js';
import { writeRefusal } from '../store/store-health.js';
import { putMessage } from './store-message.js';
import { type BrokerTopic, Perm } from '../tables/topic-table.js';
import { NEEDS } from './waiting-answers.js';

type SendBack = HeaderOf<typeof requests.consumerSendMsgBack.header>;

export const sendBackProcessors = [on(requests.consumerSendMsgBack, onSendBack)] as const;

/** A dead-letter topic has one queue. */
const DEAD_LETTER_QUEUES = 1;
/** The first retry waits for this level: 10 s by default. */
const FIRST_RETRY_LEVEL = 3;
/** TopicSysFlag.buildSysFlag(false, true): a group of a unit subscribes to it. */
const UNIT_SUBSCRIPTION_FLAG = 2;

const RETRY_TOPIC = Buffer.from(PropertyName.RETRY_TOPIC);
const ORIGIN_MESSAGE_ID = Buffer.from(PropertyName.ORIGIN_MESSAGE_ID);
const WAIT = Buffer.from(PropertyName.WAIT);
const FALSE = Buffer.from('false');

/** What is added: a topic name, a message id, two short properties. */
const ADDED_BYTES_MAX = 1024;
const stored = Buffer.alloc(PROPERTIES_BYTES_MAX + ADDED_BYTES_MAX);
const idBytes = Buffer.alloc(messageIdChars(20));
const scan = new PropertyScan();

function onSendBack(state: BrokerState, header: SendBack, { connection }: Request): Answer | typeof LATER {
  const { settings } = state;
  const group = findOrCreateGroup(state, header.group);
  if (group === undefined) return fail(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, groupMissing(header.group));
  if ((settings.brokerPermission & Perm.WRITE) === 0) {
    return fail(ResponseCode.NO_PERMISSION, `the broker[${settings.brokerIP1}] sending message is forbidden`);
  }
  // Messages that come back are to be dropped.
  if (group.retryQueueNums <= 0) return OK;
  if (writeRefusal(state) !== undefined) {
    return fail(ResponseCode.SYSTEM_ERROR, 'SERVICE_NOT_AVAILABLE');
  }
  if (state.written.isFull) {
    state.flow.count('waiting_answers_full');
    return fail(ResponseCode.SYSTEM_BUSY, 'too many sends wait for the disk: try again');
  }
  const flag = header.unitMode === true ? UNIT_SUBSCRIPTION_FLAG : 0;
  const retryName = retryTopic(header.group);
  const retry = ensureTopic(state, retryName, group.retryQueueNums, Perm.READ | Perm.WRITE, flag);
  if (retry === undefined) return topicMissing(retryName);
  if ((retry.config!.perm & Perm.WRITE) === 0) {
    return fail(ResponseCode.NO_PERMISSION, `the topic[${retryName}] sending message is forbidden`);
  }
  const record = recordAt(state, header.offset);
  if (record === undefined) return fail(ResponseCode.SYSTEM_ERROR, `look message by offset failed, ${header.offset}`);

  const max = maxTimes(state, header.maxReconsumeTimes, group.retryMaxTimes);
  const isDead = record.reconsumeTimes >= max || header.delayLevel < 0;
  const deadName = deadLetterTopic(header.group);
  const topic = isDead ? ensureTopic(state, deadName, DEAD_LETTER_QUEUES) : retry;
  if (topic === undefined) return topicMissing(deadName);
  const queues = isDead ? DEAD_LETTER_QUEUES : Math.min(group.retryQueueNums, QUEUES_PER_TOPIC_MAX);
  const level = header.delayLevel === 0 ? FIRST_RETRY_LEVEL + record.reconsumeTimes : header.delayLevel;
  const problem = storeCopy(state, record, topic, state.context.random.below(queues), isDead ? 0 : level);
  if (problem !== undefined) return fail(ResponseCode.SYSTEM_ERROR, problem);
  state.counters.sentBack(header.group, topicOf(record), isDead);
  answerWritten(state, connection);
  return LATER;
}

/** The record there; a disk that does not give it is as good as none, and the consumer keeps its message. */
function recordAt(state: BrokerState, offset: number): RecordAt | undefined {
  try {
    return findRecord(state, offset);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    state.context.log.error(`a message that a consumer sent back cannot be read: ${error.message}`, { offset });
    return undefined;
  }
}

/** Stores the copy; Apache's name for what went wrong when it is not. */
function storeCopy(
  state: BrokerState,
  record: RecordAt,
  topic: BrokerTopic,
  queueId: number,
  level: number,
): string | undefined {
  const { message } = state;
  const end = copyProperties(record, level);
  if (end > PROPERTIES_BYTES_MAX) return 'MESSAGE_ILLEGAL';
  messageOf(record, message);
  message.topic = topic;
  message.queueId = queueId;
  message.reconsumeTimes = record.reconsumeTimes + 1;
  message.properties = stored;
  message.propertiesBytes = end;
  scan.scan(stored, 0, end);
  switch (putMessage(state, message, scan)) {
    case 'stored':
      return undefined;
    case 'illegal':
      return 'MESSAGE_ILLEGAL';
    case 'failed':
      return 'SERVICE_NOT_AVAILABLE';
  }
}

/** Where the message was first: a message that comes back again lies in the retry topic. */
function topicOf({ buffer, properties, topicAt, topicBytes }: RecordAt): string {
  return properties.text(Scanned.RETRY_TOPIC, buffer) ?? buffer.toString('utf8', topicAt, topicAt + topicBytes);
}

/** The record's properties into `stored`, with those of a message that comes back; returns their end. */
function copyProperties(record: RecordAt, level: number): number {
  const { buffer, properties, propertiesAt, propertiesBytes } = record;
  const hasOrigin = (properties.text(Scanned.ORIGIN_MESSAGE_ID, buffer) ?? '').trim() !== '';
  const dropped = hasOrigin ? [WAIT, DELAY] : [WAIT, DELAY, ORIGIN_MESSAGE_ID];
  let end = copyWithout(buffer, propertiesAt, propertiesBytes, dropped, stored, 0);
  if (!properties.has(Scanned.RETRY_TOPIC)) {
    end = appendProperty(stored, 0, end, RETRY_TOPIC, buffer, record.topicAt, record.topicBytes);
  }
  if (!hasOrigin) {
    const { storeHostAt, storeHostBytes, physicalOffset } = record;
    const chars = writeMessageId(idBytes, 0, buffer, storeHostAt, storeHostBytes, physicalOffset);
    end = appendProperty(stored, 0, end, ORIGIN_MESSAGE_ID, idBytes, 0, chars);
  }
  end = appendProperty(stored, 0, end, WAIT, FALSE);
  return appendProperty(stored, 0, end, DELAY, Buffer.from(String(level)));
}

/** Of a send to a retry topic: where it goes, with the same maximum; undefined and answered when it cannot. */
export function retryTarget(
  state: BrokerState,
  topic: BrokerTopic,
  groupName: string,
  reconsumeTimes: number,
  headerMax: number | undefined,
): BrokerTopic | Answer {
  const group = findOrCreateGroup(state, groupName);
  if (group === undefined) return fail(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, groupMissing(groupName));
  if (reconsumeTimes < maxTimes(state, headerMax, group.retryMaxTimes)) return topic;
  const name = deadLetterTopic(groupName);
  return ensureTopic(state, name, DEAD_LETTER_QUEUES) ?? topicMissing(name);
}

/** A client says it itself since version 3.4.9. */
function maxTimes({ scan: { version } }: BrokerState, ofHeader: number | undefined, ofGroup: number): number {
  return version >= VersionSince.MAX_RECONSUME_TIMES && ofHeader !== undefined ? ofHeader : ofGroup;
}

function topicMissing(name: string): Answer {
  return fail(ResponseCode.SYSTEM_ERROR, `topic[${name}] not exist`);
}

function groupMissing(group: string): string {
  return `subscription group not exist, ${group} \nSee http://rocketmq.apache.org/docs/faq/ for further details.`;
}

/** Success, once what was stored is in the file: it waits for neither flush nor slave (WAIT is false). */
export function answerWritten(state: BrokerState, connection: Connection): void {
  const { scan: request, written, writer, log, context } = state;
  if (request.isOneWay) return;
  const at = written.claim(maxResponseBytes(0, 0, '', 0));
  writer.begin(written.buffer, written.view, at, request.serialization, ResponseCode.SUCCESS, request.opaque);
  writer.endHeader();
  written.add(writer.finish(0), connection.id, log.endOffset, NEEDS.nothing, context.clock.monotonic());
}
