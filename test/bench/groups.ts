/**
 * `load groups`: what a delivered message costs when many consumer groups follow a topic, against one group. At the same
 * rate of messages, many groups share what the sends cost; so there is also one group that gets as many messages a second
 * as all groups together, several of them with a pull.
 */
import { parseArgs } from 'node:util';
import type { Maker } from '../interop/harness/store-home.js';
import type { Cluster } from '../interop/harness/servers.js';
import { startApacheCluster } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { dateAndMachine } from './report.js';
import { type Figures, Generator } from './scenarios.js';

const TOPOLOGY = 'single';
const APACHE_HEAP = ['-Xms1g', '-Xmx1g', '-XX:MaxDirectMemorySize=1g'];
const WARM_UP_SECONDS = 10;
/** Of the issue. */
const RATIO_MAX = 2;

interface Case {
  readonly name: string;
  readonly groups: number;
  readonly rate: number;
}

interface Options {
  readonly cases: readonly [one: Case, many: Case, asMany: Case];
  readonly seconds: number;
  readonly rounds: number;
}

export async function groups(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      groups: { type: 'string', default: '50' },
      rate: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '6' },
      rounds: { type: 'string', default: '3' },
      makers: { type: 'string', default: 'hangar' },
    },
  });
  const count = Number(values.groups);
  const rate = Number(values.rate);
  const options: Options = {
    cases: [
      { name: `1 group, ${rate}/s`, groups: 1, rate },
      { name: `${count} groups, ${rate}/s`, groups: count, rate },
      { name: `1 group, ${rate * count}/s`, groups: 1, rate: rate * count },
    ],
    seconds: Number(values.seconds),
    rounds: Number(values.rounds),
  };
  console.log(
    `${dateAndMachine()}, one broker without a slave, ${options.seconds} s each, medians of ${options.rounds}\n`,
  );
  console.log('| broker | what | delivered | CPU a delivered message | p50 | p99 |\n|---|---|---|---|---|---|');
  for (const maker of values.makers.split(',')) await measure(maker as Maker, options);
}

function start(maker: Maker): Promise<Cluster> {
  return maker === 'apache'
    ? startApacheCluster({ topology: TOPOLOGY }, { brokerHeap: APACHE_HEAP })
    : hangarServers.startCluster({ topology: TOPOLOGY });
}

async function measure(maker: Maker, { cases, seconds, rounds }: Options): Promise<void> {
  const cluster = await start(maker);
  try {
    const generator = new Generator(undefined, {
      masters: cluster.brokers.map((broker) => broker.address),
      pids: cluster.pids,
    });
    const run = async (one: Case, topic: string, forSeconds: number): Promise<Figures> => {
      const figures = await generator.live(topic, one.groups, one.rate, forSeconds);
      const { sent, received, failed } = figures;
      if (Number(received) === Number(sent) * one.groups && failed === '0') return figures;
      throw new Error(`${maker}, ${one.name}: ${received} of ${sent} x ${one.groups} were received, ${failed} failed`);
    };
    await run(cases[1], 'warm', WARM_UP_SECONDS);
    const results = cases.map((): Figures[] => []);
    for (let round = 0; round < rounds; round++) {
      const order = [...cases.keys()];
      if (round % 2 === 1) order.reverse();
      for (const which of order) results[which]!.push(await run(cases[which]!, `live-${round}-${which}`, seconds));
    }
    for (const [which, one] of cases.entries()) print(maker, one, results[which]!);
    const [one, many, asMany] = results.map((figures) => figures.map(cpuOf)) as [number[], number[], number[]];
    for (const [what, base] of [
      [`${cases[1].name} / ${cases[0].name}`, one],
      [`${cases[1].name} / ${cases[2].name}`, asMany],
    ] as const) {
      const ratio = median(many.map((cpu, round) => cpu / base[round]!));
      console.log(`| ${maker} | ${what} | | ${ratio.toFixed(2)} (<= ${RATIO_MAX}) | | |`);
    }
  } finally {
    await cluster.stop();
  }
}

function cpuOf(figures: Figures): number {
  return Number(figures.cpu_us_per_msg);
}

function print(maker: Maker, { name, groups, rate }: Case, figures: readonly Figures[]): void {
  const [cpu, p50, p99] = [cpuOf, (one: Figures) => Number(one.p50_us), (one: Figures) => Number(one.p99_us)].map(
    (of) => median(figures.map(of)),
  ) as [number, number, number];
  const ms = (us: number): string => `${(us / 1000).toFixed(1)} ms`;
  console.log(`| ${maker} | ${name} | ${groups * rate} /s | ${cpu.toFixed(1)} µs | ${ms(p50)} | ${ms(p99)} |`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
