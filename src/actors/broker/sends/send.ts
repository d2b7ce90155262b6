/**
 * HOT. SEND_MESSAGE (10), SEND_MESSAGE_V2 (310) and SEND_BATCH_MESSAGE (320): checks in Apache's order, one append, one
 * answer that waits for what the broker promises.
 * Source: SendMessageProcessor.java, AbstractSendMessageProcessor.java (msgCheck).
 */
import { BatchItems } from '../../../message/batch.js';
import { messageIdChars, writeMessageId } from '../../../message/message-id.js';
import { PropertyName, PropertyScan, PROPERTY_SEPARATOR, Scanned } from '../../../message/properties.js';
import { PROPERTIES_BYTES_MAX, TOPIC_BYTES_MAX } from '../../../message/record.js';
import { SystemFlag, transactionType, TransactionType } from '../../../message/system-flags.js';
import { isBrokerOnlyTopic, topicNameProblem } from '../../../message/topics.js';
import { HeaderKey, type RequestScan } from '../../../remoting/request-scan.js';
import { RequestCode } from '../../../remoting/request-codes.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { FieldName, INTEGER_FIELD_BYTES, maxResponseBytes } from '../../../remoting/response-writer.js';
import { NOT_RESERVED } from '../../../store/commit-log.js';
import { respond } from './answers.js';
import { createTopicOnSend } from '../tables/create-topic.js';
import { delayLevelOf } from '../schedule/divert.js';
import { retryTarget } from './send-back.js';
import type { BrokerState, Connection } from '../state.js';
import { putHalf } from '../transactions/records.js';
import { writeRefusal } from '../store/store-health.js';
import { copyProperties, encode, putMessage, recordBytesOf, withHosts } from './store-message.js';
import { BrokerTopic, Perm } from '../tables/topic-table.js';
import { NEEDS } from './waiting-answers.js';

/** Header fields of a send, as indices of the scan: the one-letter names of V2 or the long ones of V1. */
interface SendFields {
  topic: number;
  defaultTopic: number;
  defaultTopicQueueNums: number;
  queueId: number;
  sysFlag: number;
  bornTimestamp: number;
  flag: number;
  properties: number;
  reconsumeTimes: number;
  maxReconsumeTimes: number;
  batch: number;
}

const LETTER = {
  b: 0x62,
  c: 0x63,
  d: 0x64,
  e: 0x65,
  f: 0x66,
  g: 0x67,
  h: 0x68,
  i: 0x69,
  j: 0x6a,
  k: 0x6b,
  l: 0x6c,
  m: 0x6d,
} as const;
const V1 = {
  topic: new HeaderKey('topic'),
  defaultTopic: new HeaderKey('defaultTopic'),
  defaultTopicQueueNums: new HeaderKey('defaultTopicQueueNums'),
  queueId: new HeaderKey('queueId'),
  sysFlag: new HeaderKey('sysFlag'),
  bornTimestamp: new HeaderKey('bornTimestamp'),
  flag: new HeaderKey('flag'),
  properties: new HeaderKey('properties'),
  reconsumeTimes: new HeaderKey('reconsumeTimes'),
  maxReconsumeTimes: new HeaderKey('maxReconsumeTimes'),
  batch: new HeaderKey('batch'),
} as const;

/** Looked up only when a topic is made. */
const UNIT_MODE = new HeaderKey('unitMode');

const fields: SendFields = {
  topic: -1,
  defaultTopic: -1,
  defaultTopicQueueNums: -1,
  queueId: -1,
  sysFlag: -1,
  bornTimestamp: -1,
  flag: -1,
  properties: -1,
  reconsumeTimes: -1,
  maxReconsumeTimes: -1,
  batch: -1,
};

