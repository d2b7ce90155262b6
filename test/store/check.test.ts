/** The offline check on good, crashed, damaged and Apache-written stores: what it finds, and that it changes nothing. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { type CheckSummary, checkStore as check } from '../../src/store/check/check-store.js';
import type { Finding } from '../../src/store/check/findings.js';
import { removeAbortFile } from '../../src/store/recovery.js';
import { apacheStore, layOutApacheStore } from './fixture.js';
import { HALF, simulatedDisk } from './support.js';
import { DELAY_LEVELS, FILE_BYTES, optionsFor, recoverAll, ROOT, TestStore } from './test-store.js';

const LOG = `${ROOT}/commitlog`;
const QUEUE = `${ROOT}/consumequeue/orders/0`;
const INDEX = `${ROOT}/index`;
const fileName = (start: number): string => String(start).padStart(20, '0');
const FIRST = `${LOG}/${fileName(0)}`;

interface Checked {
  readonly summary: CheckSummary;
  readonly findings: readonly Finding[];
  /** 'damage log: text', joined by line ends. */
  readonly text: string;
}

function checked(disk: Disk, options = {}): Checked {
  const findings: Finding[] = [];
  const before = snapshot(disk, ROOT);
  const summary = check(
    disk,
    { root: ROOT, delayLevelsMs: DELAY_LEVELS, indexSlots: optionsFor(ROOT).index!.slots, ...options },
    { onFinding: (finding) => findings.push(finding), onProgress: () => undefined },
  );
  assert.equal(snapshot(disk, ROOT), before, 'a check changes nothing');
  assert.is(summary.damage, findings.filter(({ severity }) => severity === 'damage').length);
  const text = findings.map(({ severity, part, text: what }) => `${severity} ${part}: ${what}`).join('\n');
  return { summary, findings, text };
}

function snapshot(disk: Disk, path: string): Record<string, string> {
  const content: Record<string, string> = {};
  for (const name of disk.list(path)) {
    const inner = `${path}/${name}`;
    if (disk.stat(inner)!.isDirectory) Object.assign(content, snapshot(disk, inner));
    else content[inner] = disk.readFile(inner)!.toString('latin1');
  }
  return content;
}

interface Stored {
  readonly disk: Disk;
  readonly offsets: readonly number[];
  readonly end: number;
}

/** Some files of messages with keys in two queues, recovered once so that the index is there, and closed in order. */
function goodStore(): Stored {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  const offsets = Array.from({ length: 90 }, (_, i) =>
    store.put({
      topic: i % 3 === 0 ? 'payments' : 'orders',
      sysFlag: i % 7 === 0 ? HALF.prepared : HALF.none,
      properties: [
        ['UNIQ_KEY', `U${i}`],
        ['KEYS', `k${i} common`],
        ['TAGS', 'a'],
      ],
    }),
  );
  store.writeOut();
  const end = store.log.endOffset;
  store.kill();
  recoverAll(disk);
  removeAbortFile(disk, ROOT);
  return { disk, offsets, end };
}

function change(disk: Disk, path: string, edit: (file: Buffer) => void): void {
  const file = Buffer.from(disk.readFile(path)!);
  edit(file);
  disk.writeFile(path, file);
}

const good = suite('store check: nothing wrong');

good('a store that was closed in order', () => {
  const { disk, offsets, end } = goodStore();
  const { summary, findings } = checked(disk);
  assert.equal(findings, []);
  assert.is(summary.records, offsets.length);
  assert.is(summary.endOffset, end);
  assert.is(summary.logFiles, Math.ceil(end / FILE_BYTES));
  assert.is(summary.queues, 2);
  assert.is(summary.entries, offsets.filter((_, i) => i % 7 !== 0).length);
  assert.is(summary.keys, 3 * offsets.length);
  assert.ok(summary.indexFiles > 1);
});

good('a crash leaves notices, no damage', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  for (let i = 0; i < 30; i++) store.put({ body: `message ${i}` });
  store.writeOut();
  const { endOffset } = store.log;
  store.kill();
  change(disk, FIRST, (file) => file.fill(0x33, endOffset, endOffset + 50));
  const { summary, text } = checked(disk);
  assert.is(summary.damage, 0, text);
  assert.match(text, 'notice store: the store was not closed in order');
  assert.match(text, 'notice log: the log ends in a torn or damaged record');
});

