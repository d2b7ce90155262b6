/** What `hangar up`, `hangar namesrv` and `hangar broker` do: load, start, say so, stop on signals. */
import { statfsSync } from 'node:fs';
import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname } from 'node:path';
import pino, { type Logger } from 'pino';
import { readBrokerConfig, readNamesrvConfig } from '../config/load.js';
import { memoryBytesOf } from '../config/memory-store.js';
import { type Loaded, type Note, renderNote } from '../config/notes.js';
import type { TopologyOverrides } from '../config/placement.js';
import { readPackagedTopology, readTopology, type Topology, type TopologyName } from '../config/topology.js';
import { isStartError } from './base/start-error.js';
import { GIB } from './base/units.js';
import { Cluster } from './cluster.js';

/** Exit codes; docs/operations.md. */
export const ExitCode = { STOPPED: 0, START_FAILED: 1, USAGE: 2, FATAL: 3, KILLED_BY_SIGNAL: 130 } as const;

const STOP_LIMIT_MS = 5_000;
/** npm passes Ctrl-C on although the terminal did already: two signals within this time are one. */
const SAME_SIGNAL_MS = 500;

interface UpOptions extends TopologyOverrides {
  readonly topology: TopologyName;
  readonly config?: string;
  readonly fresh?: boolean;
}

export async function up(options: UpOptions): Promise<void> {
  const { topology: name, config, fresh, ...overrides } = options;
  const loaded = config === undefined ? readPackagedTopology(name, overrides) : readTopology(config, overrides);
  const topology = settingsOf(loaded);
  await run(topology, {
    fresh: fresh === true,
    ...(overrides.advertise === undefined ? {} : { advertisedHost: overrides.advertise }),
    table: true,
  });
}

export async function namesrv(file: string): Promise<void> {
  const { settings, process } = settingsOf(readNamesrvConfig(file));
  const topology: Topology = {
    name: 'namesrv',
    namesrvs: [{ name: 'namesrv', file, settings }],
    brokers: [],
    process,
    isPackaged: false,
  };
  await run(topology, { fresh: false, table: false });
}

export async function broker(file: string): Promise<void> {
  const { settings, process } = settingsOf(readBrokerConfig(file));
  const nameServers = settings.namesrvAddr.split(';').filter((address) => address !== '');
  const name = settings.brokerRole === 'SLAVE' ? `${settings.brokerName}-s` : settings.brokerName;
  const topology: Topology = {
    name: 'broker',
    namesrvs: [],
    brokers: [{ name, file, settings, nameServers }],
    process,
    isPackaged: false,
  };
  await run(topology, { fresh: false, table: false });
}

/** The loaded value after its notes were printed; errors end the process. */
function settingsOf<T>(loaded: Loaded<T>): T {
  for (const note of loaded.notes) console.error(`${wordOf(note)}: ${renderNote(note)}`);
  if (loaded.ok) return loaded.value;
  for (const error of loaded.errors) console.error(`hangar: ${renderNote(error)}`);
  return process.exit(ExitCode.START_FAILED);
}

function wordOf(note: Note): string {
  return note.kind === 'warning' ? 'warning' : 'note';
}

interface RunOptions {
  readonly fresh: boolean;
  readonly advertisedHost?: string;
  /** Print what runs where. */
  readonly table: boolean;
}

async function run(topology: Topology, options: RunOptions): Promise<void> {
  const log = pino({ level: logLevel() }, pino.destination({ dest: 2, sync: true }));
  for (const line of [...memoryWarnings(topology), ...diskWarnings(topology)]) console.error(`warning: ${line}`);
  let cluster: Cluster | undefined;
  const start = new AbortController();
  const signals = stopOnSignals(() => cluster, start, log);
  try {
    cluster = await Cluster.start({
      topology,
      fresh: options.fresh,
      signal: start.signal,
      ...(options.advertisedHost === undefined ? {} : { advertisedHost: options.advertisedHost }),
      log: (level, actor, text, fields) => log[level]({ actor, ...fields }, text),
      onProgress: (line) => console.error(line),
      onFatal: (reason) => {
        console.error(`hangar: ${reason}`);
        process.exit(ExitCode.FATAL);
      },
    });
  } catch (error) {
    if (start.signal.aborted) process.exit(ExitCode.STOPPED);
    const line = isStartError(error) ? error.message : ((error as Error).stack ?? String(error));
    console.error(`hangar: ${line}`);
    process.exit(ExitCode.START_FAILED);
  }
  if (options.table) printTable(cluster);
  console.log(readyLine(topology, cluster));
  await signals;
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];