function readFields(scan: RequestScan): void {
  if (scan.code === RequestCode.SEND_MESSAGE) {
    fields.topic = scan.findKey(V1.topic);
    fields.defaultTopic = scan.findKey(V1.defaultTopic);
    fields.defaultTopicQueueNums = scan.findKey(V1.defaultTopicQueueNums);
    fields.queueId = scan.findKey(V1.queueId);
    fields.sysFlag = scan.findKey(V1.sysFlag);
    fields.bornTimestamp = scan.findKey(V1.bornTimestamp);
    fields.flag = scan.findKey(V1.flag);
    fields.properties = scan.findKey(V1.properties);
    fields.reconsumeTimes = scan.findKey(V1.reconsumeTimes);
    fields.maxReconsumeTimes = scan.findKey(V1.maxReconsumeTimes);
    fields.batch = scan.findKey(V1.batch);
    return;
  }
  fields.topic = scan.find(LETTER.b);
  fields.defaultTopic = scan.find(LETTER.c);
  fields.defaultTopicQueueNums = scan.find(LETTER.d);
  fields.queueId = scan.find(LETTER.e);
  fields.sysFlag = scan.find(LETTER.f);
  fields.bornTimestamp = scan.find(LETTER.g);
  fields.flag = scan.find(LETTER.h);
  fields.properties = scan.find(LETTER.i);
  fields.reconsumeTimes = scan.find(LETTER.j);
  fields.maxReconsumeTimes = scan.find(LETTER.l);
  fields.batch = scan.find(LETTER.m);
}

const MSG_ID = new FieldName('msgId');
const QUEUE_ID = new FieldName('queueId');
const QUEUE_OFFSET = new FieldName('queueOffset');
const MSG_REGION = new FieldName('MSG_REGION');
const TRACE_ON = new FieldName('TRACE_ON');

/** Properties as the client sent them, unescaped; as they are stored; scan of either. One set per thread is enough. */
const SCRATCH_BYTES = 64 * 1024;
const received = Buffer.alloc(SCRATCH_BYTES);
const stored = Buffer.alloc(2 * SCRATCH_BYTES);
const receivedScan = new PropertyScan();
/** The message that is being handled has a delay level; its producer will say whether it counts (TRAN_MSG). */
let isDelayed = false;
let isHalf = false;
const items = new BatchItems();
let idBytes = Buffer.alloc(256);
const TRUE = Buffer.from('true');
/** Bit of a letter's code. */
const LOWER_CASE = 0x20;

/** In letters of either case. Source: Boolean.parseBoolean. */
function receivedIsTrue(scanned: number): boolean {
  if (!receivedScan.has(scanned) || receivedScan.length(scanned) !== TRUE.length) return false;
  const at = receivedScan.at(scanned);
  for (let i = 0; i < TRUE.length; i++) if ((received[at + i]! | LOWER_CASE) !== TRUE[i]) return false;
  return true;
}

/** A producer that says something else than true does not wait. Source: Message.isWaitStoreMsgOK. */
function isWaiting(): boolean {
  return !receivedScan.has(Scanned.WAIT) || receivedScan.length(Scanned.WAIT) === 0 || receivedIsTrue(Scanned.WAIT);
}

