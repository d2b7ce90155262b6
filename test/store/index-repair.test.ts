/** Index files after a crash: made whole from themselves, or built again from the log; no key is lost or found twice. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { indexKeyHashOf } from '../../src/message/java-hash.js';
import { Checkpoint } from '../../src/store/checkpoint.js';
import { FileCache } from '../../src/store/file-cache.js';
import { IndexFile, NEWEST } from '../../src/store/index-file.js';
import { IndexService } from '../../src/store/index-service.js';
import { repairIndexFile } from '../../src/store/index-repair.js';
import { type RecoveredStore, removeAbortFile } from '../../src/store/recovery.js';
import { leaveUnindexed } from '../../src/store/store-directory.js';
import { encodeRecord, START_MS, simulatedDisk } from './support.js';
import { FILE_BYTES, optionsFor, recover, recoverAll, ROOT, TestStore } from './test-store.js';

const SIZES = { slots: 7, entries: 50 };
const PATH = '/index';
const entryAt = (entry: number): number => 40 + SIZES.slots * 4 + entry * 20;

/** A file with `keys` keys of messages 1000, 1100, ...; two keys a message. */
function indexFile(disk: Disk, keys: number): Buffer {
  const file = new IndexFile(new FileCache(disk), PATH, SIZES);
  for (let n = 0; n < keys; n++) file.put(n * 31, 1_000 + 100 * (n >> 1), START_MS + 1_000 * (n >> 1));
  file.flush();
  return Buffer.from(disk.readFile(PATH)!);
}

function offsetsOf(disk: Disk, keys: number): number[] {
  const file = new IndexFile(new FileCache(disk), PATH, SIZES);
  return Array.from({ length: keys }, (_, n) => {
    const offsets: number[] = [];
    const question = { keyHash: n * 31, begin: 0, end: Number.MAX_SAFE_INTEGER, max: 10, offsets, readsLeft: 1_000 };
    assert.is(file.query(question, NEWEST), 0);
    assert.ok(offsets.length <= 1, `key ${n} is found once`);
    return offsets[0] ?? -1;
  });
}

const allOf = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, n) => 1_000 + 100 * ((from + n) >> 1));

const file = suite('index repair: a file');

file('links and slots that are missing or wrong are made again', () => {
  const { disk } = simulatedDisk();
  const whole = indexFile(disk, 20);
  const broken = Buffer.from(whole);
  for (let slot = 0; slot < SIZES.slots; slot++) broken.writeInt32BE(slot * 9, 40 + slot * 4);
  for (let entry = 1; entry <= 20; entry++) broken.writeInt32BE(entry === 7 ? 19 : 0, entryAt(entry) + 16);
  disk.writeFile(PATH, broken);
  assert.ok(repairIndexFile(disk, PATH, SIZES, Number.MAX_SAFE_INTEGER));
  // Nobody knows whether more keys of the last message were on their way.
  assert.equal(offsetsOf(disk, 20), [...allOf(0, 18), -1, -1]);
});

file('entries end in front of the limit, with all keys of the messages that stay', () => {
  const { disk } = simulatedDisk();
  indexFile(disk, 20);
  assert.ok(repairIndexFile(disk, PATH, SIZES, 1_500));
  assert.equal(offsetsOf(disk, 20).slice(0, 12), [...allOf(0, 10), -1, -1]);
  const { header } = new IndexFile(new FileCache(disk), PATH, SIZES);
  assert.equal([header.entries, header.beginOffset, header.endOffset], [11, 1_000, 1_400]);
  assert.ok(header.endTimestamp >= START_MS + 4_000 && header.endTimestamp < START_MS + 5_000);
  assert.ok(
    disk
      .readFile(PATH)!
      .subarray(entryAt(11))
      .every((byte) => byte === 0),
  );
});

for (const [what, hole] of [
  ['zeros', [200, 240]],
  ['a torn entry', [208, 212]],
  ['zeros to the end', [200, 400]],
] as const) {
  file(`entries end at ${what}`, () => {
    const { disk } = simulatedDisk();
    const broken = indexFile(disk, 20).fill(0, entryAt(1) + hole[0], entryAt(1) + hole[1]);
    disk.writeFile(PATH, broken);
    assert.ok(repairIndexFile(disk, PATH, SIZES, Number.MAX_SAFE_INTEGER));
    // Entry 11 is the first key of message 5; of the message before, no other key is known to have been put.
    assert.equal(offsetsOf(disk, 20), [...allOf(0, 8), ...Array<number>(12).fill(-1)]);
  });
}

file('keys go on behind what was kept, as in a file that was never broken', () => {
  const { disk } = simulatedDisk();
  const whole = indexFile(disk, 20);
  assert.ok(repairIndexFile(disk, PATH, SIZES, 1_500));
  const again = new IndexFile(new FileCache(disk), PATH, SIZES);
  for (let n = 10; n < 20; n++) again.put(n * 31, 1_000 + 100 * (n >> 1), START_MS + 1_000 * (n >> 1));
  again.flush();
  assert.equal(disk.readFile(PATH), whole);
});

file('a full file stays whole, one without keys is none', () => {
  const { disk } = simulatedDisk();
  const whole = indexFile(disk, 49);
  assert.ok(repairIndexFile(disk, PATH, SIZES, Number.MAX_SAFE_INTEGER));
  assert.equal(disk.readFile(PATH), whole);
  assert.not(repairIndexFile(disk, PATH, SIZES, 1_000));
});
file.run();

const store = suite('index repair: a store after a crash');

