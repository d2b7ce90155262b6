import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Disk, DiskError, type DiskFile } from '../../src/base/disk.js';
import { InvariantError } from '../../src/base/invariant.js';
import { prng } from '../../src/base/prng.js';
import { KIB } from '../../src/base/units.js';
import { ConsumeQueue } from '../../src/store/consume-queue.js';
import {
  ENTRY,
  entryEnd,
  entryOffset,
  entrySize,
  entryTagsCode,
  isBlankEntry,
  writeEntry,
} from '../../src/store/consume-queue-entry.js';
import { FileCache } from '../../src/store/file-cache.js';
import { StoreError } from '../../src/store/log-files.js';
import { BUFFER_BYTES_MAX } from '../../src/store/write-behind.js';
import { realDisk, simulatedDisk } from './support.js';

/** 20 entries a file, so that files roll early. */
const FILE_BYTES = 400;
const PER_FILE = FILE_BYTES / ENTRY.bytes;
const DIRECTORY = '/store/consumequeue/orders/0';

/** Entries of messages of 100 bytes: queue offset n is at commit log offset `base + 100 n`. */
function entries(first: number, count: number, base = 0): Uint8Array {
  const bytes = new Uint8Array(count * ENTRY.bytes);
  for (let n = 0; n < count; n++) writeEntry(bytes, n * ENTRY.bytes, base + (first + n) * 100, 100, first + n);
  return bytes;
}

function open(disk: Disk, directory = DIRECTORY, cache = new FileCache(disk)): ConsumeQueue {
  return ConsumeQueue.open(disk, cache, directory, FILE_BYTES);
}

/** Commit log offsets of what a read returns. */
function offsetsFrom(queue: ConsumeQueue, queueOffset: number, maxEntries: number): number[] {
  const target = new Uint8Array(3 + maxEntries * ENTRY.bytes);
  const count = queue.read(queueOffset, maxEntries, target, 3);
  return Array.from({ length: count }, (_, n) => entryOffset(target, 3 + n * ENTRY.bytes));
}

/** All entries from minOffset on. */
function allOffsets(queue: ConsumeQueue): number[] {
  const offsets: number[] = [];
  for (let at = queue.minOffset; at < queue.maxOffset; ) {
    const some = offsetsFrom(queue, at, 7);
    assert.ok(some.length > 0, `an entry at ${at}`);
    offsets.push(...some);
    at += some.length;
  }
  return offsets;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => (from + n) * 100);

const layout = suite('consume queue: entries and files');

layout('an entry is 20 bytes: offset, size, tags code', () => {
  const bytes = new Uint8Array(24);
  writeEntry(bytes, 2, 0x1_2345_6789_abcd, 4_242, -1_234_567);
  const hex = Buffer.from(bytes.subarray(2, 22)).toString('hex');
  assert.is(hex, `000123456789abcd${'00001092'}${'ffffffffffed2979'}`);
  assert.is(entryOffset(bytes, 2), 0x1_2345_6789_abcd);
  assert.is(entrySize(bytes, 2), 4_242);
  assert.is(entryTagsCode(bytes, 2), -1_234_567);
  assert.is(entryEnd(bytes, 2), 0x1_2345_6789_abcd + 4_242);
  writeEntry(bytes, 2, 0, 1, 1_700_000_000_123);
  assert.is(entryTagsCode(bytes, 2), 1_700_000_000_123, 'a delivery time, not a hash');
});

layout('files have their full size and are named after their first byte', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  assert.is(disk.stat('/store'), undefined, 'nothing is made before the first entry');
  queue.append(entries(0, 45), 0, 45, 0);
  assert.is(disk.stat('/store'), undefined, 'nor before it is written out');
  queue.flush();
  assert.equal(disk.list(DIRECTORY), ['00000000000000000000', '00000000000000000400', '00000000000000000800']);
  for (const name of disk.list(DIRECTORY)) assert.is(disk.stat(`${DIRECTORY}/${name}`)?.bytes, FILE_BYTES);
  const last = disk.readFile(`${DIRECTORY}/00000000000000000800`)!;
  assert.is(entryOffset(last, 4 * ENTRY.bytes), 4_400);
  assert.ok(last.subarray(5 * ENTRY.bytes).every((byte) => byte === 0));
});

