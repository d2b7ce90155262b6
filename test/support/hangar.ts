/**
 * Starts Hangar as its users do, as a process of its own: the command line of the build that this test belongs to.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../interop/harness/ports.js';
import { Child, type Command, until } from '../interop/harness/process.js';
import { brokersOf } from '../interop/harness/remoting.js';
import {
  type BrokerOptions,
  type BrokerServer,
  brokerProperties,
  type Cluster,
  type ClusterOptions,
  type NamesrvServer,
  listed,
  properties,
  type Servers,
} from '../interop/harness/servers.js';

const READY_MS = 30_000;
/** dist/test/support -> dist/src/cli.js, whatever the build directory is called. */
const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli.js');

/** HANGAR_INTEROP_STORE=memory: clusters keep everything in memory. */
const IN_MEMORY = process.env.HANGAR_INTEROP_STORE === 'memory';

export const hangarServers: Servers = {
  maker: 'hangar',
  missing: async () => undefined,
  startCluster,
  startNamesrv,
  startBroker,
};

function hangar(name: string, args: readonly string[]): Child {
  return new Child(hangarCommand(name, args));
}

export function hangarCommand(name: string, args: readonly string[]): Command {
  return { name: `Hangar ${name}`, file: process.execPath, args: [CLI, ...args] };
}

async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const directory = temporaryDirectory();
  const place = (options.inMemory ?? IN_MEMORY) ? ['--memory'] : ['--store', directory];
  const child = hangar('cluster', ['up', '--topology', options.topology, '--ephemeral', ...place]);
  const stop = async () => {
    await child.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const ready = await child.waitForOutput(/^hangar is ready: namesrv=(\S+)/m, READY_MS);
    const servingAtMs = performance.now();
    const namesrv = ready[1]!;
    const brokers = await brokersOf(namesrv.split(';')[0]!);
    return { namesrv, clusterName: 'rocketmq-cluster', brokers, servingAtMs, pids: [child.pid], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startNamesrv(): Promise<NamesrvServer> {
  const directory = temporaryDirectory();
  const listenPort = await freePort();
  const address = `127.0.0.1:${listenPort}`;
  const file = join(directory, 'namesrv.properties');
  writeFileSync(file, properties({ listenPort, kvConfigPath: join(directory, 'kvConfig.json') }));
  const child = hangar('name server', ['namesrv', '-c', file]);
  const stop = async () => {
    await child.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await until(`${address} serves`, READY_MS, () => brokersOf(address), child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, stop };
}

async function startBroker(options: BrokerOptions): Promise<BrokerServer> {
  const directory = temporaryDirectory();
  const listenPort = await freePort([-2, 0, 1]);
  const broker = { name: options.name, id: options.id ?? 0, address: `127.0.0.1:${listenPort}` };
  const file = join(directory, 'broker.properties');
  writeFileSync(file, brokerProperties(options, listenPort, options.store ?? join(directory, 'store')));
  const child = hangar(`broker ${options.name}`, ['broker', '-c', file]);
  const stop = async () => {
    await child.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await listed(options.namesrv, broker, READY_MS, child);
  } catch (error) {
    await stop();
    throw error;
  }
  const kill = async () => {
    await child.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  return { broker, child, stop, kill };
}

function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'hangar-interop-'));
}
