/**
 * `load start-up`: from the command to "ready" on an empty store and free ports, and the memory that Hangar takes when
 * nothing happens. As this build's command line alone, with stores on disk and in memory, and through npm, as users type it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Child } from '../interop/harness/process.js';
import { residentBytes } from '../support/apache-proc.js';
import { hangarServers } from '../support/hangar.js';
import { repositoryRoot } from '../support/repository.js';
import { dateAndMachine } from './report.js';
import { MIB } from './scenarios.js';

const READY_MS = 30_000;

export async function startUp(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { times: { type: 'string', default: '5' }, 'idle-seconds': { type: 'string', default: '5' } },
  });
  const times = Number(values.times);
  const idleMs = Number(values['idle-seconds']) * 1000;
  const direct: number[] = [];
  const throughNpm: number[] = [];
  const inMemory: number[] = [];
  const idle: number[] = [];
  const idleInMemory: number[] = [];
  for (let n = 0; n < times; n++) {
    const start = await startDirectly(idleMs, false);
    direct.push(start.ms);
    idle.push(start.idleMib);
    const memory = await startDirectly(idleMs, true);
    inMemory.push(memory.ms);
    idleInMemory.push(memory.idleMib);
    throughNpm.push(await startThroughNpm());
  }
  console.log(`${dateAndMachine()}, median of ${times} (least to most)\n`);
  console.log('| what | figure |\n|---|---|');
  console.log(`| command to ready, \`node dist/src/cli.js up\` | ${spread(direct, 'ms')} |`);
  console.log(`| command to ready, \`npm start\` | ${spread(throughNpm, 'ms')} |`);
  console.log(`| command to ready, \`node dist/src/cli.js up --memory\` | ${spread(inMemory, 'ms')} |`);
  console.log(`| RSS idle, ${values['idle-seconds']} s after | ${spread(idle, 'MiB')} |`);
  console.log(`| RSS idle with --memory | ${spread(idleInMemory, 'MiB')} |`);
}

async function startDirectly(idleMs: number, inMemory: boolean): Promise<{ ms: number; idleMib: number }> {
  const startMs = performance.now();
  const cluster = await hangarServers.startCluster({ topology: '2m-2s-sync', inMemory });
  try {
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    return { ms: cluster.servingAtMs - startMs, idleMib: residentBytes(cluster.pids) / MIB };
  } finally {
    await cluster.stop();
  }
}

async function startThroughNpm(): Promise<number> {
  const cwd = repositoryRoot();
  const store = mkdtempSync(join(tmpdir(), 'hangar-start-up-'));
  const startMs = performance.now();
  const args = ['start', '--', '--ephemeral', '--store', store];
  const child = new Child({ name: 'npm start', file: 'npm', args, cwd });
  try {
    await child.waitForOutput(/^hangar is ready: /m, READY_MS);
    return performance.now() - startMs;
  } finally {
    await child.stop();
    rmSync(store, { recursive: true, force: true });
  }
}

function spread(values: readonly number[], unit: string): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [least, median, most] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!].map(Math.round);
  return `${median} ${unit} (${least} to ${most})`;
}