layout('the file size is rounded up to whole entries', () => {
  const { disk } = simulatedDisk();
  const queue = ConsumeQueue.open(disk, new FileCache(disk), DIRECTORY, 381);
  queue.append(entries(0, 1), 0, 1, 0);
  queue.flush();
  assert.is(disk.stat(`${DIRECTORY}/00000000000000000000`)?.bytes, 400);
});

layout('a queue that begins in the middle is filled with blanks up to there', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(47, 2), 0, 2, 47);
  queue.flush();
  const bytes = disk.readFile(`${DIRECTORY}/00000000000000000800`)!;
  for (let n = 0; n < 7; n++) {
    assert.is(bytes.subarray(n * 20, n * 20 + 20).toString('hex'), `00000000000000007fffffff${'00'.repeat(8)}`);
  }
  assert.is(entryOffset(bytes, 7 * ENTRY.bytes), 4_700);
  assert.equal([queue.minOffset, queue.maxOffset, queue.maxPhysicalOffset], [47, 49, 4_900]);
  assert.equal(offsetsFrom(queue, 46, 5), [], 'blanks are not read');

  const reopened = open(disk);
  reopened.recover();
  assert.equal([reopened.minOffset, reopened.maxOffset, reopened.maxPhysicalOffset], [47, 49, 4_900]);
  reopened.correctMinOffset(0);
  assert.is(reopened.minOffset, 47, 'a blank is no message at offset 0');
});

layout('a queue that begins at a file border needs no blanks', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(40, 1), 0, 1, 40);
  queue.flush();
  assert.equal(disk.list(DIRECTORY), ['00000000000000000800']);
  assert.is(isBlankEntry(disk.readFile(`${DIRECTORY}/00000000000000000800`)!, 0), false);
});

layout('files of another size are refused with the remedy', () => {
  for (const [name, bytes] of [
    ['00000000000000000000', 420],
    ['00000000000000000100', 400],
  ] as const) {
    const { disk } = simulatedDisk();
    disk.makeDirectory(DIRECTORY);
    disk.writeFile(`${DIRECTORY}/${name}`, new Uint8Array(bytes));
    assert.throws(
      () => open(disk),
      (error: Error) =>
        error instanceof StoreError && error.message.includes(name) && /mappedFileSizeConsumeQueue/.test(error.message),
    );
  }
  const { disk } = simulatedDisk();
  disk.makeDirectory(DIRECTORY);
  for (const name of ['00000000000000000000', '00000000000000000800']) {
    disk.writeFile(`${DIRECTORY}/${name}`, new Uint8Array(FILE_BYTES));
  }
  assert.throws(() => open(disk), /does not follow the last/);
});

layout('a file whose creation was cut short gets its size', () => {
  const { disk } = simulatedDisk();
  disk.makeDirectory(DIRECTORY);
  disk.writeFile(`${DIRECTORY}/00000000000000000000`, '');
  const queue = open(disk);
  queue.recover();
  assert.is(disk.stat(`${DIRECTORY}/00000000000000000000`)?.bytes, FILE_BYTES);
  assert.equal([queue.minOffset, queue.maxOffset], [0, 0]);
});

layout.run();

const appending = suite('consume queue: append and read');

appending('entries can be read before and after they are written out', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 5), 0, 5, 0);
  assert.is(queue.bufferedEntries, 5);
  assert.equal(offsetsFrom(queue, 1, 3), [100, 200, 300]);
  queue.flush();
  assert.is(queue.bufferedEntries, 0);
  queue.append(entries(5, 3), 0, 3, 5);
  assert.equal(offsetsFrom(queue, 3, 800), range(3, 8), 'half from the file, half from the buffer');
});

appending('where somebody has removed a file a read finds nothing, and knows where the next file begins', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 30), 0, 30, 0);
  queue.release();
  disk.remove(`${DIRECTORY}/${String(0).padStart(20, '0')}`);
  assert.equal(offsetsFrom(queue, 3, 800), []);
  assert.is(queue.nextFileOffset(3), PER_FILE);
  assert.equal(offsetsFrom(queue, PER_FILE, 800), range(20, 30));
});

