/**
 * The records of a transaction, each made from the one before it. Source: TransactionalMessageBridge.java,
 * EndTransactionProcessor.java.
 *
 *     half message   RMQ_SYS_TRANS_HALF_TOPIC queue 0, type none, REAL_TOPIC and REAL_QID say where it goes
 *     copy           of a half message that its producer is asked about again; TRANSACTION_CHECK_TIMES counts
 *     final message  in the real topic, type commit, prepared transaction offset = physical offset of the half message
 *     op message     RMQ_SYS_TRANS_OP_HALF_TOPIC, same queue id, tag d: the half message whose queue offset is its body is done
 */
import { parseDecimal } from '../../../message/bytes.js';
import { formatProperties, PropertyName, PropertyScan, Scanned } from '../../../message/properties.js';
import { appendProperty, copyWithout } from '../../../message/property-edit.js';
import { PROPERTIES_BYTES_MAX, TOPIC_BYTES_MAX } from '../../../message/record.js';
import { SystemTopic, topicNameProblem } from '../../../message/topics.js';
import { TransactionType, withTransactionType } from '../../../message/system-flags.js';
import { fnv1a } from '../../../remoting/request-scan.js';
import { ensureTopic, QUEUES_PER_TOPIC_MAX, topicsRefusal } from '../tables/create-topic.js';
import { messageOf, type RecordAt } from '../lookups/record-at.js';
import type { BrokerState } from '../state.js';
import { writeRefusal } from '../store/store-health.js';
import {
  type NewMessage,
  ownMessage,
  type Put,
  putMessage,
  recordBytesOf,
  storeMessage,
} from '../sends/store-message.js';
import type { BrokerTopic } from '../tables/topic-table.js';

export const DONE_TAG = 'd';
const REAL_TOPIC = Buffer.from(PropertyName.REAL_TOPIC);
const REAL_QUEUE_ID = Buffer.from(PropertyName.REAL_QUEUE_ID);
const CHECK_TIMES = Buffer.from(PropertyName.TRANSACTION_CHECK_TIMES);
const PREPARED_QUEUE_OFFSET = Buffer.from(PropertyName.TRANSACTION_PREPARED_QUEUE_OFFSET);
const NOTHING: readonly Uint8Array[] = [];
const REAL = [REAL_TOPIC, REAL_QUEUE_ID];

/** What is added is a topic name and two numbers. */
const ADDED_BYTES_MAX = 512;
const stored = Buffer.alloc(PROPERTIES_BYTES_MAX + ADDED_BYTES_MAX);
const scan = new PropertyScan();

/** Of the topics that only transactions use; made on demand. */
const SYSTEM_QUEUES = 1;

/**
 * Stores a message that was sent with TRAN_MSG as the half message that waits for its producer's word. A delay level counts
 * from the commit on (with Apache such a message is lost; its clients take the level out).
 */
export function putHalf(state: BrokerState, message: NewMessage, properties: PropertyScan): Put {
  const half = ensureTopic(state, SystemTopic.TRANSACTION_HALF, SYSTEM_QUEUES);
  if (half === undefined) return 'failed';
  let end = copyWithout(message.properties, 0, message.propertiesBytes, REAL, stored, 0);
  end = appendProperty(stored, 0, end, REAL_TOPIC, message.topic!.bytes);
  end = appendProperty(stored, 0, end, REAL_QUEUE_ID, Buffer.from(String(message.queueId)));
  message.properties = stored;
  message.propertiesBytes = end;
  message.sysFlag = withTransactionType(message.sysFlag, TransactionType.NONE);
  message.topic = half;
  message.queueId = 0;
  properties.scan(stored, 0, end);
  const bytes = recordBytesOf(message);
  if (end > PROPERTIES_BYTES_MAX || bytes > state.log.maxReserveBytes) return 'illegal';
  if (!storeMessage(state, message, properties)) return 'failed';
  state.counters.stored(half, 1, bytes);
  return 'stored';
}

/** Where a half message goes when it is committed; undefined when its record does not say it. */
export function realPlace(state: BrokerState, record: RecordAt): { topic: BrokerTopic; queueId: number } | undefined {
  const { buffer, properties } = record;
  const at = properties.at(Scanned.REAL_TOPIC);
  const bytes = properties.length(Scanned.REAL_TOPIC);
  const queueIdAt = properties.at(Scanned.REAL_QUEUE_ID);
  const queueId = queueIdAt < 0 ? -1 : parseDecimal(buffer, queueIdAt, properties.length(Scanned.REAL_QUEUE_ID));
  if (at < 0 || bytes > TOPIC_BYTES_MAX || !(queueId >= 0 && queueId < QUEUES_PER_TOPIC_MAX)) return undefined;
  const known = state.topics.find(buffer, at, bytes, fnv1a(buffer, at, at + bytes));
  const topic = known ?? deletedTopic(state, buffer.toString('utf8', at, at + bytes));
  return topic === undefined || topic.isBrokerOnly ? undefined : { topic, queueId };
}

