import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { indexKeyHashOf } from '../../src/message/java-hash.js';
import { Checkpoint } from '../../src/store/checkpoint.js';
import { ConsumeQueue } from '../../src/store/consume-queue.js';
import { ENTRY, entryOffset } from '../../src/store/consume-queue-entry.js';
import { FileCache } from '../../src/store/file-cache.js';
import { IndexService } from '../../src/store/index-service.js';
import { StoreError } from '../../src/store/log-files.js';
import { lockStore } from '../../src/store/store-directory.js';
import type { RecoveredQueue } from '../../src/store/recovered-queues.js';
import { createAbortFile, type RecoveryProblem, recoverStore, removeAbortFile } from '../../src/store/recovery.js';
import { Ended, endingAfter } from './crash-campaign.js';
import { apacheFile, apacheStore, layOutApacheStore } from './fixture.js';
import { encodeRecord, HALF, realDisk, START_MS, simulatedDisk, sizeOf } from './support.js';
import {
  checkStore,
  FILE_BYTES,
  optionsFor,
  QUEUE_FILE_BYTES,
  recover,
  recoverAll,
  ROOT,
  TestStore,
} from './test-store.js';

const LOG = `${ROOT}/commitlog`;
const QUEUES = `${ROOT}/consumequeue`;
const texts = (problems: readonly RecoveryProblem[]): string[] => problems.map(({ text }) => text);
const fileName = (start: number): string => String(start).padStart(20, '0');

function rangeOf({ topic, queueId, minOffset, maxOffset }: RecoveredQueue): object {
  return { topic, queueId, minOffset, maxOffset };
}

const apache = suite('recovery: a store of Apache 4.9.7');

const APACHE = {
  fileBytes: apacheStore.options.fileBytes,
  queueFileBytes: apacheStore.options.queueFileBytes,
  index: { slots: apacheStore.options.indexSlots, entries: apacheStore.options.indexEntries, isSafe: false },
};
const APACHE_END = apacheStore.batch.physicalOffset + apacheStore.batch.bytes;
const APACHE_QUEUES = [
  { topic: 'SCHEDULE_TOPIC_XXXX', queueId: 2, minOffset: 0, maxOffset: 1 },
  { topic: 'orders', queueId: 0, minOffset: 0, maxOffset: 6 },
  { topic: 'orders', queueId: 1, minOffset: 0, maxOffset: 4 },
  { topic: 'payments', queueId: 0, minOffset: 0, maxOffset: 7 },
  { topic: 'payments', queueId: 1, minOffset: 0, maxOffset: 7 },
];

function assertEqualsApache(disk: Disk, part: string): void {
  for (const path of Object.keys(apacheStore.files)) {
    if (path.startsWith(part)) assert.equal(disk.readFile(`${ROOT}/${path}`), apacheFile(path), path);
  }
}

apache('after a clean stop: nothing is read twice and nothing changes', () => {
  const { disk } = simulatedDisk();
  layOutApacheStore(disk, ROOT, true);
  const recovered = recover(disk, APACHE);
  assert.is(recovered.minOffset, 0);
  assert.is(recovered.endOffset, APACHE_END);
  assert.equal(recovered.queues.map(rangeOf), APACHE_QUEUES);
  assert.is(recovered.abnormal, false);
  assert.is(recovered.truncatedFrom, undefined);
  assert.equal(recovered.problems, []);
  assert.is(recovered.dispatchedRecords, 0);
  assert.is(recovered.lastStoreTimestamp, lastStoreTimestamp());
  for (const part of ['consumequeue/', 'index/', 'commitlog/00000000000000000000', 'commitlog/00000000000000004096']) {
    assertEqualsApache(disk, part);
  }
});

/** Of the batch's records, read from the log itself. */
function lastStoreTimestamp(): number {
  const file = apacheFile('commitlog/00000000000000004096');
  return Number(file.readBigInt64BE(apacheStore.batch.physicalOffset - 4096 + 56));
}

