/**
 * A topology: the roles that `hangar up` runs in one process, from a directory with one .properties file per role.
 *
 *     namesrv*.properties    a name server            hangar.properties    settings of the process (optional)
 *     *.properties           a broker                 the name of a role is the name of its file
 *
 * Stronger than the files: the command line. Weaker, but stronger than Apache's defaults: what makes the roles one cluster on this
 * machine (127.0.0.1, a store directory per role, the topology's own name servers); see placement.ts.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { type HostFacts, hostFacts } from './facts.js';
import { loadProcessConfig } from './load.js';
import { type Loaded, loaded, Notebook, refused, then, together } from './notes.js';
import { checkOverrides, DEFAULT_METRICS_PORT, Placement, type TopologyOverrides } from './placement.js';
import { type ConfigFile, listConfigFiles, packageDirectory, readConfigFile, roleName } from './read-file.js';
import type { BrokerSettings, NamesrvSettings, ProcessSettings } from './schema.js';
import { checkTopology } from './topology-checks.js';

export interface Topology {
  readonly name: string;
  readonly namesrvs: readonly TopologyNamesrv[];
  readonly brokers: readonly TopologyBroker[];
  /** Its metricsPort is always set. */
  readonly process: ProcessSettings;
  /** The files belong to the package: updates by tools are not written to them. */
  readonly isPackaged: boolean;
}

export interface TopologyNamesrv {
  /** The file's name without its ending, such as namesrv-a; its directory in the store has the same. */
  readonly name: string;
  readonly file: string;
  readonly settings: NamesrvSettings;
}

export interface TopologyBroker {
  readonly name: string;
  readonly file: string;
  readonly settings: BrokerSettings;
  /** What namesrvAddr is made of: names of own name servers, whose ports may not be known yet, and addresses of others. */
  readonly nameServers: readonly string[];
}

/** The topologies that come with the package, by the names of their directories in config/. */
export const TOPOLOGY_NAMES = ['2m-2s-sync', '2m-2s-async', '2m-noslave', 'single'] as const;
export type TopologyName = (typeof TOPOLOGY_NAMES)[number];

/** Most roles of a topology. */
export const ROLES_MAX = 64;

/** `hangar up --topology NAME`. */
export function readPackagedTopology(
  name: TopologyName,
  overrides: TopologyOverrides = {},
  facts: HostFacts = hostFacts(),
): Loaded<Topology> {
  return then(readTopology(join(packageDirectory(), 'config', name), overrides, facts), (topology) =>
    loaded({ ...topology, isPackaged: true, namesrvs: topology.namesrvs.map(keptInStore) }),
  );
}

/** A name server whose updates go beside its KV configuration: a package must not be written to. */
function keptInStore(role: TopologyNamesrv): TopologyNamesrv {
  const configStorePath = join(dirname(role.settings.kvConfigPath), 'namesrv.properties');
  return { ...role, settings: Object.freeze({ ...role.settings, configStorePath }) };
}

/** `hangar up --config DIR`. */
export function readTopology(
  directory: string,
  overrides: TopologyOverrides = {},
  facts: HostFacts = hostFacts(),
): Loaded<Topology> {
  return then(listConfigFiles(directory), (paths) => {
    if (paths.length > ROLES_MAX + 1) return refused(directory, `more than ${ROLES_MAX} roles`);
    return then(together(paths.map(readConfigFile)), (files) =>
      buildTopology(basename(resolve(directory)), directory, files, overrides, facts),
    );
  });
}

/** `readTopology` without the disk; `source` is what messages about the whole call it. */
export function buildTopology(
  name: string,
  source: string,
  files: readonly ConfigFile[],
  overrides: TopologyOverrides,
  facts: HostFacts,
): Loaded<Topology> {
  const ofProcess = files.find((file) => roleName(file.path) === PROCESS) ?? { path: source, text: '' };
  const ofNamesrvs = files.filter((file) => isNamesrv(roleName(file.path)));
  const ofBrokers = files.filter((file) => !isNamesrv(roleName(file.path)) && roleName(file.path) !== PROCESS);
  const checked = together([checkOverrides(overrides), checkNames(source, [...ofNamesrvs, ...ofBrokers])]);
  return then(checked, () => {
    const place = new Placement(overrides, facts);
    const fallbacks = { metricsPort: DEFAULT_METRICS_PORT };
    const roles = together([
      together(ofNamesrvs.map((file) => place.namesrv(file))),
      together(ofBrokers.map((file) => place.broker(file))),
      loadProcessConfig(ofProcess.text, ofProcess.path, { facts, fallbacks }),
    ]);
    return then(roles, ([namesrvs, brokers, process]) => {
      const topology = place.assemble({ name, namesrvs, brokers, process, isPackaged: false });
      const notes = new Notebook(source);
      checkTopology(topology, notes);
      return notes.finish(() => topology);
    });
  });
}

const PROCESS = 'hangar';
const isNamesrv = (role: string): boolean => role.startsWith('namesrv');

/** Names become directories and parts of messages. */
function checkNames(source: string, files: readonly ConfigFile[]): Loaded<undefined> {
  if (files.length === 0) return refused(source, 'no role: there is no *.properties file of a name server or a broker');
  const wrong = files.find((file) => !/^[A-Za-z0-9][\w.-]{0,63}$/.test(roleName(file.path)));
  if (wrong === undefined) return loaded(undefined);
  return refused(wrong.path, 'the name of a role has 1 to 64 letters, digits, dots, _ or -');
}
