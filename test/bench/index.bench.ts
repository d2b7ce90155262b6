/**
 * Keys per second into the index, in files of Apache's default size (420 MB, sparse) on a real disk. Run it with
 * `node dist/test/bench/index.bench.js [keys]`. Beside it the obvious way: read the slot, write the entry, write the slot.
 */
import { systemClock } from '../../src/base/clock.js';
import { prng } from '../../src/base/prng.js';
import { FileCache } from '../../src/store/file-cache.js';
import { IndexService } from '../../src/store/index-service.js';
import { realDisk } from '../store/support.js';

const keys = Number(process.argv[2] ?? 2_000_000);
const sizes = { slots: 5_000_000, entries: 20_000_000 };

function report(what: string, count: number, seconds: number, more = ''): void {
  const rate = Math.round(count / seconds / 1_000);
  console.log(
    `${what.padEnd(28)} ${String(rate).padStart(6)} k keys/s   ${((seconds * 1e9) / count).toFixed(0)} ns${more}`,
  );
}

function written(): void {
  const { disk, root, dispose } = realDisk();
  try {
    const index = IndexService.open(new FileCache(disk), {
      ...sizes,
      directory: `${root}/index`,
      clock: systemClock,
      onFileSynced: () => {},
    });
    const random = prng(1);
    const hashes = Int32Array.from({ length: 1_000_000 }, () => random.below(0x7fff_ffff));
    const cpu = process.cpuUsage();
    const start = performance.now();
    const slices: number[] = [];
    for (let n = 0; n < keys; n += 100) {
      const before = performance.now();
      for (let m = n; m < n + 100; m++) index.put(hashes[m % hashes.length]!, m * 1_100, 1_700_000_000_000 + m);
      slices.push(performance.now() - before);
    }
    const seconds = (performance.now() - start) / 1_000;
    const used = process.cpuUsage(cpu);
    slices.sort((a, b) => a - b);
    const at = (part: number): string => `${slices[Math.floor(part * (slices.length - 1))]!.toFixed(3)} ms`;
    report('put, written behind', keys, seconds, `; 100 keys: p99 ${at(0.99)}, p99.9 ${at(0.999)}, max ${at(1)}`);
    console.log(
      `  CPU ${((used.user * 1_000) / keys).toFixed(0)} ns user, ${((used.system * 1_000) / keys).toFixed(0)} ns system a key`,
    );
    const flushStart = performance.now();
    const pending = index.pendingKeys;
    index.flush();
    report(`flush of ${pending}`, pending, (performance.now() - flushStart) / 1_000);
    const queries = 2_000;
    const queryStart = performance.now();
    let found = 0;
    for (let n = 0; n < queries; n++) found += index.search(hashes[n * 7]!, 0, 2e12, 32).finish().length;
    const queryUs = ((performance.now() - queryStart) * 1_000) / queries;
    console.log(`query                        ${queryUs.toFixed(1)} µs, ${(found / queries).toFixed(1)} found`);
    index.discard();
  } finally {
    dispose();
  }
}

function obvious(): void {
  const { disk, root, dispose } = realDisk();
  const count = Math.min(keys, 200_000);
  try {
    const file = disk.open(`${root}/index`, { create: true });
    file.truncate(420_000_040);
    const random = prng(1);
    const slot = new Uint8Array(4);
    const entry = new Uint8Array(20);
    const start = performance.now();
    for (let n = 0; n < count; n++) {
      const at = 40 + (random.below(0x7fff_ffff) % sizes.slots) * 4;
      file.read(slot, 0, 4, at);
      file.write(entry, 0, 20, 40 + sizes.slots * 4 + n * 20);
      file.write(slot, 0, 4, at);
    }
    report('three calls a key', count, (performance.now() - start) / 1_000);
    file.close();
  } finally {
    dispose();
  }
}

written();
obvious();