appending('a read ends with the file, at maxOffset, and outside of the queue', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 30), 0, 30, 0);
  for (const state of ['buffered', 'written']) {
    assert.equal(offsetsFrom(queue, 15, 800), range(15, PER_FILE), state);
    assert.equal(offsetsFrom(queue, 20, 800), range(20, 30), state);
    assert.equal(offsetsFrom(queue, 30, 800), [], state);
    assert.equal(offsetsFrom(queue, 31, 800), [], state);
    assert.equal(offsetsFrom(queue, 29, 800), [2_900], state);
    queue.flush();
  }
});

appending('entries that are already there are skipped, by queue offset and by commit log offset', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 10), 0, 10, 0);
  queue.append(entries(0, 10), 0, 10, 0);
  queue.append(entries(8, 4), 0, 4, 8);
  assert.equal(allOffsets(queue), range(0, 12));
  // Another queue offset, but the message is in front of the last entry's end.
  queue.append(entries(3, 1), 0, 1, 12);
  assert.is(queue.maxOffset, 12);
});

appending(
  'a queue whose topic was deleted and made again begins anew, and keeps that when the log is gone through',
  () => {
    const { disk } = simulatedDisk();
    const queue = open(disk);
    queue.append(entries(0, 30), 0, 30, 0);
    queue.flush();
    queue.append(entries(30, 2), 0, 2, 30);
    queue.append(entries(0, 3, 5_000), 0, 3, 0);
    assert.equal(allOffsets(queue), [5_000, 5_100, 5_200]);
    assert.equal([queue.minOffset, queue.maxOffset, queue.maxPhysicalOffset], [0, 3, 5_300]);
    queue.append(entries(0, 30), 0, 30, 0);
    queue.append(entries(30, 2), 0, 2, 30);
    queue.append(entries(0, 4, 5_000), 0, 4, 0);
    assert.equal(allOffsets(queue), [5_000, 5_100, 5_200, 5_300]);
    queue.flush();
    assert.equal(disk.list(DIRECTORY).length, 1);
  },
);

appending('the range of a larger array is taken', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 10), 4 * ENTRY.bytes, 3, 0);
  assert.equal(allOffsets(queue), [400, 500, 600]);
});

appending('a gap is a bug, except in a queue without entries', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(5, 1), 0, 1, 5);
  assert.throws(
    () => queue.append(entries(7, 1), 0, 1, 7),
    (error: Error) => error instanceof InvariantError,
  );
  queue.flush();
  queue.truncateFrom(0);
  assert.equal([queue.minOffset, queue.maxOffset, queue.maxPhysicalOffset], [5, 5, -1]);
  queue.append(entries(3, 2), 0, 2, 3);
  queue.flush();
  assert.equal(allOffsets(queue), [300, 400]);
  assert.is(queue.minOffset, 3);
});

appending('a large batch goes through a bounded buffer', () => {
  const { disk } = simulatedDisk();
  const cache = new FileCache(disk);
  const queue = ConsumeQueue.open(disk, cache, DIRECTORY, 6_000_000);
  queue.append(entries(0, 10_000), 0, 10_000, 0);
  assert.ok(cache.writeBehind.bufferedBytes <= BUFFER_BYTES_MAX);
  assert.is(queue.maxOffset, 10_000);
  assert.equal(offsetsFrom(queue, 9_200, 800), range(9_200, 10_000));
});

appending('the buffer grows while a queue is busy and is given back when it is written out', () => {
  const { disk } = simulatedDisk();
  const cache = new FileCache(disk);
  const queue = open(disk, DIRECTORY, cache);
  const sizes = new Set<number>();
  for (let n = 0; n < 600; n++) {
    queue.append(entries(n, 1), 0, 1, n);
    sizes.add(cache.writeBehind.bufferedBytes);
  }
  assert.equal([...sizes], [640, 2_560, 10_240, 40_960]);
  assert.is(queue.bufferedEntries, 600, 'nothing had to be written');
  cache.writeBehind.flushAll();
  assert.is(cache.writeBehind.bufferedBytes, 0);
  assert.equal(allOffsets(queue), range(0, 600));
});

