/**
 * What replication costs, as ratios within one run; each pair of figures is taken in turns.
 *
 *     node dist/test/bench/replication.js sync [--rounds 5] [--seconds 5]       SYNC_MASTER against ASYNC_MASTER, one process
 *     node dist/test/bench/replication.js delay [--delay-ms 2] [--rounds 5]     SYNC_MASTER, two processes: a slow link against a fast one
 *     node dist/test/bench/replication.js catch-up [--gib 2]                    an empty slave of the process, while senders run
 *
 * Linux; stores are in the temporary directory (catch-up: three times --gib).
 */
import { cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../interop/harness/ports.js';
import { Child, run, until } from '../interop/harness/process.js';
import { Replica } from '../interop/harness/replica.js';
import { hangarServers } from '../support/hangar.js';
import {
  configDirectory,
  masterValues,
  slaveValues,
  startHangar,
  temporaryDirectory,
  up,
} from '../support/hangar-process.js';
import { Link } from '../support/link.js';
import { Code, sendFields, withClient } from '../support/remoting-client.js';
import { dateAndMachine } from './report.js';
import { BODY_BYTES, MIB } from './scenarios.js';

const BLOCK_BYTES = 512;
const LIMIT_MS = 600_000;
const SHAPES = [
  { conns: 64, inflight: 1 },
  { conns: 16, inflight: 32 },
] as const;
/** A closed loop of so many requests that a delay of some ms does not take its load away. */
const MORE_IN_FLIGHT = { conns: 16, inflight: 128 } as const;

interface Load {
  readonly conns: number;
  readonly inflight: number;
}

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly delayMs: number;
  readonly gib: number;
}

function loadCommand(broker: string, topic: string, { conns, inflight }: Load, seconds: number) {
  const flags = { brokers: broker, topic, conns, inflight, size: BODY_BYTES, seconds, warm: 1 };
  const pairs = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return { name: 'load', file: process.execPath, args: [join(import.meta.dirname, 'load.js'), 'send', ...pairs] };
}

async function sendsPerSecond(broker: string, load: Load, seconds: number): Promise<number> {
  const { stdout, stderr } = await run(loadCommand(broker, 'replicated', load, seconds), LIMIT_MS);
  const rate = Number(/\bok_per_s=(\S+)/.exec(stdout)?.[1]);
  if (!(rate > 0)) throw new Error(`the load gave no figures: ${stdout}\n${stderr}`);
  return rate;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Both in turns, the first one first in every other round. Prints a row of the table. */
async function compare(load: Load, wanted: readonly [string, string], { rounds, seconds }: Options): Promise<void> {
  const ratios: number[] = [];
  const rates: [number, number][] = [];
  for (let round = 0; round < rounds; round++) {
    const rate: [number, number] = [0, 0];
    for (const which of round % 2 === 0 ? [0, 1] : [1, 0]) {
      rate[which as 0 | 1] = await sendsPerSecond(wanted[which]!, load, seconds);
    }
    rates.push(rate);
    ratios.push(rate[0] / rate[1]);
  }
  const [first, second] = [0, 1].map((which) => median(rates.map((rate) => rate[which]!)).toFixed(0));
  console.log(
    `| ${load.conns} x ${load.inflight} | ${first} /s | ${second} /s | ${median(ratios).toFixed(2)} (>= 0.9) |`,
  );
}

async function sync(options: Options): Promise<void> {
  const clusters = await Promise.all(
    (['SYNC_MASTER', 'ASYNC_MASTER'] as const).map((brokerRole) => {
      const config = configDirectory({
        'namesrv-a': { listenPort: 9876 },
        'broker-a': masterValues('broker-a', 10911, { brokerRole }),
        'broker-a-s': slaveValues('broker-a', 11011),
      });
      return up('--config', config, '--ephemeral', '--store', temporaryDirectory());
    }),
  );
  try {
    const brokers = clusters.map(({ addresses }) => addresses.get('broker-a')!) as [string, string];
    console.log('| sends | SYNC_MASTER | ASYNC_MASTER | ratio |\n|---|---|---|---|');
    for (const load of SHAPES) await compare(load, brokers, options);
  } finally {
    await Promise.all(clusters.map(({ child }) => child.stop()));
  }
}

async function delay(options: Options): Promise<void> {
  const started: { stop(): Promise<void> }[] = [];
  const use = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const one = await starting;
    started.push(one);
    return one;
  };
  const sizes = { mappedFileSizeCommitLog: String(64 * MIB) };
  const pair = async (delayMs: number): Promise<string> => {
    const namesrv = await use(hangarServers.startNamesrv());
    const replicas = [0, 1].map(() => new Replica(namesrv.address, sizes)) as [Replica, Replica];
    for (const replica of replicas) await use(Promise.resolve(replica));
    const { broker } = await use(replicas[0].start(hangarServers, 'SYNC_MASTER'));
    const [host, port] = broker.address.split(':');
    const link = await use(Link.open(`${host}:${Number(port) + 1}`, delayMs));
    await use(replicas[1].start(hangarServers, 'SLAVE', { haMasterAddress: link.address }));
    await until('SEND_OK', LIMIT_MS, () =>
      withClient(broker.address, async (client) =>
        (await client.call(Code.SEND, sendFields('broker-a', 0), Buffer.from('x'))).code === 0 ? true : undefined,
      ),
    );
    return broker.address;
  };
  try {
    const brokers = [await pair(options.delayMs), await pair(0)] as const;
    console.log(`| sends | ${options.delayMs} ms each way | no delay | ratio |\n|---|---|---|---|`);
    for (const load of [SHAPES[1], MORE_IN_FLIGHT]) await compare(load, brokers, options);
  } finally {
    for (const one of started.reverse()) await one.stop();
  }
}

