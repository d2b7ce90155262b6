/** What a test asks of a server, whoever made it, and what the two makers' harnesses share. */
import { type Child, until } from './process.js';
import { type BrokerAddress, brokersOf } from './remoting.js';

export interface ClusterOptions {
  readonly topology: '2m-2s-sync' | '2m-2s-async' | '2m-noslave' | 'single';
  /** Everything in memory; Hangar only. */
  readonly inMemory?: boolean;
}

/** What a client has to know of a cluster. */
export interface Addresses {
  /** Joined by semicolons, as clients take them. */
  readonly namesrv: string;
  /** By name, then id. */
  readonly brokers: readonly BrokerAddress[];
}

export interface Cluster extends Addresses {
  readonly clusterName: string;
  /** By performance.now(): when the last listener served. Ready, with slaves connected, may be later. */
  readonly servingAtMs: number;
  /** Process ids of everything that serves, for measuring. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

export interface NamesrvServer {
  readonly address: string;
  stop(): Promise<void>;
}

export interface BrokerOptions {
  readonly name: string;
  readonly id?: number;
  readonly role?: 'ASYNC_MASTER' | 'SYNC_MASTER' | 'SLAVE';
  readonly clusterName?: string;
  readonly namesrv: string;
  /** A store to open; a temporary one, removed at stop, when absent. */
  readonly store?: string;
  /** More lines for the .properties file. */
  readonly properties?: Readonly<Record<string, string>>;
}

export interface BrokerServer {
  readonly broker: BrokerAddress;
  readonly child: Child;
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface Servers {
  readonly maker: 'apache' | 'hangar';
  /** Why these servers cannot run on this machine, or undefined. */
  missing(): Promise<string | undefined>;
  startCluster(options: ClusterOptions): Promise<Cluster>;
  startNamesrv(): Promise<NamesrvServer>;
  /** Returns when its name server lists it. */
  startBroker(options: BrokerOptions): Promise<BrokerServer>;
}

/** Waits until every name server of a semicolon list lists the broker. */
export async function listed(namesrv: string, broker: BrokerAddress, limitMs: number, child: Child): Promise<void> {
  for (const address of namesrv.split(';')) {
    await until(
      `${address} lists ${broker.name} ${broker.id} at ${broker.address}`,
      limitMs,
      async () => (await brokersOf(address)).find((known) => known.address === broker.address),
      child,
    );
  }
}

/** A .properties file's text; undefined values are left out. */
export function properties(values: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/** The configuration that both makers' brokers take. */
export function brokerProperties(options: BrokerOptions, listenPort: number, store: string): string {
  return properties({
    brokerClusterName: options.clusterName ?? 'rocketmq-cluster',
    brokerName: options.name,
    brokerId: options.id ?? 0,
    brokerRole: options.role ?? 'ASYNC_MASTER',
    flushDiskType: 'ASYNC_FLUSH',
    namesrvAddr: options.namesrv,
    brokerIP1: '127.0.0.1',
    brokerIP2: '127.0.0.1',
    listenPort,
    haListenPort: listenPort + 1,
    storePathRootDir: store,
    storePathCommitLog: `${store}/commitlog`,
    deleteWhen: '04',
    fileReservedTime: 48,
    // A full laptop must not fail a test.
    diskMaxUsedSpaceRatio: 95,
    ...options.properties,
  });
}