/** Messages with keys in several log files; the checkpoint vouches for all but the last file. */
function crashed(disk: Disk, count = 60): number[] {
  const first = new TestStore(disk);
  const offsets = Array.from({ length: count }, (_, i) => first.put({ properties: [['UNIQ_KEY', `U${i}`]] }));
  first.writeOut();
  first.kill();
  recoverAll(disk);
  // Only the newest file is walked, and no index file is vouched for.
  const checkpoint = Checkpoint.open(disk, `${ROOT}/checkpoint`);
  checkpoint.logTimestamp = START_MS + 60_000;
  checkpoint.consumeQueueTimestamp = START_MS + 60_000;
  checkpoint.indexTimestamp = 0;
  checkpoint.save();
  return offsets;
}

function assertAllFound(disk: Disk, offsets: readonly number[], what: string): void {
  const { index } = optionsFor(ROOT);
  const service = IndexService.open(new FileCache(disk), {
    directory: `${ROOT}/index`,
    slots: index!.slots,
    entries: index!.entries,
    clock: { now: () => START_MS, monotonic: () => 0, localHour: () => 0 },
    onFileSynced: () => {},
  });
  for (const [i, offset] of offsets.entries()) {
    const found = service.search(indexKeyHashOf('orders', `U${i}`), 0, START_MS + 1_000, 10).finish();
    assert.ok(found.includes(offset), `${what}: key U${i}`);
  }
}

for (const [what, damage] of [
  ['as the crash left it', () => undefined],
  ['without its last file', (disk: Disk) => disk.remove(`${ROOT}/index/${disk.list(`${ROOT}/index`).at(-1)}`)],
  [
    'without files',
    (disk: Disk) => {
      for (const name of disk.list(`${ROOT}/index`)) disk.remove(`${ROOT}/index/${name}`);
    },
  ],
  ['without its directory', (disk: Disk) => disk.removeTree(`${ROOT}/index`)],
  [
    'with a hole in the first file',
    (disk: Disk) => {
      const path = `${ROOT}/index/${disk.list(`${ROOT}/index`)[0]}`;
      disk.writeFile(path, Buffer.from(disk.readFile(path)!).fill(0, entryAt(20), entryAt(30)));
    },
  ],
] as const) {
  store(`every key is found again, index ${what}, though the walk begins behind most messages`, () => {
    const { disk } = simulatedDisk();
    const offsets = crashed(disk);
    damage(disk);
    const recovered = recoverAll(disk);
    assert.equal(recovered.problems, []);
    assertAllFound(disk, offsets, what);
    if (what === 'as the crash left it')
      assert.ok(recovered.scannedBytes < 2 * FILE_BYTES, `${recovered.scannedBytes}`);
  });
}

store('after a clean stop a missing index directory is built again, an empty one is not', () => {
  const { disk } = simulatedDisk();
  const offsets = crashed(disk);
  removeAbortFile(disk, ROOT);
  disk.removeTree(`${ROOT}/index`);
  const recovered = recoverAll(disk);
  assert.is(recovered.abnormal, false);
  assertAllFound(disk, offsets, 'built again');
  assert.ok(disk.stat(`${ROOT}/abort`) !== undefined);
  removeAbortFile(disk, ROOT);
  assert.ok(recoverAll(disk).scannedBytes < 200);
});
store.run();

const stopped = suite('index repair: a store that was closed in order before its index was complete');

/** Its index lacks everything. */
function closedWithoutIndex(disk: Disk): { readonly recovered: RecoveredStore; readonly offsets: number[] } {
  const first = new TestStore(disk);
  const offsets = Array.from({ length: 60 }, (_, i) => first.put({ properties: [['UNIQ_KEY', `U${i}`]] }));
  first.close();
  const recovered = recover(disk);
  leaveUnindexed(disk, ROOT, recovered.endOffset);
  return { recovered, offsets };
}

stopped('the next start reads no log and is told what the index lacks', () => {
  const { disk } = simulatedDisk();
  const { offsets } = closedWithoutIndex(disk);
  const { abnormal, scannedBytes, unindexed, problems } = recover(disk);
  assert.is(abnormal, false);
  assert.ok(scannedBytes < 200, `${scannedBytes}`);
  assert.equal(unindexed, { from: 0, indexedTo: -1 });
  assert.equal(problems, []);
  recoverAll(disk);
  assertAllFound(disk, offsets, 'completed');
});

stopped('a broker of others that used it and crashed is noticed by its messages, and by half a message', () => {
  for (const isWhole of [true, false]) {
    const { disk } = simulatedDisk();
    const { recovered, offsets } = closedWithoutIndex(disk);
    // It finds an abort file and leaves it as it is.
    const other = new TestStore(disk, recovered);
    if (isWhole) {
      offsets.push(other.put({ properties: [['UNIQ_KEY', 'U60']] }));
      other.writeOut();
    } else {
      const record = encodeRecord({ body: 'never acknowledged', queueOffset: 60, storeTimestamp: START_MS }, 0);
      other.log.files.write(record, 0, 40, recovered.endOffset);
    }
    other.kill();
    assert.match(disk.readFile(`${ROOT}/abort`)!.toString(), 'unindexed');
    const again = recoverAll(disk);
    assert.is(again.abnormal, true);
    assert.is(again.endOffset, other.log.endOffset);
    assert.is(again.truncatedFrom, isWhole ? undefined : recovered.endOffset);
    assertAllFound(disk, offsets, 'after a crash of others');
  }
});
stopped.run();
