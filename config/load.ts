/**
 * Loads the file of one role into frozen settings. What counts, from strongest to weakest: overrides (command line), the
 * file, fallbacks (the topology's), defaults. Apache's rules between keys are applied here.
 */
import { resolve } from 'node:path';
import { type HostFacts, hostFacts } from './facts.js';
import { type Loaded, Notebook, type NoteKind, shown, then } from './notes.js';
import { type Given, type OtherTable, readEntries, resolveTable } from './read-entries.js';
import { inMemory, namesrvInMemory } from './memory-store.js';
import { type ConfigFile, readConfigFile, roleName } from './read-file.js';
import {
  type BrokerSettings,
  brokerTable,
  type NamesrvSettings,
  namesrvTable,
  type ProcessSettings,
  processTable,
} from './schema.js';
import { type FileKind, parseAddress, type SettingTable, splitAddresses } from './setting.js';
import { budgetProblem, RECORD_OVERHEAD_BYTES } from './store-sizes.js';

export interface LoadOptions<Settings> {
  readonly facts?: HostFacts;
  /** Stronger than the file. */
  readonly overrides?: Partial<Settings>;
  /** Weaker than the file, stronger than the defaults. */
  readonly fallbacks?: Partial<Settings>;
  /** The role is a part of a topology: keys of the process have their own file, and name servers are filled in. */
  readonly inTopology?: boolean;
}

/** One role as configured. */
export interface RoleConfig<Settings> {
  readonly settings: Settings;
  /** Of the process that runs this role alone; only defaults when the role is a part of a topology. */
  readonly process: ProcessSettings;
  /** Keys that the file sets. */
  readonly given: ReadonlySet<string>;
}
export type BrokerConfig = RoleConfig<BrokerSettings>;
export type NamesrvConfig = RoleConfig<NamesrvSettings>;

const FOR_BROKERS: OtherTable = { table: brokerTable, belongs: "is a broker's key" };
const FOR_NAME_SERVERS: OtherTable = { table: namesrvTable, belongs: "is a name server's key" };
const FOR_PROCESS: OtherTable = { table: processTable, belongs: 'belongs to the process, into hangar.properties,' };

/** Settings of a broker. `source` is the file's path, or what else messages shall call it. */
export function loadBrokerConfig(
  text: string,
  source: string,
  options: LoadOptions<BrokerSettings> = {},
): Loaded<BrokerConfig> {
  return loadRole('broker', brokerTable, [FOR_NAME_SERVERS], text, source, options, (settings, say, isGiven) => {
    const checked = inMemory(roleName(source), applyBrokerRules(settings, say), say, isGiven);
    if (options.inTopology !== true) checkNameServers(checked, say);
    return checked;
  });
}

/** Settings of a name server. Its configStorePath is always the file itself, as in NamesrvStartup. */
export function loadNamesrvConfig(
  text: string,
  source: string,
  options: LoadOptions<NamesrvSettings> = {},
): Loaded<NamesrvConfig> {
  const facts = options.facts ?? hostFacts();
  const configStorePath = resolve(facts.workingDirectory, source);
  const withPath = { ...options, facts, overrides: { ...options.overrides, configStorePath } };
  return loadRole('namesrv', namesrvTable, [FOR_BROKERS], text, source, withPath, (settings) =>
    namesrvInMemory(roleName(source), settings),
  );
}

/** Settings of the process: `hangar.properties` of a topology. */
export function loadProcessConfig(
  text: string,
  source: string,
  options: Omit<LoadOptions<ProcessSettings>, 'inTopology'> = {},
): Loaded<ProcessSettings> {
  const facts = options.facts ?? hostFacts();
  const notes = new Notebook(source);
  const given = readEntries(text, [processTable], [FOR_BROKERS, FOR_NAME_SERVERS], facts, notes);
  return notes.finish(() =>
    complete<ProcessSettings>(processTable, 'broker', facts, options.fallbacks, given.values, options.overrides),
  );
}

/** `hangar broker -c FILE`. */
export function readBrokerConfig(path: string, options?: LoadOptions<BrokerSettings>): Loaded<BrokerConfig> {
  return withFile(path, (file) => loadBrokerConfig(file.text, file.path, options));
}

/** `hangar namesrv -c FILE`. */
export function readNamesrvConfig(path: string, options?: LoadOptions<NamesrvSettings>): Loaded<NamesrvConfig> {
  return withFile(path, (file) => loadNamesrvConfig(file.text, file.path, options));
}

function withFile<T>(path: string, load: (file: ConfigFile) => Loaded<T>): Loaded<T> {
  return then(readConfigFile(path), load);
}

/** Says something about a key of the settings at hand. */
export type Say = (kind: NoteKind, key: string, text: string) => void;