/** Environment variable HANGAR_LOG. */
function logLevel(): string {
  const wanted = process.env.HANGAR_LOG ?? '';
  if (wanted === '') return 'warn';
  if (LOG_LEVELS.includes(wanted)) return wanted;
  console.error(`hangar: HANGAR_LOG=${wanted}: allowed: ${LOG_LEVELS.join(', ')}`);
  return process.exit(ExitCode.USAGE);
}

/** A signal stops in order, or ends the start; another one, later than a doubled one would be, stops at once. */
function stopOnSignals(clusterOf: () => Cluster | undefined, start: AbortController, log: Logger): Promise<void> {
  return new Promise((resolve) => {
    let firstAtMs = 0;
    const onSignal = (signal: NodeJS.Signals): void => {
      const nowMs = performance.now();
      if (firstAtMs > 0) {
        if (nowMs - firstAtMs >= SAME_SIGNAL_MS) process.exit(ExitCode.KILLED_BY_SIGNAL);
        return;
      }
      firstAtMs = nowMs;
      console.log(`hangar stops (${signal}); once more to stop at once`);
      const limit = setTimeout(() => {
        console.error(`hangar: not everything was closed within ${STOP_LIMIT_MS / 1000} s; the next start recovers`);
        process.exit(ExitCode.KILLED_BY_SIGNAL);
      }, STOP_LIMIT_MS);
      const cluster = clusterOf();
      if (cluster === undefined) return start.abort();
      cluster.stop().then(
        () => {
          clearTimeout(limit);
          resolve();
          process.exit(ExitCode.STOPPED);
        },
        (error: Error) => {
          log.error({ stack: error.stack }, `stop failed: ${error.message}`);
          process.exit(ExitCode.FATAL);
        },
      );
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

function printTable(cluster: Cluster): void {
  const rows = cluster.table();
  const header = { actor: 'actor', thread: 'thread', listener: 'listener', store: 'store' };
  const width = (key: 'actor' | 'thread' | 'listener'): number =>
    Math.max(...[header, ...rows].map((row) => row[key].length));
  for (const row of [header, ...rows]) {
    const line = `${row.actor.padEnd(width('actor'))}  ${row.thread.padEnd(width('thread'))}  ${row.listener.padEnd(width('listener'))}  ${row.store}`;
    console.log(line.trimEnd());
  }
}

function readyLine(topology: Topology, cluster: Cluster): string {
  const parts: string[] = [];
  const { nameServers, metricsPort } = cluster;
  if (nameServers.length > 0) parts.push(`namesrv=${nameServers.join(';')}`);
  if (nameServers.length === 0) {
    for (const { name } of topology.brokers) parts.push(`${name}=${cluster.addressOf(name)}`);
  }
  if (metricsPort !== undefined) parts.push(`metrics=http://${cluster.metricsHost}:${metricsPort}`);
  return `hangar is ready: ${parts.join(' ')}`;
}

/** Stores in memory that may grow beyond what there is: the operating system would end the process. */
function memoryWarnings({ brokers }: Topology): string[] {
  const wanted = brokers
    .filter(({ settings }) => settings.storeKind === 'memory')
    .reduce((sum, { settings }) => sum + memoryBytesOf(settings.storeMaxBytes), 0);
  const there = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  if (wanted <= there) return [];
  const [wants, has] = [wanted, there].map((bytes) => `${(bytes / GIB).toFixed(1)} GiB`);
  return [`the stores in memory may grow to ${wants}, and there are ${has}: lower storeMaxBytes (--store-max-bytes)`];
}

/** Apache's broker refuses sends on a disk that is nearly full: said here, before the first send finds out. */
function diskWarnings(topology: Topology): string[] {
  return topology.brokers.flatMap(({ name, settings }) => {
    if (settings.storeKind === 'memory') return [];
    let directory = settings.storePathCommitLog;
    while (!existsSync(directory) && dirname(directory) !== directory) directory = dirname(directory);
    const { blocks, bfree, bavail, bsize } = statfsSync(directory);
    const used = blocks - bfree;
    const percent = Math.ceil((100 * used) / Math.max(1, used + bavail));
    const limit = settings.diskSpaceWarningLevelRatio;
    if (percent <= limit || settings.storeMaxBytes > 0) return [];
    const free = ((bavail * bsize) / GIB).toFixed(1);
    return [
      `${name}: the disk of ${settings.storePathCommitLog} is ${percent} % full (${free} GiB free); above ${limit} % sends are refused: free space, choose another disk with --store, raise diskSpaceWarningLevelRatio, or bound the store with --store-max-bytes`,
    ];
  });
}
