/** What name servers answer: routes, cluster tables, topic lists, key-value tables. */
import {
  bean,
  defaulting,
  int,
  integerMap,
  list,
  optional,
  required,
  stringMap,
  text,
  type ValueOf,
} from '../body-codec.js';

/** One broker name: its addresses by broker id, 0 being the master. Source: BrokerData.java. */
export const brokerData = bean({
  brokerAddrs: defaulting(integerMap(text), () => new Map()),
  brokerName: required(text),
  cluster: optional(text),
});
export type BrokerData = ValueOf<typeof brokerData>;

/** The queues of a topic on one broker. Up to 4.8 the flag was called topicSynFlag. Source: QueueData.java. */
export const queueData = bean({
  brokerName: required(text),
  perm: defaulting(int, () => 0),
  readQueueNums: defaulting(int, () => 0),
  topicSysFlag: defaulting(int, () => 0),
  writeQueueNums: defaulting(int, () => 0),
});
export type QueueData = ValueOf<typeof queueData>;

/**
 * Answer to GET_ROUTEINFO_BY_TOPIC. Encode it as 'standard' for clients of version 401 and later or with
 * acceptStandardJsonOnly, as 'plain' otherwise; the Go client reads it textually, so white space is forbidden.
 * Source: TopicRouteData.java.
 */
export const topicRouteData = bean({
  brokerDatas: defaulting(list(brokerData), () => []),
  filterServerTable: defaulting(stringMap(list(text)), () => new Map()),
  orderTopicConf: optional(text), // broker-a:4;broker-b:4
  queueDatas: defaulting(list(queueData), () => []),
});
export type TopicRouteData = ValueOf<typeof topicRouteData>;

/** Answer to GET_BROKER_CLUSTER_INFO. Source: ClusterInfo.java. */
export const clusterInfo = bean({
  brokerAddrTable: defaulting(stringMap(brokerData), () => new Map()),
  clusterAddrTable: defaulting(stringMap(list(text)), () => new Map()), // cluster -> broker names
});
export type ClusterInfo = ValueOf<typeof clusterInfo>;

/** `brokerAddr` only in the answer to GET_SYSTEM_TOPIC_LIST_FROM_NS: whom to ask 305. Source: TopicList.java. */
export const topicList = bean({
  brokerAddr: optional(text),
  topicList: defaulting(list(text), () => []),
});
export type TopicList = ValueOf<typeof topicList>;

/** Answer to GET_KVLIST_BY_NAMESPACE, REGISTER_BROKER and GET_BROKER_RUNTIME_INFO: all values are texts. Source: KVTable.java. */
export const kvTable = bean({ table: defaulting(stringMap(text), () => new Map()) });
export type KvTable = ValueOf<typeof kvTable>;

/** The name server's kvConfig.json: namespace -> key -> value. Source: KVConfigSerializeWrapper.java. */
export const kvConfigTable = bean({ configTable: defaulting(stringMap(stringMap(text)), () => new Map()) });
export type KvConfigTable = ValueOf<typeof kvConfigTable>;
