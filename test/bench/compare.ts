/**
 * Hangar beside Apache 4.9.7, both 2m-2s-sync, on this machine and in one run, under the same load generator:
 *
 *     node dist/test/bench/compare.js --load PATH [--only apache|hangar] [--seconds 6] [--warm-up 40]
 *
 * PATH is a generator that speaks raw remoting frames and prints one line of key=value figures:
 *
 *     PATH send -brokers A,B -topic T -conns N -inflight N -size BYTES -seconds S -warm S   -> ok_per_s failed p50_us p99_us
 *     PATH pull -brokers A,B -topic T -conns N                                              -> msgs msgs_per_s
 *     PATH e2e  -brokers A,B -topic T -rate N -size BYTES -seconds S -warm S                -> sent received p50_us p99_us
 *
 * Each cluster is started with an empty store, gets at least --warm-up seconds of mixed load that is not counted (a cold
 * JVM answers "broker busy"), and then the scenarios in order. The result is a table in markdown on standard output;
 * progress goes to standard error.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { run } from '../interop/harness/process.js';
import type { Cluster } from '../interop/harness/servers.js';
import { startApacheCluster } from '../support/apache.js';
import { cpuSeconds, residentBytes } from '../support/apache-proc.js';
import { javaTools } from '../support/apache-toolchain.js';
import { hangarServers } from '../support/hangar.js';

const MAKERS = ['apache', 'hangar'] as const;
type Maker = (typeof MAKERS)[number];

const TOPOLOGY = '2m-2s-sync';
const APACHE_HEAP = ['-Xms1g', '-Xmx1g', '-XX:MaxDirectMemorySize=1g'];
const BODY_BYTES = 1024;
const SEND_WARM_SECONDS = 1;
/** Idle memory is read when start-up has calmed down. */
const IDLE_MS = 5_000;
/** Memory "after load" is read when at least so many messages were stored. */
const LOADED_MESSAGES = 1_000_000;
const MIB = 1024 * 1024;

type Figures = Readonly<Record<string, string>>;

/** A line of the table. `bound` is what the ratio Hangar / Apache (or, without a ratio, Hangar's value) must keep. */
interface Row {
  readonly what: string;
  readonly unit: string;
  readonly bound?: { readonly of: 'ratio' | 'value'; readonly atMost?: number; readonly atLeast?: number };
}

const ROWS = {
  // Apache: name servers first, then all brokers at once, as its guide says.
  start: { what: 'command to all listeners serving', unit: 'ms', bound: { of: 'value', atMost: 1000 } },
  ready: { what: 'command to the first sends stored on master and slave', unit: 'ms' },
  idle: { what: 'RSS idle', unit: 'MiB', bound: { of: 'value', atMost: 200 } },
  send512: { what: 'sends, 16 connections x 32 in flight', unit: '/s', bound: { of: 'ratio', atLeast: 3 } },
  send512p99: { what: '... p99', unit: 'µs' },
  send128: { what: 'sends, 16 x 8', unit: '/s' },
  send128p99: { what: '... p99', unit: 'µs' },
  send64: { what: 'sends, 64 x 1', unit: '/s', bound: { of: 'ratio', atLeast: 2 } },
  send64p99: { what: '... p99', unit: 'µs' },
  send1: { what: 'sends, 1 x 1', unit: '/s' },
  send1p50: { what: '... p50', unit: 'µs', bound: { of: 'ratio', atMost: 0.8 } },
  pull: { what: 'catch-up pulls, 32 a request', unit: '/s', bound: { of: 'ratio', atLeast: 1 } },
  slow50: { what: 'send to held pull at 1,000/s, p50', unit: 'µs', bound: { of: 'ratio', atMost: 0.7 } },
  slow99: { what: '... p99', unit: 'µs', bound: { of: 'ratio', atMost: 0.7 } },
  fast50: { what: 'send to held pull at 10,000/s, p50', unit: 'µs' },
  fast99: { what: '... p99', unit: 'µs' },
  cpu: {
    what: 'CPU per million messages (sent, replicated, read once)',
    unit: 's',
    bound: { of: 'ratio', atMost: 0.5 },
  },
  loaded: { what: 'RSS after 1 M messages of 1 KiB', unit: 'MiB', bound: { of: 'value', atMost: 500 } },
} as const satisfies Record<string, Row>;

