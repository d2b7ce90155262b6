import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Disk, DiskError } from '../../src/base/disk.js';
import { prng } from '../../src/base/prng.js';
import { FileCache } from '../../src/store/file-cache.js';
import { BATCH_KEYS_MAX } from '../../src/store/index-batch.js';
import { entryAt, INDEX_ENTRY, IndexHeader, indexFileBytes, slotAt } from '../../src/store/index-layout.js';
import { IndexService, localTimeName } from '../../src/store/index-service.js';
import { StoreError } from '../../src/store/log-files.js';
import { realDisk, simulatedDisk, START_MS } from './support.js';

const DIRECTORY = '/store/index';
const FOREVER = Number.MAX_SAFE_INTEGER;

interface Opened {
  readonly index: IndexService;
  readonly synced: (readonly [endTimestamp: number, code: string | undefined])[];
}

interface OpenOptions {
  readonly slots?: number;
  readonly entries?: number;
  readonly directory?: string;
  readonly now?: () => number;
  readonly monotonic?: () => number;
  readonly cache?: FileCache;
}

function open(disk: Disk, options: OpenOptions = {}): Opened {
  const { slots = 50, entries = 11, directory = DIRECTORY, cache = new FileCache(disk) } = options;
  const now = options.now ?? (() => START_MS);
  const monotonic = options.monotonic ?? now;
  const synced: Opened['synced'] = [];
  const index = IndexService.open(cache, {
    directory,
    slots,
    entries,
    clock: { now, monotonic, localHour: () => 0 },
    onFileSynced: (endTimestamp, error) => synced.push([endTimestamp, error?.code]),
  });
  return { index, synced };
}

/** Key n: message at 1,000 + 100 n, stored n seconds after the start. */
function put(index: IndexService, from: number, to: number, hashOf: (n: number) => number = (n) => n): void {
  for (let n = from; n < to; n++) index.put(hashOf(n), 1_000 + 100 * n, START_MS + 1_000 * n);
}

const service = suite('index service');

service('finds a message by key, newest first, in the time asked for', () => {
  const { disk } = simulatedDisk();
  const { index } = open(disk, { entries: 100 });
  put(index, 0, 30, (n) => n % 3);
  for (const state of ['waiting', 'in the file']) {
    assert.equal(index.search(1, 0, FOREVER, 64).finish().length, 10, state);
    assert.equal(index.search(1, 0, FOREVER, 3).finish(), [3_800, 3_500, 3_200], state);
    assert.equal(index.search(1, START_MS + 7_000, START_MS + 13_000, 64).finish(), [2_300, 2_000, 1_700], state);
    assert.equal(index.search(5, 0, FOREVER, 64).finish(), [], state);
    index.flush();
    assert.is(index.pendingKeys, 0);
  }
});

function overwrite(disk: Disk, position: number, bytes: Uint8Array): void {
  const [name] = disk.list(DIRECTORY);
  const file = disk.open(`${DIRECTORY}/${name}`);
  file.write(bytes, 0, bytes.length, position);
  file.close();
}

service('an entry that leads nowhere is passed over', () => {
  const { disk } = simulatedDisk();
  const { index } = open(disk, { entries: 100 });
  put(index, 0, 3, () => 7);
  index.flush();
  overwrite(disk, entryAt({ slots: 50, entries: 100 }, 2) + INDEX_ENTRY.commitLogOffset, Buffer.alloc(8, 0x71));
  assert.equal(open(disk, { entries: 100 }).index.search(7, 0, FOREVER, 64).finish(), [1_200, 1_000]);
});

service('keys of one slot do not hide each other', () => {
  const { disk } = simulatedDisk();
  const { index } = open(disk, { slots: 1, entries: 100 });
  put(index, 0, 30);
  index.flush();
  put(index, 30, 60);
  for (let n = 0; n < 60; n++) assert.equal(index.search(n, 0, FOREVER, 64).finish(), [1_000 + 100 * n]);
});

