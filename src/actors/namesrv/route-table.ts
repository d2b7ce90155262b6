/**
 * Who serves which topic: clusters, brokers, queue data and liveness, as brokers register them. Pure state: no codec, no
 * clock of its own (times are monotonic ms, given by the caller).
 *
 *     clusters  cluster name -> broker names          topics  topic -> broker name -> queue data
 *     brokers   broker name -> broker id -> address   live    address -> connection, data version, last registration
 *
 * The rules are those of RouteInfoManager 4.9.7. Three of its leaks are not copied: a connection that registered several
 * addresses removes them all when it closes, an address goes from every broker name that holds it, and a broker name
 * that is removed goes from every cluster that lists it.
 */
import type { DataVersion } from '../../remoting/bodies/tables.js';
import type { Limits } from './limits.js';
import {
  type BrokerIdentity,
  MASTER_ID,
  type QueueData,
  type Registration,
  registrationRefusal,
  type TopicEntry,
} from './registration.js';

/** A broker that did not register for longer is removed. Source: RouteInfoManager.BROKER_CHANNEL_EXPIRED_TIME. */
export const BROKER_EXPIRY_MS = 120_000;

/** Bits of `perm`. Source: PermName.java. */
const PERM_READ = 4;
const PERM_WRITE = 2;

export interface Topic {
  readonly name: string;
  /** By broker name. Not empty. */
  readonly queues: Map<string, QueueData>;
  /** Differs between any two states of any two topics of one table. */
  version: number;
}

export interface Broker {
  readonly name: string;
  readonly cluster: string;
  /** By broker id. Not empty. */
  readonly addresses: Map<number, string>;
}

export interface LiveBroker {
  readonly address: string;
  readonly haServerAddr: string;
  readonly connection: number;
  readonly dataVersion: DataVersion;
  /** Of the body of the last registration. */
  readonly bodyDigest: string;
  lastRegisteredMs: number;
}

/** What a broker is told that is in. */
export interface Registered {
  readonly refusal?: undefined;
  /** Of the master, for a slave whose master is alive. */
  readonly masterAddr: string | undefined;
  readonly haServerAddr: string | undefined;
  readonly isNew: boolean;
}
export type RegisterResult = { readonly refusal: string } | Registered;

const NONE: ReadonlySet<string> = new Set();

export class RouteTable {
  readonly topics = new Map<string, Topic>();
  readonly brokers = new Map<string, Broker>();
  readonly clusters = new Map<string, Set<string>>();
  readonly live = new Map<string, LiveBroker>();
  /** By broker address. */
  readonly filterServers = new Map<string, readonly string[]>();
  /** Rows of all topics. */
  queueRows = 0;
  /** Changes whenever any broker's addresses or filter servers do: with Topic.version it says whether a route is the same. */
  brokersVersion = 0;
  private topicVersions = 0;
  private readonly addressesByConnection = new Map<number, Set<string>>();

  constructor(private readonly limits: Limits) {}

  register(registration: Registration, nowMs: number): RegisterResult {
    const refusal = registrationRefusal(this, registration, this.limits);
    if (refusal !== undefined) return { refusal };
    const { clusterName, brokerName, brokerAddr, brokerId, dataVersion } = registration;
    const brokerNames = this.clusters.get(clusterName) ?? new Set<string>();
    this.clusters.set(clusterName, brokerNames.add(brokerName));
    const broker = this.brokers.get(brokerName) ?? { name: brokerName, cluster: clusterName, addresses: new Map() };
    this.brokers.set(brokerName, broker);

    const isFirst = this.putAddress(broker, brokerId, brokerAddr);
    if (brokerId === MASTER_ID && (isFirst || this.isChanged(brokerAddr, dataVersion))) {
      for (const entry of registration.topics.values()) this.putQueueData(brokerName, entry);
    }
    this.putFilterServers(brokerAddr, registration.filterServers);
    return this.putLive(broker, registration, dataVersion, nowMs);
  }

  /**
   * Takes a registration whose body is, byte for byte, the one that the broker at this address registered with last: then
   * nothing of it has to be read. Undefined when it is another one, or when that broker is not known by this name and id.
   */
  repeat(identity: BrokerIdentity, nowMs: number): Registered | undefined {
    const { clusterName, brokerName, brokerId, brokerAddr, bodyDigest } = identity;
    const broker = this.brokers.get(brokerName);
    const live = this.live.get(brokerAddr);
    const isKnown = broker?.addresses.get(brokerId) === brokerAddr && this.clusters.get(clusterName)?.has(brokerName);
    if (broker === undefined || live?.bodyDigest !== bodyDigest || isKnown !== true) return undefined;
    return this.putLive(broker, identity, live.dataVersion, nowMs);
  }

