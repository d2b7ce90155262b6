/**
 * SYNC_FLUSH beside Apache 4.9.7, on this machine and in one run:
 *
 *     node dist/test/bench/sync-flush.js [--only apache|hangar] [--seconds 4] [--rounds 3] [--warm-up 15]
 *
 * One master each, ASYNC_MASTER with flushDiskType=SYNC_FLUSH, stores on the same file system, both started before anything
 * is measured. They are loaded in turn, 64 connections with one send in flight, after a warm-up that does not count. The
 * result is a table in markdown with medians: a machine that other work uses hits both.
 */
import { parseArgs } from 'node:util';
import type { BrokerServer, NamesrvServer, Servers } from '../interop/harness/servers.js';
import { apacheServers } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { dateAndMachine } from './report.js';
import { Generator } from './scenarios.js';

const CONNECTIONS = 64;
const MAKERS: readonly Servers[] = [apacheServers, hangarServers];
const RATIO_LEAST = 1.5;

interface Subject {
  readonly maker: Servers['maker'];
  readonly generator: Generator;
  readonly rates: number[];
  readonly p50: number[];
  readonly p99: number[];
  stop(): Promise<void>;
}

async function start(servers: Servers): Promise<Subject> {
  const missing = await servers.missing();
  if (missing !== undefined) throw new Error(`${servers.maker}: ${missing}`);
  const namesrv: NamesrvServer = await servers.startNamesrv();
  let master: BrokerServer;
  try {
    const properties = { flushDiskType: 'SYNC_FLUSH' };
    master = await servers.startBroker({ name: 'broker-a', namesrv: namesrv.address, properties });
  } catch (error) {
    await namesrv.stop();
    throw error;
  }
  const stop = async (): Promise<void> => {
    await master.kill();
    await namesrv.stop();
  };
  const generator = new Generator(undefined, { masters: [master.broker.address], pids: [] });
  return { maker: servers.maker, generator, rates: [], p50: [], p99: [], stop };
}

async function round({ maker, generator, rates, p50, p99 }: Subject, topic: string, seconds: number): Promise<void> {
  process.stderr.write(`${maker}\n`);
  const figures = await generator.send(topic, CONNECTIONS, 1, seconds);
  rates.push(Number(figures.ok_per_s));
  p50.push(Number(figures.p50_us));
  p99.push(Number(figures.p99_us));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function row(what: string, unit: string, subjects: readonly Subject[], of: (subject: Subject) => number): string {
  const cells = MAKERS.map(({ maker }) => subjects.find((subject) => subject.maker === maker)).map((subject) =>
    subject === undefined ? Number.NaN : of(subject),
  );
  const [apache, hangar] = cells as [number, number];
  const texts = cells.map((value) =>
    Number.isNaN(value) ? '' : `${Math.round(value).toLocaleString('en-US')} ${unit}`,
  );
  const ratio = hangar / apache;
  return `| ${what} | ${texts.join(' | ')} | ${Number.isNaN(ratio) ? '' : ratio.toFixed(2)} |`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      'warm-up': { type: 'string', default: '15' },
    },
  });
  const subjects: Subject[] = [];
  try {
    for (const servers of MAKERS) {
      if (values.only === undefined || values.only === servers.maker) subjects.push(await start(servers));
    }
    for (const subject of subjects) await subject.generator.send('warm', CONNECTIONS, 1, Number(values['warm-up']));
    for (let n = 0; n < Number(values.rounds); n++) {
      for (const subject of subjects) await round(subject, `sends-${n}`, Number(values.seconds));
    }
    const lines = [
      '| SYNC_FLUSH, one master | Apache 4.9.7 | Hangar | Hangar / Apache |',
      '|---|---|---|---|',
      row(`sends, ${CONNECTIONS} x 1 (≥ ${RATIO_LEAST} x)`, '/s', subjects, ({ rates }) => median(rates)),
      row('... p50', 'µs', subjects, ({ p50 }) => median(p50)),
      row('... p99', 'µs', subjects, ({ p99 }) => median(p99)),
    ];
    process.stdout.write(
      `${dateAndMachine()}, bodies of 1 KiB, medians of ${values.rounds} runs of ${values.seconds} s\n\n`,
    );
    process.stdout.write(`${lines.join('\n')}\n`);
  } finally {
    for (const subject of subjects) await subject.stop();
  }
}

await main();
