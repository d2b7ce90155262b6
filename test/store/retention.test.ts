/** Which log files go: Apache's rules as a table, and the arithmetic of a budget. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { MIB, MS_PER_HOUR } from '../../src/base/units.js';
import { Disposal } from '../../src/store/disposal.js';
import { CommitLog } from '../../src/store/commit-log.js';
import { ConsumeQueue } from '../../src/store/consume-queue.js';
import { ENTRY, writeEntry } from '../../src/store/consume-queue-entry.js';
import { FileCache } from '../../src/store/file-cache.js';
import { fileSizesOf, indexSizesOf } from '../../src/store/file-sizes.js';
import { indexFileBytes } from '../../src/store/index-layout.js';
import { filesOverBudget, judgeDisk, oldestGoes, type StoreSizes, storeBytes } from '../../src/store/retention.js';
import { simulatedDisk } from './support.js';

const RATIOS = { reclaim: 75, cleanForcibly: 85, refuse: 90 };

const disks = suite('retention: what the used percentage of the disks asks for');

/** log %, queues %: old files go, others too, refused (undefined: as before). */
const JUDGEMENTS: readonly (readonly [number, number, boolean, boolean, boolean | undefined])[] = [
  [10, 10, false, false, false],
  [75, 75, false, false, false],
  [76, 76, true, false, false],
  [85, 85, true, false, false],
  [86, 86, true, true, undefined],
  [90, 90, true, true, undefined],
  [91, 91, true, true, true],
  // What the log's disk asks for is enough: the other one is not looked at.
  [76, 95, true, false, false],
  [10, 76, true, false, false],
  [10, 86, true, true, false],
  [10, 91, true, true, true],
  // Unknown: as if space were wanted, and the flag cleared.
  [-1, 99, true, false, false],
  [10, -1, true, false, false],
];

for (const [log, queues, wantsSpace, cleanAtOnce, isFull] of JUDGEMENTS) {
  disks(`log ${log} %, queues ${queues} %`, () => {
    assert.equal(judgeDisk(log, queues, RATIOS), { wantsSpace, cleanAtOnce, isFull });
  });
}

disks('between the levels the flag stays; with a high diskMaxUsedSpaceRatio the second disk decides about it', () => {
  const ratios = { ...RATIOS, reclaim: 95 };
  assert.equal(judgeDisk(91, 86, ratios), { wantsSpace: false, cleanAtOnce: true, isFull: true });
  assert.equal(judgeDisk(91, 50, ratios), { wantsSpace: false, cleanAtOnce: true, isFull: false });
});

const files = suite('retention: the oldest file');
const NOW = 1_700_000_000_000;
const RESERVED = 72 * MS_PER_HOUR;
const rules = { reservedMs: RESERVED, cleanAtOnce: false, keepFrom: 1000 };

files('goes when it is as old as fileReservedTime, to the millisecond', () => {
  assert.is(oldestGoes({ end: 1000, modifiedMs: NOW - RESERVED }, NOW, rules), 'expired');
  assert.is(oldestGoes({ end: 1000, modifiedMs: NOW - RESERVED + 1 }, NOW, rules), undefined);
});

files('goes whatever its age when the disk asks for it; an old one is called expired', () => {
  const atOnce = { ...rules, cleanAtOnce: true };
  assert.is(oldestGoes({ end: 1000, modifiedMs: NOW }, NOW, atOnce), 'disk-usage');
  assert.is(oldestGoes({ end: 1000, modifiedMs: 0 }, NOW, atOnce), 'expired');
});

files('stays while the broker itself has to read it', () => {
  assert.is(oldestGoes({ end: 1001, modifiedMs: 0 }, NOW, { ...rules, cleanAtOnce: true }), undefined);
});

const budget = suite('retention: a byte budget');
const sizes: StoreSizes = { fileBytes: 100, files: 5, queueBytes: 40, indexBytes: 10 };

budget('counts log files in full, queues and index', () => assert.is(storeBytes(sizes), 550));

