/**
 * Bodies that say who serves what: routes (105) and the cluster table (106), in the text that the peers expect.
 *
 *     {"brokerDatas":[{"brokerAddrs":{0:"ip:port"},"brokerName":"a","cluster":"C"}],"filterServerTable":{},
 *      "orderTopicConf":"a:4","queueDatas":[{"brokerName":"a","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}
 *
 * No white space, because the Go client cuts this text at `,` and `:`. Two dialects: fastjson's own, with numbers as bare
 * keys, and strict JSON with quoted keys and ASCII only (4.9.4 and later ask for it). Keys in alphabetical order, brokers by
 * name and addresses by id, so that the same route is always the same bytes. Sources: TopicRouteData, ClusterInfo.
 */
import { invariant } from '../../base/invariant.js';
import type { Broker, RouteTable, Topic } from './route-table.js';

export type Dialect = 'fastjson' | 'strict';

export function routeText(
  table: RouteTable,
  topic: Topic,
  orderTopicConf: string | undefined,
  dialect: Dialect,
): string {
  const brokerDatas: string[] = [];
  const queueDatas: string[] = [];
  const filterServers: string[] = [];
  for (const brokerName of [...topic.queues.keys()].sort()) {
    const row = topic.queues.get(brokerName)!;
    const broker = table.brokers.get(brokerName);
    invariant(broker !== undefined, 'queue data of a broker that is gone', topic.name, brokerName);
    brokerDatas.push(brokerText(broker, dialect));
    queueDatas.push(
      `{"brokerName":${quote(brokerName, dialect)},"perm":${row.perm},"readQueueNums":${row.readQueueNums},` +
        `"topicSysFlag":${row.topicSysFlag},"writeQueueNums":${row.writeQueueNums}}`,
    );
    for (const address of broker.addresses.values()) {
      const list = table.filterServers.get(address);
      if (list !== undefined) filterServers.push(`${quote(address, dialect)}:${quoteAll(list, dialect)}`);
    }
  }
  const order = orderTopicConf === undefined ? '' : `"orderTopicConf":${quote(orderTopicConf, dialect)},`;
  return (
    `{"brokerDatas":[${brokerDatas.join()}],"filterServerTable":{${filterServers.join()}},` +
    `${order}"queueDatas":[${queueDatas.join()}]}`
  );
}

/** Always in fastjson's dialect. */
export function clusterText(table: RouteTable): string {
  const brokers = [...table.brokers.values()].map(
    (broker) => `${quote(broker.name, 'fastjson')}:${brokerText(broker, 'fastjson')}`,
  );
  const clusters = [...table.clusters].map(
    ([name, brokerNames]) => `${quote(name, 'fastjson')}:${quoteAll([...brokerNames].sort(), 'fastjson')}`,
  );
  return `{"brokerAddrTable":{${brokers.join()}},"clusterAddrTable":{${clusters.join()}}}`;
}

function brokerText(broker: Broker, dialect: Dialect): string {
  const addresses = [...broker.addresses]
    .sort(([a], [b]) => a - b)
    .map(([id, address]) => `${dialect === 'strict' ? `"${id}"` : id}:${quote(address, dialect)}`);
  return (
    `{"brokerAddrs":{${addresses.join()}},"brokerName":${quote(broker.name, dialect)},` +
    `"cluster":${quote(broker.cluster, dialect)}}`
  );
}

function quoteAll(texts: readonly string[], dialect: Dialect): string {
  return `[${texts.map((text) => quote(text, dialect)).join()}]`;
}

/** Strict escapes what is not ASCII, as fastjson's BrowserCompatible does. */
function quote(text: string, dialect: Dialect): string {
  const quoted = JSON.stringify(text);
  if (dialect === 'fastjson') return quoted;
  return quoted.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`);
}
