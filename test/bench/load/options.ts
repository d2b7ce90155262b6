/** What a run of the generator is asked to do. The flags have the names and defaults of the neutral one. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

export const MODES = ['send', 'pull', 'e2e', 'live'] as const;
export type Mode = (typeof MODES)[number];

export interface LoadOptions {
  readonly mode: Mode;
  /** Addresses of masters, host:port. */
  readonly brokers: readonly string[];
  readonly topic: string;
  /** Per broker; the topic is created with so many. */
  readonly queues: number;
  /** Connections over all brokers and threads. */
  readonly conns: number;
  /** Requests in flight per connection, at most. */
  readonly inflight: number;
  /** Of a message's body. */
  readonly sizeBytes: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  /** Messages per second over all connections; 0 is a closed loop: the next message leaves when an answer came. */
  readonly rate: number;
  /** Messages per pull, at most. */
  readonly batch: number;
  /** ROCKETMQ binary headers for sends instead of JSON. */
  readonly binary: boolean;
  /** Consumer groups that read the topic; none: it is only sent to. */
  readonly groups: number;
  /** Processes whose CPU time counts; none: it does not. */
  readonly pids: readonly number[];
  readonly threads: number;
}

/** `flag -> [default, what it means]`, in the order of the help. */
const FLAGS = {
  brokers: ['127.0.0.1:10911,127.0.0.1:10921', 'master addresses'],
  topic: ['load', 'created with --queues queues'],
  queues: ['8', 'queues per broker'],
  conns: ['16', 'connections in all'],
  inflight: ['32', 'requests in flight per connection'],
  size: ['1024', 'body bytes'],
  seconds: ['10', 'measured time'],
  warm: ['3', 'warm-up time, not counted'],
  rate: ['', 'messages per second, by intended time; send: closed loop when not given, else 2000'],
  batch: ['32', 'messages per pull'],
  binary: ['false', 'ROCKETMQ binary header instead of JSON (sends only)'],
  groups: ['1', 'consumer groups (live only)'],
  pid: ['', "the server's process ids, joined by commas: their CPU time (live only, Linux)"],
  threads: ['', 'threads that load; half of the cores when not given'],
} as const satisfies Record<string, readonly [string, string]>;

const STAMPED_RATE = 2000;
/** Where messages are received, their bodies begin with the time at which they were due to be sent. */
export const STAMP_BYTES = 8;

export function isStamped(mode: Mode): boolean {
  return mode === 'e2e' || mode === 'live';
}

export const FLAGS_HELP = Object.entries(FLAGS)
  .map(([name, [value, meaning]]) => `  --${name.padEnd(14)} ${meaning}${value === '' ? '' : ` (${value})`}`)
  .join('\n');

export function readOptions(mode: Mode, args: readonly string[]): LoadOptions {
  const { values } = parseArgs({ args: [...args], options: parserOptions(), strict: true });
  const text = (name: keyof typeof FLAGS): string => String(values[name] ?? FLAGS[name][0]);
  const number = (name: keyof typeof FLAGS, least: number, value = text(name)): number => {
    const parsed = Number(value);
    if (value === '' || !(parsed >= least))
      throw new Error(`--${name} ${value}: a number from ${least} on is expected`);
    return parsed;
  };
  const whole = (name: keyof typeof FLAGS, least: number, value = text(name)): number => {
    const parsed = number(name, least, value);
    if (!Number.isInteger(parsed)) throw new Error(`--${name} ${value}: a whole number is expected`);
    return parsed;
  };
  const brokers = text('brokers').split(',');
  for (const address of brokers) {
    if (!/^.+:\d+$/.test(address)) throw new Error(`--brokers ${address}: host:port is expected`);
  }
  return {
    mode,
    brokers,
    topic: text('topic'),
    queues: whole('queues', 1),
    conns: whole('conns', 1),
    inflight: whole('inflight', 1),
    sizeBytes: whole('size', isStamped(mode) ? STAMP_BYTES : 0),
    seconds: number('seconds', 0.1),
    warmSeconds: number('warm', 0),
    rate: isStamped(mode) || text('rate') !== '' ? number('rate', 1, text('rate') || String(STAMPED_RATE)) : 0,
    batch: whole('batch', 1),
    binary: text('binary') === 'true',
    groups: whole('groups', 0),
    pids: text('pid') === '' ? [] : text('pid').split(',').map(Number),
    threads: whole('threads', 1, text('threads') || String(Math.max(1, availableParallelism() >> 1))),
  };
}

function parserOptions(): Record<string, { type: 'string' | 'boolean' }> {
  return Object.fromEntries(
    Object.keys(FLAGS).map((name) => [name, { type: name === 'binary' ? 'boolean' : 'string' } as const]),
  );
}
