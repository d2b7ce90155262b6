/**
 * Does a reader of old messages slow the senders? A broker with more log than is in memory, senders with and without one
 * reader of it, in turn, each time with the log's page cache dropped before:
 *
 *     node dist/test/bench/cold-reader.js [--gib 2] [--rounds 3] [--seconds 6] [--conns 16] [--inflight 8] [--readers 1]
 *
 * Linux, with `fincore` of util-linux to see that the cache is cold. The store is in the temporary directory.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Child, run } from '../interop/harness/process.js';
import { metric, oneBroker, temporaryDirectory, up } from '../support/hangar-process.js';
import { dateAndMachine, median } from './report.js';
import { BODY_BYTES, MIB } from './scenarios.js';

const STATUS_BLOCK_BYTES = 512;
const FILL_SECONDS = 3;

type Figures = Readonly<Record<string, string>>;

/** Bytes on the disk and bytes in the page cache. */
interface LogFacts {
  readonly bytes: number;
  readonly cachedBytes: number;
}

function logFiles(store: string): string[] {
  const directory = join(store, 'broker-a', 'commitlog');
  return readdirSync(directory).map((name) => join(directory, name));
}

function factsOf(files: readonly string[]): LogFacts {
  const cached = execFileSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', ...files], {
    encoding: 'utf8',
  });
  return {
    bytes: files.reduce((sum, file) => sum + statSync(file).blocks * STATUS_BLOCK_BYTES, 0),
    cachedBytes: cached.split('\n').reduce((sum, line) => sum + Number(line), 0),
  };
}

/** Without root: dd asks the kernel to forget the file after writing nothing to it. */
function dropCache(files: readonly string[]): void {
  for (const file of files) {
    execFileSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
  }
}

function load(mode: string, broker: string, topic: string, flags: Readonly<Record<string, number>>) {
  const pairs = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const args = [join(import.meta.dirname, 'load.js'), mode, '--brokers', broker, '--topic', topic, ...pairs];
  return { name: `load ${mode}`, file: process.execPath, args };
}

function figuresOf(stdout: string): Figures {
  const line = stdout.trim().split('\n').at(-1)!;
  return Object.fromEntries(line.split(' ').map((pair) => pair.split('=') as [string, string]));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      gib: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '6' },
      conns: { type: 'string', default: '16' },
      inflight: { type: 'string', default: '8' },
      readers: { type: 'string', default: '1' },
    },
  });
  const seconds = Number(values.seconds);
  const senders = {
    conns: Number(values.conns),
    inflight: Number(values.inflight),
    size: BODY_BYTES,
    seconds,
    warm: 1,
  };
  const store = temporaryDirectory();
  const hangar = await up('--config', oneBroker(), '--ephemeral', '--store', store);
  const broker = hangar.addresses.get('broker-a')!;
  const send = async (topic: string, forSeconds: number): Promise<Figures> => {
    const { stdout } = await run(load('send', broker, topic, { ...senders, seconds: forSeconds }), 120_000);
    return figuresOf(stdout);
  };
  try {
    const wanted = Number(values.gib) * 1024 * MIB;
    do await send('cold', FILL_SECONDS);
    while (factsOf(logFiles(store)).bytes < wanted);
    const alone: number[] = [];
    const beside: number[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const reads: string[] = [];
      for (const withReader of round % 2 === 0 ? [false, true] : [true, false]) {
        const files = logFiles(store);
        dropCache(files);
        const { bytes, cachedBytes } = factsOf(files);
        const before = await metric(hangar.metrics, 'hangar_messages_out_total', { topic: 'cold' });
        const startMs = performance.now();
        let readerMs = Number.POSITIVE_INFINITY;
        const reader = withReader
          ? new Child(load('pull', broker, 'cold', { conns: Number(values.readers) }))
          : undefined;
        const readerEnd = reader?.exited.then(() => {
          readerMs = performance.now() - startMs;
        });
        const { ok_per_s, p99_us } = await send('hot', seconds);
        const read = (await metric(hangar.metrics, 'hangar_messages_out_total', { topic: 'cold' })) - before;
        const elapsedMs = Math.min(readerMs, performance.now() - startMs);
        if (reader !== undefined) {
          reader.signal('SIGKILL');
          await readerEnd;
        }
        (withReader ? beside : alone).push(Number(ok_per_s));
        reads.push(
          `${withReader ? 'with' : 'without'} a reader ${ok_per_s}/s p99 ${p99_us} us, read ${read} in ${(elapsedMs / 1000).toFixed(1)} s, ` +
            `${(cachedBytes / MIB).toFixed(0)} of ${(bytes / MIB).toFixed(0)} MiB in the page cache before`,
        );
      }
      for (const line of reads) process.stderr.write(`  ${line}\n`);
    }
    const ratio = median(beside.map((rate, round) => rate / alone[round]!));
    console.log(`${dateAndMachine()}, one master, ${values.gib} GiB of log, bodies of 1 KiB, ${seconds} s each\n`);
    console.log(
      `| senders, ${values.conns} x ${values.inflight}, median of ${values.rounds} | sends a second |\n|---|---|`,
    );
    console.log(`| alone | ${median(alone).toFixed(0)} |`);
    console.log(`| while ${values.readers} reader(s) catch up from a cold log | ${median(beside).toFixed(0)} |`);
    console.log(`| ratio, median of the rounds (>= 0.8) | ${ratio.toFixed(2)} |`);
  } finally {
    hangar.child.signal('SIGTERM');
    await hangar.child.exited;
    rmSync(store, { recursive: true, force: true });
  }
}

await main();