type RowName = keyof typeof ROWS;
type Result = Partial<Record<RowName, number>>;

/** One run of the generator against one cluster, whose masters it loads. */
class Generator {
  /** Messages stored since the start of the cluster, as far as the generator tells. */
  stored = 0;
  /** Sends that were refused while figures were taken. */
  failed = 0;

  constructor(
    readonly path: string,
    readonly cluster: Cluster,
  ) {}

  async send(topic: string, conns: number, inflight: number, seconds: number): Promise<Figures> {
    const load = { conns, inflight, size: BODY_BYTES, seconds, warm: SEND_WARM_SECONDS };
    const figures = await this.#figures('send', topic, load, seconds);
    this.stored += Number(figures.ok_per_s) * seconds;
    return figures;
  }

  async pull(topic: string): Promise<Figures> {
    return await this.#figures('pull', topic, { conns: 8 }, 60);
  }

  async e2e(topic: string, rate: number, seconds: number): Promise<Figures> {
    const load = { rate, size: BODY_BYTES, seconds, warm: SEND_WARM_SECONDS };
    const figures = await this.#figures('e2e', topic, load, seconds);
    this.stored += Number(figures.received);
    return figures;
  }

  async #figures(
    mode: string,
    topic: string,
    flags: Readonly<Record<string, number>>,
    seconds: number,
  ): Promise<Figures> {
    const masters = this.cluster.brokers.filter((broker) => broker.id === 0).map((broker) => broker.address);
    const pairs = Object.entries(flags).flatMap(([name, value]) => [`-${name}`, String(value)]);
    const args = [mode, '-brokers', masters.join(','), '-topic', topic, ...pairs];
    const { code, stdout, stderr } = await run({ name: this.path, file: this.path, args }, (seconds + 60) * 1000);
    if (code !== 0) throw new Error(`${this.path} ${args.join(' ')} ended with ${code}: ${stderr}`);
    const line = stdout.trim().split('\n').at(-1)!;
    process.stderr.write(`  ${line}${stderr === '' ? '' : `  (${stderr.trim().slice(0, 200)})`}\n`);
    const figures = Object.fromEntries(line.split(' ').map((pair) => pair.split('=') as [string, string]));
    this.failed += Number(figures.failed ?? 0);
    return figures;
  }
}

async function measure(maker: Maker, path: string, seconds: number, warmUpSeconds: number): Promise<Result> {
  process.stderr.write(`${maker}\n`);
  // Fetched and built before the clock runs.
  if (maker === 'apache') await javaTools();
  const startMs = performance.now();
  const cluster = await (maker === 'apache'
    ? startApacheCluster({ topology: TOPOLOGY }, { brokerHeap: APACHE_HEAP })
    : hangarServers.startCluster({ topology: TOPOLOGY }));
  const result: Result = { start: cluster.servingAtMs - startMs, ready: performance.now() - startMs };
  try {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    result.idle = residentBytes(cluster.pids) / MIB;
    const generator = new Generator(path, cluster);
    await warmUp(generator, warmUpSeconds);
    generator.failed = 0;
    await scenarios(generator, seconds, result);
    if (generator.failed > 0) process.stderr.write(`  ${generator.failed} sends refused while measuring\n`);
    return result;
  } finally {
    await cluster.stop();
  }
}

/** A third each of many senders, of senders with few in flight, and of senders with readers; then a catch-up read. */
async function warmUp(generator: Generator, seconds: number): Promise<void> {
  const part = Math.ceil(seconds / 3);
  await generator.send('warm', 16, 8, part);
  await generator.send('warm', 64, 1, part);
  await generator.e2e('warm-held', 5_000, part);
  await generator.pull('warm');
}

