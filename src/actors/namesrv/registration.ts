/** What a broker registers, and whether it fits the bounds of a name server's tables. */
import type { DataVersion } from '../../remoting/bodies/tables.js';
import type { Limits } from './limits.js';
import type { RouteTable } from './route-table.js';

export const MASTER_ID = 0;

/** What one broker name has of one topic. Never changed in place. */
export interface QueueData {
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
  readonly topicSysFlag: number;
}

export interface TopicEntry extends QueueData {
  readonly topicName: string;
}

/** What the header of a registration says, and how its body is told from another one. */
export interface BrokerIdentity {
  readonly clusterName: string;
  readonly brokerName: string;
  readonly brokerAddr: string;
  readonly brokerId: number;
  readonly haServerAddr: string;
  /** The connection that the registration came by; the broker goes when it closes. */
  readonly connection: number;
  readonly bodyDigest: string;
}

export interface Registration extends BrokerIdentity {
  readonly dataVersion: DataVersion;
  readonly topics: ReadonlyMap<string, TopicEntry>;
  /** Undefined (brokers before 3.0.11 do not say): as before. */
  readonly filterServers: readonly string[] | undefined;
}

/** Why the registration is refused as a whole, for the broker's log; undefined when it fits. Changes nothing. */
export function registrationRefusal(table: RouteTable, registration: Registration, limits: Limits): string | undefined {
  const { brokerName, clusterName, brokerId, brokerAddr } = registration;
  const names = { brokerName, clusterName, brokerAddr, haServerAddr: registration.haServerAddr };
  for (const [field, value] of Object.entries(names)) {
    const mayBeEmpty = field === 'haServerAddr';
    const problem = nameProblem(value, limits.nameBytes, mayBeEmpty);
    if (problem !== undefined) return `${field} ${problem}`;
  }
  const cluster = table.clusters.get(clusterName);
  if (cluster === undefined && table.clusters.size >= limits.clusters) {
    return `the name server knows ${limits.clusters} clusters and takes no more: register with one of them`;
  }
  if (cluster?.has(brokerName) !== true && (cluster?.size ?? 0) >= limits.brokersPerCluster) {
    return `cluster ${clusterName} has ${limits.brokersPerCluster} brokers and takes no more: stop one, or use another cluster`;
  }
  const broker = table.brokers.get(brokerName);
  if (broker?.addresses.has(brokerId) === false && broker.addresses.size >= limits.addressesPerBroker) {
    return `broker ${brokerName} has ${limits.addressesPerBroker} addresses and takes no more: stop one of its slaves`;
  }
  if (!table.live.has(brokerAddr) && table.live.size >= limits.liveAddresses) {
    return `the name server knows ${limits.liveAddresses} broker addresses and takes no more: those that are silent go after two minutes`;
  }
  return filterServerRefusal(registration, limits) ?? topicRefusal(table, registration, limits);
}

function filterServerRefusal({ filterServers = [] }: Registration, limits: Limits): string | undefined {
  if (filterServers.length > limits.filterServersPerBroker) {
    return `${filterServers.length} filter servers, at most ${limits.filterServersPerBroker} are taken`;
  }
  const problem = filterServers.map((server) => nameProblem(server, limits.nameBytes, false)).find(Boolean);
  return problem === undefined ? undefined : `a filter server ${problem}`;
}

function topicRefusal(table: RouteTable, registration: Registration, limits: Limits): string | undefined {
  if (registration.brokerId !== MASTER_ID) return undefined;
  let newTopics = 0;
  let newRows = 0;
  for (const { topicName } of registration.topics.values()) {
    const problem = nameProblem(topicName, limits.topicNameBytes, false);
    if (problem !== undefined) return `a topic name ${problem}`;
    const topic = table.topics.get(topicName);
    if (topic === undefined) newTopics++;
    if (topic?.queues.has(registration.brokerName) !== true) newRows++;
  }
  if (newTopics > 0 && table.topics.size + newTopics > limits.topics) {
    return `${newTopics} new topics do not fit: the name server takes ${limits.topics} and has ${table.topics.size}, delete unused ones`;
  }
  if (newRows > 0 && table.queueRows + newRows > limits.queueRows) {
    return `${newRows} new pairs of topic and broker do not fit: the name server takes ${limits.queueRows} and has ${table.queueRows}, delete unused topics`;
  }
  return undefined;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it keeps out
const CONTROL = /[\u0000-\u001f\u007f]/;

function nameProblem(name: string, maxBytes: number, mayBeEmpty: boolean): string | undefined {
  if (name === '' && !mayBeEmpty) return 'is empty';
  if (Buffer.byteLength(name) > maxBytes) return `is longer than ${maxBytes} bytes`;
  if (CONTROL.test(name)) return 'holds control characters';
  return undefined;
}