appending('when too many queues hold entries back, the oldest is written out', () => {
  const { disk } = simulatedDisk();
  const cache = new FileCache(disk, { bufferedBytesMax: 64 * 640 });
  const queues = Array.from({ length: 100 }, (_, n) => open(disk, `/store/consumequeue/t/${n}`, cache));
  for (const queue of queues) queue.append(entries(0, 1), 0, 1, 0);
  assert.is(cache.writeBehind.bufferedBytes, 64 * 640);
  assert.equal(
    queues.map((queue) => queue.bufferedEntries),
    Array.from({ length: 100 }, (_, n) => (n < 36 ? 0 : 1)),
  );
  for (const queue of queues) assert.equal(allOffsets(queue), [0]);
});

appending('a refused write keeps the entries, and later ones go through', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 25), 0, 25, 0);
  disk.inject({ operation: 'write', pathPart: '00000000000000000400', code: 'ENOSPC', times: 1 });
  assert.throws(
    () => queue.flush(),
    (error: Error) => error instanceof DiskError && error.code === 'ENOSPC',
  );
  assert.is(queue.bufferedEntries, 5, 'what fitted into the first file was written');
  assert.equal(allOffsets(queue), range(0, 25));
  queue.append(entries(25, 5), 0, 5, 25);
  queue.flush();
  assert.equal(allOffsets(queue), range(0, 30));
});

appending('flushAll gives every queue its turn before it reports an error', () => {
  const { disk } = simulatedDisk();
  const cache = new FileCache(disk);
  const queues = [1, 2, 3].map((n) => open(disk, `/store/consumequeue/t/${n}`, cache));
  for (const queue of queues) queue.append(entries(0, 1), 0, 1, 0);
  disk.inject({ operation: 'write', pathPart: '/t/1/', code: 'EIO', times: 1 });
  assert.throws(() => cache.writeBehind.flushAll(), /EIO/);
  assert.equal(
    queues.map((queue) => queue.bufferedEntries),
    [1, 0, 0],
  );
});

appending('a discarded queue is never written', () => {
  const { disk } = simulatedDisk();
  const cache = new FileCache(disk);
  const queue = open(disk, DIRECTORY, cache);
  queue.append(entries(0, 3), 0, 3, 0);
  cache.discard();
  cache.writeBehind.flushAll();
  assert.equal(disk.list(DIRECTORY), []);
  assert.is(cache.writeBehind.bufferedBytes, 0);
  assert.throws(() => queue.append(entries(0, 1), 0, 1, 0), /closed/);
});

appending.run();

const cutting = suite('consume queue: truncation and the minimum');

function filled(count: number): { disk: Disk; queue: ConsumeQueue } {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, count), 0, count, 0);
  queue.flush();
  return { disk, queue };
}

cutting('truncateFrom drops the entries behind the cut, in files and in the buffer', () => {
  for (const cut of [5_000, 4_501, 4_500, 4_000, 2_350, 2_000, 100, 0]) {
    for (const buffered of [0, 3, 50]) {
      const { disk, queue } = filled(50 - buffered);
      queue.append(entries(50 - buffered, buffered), 0, buffered, 50 - buffered);
      queue.truncateFrom(cut);
      const kept = Math.floor(cut / 100);
      assert.equal(allOffsets(queue), range(0, kept), `cut ${cut}, ${buffered} buffered`);
      assert.is(queue.maxOffset, kept);
      assert.is(queue.maxPhysicalOffset, kept === 0 ? -1 : kept * 100);
      queue.append(entries(kept, 2, 7), 0, 2, kept);
      queue.flush();
      assert.equal(offsetsFrom(queue, kept, 1), [kept * 100 + 7]);
      const reopened = open(disk);
      reopened.recover();
      assert.is(reopened.maxOffset, kept + 2, 'nothing stale behind the cut');
    }
  }
});