for (const isClean of [true, false]) {
  good(`a store of Apache 4.9.7, ${isClean ? 'closed in order' : 'copied while it was open'}`, () => {
    const { disk } = simulatedDisk();
    layOutApacheStore(disk, ROOT, isClean);
    const { summary, text } = checked(disk, { indexSlots: apacheStore.options.indexSlots });
    assert.is(summary.damage, 0, text);
    assert.is(summary.records, apacheStore.puts.length + 3);
    assert.is(summary.endOffset, apacheStore.batch.physicalOffset + apacheStore.batch.bytes);
    if (isClean) assert.is(summary.notices, 0, text);
  });
}

good('a topic that was deleted and made again', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  for (let i = 0; i < 12; i++) store.put({});
  store.writeOut();
  store.deleteTopic('orders');
  for (let i = 0; i < 3; i++) store.put({});
  store.close();
  const { text } = checked(disk);
  assert.not.match(text, 'damage');
});

good('an empty directory', () => {
  const { disk } = simulatedDisk();
  disk.makeDirectory(ROOT);
  assert.is(checked(disk).summary.damage, 0);
});
good.run();

const damaged = suite('store check: damage');

/** Damages a good store; what is found. */
function after(damage: (store: Stored) => void): Checked & Stored {
  const store = goodStore();
  damage(store);
  return { ...store, ...checked(store.disk) };
}

damaged('a bad body is told with file, byte and where it goes on; the rest is checked all the same', () => {
  const { findings, offsets, end, summary } = after(({ disk, offsets: at }) =>
    change(disk, FIRST, (file) => file.fill(0x7f, at[4]! + 90, at[4]! + 92)),
  );
  assert.equal(findings[0], {
    severity: 'damage',
    part: 'log',
    path: FIRST,
    offset: offsets[4],
    text: `bad record (body checksum) at byte ${offsets[4]} of the file; the next good record is at ${offsets[5]}`,
  });
  assert.is(summary.endOffset, end);
  assert.is(summary.records, offsets.length - 1);
});