/** Body of the frame being handled: `buffer[bodyAt, bodyAt + bodyBytes)`. */
export function onSend(
  state: BrokerState,
  connection: Connection,
  buffer: Buffer,
  view: DataView,
  bodyAt: number,
  bodyBytes: number,
): void {
  const { scan, settings } = state;
  readFields(scan);
  state.counters.requests.request(scan.code);
  if (fields.topic < 0 || fields.queueId < 0) {
    return refuse(state, connection, ResponseCode.SYSTEM_ERROR, 'the header field <topic> or <queueId> is missing');
  }
  const queueIdWanted = scan.int(fields.queueId, 0);
  const sysFlag = scan.int(fields.sysFlag, 0);
  const flag = scan.int(fields.flag, 0);
  const bornTimestamp = scan.long(fields.bornTimestamp, 0);
  const reconsumeTimes = scan.int(fields.reconsumeTimes, 0);
  if (scan.fault >= 0) return refuse(state, connection, ResponseCode.SYSTEM_ERROR, scan.faultText());
  if (state.context.clock.now() < settings.startAcceptSendRequestTimeStamp) {
    const since = settings.startAcceptSendRequestTimeStamp;
    return refuse(state, connection, ResponseCode.SYSTEM_ERROR, `broker unable to service, until ${since} (epoch ms)`);
  }

  const requested = findTopic(state, connection);
  if (requested === undefined) return;
  const config = requested.config!;
  if ((settings.brokerPermission & Perm.WRITE) === 0 && config.order) {
    const text = `the broker[${settings.brokerIP1}] sending message is forbidden`;
    return refuse(state, connection, ResponseCode.NO_PERMISSION, text);
  }
  if (queueIdWanted >= Math.max(config.readQueueNums, config.writeQueueNums)) {
    const text = `request queueId[${queueIdWanted}] is illegal, topic ${config.topicName} has ${config.writeQueueNums} write queues`;
    return refuse(state, connection, ResponseCode.SYSTEM_ERROR, text);
  }
  if (queueIdWanted < 0 && config.writeQueueNums === 0) {
    const text = `topic ${config.topicName} has no queues to write to`;
    return refuse(state, connection, ResponseCode.SYSTEM_ERROR, text);
  }
  const queueId = queueIdWanted >= 0 ? queueIdWanted : state.context.random.below(config.writeQueueNums);

  const propertiesLength = scan.unescapedLength(fields.properties);
  if (propertiesLength > SCRATCH_BYTES * 3 || bodyBytes > settings.maxMessageSize) {
    return refuse(state, connection, ResponseCode.MESSAGE_ILLEGAL, illegalText(bodyBytes, propertiesLength, state));
  }
  const receivedBytes = copyReceived(scan, propertiesLength);
  if (receivedBytes > PROPERTIES_BYTES_MAX) {
    return refuse(state, connection, ResponseCode.MESSAGE_ILLEGAL, illegalText(bodyBytes, receivedBytes, state));
  }
  if (!checkWritable(state, connection)) return;
  receivedScan.scan(received, 0, receivedBytes);
  // Whatever the code: the header says it. Source: SendMessageProcessor.asyncProcessRequest.
  const isBatch = scan.boolean(fields.batch, false);
  if (!checkKinds(state, connection, isBatch, sysFlag)) return;
  const topic =
    isBatch || requested.retryGroup === undefined ? requested : retried(state, connection, requested, reconsumeTimes);
  if (topic === undefined) return;

  const { message } = state;
  message.topic = topic;
  message.queueId = topic === requested ? queueId : 0;
  message.flag = flag;
  const tagsFlag = topic.config!.topicFilterType === 'MULTI_TAG' ? SystemFlag.MULTI_TAGS : 0;
  message.sysFlag = withHosts(sysFlag | tagsFlag, connection.bornHost, state.storeHost);
  message.bornTimestamp = bornTimestamp;
  message.bornHost = connection.bornHost;
  message.reconsumeTimes = reconsumeTimes;
  message.preparedTransactionOffset = 0;
  message.properties = stored;
  message.body = buffer;
  if (isBatch) {
    storeBatch(state, connection, view, bodyAt, bodyBytes, receivedBytes);
    return;
  }
  message.bodyAt = bodyAt;
  message.bodyBytes = bodyBytes;
  message.propertiesBytes = appendOwn(
    state,
    isDelayed || isHalf ? copyAll(receivedBytes) : copyWithoutWait(receivedBytes, 0),
  );
  state.properties.scan(stored, 0, message.propertiesBytes);
  const put = isHalf ? putHalf(state, message, state.properties) : putMessage(state, message, state.properties);
  if (put === 'failed') return refuseUnwritable(state, connection);
  if (put === 'illegal') {
    const text = illegalText(bodyBytes, message.propertiesBytes, state);
    return refuse(state, connection, ResponseCode.MESSAGE_ILLEGAL, text);
  }
  writeMessageId(idBytes, 0, state.storeHost, 0, state.storeHost.length, message.physicalOffset);
  answer(state, connection, messageIdChars(state.storeHost.length), queueId);
}

