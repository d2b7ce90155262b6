/** Answers of brokers to questions about progress and load. */
import {
  bean,
  beanMap,
  bool,
  defaulting,
  double,
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
import { subscriptionData } from './heartbeat.js';
import { messageQueue } from './message-queue.js';

/** Source: TopicOffset.java. */
export const topicOffset = bean({
  lastUpdateTimestamp: defaulting(long, () => 0), // store time of the last message in ms, 0 when there is none
  maxOffset: required(long),
  minOffset: required(long),
});
export type TopicOffset = ValueOf<typeof topicOffset>;

/** Answer to GET_TOPIC_STATS_INFO: every queue of the topic, empty ones too. Source: TopicStatsTable.java. */
export const topicStatsTable = bean({ offsetTable: defaulting(beanMap(messageQueue, topicOffset), () => new Map()) });
export type TopicStatsTable = ValueOf<typeof topicStatsTable>;

/** Source: OffsetWrapper.java. */
export const offsetWrapper = bean({
  brokerOffset: required(long), // the queue's end
  consumerOffset: required(long),
  lastTimestamp: defaulting(long, () => 0), // store time of the last consumed message in ms
});
export type OffsetWrapper = ValueOf<typeof offsetWrapper>;

/** Answer to GET_CONSUME_STATS. Source: ConsumeStats.java. */
export const consumeStats = bean({
  consumeTps: defaulting(double, () => 0),
  offsetTable: defaulting(beanMap(messageQueue, offsetWrapper), () => new Map()),
});
export type ConsumeStats = ValueOf<typeof consumeStats>;

/** Answer to GET_BROKER_CONSUME_STATS. Source: ConsumeStatsList.java. */
export const consumeStatsList = bean({
  brokerAddr: optional(text),
  consumeStatsList: defaulting(list(stringMap(list(consumeStats))), () => []), // group -> its statistics per topic
  totalDiff: defaulting(long, () => 0), // messages that are not consumed yet
});
export type ConsumeStatsList = ValueOf<typeof consumeStatsList>;

/** Answer to QUERY_TOPIC_CONSUME_BY_WHO. Source: GroupList.java. */
export const groupList = bean({ groupList: defaulting(list(text), () => []) });
export type GroupList = ValueOf<typeof groupList>;

/** Times in ms since epoch; the texts repeat them for people. Source: QueueTimeSpan.java. */
export const queueTimeSpan = bean({
  consumeTimeStamp: defaulting(long, () => 0),
  consumeTimeStampStr: optional(text),
  delayTime: defaulting(long, () => 0), // ms
  maxTimeStamp: defaulting(long, () => 0),
  maxTimeStampStr: optional(text),
  messageQueue: required(messageQueue),
  minTimeStamp: defaulting(long, () => 0),
  minTimeStampStr: optional(text),
});
export type QueueTimeSpan = ValueOf<typeof queueTimeSpan>;

/** Answer to QUERY_CONSUME_TIME_SPAN. Source: QueryConsumeTimeSpanBody.java. */
export const consumeTimeSpan = bean({ consumeTimeSpanSet: defaulting(list(queueTimeSpan), () => []) });
export type ConsumeTimeSpan = ValueOf<typeof consumeTimeSpan>;

/** Source: BrokerStatsItem.java. */
export const brokerStatsItem = bean({
  avgpt: defaulting(double, () => 0), // mean of one observation
  sum: defaulting(long, () => 0),
  tps: defaulting(double, () => 0),
});
export type BrokerStatsItem = ValueOf<typeof brokerStatsItem>;

const NOTHING_COUNTED: BrokerStatsItem = { avgpt: 0, sum: 0, tps: 0 };

/** Answer to VIEW_BROKER_STATS_DATA. Source: BrokerStatsData.java. */
export const brokerStatsData = bean({
  statsDay: defaulting(brokerStatsItem, () => NOTHING_COUNTED),
  statsHour: defaulting(brokerStatsItem, () => NOTHING_COUNTED),
  statsMinute: defaulting(brokerStatsItem, () => NOTHING_COUNTED),
});
export type BrokerStatsData = ValueOf<typeof brokerStatsData>;

/** Answer to QUERY_CORRECTION_OFFSET: queue id -> offset. Source: QueryCorrectionOffsetBody.java. */
export const correctionOffsets = bean({ correctionOffsets: defaulting(integerMap(long), () => new Map()) });
export type CorrectionOffsets = ValueOf<typeof correctionOffsets>;

/** One consume queue entry. Source: ConsumeQueueData.java. */
export const consumeQueueData = bean({
  bitMap: optional(text),
  eval: defaulting(bool, () => false),
  extendDataJson: optional(text),
  msg: optional(text),
  physicOffset: required(long), // commit log offset
  physicSize: required(int),
  tagsCode: defaulting(long, () => 0),
});
export type ConsumeQueueData = ValueOf<typeof consumeQueueData>;

/** Answer to QUERY_CONSUME_QUEUE. Source: QueryConsumeQueueResponseBody.java. */
export const queryConsumeQueueResult = bean({
  filterData: optional(text),
  maxQueueIndex: defaulting(long, () => 0),
  minQueueIndex: defaulting(long, () => 0),
  queueData: optional(list(consumeQueueData)),
  subscriptionData: optional(subscriptionData),
});
export type QueryConsumeQueueResult = ValueOf<typeof queryConsumeQueueResult>;
