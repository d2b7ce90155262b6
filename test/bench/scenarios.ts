/**
 * The scenarios of the comparison, against a cluster that runs, with a generator in a process of its own:
 *
 *     PATH send --brokers A,B --topic T --conns N --inflight N --size BYTES --seconds S --warm S   -> ok_per_s failed p50_us p99_us
 *     PATH pull --brokers A,B --topic T --conns N                                                  -> msgs msgs_per_s
 *     PATH e2e  --brokers A,B --topic T --rate N --size BYTES --seconds S --warm S                 -> sent received p50_us p99_us
 */
import { join } from 'node:path';
import { run } from '../interop/harness/process.js';
import { cpuSeconds, residentBytes } from '../support/apache-proc.js';
import type { Result } from './report.js';

export const BODY_BYTES = 1024;
const SEND_WARM_SECONDS = 1;
/** Groups have just connected, and code for them is not compiled. */
const LIVE_WARM_SECONDS = 2;
/** Memory "after load" is read when at least so many messages were stored. */
const LOADED_MESSAGES = 1_000_000;
export const MIB = 1024 * 1024;

export type Figures = Readonly<Record<string, string>>;

/** What is loaded. Without process ids (they belong to another machine) nothing is said of memory and CPU. */
export interface Target {
  readonly masters: readonly string[];
  readonly pids: readonly number[];
}

/** Runs a generator against one target: the one at `path`, or the project's own. */
export class Generator {
  /** Messages stored since the start, as far as the generator tells. */
  stored = 0;
  /** Sends that were refused while figures were taken. */
  failed = 0;
  readonly #file: string;
  readonly #args: readonly string[];
  /** New topics for each run: what is read again is what this run has sent. */
  readonly #suffix = Date.now().toString(36);

  constructor(
    path: string | undefined,
    readonly target: Target,
  ) {
    this.#file = path ?? process.execPath;
    this.#args = path === undefined ? [join(import.meta.dirname, 'load.js')] : [];
  }

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

  /** So many groups follow a topic at that rate; with process ids, also CPU a delivered message. */
  async live(topic: string, groups: number, rate: number, seconds: number): Promise<Figures> {
    const load = { groups, rate, size: BODY_BYTES, seconds, warm: LIVE_WARM_SECONDS };
    const { pids } = this.target;
    const figures = await this.#figures(
      'live',
      topic,
      pids.length === 0 ? load : { ...load, pid: pids.join(',') },
      seconds,
    );
    this.stored += Number(figures.sent);
    return figures;
  }

  async #figures(
    mode: string,
    topic: string,
    flags: Readonly<Record<string, number | string>>,
    seconds: number,
  ): Promise<Figures> {
    const pairs = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const where = ['--brokers', this.target.masters.join(','), '--topic', `${topic}-${this.#suffix}`];
    const args = [...this.#args, mode, ...where, ...pairs];
    const { code, stdout, stderr } = await run({ name: this.#file, file: this.#file, args }, (seconds + 60) * 1000);
    if (code !== 0) throw new Error(`${this.#file} ${args.join(' ')} ended with ${code}: ${stderr}`);
    const line = stdout.trim().split('\n').at(-1)!;
    process.stderr.write(`  ${line}${stderr === '' ? '' : `  (${stderr.trim().slice(0, 200)})`}\n`);
    const figures = Object.fromEntries(line.split(' ').map((pair) => pair.split('=') as [string, string]));
    this.failed += Number(figures.failed ?? 0);
    return figures;
  }
}

/** A third each of many senders, of senders with few in flight, and of senders with readers; then a catch-up read. */
export async function warmUp(generator: Generator, seconds: number): Promise<void> {
  const part = Math.ceil(seconds / 3);
  await generator.send('warm', 16, 8, part);
  await generator.send('warm', 64, 1, part);
  await generator.e2e('warm-held', 5_000, part);
  await generator.pull('warm');
  generator.failed = 0;
}

/** Adds its figures to `result`. */
export async function scenarios(generator: Generator, seconds: number, result: Result): Promise<void> {
  const { pids } = generator.target;
  // First, because it is also the one that counts CPU: its topic has exactly the messages that it sends.
  const cpuBefore = cpuSeconds(pids);
  const full = await generator.send('sends-512', 16, 32, seconds);
  const read = await generator.pull('sends-512');
  if (pids.length > 0) result.cpu = ((cpuSeconds(pids) - cpuBefore) / Number(read.msgs)) * 1e6;
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

  if (generator.failed > 0) process.stderr.write(`  ${generator.failed} sends refused while measuring\n`);
  if (pids.length === 0) return;
  while (generator.stored < LOADED_MESSAGES) await generator.send('fill', 16, 8, 5);
  result.loaded = residentBytes(pids) / MIB;
  process.stderr.write(`  ${Math.round(generator.stored)} messages stored\n`);
}
