/** Headers of the requests that a name server answers. Sources: common/protocol/header/namesrv/*.java. */
import { type HeaderTable, may, need } from '../header-table.js';

/** Source: PutKVConfigRequestHeader.java. */
export const putKvConfig = {
  namespace: need('namespace', 'string'),
  key: need('key', 'string'),
  value: need('value', 'string'),
} as const satisfies HeaderTable;

/** Requests 101 and 102. Source: GetKVConfig- and DeleteKVConfigRequestHeader.java. */
export const kvKey = {
  namespace: need('namespace', 'string'),
  key: need('key', 'string'),
} as const satisfies HeaderTable;

/** Source: GetKVConfigResponseHeader.java. */
export const getKvConfigResponse = { value: may('value', 'string') } as const satisfies HeaderTable;

/** Source: GetKVListByNamespaceRequestHeader.java. */
export const getKvListByNamespace = { namespace: need('namespace', 'string') } as const satisfies HeaderTable;

/** Source: RegisterBrokerRequestHeader.java. */
export const registerBroker = {
  brokerName: need('brokerName', 'string'),
  brokerAddr: need('brokerAddr', 'string'),
  clusterName: need('clusterName', 'string'),
  haServerAddr: need('haServerAddr', 'string'),
  brokerId: need('brokerId', 'long'), // 0 is the master
  compressed: may('compressed', 'boolean'),
  bodyCrc32: may('bodyCrc32', 'int'), // CRC32 & 0x7fffffff of the body as sent; 0 or absent: not checked
} as const satisfies HeaderTable;

/** Both only for a slave whose master is alive. Source: RegisterBrokerResponseHeader.java. */
export const registerBrokerResponse = {
  haServerAddr: may('haServerAddr', 'string'),
  masterAddr: may('masterAddr', 'string'),
} as const satisfies HeaderTable;

/** Requests 104 and 322. Source: UnRegisterBroker- and QueryDataVersionRequestHeader.java. */
export const brokerIdentity = {
  brokerName: need('brokerName', 'string'),
  brokerAddr: need('brokerAddr', 'string'),
  clusterName: need('clusterName', 'string'),
  brokerId: need('brokerId', 'long'),
} as const satisfies HeaderTable;

/** Source: QueryDataVersionResponseHeader.java. */
export const queryDataVersionResponse = { changed: need('changed', 'boolean') } as const satisfies HeaderTable;

/** Source: GetRouteInfoRequestHeader.java. */
export const getRouteInfo = {
  topic: need('topic', 'string'),
  acceptStandardJsonOnly: may('acceptStandardJsonOnly', 'boolean'), // since 4.9.4
} as const satisfies HeaderTable;

/** Requests 205 and 327. Source: WipeWritePerm- and AddWritePermOfBrokerRequestHeader.java. */
export const brokerNameOnly = { brokerName: need('brokerName', 'string') } as const satisfies HeaderTable;

/** Source: WipeWritePermOfBrokerResponseHeader.java. */
export const wipeWritePermResponse = { wipeTopicCount: need('wipeTopicCount', 'int') } as const satisfies HeaderTable;

/** Source: AddWritePermOfBrokerResponseHeader.java. */
export const addWritePermResponse = { addTopicCount: need('addTopicCount', 'int') } as const satisfies HeaderTable;

/** Source: DeleteTopicFromNamesrvRequestHeader.java. */
export const deleteTopicInNamesrv = {
  topic: need('topic', 'string'),
  clusterName: may('clusterName', 'string'), // since 4.9: only that cluster's brokers
} as const satisfies HeaderTable;

/** Source: GetTopicsByClusterRequestHeader.java. */
export const getTopicsByCluster = { cluster: need('cluster', 'string') } as const satisfies HeaderTable;