service('a full file is followed by another, and both answer', () => {
  const { disk, advance } = simulatedDisk();
  const { index, synced } = open(disk);
  put(index, 0, 25, () => 7);
  assert.is(index.fileCount, 3);
  const first = disk.stat(`${DIRECTORY}/${disk.list(DIRECTORY)[0]}`)!;
  assert.is(first.bytes, indexFileBytes({ slots: 50, entries: 11 }));
  assert.equal(
    index.search(7, 0, FOREVER, 64).finish(),
    Array.from({ length: 25 }, (_, n) => 3_400 - 100 * n),
  );
  assert.equal(index.search(7, START_MS, START_MS + 4_000, 64).finish(), [1_400, 1_300, 1_200, 1_100, 1_000]);
  assert.is(synced.length, 0);
  advance(10);
  assert.equal(synced, [
    [START_MS + 9_000, undefined],
    [START_MS + 19_000, undefined],
  ]);
});

service('a search in pieces: other keys come and old files go meanwhile', () => {
  const { disk } = simulatedDisk();
  const { index } = open(disk);
  put(index, 0, 25, () => 7);
  index.flush();
  const search = index.search(7, 0, FOREVER, 64);
  assert.is(search.step(4), false);
  const newest = search.offsets.length;
  assert.ok(newest > 0 && newest <= 5, String(newest));
  put(index, 25, 45, () => 7);
  index.flush();
  assert.is(index.deleteBefore(2_000), 1);
  let pieces = 1;
  for (; !search.step(4); pieces++) assert.ok(pieces < 20);
  assert.ok(pieces > 3, 'no more than four reads a piece');
  assert.equal(
    search.offsets,
    Array.from({ length: 15 }, (_, n) => 3_400 - 100 * n),
    'all that was there at the beginning and still is',
  );
});

service('files are named after local time, in order even when the clock goes back', () => {
  const { disk } = simulatedDisk();
  const times = [START_MS, START_MS, START_MS - 3_600_000, START_MS + 5_000];
  const { index } = open(disk, { entries: 2, now: () => times.shift()! });
  put(index, 0, 4);
  const names = disk.list(DIRECTORY);
  const start = localTimeName(START_MS);
  assert.match(start, /^2023111\d{10}$/);
  assert.equal(names, [start, String(BigInt(start) + 1n), String(BigInt(start) + 2n), localTimeName(START_MS + 5_000)]);
});

service('messages in front of the one indexed last are skipped, its own further keys are not', () => {
  const { disk } = simulatedDisk();
  const { index } = open(disk, { entries: 100 });
  put(index, 0, 10);
  assert.is(index.endPhysicalOffset, 1_900);
  assert.is(index.endTimestamp, START_MS + 9_000);
  put(index, 0, 9);
  assert.is(index.pendingKeys, 10);
  index.put(99, 1_900, START_MS + 9_000);
  assert.equal(index.search(99, 0, FOREVER, 64).finish(), [1_900]);
});

service('is read again after a clean stop', () => {
  const { disk } = simulatedDisk();
  const before = open(disk);
  put(before.index, 0, 25);
  before.index.sync();
  before.index.close();
  assert.is(disk.openFiles(), 0);
  const { index } = open(disk);
  assert.is(index.fileCount, 3);
  assert.is(index.endPhysicalOffset, 3_400);
  put(index, 20, 24);
  assert.is(index.pendingKeys, 0);
  put(index, 25, 30);
  for (let n = 0; n < 30; n++) assert.equal(index.search(n, 0, FOREVER, 64).finish(), [1_000 + 100 * n]);
});

service('after a crash, files that were not full and synced go, and empty ones', () => {
  const { disk } = simulatedDisk();
  const before = open(disk);
  put(before.index, 0, 25);
  before.index.flush();
  disk.processKill();
  const path = `${DIRECTORY}/${String(BigInt(disk.list(DIRECTORY).at(-1)!) + 5n)}`;
  disk.writeFile(path, '');
  const { index } = open(disk);
  assert.is(index.fileCount, 4);
  index.dropUnsafe(START_MS + 19_000);
  assert.is(index.fileCount, 2);
  assert.is(disk.list(DIRECTORY).length, 2);
  assert.is(index.endPhysicalOffset, 2_900);
  put(index, 0, 19);
  put(index, 20, 25);
  for (let n = 0; n < 25; n++) assert.equal(index.search(n, 0, FOREVER, 64).finish(), [1_000 + 100 * n]);
  index.dropUnsafe(0);
  assert.is(index.fileCount, 0);
  assert.is(index.endPhysicalOffset, 0);
});

