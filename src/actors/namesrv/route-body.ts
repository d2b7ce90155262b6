/**
 * Bodies that say who serves what: routes (105) and the cluster table (106). Brokers by name and addresses by id, so that the
 * same route is always the same bytes.
 */
import { invariant } from '../../base/invariant.js';
import type { BrokerData, ClusterInfo, QueueData, TopicRouteData } from '../../remoting/bodies/routes.js';
import type { Broker, RouteTable, Topic } from './route-table.js';

export function routeOf(table: RouteTable, topic: Topic, orderTopicConf: string | undefined): TopicRouteData {
  const brokerDatas: BrokerData[] = [];
  const queueDatas: QueueData[] = [];
  const filterServerTable = new Map<string, readonly string[]>();
  for (const brokerName of [...topic.queues.keys()].sort()) {
    const broker = table.brokers.get(brokerName);
    invariant(broker !== undefined, 'queue data of a broker that is gone', topic.name, brokerName);
    brokerDatas.push(brokerData(broker));
    queueDatas.push({ brokerName, ...topic.queues.get(brokerName)! });
    for (const address of broker.addresses.values()) {
      const list = table.filterServers.get(address);
      if (list !== undefined) filterServerTable.set(address, list);
    }
  }
  return { brokerDatas, filterServerTable, orderTopicConf, queueDatas };
}

export function clusterInfoOf(table: RouteTable): ClusterInfo {
  const brokers = [...table.brokers.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    brokerAddrTable: new Map(brokers.map((broker) => [broker.name, brokerData(broker)])),
    clusterAddrTable: new Map([...table.clusters].map(([cluster, names]) => [cluster, [...names].sort()])),
  };
}

function brokerData({ name, cluster, addresses }: Broker): BrokerData {
  return { brokerAddrs: new Map([...addresses].sort(([a], [b]) => a - b)), brokerName: name, cluster };
}