apache('after a crash: queues and index are built again as Apache built them, the preallocated file goes', () => {
  const { disk } = simulatedDisk();
  layOutApacheStore(disk, ROOT, false);
  disk.removeTree(QUEUES);
  disk.removeTree(`${ROOT}/index`);
  const recovered = recoverAll(disk, APACHE);
  assert.is(recovered.abnormal, true);
  assert.is(recovered.endOffset, APACHE_END);
  const byName = [...recovered.queues].sort((a, b) => (`${a.topic}${a.queueId}` < `${b.topic}${b.queueId}` ? -1 : 1));
  assert.equal(byName.map(rangeOf), APACHE_QUEUES);
  assert.equal(disk.list(LOG), [fileName(0), fileName(4096)]);
  assertEqualsApache(disk, 'consumequeue/');
  const ownIndex = disk.list(`${ROOT}/index`).map((name) => disk.readFile(`${ROOT}/index/${name}`));
  const theirs = Object.keys(apacheStore.files).filter((path) => path.startsWith('index/'));
  assert.equal(ownIndex, theirs.map(apacheFile));
});

apache('without its checkpoint, and without its consume queues, which is told', () => {
  for (const isClean of [true, false]) {
    const { disk } = simulatedDisk();
    layOutApacheStore(disk, ROOT, isClean);
    disk.remove(`${ROOT}/checkpoint`);
    assert.equal(recover(disk, APACHE).queues.map(rangeOf), APACHE_QUEUES);
    assertEqualsApache(disk, 'consumequeue/');
    removeAbortFile(disk, ROOT);
    disk.removeTree(QUEUES);
    const recovered = recover(disk, APACHE);
    assert.equal(texts(recovered.problems), ['there are no consume queues: all are built again from the commit log']);
    assertEqualsApache(disk, 'consumequeue/');
  }
});

apache('after a crash with its queues in place gives the same', () => {
  const { disk } = simulatedDisk();
  layOutApacheStore(disk, ROOT, false);
  const recovered = recover(disk, APACHE);
  assert.equal(recovered.queues.map(rangeOf), APACHE_QUEUES);
  assert.equal(recovered.problems, []);
  assertEqualsApache(disk, 'consumequeue/');
});
apache.run();

const tails = suite('recovery: torn tails');

/** A store with a few messages, synced and crashed; the last record begins at `lastAt`. */
function crashedStore(disk: Disk): { lastAt: number; end: number; file: Buffer } {
  const store = new TestStore(disk);
  for (let i = 0; i < 5; i++) store.put({ topic: 'orders', queueId: 0, body: `message ${i}` });
  const lastAt = store.put({ topic: 'orders', queueId: 0, properties: [['KEYS', 'k']], body: 'the last one' });
  store.writeOut();
  const end = store.log.endOffset;
  store.flushQueues();
  store.kill();
  return { lastAt, end, file: Buffer.from(disk.readFile(`${LOG}/${fileName(0)}`)!) };
}

tails('a record torn at any byte is dropped, its queue offset is free again, and the rest of the file is zero', () => {
  const { disk } = simulatedDisk();
  const { lastAt, end, file } = crashedStore(disk);
  for (let tornAt = lastAt; tornAt < end; tornAt++) {
    // Zeros from there on; or noise, which only a checksum tells from properties, and they have none.
    const propertiesAt = end - 'KEYS=k'.length;
    for (const noise of tornAt < propertiesAt ? [0, 0x5a] : [0]) {
      const torn = Buffer.from(file);
      torn.fill(noise, tornAt, noise === 0 ? torn.length : end + 100);
      if (torn.equals(file)) continue;
      disk.writeFile(`${LOG}/${fileName(0)}`, torn);
      const recovered = recover(disk);
      assert.is(recovered.endOffset, lastAt, `torn at ${tornAt}`);
      assert.equal(recovered.queues.map(rangeOf), [{ topic: 'orders', queueId: 0, minOffset: 0, maxOffset: 5 }]);
      assert.equal(recovered.problems, []);
      const hasRemains = torn.subarray(lastAt).some((byte) => byte !== 0);
      assert.is(recovered.truncatedFrom, hasRemains ? lastAt : undefined);
      const after = disk.readFile(`${LOG}/${fileName(0)}`)!;
      assert.equal(after.subarray(0, lastAt), file.subarray(0, lastAt));
      assert.ok(after.subarray(lastAt).every((byte) => byte === 0));
    }
  }
});

