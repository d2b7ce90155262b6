/** The same messages sent to Apache's broker and to Hangar leave the same files, field by field. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import * as assert from 'uvu/assert';
import { startApacheAlone } from '../support/apache.js';
import { START_MS } from '../support/hangar-process.js';
import { Code, type RemotingClient } from '../support/remoting-client.js';
import { finish, until } from './harness/process.js';
import {
  ask,
  assertKept,
  type Contents,
  contentsOf,
  parseFastjson,
  recordsIn,
  tablesOf,
} from './harness/store-contents.js';
import { DELAYED, Level, REMINDERS, SCHEDULE, sendDelayed, untilDelivered } from './harness/store-delayed.js';
import {
  decodeRecord,
  type FileFacts,
  filesOf,
  type IndexContent,
  keyHash,
  keysOf,
  type LogContent,
  type QueueContent,
  readCheckpoint,
  readIndexFiles,
  readLog,
  readQueueFiles,
  readQueueRecords,
  type StoredRecord,
} from './harness/store-files.js';
import {
  commitOffsets,
  contentsWith,
  createTables,
  createTopic,
  fill,
  filledQueues,
  QUEUES,
  tagsCodeOf,
  Topic,
} from './harness/store-filling.js';
import { type Maker, SIZES, StoreHome } from './harness/store-home.js';
import { storeLife } from './harness/store-suite.js';

const MESSAGES = 200;
const SEED = 7;
const QUEUE_NAMES = filledQueues();
/** Bytes of a checksum that are kept. */
const CRC_MASK = 0x7fff_ffff;
const SEND_BACK = 36;
const RETRIED_MS = 20_000;

interface Written {
  readonly log: LogContent;
  readonly queues: readonly QueueContent[];
  readonly index: readonly IndexContent[];
  readonly files: readonly FileFacts[];
  readonly contents: Contents;
}

const life = await storeLife("files beside those of Apache's broker");
const written = new Map<Maker, Written>();
/** Hangar's; Apache's is the home of the suite. Both brokers have the same address, one after the other. */
let hangarHome: StoreHome | undefined;
life.after(async () => await hangarHome?.remove());

async function used<T>(home: StoreHome, use: (client: RemotingClient) => Promise<T>): Promise<T> {
  const client = await home.connect();
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

async function write(home: StoreHome, maker: Maker): Promise<void> {
  const broker = await home.open(maker);
  const contents = await used(home, async (client) => {
    await createTables(client);
    const sent = await fill(client, SEED, MESSAGES);
    await commitOffsets(client, 'readers', QUEUE_NAMES, 7);
    const contents = await contentsWith(client, QUEUE_NAMES, sent);
    await createTopic(client, REMINDERS, 1);
    await sendDelayed(client, Level.ONCE);
    await untilDelivered(client, Level.ONCE);
    await sendBack(client, contents.get(`${Topic.mixed} 0`)!.records);
    return contents;
  });
  assert.is(readFileSync(join(home.store, 'abort'), 'utf8'), '');
  if (maker === 'apache') await assertRefusesHangar(home);
  await broker.stop();
  assert.is(readFileSync(join(home.store, 'lock'), 'latin1'), 'lock');
  written.set(maker, {
    log: readLog(home.store),
    queues: QUEUE_NAMES.map(({ topic, queueId }) => readQueueFiles(home.store, topic, queueId)),
    index: readIndexFiles(home.store, SIZES.indexSlots),
    files: filesOf(home.store),
    contents,
  });
}

/** A message goes to the retry topic of the group that read it, by way of the delay topic, and one to its dead letters. */
async function sendBack(client: RemotingClient, records: readonly Buffer[]): Promise<void> {
  const group = 'test-consumer';
  for (const [index, { delayLevel, topic }] of [
    { delayLevel: Level.ONCE, topic: `%RETRY%${group}` },
    { delayLevel: -1, topic: `%DLQ%${group}` },
  ].entries()) {
    const { physicalOffset: offset, topic: originTopic } = decodeRecord(records[index]!, 0);
    const fields = {
      offset,
      group,
      delayLevel,
      originMsgId: 'ID',
      originTopic,
      unitMode: false,
      maxReconsumeTimes: 16,
    };
    await ask(client, SEND_BACK, fields);
    await until(`${topic} has the message`, RETRIED_MS, async () => {
      const answer = await client.call(Code.MAX_OFFSET, { topic, queueId: 0 });
      return answer.fields.offset === '1' ? true : undefined;
    });
  }
}

async function assertRefusesHangar(home: StoreHome): Promise<void> {
  const refused = await finish(home.spawnHangar(home.values({ listenPort: home.port + 10 })), START_MS);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, `hangar: broker-a: ${home.store} is in use by another broker`);
}

function both(): { apache: Written; hangar: Written } {
  return { apache: written.get('apache')!, hangar: written.get('hangar')! };
}

life.step("both are sent the same; Apache's store is refused to Hangar meanwhile", async (home) => {
  await write(home, 'apache');
  hangarHome = await StoreHome.create({}, home.port);
  await write(hangarHome, 'hangar');
});

