import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { prng } from '../../src/base/prng.js';
import { KIB } from '../../src/base/units.js';
import { BLOCK_BYTES, ColdBlocks } from '../../src/store/cold-blocks.js';
import { arrived, ColdReads, type Waiter } from '../../src/store/cold-reads.js';
import { logFileName, OpenLogFiles } from '../../src/store/log-files.js';
import { LogReader } from '../../src/store/log-reader.js';
import { simulatedDisk } from './support.js';

/** Not a multiple of a block: the last block of each file is shorter. */
const FILE_BYTES = 5 * BLOCK_BYTES + 1000;
const FAST = 1;
const SLOW = 2;

const contentAt = (offset: number): number => (offset * 31 + (offset >> 8)) & 0xff;

function put(blocks: ColdBlocks, reader: number, start: number, from = start, to = blocks.endOf(start)): void {
  const block = blocks.take(start)!;
  for (let offset = from; offset < to; offset++) block.bytes[offset - start] = contentAt(offset);
  blocks.give(block, reader, from, to);
}

function assertCopy(blocks: ColdBlocks, from: number, to: number): void {
  const target = new Uint8Array(to - from + 2);
  assert.ok(blocks.copy(from, to, target, 1));
  for (let offset = from; offset < to; offset++) {
    if (target[offset - from + 1] !== contentAt(offset)) assert.unreachable(`byte ${offset}`);
  }
}

const blocksSuite = suite('cold blocks');

blocksSuite('a range is copied across blocks and files, and only when all of it is there', () => {
  const blocks = new ColdBlocks(FILE_BYTES, 16);
  const last = blocks.startOf(FILE_BYTES - 1);
  assert.is(blocks.endOf(last) - last, 1000);
  put(blocks, FAST, last - BLOCK_BYTES);
  put(blocks, FAST, last);
  put(blocks, FAST, FILE_BYTES, FILE_BYTES, FILE_BYTES + 500);
  assertCopy(blocks, last - 300, FILE_BYTES + 500);
  assert.not(blocks.has(last - 300, FILE_BYTES + 501));
  assert.not(blocks.copy(last - 300, FILE_BYTES + 501, new Uint8Array(5000), 0));
  assert.not(blocks.has(last - BLOCK_BYTES - 1, last));
});

blocksSuite('no more than the bound, and the reader with most gives its oldest one up', () => {
  const blocks = new ColdBlocks(100 * BLOCK_BYTES, 10);
  const ahead = [50, 51, 52].map((n) => n * BLOCK_BYTES);
  for (const start of ahead) put(blocks, SLOW, start);
  for (let n = 0; n < 40; n++) {
    put(blocks, FAST, n * BLOCK_BYTES);
    assert.ok(blocks.size <= 10);
  }
  assert.is(blocks.countOf(SLOW), 3, 'a reader that races does not take what another one has read ahead');
  for (const start of ahead) assertCopy(blocks, start, start + BLOCK_BYTES);
  assert.is(blocks.countOf(FAST), 7);
  for (let n = 33; n < 40; n++) assert.ok(blocks.has(n * BLOCK_BYTES, (n + 1) * BLOCK_BYTES));
});

blocksSuite('what was used goes last; a block that is being filled does not go at all', () => {
  const blocks = new ColdBlocks(100 * BLOCK_BYTES, 3);
  for (const n of [0, 1, 2]) put(blocks, FAST, n * BLOCK_BYTES);
  assertCopy(blocks, 0, BLOCK_BYTES);
  put(blocks, FAST, 3 * BLOCK_BYTES);
  assert.ok(blocks.has(0, BLOCK_BYTES));
  assert.not(blocks.has(BLOCK_BYTES, BLOCK_BYTES + 1));
  for (const n of [4, 5, 6]) assert.ok(blocks.take(n * BLOCK_BYTES));
  assert.is(blocks.take(7 * BLOCK_BYTES), undefined);
});

blocksSuite('memory goes back when nobody reads, and when the file is deleted', () => {
  const blocks = new ColdBlocks(FILE_BYTES, 8);
  put(blocks, FAST, 0);
  put(blocks, FAST, FILE_BYTES);
  blocks.dropBefore(FILE_BYTES);
  assert.is(blocks.size, 1);
  assertCopy(blocks, FILE_BYTES, FILE_BYTES + 10);
  blocks.dropIfUnused();
  assert.is(blocks.size, 1);
  blocks.dropIfUnused();
  assert.is(blocks.size, 0);
  assert.is(blocks.countOf(FAST), 0);
});

blocksSuite.run();

const DIRECTORY = '/log';

function logOf(disk: Disk, files: number): void {
  disk.makeDirectory(DIRECTORY);
  for (let n = 0; n < files; n++) {
    const content = Uint8Array.from({ length: FILE_BYTES }, (_, at) => contentAt(n * FILE_BYTES + at));
    const file = disk.open(`${DIRECTORY}/${logFileName(n * FILE_BYTES)}`, { create: true });
    file.write(content, 0, content.length, 0);
    file.close();
  }
}

