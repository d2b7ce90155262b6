/** `hangar` as a process of its own, on free ports and in a temporary directory, for tests of its life cycle. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, finish, type Output } from '../interop/harness/process.js';
import { properties } from '../interop/harness/servers.js';
import { within } from './within.js';

export const START_MS = 20_000;
/** What the issue promises: an orderly stop takes at most this long. */
export const STOP_MS = 5_000;
const STOP_MARGIN_MS = 1_000;

/** dist/test/support -> dist/src/cli.js, whatever the build directory is called. */
export const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli.js');

const directories = new Set<string>();
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** Removed when the test process ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'hangar-test-'));
  directories.add(directory);
  return directory;
}

export function startHangar(args: readonly string[], cwd?: string): Child {
  const command = { name: `hangar ${args[0] ?? ''}`, file: process.execPath, args: [CLI, ...args] };
  return new Child(cwd === undefined ? command : { ...command, cwd });
}

/** Runs it to its end: a start that fails, a help text. */
export async function runHangar(args: readonly string[], cwd?: string): Promise<Output> {
  return await finish(startHangar(args, cwd), START_MS);
}

export interface HangarUp {
  readonly child: Child;
  readonly nameServers: readonly string[];
  /** http://host:port */
  readonly metrics: string;
  /** Address by role name. */
  readonly addresses: ReadonlyMap<string, string>;
}

/** `hangar up`, ready. The arguments say where: as a rule `--ephemeral --store DIR`. */
export async function up(...args: readonly string[]): Promise<HangarUp> {
  return await whenUp(startHangar(['up', ...args]));
}

/** The same for a process that was just started, however. */
export async function whenUp(child: Child): Promise<HangarUp> {
  try {
    const ready = await child.waitForOutput(/^hangar is ready: namesrv=(\S+) metrics=(\S+)$/m, START_MS);
    const nameServers = ready[1]!.split(';');
    const host = nameServers[0]!.split(':')[0];
    // A row of the table: actor, thread, listener (port first), store.
    const rows = [...child.stdout.matchAll(/^(\S+) +\S+ +(\d+)(?:,| |$)/gm)];
    const addresses = new Map(rows.map((row) => [row[1]!, `${host}:${row[2]}`]));
    return { child, nameServers, metrics: ready[2]!, addresses };
  } catch (error) {
    await child.kill();
    throw error;
  }
}

/** Sends the signal and gives the exit code. After STOP_MS the process gives up by itself; what it says of that is printed. */
export async function stopBy(child: Child, signal: NodeJS.Signals): Promise<number | null> {
  child.signal(signal);
  try {
    const code = await within(STOP_MS + STOP_MARGIN_MS, `the end after ${signal}`, child.exited);
    if (code !== 0) console.log(child.stderr);
    return code;
  } catch (error) {
    console.log(child.stderr);
    throw error;
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

export async function get(base: string, path: string): Promise<HttpAnswer> {
  const response = await fetch(base + path, { signal: AbortSignal.timeout(5_000) });
  return { status: response.status, text: await response.text() };
}

/** Sum of all series of that name whose labels contain every given one. */
export async function metric(
  base: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { text } = await get(base, '/metrics');
  let sum = 0;
  for (const [, series, value] of text.matchAll(new RegExp(`^${name}(\\{[^\\n]*\\})? (\\S+)$`, 'gm'))) {
    const wanted = Object.entries(labels).every(([key, label]) => series?.includes(`${key}="${label}"`));
    if (wanted) sum += Number(value);
  }
  return sum;
}

export type ConfigValues = Readonly<Record<string, string | number>>;

/** A directory with one .properties file per role, by role name. */
export function configDirectory(roles: Readonly<Record<string, ConfigValues | string>>): string {
  const directory = join(temporaryDirectory(), 'conf');
  mkdirSync(directory);
  for (const [role, values] of Object.entries(roles)) {
    writeFileSync(join(directory, `${role}.properties`), typeof values === 'string' ? values : properties(values));
  }
  return directory;
}

/** Files of one name server and one master; more keys for the master. */
export function oneBroker(broker: ConfigValues = {}, hangar: ConfigValues = {}): string {
  return configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, broker),
    hangar,
  });
}

export function masterValues(brokerName: string, listenPort: number, more: ConfigValues = {}): ConfigValues {
  return { ...roleValues(brokerName, listenPort), brokerId: 0, brokerRole: 'ASYNC_MASTER', ...more };
}

export function slaveValues(brokerName: string, listenPort: number, more: ConfigValues = {}): ConfigValues {
  return { ...roleValues(brokerName, listenPort), brokerId: 1, brokerRole: 'SLAVE', ...more };
}

function roleValues(brokerName: string, listenPort: number): ConfigValues {
  return {
    brokerClusterName: 'rocketmq-cluster',
    brokerName,
    listenPort,
    // Neither a busy machine nor a full disk must fail a test.
    brokerFastFailureEnable: 'false',
    diskSpaceWarningLevelRatio: 99,
  };
}