service(
  'a file that follows another says so before it has keys, for Apache to go on behind the other after a crash',
  () => {
    const { disk } = simulatedDisk();
    const { index } = open(disk);
    put(index, 0, 11);
    index.discard();
    const [full, next] = disk.list(DIRECTORY).map((name) => {
      const header = new IndexHeader();
      const bytes = disk.readFile(`${DIRECTORY}/${name}`)!;
      header.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
      return header;
    });
    assert.is(full!.entries, 11);
    const { endTimestamp, endOffset } = full!;
    assert.equal(
      { ...next },
      { ...new IndexHeader(), beginTimestamp: endTimestamp, endTimestamp, beginOffset: endOffset, endOffset },
    );
  },
);

service('leading files go with their messages, the last one stays', () => {
  const { disk } = simulatedDisk();
  const { index } = open(disk);
  put(index, 0, 25);
  assert.is(index.deleteBefore(1_900), 0);
  assert.is(index.deleteBefore(1_901), 1);
  assert.is(index.deleteBefore(99_999), 1);
  assert.is(index.fileCount, 1);
  assert.is(disk.list(DIRECTORY).length, 1);
  put(index, 25, 28);
  assert.equal(index.search(27, 0, FOREVER, 64).finish(), [3_700]);
});

service('files of other sizes are refused with the remedy, other names left alone', () => {
  const { disk } = simulatedDisk();
  const before = open(disk);
  put(before.index, 0, 3);
  before.index.close();
  disk.writeFile(`${DIRECTORY}/notes.txt`, 'x');
  assert.throws(
    () => open(disk, { entries: 12 }),
    (error: Error) => error instanceof StoreError && /maxIndexNum/.test(error.message),
  );
  assert.is(open(disk).index.fileCount, 1);
});

service('a file that could not be synced is reported', () => {
  const { disk, advance } = simulatedDisk();
  const { index, synced } = open(disk);
  disk.inject({ operation: 'sync', pathPart: localTimeName(START_MS), code: 'EIO', times: 1 });
  put(index, 0, 15);
  advance(10);
  assert.equal(synced, [[START_MS + 9_000, 'EIO']]);
});

service('what was reported as synced survives every power loss', () => {
  for (let seed = 0; seed < 40; seed++) {
    const { disk, advance } = simulatedDisk();
    const random = prng(seed);
    const before = open(disk, { slots: 2_000, entries: 200 });
    put(before.index, 0, 150 + random.below(500));
    if (random.chance(0.7)) advance(10);
    if (random.chance(0.5)) disk.writeBack(random);
    const safe = before.synced.at(-1)?.[0] ?? 0;
    disk.crash(random);
    const { index } = open(disk, { slots: 2_000, entries: 200 });
    index.dropUnsafe(safe);
    assert.is(index.endTimestamp, safe, `SEED=${seed}`);
    for (let n = 0; START_MS + 1_000 * n <= safe; n++) {
      assert.equal(index.search(n, 0, FOREVER, 64).finish(), [1_000 + 100 * n], `SEED=${seed}`);
    }
  }
});

service('tick lets keys wait for others, then writes them in pieces', () => {
  const { disk } = simulatedDisk();
  let nowMs = 0;
  const { index } = open(disk, { entries: 1_000, monotonic: () => nowMs });
  assert.is(index.tick(), false);
  put(index, 0, 10);
  assert.is(index.tick(), false);
  nowMs = 4_999;
  put(index, 10, 20);
  assert.is(index.tick(), false);
  assert.is(index.pendingKeys, 20);
  nowMs = 5_000;
  assert.is(index.tick(), true);
  put(index, 20, 25);
  let pieces = 1;
  while (index.tick()) pieces++;
  assert.ok(pieces > 1);
  assert.is(index.pendingKeys, 5, 'what came meanwhile waits anew');
  nowMs = 9_999;
  assert.is(index.tick(), false);
  nowMs = 15_000;
  while (index.tick());
  assert.is(index.pendingKeys, 0);
});