function bytesIn(directory: string): number {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).blocks * BLOCK_BYTES, 0);
}

async function catchUp({ gib, seconds }: Options): Promise<void> {
  const store = temporaryDirectory();
  const ports = { namesrv: await freePort(), master: await freePort([-2, 0, 1]), slave: await freePort([-2, 0, 1]) };
  const master = {
    'namesrv-a': { listenPort: ports.namesrv },
    'broker-a': masterValues('broker-a', ports.master),
    hangar: { metricsPort: await freePort() },
  };
  const [ofMaster, ofSlave] = ['broker-a', 'broker-a-s'].map((role) => join(store, role, 'commitlog')) as [
    string,
    string,
  ];
  const address = `127.0.0.1:${ports.master}`;
  const alone = await up('--config', configDirectory(master), '--store', store);
  while (bytesIn(ofMaster) < gib * 1024 * MIB) await sendsPerSecond(address, SHAPES[1], 2);
  await alone.child.stop();

  const filled = bytesIn(ofMaster);
  const copy = join(store, 'copy');
  const copyBegan = performance.now();
  cpSync(ofMaster, copy, { recursive: true });
  const copyMs = performance.now() - copyBegan;
  rmSync(copy, { recursive: true });

  const config = configDirectory({ ...master, 'broker-a-s': slaveValues('broker-a', ports.slave) });
  const both = startHangar(['up', '--config', config, '--store', store]);
  try {
    const isServing = () => withClient(address, async () => true as const);
    await until('the master takes sends', LIMIT_MS, isServing, both);
    const senders = new Child(loadCommand(address, 'meanwhile', SHAPES[0], 3_600));
    await until('the first byte', LIMIT_MS, async () => (bytesIn(ofSlave) > 0 ? true : undefined), both);
    const beganMs = performance.now();
    await until('the slave has caught up', LIMIT_MS, async () => (bytesIn(ofSlave) >= filled ? true : undefined), both);
    const tookMs = performance.now() - beganMs;
    senders.signal('SIGKILL');
    const sent = bytesIn(ofMaster) - filled;
    const rate = (ms: number): string => (filled / 1e6 / (ms / 1_000)).toFixed(0);
    console.log('| catch-up of an empty slave | cp of the same files | of that | sent meanwhile |\n|---|---|---|---|');
    console.log(
      `| ${rate(tookMs)} MB/s (>= 300) | ${rate(copyMs)} MB/s | ${(copyMs / tookMs).toFixed(2)} (or >= 0.6) | ${(sent / MIB).toFixed(0)} MiB |`,
    );
  } finally {
    await both.stop(seconds * 10_000);
    rmSync(store, { recursive: true, force: true });
  }
}

const PARTS = { sync, delay, 'catch-up': catchUp } as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      'delay-ms': { type: 'string', default: '2' },
      gib: { type: 'string', default: '2' },
    },
  });
  const part = PARTS[positionals[0] as keyof typeof PARTS];
  if (part === undefined) throw new Error(`usage: replication ${Object.keys(PARTS).join('|')} [flags]`);
  console.log(`${dateAndMachine()}\n`);
  await part({
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    delayMs: Number(values['delay-ms']),
    gib: Number(values.gib),
  });
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