function loadRole<Settings extends object>(
  kind: FileKind,
  table: SettingTable,
  others: readonly OtherTable[],
  text: string,
  source: string,
  options: LoadOptions<Settings>,
  applyRules: (settings: Settings, say: Say, isGiven: (key: string) => boolean) => Settings,
): Loaded<RoleConfig<Settings>> {
  const facts = options.facts ?? hostFacts();
  const notes = new Notebook(source);
  const here = options.inTopology === true ? [table] : [table, processTable];
  const elsewhere = options.inTopology === true ? [...others, FOR_PROCESS] : others;
  const given: Given = readEntries(text, here, elsewhere, facts, notes);
  const say: Say = (noteKind, key, what) => {
    // A wrong value has been replaced by the default, about which there is nothing to say.
    if (!notes.hasErrorFor(key)) notes.add(noteKind, given.lines.get(key) ?? 0, key, what);
  };
  const settings = applyRules(
    complete(table, kind, facts, options.fallbacks, given.values, options.overrides),
    say,
    (key) => given.lines.has(key),
  );
  return notes.finish(() => ({
    settings: Object.freeze(settings),
    process: complete<ProcessSettings>(processTable, kind, facts, undefined, given.values, undefined),
    given: new Set(given.lines.keys()),
  }));
}

function complete<Settings extends object>(
  table: SettingTable,
  kind: FileKind,
  facts: HostFacts,
  fallbacks: Partial<Settings> | undefined,
  given: { readonly [key: string]: unknown },
  overrides: Partial<Settings> | undefined,
): Settings {
  const explicit = { ...fallbacks, ...given, ...overrides };
  const values = resolveTable(table, explicit, (setting, get) => setting.initial.from(facts, get, kind));
  return Object.freeze(values) as Settings;
}

const REGISTER_PERIOD_MS = { min: 10_000, max: 60_000 } as const;

/**
 * Apache's rules between a broker's keys. Source: BrokerStartup.createBrokerController (brokerId, haListenPort),
 * BrokerController.start (registerNameServerPeriod), MessageStoreConfig.getMappedFileSizeConsumeQueue.
 */
export function applyBrokerRules(settings: BrokerSettings, say: Say): BrokerSettings {
  const { brokerRole, brokerId, listenPort, registerNameServerPeriod: period } = settings;
  if (brokerRole === 'SLAVE' && brokerId <= 0) {
    say('error', 'brokerId', `brokerId=${brokerId}: a SLAVE needs a number above 0`);
  }
  if (brokerRole !== 'SLAVE' && brokerId !== 0) {
    say('warning', 'brokerId', `brokerId=${brokerId} counts as 0, because brokerRole is ${brokerRole}`);
  }
  if (listenPort !== 0 && (listenPort < 3 || listenPort > 65_534)) {
    const why = 'a broker also opens the ports listenPort - 2 and listenPort + 1';
    say('error', 'listenPort', `listenPort=${listenPort}: allowed: 0 or 3 to 65534; ${why}`);
  }
  const registerNameServerPeriod = Math.min(Math.max(period, REGISTER_PERIOD_MS.min), REGISTER_PERIOD_MS.max);
  if (registerNameServerPeriod !== period) {
    say(
      'warning',
      'registerNameServerPeriod',
      `registerNameServerPeriod=${period} counts as ${registerNameServerPeriod}`,
    );
  }
  if (settings.maxMessageSize + RECORD_OVERHEAD_BYTES > settings.mappedFileSizeCommitLog) {
    const sizes = `mappedFileSizeCommitLog=${settings.mappedFileSizeCommitLog} and maxMessageSize=${settings.maxMessageSize}`;
    say('warning', 'mappedFileSizeCommitLog', `${sizes}: messages that do not fit into a file are refused`);
  }
  const overBudget = budgetProblem(settings.storeMaxBytes, settings.mappedFileSizeCommitLog);
  if (overBudget !== undefined) say('error', 'storeMaxBytes', overBudget);
  return {
    ...settings,
    brokerId: brokerRole === 'SLAVE' ? brokerId : 0,
    haListenPort: listenPort === 0 ? 0 : listenPort + 1,
    registerNameServerPeriod,
    mappedFileSizeConsumeQueue: Math.ceil(settings.mappedFileSizeConsumeQueue / 20) * 20,
  };
}

/** For a broker on its own; what a file says is checked already, what the environment says is not. */
function checkNameServers(settings: BrokerSettings, say: Say): void {
  const addresses = splitAddresses(settings.namesrvAddr);
  const wrong = addresses.find((address) => parseAddress(address) === undefined);
  if (wrong !== undefined) {
    say(
      'error',
      'namesrvAddr',
      `NAMESRV_ADDR=${shown(settings.namesrvAddr)}: allowed: ${brokerTable.namesrvAddr.allowed}`,
    );
  }
  if (addresses.length > 0) return;
  if (settings.fetchNamesrvAddrByAddressServer) {
    const text =
      'fetchNamesrvAddrByAddressServer=true without namesrvAddr: no address server is asked, set namesrvAddr';
    say('error', 'fetchNamesrvAddrByAddressServer', text);
    return;
  }
  say('warning', 'namesrvAddr', 'namesrvAddr is not set, nor is NAMESRV_ADDR: the broker registers nowhere');
}