cutting('the minimum is the first entry that is still in the log; leading files go, the last one stays', () => {
  const { disk, queue } = filled(50);
  queue.correctMinOffset(1_550);
  assert.is(queue.minOffset, 16);
  assert.is(disk.list(DIRECTORY).length, 3);
  queue.correctMinOffset(1_901);
  assert.is(queue.minOffset, 20);
  assert.equal(disk.list(DIRECTORY), ['00000000000000000400', '00000000000000000800']);
  queue.correctMinOffset(4_400);
  assert.is(queue.minOffset, 44);
  assert.equal(disk.list(DIRECTORY), ['00000000000000000800']);
  queue.correctMinOffset(9_999);
  assert.is(queue.minOffset, 44, 'no entry is left that could be the minimum');
  assert.is(queue.maxOffset, 50);
  const reopened = open(disk);
  reopened.recover();
  assert.is(reopened.minOffset, 40, 'until it is corrected again');
  assert.equal(offsetsFrom(reopened, 39, 1), []);
});

cutting('entries that are held back count for the minimum', () => {
  const { queue } = filled(3);
  queue.append(entries(3, 3), 0, 3, 3);
  queue.correctMinOffset(450);
  assert.is(queue.minOffset, 5);
});

cutting('destroy makes it a new queue', () => {
  const { disk, queue } = filled(50);
  queue.append(entries(50, 1), 0, 1, 50);
  queue.destroy();
  assert.is(disk.stat(DIRECTORY), undefined);
  assert.equal([queue.minOffset, queue.maxOffset, queue.maxPhysicalOffset], [0, 0, -1]);
  queue.append(entries(0, 1), 0, 1, 0);
  queue.flush();
  assert.equal(allOffsets(queue), [0]);
});

cutting.run();

const recovery = suite('consume queue: recovery');

recovery('finds the end in each position of the last three files', () => {
  for (const count of [0, 1, 19, 20, 21, 40, 59, 60, 61, 100]) {
    const { disk } = filled(count);
    const queue = open(disk);
    queue.recover(false);
    assert.is(queue.maxOffset, count);
    assert.is(queue.maxPhysicalOffset, count === 0 ? -1 : count * 100);
    assert.equal(allOffsets(queue), range(0, count));
  }
});

recovery('stops at an entry that cannot follow and removes what is behind it', () => {
  const wrong: readonly [string, (bytes: Uint8Array, at: number) => void][] = [
    ['zeros', (bytes, at) => bytes.fill(0, at, at + 20)],
    ['no size', (bytes, at) => writeEntry(bytes, at, 5_000, 0, 0)],
    ['negative offset', (bytes, at) => writeEntry(bytes, at, -5, 100, 0)],
    ['in front of its predecessor', (bytes, at) => writeEntry(bytes, at, 100, 100, 0)],
    ['a blank', (bytes, at) => writeEntry(bytes, at, 0, 0x7fff_ffff, 0)],
  ];
  for (const [what, spoil] of wrong) {
    for (const bad of [40, 41, 59, 60, 79]) {
      const { disk } = filled(90);
      const name = `${DIRECTORY}/${String(Math.floor(bad / PER_FILE) * FILE_BYTES).padStart(20, '0')}`;
      const bytes = disk.readFile(name)!;
      spoil(bytes, (bad % PER_FILE) * ENTRY.bytes);
      disk.writeFile(name, bytes);
      const queue = open(disk);
      queue.recover();
      assert.is(queue.maxOffset, bad, what);
      assert.is(queue.maxPhysicalOffset, bad * 100, what);
      const again = open(disk);
      again.recover(false);
      assert.is(again.maxOffset, bad, `${what}: removed for good`);
    }
  }
});

recovery('looks further back when the file before the last three has lost its end', () => {
  const { disk } = filled(120);
  const name = `${DIRECTORY}/00000000000000000800`;
  disk.writeFile(name, disk.readFile(name)!.fill(0, 300));
  const queue = open(disk);
  queue.recover();
  assert.is(queue.maxOffset, 55);
  assert.is(queue.maxPhysicalOffset, 5_500);
});

