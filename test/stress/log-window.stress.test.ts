/**
 * One thread writes the log window as fast as it can, lap after lap; others read at random places, most of all where
 * it is about to be overwritten. Whatever a copy says is good must be intact, byte for byte.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { KIB } from '../../src/base/units.js';
import { LogWindow } from '../../src/store/log-window.js';

const WINDOW = 256 * KIB;
const RECORD_MAX = 16 * KIB;
const READERS = 2;
const RUN_MS = 1500;

interface Shared {
  readonly window: SharedArrayBuffer;
  /** [0]: 1 while the writer runs. */
  readonly control: SharedArrayBuffer;
  /** [0]: end of the log. */
  readonly end: SharedArrayBuffer;
}

interface ReaderReport {
  readonly intact: number;
  readonly refused: number;
  readonly torn: number;
}

/** Four bytes that belong to their offset and to no other within 2^32 of them. */
function wordAt(offset: number): number {
  return Math.imul(Math.floor(offset / 4) | 0, 0x9e3779b1) ^ 0x5bd1e995;
}

function write(shared: Shared): number {
  const window = LogWindow.attach(shared.window);
  const control = new Int32Array(shared.control);
  const ends = new BigInt64Array(shared.end);
  const random = prng(11);
  window.reset(0);
  let end = 0;
  const until = performance.now() + RUN_MS;
  Atomics.store(control, 0, 1);
  while (performance.now() < until) {
    // A turn: some records, then the end is published.
    for (let i = random.below(20); i >= 0; i--) {
      const length = 4 * (1 + random.below(random.chance(0.05) ? RECORD_MAX / 4 : 300));
      const at = window.reserve(end, length);
      for (let k = 0; k < length; k += 4) window.view.setInt32(at + k, wordAt(end + k));
      window.commit(end, length);
      end += length;
    }
    window.publishEnd(end);
    Atomics.store(ends, 0, BigInt(end));
  }
  Atomics.store(control, 0, 2);
  return end;
}

function read(shared: Shared, seed: number): ReaderReport {
  const window = LogWindow.attach(shared.window);
  const control = new Int32Array(shared.control);
  const ends = new BigInt64Array(shared.end);
  const random = prng(seed);
  const target = Buffer.alloc(RECORD_MAX);
  const view = new DataView(target.buffer, target.byteOffset, target.length);
  let intact = 0;
  let refused = 0;
  let torn = 0;
  while (Atomics.load(control, 0) < 2) {
    const end = Number(Atomics.load(ends, 0));
    // Around the oldest bytes that are still there, and anywhere.
    const back = random.chance(0.7) ? WINDOW - random.below(WINDOW / 3) : random.below(WINDOW);
    const offset = Math.max(0, end - back) & ~3;
    const length = 4 * (1 + random.below(random.chance(0.3) ? RECORD_MAX / 4 : 200));
    if (!window.copy(offset, length, target, 0)) {
      refused++;
      continue;
    }
    let at = 0;
    while (at < length && view.getInt32(at) === wordAt(offset + at)) at += 4;
    if (at < length) torn++;
    else intact++;
  }
  return { intact, refused, torn };
}

if (!isMainThread) {
  const { shared, seed } = workerData as { shared: Shared; seed: number };
  parentPort!.postMessage(seed === 0 ? write(shared) : read(shared, seed));
} else {
  const stress = suite('stress: log window on real threads');

  stress('copies that say they are good are intact', async () => {
    const window = LogWindow.create(WINDOW, RECORD_MAX, { shared: true });
    window.reset(0);
    const shared: Shared = {
      window: window.shared as SharedArrayBuffer,
      control: new SharedArrayBuffer(4),
      end: new SharedArrayBuffer(8),
    };
    const run = <T>(seed: number): Promise<T> =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), { workerData: { shared, seed } });
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    const readers = Array.from({ length: READERS }, (_, i) => run<ReaderReport>(i + 1));
    const end = await run<number>(0);
    const reports = await Promise.all(readers);
    assert.ok(end > 20 * WINDOW, 'the writer laps the readers');
    for (const report of reports) {
      const what = JSON.stringify(report);
      assert.is(report.torn, 0, what);
      assert.ok(report.intact > 100, what);
      assert.ok(report.refused > 0, what);
    }
  });
  stress.run();
}
