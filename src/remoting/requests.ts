/**
 * Every request of RocketMQ 4.x with its code, header and response header. Bodies are in bodies/. The names are those of
 * RequestCode.java in camel case; sections are those of the protocol: name server, broker, broker to client.
 */
import type { HeaderTable } from './header-table.js';
import * as admin from './headers/administration.js';
import * as consumers from './headers/consumers.js';
import * as messages from './headers/messages.js';
import * as namesrv from './headers/name-server.js';
import { RequestCode } from './request-codes.js';

export interface RequestSpec {
  readonly code: number;
  readonly header: HeaderTable;
  readonly response: HeaderTable;
}

const NONE = {} as const satisfies HeaderTable;

const { offsetResponse } = consumers;

export const requests = {
  // Name server. 318 and 319 have `key=value` lines as body.
  putKvConfig: { code: RequestCode.PUT_KV_CONFIG, header: namesrv.putKvConfig, response: NONE },
  getKvConfig: { code: RequestCode.GET_KV_CONFIG, header: namesrv.kvKey, response: namesrv.getKvConfigResponse },
  deleteKvConfig: { code: RequestCode.DELETE_KV_CONFIG, header: namesrv.kvKey, response: NONE },
  registerBroker: {
    code: RequestCode.REGISTER_BROKER,
    header: namesrv.registerBroker,
    response: namesrv.registerBrokerResponse,
  },
  unregisterBroker: { code: RequestCode.UNREGISTER_BROKER, header: namesrv.brokerIdentity, response: NONE },
  getRouteInfoByTopic: { code: RequestCode.GET_ROUTEINFO_BY_TOPIC, header: namesrv.getRouteInfo, response: NONE },
  getBrokerClusterInfo: { code: RequestCode.GET_BROKER_CLUSTER_INFO, header: NONE, response: NONE },
  wipeWritePermOfBroker: {
    code: RequestCode.WIPE_WRITE_PERM_OF_BROKER,
    header: namesrv.brokerNameOnly,
    response: namesrv.wipeWritePermResponse,
  },
  addWritePermOfBroker: {
    code: RequestCode.ADD_WRITE_PERM_OF_BROKER,
    header: namesrv.brokerNameOnly,
    response: namesrv.addWritePermResponse,
  },
  getAllTopicListFromNameserver: { code: RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, header: NONE, response: NONE },
  deleteTopicInNamesrv: {
    code: RequestCode.DELETE_TOPIC_IN_NAMESRV,
    header: namesrv.deleteTopicInNamesrv,
    response: NONE,
  },
  getKvListByNamespace: {
    code: RequestCode.GET_KVLIST_BY_NAMESPACE,
    header: namesrv.getKvListByNamespace,
    response: NONE,
  },
  getTopicsByCluster: { code: RequestCode.GET_TOPICS_BY_CLUSTER, header: namesrv.getTopicsByCluster, response: NONE },
  getSystemTopicListFromNs: { code: RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS, header: NONE, response: NONE },
  getUnitTopicList: { code: RequestCode.GET_UNIT_TOPIC_LIST, header: NONE, response: NONE },
  getHasUnitSubTopicList: { code: RequestCode.GET_HAS_UNIT_SUB_TOPIC_LIST, header: NONE, response: NONE },
  getHasUnitSubUnunitTopicList: { code: RequestCode.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, header: NONE, response: NONE },
  updateNamesrvConfig: { code: RequestCode.UPDATE_NAMESRV_CONFIG, header: NONE, response: NONE },
  getNamesrvConfig: { code: RequestCode.GET_NAMESRV_CONFIG, header: NONE, response: NONE },
  queryDataVersion: {
    code: RequestCode.QUERY_DATA_VERSION,
    header: namesrv.brokerIdentity,
    response: namesrv.queryDataVersionResponse,
  },

  // Broker: messages.
  sendMessage: {
    code: RequestCode.SEND_MESSAGE,
    header: messages.sendMessage,
    response: messages.sendMessageResponse,
  },
  sendMessageV2: {
    code: RequestCode.SEND_MESSAGE_V2,
    header: messages.sendMessageV2,
    response: messages.sendMessageResponse,
  },
  sendBatchMessage: {
    code: RequestCode.SEND_BATCH_MESSAGE,
    header: messages.sendMessageV2,
    response: messages.sendMessageResponse,
  },
  sendReplyMessage: {
    code: RequestCode.SEND_REPLY_MESSAGE,
    header: messages.sendMessage,
    response: messages.sendMessageResponse,
  },
  sendReplyMessageV2: {
    code: RequestCode.SEND_REPLY_MESSAGE_V2,
    header: messages.sendMessageV2,
    response: messages.sendMessageResponse,
  },
  pullMessage: {
    code: RequestCode.PULL_MESSAGE,
    header: messages.pullMessage,
    response: messages.pullMessageResponse,
  },
  consumerSendMsgBack: {
    code: RequestCode.CONSUMER_SEND_MSG_BACK,
    header: messages.consumerSendMsgBack,
    response: NONE,
  },
  endTransaction: { code: RequestCode.END_TRANSACTION, header: messages.endTransaction, response: NONE },
  resumeCheckHalfMessage: {
    code: RequestCode.RESUME_CHECK_HALF_MESSAGE,
    header: messages.resumeCheckHalfMessage,
    response: NONE,
  },
  queryMessage: {
    code: RequestCode.QUERY_MESSAGE,
    header: messages.queryMessage,
    response: messages.queryMessageResponse,
  },
  viewMessageById: { code: RequestCode.VIEW_MESSAGE_BY_ID, header: messages.viewMessageById, response: NONE },
  queryConsumeQueue: { code: RequestCode.QUERY_CONSUME_QUEUE, header: messages.queryConsumeQueue, response: NONE },

  // Broker: offsets and queue positions.
  queryConsumerOffset: {
    code: RequestCode.QUERY_CONSUMER_OFFSET,
    header: consumers.queryConsumerOffset,
    response: offsetResponse,
  },
  updateConsumerOffset: {
    code: RequestCode.UPDATE_CONSUMER_OFFSET,
    header: consumers.updateConsumerOffset,
    response: NONE,
  },
  searchOffsetByTimestamp: {
    code: RequestCode.SEARCH_OFFSET_BY_TIMESTAMP,
    header: consumers.searchOffset,
    response: offsetResponse,
  },
  getMaxOffset: { code: RequestCode.GET_MAX_OFFSET, header: consumers.queuePosition, response: offsetResponse },
  getMinOffset: { code: RequestCode.GET_MIN_OFFSET, header: consumers.queuePosition, response: offsetResponse },
  getEarliestMsgStoretime: {
    code: RequestCode.GET_EARLIEST_MSG_STORETIME,
    header: consumers.queuePosition,
    response: consumers.earliestStoreTimeResponse,
  },
  getAllConsumerOffset: { code: RequestCode.GET_ALL_CONSUMER_OFFSET, header: NONE, response: NONE },
  getAllDelayOffset: { code: RequestCode.GET_ALL_DELAY_OFFSET, header: NONE, response: NONE },
  invokeBrokerToResetOffset: {
    code: RequestCode.INVOKE_BROKER_TO_RESET_OFFSET,
    header: consumers.resetOffset,
    response: NONE,
  },
  invokeBrokerToGetConsumerStatus: {
    code: RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
    header: consumers.consumerStatus,
    response: NONE,
  },
  queryCorrectionOffset: {
    code: RequestCode.QUERY_CORRECTION_OFFSET,
    header: consumers.queryCorrectionOffset,
    response: NONE,
  },
  cloneGroupOffset: { code: RequestCode.CLONE_GROUP_OFFSET, header: consumers.cloneGroupOffset, response: NONE },

  // Broker: clients and locks. 34, 41, 42 and 46 say everything in the body.
  heartBeat: { code: RequestCode.HEART_BEAT, header: NONE, response: NONE },
  unregisterClient: { code: RequestCode.UNREGISTER_CLIENT, header: consumers.unregisterClient, response: NONE },
  getConsumerListByGroup: {
    code: RequestCode.GET_CONSUMER_LIST_BY_GROUP,
    header: consumers.consumerGroupOnly,
    response: NONE,
  },
  lockBatchMq: { code: RequestCode.LOCK_BATCH_MQ, header: NONE, response: NONE },
  unlockBatchMq: { code: RequestCode.UNLOCK_BATCH_MQ, header: NONE, response: NONE },
  checkClientConfig: { code: RequestCode.CHECK_CLIENT_CONFIG, header: NONE, response: NONE },

  // Broker: topics and groups. 200 has the group's configuration as body.
  updateAndCreateTopic: { code: RequestCode.UPDATE_AND_CREATE_TOPIC, header: admin.createTopic, response: NONE },
  getAllTopicConfig: { code: RequestCode.GET_ALL_TOPIC_CONFIG, header: NONE, response: NONE },
  deleteTopicInBroker: { code: RequestCode.DELETE_TOPIC_IN_BROKER, header: admin.topicOnly, response: NONE },
  updateAndCreateSubscriptionGroup: {
    code: RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
    header: NONE,
    response: NONE,
  },
  getAllSubscriptionGroupConfig: { code: RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, header: NONE, response: NONE },
  deleteSubscriptionGroup: {
    code: RequestCode.DELETE_SUBSCRIPTIONGROUP,
    header: admin.deleteSubscriptionGroup,
    response: NONE,
  },
  getSystemTopicListFromBroker: { code: RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER, header: NONE, response: NONE },
  cleanExpiredConsumeQueue: { code: RequestCode.CLEAN_EXPIRED_CONSUMEQUEUE, header: NONE, response: NONE },
  cleanUnusedTopic: { code: RequestCode.CLEAN_UNUSED_TOPIC, header: NONE, response: NONE },
  deleteExpiredCommitLog: { code: RequestCode.DELETE_EXPIRED_COMMITLOG, header: NONE, response: NONE },

  // Broker: statistics, connections, configuration. 25 and 26 have `key=value` lines as body.
  getTopicStatsInfo: { code: RequestCode.GET_TOPIC_STATS_INFO, header: admin.topicOnly, response: NONE },
  getConsumerConnectionList: {
    code: RequestCode.GET_CONSUMER_CONNECTION_LIST,
    header: consumers.consumerGroupOnly,
    response: NONE,
  },
  getProducerConnectionList: {
    code: RequestCode.GET_PRODUCER_CONNECTION_LIST,
    header: admin.producerGroupOnly,
    response: NONE,
  },
  getAllProducerInfo: { code: RequestCode.GET_ALL_PRODUCER_INFO, header: NONE, response: NONE },
  getConsumeStats: { code: RequestCode.GET_CONSUME_STATS, header: admin.getConsumeStats, response: NONE },
  queryTopicConsumeByWho: { code: RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, header: admin.topicOnly, response: NONE },
  queryConsumeTimeSpan: {
    code: RequestCode.QUERY_CONSUME_TIME_SPAN,
    header: admin.queryConsumeTimeSpan,
    response: NONE,
  },
  viewBrokerStatsData: { code: RequestCode.VIEW_BROKER_STATS_DATA, header: admin.viewBrokerStatsData, response: NONE },
  getBrokerConsumeStats: {
    code: RequestCode.GET_BROKER_CONSUME_STATS,
    header: admin.getBrokerConsumeStats,
    response: NONE,
  },
  getBrokerRuntimeInfo: { code: RequestCode.GET_BROKER_RUNTIME_INFO, header: NONE, response: NONE },
  updateBrokerConfig: { code: RequestCode.UPDATE_BROKER_CONFIG, header: NONE, response: NONE },
  getBrokerConfig: { code: RequestCode.GET_BROKER_CONFIG, header: NONE, response: admin.getBrokerConfigResponse },

  // Broker: access control.
  updateAndCreateAclConfig: {
    code: RequestCode.UPDATE_AND_CREATE_ACL_CONFIG,
    header: admin.createAccessConfig,
    response: NONE,
  },
  deleteAclConfig: { code: RequestCode.DELETE_ACL_CONFIG, header: admin.deleteAccessConfig, response: NONE },
  getBrokerClusterAclInfo: {
    code: RequestCode.GET_BROKER_CLUSTER_ACL_INFO,
    header: NONE,
    response: admin.brokerAclInfoResponse,
  },
  updateGlobalWhiteAddrsConfig: {
    code: RequestCode.UPDATE_GLOBAL_WHITE_ADDRS_CONFIG,
    header: admin.updateGlobalWhiteAddrs,
    response: NONE,
  },
  getBrokerClusterAclConfig: { code: RequestCode.GET_BROKER_CLUSTER_ACL_CONFIG, header: NONE, response: NONE },

  // Broker to client; 307 and 309 also from tools to the broker, which forwards them.
  checkTransactionState: {
    code: RequestCode.CHECK_TRANSACTION_STATE,
    header: consumers.checkTransactionState,
    response: NONE,
  },
  notifyConsumerIdsChanged: {
    code: RequestCode.NOTIFY_CONSUMER_IDS_CHANGED,
    header: consumers.consumerGroupOnly,
    response: NONE,
  },
  resetConsumerClientOffset: {
    code: RequestCode.RESET_CONSUMER_CLIENT_OFFSET,
    header: consumers.resetOffset,
    response: NONE,
  },
  getConsumerStatusFromClient: {
    code: RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT,
    header: consumers.consumerStatus,
    response: NONE,
  },
  getConsumerRunningInfo: {
    code: RequestCode.GET_CONSUMER_RUNNING_INFO,
    header: consumers.consumerRunningInfo,
    response: NONE,
  },
  consumeMessageDirectly: {
    code: RequestCode.CONSUME_MESSAGE_DIRECTLY,
    header: consumers.consumeMessageDirectly,
    response: NONE,
  },
  pushReplyMessageToClient: {
    code: RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT,
    header: consumers.pushReplyMessage,
    response: NONE,
  },
} as const satisfies Readonly<Record<string, RequestSpec>>;

export type RequestName = keyof typeof requests;

const byCode = new Map<number, RequestSpec>(Object.values(requests).map((spec) => [spec.code, spec]));

/** The request with this code; undefined for codes that no 4.x broker or name server handles. */
export function requestOf(code: number): RequestSpec | undefined {
  return byCode.get(code);
}
