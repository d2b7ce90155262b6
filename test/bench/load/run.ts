/** Runs one load on its threads and gives the figures of the whole. */
import { Piscina } from 'piscina';
import { call } from '../../interop/harness/remoting.js';
import { nowMs } from './clock.js';
import { Control } from './control.js';
import { type Figures, line, merge, type PartFigures, quantiles } from './figures.js';
import { isStamped, type LoadOptions } from './options.js';
import type { Part } from './part.js';
import { scheduleFrom } from './schedule.js';

const CREATE_TOPIC = 17;
const SUCCESS = 0;
const READ_AND_WRITE = '6';

export interface Outcome {
  /** The last line: the keys of the neutral generator. */
  readonly line: string;
  /** What else should be known, a sentence each. */
  readonly notes: readonly string[];
}

export async function runLoad(options: LoadOptions): Promise<Outcome> {
  if (options.mode !== 'pull') await createTopic(options);
  const run = await runParts(withUsefulThreads(options));
  return { line: line(lastLine(options, run)), notes: notesOn(run.figures) };
}

async function createTopic({ brokers, topic, queues }: LoadOptions): Promise<void> {
  const count = String(queues);
  const fields = { topic, defaultTopic: 'TBW102', readQueueNums: count, writeQueueNums: count, perm: READ_AND_WRITE };
  for (const address of brokers) {
    const rest = { topicFilterType: 'SINGLE_TAG', topicSysFlag: '0', order: 'false' };
    const { code, remark } = await call(address, CREATE_TOPIC, { ...fields, ...rest });
    if (code !== SUCCESS) throw new Error(`${address} answered ${code} to the creation of topic ${topic}: ${remark}`);
  }
}

/** No thread without a connection. */
function withUsefulThreads(options: LoadOptions): LoadOptions {
  const isPerQueue = isStamped(options.mode);
  const connections = isPerQueue ? options.queues * options.brokers.length : options.conns;
  return { ...options, threads: Math.min(options.threads, connections) };
}

interface Run {
  readonly figures: Figures;
  readonly seconds: number;
  /** Of the processes that were asked for, in the measured time. */
  readonly cpuSeconds: number;
}

async function runParts(options: LoadOptions): Promise<Run> {
  const isPaced = options.rate > 0;
  const threads = options.threads + (isPaced ? 1 : 0);
  const pool = new Piscina({
    filename: new URL('./part.js', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
  });
  const control = new Control();
  // It needs Linux, and the rest does not.
  const cpuOf = options.pids.length === 0 ? undefined : (await import('./cpu-window.js')).cpuInWindow;
  const part = (index: number): Part => ({ options, shared: control.shared, index });
  try {
    const parts: Promise<PartFigures>[] = [];
    for (let index = 0; index < options.threads; index++) {
      parts.push(pool.run(part(index), { name: options.mode }));
    }
    const all = Promise.all([...parts, ...(isPaced ? [pool.run(part(threads), { name: 'pace' })] : [])]);
    await Promise.race([control.allReady(threads), all]);
    const beginMs = nowMs();
    control.begin(beginMs);
    const cpu = cpuOf?.(options.pids, scheduleFrom(beginMs, options));
    await all;
    const seconds = (nowMs() - beginMs) / 1000;
    return { figures: merge(await Promise.all(parts)), seconds, cpuSeconds: (await cpu) ?? 0 };
  } finally {
    await pool.destroy();
  }
}

function lastLine(options: LoadOptions, { figures, seconds, cpuSeconds }: Run): Record<string, string | number> {
  const { mode, conns, inflight, rate, groups, sizeBytes: size } = options;
  const { received, sent, failed, unsent, latencies } = figures;
  switch (mode) {
    case 'send': {
      const ok = figures.measured / options.seconds;
      const openLoop = rate > 0 ? { rate, unsent } : {};
      return { mode, conns, inflight, size, ...openLoop, ok_per_s: ok, failed, ...quantiles(latencies) };
    }
    case 'pull':
      return { mode, conns, msgs: received, msgs_per_s: received / seconds };
    case 'e2e':
      return { mode, rate, size, sent, received, failed, ...quantiles(latencies) };
    case 'live': {
      const cpu = options.pids.length > 0 ? { measured: figures.measured, cpu_ms: cpuSeconds * 1000 } : {};
      return { mode, groups, rate, size, sent, received, failed, unsent, ...cpu, ...quantiles(latencies) };
    }
  }
}

const BUSY_LIMIT = 0.95;

function notesOn(figures: Figures): string[] {
  const notes = figures.failures
    .list()
    .map(({ kind, count, remark }) => `${count} x ${kind}${remark === '' ? '' : `, the first: ${remark}`}`);
  if (figures.unsent > 0)
    notes.push(`${figures.unsent} messages were due and never sent: the server was too slow, or gone`);
  if (figures.busy > BUSY_LIMIT) {
    notes.push(`a load thread was ${(figures.busy * 100).toFixed(0)} % busy: more --threads may load more`);
  }
  return notes;
}
