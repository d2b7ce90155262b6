/** What recovery does when good records follow something that is none: which damage is ordinary and which is not. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { Checkpoint } from '../../src/store/checkpoint.js';
import { StoreError } from '../../src/store/log-files.js';
import { removeAbortFile, VOUCHED_MARGIN_MS } from '../../src/store/recovery.js';
import { simulatedDisk } from './support.js';
import { checkStore, FILE_BYTES, optionsFor, recover, recoverAll, ROOT, TestStore } from './test-store.js';

const LOG = `${ROOT}/commitlog`;
const INDEX = `${ROOT}/index`;
const FIRST = `${LOG}/${'0'.repeat(20)}`;
const SECOND = `${LOG}/${String(FILE_BYTES).padStart(20, '0')}`;

interface Filled {
  readonly offsets: readonly number[];
  readonly end: number;
  readonly lastTimestamp: number;
}

/** Two files of messages, everything on the disk. */
function fill(disk: Disk, isClean: boolean): Filled {
  const store = new TestStore(disk);
  const offsets = Array.from({ length: 40 }, (_, i) => store.put({ body: `message ${i}`.repeat(5) }));
  store.writeOut();
  store.flushQueues();
  const filled = { offsets, end: store.log.endOffset, lastTimestamp: store.storeTimestamp };
  if (isClean) store.close();
  else store.kill();
  return filled;
}

/** The checkpoint says that messages stored before `timestamp` and a margin were synced. */
function vouchFor(disk: Disk, timestamp: number): void {
  const checkpoint = Checkpoint.open(disk, `${ROOT}/checkpoint`);
  checkpoint.logTimestamp = timestamp + VOUCHED_MARGIN_MS + 1;
  checkpoint.save();
}

function change(disk: Disk, path: string, edit: (file: Buffer) => void): void {
  const file = Buffer.from(disk.readFile(path)!);
  edit(file);
  disk.writeFile(path, file);
}

/** Spoils the body of the record. */
function spoil(disk: Disk, offset: number): void {
  change(disk, FIRST, (file) => file.fill(0x7f, offset + 90, offset + 95));
}

function keptDirectories(disk: Disk): string[] {
  return disk.list(ROOT).filter((name) => name.startsWith('commitlog-cut-'));
}

function refusal(disk: Disk): string {
  try {
    recover(disk);
  } catch (error) {
    assert.instance(error, StoreError);
    return (error as Error).message;
  }
  throw new Error('the store was opened');
}

const unsynced = suite('recovery: damage in what may never have been synced');

for (const [what, damage] of [
  ['a bad body', (file: Buffer, at: number) => file.fill(0x7f, at + 90, at + 95)],
  ['a hole', (file: Buffer, at: number, next: number) => file.fill(0, at, next)],
  ['noise', (file: Buffer, at: number, next: number) => file.fill(0x5a, at, next)],
] as const) {
  unsynced(`${what} with good records behind it: the start needs nobody, what is cut off is kept`, () => {
    const { disk } = simulatedDisk();
    const { offsets } = fill(disk, false);
    change(disk, FIRST, (file) => damage(file, offsets[7]!, offsets[8]!));
    const [first, second] = [Buffer.from(disk.readFile(FIRST)!), Buffer.from(disk.readFile(SECOND)!)];
    const recovered = recover(disk);
    assert.is(recovered.endOffset, offsets[7]);
    assert.is(recovered.truncatedFrom, offsets[7]);
    assert.is(recovered.problems.length, 1);
    assert.match(recovered.problems[0]!.text, `records follow at ${offsets[8]}`);
    checkStore(disk, recovered);
    const [kept, ...others] = keptDirectories(disk);
    assert.equal(others, []);
    assert.match(recovered.problems[0]!.text, `kept in ${ROOT}/${kept}`);
    assert.ok(disk.readFile(`${ROOT}/${kept}/${FIRST.slice(LOG.length + 1)}`)!.equals(first.fill(0, 0, offsets[7])));
    assert.ok(disk.readFile(`${ROOT}/${kept}/${SECOND.slice(LOG.length + 1)}`)!.equals(second));
    assert.equal(disk.list(LOG), [FIRST.slice(LOG.length + 1)]);
  });
}

unsynced('the checkpoint vouches only for what is older by the margin', () => {
  const { disk } = simulatedDisk();
  const { offsets, lastTimestamp } = fill(disk, false);
  const checkpoint = Checkpoint.open(disk, `${ROOT}/checkpoint`);
  checkpoint.logTimestamp = lastTimestamp;
  checkpoint.save();
  spoil(disk, offsets[7]!);
  assert.is(recover(disk).endOffset, offsets[7]);
});

