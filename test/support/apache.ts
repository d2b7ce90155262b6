/**
 * Apache RocketMQ's own servers and mqadmin, from published artifacts, as child processes on free ports.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../interop/harness/ports.js';
import { Child, type Command, type Output, run, until } from '../interop/harness/process.js';
import { type BrokerAddress, brokersOf, probeSend } from '../interop/harness/remoting.js';
import {
  type BrokerOptions,
  type BrokerServer,
  brokerProperties,
  type Cluster,
  type ClusterOptions,
  listed,
  type NamesrvServer,
  properties,
  type Servers,
} from '../interop/harness/servers.js';
import { JAVA_FLAGS, type JavaTools, javaTools, SHORT_LIVED_FLAGS } from './apache-toolchain.js';

/** Six JVMs on two busy cores take about ten seconds. */
const BOOT_MS = 60_000;
const ADMIN_MS = 60_000;
const APACHE_STOP_MS = 30_000;

const SEND_OK = 0;

/** Heap of a broker. The defaults suit tests; comparisons of speed give 1 GB. */
export interface ApacheOptions {
  readonly brokerHeap?: readonly string[];
}

const BROKER_CLASS = 'org.apache.rocketmq.broker.BrokerStartup';
const TEST_BROKER_HEAP = ['-Xms256m', '-Xmx512m', '-XX:MaxDirectMemorySize=512m'];
const NAMESRV_HEAP = ['-Xms64m', '-Xmx256m', '-XX:+UseSerialGC'];

export const apacheServers: Servers = {
  maker: 'apache',
  missing: async () => (await javaTools()).missing,
  startCluster: (options) => startApacheCluster(options),
  startNamesrv: () => startApacheNamesrv(),
  startBroker: (options) => startApacheBroker(options),
};

export interface ApacheServer {
  readonly child: Child;
  /** By performance.now(): when it said "boot success". */
  readonly servingAtMs: number;
}

interface Killable extends ApacheServer {
  kill(): Promise<void>;
}

async function tools(): Promise<JavaTools> {
  const found = await javaTools();
  if (found.missing !== undefined) throw new Error(`Apache's servers cannot run: ${found.missing}`);
  return found.tools;
}

export async function startApacheNamesrv(): Promise<NamesrvServer & Killable> {
  const home = rocketmqHome();
  const listenPort = await freePort();
  const file = join(home, 'namesrv.properties');
  writeFileSync(file, properties({ listenPort, kvConfigPath: join(home, 'kvConfig.json') }));
  const { child, servingAtMs } = await startServer(
    'name server',
    home,
    NAMESRV_HEAP,
    'org.apache.rocketmq.namesrv.NamesrvStartup',
    file,
  );
  return {
    address: `127.0.0.1:${listenPort}`,
    child,
    servingAtMs,
    stop: () => ended(child.stop(), home),
    kill: () => ended(child.kill(), home),
  };
}

export async function startApacheBroker(
  options: BrokerOptions,
  { brokerHeap = TEST_BROKER_HEAP }: ApacheOptions = {},
): Promise<BrokerServer & ApacheServer> {
  const home = rocketmqHome();
  const listenPort = await freePort([-2, 0, 1]);
  const broker: BrokerAddress = { name: options.name, id: options.id ?? 0, address: `127.0.0.1:${listenPort}` };
  const file = join(home, 'broker.properties');
  const store = options.store ?? join(home, 'store');
  writeFileSync(file, brokerProperties(options, listenPort, store));
  const name = `broker ${broker.name} ${broker.id}`;
  const { child, servingAtMs } = await startServer(name, home, brokerFlags(brokerHeap), BROKER_CLASS, file);
  try {
    await listed(options.namesrv, broker, BOOT_MS, child);
  } catch (error) {
    await ended(child.kill(), home);
    throw error;
  }
  return { broker, child, servingAtMs, stop: () => ended(child.stop(), home), kill: () => ended(child.kill(), home) };
}

/** Beside the keys there are system properties that refuse writes on a full disk. */
function brokerFlags(heap: readonly string[]): readonly string[] {
  return [...heap, '-Drocketmq.broker.diskSpaceWarningLevelRatio=0.99'];
}

export interface ApacheAlone extends Killable {
  /** Resolves when it has ended by SIGTERM, as its operator stops it: that takes about seven seconds. */
  stop(): Promise<void>;
}

