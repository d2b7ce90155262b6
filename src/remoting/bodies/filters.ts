/** Filters of consumer groups in config/consumerFilter.json. */
import {
  bean,
  bool,
  defaulting,
  int,
  ints,
  long,
  optional,
  required,
  roundedLong,
  stringMap,
  text,
  type ValueOf,
} from '../body-codec.js';

/** Source: BloomFilterData.java. */
const bloomFilterData = bean({
  bitNum: defaulting(int, () => 0),
  bitPos: defaulting(ints, () => []),
});

/** A group's filter for a topic; times in ms since epoch. Source: ConsumerFilterData.java. */
export const consumerFilterData = bean({
  bloomFilterData: optional(bloomFilterData),
  bornTime: defaulting(long, () => 0),
  clientVersion: defaulting(roundedLong, () => 0), // subVersion of the subscription
  consumerGroup: required(text),
  dead: defaulting(bool, () => false), // deadTime >= bornTime: the group has no client that subscribes so
  deadTime: defaulting(long, () => 0),
  expression: required(text),
  expressionType: required(text),
  topic: required(text),
});
export type ConsumerFilterData = ValueOf<typeof consumerFilterData>;

/** By group. Source: ConsumerFilterManager.FilterDataMapByTopic. */
const filterDataOfTopic = bean({
  groupFilterData: defaulting(stringMap(consumerFilterData), () => new Map()),
  topic: required(text),
});

/** config/consumerFilter.json, by topic. Source: ConsumerFilterManager.java. */
export const consumerFilterTable = bean({
  filterDataByTopic: defaulting(stringMap(filterDataOfTopic), () => new Map()),
});
export type ConsumerFilterTable = ValueOf<typeof consumerFilterTable>;