unsynced('old records behind the end, which Apache does not clear, are no loss', () => {
  const { disk } = simulatedDisk();
  const { offsets } = fill(disk, false);
  vouchFor(disk, Number.MAX_SAFE_INTEGER / 2);
  // A younger record before them, as after a cut and a restart: then a hole up to the leftover.
  change(disk, FIRST, (file) => {
    file.writeBigInt64BE(BigInt(Date.now()), offsets[6]! + 56);
    file.fill(0, offsets[7], offsets[8]);
  });
  disk.remove(SECOND);
  const recovered = recover(disk);
  assert.is(recovered.endOffset, offsets[7]);
  assert.equal(recovered.problems, []);
  assert.equal(keptDirectories(disk), []);
  assert.ok(
    disk
      .readFile(FIRST)!
      .subarray(offsets[7])
      .every((byte) => byte === 0),
  );
});

unsynced('an interrupted cut is done again', () => {
  const { disk } = simulatedDisk();
  const { offsets } = fill(disk, false);
  spoil(disk, offsets[7]!);
  const rename = disk.rename.bind(disk);
  disk.rename = () => {
    throw new Error('killed');
  };
  assert.throws(() => recover(disk), 'killed');
  disk.rename = rename;
  const recovered = recover(disk);
  assert.is(recovered.endOffset, offsets[7]);
  assert.is(keptDirectories(disk).length, 2);
  checkStore(disk, recovered);
});
unsynced.run();

const synced = suite('recovery: damage in what had been synced');

synced('is refused with file, byte, offset and remedy, again and again, and nothing is lost', () => {
  const { disk } = simulatedDisk();
  const { offsets, lastTimestamp, end } = fill(disk, false);
  vouchFor(disk, lastTimestamp);
  const intact = Buffer.from(disk.readFile(FIRST)!);
  spoil(disk, offsets[7]!);
  const damaged = Buffer.from(disk.readFile(FIRST)!);
  for (let start = 0; start < 3; start++) {
    const message = refusal(disk);
    assert.match(message, `${FIRST} is damaged at its byte ${offsets[7]} (commit log offset ${offsets[7]})`);
    assert.match(message, 'body checksum');
    assert.match(message, `synced messages follow at ${offsets[8]}`);
    assert.match(message, 'damagedLogAction=cut');
    assert.ok(disk.readFile(FIRST)!.equals(damaged));
    assert.equal(keptDirectories(disk), []);
  }
  disk.writeFile(FIRST, intact);
  const recovered = recover(disk);
  assert.is(recovered.endOffset, end);
  checkStore(disk, recovered);
});

synced('a second record that is damaged does not hide the good ones behind it', () => {
  const { disk } = simulatedDisk();
  const { offsets, lastTimestamp } = fill(disk, false);
  vouchFor(disk, lastTimestamp);
  spoil(disk, offsets[7]!);
  spoil(disk, offsets[8]!);
  assert.match(refusal(disk), `synced messages follow at ${offsets[9]}`);
});

synced('zeros to the end of a file, when the next one goes on', () => {
  const { disk } = simulatedDisk();
  const { offsets, lastTimestamp } = fill(disk, false);
  vouchFor(disk, lastTimestamp);
  change(disk, FIRST, (file) => file.fill(0, offsets[7]));
  assert.match(refusal(disk), `synced messages follow at ${FILE_BYTES}`);
});

synced('damagedLogAction=cut accepts the cut, and keeps what is cut off', () => {
  const { disk } = simulatedDisk();
  const { offsets, lastTimestamp } = fill(disk, false);
  vouchFor(disk, lastTimestamp);
  spoil(disk, offsets[7]!);
  const recovered = recover(disk, { acceptsCut: true });
  assert.is(recovered.endOffset, offsets[7]);
  assert.match(recovered.problems[0]!.text, 'damagedLogAction=cut');
  assert.is(keptDirectories(disk).length, 1);
  checkStore(disk, recovered);
  assert.equal(recover(disk).problems, []);
});

synced(
  'after a clean stop everything had been: the damaged last message of the queues, and good ones behind it',
  () => {
    const { disk } = simulatedDisk();
    const { offsets } = fill(disk, true);
    // The queue's newest message is one that has others behind it.
    change(disk, `${ROOT}/consumequeue/orders/0/${'0'.repeat(20)}`, (file) => file.fill(0, 8 * 20));
    for (const name of disk.list(`${ROOT}/consumequeue/orders/0`).slice(1)) {
      disk.remove(`${ROOT}/consumequeue/orders/0/${name}`);
    }
    spoil(disk, offsets[7]!);
    for (let start = 0; start < 2; start++) {
      assert.match(refusal(disk), `${FIRST} is damaged at its byte ${offsets[7]}`, `start ${start}`);
    }
  },
);

synced('after a clean stop the last message is damaged: told, cut, and the abort file says nothing special', () => {
  const { disk } = simulatedDisk();
  const { offsets, end } = fill(disk, true);
  const last = offsets.at(-1)!;
  change(disk, SECOND, (file) => file.fill(0x7f, last - FILE_BYTES + 90, last - FILE_BYTES + 95));
  const recovered = recover(disk);
  assert.is(recovered.endOffset, last);
  assert.match(recovered.problems[0]!.text, `consume queues know messages up to ${end}`);
  assert.is(disk.readFile(`${ROOT}/abort`)!.length, 0);
  checkStore(disk, recovered);
});
synced.run();