/** A broker with exactly these keys, which may leave name servers out. Serves when this returns; fails when it ends first. */
export async function startApacheAlone(values: Readonly<Record<string, string | number>>): Promise<ApacheAlone> {
  const home = rocketmqHome();
  const file = join(home, 'broker.properties');
  writeFileSync(file, properties(values));
  const flags = [...brokerFlags(TEST_BROKER_HEAP), '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
  const { child, servingAtMs } = await startServer('broker', home, flags, BROKER_CLASS, file);
  const stop = () => ended(child.stop(APACHE_STOP_MS), home);
  return { child, servingAtMs, stop, kill: () => ended(child.kill(), home) };
}

/** The four topologies of `hangar up`, from Apache's parts. Ready means: the first send is answered SEND_OK. */
export async function startApacheCluster(options: ClusterOptions, apache: ApacheOptions = {}): Promise<Cluster> {
  const clusterName = 'rocketmq-cluster';
  const started: Killable[] = [];
  // Killed: the stores are temporary, and a clean stop takes Apache's brokers seven seconds.
  const stop = async () => {
    await Promise.all(started.map((server) => server.kill()));
  };
  try {
    const pairs = options.topology.startsWith('2m');
    const servers = await startAll(started, pairs ? [1, 2] : [1], () => startApacheNamesrv());
    const namesrv = servers.map((server) => server.address).join(';');
    const role = options.topology === '2m-2s-sync' ? 'SYNC_MASTER' : 'ASYNC_MASTER';
    const wanted = (pairs ? ['broker-a', 'broker-b'] : ['broker-a']).flatMap((name): BrokerOptions[] => {
      const master: BrokerOptions = { name, id: 0, role, namesrv, clusterName };
      const slave: BrokerOptions = { name, id: 1, role: 'SLAVE', namesrv, clusterName };
      return options.topology.startsWith('2m-2s') ? [master, slave] : [master];
    });
    await startAll(started, wanted, (broker) => startApacheBroker(broker, apache));
    const brokers = await brokersOf(servers[0]!.address);
    for (const master of brokers.filter((broker) => broker.id === 0)) {
      await until(`${master.name} answers a send with SEND_OK`, BOOT_MS, async () =>
        (await probeSend(master)) === SEND_OK ? true : undefined,
      );
    }
    const servingAtMs = Math.max(...started.map((server) => server.servingAtMs));
    return { namesrv, clusterName, brokers, servingAtMs, pids: started.map((server) => server.child.pid), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts all at the same time. Those that came up are in `started` also when another failed, so that they are stopped. */
async function startAll<T, S extends Killable>(
  started: Killable[],
  wanted: readonly T[],
  start: (one: T) => Promise<S>,
): Promise<S[]> {
  const servers: S[] = [];
  const failures: unknown[] = [];
  for (const outcome of await Promise.allSettled(wanted.map(start))) {
    if (outcome.status === 'fulfilled') servers.push(outcome.value);
    else failures.push(outcome.reason);
  }
  started.push(...servers);
  if (failures.length > 0) throw failures[0];
  return servers;
}

/** Runs one mqadmin command. Its exit status says nothing: a failed command exits with 0 and a trace on stderr. */
export async function mqadmin(namesrv: string, args: readonly string[], limitMs = ADMIN_MS): Promise<Output> {
  const { java, serverClassPath } = await tools();
  const home = rocketmqHome();
  try {
    return await run(
      {
        name: `mqadmin ${args.join(' ')}`,
        file: java,
        args: [
          ...SHORT_LIVED_FLAGS,
          ...JAVA_FLAGS,
          `-Drocketmq.home.dir=${home}`,
          `-Duser.home=${home}`,
          '-cp',
          serverClassPath,
          'interop.Admin',
          ...args,
          '-n',
          namesrv,
        ],
      },
      limitMs,
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function startServer(
  name: string,
  home: string,
  flags: readonly string[],
  mainClass: string,
  file: string,
): Promise<ApacheServer> {
  const child = new Child(await serverCommand(name, home, flags, mainClass, file));
  try {
    await child.waitForOutput(/boot success/, BOOT_MS);
  } catch (error) {
    await ended(child.kill(), home);
    throw error;
  }
  return { child, servingAtMs: performance.now() };
}

async function serverCommand(
  name: string,
  home: string,
  flags: readonly string[],
  mainClass: string,
  file: string,
): Promise<Command> {
  const { java, serverClassPath } = await tools();
  const properties = [`-Drocketmq.home.dir=${home}`, `-Duser.home=${home}`];
  const args = [...flags, ...JAVA_FLAGS, ...properties, '-cp', serverClassPath, mainClass, '-c', file];
  return { name: `Apache ${name}`, file: java, args };
}

/** The command line of a broker, for whoever measures its start; its home is the caller's to remove. */
export async function brokerCommand(
  file: string,
  brokerHeap: readonly string[],
): Promise<{ command: Command; home: string }> {
  const home = rocketmqHome();
  const command = await serverCommand('broker', home, brokerFlags(brokerHeap), BROKER_CLASS, file);
  return { command, home };
}

/** A home with the three logging configurations that Apache's servers insist on: warnings to standard error. */
function rocketmqHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'hangar-apache-'));
  mkdirSync(join(home, 'conf'));
  for (const name of ['logback_broker.xml', 'logback_namesrv.xml', 'logback_tools.xml']) {
    writeFileSync(join(home, 'conf', name), LOGGING);
  }
  return home;
}

const LOGGING = `<configuration>
  <appender name="err" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target>
    <encoder><pattern>%d{HH:mm:ss.SSS} %level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="err"/></root>
</configuration>
`;

async function ended(end: Promise<void>, home: string): Promise<void> {
  await end;
  rmSync(home, { recursive: true, force: true });
}