service('a chain that leads forward, as damage may leave it, ends the walk', () => {
  const { disk } = simulatedDisk();
  const before = open(disk, { slots: 1, entries: 100 });
  put(before.index, 0, 10);
  before.index.close();
  const path = `${DIRECTORY}/${disk.list(DIRECTORY)[0]}`;
  const bytes = disk.readFile(path)!;
  // Entry 5 leads to entry 8.
  bytes.writeInt32BE(8, entryAt({ slots: 1, entries: 100 }, 5) + INDEX_ENTRY.previous);
  disk.writeFile(path, bytes);
  const { index } = open(disk, { slots: 1, entries: 100 });
  assert.equal(index.search(6, 0, FOREVER, 64).finish(), [1_600]);
  assert.equal(index.search(2, 0, FOREVER, 64).finish(), []);
});

service('two batches are all it holds, and nothing once they are in the file', () => {
  const { disk, root, dispose } = realDisk();
  try {
    const cache = new FileCache(disk);
    const { index } = open(disk, { slots: 5_000_000, entries: 20_000_000, directory: `${root}/index`, cache });
    const hashOf = (n: number): number => Math.imul(n + 1, 0x9e37_79b1) >>> 1;
    let most = 0;
    for (let from = 0; from < 4 * BATCH_KEYS_MAX; from += 1_000) {
      put(index, from, from + 1_000, hashOf);
      most = Math.max(most, index.pendingKeys);
    }
    assert.ok(most > BATCH_KEYS_MAX && most <= 2 * BATCH_KEYS_MAX, `${most}`);
    assert.ok(index.pendingKeys > 0);
    for (let n = 0; n < 4 * BATCH_KEYS_MAX; n += 997) {
      assert.ok(
        index
          .search(hashOf(n), 0, FOREVER, 64)
          .finish()
          .includes(1_000 + 100 * n),
        `key ${n}`,
      );
    }
    index.flush();
    assert.is(index.pendingKeys, 0);
    for (let n = 0; n < 4 * BATCH_KEYS_MAX; n += 997) {
      assert.ok(
        index
          .search(hashOf(n), 0, FOREVER, 64)
          .finish()
          .includes(1_000 + 100 * n),
        `key ${n}`,
      );
    }
    index.discard();
  } finally {
    dispose();
  }
});

service.run();

/** What Apache's walk answers, by looking at all keys: newest file first, and in each the chain of the key's slot. */
class Model {
  private readonly files: { begin: number; end: number; keys: { hash: number; offset: number; seconds: number }[] }[] =
    [];
  private lastOffset = 0;

  constructor(
    private readonly slots: number,
    private readonly keysPerFile: number,
  ) {}

  put(hash: number, offset: number, time: number): void {
    if (offset < this.lastOffset) return;
    let file = this.files.at(-1);
    if (file === undefined || file.keys.length === this.keysPerFile) {
      file = { begin: file?.end ?? 0, end: file?.end ?? 0, keys: [] };
      this.files.push(file);
    }
    const seconds = file.begin === 0 ? 0 : Math.max(0, Math.trunc((time - file.begin) / 1_000));
    if (file.keys.length === 0) file.begin = time;
    file.keys.push({ hash, offset, seconds });
    file.end = time;
    this.lastOffset = offset;
  }

  query(hash: number, begin: number, end: number, max: number): number[] {
    const offsets: number[] = [];
    for (const file of this.files.toReversed()) {
      // The ends of a file are store times of its first and last key; they may be the wrong way round.
      const holds = (time: number): boolean => time >= file.begin && time <= file.end;
      if ((begin < file.begin && end > file.end) || holds(begin) || holds(end)) {
        for (const key of file.keys.filter((one) => one.hash % this.slots === hash % this.slots).reverse()) {
          if (offsets.length >= max) break;
          const time = file.begin + key.seconds * 1_000;
          if (key.hash === hash && time >= begin && time <= end) offsets.push(key.offset);
          if (time < begin) break;
        }
      }
      if (file.begin < begin || offsets.length >= max) break;
    }
    return offsets;
  }
}

/** What the headers say of used slots must be so. */
function checkUsedSlots(disk: Disk, { directory, slots }: { directory: string; slots: number }): void {
  for (const name of disk.list(directory)) {
    const bytes = disk.readFile(`${directory}/${name}`)!;
    const header = new IndexHeader();
    header.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    let used = 0;
    for (let slot = 0; slot < slots; slot++) if (bytes.readInt32BE(slotAt(slot)) > 0) used++;
    assert.is(header.usedSlots, used, name);
  }
}