recovery('a cut that a power loss interrupts leaves no hole', () => {
  const found = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const { disk } = simulatedDisk();
    const before = open(disk);
    before.append(entries(0, 120), 0, 120, 0);
    before.sync();
    before.truncateFrom(500);
    disk.crash(prng(seed));
    const queue = open(disk);
    queue.recover();
    found.add(queue.maxOffset);
    assert.equal(allOffsets(queue), range(0, queue.maxOffset), `SEED=${seed}`);
  }
  assert.ok(found.size > 1, 'the cut was lost at least once, and kept');
});

recovery('a failed sync is reported for ever', () => {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 1), 0, 1, 0);
  queue.flush();
  disk.inject({ operation: 'sync', pathPart: '00000000000000000000', code: 'EIO', times: 1 });
  assert.throws(() => queue.sync(), /EIO/);
  assert.throws(() => queue.sync(), /EIO/);
  assert.throws(() => queue.syncLater(() => assert.unreachable()), /EIO/);
});

recovery('a file that cannot be opened for a sync is reported, and synced once it can', () => {
  const { disk, advance } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 30), 0, 30, 0);
  queue.release();
  const name = `${DIRECTORY}/00000000000000000000`;
  disk.rename(name, '/away');
  assert.throws(() => queue.sync(), /ENOENT/);
  const outcomes: (string | undefined)[] = [];
  queue.syncLater((error) => outcomes.push(error?.code));
  advance(5);
  assert.equal(outcomes, ['ENOENT']);
  disk.rename('/away', name);
  queue.sync();
  disk.syncDirectory(DIRECTORY);
  disk.crash(prng(3));
  const after = open(disk);
  after.recover();
  assert.is(after.maxOffset, 30);
});

recovery('syncLater reports when everything written before it is durable', () => {
  const { disk, advance } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, 45), 0, 45, 0);
  const outcomes: unknown[] = [];
  queue.syncLater((error) => outcomes.push(error));
  queue.append(entries(45, 1), 0, 1, 45);
  queue.flush();
  assert.is(outcomes.length, 0);
  advance(5);
  assert.equal(outcomes, [undefined]);
  disk.crash(prng(1));
  const after = open(disk);
  after.recover();
  assert.ok(after.maxOffset >= 45);
});

recovery('a sync waits for what another one has under way', () => {
  for (let seed = 0; seed < 20; seed++) {
    const { disk } = simulatedDisk();
    const queue = open(disk);
    queue.append(entries(0, 30), 0, 30, 0);
    queue.syncLater(() => {});
    queue.sync();
    disk.crash(prng(seed));
    const after = open(disk);
    after.recover();
    assert.is(after.maxOffset, 30, `SEED=${seed}`);
  }
});

recovery.run();

const byTime = suite('consume queue: offset by time');

/** Entry n was stored at times[n]. */
function timed(times: readonly number[]): { queue: ConsumeQueue; at: (timestamp: number) => number } {
  const { disk } = simulatedDisk();
  const queue = open(disk);
  queue.append(entries(0, times.length), 0, times.length, 0);
  return { queue, at: (timestamp) => queue.offsetByTime(timestamp, (offset) => times[offset / 100] ?? -1) };
}

byTime('an exact hit, else the nearer neighbour, the earlier one of equals', () => {
  const { at } = timed([1_000, 1_010, 1_020, 1_040]);
  assert.is(at(1_010), 1);
  assert.is(at(1_014), 1);
  assert.is(at(1_015), 1);
  assert.is(at(1_016), 2);
  assert.is(at(1_030), 2);
  assert.is(at(1_031), 3);
});

byTime('before the first it is the first, after the last it is the last, not the end', () => {
  const { at } = timed([1_000, 1_010]);
  assert.is(at(0), 0);
  assert.is(at(5_000), 1);
});

byTime('the first file that ends at or after the time is searched, and no other', () => {
  const times = Array.from({ length: 50 }, (_, n) => (n < 20 ? 1_000 + n : 2_000 + n));
  const { at } = timed(times);
  assert.is(at(1_019), 19);
  assert.is(at(1_020), 20, 'nearer to the entry before, but that is in the file before');
  assert.is(at(2_045), 45);
  assert.is(at(9_999), 49);
});

