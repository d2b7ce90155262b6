/**
 * What the supervisor is given: every unit of a planned cluster with its actors' options. The same for the real cluster
 * and the simulated one; what differs comes in through ClusterEnvironment.
 */
import type { BrokerSettings } from '../config/schema.js';
import type { Topology } from '../config/topology.js';
import { QUEUE_CODES } from './actors/front/queue-codes.js';
import type { FrontOptions, UnitListeners } from './actors/front/options.js';
import { MIB } from './base/units.js';
import { type BrokerPlan, type ClusterPlan, FRONT_UNIT } from './plan.js';
import type { RingMemory } from './runtime/ring.js';
import type { ActorPlan, UnitPlan } from './runtime/supervisor.js';
import type { RecoveredStore } from './store/recovery.js';

export interface ClusterEnvironment {
  readonly topology: Topology;
  readonly plan: ClusterPlan;
  /** Log windows by broker index; undefined for slaves. */
  readonly windows: readonly (RingMemory | undefined)[];
  /** Bound ports by `<role>.port`, `.vipPort`, `.haPort`. */
  readonly ports: ReadonlyMap<string, number>;
  /** Address that clients are told when it differs from the bound one. */
  readonly advertisedHost: string | undefined;
  readonly connectionIds: RingMemory;
  readonly slabs: readonly RingMemory[];
  readonly rings: FrontOptions['rings'];
  readonly health: RingMemory;
  readonly hasHttp: boolean;
  readonly physicalMemoryBytes: number;
  /** Brings a broker's store back before it starts. */
  recover(broker: string, settings: BrokerSettings): Promise<RecoveredStore>;
}

const IDLE_TIMEOUT_MS = 120_000;
const INPUT_LIMIT_BYTES = 64 * MIB;
const STAGE = { front: 0, nameServers: 1, brokers: 2 } as const;

/** `host:port` of the name servers as clients use them. */
export function nameServerAddresses({ topology, plan, ports, advertisedHost }: ClusterEnvironment): string[] {
  return plan.namesrvs.map(({ name }, i) => {
    const { bindAddress } = topology.namesrvs[i]!.settings;
    return `${advertised(advertisedHost, bindAddress)}:${ports.get(`${name}.port`)}`;
  });
}

/** The address to tell others for something bound to `host`. */
export function advertised(advertisedHost: string | undefined, host: string): string {
  const chosen = advertisedHost ?? host;
  return chosen === '0.0.0.0' || chosen === '::' ? '127.0.0.1' : chosen;
}

export function unitPlans(environment: ClusterEnvironment): UnitPlan[] {
  const { plan, topology } = environment;
  const front: UnitPlan = {
    unit: FRONT_UNIT,
    actors: [actorPlan(plan.front, 'front', () => frontOptions(environment))],
    prepare: undefined,
    hasListeners: false,
    stage: STAGE.front,
  };
  const namesrvs = plan.namesrvs.map(({ name, unit, actor }, i): UnitPlan => {
    const { settings } = topology.namesrvs[i]!;
    return {
      unit,
      actors: [actorPlan(actor, 'namesrv', () => ({ front: plan.front, unit: name, settings }))],
      prepare: undefined,
      hasListeners: true,
      stage: STAGE.nameServers,
    };
  });
  return [front, ...namesrvs, ...plan.brokers.map((_, index) => brokerUnit(environment, index))];
}

function actorPlan(actor: number, definition: string, options: ActorPlan['options'], takesPrepared = false): ActorPlan {
  return { actor, definition, options, takesPrepared };
}

