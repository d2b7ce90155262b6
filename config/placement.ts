/**
 * What `hangar up` adds to the files of a topology: where roles listen, what they advertise, where they keep their files and which
 * name servers brokers register with.
 */
import { join, resolve } from 'node:path';
import type { HostFacts } from './facts.js';
import { loadBrokerConfig, loadNamesrvConfig } from './load.js';
import { type Loaded, loaded, Notebook, then } from './notes.js';
import { type ConfigFile, roleName } from './read-file.js';
import type { NamesrvSettings } from './schema.js';
import { isHost, parseAddress, splitAddresses, unbracketed } from './setting.js';
import type { Topology, TopologyBroker, TopologyNamesrv } from './topology.js';

export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_STORE = './hangar-store';
export const DEFAULT_METRICS_PORT = 5557;

/** Options of `hangar up`: stronger than the files. */
export interface TopologyOverrides {
  /** Directory of all stores: each role in a directory of its own name. */
  readonly store?: string;
  /** storeMaxBytes of every broker. */
  readonly storeMaxBytes?: number;
  /** Every role is kept in memory (storeKind). */
  readonly memory?: boolean;
  /** Added to every port of the files and to the default HTTP port. */
  readonly portOffset?: number;
  /** Every port is any free one; see `assignPorts`. */
  readonly ephemeral?: boolean;
  /** Address to listen at. */
  readonly host?: string;
  /** Address that clients and slaves are told; the host, unless that means all addresses. */
  readonly advertise?: string;
  /** HTTP port of /metrics and /healthz; not moved by portOffset. */
  readonly metricsPort?: number;
}

export function checkOverrides(overrides: TopologyOverrides): Loaded<undefined> {
  const notes = new Notebook('command line');
  const refuse = (text: string): void => notes.add('error', 0, '', text);
  const { portOffset = 0, ephemeral, metricsPort, host, advertise, store, storeMaxBytes, memory } = overrides;
  if (!Number.isInteger(portOffset) || Math.abs(portOffset) > 65_535) {
    refuse(`--port-offset ${portOffset}: allowed: a whole number from -65535 to 65535`);
  }
  if (ephemeral === true && portOffset !== 0) refuse('--ephemeral and --port-offset exclude each other');
  if (metricsPort !== undefined && !(Number.isInteger(metricsPort) && metricsPort >= 0 && metricsPort <= 65_535)) {
    refuse(`--metrics-port ${metricsPort}: allowed: a port from 1 to 65535, or 0 for any free one`);
  }
  for (const [option, value] of Object.entries({ '--host': host, '--advertise': advertise })) {
    if (value === undefined || isHost(value)) continue;
    refuse(`${option} ${value}: allowed: a host name or an IP address without a port`);
  }
  if (advertise !== undefined && isWildcard(advertise)) {
    refuse(`--advertise ${advertise}: clients cannot connect to it; give one address of this machine`);
  }
  if (memory === true && store !== undefined) refuse('--memory and --store exclude each other');
  if (store === '') refuse('--store: the directory is missing');
  if (storeMaxBytes !== undefined && !(Number.isSafeInteger(storeMaxBytes) && storeMaxBytes >= 0)) {
    refuse(`--store-max-bytes ${storeMaxBytes}: allowed: whole bytes, or 0 for no limit`);
  }
  return notes.finish(() => undefined);
}

export class Placement {
  private readonly store: string;
  private readonly advertised: string;
  private readonly listening: { readonly bindAddress?: string };
  private readonly kept: { readonly storeKind?: 'memory' };

  constructor(
    private readonly overrides: TopologyOverrides,
    private readonly facts: HostFacts,
  ) {
    const host = overrides.host ?? DEFAULT_HOST;
    this.listening = overrides.host === undefined ? {} : { bindAddress: unbracketed(overrides.host) };
    this.kept = overrides.memory === true ? { storeKind: 'memory' } : {};
    this.store = resolve(facts.workingDirectory, overrides.store ?? DEFAULT_STORE);
    this.advertised = overrides.advertise ?? (isWildcard(host) ? facts.localAddress : bracketed(host));
  }

  namesrv(file: ConfigFile): Loaded<TopologyNamesrv> {
    const name = roleName(file.path);
    const stored = { kvConfigPath: join(this.store, name, 'kvConfig.json') };
    const config = loadNamesrvConfig(file.text, file.path, {
      facts: this.facts,
      inTopology: true,
      fallbacks: { bindAddress: DEFAULT_HOST, ...stored },
      overrides: { ...this.listening, ...this.kept, ...(this.overrides.store === undefined ? {} : stored) },
    });
    return then(config, ({ settings }) => loaded({ name, file: file.path, settings }));
  }