class Waiting implements Waiter {
  missing = 1;
  failure: Waiter['failure'] = undefined;
  readyCount = 0;
  over = false;
  isOver = (): boolean => this.over;
  ready = (): void => {
    this.readyCount++;
  };
}

function openReads(files = 3, cacheBytes = 64 * BLOCK_BYTES) {
  const { disk, advance } = simulatedDisk();
  logOf(disk, files);
  const reads = new ColdReads(new OpenLogFiles(disk, DIRECTORY, 2), FILE_BYTES, cacheBytes);
  /** Lets reads complete, also those that are begun meanwhile. */
  const settle = (): void => {
    for (let n = 0; n < 100; n++) advance(1);
  };
  const load = (from: number, to: number, waiter = new Waiting()): Waiting => {
    reads.load(FAST, from, to, waiter);
    arrived(waiter);
    return waiter;
  };
  return { disk, reads, settle, load };
}

const readsSuite = suite('cold reads');

readsSuite('a waiter is told once, when everything has come, and others wait for the same read', () => {
  const { disk, reads, settle, load } = openReads();
  const first = load(100, 3 * BLOCK_BYTES);
  const second = load(200, BLOCK_BYTES);
  assert.is(first.readyCount + second.readyCount, 0);
  settle();
  assert.is(first.readyCount, 1);
  assert.is(second.readyCount, 1);
  assert.is(disk.laterReads, 3);
  assertCopy(reads.blocks, 100, 3 * BLOCK_BYTES);
  assert.is(load(100, BLOCK_BYTES).readyCount, 1, 'nothing to wait for');
});

readsSuite('parts of a block that touch become one, and of those that do not the newer one stays', () => {
  const { reads, settle, load } = openReads();
  load(1000, 2000);
  settle();
  load(2000, 3000);
  settle();
  assertCopy(reads.blocks, 1000, 3000);
  load(9000, 9500);
  settle();
  assertCopy(reads.blocks, 9000, 9500);
  assert.not(reads.blocks.has(1000, 1001));
  // Asked for while another part of the block is on its way.
  const early = load(20_000, 21_000);
  const late = load(30_000, 31_000);
  settle();
  assert.equal([early.readyCount, late.readyCount], [1, 1]);
  assertCopy(reads.blocks, 30_000, 31_000);
});

readsSuite('a file that is gone is no failure: nothing is in memory then', () => {
  const { disk, reads, settle, load } = openReads(2);
  disk.remove(`${DIRECTORY}/${logFileName(0)}`);
  const waiter = load(0, FILE_BYTES + 100);
  settle();
  assert.is(waiter.readyCount, 1);
  assert.is(waiter.failure, undefined);
  assert.not(reads.blocks.has(0, 1));
  assertCopy(reads.blocks, FILE_BYTES, FILE_BYTES + 100);
  assert.is(reads.blocks.size, 1, 'no empty block keeps its place');
});

readsSuite('a disk that fails is a failure with the path, and the next read may succeed', () => {
  const { disk, reads, settle, load } = openReads();
  disk.inject({ operation: 'read', pathPart: DIRECTORY, code: 'EIO', times: 1 });
  const waiter = load(0, 2 * BLOCK_BYTES);
  settle();
  assert.is(waiter.readyCount, 1);
  assert.is(waiter.failure!.message, `read ${DIRECTORY}/${logFileName(0)}: EIO (injected)`);
  const again = load(0, 2 * BLOCK_BYTES);
  settle();
  assert.is(again.failure, undefined);
  assertCopy(reads.blocks, 0, 2 * BLOCK_BYTES);
});

readsSuite('what nobody waits for any more is not read', () => {
  const { disk, settle, load } = openReads(40);
  for (let n = 0; n < 32; n++) load(n * FILE_BYTES, n * FILE_BYTES + 10);
  const gone = load(35 * FILE_BYTES, 35 * FILE_BYTES + 10);
  gone.over = true;
  settle();
  assert.is(disk.laterReads, 32);
});

readsSuite('random ranges of several readers within a small cache are what the files have', () => {
  const random = prng(7);
  const { disk, advance } = simulatedDisk();
  logOf(disk, 8);
  const reader = new LogReader(disk, { directory: DIRECTORY, fileBytes: FILE_BYTES, window: undefined, cacheBytes: 1 });
  const target = new Uint8Array(20 * KIB);
  for (let n = 0; n < 2000; n++) {
    const from = random.below(8 * FILE_BYTES - target.length);
    const length = 1 + random.below(target.length);
    const waiter = new Waiting();
    reader.cold.load(random.below(5), from, from + length, waiter);
    arrived(waiter);
    for (let steps = 0; waiter.readyCount === 0; steps++) {
      assert.ok(steps < 100);
      advance(1);
    }
    assert.ok(reader.cold.blocks.has(from, from + length));
    const files = reader.fileReads;
    assert.ok(reader.read(from, length, target, 0));
    assert.is(reader.fileReads, files, 'out of memory');
    for (let at = 0; at < length; at += 97) assert.is(target[at], contentAt(from + at));
    assert.ok(reader.cold.blocks.size <= 32);
  }
});

readsSuite.run();