/** What is equal: everything but the time and the client's port. Properties have no order. */
function comparable(record: StoredRecord): object {
  const { storeTimestamp: _time, propertyText, properties, body, bornHost, ...rest } = record;
  const hasSeparatorAtEnd = propertyText.endsWith('\u0002');
  const text = body.toString('latin1');
  return { ...rest, text, bornIp: bornHost.split(':')[0], properties: [...properties].sort(), hasSeparatorAtEnd };
}

life.step('the commit logs have the same records at the same places, and the same blank ends', async () => {
  const { apache, hangar } = both();
  assert.equal(hangar.log.files, apache.log.files);
  assert.ok(apache.log.files.length > 1);
  assert.equal(hangar.log.blanks, apache.log.blanks);
  assert.ok(apache.log.blanks.every(({ claimedBytes, leftBytes }) => claimedBytes === leftBytes && leftBytes >= 8));
  assert.is(hangar.log.records.length, apache.log.records.length);
  for (const [index, record] of hangar.log.records.entries()) {
    assert.equal(comparable(record), comparable(apache.log.records[index]!), `record ${index}`);
    assert.is(record.bodyCrc, record.body.length === 0 ? 0 : crc32(record.body) & CRC_MASK, `checksum of ${index}`);
  }
});

life.step('the consume queues have the same files and entries', async () => {
  const { apache, hangar } = both();
  assert.equal(hangar.queues, apache.queues);
  assert.ok(apache.queues.some(({ files }) => files.length > 1));
  for (const [index, { topic, queueId }] of QUEUE_NAMES.entries()) {
    const records = hangar.log.records.filter((record) => record.topic === topic && record.queueId === queueId);
    assert.equal(
      hangar.queues[index]!.entries,
      records.map(({ physicalOffset, totalBytes, properties }) => ({
        physicalOffset,
        bytes: totalBytes,
        tagsCode: tagsCodeOf(properties.get('TAGS')),
      })),
    );
  }
});

life.step('the entries of delayed messages say when they are due', async (home) => {
  for (const { store } of [home, hangarHome!]) {
    const records = readQueueRecords(store, readLog(store), SCHEDULE, Level.ONCE - 1);
    const { entries } = readQueueFiles(store, SCHEDULE, Level.ONCE - 1);
    // What was sent back waits here as well.
    assert.is(entries.length, DELAYED + 1);
    assert.equal(
      entries.map(({ tagsCode }) => Number(tagsCode)),
      records.map(({ storeTimestamp }) => storeTimestamp + 1_000),
    );
  }
});

life.step('the index files have the same headers, slots and chains', async () => {
  const { apache, hangar } = both();
  assert.ok(apache.index.length > 1);
  const shape = ({ header, entries }: IndexContent): object => {
    const { beginTimestamp: _begin, endTimestamp: _end, ...places } = header;
    return { ...places, entries: entries.map(({ seconds: _seconds, ...entry }) => entry) };
  };
  assert.equal(hangar.index.map(shape), apache.index.map(shape));
  const keys = hangar.log.records.flatMap((record) => keysOf(record).map((key) => ({ record, key })));
  const indexed = hangar.index.flatMap(({ header, entries }) => entries.map((entry) => ({ header, entry })));
  assert.is(indexed.length, keys.length);
  for (const [index, { header, entry }] of indexed.entries()) {
    const { record, key } = keys[index]!;
    const seconds = Math.trunc((record.storeTimestamp - header.beginTimestamp) / 1_000);
    const wanted = [keyHash(record.topic, key), record.physicalOffset, Math.max(0, seconds)];
    assert.equal([entry.keyHash, entry.physicalOffset, entry.seconds], wanted, `entry ${index}`);
    assert.is(entry.slot, entry.keyHash % SIZES.indexSlots);
  }
  for (const { name, header, usedSlots } of hangar.index) {
    assert.match(name, /^\d{17}$/);
    assert.is(header.usedSlots, usedSlots, name);
    const last = hangar.log.records.find(({ physicalOffset }) => physicalOffset === header.endOffset);
    assert.is(header.endTimestamp, last!.storeTimestamp);
  }
});

life.step('the checkpoints have the same size and vouch for the same queues and index files', async (home) => {
  for (const [maker, store] of [
    ['apache', home.store],
    ['hangar', hangarHome!.store],
  ] as const) {
    const { log, index } = written.get(maker)!;
    const checkpoint = readCheckpoint(store);
    const newest = log.records.at(-1)!.storeTimestamp;
    assert.is(checkpoint.bytes, 4096);
    // Apache's says so only once it has flushed thoroughly, each 10 s.
    const isVouchedFor = maker === 'hangar' ? checkpoint.log >= newest : checkpoint.log <= newest;
    assert.ok(isVouchedFor, `${maker}: log ${checkpoint.log}, newest ${newest}`);
    assert.ok(checkpoint.queues >= newest, `${maker}: queues ${checkpoint.queues}, newest ${newest}`);
    // Of the newest file that is full.
    assert.is(checkpoint.index, index.at(-2)!.header.endTimestamp, maker);
  }
});