tails('records behind a torn one never come back, not even when the log has grown up to them again', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  const offsets = Array.from({ length: 6 }, (_, i) => store.put({ body: `message ${i}` }));
  store.writeOut();
  store.kill();
  const path = `${LOG}/${fileName(0)}`;
  const file = Buffer.from(disk.readFile(path)!);
  file[offsets[2]! + 90]! ^= 1;
  disk.writeFile(path, file);
  const first = recover(disk);
  assert.is(first.endOffset, offsets[2]);
  assert.is(first.truncatedFrom, offsets[2]);
  assert.match(
    texts(first.problems).join(),
    `bad record (body checksum), but records follow at ${offsets[3]}: they are cut off (they had not been synced)`,
  );
  // One message of the same size: its end is where an old record began.
  const again = new TestStore(disk, first);
  again.put({ body: 'message x' });
  again.writeOut();
  assert.is(again.log.endOffset, offsets[3]);
  again.kill();
  assert.is(recover(disk).endOffset, offsets[3]);
});

tails('a half received record of a slave is dropped', () => {
  const { disk } = simulatedDisk();
  const record = encodeRecord({}, 0);
  const store = new TestStore(disk, undefined, { isFollower: true });
  assert.ok(store.log.appendRaw(record, 0, record.length - 3));
  store.kill();
  const recovered = recover(disk);
  assert.is(recovered.endOffset, 0);
  assert.equal(recovered.queues, []);
});
tails.run();

const missing = suite('recovery: what is missing');

/** Three files of messages in four queues, everything flushed; then a clean stop or a crash. */
function threeFiles(disk: Disk, isClean: boolean): TestStore {
  const store = new TestStore(disk);
  const put = (i: number): number =>
    store.put({ topic: i % 3 === 0 ? 'orders' : 'payments', queueId: i % 2, body: `message ${i}`.repeat(20) });
  let count = 0;
  while (store.log.files.count < 3) put(count++);
  for (let i = 0; i < 6; i++) put(count++);
  store.put({ topic: 'payments', queueId: 0 });
  store.writeOut();
  store.flushQueues();
  if (isClean) store.close();
  else store.kill();
  return store;
}

missing('all consume queues, though the checkpoint vouches for them', () => {
  for (const isClean of [true, false]) {
    const { disk } = simulatedDisk();
    const store = threeFiles(disk, isClean);
    vouch(disk, store.storeTimestamp + 60_000);
    disk.removeTree(QUEUES);
    const recovered = recover(disk);
    assert.equal(texts(recovered.problems), ['there are no consume queues: all are built again from the commit log']);
    assert.equal(new Map(recovered.queues.map((q) => [`${q.topic}-${q.queueId}`, q.maxOffset])), store.maxOffsets());
    for (const { minOffset } of recovered.queues) assert.is(minOffset, 0);
    checkStore(disk, recovered);
  }
});

missing('all consume queues, and the recovery that builds them is interrupted', () => {
  for (let calls = 20; calls < 400; calls += 20) {
    const { disk } = simulatedDisk();
    const store = threeFiles(disk, calls % 40 === 0);
    vouch(disk, store.storeTimestamp + 60_000);
    disk.removeTree(QUEUES);
    try {
      recoverStore(endingAfter(disk, calls), optionsFor(ROOT));
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
      disk.processKill();
    }
    const recovered = recover(disk);
    for (const { topic, minOffset } of recovered.queues) assert.is(minOffset, 0, `${topic} after ${calls} calls`);
    assert.equal(new Map(recovered.queues.map((q) => [`${q.topic}-${q.queueId}`, q.maxOffset])), store.maxOffsets());
    checkStore(disk, recovered);
  }
});