/** Where a send to a retry topic goes: to the dead letters when the message came back too often. */
function retried(
  state: BrokerState,
  connection: Connection,
  topic: BrokerTopic,
  reconsumeTimes: number,
): BrokerTopic | undefined {
  const { scan } = state;
  const max = fields.maxReconsumeTimes < 0 ? undefined : scan.int(fields.maxReconsumeTimes, 0);
  if (scan.fault >= 0) {
    refuse(state, connection, ResponseCode.SYSTEM_ERROR, scan.faultText());
    return undefined;
  }
  const target = retryTarget(state, topic, topic.retryGroup!, reconsumeTimes, max);
  if (target instanceof BrokerTopic) return target;
  refuse(state, connection, target.code, target.remark!);
  return undefined;
}

function findTopic(state: BrokerState, connection: Connection): BrokerTopic | undefined {
  const { scan } = state;
  const candidates = state.topics.candidates(scan.hash(fields.topic));
  if (candidates !== undefined) {
    for (const topic of candidates) {
      if (!scan.equals(fields.topic, topic.bytes)) continue;
      if (topic.isBrokerOnly) {
        const text = `Sending message to topic[${topic.name}] is forbidden.`;
        refuse(state, connection, ResponseCode.NO_PERMISSION, text);
        return undefined;
      }
      if (topic.config !== undefined) return topic;
    }
  }
  return createMissing(state, connection);
}

/** The topic is not configured here: Apache creates it from the template that the producer names, or answers 17. */
function createMissing(state: BrokerState, connection: Connection): BrokerTopic | undefined {
  const { scan } = state;
  const name = scan.string(fields.topic);
  const problem = topicNameProblem(name);
  if (problem !== undefined || Buffer.byteLength(name) > TOPIC_BYTES_MAX) {
    refuse(
      state,
      connection,
      ResponseCode.SYSTEM_ERROR,
      problem ?? 'The specified topic is longer than topic max length.',
    );
    return undefined;
  }
  if (isBrokerOnlyTopic(name)) {
    refuse(state, connection, ResponseCode.NO_PERMISSION, `Sending message to topic[${name}] is forbidden.`);
    return undefined;
  }
  if (state.isSlave) {
    refuseUnwritable(state, connection);
    return undefined;
  }
  if (fields.defaultTopicQueueNums < 0) {
    const text = 'the header field <defaultTopicQueueNums> is missing';
    refuse(state, connection, ResponseCode.SYSTEM_ERROR, text);
    return undefined;
  }
  const template = fields.defaultTopic < 0 ? '' : scan.string(fields.defaultTopic);
  const queueNums = scan.int(fields.defaultTopicQueueNums, 0);
  const isUnit = scan.boolean(
    scan.code === RequestCode.SEND_MESSAGE ? scan.findKey(UNIT_MODE) : scan.find(LETTER.k),
    false,
  );
  const topic = createTopicOnSend(state, name, template, queueNums, isUnit);
  if (topic !== undefined) return topic;
  const text = `topic[${name}] not exist, apply first please!\nSee http://rocketmq.apache.org/docs/faq/ for further details.`;
  refuse(state, connection, ResponseCode.TOPIC_NOT_EXIST, text);
  return undefined;
}

function copyReceived(scan: RequestScan, length: number): number {
  // An escaped byte takes up to six on the wire: what fits the limit may be three times the scratch before unescaping.
  if (length <= SCRATCH_BYTES) return scan.copyTo(fields.properties, received, 0);
  const large = Buffer.alloc(length);
  const bytes = scan.copyTo(fields.properties, large, 0);
  if (bytes <= SCRATCH_BYTES) large.copy(received, 0, 0, bytes);
  return bytes;
}

function checkWritable(state: BrokerState, connection: Connection): boolean {
  if (writeRefusal(state) !== undefined) {
    refuseUnwritable(state, connection);
    return false;
  }
  if (state.written.isFull || state.waiting.isFull) {
    const text = '[OVERLOAD]system busy, start flow control for a while: too many sends wait for their flush or slave';
    state.flow.count('waiting_answers_full');
    refuse(state, connection, ResponseCode.SYSTEM_BUSY, text);
    return false;
  }
  return true;
}