/** It gets its message all the same; but only a name that a topic may have is the name of one. */
function deletedTopic(state: BrokerState, name: string): BrokerTopic | undefined {
  if (topicNameProblem(name) !== undefined || topicsRefusal(state, name) !== undefined) return undefined;
  return state.topics.ensure(name);
}

/** Stores the message that consumers get. */
export function putFinal(state: BrokerState, half: RecordAt): Put {
  const { message } = state;
  const place = realPlace(state, half);
  if (place === undefined) return 'illegal';
  messageOf(half, message);
  message.topic = place.topic;
  message.queueId = place.queueId;
  message.sysFlag = withTransactionType(half.sysFlag, TransactionType.COMMIT);
  message.preparedTransactionOffset = half.physicalOffset;
  useProperties(message, copyWithout(half.buffer, half.propertiesAt, half.propertiesBytes, NOTHING, stored, 0));
  return putMessage(state, message, scan);
}

/** Says that the half message at that queue offset is done; one that cannot be stored is counted as a failed put. */
export function putOp(state: BrokerState, queueId: number, halfQueueOffset: number): void {
  const { message, topics } = state;
  const body = Buffer.from(String(halfQueueOffset));
  const text = formatProperties([
    [PropertyName.UNIQUE_KEY, uniqueId(state)],
    [PropertyName.TAGS, DONE_TAG],
  ]);
  ownMessage(state, topics.ensure(SystemTopic.TRANSACTION_OP), queueId, body);
  useProperties(message, stored.write(text, 0));
  if (!store(state, message)) state.counters.failedPuts++;
}

/** 32 characters, as clients make them. */
function uniqueId({ context: { random } }: BrokerState): string {
  const word = (): string => random.below(0x1_0000_0000).toString(16).padStart(8, '0');
  return `${word()}${word()}${word()}${word()}`.toUpperCase();
}

/** What changes in a copy of a half message. */
export interface CopyChanges {
  readonly checkTimes: number;
  /** Queue offset of the first of all copies, when its producer's word is meant to be for that one. */
  readonly preparedQueueOffset: number | undefined;
}

/** Puts a copy to the end of its half queue; `state.message` says where. False when it cannot be stored. */
export function putCopy(state: BrokerState, half: RecordAt, { checkTimes, preparedQueueOffset }: CopyChanges): boolean {
  const { message } = state;
  const isImmune = preparedQueueOffset !== undefined;
  const dropped = isImmune ? [CHECK_TIMES, PREPARED_QUEUE_OFFSET] : [CHECK_TIMES];
  let end = copyWithout(half.buffer, half.propertiesAt, half.propertiesBytes, dropped, stored, 0);
  end = appendProperty(stored, 0, end, CHECK_TIMES, Buffer.from(String(checkTimes)));
  if (isImmune) end = appendProperty(stored, 0, end, PREPARED_QUEUE_OFFSET, Buffer.from(String(preparedQueueOffset)));
  messageOf(half, message);
  message.topic = state.topics.ensure(SystemTopic.TRANSACTION_HALF);
  message.queueId = half.queueId;
  message.flag = half.flag;
  message.reconsumeTimes = 0;
  useProperties(message, end);
  return store(state, message);
}

/** A half message that was asked about too often, or is too old, goes where people can find it. */
export function putGivenUp(state: BrokerState, half: RecordAt): boolean {
  const topic = ensureTopic(state, SystemTopic.TRANSACTION_GIVEN_UP, SYSTEM_QUEUES);
  if (topic === undefined) return false;
  const { message } = state;
  messageOf(half, message);
  message.topic = topic;
  message.queueId = 0;
  message.reconsumeTimes = 0;
  useProperties(message, copyWithout(half.buffer, half.propertiesAt, half.propertiesBytes, NOTHING, stored, 0));
  return store(state, message);
}

function useProperties(message: NewMessage, bytes: number): void {
  message.properties = stored;
  message.propertiesBytes = bytes;
  scan.scan(stored, 0, bytes);
}

/** As it is: what a transaction keeps for itself is never delayed. */
function store(state: BrokerState, message: NewMessage): boolean {
  const bytes = recordBytesOf(message);
  const fits = message.propertiesBytes <= PROPERTIES_BYTES_MAX && bytes <= state.log.maxReserveBytes;
  if (!fits || writeRefusal(state) !== undefined) {
    message.storeHost = undefined;
    return false;
  }
  if (!storeMessage(state, message, scan)) return false;
  state.counters.stored(message.topic!, 1, bytes);
  return true;
}