  broker(file: ConfigFile): Loaded<TopologyBroker> {
    const name = roleName(file.path);
    const storePathRootDir = join(this.store, name);
    const { advertise, store, storeMaxBytes } = this.overrides;
    const config = loadBrokerConfig(file.text, file.path, {
      facts: this.facts,
      inTopology: true,
      fallbacks: {
        bindAddress: DEFAULT_HOST,
        brokerIP1: this.advertised,
        brokerIP2: this.advertised,
        // Not from the environment: NAMESRV_ADDR is for tools and for brokers on their own.
        namesrvAddr: '',
        storePathRootDir,
      },
      overrides: {
        ...this.listening,
        ...this.kept,
        ...(advertise === undefined ? {} : { brokerIP1: advertise, brokerIP2: advertise }),
        ...(storeMaxBytes === undefined ? {} : { storeMaxBytes }),
        ...(store === undefined ? {} : { storePathRootDir, storePathCommitLog: join(storePathRootDir, 'commitlog') }),
      },
    });
    return then(config, ({ settings }) =>
      loaded({ name, file: file.path, settings, nameServers: splitAddresses(settings.namesrvAddr) }),
    );
  }

  /** Puts loaded roles together: ports moved, own name servers filled in and known by name. */
  assemble(roles: Topology): Topology {
    const ownNames = roles.namesrvs.map((namesrv) => namesrv.name);
    const brokers = roles.brokers.map((broker) => {
      const named = broker.nameServers.map((address) => this.ownNameServer(address, roles.namesrvs) ?? address);
      return { ...broker, nameServers: named.length > 0 ? named : ownNames };
    });
    const { portOffset = 0, ephemeral, metricsPort } = this.overrides;
    const moved = (port: number): number => (port === 0 || ephemeral === true ? 0 : port + portOffset);
    const http = metricsPort ?? moved(roles.process.metricsPort ?? DEFAULT_METRICS_PORT);
    const ports = new Map([...roles.namesrvs, ...brokers].map((role) => [role.name, moved(role.settings.listenPort)]));
    return assignPorts({ ...roles, brokers }, ports, http);
  }

  /** The name of the own name server that an address of a file means, by the port in that name server's file. */
  private ownNameServer(address: string, namesrvs: readonly TopologyNamesrv[]): string | undefined {
    const parsed = parseAddress(address);
    return namesrvs.find(({ settings }) => {
      const hosts = [settings.bindAddress, this.advertised, DEFAULT_HOST, 'localhost', '::1'];
      return parsed !== undefined && parsed.port === settings.listenPort && hosts.includes(parsed.host);
    })?.name;
  }
}

/**
 * The topology with other ports, by the names of the roles: the real ones, after the sockets of an ephemeral topology are bound.
 * The brokers' namesrvAddr follows; it is empty while an own name server has no port.
 */
export function assignPorts(topology: Topology, ports: ReadonlyMap<string, number>, metricsPort: number): Topology {
  const namesrvs = topology.namesrvs.map((role) => {
    const listenPort = ports.get(role.name) ?? role.settings.listenPort;
    return { ...role, settings: Object.freeze({ ...role.settings, listenPort }) };
  });
  const own = new Map(namesrvs.map(({ name, settings }) => [name, ownAddress(settings)]));
  const brokers = topology.brokers.map((role) => {
    const listenPort = ports.get(role.name) ?? role.settings.listenPort;
    const haListenPort = listenPort === 0 ? 0 : listenPort + 1;
    const found = role.nameServers.map((server) => (own.has(server) ? own.get(server) : server));
    const namesrvAddr = found.includes(undefined) ? '' : found.join(';');
    return { ...role, settings: Object.freeze({ ...role.settings, listenPort, haListenPort, namesrvAddr }) };
  });
  return { ...topology, namesrvs, brokers, process: Object.freeze({ ...topology.process, metricsPort }) };
}

/** How roles of this process reach a name server of it; undefined while its port is not known. */
function ownAddress({ bindAddress, listenPort }: NamesrvSettings): string | undefined {
  if (listenPort === 0) return undefined;
  const host = isWildcard(bindAddress) ? DEFAULT_HOST : bindAddress;
  return `${bracketed(host)}:${listenPort}`;
}

/** IPv6 in brackets, so that a port can follow. Source: RemotingUtil.normalizeHostAddress. */
function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** Means every address of the machine. */
export function isWildcard(host: string): boolean {
  return ['0.0.0.0', '::', '[::]'].includes(host);
}