/** What no batch may hold, and what is switched off. Sets `isDelayed` and `isHalf`. */
function checkKinds(state: BrokerState, connection: Connection, isBatch: boolean, sysFlag: number): boolean {
  const level = delayLevelOf(received, receivedScan);
  if (Number.isNaN(level)) {
    const text = `property ${PropertyName.DELAY}: ${receivedScan.text(Scanned.DELAY, received)} is no delay level, send a whole number`;
    refuse(state, connection, ResponseCode.SYSTEM_ERROR, text);
    return false;
  }
  isDelayed = level > 0;
  isHalf = receivedIsTrue(Scanned.TRANSACTION_PREPARED);
  const isTransaction = isHalf || transactionType(sysFlag) !== TransactionType.NONE;
  if (isBatch && (isDelayed || isTransaction)) {
    const text = 'a batch may not hold delayed or transactional messages: send them one by one';
    refuse(state, connection, ResponseCode.MESSAGE_ILLEGAL, text);
    return false;
  }
  if (isHalf && state.settings.rejectTransactionMessage) {
    const text = `the broker[${state.settings.brokerIP1}] sending transaction message is forbidden`;
    refuse(state, connection, ResponseCode.NO_PERMISSION, text);
    return false;
  }
  return true;
}

/** A delayed message (a half message likewise) keeps WAIT in its stored properties, because CommitLog.asyncPutMessage writes them anew. */
function copyAll(receivedBytes: number): number {
  return copyProperties(received, 0, receivedBytes, -1, -1, stored, 0);
}

/** Copies the received properties without WAIT to `stored[at..]` and returns their end. */
function copyWithoutWait(receivedBytes: number, at: number): number {
  let skipFrom = -1;
  let skipTo = -1;
  if (receivedScan.has(Scanned.WAIT)) {
    skipFrom = receivedScan.at(Scanned.WAIT) - 1 - PropertyName.WAIT.length;
    skipTo = receivedScan.at(Scanned.WAIT) + receivedScan.length(Scanned.WAIT) + 1;
  }
  return copyProperties(received, 0, receivedBytes, skipFrom, skipTo, stored, at);
}

/** Appends the broker's own property, CLUSTER; returns the new end. */
function appendOwn(state: BrokerState, end: number): number {
  const own = state.ownProperties;
  let next = end;
  if (next > 0) stored[next++] = PROPERTY_SEPARATOR;
  stored.set(own, next);
  return next + own.length;
}

/**
 * A batch becomes consecutive records in one file, or nothing of it is stored: sizes are added up first, then every
 * record is encoded into one reservation.
 */
function storeBatch(
  state: BrokerState,
  connection: Connection,
  view: DataView,
  bodyAt: number,
  bodyBytes: number,
  receivedBytes: number,
): void {
  const { message, log, settings } = state;
  // WAIT stays: Apache's broker takes it out of single messages only.
  const commonBytes = appendOwn(state, copyProperties(received, 0, receivedBytes, -1, -1, stored, 0));
  const common = Buffer.from(stored.subarray(0, commonBytes));
  items.open(view, bodyAt, bodyBytes);
  let totalBytes = 0;
  while (items.next()) {
    message.bodyBytes = items.bodyBytes;
    message.propertiesBytes = items.propertiesBytes + 1 + commonBytes;
    if (message.propertiesBytes > PROPERTIES_BYTES_MAX) {
      const text = illegalText(items.bodyBytes, message.propertiesBytes, state);
      return refuse(state, connection, ResponseCode.MESSAGE_ILLEGAL, text);
    }
    totalBytes += recordBytesOf(message);
  }
  if (items.problem !== undefined || items.count === 0) {
    const text = `the batch body cannot be read: ${items.problem ?? 'it is empty'}`;
    return refuse(state, connection, ResponseCode.MESSAGE_ILLEGAL, text);
  }
  if (totalBytes > log.maxReserveBytes || bodyBytes > settings.maxMessageSize) {
    const text = `the batch takes ${totalBytes} bytes in the store, at most ${log.maxReserveBytes} fit: send smaller batches`;
    return refuse(state, connection, ResponseCode.MESSAGE_ILLEGAL, text);
  }
  const reserved = log.reserve(totalBytes);
  if (reserved === NOT_RESERVED) return refuseUnwritable(state, connection);
  const count = items.count;
  const idChars = messageIdChars(state.storeHost.length);
  if (idBytes.length < count * (idChars + 1)) idBytes = Buffer.alloc(count * (idChars + 1) * 2);
  items.open(view, bodyAt, bodyBytes);
  let ahead = 0;
  let idAt = 0;
  let firstQueueOffset = 0;
  while (items.next()) {
    message.flag = items.flag;
    message.bodyAt = items.bodyAt;
    message.bodyBytes = items.bodyBytes;
    let end = copyProperties(message.body, items.propertiesAt, items.propertiesBytes, -1, -1, stored, 0);
    if (end > 0) stored[end++] = PROPERTY_SEPARATOR;
    stored.set(common, end);
    message.propertiesBytes = end + common.length;
    state.properties.scan(stored, 0, message.propertiesBytes);
    const bytes = recordBytesOf(message);
    encode(state, message, state.properties, reserved + ahead, bytes, ahead);
    if (ahead === 0) firstQueueOffset = message.queueOffset;
    else idBytes[idAt++] = 0x2c;
    idAt = writeMessageId(idBytes, idAt, state.storeHost, 0, state.storeHost.length, message.physicalOffset);
    ahead += bytes;
  }
  log.commit(ahead);
  state.counters.stored(message.topic!, count, ahead);
  message.queueOffset = firstQueueOffset;
  answer(state, connection, idAt, message.queueId);
}