for (const isClean of [true, false]) {
  missing(`consume queues are built again after a ${isClean ? 'clean stop' : 'crash'}`, () => {
    const { disk } = simulatedDisk();
    const store = threeFiles(disk, isClean);
    disk.removeTree(QUEUES);
    const recovered = recover(disk);
    assert.is(recovered.endOffset, store.log.endOffset);
    assert.equal(new Map(recovered.queues.map((q) => [`${q.topic}-${q.queueId}`, q.maxOffset])), store.maxOffsets());
    checkStore(disk, recovered);
  });
}

missing('a clean stop reads one record', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, true);
  const recovered = recover(disk);
  assert.is(recovered.scannedBytes, sizeOf({ topic: 'payments' }));
  assert.is(recovered.endOffset, store.log.endOffset);
  assert.is(recovered.abnormal, false);
  assert.is(recovered.lastStoreTimestamp, store.storeTimestamp);
  assert.is(disk.stat(`${ROOT}/abort`), undefined);
});

missing('queues that the checkpoint vouches for but that lack entries are built again from the oldest file', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, false);
  vouch(disk, store.storeTimestamp + 60_000);
  // The queue's directory is as it was after its first message.
  const directory = `${QUEUES}/orders/0`;
  const first = Buffer.alloc(QUEUE_FILE_BYTES);
  disk.readFile(`${directory}/${fileName(0)}`)!.copy(first, 0, 0, 20);
  disk.removeTree(directory);
  disk.makeDirectory(directory);
  disk.writeFile(`${directory}/${fileName(0)}`, first);
  const recovered = recover(disk);
  assert.equal(texts(recovered.problems), [
    'consume queues miss entries that the checkpoint vouches for: all are built again',
  ]);
  checkStore(disk, recovered);
});

function vouch(disk: Disk, timestamp: number): void {
  const checkpoint = Checkpoint.open(disk, `${ROOT}/checkpoint`);
  checkpoint.logTimestamp = timestamp;
  checkpoint.consumeQueueTimestamp = timestamp;
  checkpoint.save();
}

missing('after a crash the walk begins at the newest file that the checkpoint vouches for', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, false);
  vouch(disk, store.storeTimestamp + 60_000);
  // Without an index: for keys of messages without any it would look at all of the log.
  const recovered = recover(disk, { index: undefined });
  assert.is(recovered.scannedBytes, store.log.endOffset - 2 * FILE_BYTES);
  checkStore(disk, recovered);
  // Recovery has synced everything and says so.
  assert.is(Checkpoint.open(disk, `${ROOT}/checkpoint`).minTimestamp, store.storeTimestamp - 3000);
});

missing('a log file in the middle: the log goes on behind it, and both ends are told', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, false);
  disk.remove(`${LOG}/${fileName(FILE_BYTES)}`);
  const recovered = recover(disk);
  assert.is(recovered.endOffset, store.log.endOffset);
  assert.equal(recovered.problems[0], {
    path: `${LOG}/${fileName(FILE_BYTES)}`,
    offset: FILE_BYTES,
    text: `is missing; the log goes on at ${2 * FILE_BYTES}`,
  });
  assert.match(texts(recovered.problems).join('\n'), 'messages before queue offset');
  assert.equal(new Map(recovered.queues.map((q) => [`${q.topic}-${q.queueId}`, q.maxOffset])), store.maxOffsets());
});

