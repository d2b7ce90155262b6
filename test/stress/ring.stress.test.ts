/** Rings and doorbells between real threads: order, torn reads, wrap-around, full rings, lost wake-ups. */
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB, MIB } from '../../src/base/units.js';
import { doorbellBytes } from '../../src/runtime/doorbell.js';
import { ringBytes } from '../../src/runtime/ring.js';
import { CONTROL } from '../../src/runtime/ring-layout.js';
import { within } from '../support/within.js';
import type { RingWorkerData, RingWorkerResult } from './ring-worker.js';

const LIMIT_MS = 30_000;

interface Setting {
  readonly capacity: number;
  readonly records: number;
  readonly batch: number;
  /** Where the cursors start, in units of 8 bytes. */
  readonly cursor: number;
}

async function transfer(setting: Setting): Promise<RingWorkerResult[]> {
  const ring = new SharedArrayBuffer(ringBytes(setting.capacity));
  const control = new Int32Array(ring, 0, CONTROL.bytes / 4);
  control[CONTROL.head] = setting.cursor;
  control[CONTROL.tail] = setting.cursor;
  const bells = new SharedArrayBuffer(doorbellBytes(2));
  const workers: Worker[] = [];
  const ends = (['writer', 'reader'] as const).map((role) => {
    const workerData: RingWorkerData = { role, ring, bells, records: setting.records, batch: setting.batch };
    const worker = new Worker(new URL('./ring-worker.js', import.meta.url), { workerData });
    workers.push(worker);
    return new Promise<RingWorkerResult>((resolve, reject) => {
      // An end that failed leaves the other one waiting: its error ends the test.
      worker.once('message', (result: RingWorkerResult) => {
        if (result.error === undefined) resolve(result);
        else reject(new Error(`${role}: ${result.error}`));
      });
      worker.once('error', reject);
    });
  });
  try {
    return await within(LIMIT_MS, 'the transfer', Promise.all(ends));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

const SETTINGS: Readonly<Record<string, Setting>> = {
  'a small ring, one record a batch: both ends park all the time': {
    capacity: 4 * KIB,
    records: 60_000,
    batch: 1,
    cursor: 0,
  },
  'a small ring over 2^31 units': { capacity: 4 * KIB, records: 200_000, batch: 7, cursor: 0x7fff_ffff - 1000 },
  'a small ring over 2^32 units': { capacity: 4 * KIB, records: 200_000, batch: 3, cursor: -1000 },
  'a middle ring with large batches': { capacity: 64 * KIB, records: 40_000, batch: 50, cursor: 0 },
  'a large ring with long records': { capacity: MIB, records: 4000, batch: 5, cursor: 0 },
};

const rings = suite('ring between threads');

for (const [name, setting] of Object.entries(SETTINGS)) {
  rings(`${name}: every record arrives in order and whole, and no wake-up is lost`, async () => {
    for (const result of await transfer(setting)) {
      if (setting.batch === 1) assert.ok(result.parked > 100, `${result.role} parked ${result.parked} times`);
    }
  });
}

rings.run();