byTime('only what is still in the log is searched, and an empty queue has its minimum', () => {
  const { queue, at } = timed([1_000, 1_010, 1_020]);
  queue.correctMinOffset(150);
  assert.is(at(1_000), 2);
  const { queue: empty } = timed([]);
  assert.is(
    empty.offsetByTime(1, () => 1),
    0,
  );
});

byTime('a time that cannot be read gives 0', () => {
  const { queue } = timed([1_000, 1_010, 1_020]);
  assert.is(
    queue.offsetByTime(1_015, () => -1),
    0,
  );
});

byTime.run();

const idle = suite('consume queue: 20,000 idle ones');

/** Takes every write and forgets it: what the queues cost is all there is to measure. */
function forgetfulDisk(): Disk {
  const { disk } = simulatedDisk();
  const file = (path: string): DiskFile => ({
    path,
    size: () => 6_000_000,
    lastReadMs: 0,
    read: () => 0,
    readLater: (_target, _start, _length, _position, done) => done(undefined, 0),
    write: () => {},
    truncate: () => {},
    setModified: () => {},
    sync: () => {},
    syncLater: (done) => done(undefined),
    usualSyncMs: 0,
    close: () => {},
  });
  return Object.assign(Object.create(disk) as Disk, {
    open: (path: string) => file(path),
    makeDirectory: () => {},
    list: () => [],
    stat: () => ({ bytes: 0, modifiedMs: 0, isDirectory: true }),
  });
}

idle('cost well under 1 KiB each after 100 messages and a release', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    collect();
    const memory = process.memoryUsage();
    return memory.heapUsed + memory.external;
  };
  const disk = forgetfulDisk();
  const cache = new FileCache(disk);
  const hundred = entries(0, 100);
  const before = used();
  const queues = Array.from({ length: 20_000 }, (_, n) =>
    ConsumeQueue.open(disk, cache, `/var/lib/hangar-store/broker-a/consumequeue/topic-${n >> 3}/${n & 7}`, 6_000_000),
  );
  for (const queue of queues) queue.append(hundred, 0, 100, 0);
  assert.ok(cache.writeBehind.bufferedBytes <= 2 * KIB * KIB, 'buffers are bounded together');
  assert.ok(cache.size <= 256, 'and so are files');
  for (const queue of queues) queue.release();
  cache.writeBehind.trim();
  const each = (used() - before) / queues.length;
  console.log(`an idle consume queue: ${each.toFixed(0)} bytes`);
  assert.ok(each < 700, `${each} bytes a queue`);
  assert.is(queues[19_999]!.maxOffset, 100);
});

idle.run();

/**
 * Strategy: random appends (with repetitions), reads, cuts, minima, write-outs, syncs, releases, clean restarts, kills
 * and power losses against an array. Invariants: the queue equals the array; a kill loses at most what was held back;
 * a power loss loses at most what was not synced.
 */
