/**
 * Hangar beside Apache 4.9.7, both 2m-2s-sync, on this machine and in one run, under the same load generator:
 *
 *     node dist/test/bench/compare.js [--load PATH] [--only apache|hangar] [--seconds 6] [--warm-up 40]
 *
 * PATH is a generator with the flags and the last line that scenarios.ts shows; without it the project's own loads.
 *
 * Each cluster is started with an empty store, gets at least --warm-up seconds of mixed load that is not counted (a cold
 * JVM answers "broker busy"), and then the scenarios in order. The result is a table in markdown on standard output;
 * progress goes to standard error.
 */
import { parseArgs } from 'node:util';
import { startApacheCluster } from '../support/apache.js';
import { residentBytes } from '../support/apache-proc.js';
import { javaTools } from '../support/apache-toolchain.js';
import { hangarServers } from '../support/hangar.js';
import { comparison, dateAndMachine, type Result } from './report.js';
import { Generator, MIB, scenarios, warmUp } from './scenarios.js';

const MAKERS = ['apache', 'hangar'] as const;
type Maker = (typeof MAKERS)[number];

const TOPOLOGY = '2m-2s-sync';
const APACHE_HEAP = ['-Xms1g', '-Xmx1g', '-XX:MaxDirectMemorySize=1g'];
/** Idle memory is read when start-up has calmed down. */
const IDLE_MS = 5_000;

async function measure(
  maker: Maker,
  load: string | undefined,
  seconds: number,
  warmUpSeconds: number,
): Promise<Result> {
  process.stderr.write(`${maker}\n`);
  // Fetched and built before the clock runs.
  if (maker === 'apache') await javaTools();
  const startMs = performance.now();
  const cluster = await (maker === 'apache'
    ? startApacheCluster({ topology: TOPOLOGY }, { brokerHeap: APACHE_HEAP })
    : hangarServers.startCluster({ topology: TOPOLOGY }));
  const { pids } = cluster;
  const result: Result = { start: cluster.servingAtMs - startMs, ready: performance.now() - startMs };
  try {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    result.idle = residentBytes(pids) / MIB;
    const masters = cluster.brokers.filter((broker) => broker.id === 0).map((broker) => broker.address);
    const generator = new Generator(load, { masters, pids });
    await warmUp(generator, warmUpSeconds);
    await scenarios(generator, seconds, result);
    return result;
  } finally {
    await cluster.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      load: { type: 'string' },
      only: { type: 'string' },
      seconds: { type: 'string', default: '6' },
      'warm-up': { type: 'string', default: '40' },
    },
  });
  const makers = MAKERS.filter((maker) => values.only === undefined || values.only === maker);
  if (makers.length === 0) {
    throw new Error('usage: compare [--load PATH] [--only apache|hangar] [--seconds 6] [--warm-up 40]');
  }
  const results = new Map<Maker, Result>();
  for (const maker of makers) {
    results.set(maker, await measure(maker, values.load, Number(values.seconds), Number(values['warm-up'])));
  }
  const table = comparison(results.get('apache'), results.get('hangar'));
  process.stdout.write(`${dateAndMachine()}, ${TOPOLOGY}, bodies of 1 KiB, `);
  process.stdout.write(`${values.seconds} s each after ${values['warm-up']} s of mixed load\n\n${table}\n`);
}

await main();