life.step('the directories have the same files of the same sizes, sparse where they are not written', async () => {
  const { apache, hangar } = both();
  const sizes = ({ files }: Written): string[] =>
    files
      .filter(({ path }) => !path.startsWith('config/'))
      .map(({ path, bytes }) => `${path.replace(/^index\/\d+$/, 'index/TIME')} ${bytes}`)
      .sort();
  assert.equal(sizes(hangar), sizes(apache));
  const last = hangar.files.filter(({ path }) => path.startsWith('commitlog/')).at(-1)!;
  assert.ok(last.blockBytes < last.bytes, `${last.path} takes ${last.blockBytes} bytes`);
  const names = hangar.files.map(({ path }) => path).filter((path) => path.startsWith('config/'));
  const known = new Set(apache.files.map(({ path }) => path));
  assert.equal(
    names.filter((name) => !known.has(name)),
    [],
  );
});

const TABLES = {
  'topics.json': 'topicConfigTable',
  'subscriptionGroup.json': 'subscriptionGroupTable',
  'consumerOffset.json': 'offsetTable',
} as const;

function configText(home: StoreHome, name: string): string {
  return readFileSync(join(home.store, 'config', name), 'utf8');
}

/** A table of config/. Apache's broker makes the topic of half messages when its check service is stopped. */
function tableIn(home: StoreHome, name: keyof typeof TABLES): Readonly<Record<string, unknown>> {
  const { [TABLES[name]]: table } = parseFastjson(configText(home, name)) as Record<string, Record<string, unknown>>;
  const { RMQ_SYS_TRANS_HALF_TOPIC: _, ...rest } = table!;
  return rest;
}

life.step('the tables in config say the same, queue ids unquoted', async (home) => {
  for (const name of Object.keys(TABLES) as (keyof typeof TABLES)[]) {
    assert.equal(tableIn(hangarHome!, name), tableIn(home, name), name);
  }
  for (const either of [home, hangarHome!]) {
    assert.match(configText(either, 'consumerOffset.json'), /"mixed@readers":\s*\{\s*0:\s*7,/);
  }
});

life.step("Apache's broker is refused a store that Hangar has open, which goes on", async () => {
  const home = hangarHome!;
  const hangar = await home.open('hangar');
  const refusal = await startApacheAlone(home.values({ listenPort: home.port + 10 })).then(
    async (apache) => {
      await apache.kill();
      return new Error('it started');
    },
    (error: Error) => error,
  );
  assert.match(refusal.message, 'Lock failed,MQ already started');
  const { contents } = both().hangar;
  await used(home, async (client) => {
    assertKept(contents, await contentsOf(client, QUEUE_NAMES), true);
    await fill(client, SEED + 1, MESSAGES);
    const now = await contentsOf(client, QUEUE_NAMES);
    assertKept(contents, now, false);
    assert.is(recordsIn(now).length, 2 * recordsIn(contents).length);
  });
  await hangar.stop();
});

life.step('the key index, which suffered from that, is built again when it is asked for', async () => {
  const home = hangarHome!;
  assert.ok(indexedKeys(home) < keysInLog(home));
  rmSync(join(home.store, 'checkpoint'));
  writeFileSync(join(home.store, 'abort'), '');
  const hangar = await home.open('hangar');
  await hangar.stop();
  assert.is(indexedKeys(home), keysInLog(home));
  await home.check();
});

function keysInLog({ store }: StoreHome): number {
  return readLog(store).records.flatMap(keysOf).length;
}

function indexedKeys({ store }: StoreHome): number {
  return readIndexFiles(store, SIZES.indexSlots).reduce((sum, { entries }) => sum + entries.length, 0);
}

life.step('with the default sizes, files have their full size and take little', async () => {
  const home = await StoreHome.create();
  try {
    const { mappedFileSizeCommitLog: _l, mappedFileSizeConsumeQueue: _q, ...rest } = home.values();
    const { maxHashSlotNum: _s, maxIndexNum: _i, ...defaults } = rest;
    const hangar = await home.openWith('hangar', defaults);
    await used(home, async (client) => {
      await createTables(client);
      await fill(client, SEED, QUEUES);
      await tablesOf(client);
    });
    await hangar.stop();
    const files = filesOf(home.store);
    const sizeOf = (prefix: string): number[] =>
      files.filter(({ path }) => path.startsWith(prefix)).map(({ bytes }) => bytes);
    assert.equal(sizeOf('commitlog/'), [1024 ** 3]);
    assert.equal([...new Set(sizeOf('consumequeue/'))], [6_000_000]);
    assert.equal(sizeOf('index/'), [420_000_040]);
    const taken = files.reduce((sum, { blockBytes }) => sum + blockBytes, 0);
    assert.ok(taken < 2 * 1024 * 1024, `${taken} bytes taken`);
    assert.ok(existsSync(join(home.store, 'consumequeue', Topic.mixed, '0', '00000000000000000000')));
  } finally {
    await home.remove();
  }
});

life.run();