function randomRun(seed: number, steps: number, onRealDisk: boolean): void {
  const random = prng(seed);
  const simulated = onRealDisk ? undefined : simulatedDisk();
  const real = onRealDisk ? realDisk() : undefined;
  const disk = simulated?.disk ?? real!.disk;
  const directory = `${real?.root ?? ''}/consumequeue/orders/0`;
  const limits = { openFilesMax: 1 + random.below(3), bufferedBytesMax: BUFFER_BYTES_MAX };
  let cache = new FileCache(disk, limits);
  let queue = open(disk, directory, cache);
  /** Commit log offset and size by queue offset. */
  let model = new Map<number, readonly [number, number]>();
  let max = 0;
  let logEnd = 1;
  let synced = 0;
  const reopen = (afterCrash: boolean): void => {
    cache = new FileCache(disk, limits);
    queue = open(disk, directory, cache);
    queue.recover(afterCrash);
  };
  const keepOnly = (to: number): void => {
    model = new Map([...model].filter(([offset]) => offset < to));
    max = to;
    synced = Math.min(synced, to);
  };
  const check = (): void => {
    assert.is(queue.maxOffset, max);
    const target = new Uint8Array(ENTRY.bytes);
    for (let offset = queue.minOffset; offset < max; offset++) {
      assert.is(queue.read(offset, 1, target, 0), 1);
      assert.equal([entryOffset(target, 0), entrySize(target, 0)], model.get(offset));
    }
  };
  const append = (): void => {
    if (model.size === 0 && random.chance(0.3)) {
      max = random.below(100);
      synced = 0;
    }
    const again = model.size === 0 ? 0 : Math.min(random.below(5), max - queue.minOffset);
    const count = 1 + random.below(60);
    const bytes = new Uint8Array((again + count) * ENTRY.bytes);
    for (let n = 0; n < again + count; n++) {
      const offset = max - again + n;
      if (n >= again) {
        logEnd += random.below(50);
        const size = 90 + random.below(50);
        model.set(offset, [logEnd, size]);
        logEnd += size;
      }
      writeEntry(bytes, n * ENTRY.bytes, model.get(offset)![0], model.get(offset)![1], offset);
    }
    queue.append(bytes, 0, again + count, max - again);
    max += count;
  };
  const pickOffset = (): number | undefined =>
    queue.minOffset < max ? queue.minOffset + random.below(max - queue.minOffset) : undefined;
  const actions: (() => void)[] = [
    append,
    append,
    append,
    () => queue.flush(),
    () => queue.release(),
    () => cache.writeBehind.flushAll(),
    () => {
      queue.sync();
      synced = max;
    },
    () => {
      const offset = pickOffset();
      if (offset === undefined) return;
      queue.truncateFrom(model.get(offset)![0]);
      keepOnly(offset);
    },
    () => {
      const offset = pickOffset();
      if (offset === undefined) return;
      queue.correctMinOffset(model.get(offset)![0]);
      assert.is(queue.minOffset, offset);
    },
    () => {
      queue.sync();
      synced = max;
      const hasEntries = queue.minOffset < max;
      queue.close();
      reopen(false);
      // Without entries and without a file nothing tells where the queue had begun.
      if (!hasEntries) keepOnly(queue.maxOffset);
    },
  ];
  if (simulated !== undefined) {
    actions.push(
      () => simulated.disk.writeBack(random),
      () => {
        const written = max - queue.bufferedEntries;
        const hasWritten = written > queue.minOffset;
        simulated.disk.processKill();
        reopen(true);
        assert.ok(queue.maxOffset === written || !hasWritten, `killed with ${written}, found ${queue.maxOffset}`);
        keepOnly(queue.maxOffset);
      },
      () => {
        simulated.disk.crash(random);
        reopen(true);
        // What the owner does: the log is dispatched again from where everything was synced. Without the cut, entries
        // of before an unsynced truncation could come back.
        const [offset, size] = model.get(synced - 1) ?? [0, 0];
        queue.truncateFrom(offset + size);
        // Files in front of the minimum are gone, synced or not.
        const isGone = queue.minOffset === queue.maxOffset && queue.maxOffset >= synced;
        assert.ok(queue.maxOffset === synced || isGone || size === 0, `synced to ${synced}, found ${queue.maxOffset}`);
        keepOnly(queue.maxOffset);
      },
    );
  }
  try {
    for (let step = 0; step < steps; step++) {
      random.pick(actions)();
      check();
    }
  } catch (error) {
    console.log(`SEED=${seed} on ${onRealDisk ? 'node:fs' : 'the simulated disk'}`);
    throw error;
  } finally {
    queue.discard();
    real?.dispose();
  }
}

const randomized = suite('consume queue: random operations against a model');

randomized('on the simulated disk, with kills and power losses', () => {
  const seeds = process.env.SEED === undefined ? Array.from({ length: 150 }, (_, n) => n) : [Number(process.env.SEED)];
  for (const seed of seeds) randomRun(seed, 150, false);
});

randomized('on the real disk', () => {
  const seeds = process.env.SEED === undefined ? [1, 2, 3, 4, 5] : [Number(process.env.SEED)];
  for (const seed of seeds) randomRun(seed, 80, true);
});

randomized.run();