const derived = suite('recovery: damage in queues and index after a clean stop');
const QUEUE = `${ROOT}/consumequeue/orders/0`;
/** The first of the last three files, which are looked at. */
const recentFile = (disk: Disk): string => `${QUEUE}/${disk.list(QUEUE).at(-3)}`;

for (const [what, damage] of [
  ['noise in an entry', (file: Buffer) => file.fill(0xa5, 40, 60)],
  ['zeros for an entry', (file: Buffer) => file.fill(0, 40, 60)],
] as const) {
  derived(`${what}: told, and all queues are built again from the log`, () => {
    const { disk } = simulatedDisk();
    const { end } = fill(disk, true);
    change(disk, recentFile(disk), damage);
    const recovered = recover(disk);
    assert.equal(recovered.problems, [
      { path: QUEUE, offset: -1, text: 'damaged entries: all queues are built again' },
    ]);
    assert.equal([recovered.endOffset, recovered.queues[0]!.maxOffset], [end, 40]);
    checkStore(disk, recovered);
  });
}

derived('a queue file without its end: the same', () => {
  const { disk } = simulatedDisk();
  fill(disk, true);
  const path = `${QUEUE}/${disk.list(QUEUE).at(-1)}`;
  disk.writeFile(path, disk.readFile(path)!.subarray(0, 70));
  const recovered = recover(disk);
  assert.match(recovered.problems[0]!.text, 'all queues are built again');
  assert.is(recovered.queues[0]!.maxOffset, 40);
});

derived('a header of the index that cannot be: the file is built again', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  for (let i = 0; i < 60; i++) store.put({ properties: [['KEYS', `k${i}`]] });
  store.writeOut();
  store.kill();
  recoverAll(disk);
  removeAbortFile(disk, ROOT);
  const [first, second] = disk.list(INDEX);
  assert.ok(second !== undefined, 'two files');
  const whole = disk.list(INDEX).map((name) => entriesOf(disk.readFile(`${INDEX}/${name}`)!));
  change(disk, `${INDEX}/${first}`, (file) => file.fill(0x55, 0, 40));
  const { problems, abnormal } = recoverAll(disk);
  assert.equal(
    problems.map(({ path, text }) => `${path} ${text}`),
    [`${INDEX}/${first} its header is damaged: it and what follows are built again`],
  );
  assert.is(abnormal, false);
  assert.equal(
    disk.list(INDEX).map((name) => entriesOf(disk.readFile(`${INDEX}/${name}`)!)),
    whole,
  );
});

/** Hashes and offsets of an index file's entries. */
function entriesOf(file: Buffer): string[] {
  const { slots } = optionsFor(ROOT).index!;
  const begin = 40 + 4 * slots;
  const count = file.readInt32BE(36);
  return Array.from({ length: count - 1 }, (_, n) =>
    file.toString('hex', begin + 20 * (n + 1), begin + 20 * (n + 1) + 12),
  );
}

derived('a missing log file is told after a clean stop, too, and the log goes on behind it', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  while (store.log.files.count < 3) store.put({ body: 'some message'.repeat(10) });
  store.writeOut();
  store.flushQueues();
  store.close();
  disk.remove(SECOND);
  const recovered = recover(disk);
  assert.equal(recovered.problems, [
    { path: SECOND, offset: FILE_BYTES, text: `is missing; the log goes on at ${2 * FILE_BYTES}` },
  ]);
  assert.is(recovered.endOffset, store.log.endOffset);
});

derived('a log file that is short beside whole ones is damaged, not of another size', () => {
  const { disk } = simulatedDisk();
  fill(disk, true);
  disk.writeFile(FIRST, disk.readFile(FIRST)!.subarray(0, 100));
  assert.match(refusal(disk), /has 100 bytes.* 1 others have that, so this one is damaged: put it back from a backup/);
});

derived(
  'names that no directory can have end the log as any damage does; others that are one directory share a queue',
  () => {
    const { disk } = simulatedDisk();
    const { offsets } = fill(disk, false);
    const topicAt = disk.readFile(FIRST)!.indexOf('orders');
    change(disk, FIRST, (file) => file.write('or/ers', topicAt));
    assert.is(recover(disk).endOffset, 0);
    const other = simulatedDisk().disk;
    fill(other, false);
    change(other, FIRST, (file) => {
      file.set([0xf0], topicAt);
      file.set([0xf1], topicAt + offsets[1]!);
    });
    const { queues } = recover(other);
    assert.is(queues.length, new Set(queues.map(({ topic, queueId }) => `${topic}/${queueId}`)).size);
  },
);

derived.run();