/**
 * Queues the answer for what this message has to wait for. `queueId`: the one that was asked for, or chosen: not that of
 * the schedule topic, whose queue offset the answer has.
 */
function answer(state: BrokerState, connection: Connection, idChars: number, queueId: number): void {
  const { scan, settings, log, message, writer } = state;
  if (scan.isOneWay) return;
  let code: number = ResponseCode.SUCCESS;
  let needs: number = NEEDS.nothing;
  if (isWaiting()) {
    if (settings.flushDiskType === 'SYNC_FLUSH') needs |= NEEDS.flush;
    if (settings.brokerRole === 'SYNC_MASTER') {
      const lag = log.endOffset - state.replicatedOffset;
      if (state.connectedSlaves > 0 && lag < settings.haSlaveFallbehindMax) needs |= NEEDS.slave;
      else {
        code = ResponseCode.SLAVE_NOT_AVAILABLE;
        needs |= NEEDS.hasVerdict;
      }
    }
  }
  const queue = (needs & (NEEDS.flush | NEEDS.slave)) === 0 ? state.written : state.waiting;
  const region = settings.regionId;
  const maxBytes = maxResponseBytes(5, idChars + 2 * INTEGER_FIELD_BYTES + region.length + 8, '', 0);
  const at = queue.claim(maxBytes);
  writer.begin(queue.buffer, queue.view, at, scan.serialization, code, scan.opaque);
  writer.fieldBytes(MSG_ID, idBytes, 0, idChars);
  writer.field(QUEUE_ID, queueId);
  writer.field(QUEUE_OFFSET, message.queueOffset);
  writer.fieldText(MSG_REGION, region);
  writer.fieldText(TRACE_ON, settings.traceOn ? 'true' : 'false');
  writer.endHeader();
  queue.add(writer.finish(0), connection.id, log.endOffset, needs, state.context.clock.monotonic());
}

function illegalText(bodyBytes: number, propertiesBytes: number, state: BrokerState): string {
  return (
    `the message is illegal, maybe msg body or properties length not matched. msg body length limit ` +
    `${state.settings.maxMessageSize}, this one has ${bodyBytes}; properties length limit ${PROPERTIES_BYTES_MAX}, ` +
    `this one has ${propertiesBytes}`
  );
}

/** Every answer to a send names region and trace switch (SendMessageProcessor.preSend). */
function refuse(state: BrokerState, connection: Connection, code: number, remark: string): void {
  const { regionId, traceOn } = state.settings;
  respond(state, connection.id, code, remark, { MSG_REGION: regionId, TRACE_ON: String(traceOn) });
}

function refuseUnwritable(state: BrokerState, connection: Connection): void {
  const why = writeRefusal(state) ?? 'the store is not writable';
  refuse(state, connection, ResponseCode.SERVICE_NOT_AVAILABLE, `service not available now: ${why}`);
}
