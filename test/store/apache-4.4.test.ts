/** A store that Apache's broker 4.4.0 wrote (fixtures/apache-4.4.0-store.md), opened by our broker. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Contents, contentsOf, tablesOf } from '../interop/harness/store-contents.js';
import { decodeRecord, keyHash, keysOf, readIndexFiles, readLog } from '../interop/harness/store-files.js';
import { StoreHome } from '../interop/harness/store-home.js';
import { Code, type RemotingClient, sendFields } from '../support/remoting-client.js';
import { repositoryRoot } from '../support/repository.js';

interface Put {
  readonly topic: string;
  readonly queueId: number;
  readonly flag: number;
  readonly body: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly queueOffset: number;
  readonly msgId: string;
}

interface Fixture {
  readonly options: { fileBytes: number; queueFileBytes: number; indexSlots: number; indexEntries: number };
  readonly puts: readonly Put[];
  readonly files: Readonly<
    Record<string, { readonly bytes: number; readonly base64?: string; readonly text?: string }>
  >;
}

const fixture: Fixture = JSON.parse(
  readFileSync(join(repositoryRoot(), 'test/store/fixtures/apache-4.4.0-store.json'), 'utf8'),
);
const { options, puts, files } = fixture;
const TOPIC = 'old-orders';
const SCHEDULE = 'SCHEDULE_TOPIC_XXXX';
const QUEUES = [
  { topic: TOPIC, queueId: 0 },
  { topic: TOPIC, queueId: 1 },
  { topic: SCHEDULE, queueId: 17 },
];
const TWO_HOURS_MS = 7_200_000;
/** Queue, offset of the entry and the entry's place of the tags code. */
const TAGS_CODE = { queue: `consumequeue/${SCHEDULE}/17/00000000000000000000`, at: 12 } as const;

function content(path: string): Buffer {
  const { bytes, base64, text } = files[path]!;
  const whole = Buffer.alloc(bytes);
  whole.set(text === undefined ? Buffer.from(base64!, 'base64') : Buffer.from(text));
  return whole;
}

/** Opens the store with a broker of ours whose configuration has the sizes in the old spelling. */
async function opened(
  prepare: (store: string) => void,
  use: (client: RemotingClient) => Promise<void>,
): Promise<StoreHome> {
  const home = await StoreHome.create();
  for (const path of Object.keys(files)) {
    mkdirSync(join(home.store, dirname(path)), { recursive: true });
    writeFileSync(join(home.store, path), content(path));
  }
  // The two hours of its delayed message are over: as far as this broker is concerned it was delivered.
  writeFileSync(join(home.store, 'config/delayOffset.json'), '{"offsetTable":{"18":1}}');
  prepare(home.store);
  const { mappedFileSizeCommitLog: _log, mappedFileSizeConsumeQueue: _queue, ...rest } = home.values();
  const sizes = { mapedFileSizeCommitLog: options.fileBytes, mapedFileSizeConsumeQueue: options.queueFileBytes };
  const index = { maxHashSlotNum: options.indexSlots, maxIndexNum: options.indexEntries, maxMessageSize: 2_000 };
  try {
    const broker = await home.openWith('hangar', { ...rest, ...sizes, ...index });
    const client = await home.connect();
    try {
      await use(client);
    } finally {
      client.close();
    }
    await broker.stop();
  } catch (error) {
    await home.remove();
    throw error;
  }
  return home;
}

function assertPuts(contents: Contents): void {
  for (const put of puts) {
    const where = `${put.queueId} at ${put.queueOffset}`;
    const bytes = contents.get(`${TOPIC} ${put.queueId}`)?.records[put.queueOffset];
    assert.ok(bytes !== undefined, where);
    const record = decodeRecord(bytes!, 0);
    assert.equal([record.flag, record.body.toString()], [put.flag, put.body], where);
    assert.equal(Object.fromEntries(record.properties), put.properties, where);
    assert.ok(record.propertyText.endsWith('\u0002'), where);
    assert.is(record.physicalOffset, Number.parseInt(put.msgId.slice(16), 16), where);
  }
}

const old = suite('a store of Apache 4.4.0');

old('is opened with its messages, tables and offsets, and goes on behind them', async () => {
  const home = await opened(
    () => {},
    async (client) => {
      const contents = await contentsOf(client, QUEUES);
      assertPuts(contents);
      assert.equal(
        [...contents.values()].map(({ min, max }) => [min, max]),
        [0, 1].map((queueId) => [0, puts.filter((put) => put.queueId === queueId).length]).concat([[0, 1]]),
      );
      const tables = await tablesOf(client);
      assert.equal(tables.offsets[`${TOPIC}@old-readers`], { 0: 3, 1: 4 });
      assert.ok(tables.groups['old-readers']);
      assert.is((tables.topics[TOPIC] as { writeQueueNums: number }).writeQueueNums, 2);
      assert.ok(tables.topics['%RETRY%old-readers']);
      const answer = await client.call(Code.SEND, sendFields(TOPIC, 1, 'UNIQ_KEY\u0001NEW'), Buffer.from('new'));
      assert.equal([answer.code, answer.fields.queueOffset], [0, '7']);
    },
  );
  const keys = readLog(home.store).records.flatMap((record) => keysOf(record).map((key) => keyHash(record.topic, key)));
  const indexed = readIndexFiles(home.store, options.indexSlots).flatMap(({ entries }) => entries);
  await home.remove();
  assert.equal(
    indexed.map((entry) => entry.keyHash),
    keys,
  );
});

old('gets the consume queues that 4.4.0 had written when they are lost', async () => {
  const home = await opened(
    (store) => {
      rmSync(join(store, 'consumequeue'), { recursive: true });
      writeFileSync(join(store, 'abort'), '');
    },
    async (client) => assertPuts(await contentsOf(client, QUEUES)),
  );
  const rebuilt = Object.keys(files).filter((path) => path.startsWith('consumequeue/'));
  const found = new Map(rebuilt.map((path) => [path, readFileSync(join(home.store, path))]));
  await home.remove();
  for (const [path, bytes] of found) assert.is(bytes.toString('hex'), content(path).toString('hex'), path);
  // The delayed message's entry says when it is due.
  const due = Number(found.get(TAGS_CODE.queue)!.readBigInt64BE(TAGS_CODE.at));
  const delayed = readDelayed();
  assert.is(due, delayed.storeTimestamp + TWO_HOURS_MS);
});

function readDelayed() {
  const entry = content(TAGS_CODE.queue);
  const offset = Number(entry.readBigInt64BE(0));
  const start = offset - (offset % options.fileBytes);
  return decodeRecord(content(`commitlog/${String(start).padStart(20, '0')}`), offset - start);
}

old.run();