  private putLive(broker: Broker, identity: BrokerIdentity, dataVersion: DataVersion, nowMs: number): Registered {
    const { brokerId, brokerAddr, haServerAddr, connection, bodyDigest } = identity;
    const isNew = !this.live.has(brokerAddr);
    this.forgetConnection(brokerAddr);
    const live = { address: brokerAddr, haServerAddr, connection, dataVersion, bodyDigest, lastRegisteredMs: nowMs };
    this.live.set(brokerAddr, live);
    const addresses = this.addressesByConnection.get(connection) ?? new Set<string>();
    this.addressesByConnection.set(connection, addresses.add(brokerAddr));

    const masterAddr = brokerId === MASTER_ID ? undefined : broker.addresses.get(MASTER_ID);
    const master = masterAddr === undefined ? undefined : this.live.get(masterAddr);
    return { masterAddr: master?.address, haServerAddr: master?.haServerAddr, isNew };
  }

  /** True when the address was not registered under this id; removes the same address from other ids (slave became master). */
  private putAddress(broker: Broker, brokerId: number, address: string): boolean {
    const { addresses } = broker;
    for (const [id, known] of addresses) if (known === address && id !== brokerId) addresses.delete(id);
    const previous = addresses.get(brokerId);
    if (previous !== address) this.brokersVersion++;
    addresses.set(brokerId, address);
    return previous === undefined;
  }

  private putQueueData(brokerName: string, entry: TopicEntry): void {
    const { topicName, readQueueNums, writeQueueNums, perm, topicSysFlag } = entry;
    let topic = this.topics.get(topicName);
    if (topic === undefined) {
      topic = { name: ownString(topicName), queues: new Map(), version: 0 };
      this.topics.set(topic.name, topic);
    }
    const old = topic.queues.get(brokerName);
    if (old === undefined) this.queueRows++;
    const isSame =
      old?.readQueueNums === readQueueNums &&
      old.writeQueueNums === writeQueueNums &&
      old.perm === perm &&
      old.topicSysFlag === topicSysFlag;
    if (isSame) return;
    topic.queues.set(brokerName, { readQueueNums, writeQueueNums, perm, topicSysFlag });
    topic.version = ++this.topicVersions;
  }

  private putFilterServers(address: string, list: readonly string[] | undefined): void {
    if (list === undefined) return;
    const old = this.filterServers.get(address);
    if (list.length === 0 ? old === undefined : old?.join() === list.join()) return;
    if (list.length === 0) this.filterServers.delete(address);
    else this.filterServers.set(address, list.map(ownString));
    this.brokersVersion++;
  }

  /** True unless the broker at this address last registered exactly this version. Source: isBrokerTopicConfigChanged. */
  isChanged(address: string, { counter, timestamp }: DataVersion): boolean {
    const known = this.live.get(address)?.dataVersion;
    return known?.counter !== counter || known.timestamp !== timestamp;
  }

  /** A broker said that nothing has changed: as good as a registration. */
  refresh(address: string, nowMs: number): void {
    const live = this.live.get(address);
    if (live !== undefined) live.lastRegisteredMs = nowMs;
  }

  /**
   * As Apache: the id of that broker name goes, whatever address it has; with the last id go its name and its topics. The
   * address stays known as live while another broker name has it, so that it can still expire. Answers what was under the id.
   */
  unregister(brokerName: string, brokerAddr: string, brokerId: number): string | undefined {
    const broker = this.brokers.get(brokerName);
    const removed = broker?.addresses.get(brokerId);
    if (broker?.addresses.delete(brokerId) === true) this.brokersVersion++;
    if (broker?.addresses.size === 0) this.removeBrokers(new Set([brokerName]));
    const holds = ({ addresses }: Broker): boolean => [...addresses.values()].includes(brokerAddr);
    if (![...this.brokers.values()].some(holds)) this.forget(brokerAddr);
    return removed;
  }