missing('a bad record in an older file: everything behind it is cut off, and that is told', () => {
  const { disk } = simulatedDisk();
  threeFiles(disk, false);
  const path = `${LOG}/${fileName(0)}`;
  const file = Buffer.from(disk.readFile(path)!);
  const size = file.readInt32BE(0);
  file.fill(0, size, size + 40);
  disk.writeFile(path, file);
  const recovered = recover(disk);
  assert.is(recovered.endOffset, size);
  assert.is(recovered.truncatedFrom, size);
  assert.is(recovered.problems.length, 1);
  assert.is(recovered.problems[0]!.path, path);
  assert.is(recovered.problems[0]!.offset, size);
  assert.match(recovered.problems[0]!.text, /no record, but records follow at \d+: they are cut off/);
  assert.equal(disk.list(LOG), [fileName(0)]);
  checkStore(disk, recovered);
});

missing('queues that are ahead of the log are cut, after a clean stop too', () => {
  const { disk } = simulatedDisk();
  threeFiles(disk, true);
  disk.remove(`${LOG}/${fileName(2 * FILE_BYTES)}`);
  const recovered = recover(disk);
  assert.is(recovered.endOffset, 2 * FILE_BYTES);
  assert.is(recovered.abnormal, true);
  checkStore(disk, recovered);
});

missing('the whole log: queues and index go too', () => {
  const { disk } = simulatedDisk();
  threeFiles(disk, true);
  disk.removeTree(LOG);
  const recovered = recover(disk);
  assert.is(recovered.endOffset, 0);
  assert.equal(recovered.queues, []);
  assert.match(texts(recovered.problems)[0]!, 'no commit log files');
  assert.equal(disk.list(QUEUES), []);
});

missing('nothing: an empty store is empty', () => {
  const { disk } = simulatedDisk();
  const recovered = recover(disk);
  assert.is(recovered.endOffset, 0);
  assert.equal(recovered.queues, []);
  assert.equal(recovered.problems, []);
  assert.is(recovered.abnormal, false);
});

missing('half of a file: an empty last one is completed, any other size is refused with the remedy', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, false);
  disk.writeFile(`${LOG}/${fileName(3 * FILE_BYTES)}`, '');
  assert.is(recover(disk).endOffset, store.log.endOffset);
  assert.equal(disk.list(LOG).length, 3);
  disk.writeFile(`${LOG}/${fileName(3 * FILE_BYTES)}`, Buffer.alloc(100));
  assert.throws(
    () => recover(disk),
    (error: Error) => error instanceof StoreError && /has 100 bytes.*configured.*4096/.test(error.message),
  );
});

missing('a stray file in the log directory is told and left alone', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, true);
  disk.writeFile(`${LOG}/.DS_Store`, 'x');
  const recovered = recover(disk);
  assert.is(recovered.endOffset, store.log.endOffset);
  assert.is(recovered.problems[0]!.path, `${LOG}/.DS_Store`);
  assert.is(disk.readFile(`${LOG}/.DS_Store`)!.toString(), 'x');
});

missing('stray files among the consume queues are told and left alone', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, true);
  const strays = [`${QUEUES}/orders/.DS_Store`, `${QUEUES}/orders/0/notes`, `${QUEUES}/orders/0/${fileName(0)}.tmp`];
  for (const path of strays) disk.writeFile(path, 'x');
  const recovered = recover(disk);
  assert.is(recovered.endOffset, store.log.endOffset);
  assert.equal(recovered.problems.map(({ path }) => path).sort(), strays.sort());
  checkStore(disk, recovered);
  for (const path of strays) assert.is(disk.readFile(path)!.toString(), 'x');
});

missing('the end of a consume queue file, in the middle of an entry: it is completed and built again', () => {
  for (const isClean of [true, false]) {
    const { disk } = simulatedDisk();
    threeFiles(disk, isClean);
    const directory = `${QUEUES}/payments/0`;
    const last = `${directory}/${disk.list(directory).at(-1)}`;
    disk.writeFile(last, disk.readFile(last)!.subarray(0, 47));
    const recovered = recover(disk);
    checkStore(disk, recovered);
    assert.is(disk.stat(last)!.bytes, QUEUE_FILE_BYTES);
  }
});

