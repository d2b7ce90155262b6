/**
 * `load groups`: what a delivered message costs when many consumer groups follow a topic, against one group. Many groups
 * share what the sends cost, so the same is also told without that: a run in which nobody reads says how much it is. And a
 * group that gets few messages pays for waking threads that many groups wake together, so there is also one group that
 * gets as many messages a second as all groups do.
 */
import { parseArgs } from 'node:util';
import type { Cluster } from '../interop/harness/servers.js';
import type { Maker } from '../interop/harness/store-home.js';
import { startApacheCluster } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { dateAndMachine, median } from './report.js';
import { type Figures, Generator } from './scenarios.js';

const TOPOLOGY = 'single';
const APACHE_HEAP = ['-Xms1g', '-Xmx1g', '-XX:MaxDirectMemorySize=1g'];
const WARM_UP_SECONDS = 10;
/** Of the issue. */
const RATIO_MAX = 2;

interface Case {
  readonly groups: number;
  readonly rate: number;
}

interface Options {
  readonly one: Case;
  readonly many: Case;
  readonly oneWithAsMuch: Case;
  readonly seconds: number;
  readonly rounds: number;
}

/** Of the rounds of a case. */
interface Cost {
  /** Milliseconds of CPU a second. */
  readonly busy: number[];
  /** Microseconds of CPU a delivered message. */
  readonly whole: number[];
  /** The same, less what the sends alone cost. */
  readonly withoutSends: number[];
  readonly p50Us: number[];
  readonly p99Us: number[];
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
  const [count, rate, seconds, rounds] = [values.groups, values.rate, values.seconds, values.rounds].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const options: Options = {
    one: { groups: 1, rate },
    many: { groups: count, rate },
    oneWithAsMuch: { groups: 1, rate: rate * count },
    seconds,
    rounds,
  };
  console.log(`${dateAndMachine()}, one broker without a slave, ${seconds} s each, medians of ${rounds}\n`);
  console.log(
    '| broker | what | CPU | a delivered message | ... without the sends | p50 | p99 |\n|---|---|---|---|---|---|---|',
  );
  for (const maker of values.makers.split(',')) await measure(maker as Maker, options);
}

function start(maker: Maker): Promise<Cluster> {
  return maker === 'apache'
    ? startApacheCluster({ topology: TOPOLOGY }, { brokerHeap: APACHE_HEAP })
    : hangarServers.startCluster({ topology: TOPOLOGY });
}

async function measure(maker: Maker, options: Options): Promise<void> {
  const { one, many, oneWithAsMuch, seconds, rounds } = options;
  const cases = [one, many, oneWithAsMuch];
  const costs = cases.map((): Cost => ({ busy: [], whole: [], withoutSends: [], p50Us: [], p99Us: [] }));
  const cluster = await start(maker);
  try {
    const masters = cluster.brokers.map((broker) => broker.address);
    const generator = new Generator(undefined, { masters, pids: cluster.pids });
    await deliverAll(generator, 'warm', many, WARM_UP_SECONDS);
    for (let round = 0; round < rounds; round++) {
      const sendsOnly = await deliverAll(generator, `sends-${round}`, { groups: 0, rate: one.rate }, seconds);
      // What runs first in one round runs last in the next.
      const order = round % 2 === 0 ? [0, 1, 2] : [2, 1, 0];
      for (const which of order) {
        const figures = await deliverAll(generator, `live-${round}-${which}`, cases[which]!, seconds);
        note(costs[which]!, figures, seconds, which === 2 ? undefined : sendsOnly);
      }
    }
  } finally {
    await cluster.stop();
  }
  for (const [which, one] of cases.entries()) print(maker, one, costs[which]!);
  for (const base of [0, 2]) printRatio(maker, many, costs[1]!, cases[base]!, costs[base]!);
}

/** Fails when a group did not get every message: then the broker did less than it was asked for. */
async function deliverAll(generator: Generator, topic: string, one: Case, seconds: number): Promise<Figures> {
  const figures = await generator.live(topic, one.groups, one.rate, seconds);
  const { sent, received, failed, unsent } = figures;
  if (Number(received) === Number(sent) * one.groups && failed === '0' && unsent === '0') return figures;
  throw new Error(
    `${name(one)}: ${received} of ${sent} x ${one.groups} received, ${failed} failed, ${unsent} not sent`,
  );
}

function note(cost: Cost, figures: Figures, seconds: number, sendsOnly: Figures | undefined): void {
  const [cpuMs, delivered] = [Number(figures.cpu_ms), Number(figures.measured)];
  cost.busy.push(cpuMs / seconds);
  cost.whole.push((cpuMs * 1000) / delivered);
  if (sendsOnly !== undefined) cost.withoutSends.push(((cpuMs - Number(sendsOnly.cpu_ms)) * 1000) / delivered);
  cost.p50Us.push(Number(figures.p50_us));
  cost.p99Us.push(Number(figures.p99_us));
}

function name({ groups, rate }: Case): string {
  return `${groups} ${groups === 1 ? 'group' : 'groups'}, ${rate}/s`;
}

function print(maker: Maker, one: Case, { busy, whole, withoutSends, p50Us, p99Us }: Cost): void {
  const ms = (values: readonly number[]): string => `${(median(values) / 1000).toFixed(1)} ms`;
  const us = (values: readonly number[]): string => (values.length === 0 ? '' : `${median(values).toFixed(1)} µs`);
  const cpu = `${(median(busy) / 10).toFixed(0)} % of a core`;
  const latency = `${ms(p50Us)} | ${ms(p99Us)}`;
  console.log(`| ${maker} | ${name(one)} | ${cpu} | ${us(whole)} | ${us(withoutSends)} | ${latency} |`);
}

function printRatio(maker: Maker, many: Case, ofMany: Cost, base: Case, ofBase: Cost): void {
  const ratio = (of: (cost: Cost) => readonly number[]): string => {
    const ratios = of(ofBase).map((us, round) => of(ofMany)[round]! / us);
    return ratios.length === 0 ? '' : `${median(ratios).toFixed(2)} (≤ ${RATIO_MAX})`;
  };
  const cells = `${ratio((cost) => cost.whole)} | ${ratio((cost) => cost.withoutSends)}`;
  console.log(`| ${maker} | ${name(many)}, over ${name(base)} | | ${cells} | | |`);
}
