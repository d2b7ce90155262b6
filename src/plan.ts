/**
 * From a topology and a number of cores to actors, threads and units: pure, so that the same input always gives the
 * same table. cluster.ts builds the real thing from it, the simulation a simulated one.
 */
import type { Topology, TopologyBroker } from '../config/topology.js';
import { actorIdOf, type Directory, type ThreadEntry } from './runtime/directory.js';
import { place, type PlacementWish } from './runtime/placement.js';

export interface BrokerPlan {
  readonly broker: TopologyBroker;
  readonly unit: number;
  readonly actor: number;
  readonly ha: number;
  readonly queueHosts: readonly number[];
  /** Index of its master in `brokers`, when that is in this process. */
  readonly master: number | undefined;
}

export interface NamesrvPlan {
  readonly name: string;
  readonly unit: number;
  readonly actor: number;
}

export interface ClusterPlan {
  readonly directory: Directory;
  readonly front: number;
  /** Actors that block on disks for everybody, each on a thread of its own; undefined when every role is in memory. */
  readonly io: { readonly syncs: number; readonly reads: number } | undefined;
  /** Disk actors by thread; undefined for threads without one. */
  readonly disks: readonly (number | undefined)[];
  readonly namesrvs: readonly NamesrvPlan[];
  readonly brokers: readonly BrokerPlan[];
}

export const FRONT_UNIT = 0;
const SYSTEM_UNIT = 1;
const FIRST_ROLE_UNIT = 2;

/** Syncs and cold reads. */
const IO_THREADS = ['io', 'reads'] as const;

const WORKERS_MAX = 16;
/** Expected share of work, relative to a master. */
const WEIGHT = { master: 10, slave: 4, ha: 1, queueHost: 6, namesrv: 1 } as const;

/**
 * Worker threads for that many cores when the configuration leaves it open: the front and the I/O threads need the
 * rest. On 2 cores one worker is faster than two (fewer wake-ups a message).
 */
export function defaultWorkers(cores: number, brokers: number): number {
  return Math.max(1, Math.min(WORKERS_MAX, cores - 1, brokers * 4));
}

export function planCluster(topology: Topology, cores: number): ClusterPlan {
  const { brokers, namesrvs } = topology;
  const workers = topology.process.workerThreads || defaultWorkers(cores, brokers.length);
  const masters = brokers.filter(({ settings }) => settings.brokerRole !== 'SLAVE').length;
  // With a thread for every broker and more, the queue actors get threads of their own.
  const spare = workers - brokers.length;
  const hostsPerBroker = spare <= 0 ? 1 : Math.max(1, Math.min(4, Math.floor(spare / Math.max(1, masters))));
  const isCrowded = workers < brokers.length;

  const wishes: PlacementWish[] = namesrvs.map(({ name }) => ({ actor: name, weight: WEIGHT.namesrv }));
  for (const broker of brokers) {
    const isSlave = broker.settings.brokerRole === 'SLAVE';
    // A master and its slave share a thread when there is not one for each: fewer wake-ups a message.
    const together = isCrowded ? broker.settings.brokerName : broker.name;
    const weight = isSlave ? WEIGHT.slave : WEIGHT.master;
    wishes.push({ actor: broker.name, weight, together, ...(isSlave ? {} : { apart: 'masters' }) });
    wishes.push({ actor: `${broker.name}.ha`, weight: WEIGHT.ha, together });
    for (let host = 0; host < hostsPerBroker; host++) {
      const actor = `${broker.name}.queues-${host}`;
      wishes.push(
        hostsPerBroker === 1
          ? { actor, weight: WEIGHT.queueHost, together }
          : { actor, weight: WEIGHT.queueHost, apart: `${broker.name}.queues` },
      );
    }
  }
  const placed = place(workers, wishes);

  const threads: ThreadEntry[] = [{ name: 'front', kind: 'sockets' }];
  for (let worker = 0; worker < workers; worker++) threads.push({ name: `worker-${worker}`, kind: 'blocking' });
  const hasFiles = [...namesrvs, ...brokers].some(({ settings }) => settings.storeKind !== 'memory');
  const ioThreads = hasFiles ? IO_THREADS : [];
  for (const name of ioThreads) threads.push({ name, kind: 'blocking' });
  const units = ['front', 'system', ...namesrvs.map(({ name }) => name), ...brokers.map(({ name }) => name)];
  const unitOf = (name: string): number => units.indexOf(name, FIRST_ROLE_UNIT);
  const onWorker = (name: string, unit: number) => ({ name, thread: 1 + placed.get(name)!, unit });

  const actors = [
    { name: 'front', thread: 0, unit: FRONT_UNIT },
    ...ioThreads.map((name, i) => ({ name, thread: 1 + workers + i, unit: SYSTEM_UNIT })),
    ...threads
      .slice(1, 1 + workers)
      .map(({ name }, worker) => ({ name: `disk@${name}`, thread: 1 + worker, unit: SYSTEM_UNIT })),
    ...namesrvs.map(({ name }) => onWorker(name, unitOf(name))),
    ...brokers.flatMap(({ name }) => [
      onWorker(name, unitOf(name)),
      onWorker(`${name}.ha`, unitOf(name)),
      ...Array.from({ length: hostsPerBroker }, (_, host) => onWorker(`${name}.queues-${host}`, unitOf(name))),
    ]),
  ];
  const directory: Directory = { threads, units: units.map((name) => ({ name })), actors };
  const idOf = (name: string): number => actorIdOf(directory, name);
  return {
    directory,
    front: idOf('front'),
    io: hasFiles ? { syncs: idOf('io'), reads: idOf('reads') } : undefined,
    disks: threads.map(({ name }) => (name.startsWith('worker-') ? idOf(`disk@${name}`) : undefined)),
    namesrvs: namesrvs.map(({ name }) => ({ name, unit: unitOf(name), actor: idOf(name) })),
    brokers: brokers.map((broker) => ({
      broker,
      unit: unitOf(broker.name),
      actor: idOf(broker.name),
      ha: idOf(`${broker.name}.ha`),
      queueHosts: Array.from({ length: hostsPerBroker }, (_, host) => idOf(`${broker.name}.queues-${host}`)),
      master: masterOf(brokers, broker),
    })),
  };
}

function masterOf(brokers: readonly TopologyBroker[], slave: TopologyBroker): number | undefined {
  if (slave.settings.brokerRole !== 'SLAVE') return undefined;
  const { brokerName, brokerClusterName } = slave.settings;
  const index = brokers.findIndex(
    ({ settings }) =>
      settings.brokerRole !== 'SLAVE' &&
      settings.brokerName === brokerName &&
      settings.brokerClusterName === brokerClusterName,
  );
  return index < 0 ? undefined : index;
}
