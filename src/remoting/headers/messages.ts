/** Headers that carry messages: send, pull, send back, transactions, and looking messages up. */
import { type HeaderTable, may, need } from '../header-table.js';

/** Source: SendMessageRequestHeader.java. Request 10 and 324. */
export const sendMessage = {
  producerGroup: need('producerGroup', 'string'),
  topic: need('topic', 'string'),
  defaultTopic: need('defaultTopic', 'string'),
  defaultTopicQueueNums: need('defaultTopicQueueNums', 'int'),
  queueId: need('queueId', 'int'), // below 0: the broker picks one
  sysFlag: need('sysFlag', 'int'),
  bornTimestamp: need('bornTimestamp', 'long'), // ms since epoch, producer's clock
  flag: need('flag', 'int'), // the user's, kept as it is
  properties: may('properties', 'string'),
  reconsumeTimes: may('reconsumeTimes', 'int'),
  unitMode: may('unitMode', 'boolean'),
  batch: may('batch', 'boolean'), // decides whether the body is a batch, whatever the request code
  maxReconsumeTimes: may('maxReconsumeTimes', 'int'), // only meant for %RETRY% topics
  brokerName: may('bname', 'string'),
} as const satisfies HeaderTable;

/** The same with one-letter names. Source: SendMessageRequestHeaderV2.java. Requests 310, 320 and 325. */
export const sendMessageV2 = {
  producerGroup: need('a', 'string'),
  topic: need('b', 'string'),
  defaultTopic: need('c', 'string'),
  defaultTopicQueueNums: need('d', 'int'),
  queueId: need('e', 'int'),
  sysFlag: need('f', 'int'),
  bornTimestamp: need('g', 'long'),
  flag: need('h', 'int'),
  properties: may('i', 'string'),
  reconsumeTimes: may('j', 'int'),
  unitMode: may('k', 'boolean'),
  maxReconsumeTimes: may('l', 'int'),
  batch: may('m', 'boolean'),
  brokerName: may('n', 'string'),
} as const satisfies HeaderTable;

/**
 * Goes with codes 0, 10, 11 and 12 alike: the message is stored. Source: SendMessageResponseHeader.java, and
 * MessageConst for the two that clients show in their traces.
 */
export const sendMessageResponse = {
  msgId: need('msgId', 'string'), // offset message id; comma-joined for a batch
  queueId: need('queueId', 'int'),
  queueOffset: need('queueOffset', 'long'),
  transactionId: may('transactionId', 'string'), // UNIQ_KEY; absent for a batch
  msgRegion: may('MSG_REGION', 'string'),
  traceOn: may('TRACE_ON', 'string'),
} as const satisfies HeaderTable;

/** Source: PullMessageRequestHeader.java. */
export const pullMessage = {
  consumerGroup: need('consumerGroup', 'string'),
  topic: need('topic', 'string'),
  queueId: need('queueId', 'int'),
  queueOffset: need('queueOffset', 'long'),
  maxMsgNums: need('maxMsgNums', 'int'),
  sysFlag: need('sysFlag', 'int'), // 1 commit offset, 2 suspend, 4 subscription given, 8 class filter, 16 lite pull
  commitOffset: need('commitOffset', 'long'),
  suspendTimeoutMillis: need('suspendTimeoutMillis', 'long'),
  subscription: may('subscription', 'string'),
  subVersion: need('subVersion', 'long'), // ms since epoch
  expressionType: may('expressionType', 'string'), // absent: TAG
  brokerName: may('bname', 'string'),
} as const satisfies HeaderTable;

/** Goes with codes 0, 19, 20 and 21. Source: PullMessageResponseHeader.java. */
export const pullMessageResponse = {
  suggestWhichBrokerId: need('suggestWhichBrokerId', 'long'),
  nextBeginOffset: need('nextBeginOffset', 'long'),
  minOffset: need('minOffset', 'long'),
  maxOffset: need('maxOffset', 'long'),
} as const satisfies HeaderTable;

/** Source: ConsumerSendMsgBackRequestHeader.java. */
export const consumerSendMsgBack = {
  offset: need('offset', 'long'), // commit log offset of the message
  group: need('group', 'string'),
  delayLevel: need('delayLevel', 'int'), // 0: the broker chooses, below 0: to the dead-letter topic
  originMsgId: may('originMsgId', 'string'),
  originTopic: may('originTopic', 'string'),
  unitMode: may('unitMode', 'boolean'),
  maxReconsumeTimes: may('maxReconsumeTimes', 'int'), // meant since client version 121
  brokerName: may('bname', 'string'),
} as const satisfies HeaderTable;

/** Source: EndTransactionRequestHeader.java. */
export const endTransaction = {
  producerGroup: need('producerGroup', 'string'),
  tranStateTableOffset: need('tranStateTableOffset', 'long'), // queue offset of the half message
  commitLogOffset: need('commitLogOffset', 'long'),
  commitOrRollback: need('commitOrRollback', 'int'), // 0 unknown, 8 commit, 12 rollback
  fromTransactionCheck: may('fromTransactionCheck', 'boolean'),
  msgId: may('msgId', 'string'),
  transactionId: may('transactionId', 'string'),
  brokerName: may('bname', 'string'),
} as const satisfies HeaderTable;

/** Source: ResumeCheckHalfMessageRequestHeader.java. */
export const resumeCheckHalfMessage = { msgId: may('msgId', 'string') } as const satisfies HeaderTable;

/** Source: QueryMessageRequestHeader.java, MixAll.UNIQUE_MSG_QUERY_FLAG. */
export const queryMessage = {
  topic: need('topic', 'string'),
  key: need('key', 'string'),
  maxNum: need('maxNum', 'int'),
  beginTimestamp: need('beginTimestamp', 'time'),
  endTimestamp: need('endTimestamp', 'time'),
  isUniqueKey: may('_UNIQUE_KEY_QUERY', 'boolean'),
} as const satisfies HeaderTable;

/** Source: QueryMessageResponseHeader.java. */
export const queryMessageResponse = {
  indexLastUpdateTimestamp: need('indexLastUpdateTimestamp', 'long'),
  indexLastUpdatePhyoffset: need('indexLastUpdatePhyoffset', 'long'),
} as const satisfies HeaderTable;

/** Source: ViewMessageRequestHeader.java. */
export const viewMessageById = { offset: need('offset', 'long') } as const satisfies HeaderTable;

/** Primitives in Java, so absent ones are 0 or null. Source: QueryConsumeQueueRequestHeader.java. */
export const queryConsumeQueue = {
  topic: may('topic', 'string'),
  queueId: may('queueId', 'int'),
  index: may('index', 'long'), // queue offset of the first entry
  count: may('count', 'int'),
  consumerGroup: may('consumerGroup', 'string'),
} as const satisfies HeaderTable;