/**
 * Strategy: random keys, few enough to collide in slots and in hashes, in bursts that make regions sparse and dense;
 * pieces of write-behind, flushes, refused and partial writes and clean restarts in between. Invariant: every query
 * answers as the model does, whatever has reached the file.
 */
function randomRun(seed: number, steps: number, onRealDisk: boolean): void {
  const random = prng(seed);
  const simulated = onRealDisk ? undefined : simulatedDisk();
  const real = onRealDisk ? realDisk() : undefined;
  const disk = simulated?.disk ?? real!.disk;
  const slots = random.pick([1, 7, 1_000, 40_000, 100_000]);
  const keys = random.pick([20, 500, 3_000]);
  const hashes = random.pick([5, 100, 100_000]);
  let nowMs = 0;
  const options = {
    slots,
    entries: keys + 1,
    directory: `${real?.root ?? ''}/index`,
    cache: new FileCache(disk),
    monotonic: (): number => {
      nowMs += 3_000;
      return nowMs;
    },
  };
  let { index } = open(disk, options);
  const model = new Model(slots, keys);
  let offset = 1;
  let time = START_MS;
  let refused = (): void => {};
  /** An operation that may be refused is repeated until it is not. */
  const insist = (action: () => void): void => {
    for (let tries = 0; tries < 50; tries++) {
      try {
        return action();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        refused();
      }
    }
    assert.unreachable('refused for ever');
  };
  const actions: (() => void)[] = [
    () => {
      for (let n = random.pick([1, 10, 400]); n > 0; n--) {
        if (random.chance(0.8)) offset += random.below(1_000);
        time += random.below(2_000) - (random.chance(0.02) ? 5_000 : 0);
        const hash = random.below(hashes);
        insist(() => index.put(hash, offset, time));
        model.put(hash, offset, time);
      }
    },
    () => {
      for (let n = random.below(6); n > 0; n--) insist(() => index.tick());
    },
    () => insist(() => index.flush()),
    () => {
      insist(() => index.sync());
      index.close();
      index = open(disk, options).index;
    },
  ];
  if (simulated !== undefined) {
    actions.push(() => {
      const times = 1 + random.below(3);
      simulated.disk.inject({ operation: random.pick(['write', 'read']), pathPart: '/index/', code: 'EIO', times });
    });
    actions.push(() => {
      // A full disk takes a part of a write. Each refusal makes room for some pages, until it is enough.
      let pages = 1 + random.below(4);
      const used = 1e15 - simulated.disk.usage('/').availableBytes;
      refused = () => {
        pages *= 2;
        simulated.disk.setCapacity(pages > 1_000 ? Number.POSITIVE_INFINITY : used + pages * 4_096);
      };
      refused();
    });
  }
  try {
    for (let step = 0; step < steps; step++) {
      random.pick(actions)();
      // A fault lasts for the next operation.
      if (step % 2 === 1) {
        simulated?.disk.clearFaults();
        simulated?.disk.setCapacity(Number.POSITIVE_INFINITY);
        refused = () => {};
      }
      for (let n = 0; n < 5; n++) {
        const hash = random.below(hashes);
        const begin = random.pick([0, START_MS + random.below(time - START_MS + 1)]);
        const end = random.pick([FOREVER, begin + random.below(1_000_000)]);
        const max = random.pick([1, 5, 64]);
        insist(() => {
          assert.equal(
            index.search(hash, begin, end, max).finish(),
            model.query(hash, begin, end, max),
            `step ${step}`,
          );
        });
      }
    }
    insist(() => index.flush());
    checkUsedSlots(disk, options);
  } catch (error) {
    console.log(`SEED=${seed} on ${onRealDisk ? 'node:fs' : 'the simulated disk'}`);
    throw error;
  } finally {
    index.discard();
    real?.dispose();
  }
}

const randomized = suite('index: random operations against a model');

randomized('on the simulated disk, with refused reads and writes', () => {
  const seeds = process.env.SEED === undefined ? Array.from({ length: 60 }, (_, n) => n) : [Number(process.env.SEED)];
  for (const seed of seeds) randomRun(seed, 80, false);
});

randomized('on the real disk', () => {
  const seeds = process.env.SEED === undefined ? [1, 2, 3, 4, 5] : [Number(process.env.SEED)];
  for (const seed of seeds) randomRun(seed, 60, true);
});

randomized.run();
