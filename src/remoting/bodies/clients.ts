/** What brokers tell about their clients, and the locks of orderly consumers. */
import {
  bean,
  defaulting,
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
import { languageNames } from '../version.js';
import { consumeFromWhere, consumeType, messageModel, subscriptionData } from './heartbeat.js';
import { messageQueue } from './message-queue.js';

/** Answer to GET_CONSUMER_LIST_BY_GROUP. Source: GetConsumerListByGroupResponseBody.java. */
export const consumerIdList = bean({ consumerIdList: defaulting(list(text), () => []) });
export type ConsumerIdList = ValueOf<typeof consumerIdList>;

/** Body of LOCK_BATCH_MQ and UNLOCK_BATCH_MQ. Source: LockBatchRequestBody.java, UnlockBatchRequestBody.java. */
export const lockBatchRequest = bean({
  clientId: required(text),
  consumerGroup: required(text),
  mqSet: defaulting(list(messageQueue), () => []),
});
export type LockBatchRequest = ValueOf<typeof lockBatchRequest>;

/** Answer to LOCK_BATCH_MQ: what the client now holds. Source: LockBatchResponseBody.java. */
export const lockBatchResponse = bean({ lockOKMQSet: defaulting(list(messageQueue), () => []) });
export type LockBatchResponse = ValueOf<typeof lockBatchResponse>;

/** Body of CHECK_CLIENT_CONFIG; without a subscription nothing is checked. Source: CheckClientRequestBody.java. */
export const checkClientRequest = bean({
  clientId: optional(text),
  group: optional(text),
  subscriptionData: optional(subscriptionData),
});
export type CheckClientRequest = ValueOf<typeof checkClientRequest>;

const language = enumOf(languageNames);

/** Source: Connection.java. */
export const connection = bean({
  clientAddr: required(text), // ip:port
  clientId: required(text),
  language: defaulting(language, () => 'OTHER'),
  version: defaulting(int, () => 0),
});
export type Connection = ValueOf<typeof connection>;

/** Answer to GET_CONSUMER_CONNECTION_LIST. Source: ConsumerConnection.java. */
export const consumerConnection = bean({
  connectionSet: defaulting(list(connection), () => []),
  consumeFromWhere: optional(consumeFromWhere),
  consumeType: optional(consumeType),
  messageModel: optional(messageModel),
  subscriptionTable: defaulting(stringMap(subscriptionData), () => new Map()), // topic -> subscription
});
export type ConsumerConnection = ValueOf<typeof consumerConnection>;

/** Answer to GET_PRODUCER_CONNECTION_LIST. Source: ProducerConnection.java. */
export const producerConnection = bean({ connectionSet: defaulting(list(connection), () => []) });
export type ProducerConnection = ValueOf<typeof producerConnection>;

/** Source: ProducerInfo.java. */
export const producerInfo = bean({
  clientId: required(text),
  language: defaulting(language, () => 'OTHER'),
  lastUpdateTimestamp: defaulting(long, () => 0), // ms since epoch
  remoteIP: required(text), // ip:port
  version: defaulting(int, () => 0),
});
export type ProducerInfo = ValueOf<typeof producerInfo>;

/** Answer to GET_ALL_PRODUCER_INFO, by producer group. Source: ProducerTableInfo.java. */
export const producerTableInfo = bean({ data: defaulting(stringMap(list(producerInfo)), () => new Map()) });
export type ProducerTableInfo = ValueOf<typeof producerTableInfo>;