budget('as many files go as the bytes ahead need, but some stay', () => {
  assert.is(filesOverBudget(550, sizes, 0, 1), 0);
  assert.is(filesOverBudget(549, sizes, 0, 1), 1);
  assert.is(filesOverBudget(600, sizes, 120, 1), 1);
  assert.is(filesOverBudget(350, sizes, 120, 1), 4);
  assert.is(filesOverBudget(10, sizes, 0, 1), 4);
  assert.is(filesOverBudget(10, { ...sizes, files: 0 }, 0, 1), 0);
});

const deletion = suite('retention: deleting');

function longLog() {
  const simulated = simulatedDisk();
  const log = CommitLog.open(simulated.disk, { directory: '/log', fileBytes: 4096, startAt: 0 });
  log.appendRaw(new Uint8Array(3 * 4096).fill(7), 0, 3 * 4096);
  return { ...simulated, log };
}

deletion('of the oldest file is durable, never of the last, and nobody waits for its sync', () => {
  const { disk, log } = longLog();
  log.unlinkOldest()!.close();
  assert.equal([log.minOffset, log.flushedOffset], [4096, 4096]);
  log.unlinkOldest()!.close();
  assert.is(log.unlinkOldest(), undefined);
  assert.equal(disk.list('/log'), ['00000000000000008192']);
  disk.crash(prng(1));
  assert.not.ok(disk.list('/log').includes('00000000000000000000'));
});

deletion('gives the bytes of a large file back in pieces', () => {
  const { disk } = simulatedDisk();
  const file = disk.open('/big', { create: true });
  file.truncate(150 * MIB);
  disk.remove('/big');
  const disposal = new Disposal();
  disposal.add(file, 150 * MIB);
  assert.is(disposal.step(), true);
  assert.is(file.size(), 86 * MIB);
  assert.is(disposal.step(), true);
  assert.is(disposal.pendingBytes, 22 * MIB);
  assert.is(disposal.step(), false);
  assert.throws(() => file.size(), /EBADF/);
});

deletion('of several consume queue files leaves no gap, whatever a power loss brings back', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const { disk } = simulatedDisk();
    const cache = new FileCache(disk);
    const queue = ConsumeQueue.open(disk, cache, '/s/consumequeue/T/0', 100);
    const entry = new Uint8Array(ENTRY.bytes);
    for (let n = 0; n < 30; n++) {
      writeEntry(entry, 0, n * 100, 100, 0);
      queue.append(entry, 0, 1, n);
    }
    queue.flush();
    queue.sync();
    queue.correctMinOffset(2_000);
    assert.equal([queue.minOffset, queue.fileCount], [20, 2]);
    disk.crash(prng(seed));
    const again = ConsumeQueue.open(disk, new FileCache(disk), '/s/consumequeue/T/0', 100);
    again.recover();
    again.correctMinOffset(2_000);
    assert.equal([again.minOffset, again.maxOffset], [20, 30], `SEED=${seed}`);
  }
});

const existing = suite('file sizes of an existing store');

existing('are read from its files', () => {
  const { disk } = simulatedDisk();
  assert.equal(fileSizesOf(disk, '/s', '/s/commitlog'), {
    logFileBytes: undefined,
    queueFileBytes: undefined,
    indexFileBytes: undefined,
  });
  for (const [directory, name, bytes] of [
    ['/s/commitlog', '00000000000000000000', 0],
    ['/s/commitlog', '00000000000000004096', 4096],
    ['/s/consumequeue/T/3', '00000000000000000000', 400],
    ['/s/index', '20260101000000000', indexFileBytes({ slots: 25, entries: 100 })],
  ] as const) {
    disk.makeDirectory(directory);
    const file = disk.open(`${directory}/${name}`, { create: true });
    file.truncate(bytes);
    file.close();
  }
  const found = fileSizesOf(disk, '/s', '/s/commitlog');
  assert.equal([found.logFileBytes, found.queueFileBytes], [4096, 400]);
  assert.equal(indexSizesOf(found.indexFileBytes!), { slots: 25, entries: 100 });
  assert.is(indexSizesOf(indexFileBytes({ slots: 26, entries: 100 })), undefined, 'not four entries a slot');
});

disks.run();
files.run();
budget.run();
deletion.run();
existing.run();