async function scenarios(generator: Generator, seconds: number, result: Result): Promise<void> {
  const { pids } = generator.cluster;
  // First, because it is also the one that counts CPU: its topic has exactly the messages that it sends.
  const cpuBefore = cpuSeconds(pids);
  const full = await generator.send('sends-512', 16, 32, seconds);
  const read = await generator.pull('sends-512');
  result.cpu = ((cpuSeconds(pids) - cpuBefore) / Number(read.msgs)) * 1e6;
  result.send512 = Number(full.ok_per_s);
  result.send512p99 = Number(full.p99_us);
  result.pull = Number(read.msgs_per_s);

  const some = await generator.send('sends-128', 16, 8, seconds);
  result.send128 = Number(some.ok_per_s);
  result.send128p99 = Number(some.p99_us);
  const many = await generator.send('sends-64', 64, 1, seconds);
  result.send64 = Number(many.ok_per_s);
  result.send64p99 = Number(many.p99_us);
  const one = await generator.send('sends-1', 1, 1, seconds);
  result.send1 = Number(one.ok_per_s);
  result.send1p50 = Number(one.p50_us);

  const slow = await generator.e2e('held-1000', 1_000, seconds);
  result.slow50 = Number(slow.p50_us);
  result.slow99 = Number(slow.p99_us);
  const fast = await generator.e2e('held-10000', 10_000, seconds);
  result.fast50 = Number(fast.p50_us);
  result.fast99 = Number(fast.p99_us);

  while (generator.stored < LOADED_MESSAGES) await generator.send('fill', 16, 8, 5);
  result.loaded = residentBytes(pids) / MIB;
  process.stderr.write(`  ${Math.round(generator.stored)} messages stored\n`);
}

function table(results: ReadonlyMap<Maker, Result>): string {
  const [apache, hangar] = [results.get('apache'), results.get('hangar')];
  const lines = ['| what | Apache 4.9.7 | Hangar | Hangar / Apache | must be |', '|---|---|---|---|---|'];
  for (const name of Object.keys(ROWS) as RowName[]) {
    const row: Row = ROWS[name];
    const ratio = apache?.[name] && hangar?.[name] ? hangar[name] / apache[name] : undefined;
    const cells = [row.what, figure(apache?.[name], row.unit), figure(hangar?.[name], row.unit)];
    lines.push(`| ${[...cells, ratio?.toFixed(2) ?? '', verdict(row, ratio, hangar?.[name])].join(' | ')} |`);
  }
  return lines.join('\n');
}

function figure(value: number | undefined, unit: string): string {
  if (value === undefined) return '';
  const digits = value < 100 ? 1 : 0;
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} ${unit}`;
}

function verdict({ bound, unit }: Row, ratio: number | undefined, value: number | undefined): string {
  if (bound === undefined) return '';
  const limit = bound.atLeast === undefined ? `≤ ${bound.atMost}` : `≥ ${bound.atLeast}`;
  const wanted = bound.of === 'ratio' ? `${limit} x` : `${limit} ${unit}`;
  const measured = bound.of === 'ratio' ? ratio : value;
  if (measured === undefined) return wanted;
  const kept = measured >= (bound.atLeast ?? 0) && measured <= (bound.atMost ?? Number.POSITIVE_INFINITY);
  return `${wanted} ${kept ? '(kept)' : '**(missed)**'}`;
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
  if (values.load === undefined || makers.length === 0) {
    throw new Error('usage: compare --load PATH [--only apache|hangar] [--seconds 6] [--warm-up 40]');
  }
  const results = new Map<Maker, Result>();
  for (const maker of makers) {
    results.set(maker, await measure(maker, values.load, Number(values.seconds), Number(values['warm-up'])));
  }
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  const machine = `${cpus().length} x ${cpus()[0]!.model}, ${kernel}, Node.js ${process.version}`;
  process.stdout.write(`${new Date().toISOString().slice(0, 10)}, ${machine}, ${TOPOLOGY}, bodies of 1 KiB, `);
  process.stdout.write(`${values.seconds} s each after ${values['warm-up']} s of mixed load\n\n${table(results)}\n`);
}

await main();
