/** Bodies of what brokers ask clients, and of the clients' answers, which brokers pass on to tools. */
import {
  bean,
  beanMap,
  bool,
  defaulting,
  double,
  enumOf,
  int,
  list,
  long,
  optional,
  required,
  stringMap,
  text,
  type ValueOf,
} from '../body-codec.js';
import { subscriptionData } from './heartbeat.js';
import { messageQueue } from './message-queue.js';

const offsetsByQueue = beanMap(messageQueue, long);

/**
 * Body of RESET_CONSUMER_CLIENT_OFFSET and of the answer to INVOKE_BROKER_TO_RESET_OFFSET. The Go client reads it textually, so
 * white space is forbidden. Source: ResetOffsetBody.java.
 */
export const resetOffsetBody = bean({ offsetTable: defaulting(offsetsByQueue, () => new Map()) });
export type ResetOffsetBody = ValueOf<typeof resetOffsetBody>;

/** The same for C++ clients, who read standard JSON only. Source: ResetOffsetBodyForC.java, MessageQueueForC.java. */
export const resetOffsetBodyForC = bean({
  offsetTable: defaulting(
    list(bean({ brokerName: required(text), offset: required(long), queueId: required(int), topic: required(text) })),
    () => [],
  ),
});
export type ResetOffsetBodyForC = ValueOf<typeof resetOffsetBodyForC>;

/**
 * A client's answer to GET_CONSUMER_STATUS_FROM_CLIENT (messageQueueTable) and the broker's to
 * INVOKE_BROKER_TO_GET_CONSUMER_STATUS (consumerTable, by client id). Source: GetConsumerStatusBody.java.
 */
export const consumerStatusBody = bean({
  consumerTable: defaulting(stringMap(offsetsByQueue), () => new Map()),
  messageQueueTable: defaulting(offsetsByQueue, () => new Map()),
});
export type ConsumerStatusBody = ValueOf<typeof consumerStatusBody>;

const zeroLong = defaulting(long, () => 0);
const zeroInt = defaulting(int, () => 0);
const zeroDouble = defaulting(double, () => 0);
const isFalse = defaulting(bool, () => false);

/** A client's copy of one queue; times in ms since epoch. Source: ProcessQueueInfo.java (the spelling is its own). */
export const processQueueInfo = bean({
  cachedMsgCount: zeroInt,
  cachedMsgMaxOffset: zeroLong,
  cachedMsgMinOffset: zeroLong,
  cachedMsgSizeInMiB: zeroInt,
  commitOffset: zeroLong,
  droped: isFalse,
  lastConsumeTimestamp: zeroLong,
  lastLockTimestamp: zeroLong,
  lastPullTimestamp: zeroLong,
  locked: isFalse,
  transactionMsgCount: zeroInt,
  transactionMsgMaxOffset: zeroLong,
  transactionMsgMinOffset: zeroLong,
  tryUnlockTimes: zeroLong,
});
export type ProcessQueueInfo = ValueOf<typeof processQueueInfo>;

/** Rates per second and times in ms, as the client measured them. Source: ConsumeStatus.java. */
export const consumeStatus = bean({
  consumeFailedMsgs: zeroLong,
  consumeFailedTPS: zeroDouble,
  consumeOKTPS: zeroDouble,
  consumeRT: zeroDouble,
  pullRT: zeroDouble,
  pullTPS: zeroDouble,
});
export type ConsumeStatus = ValueOf<typeof consumeStatus>;

/** A client's answer to GET_CONSUMER_RUNNING_INFO. Source: ConsumerRunningInfo.java. */
export const consumerRunningInfo = bean({
  jstack: optional(text),
  mqTable: defaulting(beanMap(messageQueue, processQueueInfo), () => new Map()),
  properties: defaulting(stringMap(text), () => new Map()),
  statusTable: defaulting(stringMap(consumeStatus), () => new Map()), // by topic
  subscriptionSet: defaulting(list(subscriptionData), () => []),
});
export type ConsumerRunningInfo = ValueOf<typeof consumerRunningInfo>;

/** A client's answer to CONSUME_MESSAGE_DIRECTLY; Go sends ordinals. Source: ConsumeMessageDirectlyResult.java, CMResult.java. */
export const consumeMessageDirectlyResult = bean({
  autoCommit: defaulting(bool, () => true),
  consumeResult: optional(
    enumOf(['CR_SUCCESS', 'CR_LATER', 'CR_ROLLBACK', 'CR_COMMIT', 'CR_THROW_EXCEPTION', 'CR_RETURN_NULL']),
  ),
  order: isFalse,
  remark: optional(text),
  spentTimeMills: zeroLong,
});
export type ConsumeMessageDirectlyResult = ValueOf<typeof consumeMessageDirectlyResult>;