missing('the checkpoint: after a crash the whole log is read', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, false);
  vouch(disk, store.storeTimestamp + 60_000);
  disk.remove(`${ROOT}/checkpoint`);
  const recovered = recover(disk);
  assert.is(recovered.scannedBytes, store.log.endOffset);
  checkStore(disk, recovered);
});

missing('messages of leading files that retention deleted: min offsets follow', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, true);
  disk.remove(`${LOG}/${fileName(0)}`);
  const recovered = recover(disk);
  assert.is(recovered.minOffset, FILE_BYTES);
  assert.is(recovered.endOffset, store.log.endOffset);
  for (const queue of recovered.queues) assert.ok(queue.minOffset > 0, `${queue.topic}-${queue.queueId}`);
  checkStore(disk, recovered);
});
missing.run();

const rest = suite('recovery: the rest');

rest('half and rolled-back messages are in no queue', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  store.put({ topic: 'RMQ_SYS_TRANS_HALF_TOPIC', sysFlag: HALF.none });
  store.put({ topic: 'orders', sysFlag: HALF.prepared });
  store.put({ topic: 'orders', sysFlag: HALF.rollback });
  store.put({ topic: 'orders', sysFlag: HALF.commit });
  store.writeOut();
  store.kill();
  disk.removeTree(QUEUES);
  const recovered = recover(disk);
  assert.equal(
    new Map(recovered.queues.map((q) => [q.topic, q.maxOffset])),
    new Map([
      ['RMQ_SYS_TRANS_HALF_TOPIC', 1],
      ['orders', 1],
    ]),
  );
});

rest('a topic that was deleted and made again keeps the messages of its new life', () => {
  for (const isFlushed of [true, false]) {
    const { disk } = simulatedDisk();
    const store = new TestStore(disk);
    for (let i = 0; i < 12; i++) store.put({ topic: 'orders' });
    store.put({ topic: 'payments' });
    store.writeOut();
    store.deleteTopic('orders');
    const first = store.put({ topic: 'orders' });
    const second = store.put({ topic: 'orders' });
    store.writeOut();
    if (isFlushed) store.syncAll();
    store.kill();
    const { queues } = recover(disk);
    assert.equal(queues.map(({ topic, minOffset, maxOffset }) => [topic, minOffset, maxOffset]).sort(), [
      ['orders', 0, 2],
      ['payments', 0, 1],
    ]);
    const queue = ConsumeQueue.open(disk, new FileCache(disk), `${QUEUES}/orders/0`, QUEUE_FILE_BYTES);
    queue.recover(false);
    const entries = new Uint8Array(2 * ENTRY.bytes);
    assert.is(queue.read(0, 2, entries, 0), 2);
    assert.equal([entryOffset(entries, 0), entryOffset(entries, ENTRY.bytes)], [first, second]);
  }
});

/** The key index of the store, as a query sees it. */
function openIndex(disk: Disk): IndexService {
  const { index } = optionsFor(ROOT);
  return IndexService.open(new FileCache(disk), {
    directory: `${ROOT}/index`,
    slots: index!.slots,
    entries: index!.entries,
    clock: { now: () => START_MS, monotonic: () => 0, localHour: () => 0 },
    onFileSynced: () => {},
  });
}

rest('a clean stop behind a half message changes nothing, in the index either', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  store.put({ properties: [['UNIQ_KEY', 'U1']] });
  store.put({
    sysFlag: HALF.prepared,
    properties: [
      ['UNIQ_KEY', 'U2'],
      ['KEYS', 'a b'],
    ],
  });
  store.writeOut();
  store.kill();
  const crashed = recoverAll(disk);
  removeAbortFile(disk, ROOT);
  const path = `${ROOT}/index/${disk.list(`${ROOT}/index`)[0]}`;
  const before = Buffer.from(disk.readFile(path)!);
  const recovered = recoverAll(disk);
  assert.is(recovered.endOffset, crashed.endOffset);
  assert.is(recovered.abnormal, false);
  assert.is(recovered.scannedBytes, crashed.endOffset);
  assert.equal(disk.readFile(path), before);
  assert.is(disk.stat(`${ROOT}/abort`), undefined);
});