for (const [what, damage, expected] of [
  [
    'a hole of several records',
    ({ disk, offsets }) => change(disk, FIRST, (file) => file.fill(0, offsets[4], offsets[6])),
    /damage log: zeros at byte \d+ of the file; the next good record is at \d+/,
  ],
  [
    'a record at another place than it says',
    ({ disk, offsets }) => change(disk, FIRST, (file) => file.writeBigInt64BE(77n, offsets[4]! + 28)),
    /damage log: the record says that it lies at 77/,
  ],
  [
    'a blank record with a wrong size',
    ({ disk }) =>
      change(disk, FIRST, (file) => {
        file.writeInt32BE(7, file.lastIndexOf(Buffer.from('cbd43194', 'hex')) - 4);
      }),
    /damage log: the blank record that closes the file claims 7 bytes/,
  ],
  [
    'a file that is missing',
    ({ disk }) => disk.remove(`${LOG}/${fileName(FILE_BYTES)}`),
    /damage log: files are missing: the log goes on at 8192/,
  ],
  [
    'a file that is cut short',
    ({ disk }) => disk.writeFile(FIRST, disk.readFile(FIRST)!.subarray(0, 3_000)),
    /damage log: has 3000 bytes, files of this log have 4096/,
  ],
  [
    'a torn record after a clean stop',
    ({ disk, offsets }) => {
      const inFile = offsets.at(-1)! % FILE_BYTES;
      change(disk, `${LOG}/${disk.list(LOG).at(-1)}`, (file) => file.fill(0x7f, inFile + 90, inFile + 92));
    },
    /damage log: the log ends in a torn or damaged record/,
  ],
  [
    'an entry that leads elsewhere',
    ({ disk }) => change(disk, `${QUEUE}/${fileName(0)}`, (file) => file.writeInt32BE(1, 2 * 20 + 4)),
    /damage queue: 1 entries lead to no message/,
  ],
  [
    'an entry with another size',
    ({ disk }) => change(disk, `${QUEUE}/${fileName(0)}`, (file) => file.writeInt32BE(5, 2 * 20 + 8)),
    /damage queue: the entry at queue offset 2 has another size than its record/,
  ],
  [
    'an entry with another tags code',
    ({ disk }) => change(disk, `${QUEUE}/${fileName(0)}`, (file) => file.writeInt32BE(5, 2 * 20 + 16)),
    /damage queue: the entry at queue offset 2 has another tags code/,
  ],
  [
    'zeros among the entries',
    ({ disk }) => change(disk, `${QUEUE}/${fileName(0)}`, (file) => file.fill(0, 40, 60)),
    /damage queue: entries are missing from queue offset 2 to 3/,
  ],
  [
    'a queue that ends early',
    ({ disk }) => disk.remove(`${QUEUE}/${disk.list(QUEUE).at(-1)}`),
    /damage queue: \d+ messages from queue offset \d+ on have no entry/,
  ],
  [
    'no consume queues at all',
    ({ disk }) => disk.removeTree(`${ROOT}/consumequeue`),
    /damage queue: there are no consume queues; a start builds all of them again/,
  ],
  [
    'a queue of a topic that exists',
    ({ disk }) => {
      disk.makeDirectory(`${ROOT}/config`);
      disk.writeFile(`${ROOT}/config/topics.json`, '{"topicConfigTable":{"orders":{}}}');
      disk.removeTree(`${ROOT}/consumequeue/orders`);
    },
    /damage queue: the queue is missing, \d+ messages/,
  ],
  [
    'an index entry of another message',
    ({ disk }) =>
      change(disk, `${INDEX}/${disk.list(INDEX)[0]}`, (file) => file.writeInt32BE(123, 40 + 7 * 4 + 5 * 20)),
    /damage index: 1 entries have the hash of no key of their message/,
  ],
  [
    'a broken chain',
    ({ disk }) => change(disk, `${INDEX}/${disk.list(INDEX)[0]}`, (file) => file.writeInt32BE(1, 40 + 4)),
    /damage index: 1 links of its chains are wrong/,
  ],
  [
    'index entries that go back',
    ({ disk }) => change(disk, `${INDEX}/${disk.list(INDEX)[0]}`, (file) => file.fill(0, 40 + 28 + 200, 40 + 28 + 240)),
    /damage index: entry 10 is none/,
  ],
  [
    'a checkpoint with an impossible time',
    ({ disk }) => change(disk, `${ROOT}/checkpoint`, (file) => file.writeBigInt64BE(-1n, 8)),
    /damage checkpoint: the time of the consume queues is -1/,
  ],
  [
    'a table that is no JSON',
    ({ disk }) => {
      disk.makeDirectory(`${ROOT}/config`);
      disk.writeFile(`${ROOT}/config/consumerOffset.json`, '{"offsetTable":{"orders@g":{0:1');
    },
    /damage config: is no JSON; a start takes its \.bak/,
  ],
] as const satisfies readonly (readonly [string, (store: Stored) => void, RegExp])[]) {
  damaged(what, () => {
    const { text } = after(damage);
    assert.match(text, expected);
  });
}

damaged('tables with keys that are bare numbers, as fastjson writes them, are good', () => {
  const { text } = after(({ disk }) => {
    disk.makeDirectory(`${ROOT}/config`);
    disk.writeFile(`${ROOT}/config/delayOffset.json`, '{"offsetTable":{1:15, 3:40}}');
  });
  assert.is(text, '');
});

damaged('foreign files are told and harmless', () => {
  const { summary, text } = after(({ disk }) => {
    for (const directory of [LOG, INDEX, `${ROOT}/consumequeue/orders`]) disk.writeFile(`${directory}/.DS_Store`, 'x');
  });
  assert.is(summary.damage, 0);
  assert.is(summary.notices, 3, text);
});

damaged('of many findings of a kind only some are told, all are counted', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  const offsets = Array.from({ length: 300 }, (_, i) => store.put({ body: `message ${i}` }));
  store.close();
  for (const name of disk.list(LOG)) {
    change(disk, `${LOG}/${name}`, (file) => {
      for (const offset of offsets.filter((at) => at - (at % FILE_BYTES) === Number(name))) {
        file.writeBigInt64BE(1n, (offset % FILE_BYTES) + 28);
      }
    });
  }
  const findings: Finding[] = [];
  const events = { onFinding: (finding: Finding) => findings.push(finding), onProgress: () => undefined };
  const summary = check(disk, { root: ROOT, delayLevelsMs: DELAY_LEVELS }, events);
  assert.is(summary.damage, 300);
  assert.is(findings.length + summary.untold, summary.damage + summary.notices);
  assert.is(findings.filter(({ severity }) => severity === 'damage').length, 100);
});
damaged.run();
