/** Headers of consumer offsets, queue positions, client registration and the questions that are forwarded to clients. */
import { type HeaderTable, may, need } from '../header-table.js';

/** Source: QueryConsumerOffsetRequestHeader.java. */
export const queryConsumerOffset = {
  consumerGroup: need('consumerGroup', 'string'),
  topic: need('topic', 'string'),
  queueId: need('queueId', 'int'),
  brokerName: may('bname', 'string'),
} as const satisfies HeaderTable;

/** Source: QueryConsumerOffsetResponseHeader.java, GetMaxOffset-, GetMinOffset- and SearchOffsetResponseHeader.java. */
export const offsetResponse = { offset: need('offset', 'long') } as const satisfies HeaderTable;

/** Source: UpdateConsumerOffsetRequestHeader.java. Mostly one-way. */
export const updateConsumerOffset = {
  consumerGroup: need('consumerGroup', 'string'),
  topic: need('topic', 'string'),
  queueId: need('queueId', 'int'),
  commitOffset: need('commitOffset', 'long'),
  brokerName: may('bname', 'string'),
} as const satisfies HeaderTable;

/** Source: SearchOffsetRequestHeader.java. */
export const searchOffset = {
  topic: need('topic', 'string'),
  queueId: need('queueId', 'int'),
  timestamp: need('timestamp', 'time'),
  brokerName: may('bname', 'string'),
} as const satisfies HeaderTable;

/** Source: GetMaxOffset-, GetMinOffset- and GetEarliestMsgStoretimeRequestHeader.java. */
export const queuePosition = {
  topic: need('topic', 'string'),
  queueId: need('queueId', 'int'),
  brokerName: may('bname', 'string'),
} as const satisfies HeaderTable;

/** -1 when the queue is empty. Source: GetEarliestMsgStoretimeResponseHeader.java. */
export const earliestStoreTimeResponse = { timestamp: need('timestamp', 'long') } as const satisfies HeaderTable;

/** Requests 222 to the broker and 220 to clients; timestamp -1 means the end. Source: ResetOffsetRequestHeader.java. */
export const resetOffset = {
  topic: need('topic', 'string'),
  group: need('group', 'string'),
  timestamp: need('timestamp', 'time'),
  isForce: may('isForce', 'boolean'),
} as const satisfies HeaderTable;

/** Requests 223 to the broker and 221 to clients. Source: GetConsumerStatusRequestHeader.java. */
export const consumerStatus = {
  topic: need('topic', 'string'),
  group: need('group', 'string'),
  clientAddr: may('clientAddr', 'string'),
} as const satisfies HeaderTable;

/** Source: QueryCorrectionOffsetHeader.java. */
export const queryCorrectionOffset = {
  filterGroups: may('filterGroups', 'string'), // comma-separated
  compareGroup: need('compareGroup', 'string'),
  topic: need('topic', 'string'),
} as const satisfies HeaderTable;

/** Source: CloneGroupOffsetRequestHeader.java. */
export const cloneGroupOffset = {
  srcGroup: need('srcGroup', 'string'),
  destGroup: need('destGroup', 'string'),
  topic: may('topic', 'string'), // blank: all topics
  offline: may('offline', 'boolean'),
} as const satisfies HeaderTable;

/** Source: UnregisterClientRequestHeader.java. */
export const unregisterClient = {
  clientId: may('clientID', 'string'),
  producerGroup: may('producerGroup', 'string'),
  consumerGroup: may('consumerGroup', 'string'),
} as const satisfies HeaderTable;

/** Requests 38, 40 and 203. Source: GetConsumerListByGroup-, NotifyConsumerIdsChanged- and GetConsumerConnectionListRequestHeader.java. */
export const consumerGroupOnly = { consumerGroup: need('consumerGroup', 'string') } as const satisfies HeaderTable;

/** Source: GetConsumerRunningInfoRequestHeader.java. */
export const consumerRunningInfo = {
  consumerGroup: need('consumerGroup', 'string'),
  clientId: need('clientId', 'string'),
  jstackEnable: may('jstackEnable', 'boolean'),
} as const satisfies HeaderTable;

/** Source: ConsumeMessageDirectlyResultRequestHeader.java. */
export const consumeMessageDirectly = {
  consumerGroup: need('consumerGroup', 'string'),
  clientId: may('clientId', 'string'),
  msgId: may('msgId', 'string'), // offset message id
  brokerName: may('brokerName', 'string'), // added by the broker
} as const satisfies HeaderTable;

/** Broker to client, with the half message as body. Source: CheckTransactionStateRequestHeader.java. */
export const checkTransactionState = {
  tranStateTableOffset: need('tranStateTableOffset', 'long'),
  commitLogOffset: need('commitLogOffset', 'long'),
  msgId: may('msgId', 'string'), // UNIQ_KEY
  transactionId: may('transactionId', 'string'),
  offsetMsgId: may('offsetMsgId', 'string'),
} as const satisfies HeaderTable;

/** Broker to client, with the reply as body. Source: ReplyMessageRequestHeader.java. */
export const pushReplyMessage = {
  producerGroup: need('producerGroup', 'string'),
  topic: need('topic', 'string'),
  defaultTopic: need('defaultTopic', 'string'),
  defaultTopicQueueNums: need('defaultTopicQueueNums', 'int'),
  queueId: need('queueId', 'int'),
  sysFlag: need('sysFlag', 'int'),
  bornTimestamp: need('bornTimestamp', 'long'),
  flag: need('flag', 'int'),
  properties: may('properties', 'string'),
  reconsumeTimes: may('reconsumeTimes', 'int'),
  unitMode: may('unitMode', 'boolean'),
  bornHost: need('bornHost', 'string'), // ip:port
  storeHost: need('storeHost', 'string'), // ip:port
  storeTimestamp: need('storeTimestamp', 'long'),
} as const satisfies HeaderTable;
