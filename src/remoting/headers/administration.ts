/** Headers of topic and group administration, statistics and access control, all of them asked of brokers. */
import { type HeaderTable, may, need } from '../header-table.js';

/** Source: CreateTopicRequestHeader.java. */
export const createTopic = {
  topic: need('topic', 'string'),
  defaultTopic: may('defaultTopic', 'string'),
  readQueueNums: need('readQueueNums', 'int'),
  writeQueueNums: need('writeQueueNums', 'int'),
  perm: need('perm', 'int'),
  topicFilterType: need('topicFilterType', 'string'), // SINGLE_TAG or MULTI_TAG
  topicSysFlag: may('topicSysFlag', 'int'),
  order: may('order', 'boolean'),
} as const satisfies HeaderTable;

/** Requests 202, 215 and 300. Source: GetTopicStatsInfo-, DeleteTopic- and QueryTopicConsumeByWhoRequestHeader.java. */
export const topicOnly = { topic: need('topic', 'string') } as const satisfies HeaderTable;

/** Source: DeleteSubscriptionGroupRequestHeader.java (4.9; 5.x calls it cleanOffset). */
export const deleteSubscriptionGroup = {
  groupName: need('groupName', 'string'),
  removeOffset: may('removeOffset', 'boolean'),
} as const satisfies HeaderTable;

/** Source: GetProducerConnectionListRequestHeader.java. */
export const producerGroupOnly = { producerGroup: need('producerGroup', 'string') } as const satisfies HeaderTable;

/** Source: GetConsumeStatsRequestHeader.java. */
export const getConsumeStats = {
  consumerGroup: need('consumerGroup', 'string'),
  topic: may('topic', 'string'), // blank: all topics with offsets of the group
} as const satisfies HeaderTable;

/** Source: QueryConsumeTimeSpanRequestHeader.java. */
export const queryConsumeTimeSpan = {
  topic: need('topic', 'string'),
  group: need('group', 'string'),
} as const satisfies HeaderTable;

/** Source: ViewBrokerStatsDataRequestHeader.java. */
export const viewBrokerStatsData = {
  statsName: need('statsName', 'string'),
  statsKey: need('statsKey', 'string'),
} as const satisfies HeaderTable;

/** Source: GetConsumeStatsInBrokerHeader.java. */
export const getBrokerConsumeStats = { isOrder: may('isOrder', 'boolean') } as const satisfies HeaderTable;

/** The DataVersion of the configuration as JSON. Source: GetBrokerConfigResponseHeader.java. */
export const getBrokerConfigResponse = { version: need('version', 'string') } as const satisfies HeaderTable;

/** Lists are comma-joined. Source: CreateAccessConfigRequestHeader.java. */
export const createAccessConfig = {
  accessKey: need('accessKey', 'string'),
  secretKey: may('secretKey', 'string'),
  whiteRemoteAddress: may('whiteRemoteAddress', 'string'),
  admin: may('admin', 'boolean'),
  defaultTopicPerm: may('defaultTopicPerm', 'string'),
  defaultGroupPerm: may('defaultGroupPerm', 'string'),
  topicPerms: may('topicPerms', 'string'),
  groupPerms: may('groupPerms', 'string'),
} as const satisfies HeaderTable;

/** Source: DeleteAccessConfigRequestHeader.java. */
export const deleteAccessConfig = { accessKey: need('accessKey', 'string') } as const satisfies HeaderTable;

/** Source: GetBrokerAclConfigResponseHeader.java. */
export const brokerAclInfoResponse = {
  version: need('version', 'string'),
  allAclFileVersion: may('allAclFileVersion', 'string'),
  brokerName: need('brokerName', 'string'),
  brokerAddr: need('brokerAddr', 'string'),
  clusterName: need('clusterName', 'string'),
} as const satisfies HeaderTable;

/** 4.9 sends the path as well, older tools only the addresses. Source: UpdateGlobalWhiteAddrsConfigRequestHeader.java. */
export const updateGlobalWhiteAddrs = {
  globalWhiteAddrs: need('globalWhiteAddrs', 'string'),
  aclFileFullPath: may('aclFileFullPath', 'string'),
} as const satisfies HeaderTable;
