/**
 * The tables that a broker keeps, sends to its slave and name servers, and writes to config/*.json: topics, subscription
 * groups, consumer offsets, delay progress.
 */
import {
  bean,
  bool,
  defaulting,
  enumOf,
  int,
  integerMap,
  list,
  long,
  optional,
  required,
  stringMap,
  text,
  type ValueOf,
} from '../body-codec.js';

/** Two tables are equal when both parts are. 5.x brokers add a stateVersion. Source: DataVersion.java. */
export const dataVersion = bean({
  counter: defaulting(long, () => 0),
  timestamp: defaulting(long, () => 0), // ms since epoch
});
export type DataVersion = ValueOf<typeof dataVersion>;

export const topicFilterType = enumOf(['SINGLE_TAG', 'MULTI_TAG']);

/** Defaults are those of a new Java object. Source: TopicConfig.java. */
export const topicConfig = bean({
  order: defaulting(bool, () => false),
  perm: defaulting(int, () => 6), // 4 read, 2 write, 1 inherit
  readQueueNums: defaulting(int, () => 16),
  topicFilterType: defaulting(topicFilterType, () => 'SINGLE_TAG'),
  topicName: required(text),
  topicSysFlag: defaulting(int, () => 0), // bit 0 unit, bit 1 unit subscription
  writeQueueNums: defaulting(int, () => 16),
});
export type TopicConfig = ValueOf<typeof topicConfig>;

/** config/topics.json and the answer to GET_ALL_TOPIC_CONFIG. Source: TopicConfigSerializeWrapper.java. */
export const topicConfigTable = bean({
  dataVersion: defaulting(dataVersion, () => ({ counter: 0, timestamp: 0 })),
  topicConfigTable: defaulting(stringMap(topicConfig), () => new Map()),
});
export type TopicConfigTable = ValueOf<typeof topicConfigTable>;

/** What REGISTER_BROKER carries. Source: RegisterBrokerBody.java; the compressed form is in register-broker.ts. */
export const registerBrokerBody = bean({
  filterServerList: defaulting(list(text), () => []),
  topicConfigSerializeWrapper: defaulting(topicConfigTable, () => ({
    dataVersion: { counter: 0, timestamp: 0 },
    topicConfigTable: new Map(),
  })),
});
export type RegisterBrokerBody = ValueOf<typeof registerBrokerBody>;

/** Defaults are those of a new Java object. Source: SubscriptionGroupConfig.java. */
export const subscriptionGroupConfig = bean({
  brokerId: defaulting(long, () => 0),
  consumeBroadcastEnable: defaulting(bool, () => true),
  consumeEnable: defaulting(bool, () => true),
  consumeFromMinEnable: defaulting(bool, () => true),
  groupName: required(text),
  notifyConsumerIdsChangedEnable: defaulting(bool, () => true),
  retryMaxTimes: defaulting(int, () => 16),
  retryQueueNums: defaulting(int, () => 1),
  whichBrokerWhenConsumeSlowly: defaulting(long, () => 1),
});
export type SubscriptionGroupConfig = ValueOf<typeof subscriptionGroupConfig>;

/** config/subscriptionGroup.json and the answer to GET_ALL_SUBSCRIPTIONGROUP_CONFIG. Source: SubscriptionGroupWrapper.java. */
export const subscriptionGroupTable = bean({
  dataVersion: defaulting(dataVersion, () => ({ counter: 0, timestamp: 0 })),
  subscriptionGroupTable: defaulting(stringMap(subscriptionGroupConfig), () => new Map()),
});
export type SubscriptionGroupTable = ValueOf<typeof subscriptionGroupTable>;

/** config/consumerOffset.json and the answer to GET_ALL_CONSUMER_OFFSET. Source: ConsumerOffsetSerializeWrapper.java. */
export const consumerOffsetTable = bean({
  offsetTable: defaulting(stringMap(integerMap(long)), () => new Map()), // topic@group -> queue id -> consumer offset
});
export type ConsumerOffsetTable = ValueOf<typeof consumerOffsetTable>;

/** config/delayOffset.json and the answer to GET_ALL_DELAY_OFFSET. Source: DelayOffsetSerializeWrapper.java. */
export const delayOffsetTable = bean({
  dataVersion: optional(dataVersion), // since 5.x
  offsetTable: defaulting(integerMap(long), () => new Map()), // delay level -> queue offset
});
export type DelayOffsetTable = ValueOf<typeof delayOffsetTable>;