rest('an index file that is safe but knows messages that the log has lost is built again', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  // 49 keys fill a file.
  const offsets = Array.from({ length: 60 }, (_, i) => store.put({ properties: [['UNIQ_KEY', `U${i}`]] }));
  store.writeOut();
  store.kill();
  recoverAll(disk);
  assert.is(openIndex(disk).fileCount, 2);
  const checkpoint = Checkpoint.open(disk, `${ROOT}/checkpoint`);
  checkpoint.indexTimestamp = START_MS + 49;
  checkpoint.save();
  const fileStart = offsets[40]! - (offsets[40]! % FILE_BYTES);
  for (const name of disk.list(LOG)) if (Number(name) > fileStart) disk.remove(`${LOG}/${name}`);
  const log = Buffer.from(disk.readFile(`${LOG}/${fileName(fileStart)}`)!);
  disk.writeFile(`${LOG}/${fileName(fileStart)}`, log.fill(0, offsets[40]! - fileStart));
  const recovered = recoverAll(disk);
  assert.is(recovered.endOffset, offsets[40]);
  const index = openIndex(disk);
  assert.is(index.endPhysicalOffset, offsets[39]);
  const find = (i: number): readonly number[] =>
    index.search(indexKeyHashOf('orders', `U${i}`), 0, START_MS + 1000, 10).finish();
  for (let i = 0; i < 40; i++) assert.ok(find(i).includes(offsets[i]!), `key U${i}`);
  assert.equal(find(45), []);
});

rest('tells how far it is', () => {
  const { disk } = simulatedDisk();
  const store = threeFiles(disk, false);
  const told: [number, number][] = [];
  recoverStore(disk, optionsFor(ROOT), { onProgress: (done, total) => told.push([done, total]) });
  assert.equal(told.at(-1), [store.log.endOffset, 3 * FILE_BYTES]);
  for (const [done, total] of told) assert.ok(done <= total);
});

rest('the result can be sent to another thread', () => {
  const { disk } = simulatedDisk();
  threeFiles(disk, false);
  const recovered = recover(disk);
  assert.equal(structuredClone(recovered), recovered);
});

rest('the abort file and the lock on a real disk', () => {
  const real = realDisk();
  try {
    const root = `${real.root}/store`;
    const lock = lockStore(real.disk, root);
    assert.is(real.disk.readFile(`${root}/lock`)!.toString(), 'lock');
    assert.throws(
      () => lockStore(real.disk, root),
      (error: Error) => error instanceof StoreError && error.message.includes('in use by another broker'),
    );
    lock.release();
    lockStore(real.disk, root).release();
    createAbortFile(real.disk, root);
    assert.is(recoverStore(real.disk, optionsFor(root)).abnormal, true);
    removeAbortFile(real.disk, root);
    assert.is(recoverStore(real.disk, optionsFor(root)).abnormal, false);
  } finally {
    real.dispose();
  }
});

rest('works on a real disk', () => {
  const real = realDisk();
  try {
    const root = `${real.root}/store`;
    const store = new TestStore(real.disk, undefined, { root });
    for (let i = 0; i < 200; i++) store.put({ topic: 'orders', queueId: i % 4, body: 'x'.repeat(i * 7) });
    store.writeOut();
    store.kill();
    const recovered = recoverStore(real.disk, optionsFor(root));
    assert.is(recovered.endOffset, store.log.endOffset);
    assert.is(recovered.lastStoreTimestamp, START_MS + 200);
    checkStore(real.disk, recovered, root);
  } finally {
    real.dispose();
  }
});
rest.run();