  /** The connection is gone and with it every broker that registered by it last. Answers their addresses. */
  closed(connection: number): ReadonlySet<string> {
    const addresses = this.addressesByConnection.get(connection);
    if (addresses === undefined) return NONE;
    const removed = new Set(addresses);
    this.removeAddresses(removed);
    return removed;
  }

  /** Removes the brokers that were silent for too long; answers them. */
  expire(nowMs: number): readonly LiveBroker[] {
    const expired = [...this.live.values()].filter((live) => live.lastRegisteredMs + BROKER_EXPIRY_MS < nowMs);
    if (expired.length > 0) this.removeAddresses(new Set(expired.map(({ address }) => address)));
    return expired;
  }

  private removeAddresses(removed: ReadonlySet<string>): void {
    for (const address of removed) this.forget(address);
    const emptied = new Set<string>();
    for (const { name, addresses } of this.brokers.values()) {
      for (const [id, address] of addresses) {
        if (!removed.has(address)) continue;
        addresses.delete(id);
        this.brokersVersion++;
      }
      if (addresses.size === 0) emptied.add(name);
    }
    this.removeBrokers(emptied);
  }

  /** Removes broker names that have no address left, and their topics in one pass over all of them. */
  private removeBrokers(names: ReadonlySet<string>): void {
    if (names.size === 0) return;
    for (const name of names) {
      this.brokers.delete(name);
      for (const [cluster, brokerNames] of this.clusters) {
        if (brokerNames.delete(name) && brokerNames.size === 0) this.clusters.delete(cluster);
      }
    }
    for (const topic of this.topics.values()) {
      for (const brokerName of topic.queues.keys()) {
        if (names.has(brokerName)) this.removeQueueData(topic, brokerName);
      }
    }
  }

  private removeQueueData(topic: Topic, brokerName: string): boolean {
    if (!topic.queues.delete(brokerName)) return false;
    this.queueRows--;
    topic.version = ++this.topicVersions;
    if (topic.queues.size === 0) this.topics.delete(topic.name);
    return true;
  }

  /** Drops what is known by an address that no broker name holds any more, or is about to lose. */
  private forget(address: string): void {
    this.forgetConnection(address);
    this.live.delete(address);
    this.filterServers.delete(address);
  }

  private forgetConnection(address: string): void {
    const connection = this.live.get(address)?.connection;
    if (connection === undefined) return;
    const addresses = this.addressesByConnection.get(connection);
    addresses?.delete(address);
    if (addresses?.size === 0) this.addressesByConnection.delete(connection);
  }

  /** Takes the topic from the brokers of one cluster, or from all of them; answers from how many. */
  deleteTopic(topicName: string, cluster: string | undefined): number {
    const topic = this.topics.get(topicName);
    if (topic === undefined) return 0;
    const brokerNames = [...(cluster === undefined ? topic.queues.keys() : (this.clusters.get(cluster) ?? []))];
    return brokerNames.filter((brokerName) => this.removeQueueData(topic, brokerName)).length;
  }

  /**
   * Takes the write bit from all topics of a broker, or sets read and write; answers how many topics it has. A later
   * registration with another data version brings the broker's own permissions back.
   */
  setWritable(brokerName: string, isWritable: boolean): number {
    let count = 0;
    for (const topic of this.topics.values()) {
      const old = topic.queues.get(brokerName);
      if (old === undefined) continue;
      count++;
      const perm = isWritable ? PERM_READ | PERM_WRITE : old.perm & ~PERM_WRITE;
      if (perm === old.perm) continue;
      topic.queues.set(brokerName, { ...old, perm });
      topic.version = ++this.topicVersions;
    }
    return count;
  }

  topicsOfCluster(cluster: string): string[] {
    const brokerNames = [...(this.clusters.get(cluster) ?? [])];
    const names: string[] = [];
    for (const topic of this.topics.values()) {
      if (brokerNames.some((brokerName) => topic.queues.has(brokerName))) names.push(topic.name);
    }
    return names;
  }

  /** Topics whose system flag passes; one row of each is looked at, as in Apache. */
  topicsByFlag(matches: (topicSysFlag: number) => boolean): string[] {
    const names: string[] = [];
    for (const topic of this.topics.values()) {
      const [row] = topic.queues.values();
      if (row !== undefined && matches(row.topicSysFlag)) names.push(topic.name);
    }
    return names;
  }
}

/** A string cut from a larger one keeps all of that in memory: here, the whole registration. */
function ownString(text: string): string {
  return Buffer.from(text).toString();
}