function brokerUnit(environment: ClusterEnvironment, index: number): UnitPlan {
  const { plan, windows, topology } = environment;
  const own = plan.brokers[index]!;
  const { front } = plan;
  const settings = () => brokerSettings(environment, own);
  const queueHosts = own.queueHosts.map((actor, host) =>
    actorPlan(actor, 'queue-host', () => ({
      settings: settings(),
      host,
      front,
      broker: own.actor,
      unit: own.broker.name,
      window: windows[own.master ?? index],
      physicalMemoryBytes: environment.physicalMemoryBytes,
    })),
  );
  const ha = actorPlan(own.ha, 'ha', () => ({
    role: own.broker.name,
    settings: settings(),
    front,
    broker: own.actor,
    window: windows[index],
    localMaster: own.master === undefined ? undefined : plan.brokers[own.master]!.ha,
    waitsForMaster: own.master !== undefined,
  }));
  const broker = actorPlan(
    own.actor,
    'broker',
    () => ({
      settings: settings(),
      // Updates of a store in memory are as lasting as the store.
      configPath: topology.isPackaged || isInMemory(own) ? undefined : own.broker.file,
      front,
      ha: own.ha,
      queueHosts: own.queueHosts,
      window: windows[index],
      localMaster: localMaster(environment, own),
      waitsForNameServers: own.broker.nameServers.every((name) => plan.namesrvs.some((other) => other.name === name)),
      physicalMemoryBytes: environment.physicalMemoryBytes,
      advertisedHost: environment.advertisedHost ?? '',
    }),
    true,
  );
  return {
    unit: own.unit,
    actors: [...queueHosts, ha, broker],
    prepare: () => environment.recover(own.broker.name, own.broker.settings),
    hasListeners: true,
    stage: STAGE.brokers,
  };
}

/** The broker's settings with the addresses of this process's name servers, which are known once they are bound. */
function brokerSettings(environment: ClusterEnvironment, { broker }: BrokerPlan): BrokerSettings {
  const own = environment.plan.namesrvs.map(({ name }) => name);
  const addresses = nameServerAddresses(environment);
  const namesrvAddr = broker.nameServers.map((name) => addresses[own.indexOf(name)] ?? name).join(';');
  return { ...broker.settings, namesrvAddr };
}

const isInMemory = ({ broker: { settings } }: BrokerPlan): boolean => settings.storeKind === 'memory';

function localMaster({ plan, windows }: ClusterEnvironment, { master }: BrokerPlan) {
  if (master === undefined) return undefined;
  const { settings } = plan.brokers[master]!.broker;
  return {
    directory: settings.storePathCommitLog,
    fileBytes: settings.mappedFileSizeCommitLog,
    window: windows[master],
  };
}

/** Asked for again when the front is restarted: then with the ports that it had. */
function frontOptions(environment: ClusterEnvironment): Readonly<Record<string, unknown>> {
  const { plan, topology, ports, advertisedHost } = environment;
  const { process, namesrvs, brokers } = topology;
  const units: UnitListeners[] = [
    ...plan.namesrvs.map(({ name, unit, actor }, i) => ({
      unit,
      role: name,
      host: namesrvs[i]!.settings.bindAddress,
      advertisedHost: advertised(advertisedHost, namesrvs[i]!.settings.bindAddress),
      port: ports.get(`${name}.port`) ?? namesrvs[i]!.settings.listenPort,
      hasVip: false,
      hasHa: false,
      actor,
      haActor: -1,
      queueHosts: [],
      queueCodes: [],
    })),
    ...plan.brokers.map(({ broker: { name, settings }, unit, actor, ha, queueHosts }) => ({
      unit,
      role: name,
      host: settings.bindAddress,
      advertisedHost: advertised(advertisedHost, settings.brokerIP1),
      port: ports.get(`${name}.port`) ?? settings.listenPort,
      hasVip: true,
      hasHa: true,
      actor,
      haActor: ha,
      queueHosts,
      queueCodes: QUEUE_CODES,
    })),
  ];
  const host = (brokers[0] ?? namesrvs[0])!.settings.bindAddress;
  const { metricsPort } = process;
  const options: FrontOptions = {
    units,
    actorUnits: plan.directory.actors.map(({ unit }) => unit),
    connectionIds: environment.connectionIds,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    outputLimitBytes: process.outputBytesPerConnection,
    outputTotalBytes: process.outputBytes,
    inputLimitBytes: INPUT_LIMIT_BYTES,
    maxConnections: process.maxConnections,
    http:
      metricsPort === undefined || !environment.hasHttp
        ? undefined
        : { host, port: ports.get('metrics.port') ?? metricsPort },
    slabs: environment.slabs,
    rings: environment.rings,
    health: environment.health,
    unitNames: plan.directory.units.map(({ name }) => name),
  };
  return { ...options };
}
