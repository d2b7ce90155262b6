/**
 * One RAM disk under real threads: a writer and readers that must never see half of a write, and threads that are ended
 * in the middle of whatever they do, while the others go on.
 */
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskError } from '../../src/base/disk.js';
import { prng } from '../../src/base/prng.js';
import { KIB, MIB } from '../../src/base/units.js';
import { whoOfThread } from '../../src/runtime/ram-disk/mounts.js';
import type { RamBuffers } from '../../src/runtime/ram-disk/memory.js';
import { createRamDisk, RamDisk } from '../../src/runtime/ram-disk/ram-disk.js';
import { withoutCompilersOnOtherThreads } from '../support/compilers.js';
import { seedOf } from '../support/seed.js';
import { within } from '../support/within.js';

type Mode = 'write' | 'read' | 'churn';

interface Job {
  readonly mode: Mode;
  readonly buffers: RamBuffers;
  readonly seed: number;
  /** [0]: 1 when the others are to end. */
  readonly control: SharedArrayBuffer;
}

const RUN_MS = 1_500;
const BLOCK = 24 * KIB;
const BLOCKS = 8;
const READERS = 3;
const ROUNDS = 20;
const ENDED_WITHIN_MS = 10_000;

const clock = { now: () => Date.now() };
const later = (): void => assert.unreachable('nothing is synced here');
const diskOf = (buffers: RamBuffers): RamDisk => new RamDisk(buffers, { who: whoOfThread(threadId), clock, later });

// ---- in the threads

/** Blocks of one number each, in files that come and go: every write is in a place that somebody reads. */
function write({ buffers, seed, control }: Job): number {
  const disk = diskOf(buffers);
  const random = prng(seed);
  const block = new Int32Array(BLOCK / 4);
  const bytes = new Uint8Array(block.buffer);
  let written = 0;
  for (const until = performance.now() + RUN_MS; performance.now() < until; written++) {
    const file = disk.open('/shared', { create: true });
    block.fill(written);
    file.write(bytes, 0, BLOCK, random.below(BLOCKS) * BLOCK);
    if (random.chance(0.01)) file.truncate(random.below(BLOCKS) * BLOCK);
    if (random.chance(0.005)) disk.remove('/shared');
    file.close();
  }
  Atomics.store(new Int32Array(control), 0, 1);
  return written;
}

/** Counts whole blocks, and fails on one that is mixed. */
function read({ buffers, seed, control }: Job): number {
  const disk = diskOf(buffers);
  const random = prng(seed);
  const ends = new Int32Array(control);
  const block = new Int32Array(BLOCK / 4);
  const bytes = new Uint8Array(block.buffer);
  let whole = 0;
  while (Atomics.load(ends, 0) === 0) {
    let count = 0;
    try {
      const file = disk.open('/shared');
      count = file.read(bytes, 0, BLOCK, random.below(BLOCKS) * BLOCK);
      file.close();
    } catch (error) {
      if (!(error instanceof DiskError && error.code === 'ENOENT')) throw error;
    }
    if (count < BLOCK) continue;
    if (block.some((word) => word !== block[0])) throw new Error(`a block of ${block[0]} and others`);
    whole++;
  }
  return whole;
}

/** Every kind of call, without end. */
function churn({ buffers, seed }: Job): never {
  const disk = diskOf(buffers);
  const random = prng(seed);
  const content = Buffer.alloc(64 * KIB, 1 + (seed % 250));
  const pathFrom = (): string => `/churn/${random.below(3)}/${random.below(6)}`;
  for (let i = 0; i < 3; i++) disk.makeDirectory(`/churn/${i}`);
  parentPort!.postMessage('runs');
  for (;;) {
    try {
      const path = pathFrom();
      const kind = random.below(8);
      if (kind < 4) {
        const file = disk.open(path, { create: true });
        file.write(content, 0, 1 + random.below(content.length), random.below(200_000));
        if (kind === 0) file.truncate(random.below(100_000));
        file.close();
      } else if (kind < 6) disk.rename(path, pathFrom());
      else disk.remove(path);
    } catch (error) {
      if (!(error instanceof DiskError && error.code === 'ENOENT')) throw error;
    }
  }
}

if (!isMainThread) {
  const job = workerData as Job;
  const run = { write, read, churn }[job.mode];
  parentPort!.postMessage(run(job));
}

// ---- in the test

function start(mode: Mode, buffers: RamBuffers, seed: number, control = new SharedArrayBuffer(4)): Worker {
  const job: Job = { mode, buffers, seed, control };
  return new Worker(new URL(import.meta.url), { workerData: job });
}

function answerOf(worker: Worker): Promise<unknown> {
  const answer = new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return within(ENDED_WITHIN_MS, 'a word of the thread', answer);
}

if (isMainThread) {
  withoutCompilersOnOtherThreads();

  const stress = suite('RAM disk on real threads');

  stress('readers see whole writes, whatever is truncated, removed and made anew meanwhile', async () => {
    const seed = seedOf('one writer, several readers');
    const buffers = createRamDisk(4 * MIB, clock);
    const control = new SharedArrayBuffer(4);
    const writer = start('write', buffers, seed, control);
    const readers = Array.from({ length: READERS }, (_, i) => start('read', buffers, seed + 1 + i, control));
    const [written, ...seen] = (await Promise.all([writer, ...readers].map(answerOf))) as number[];
    assert.ok(written! > 1_000, `${written} writes`);
    for (const whole of seen) assert.ok(whole > 100, `${whole} blocks read`);
  });

  stress('threads are ended in the middle of calls: the others go on, and nothing is lost', async () => {
    const seed = seedOf('threads that end');
    const random = prng(seed);
    const buffers = createRamDisk(16 * MIB, clock);
    const main = diskOf(buffers);
    const workers: Worker[] = [];
    const add = async (): Promise<void> => {
      const worker = start('churn', buffers, random.below(2 ** 31));
      workers.push(worker);
      assert.is(await answerOf(worker), 'runs');
    };
    let repairs = 0;
    try {
      await add();
      await add();
      for (let round = 0; round < ROUNDS; round++) {
        const [victim] = workers.splice(random.below(2), 1);
        const who = whoOfThread(victim!.threadId);
        const exited = new Promise((resolve) => victim!.once('exit', resolve));
        await new Promise((resolve) => setTimeout(resolve, random.below(10)));
        await victim!.terminate();
        await exited;
        if (main.forget(who)) repairs++;
        for (const directory of main.list('/churn')) {
          for (const name of main.list(`/churn/${directory}`)) main.readFile(`/churn/${directory}/${name}`);
        }
        await add();
      }
    } finally {
      for (const worker of workers) {
        const who = whoOfThread(worker.threadId);
        await worker.terminate();
        main.forget(who);
      }
    }
    console.log(`${repairs} of ${ROUNDS} threads were ended in the middle of a call`);
    assert.ok(repairs > 0, 'some were in the middle of a call');
    main.removeTree('/churn');
    const [used, page] = [main.usage('/').usedBytes, 4 * KIB];
    assert.ok(used <= 3 * page, `SEED=${seed}: ${used / page} pages are left of an empty disk`);
  });

  stress.run();
}
