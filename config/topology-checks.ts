/** What can only be wrong between the roles of a topology. */
import type { Notebook } from './notes.js';
import { DEFAULT_HOST, isWildcard } from './placement.js';
import type { BrokerSettings } from './schema.js';
import type { Topology, TopologyBroker } from './topology.js';

/** What a port is for; in the words of the start table. */
export type ListenerKind = 'remoting' | 'VIP' | 'HA' | 'HTTP';

export interface Listener {
  /** Name of the role; `process` for HTTP. */
  readonly role: string;
  readonly kind: ListenerKind;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Every listener of a topology. A broker has three: its port, two below it (VIP) and one above it (HA). */
export function listenersOf(topology: Topology): Listener[] {
  const besides = (port: number, distance: number): number => (port === 0 ? 0 : port + distance);
  return [
    ...topology.namesrvs.map(({ name, settings }): Listener => {
      return { role: name, kind: 'remoting', host: settings.bindAddress, port: settings.listenPort };
    }),
    ...topology.brokers.flatMap(({ name, settings: { bindAddress: host, listenPort: port } }): Listener[] => [
      { role: name, kind: 'remoting', host, port },
      { role: name, kind: 'VIP', host, port: besides(port, -2) },
      { role: name, kind: 'HA', host, port: besides(port, 1) },
    ]),
    { role: 'process', kind: 'HTTP', host: httpHost(topology), port: topology.process.metricsPort ?? 0 },
  ];
}

/** HTTP listens where the first role does. */
export function httpHost(topology: Topology): string {
  return [...topology.namesrvs, ...topology.brokers][0]?.settings.bindAddress ?? DEFAULT_HOST;
}

export function checkTopology(topology: Topology, notes: Notebook): void {
  checkPorts(listenersOf(topology), notes);
  checkStores(topology, notes);
  checkIdentities(topology.brokers, notes);
  checkPairs(topology.brokers, notes);
  for (const broker of topology.brokers) {
    if (broker.nameServers.length > 0) continue;
    notes.add('error', 0, '', `${broker.name}: the topology has no name server, and namesrvAddr is not set`);
  }
}

function checkPorts(listeners: readonly Listener[], notes: Notebook): void {
  const open = listeners.filter((listener) => listener.port !== 0);
  for (const [index, one] of open.entries()) {
    if (one.port < 1 || one.port > 65_535) {
      notes.add('error', 0, '', `${one.role} (${one.kind}): port ${one.port} does not exist, ports are 1 to 65535`);
    }
    for (const other of open.slice(index + 1)) {
      if (one.port !== other.port || !overlap(one.host, other.host)) continue;
      const roles = `${one.role} (${one.kind}) and ${other.role} (${other.kind})`;
      notes.add(
        'error',
        0,
        '',
        `${roles} would both listen at ${one.host}:${one.port}; change listenPort or metricsPort`,
      );
    }
  }
}

const overlap = (one: string, other: string): boolean => one === other || isWildcard(one) || isWildcard(other);

/** Two roles that write to one place destroy each other's files. */
function checkStores(topology: Topology, notes: Notebook): void {
  const places = [
    ...topology.namesrvs.map(({ name, settings }) => ({ name, key: 'kvConfigPath', path: settings.kvConfigPath })),
    ...topology.brokers.flatMap(({ name, settings }) => [
      { name, key: 'storePathRootDir', path: settings.storePathRootDir },
      { name, key: 'storePathCommitLog', path: settings.storePathCommitLog },
    ]),
  ];
  for (const [index, one] of places.entries()) {
    const other = places.slice(index + 1).find((place) => place.path === one.path);
    if (other === undefined) continue;
    notes.add('error', 0, '', `${one.name} (${one.key}) and ${other.name} (${other.key}) share ${one.path}`);
  }
}

function checkIdentities(brokers: readonly TopologyBroker[], notes: Notebook): void {
  for (const [index, one] of brokers.entries()) {
    for (const other of brokers.slice(index + 1)) {
      const [a, b] = [one.settings, other.settings];
      if (a.brokerName !== b.brokerName) continue;
      const both = `${one.name} and ${other.name}`;
      if (a.brokerId === b.brokerId) {
        notes.add('error', 0, '', `${both} are both brokerName=${a.brokerName}, brokerId=${a.brokerId}`);
      } else if (a.brokerClusterName !== b.brokerClusterName) {
        const clusters = `${a.brokerClusterName} and ${b.brokerClusterName}`;
        notes.add('error', 0, '', `${both} share brokerName=${a.brokerName} but not the cluster: ${clusters}`);
      }
    }
  }
}

/** A master or a slave may join from another process; it is worth a line all the same. */
function checkPairs(brokers: readonly TopologyBroker[], notes: Notebook): void {
  for (const { name, settings } of brokers) {
    const { brokerName, brokerRole } = settings;
    const others = brokers.filter((other) => other.name !== name && other.settings.brokerName === brokerName);
    if (brokerRole === 'SLAVE' && !others.some((other) => other.settings.brokerId === 0)) {
      notes.add('warning', 0, '', `${name}: the master of ${brokerName} is not part of this topology`);
    }
    const master = others.find((other) => other.settings.brokerId === 0);
    if (brokerRole === 'SLAVE' && master !== undefined) checkFileSizes(name, settings, master, notes);
    if (brokerRole === 'SYNC_MASTER' && others.length === 0) {
      const until = 'sends are answered SLAVE_NOT_AVAILABLE until a slave joins';
      notes.add('warning', 0, '', `${name}: ${brokerName} is a SYNC_MASTER without a slave in this topology: ${until}`);
    }
  }
}

/** A slave appends its master's bytes: in files of another size records would lie across their ends. */
function checkFileSizes(slave: string, settings: BrokerSettings, master: TopologyBroker, notes: Notebook): void {
  const key = 'mappedFileSizeCommitLog';
  const [own, other] = [settings[key], master.settings[key]];
  if (own === other) return;
  const why = `${slave} and its master ${master.name} have different commit log files (${key}=${own} and ${other})`;
  notes.add('error', 0, '', `${why}: set it in both, or give both the same storeMaxBytes, which it follows`);
}
