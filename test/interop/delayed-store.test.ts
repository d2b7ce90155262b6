/**
 * Delayed messages and messages that come back: the same requests leave the same records, entries and tables in a store of
 * either maker, and each maker's broker delivers what the other's left pending.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import {
  type Answer,
  Code,
  type Fields,
  messagesOf,
  pullFields,
  type RemotingClient,
  sendFields,
} from '../support/remoting-client.js';
import { until } from './harness/process.js';
import { readLog, readQueueFiles, type StoredRecord } from './harness/store-files.js';
import { propertyText } from './harness/store-filling.js';
import { type Maker, StoreHome } from './harness/store-home.js';
import { storeLife } from './harness/store-suite.js';

const SEND_BACK = 36;
const ALL_TOPICS = 21;
const ALL_DELAY_OFFSETS = 45;
const SCHEDULE = 'SCHEDULE_TOPIC_XXXX';
const RETRY = '%RETRY%G';
const DEAD = '%DLQ%G';
const MESSAGE_ILLEGAL = 13;
const DELIVERED_MS = 20_000;
/** Level 3 is that of the first retry. */
const settings = { messageDelayLevel: '1s 1s 1s 1s 6s' };

async function send(client: RemotingClient, topic: string, queueId: number, properties: Fields, more: Fields = {}) {
  const text = propertyText(
    Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, String(value)])),
  );
  const fields = sendFields(topic, queueId, text, { g: 1234, h: 7, ...more });
  return await client.call(Code.SEND, fields, Buffer.from('hello'));
}

async function holds(client: RemotingClient, topic: string, queueId: number, count: number): Promise<void> {
  await until(`${topic} ${queueId} holds ${count} messages`, DELIVERED_MS, async () => {
    const { fields } = await client.call(Code.MAX_OFFSET, { topic, queueId });
    return Number(fields.offset) >= count ? true : undefined;
  });
}

/** Physical offset of the newest message. */
async function newest(client: RemotingClient, topic: string, queueId: number, queueOffset: number): Promise<number> {
  return await until(`${topic} ${queueId} ${queueOffset} can be pulled`, DELIVERED_MS, async () => {
    const { code, body } = await client.call(Code.PULL, pullFields(topic, queueId, queueOffset));
    return code === 0 ? messagesOf(body)[0]!.physicalOffset : undefined;
  });
}

/** What the broker answered, without what names its port, which is in every message id. Ours says more of a bad batch. */
function facts({ code, remark, fields }: Answer): object {
  const { msgId, ...rest } = fields;
  const said = code === MESSAGE_ILLEGAL ? '' : remark;
  return { code, remark: said, fields: msgId === undefined ? rest : { ...rest, msgId: msgId.slice(16) } };
}

/** Every kind of delayed and returned message, one after the other. */
async function script(client: RemotingClient): Promise<object[]> {
  const answers: object[] = [];
  const noted = async (asked: Promise<Answer>): Promise<Answer> => {
    const answer = await asked;
    answers.push(facts(answer));
    return answer;
  };
  const back = (offset: number, more: Fields = {}): Promise<Answer> =>
    noted(client.call(SEND_BACK, { offset, group: 'G', delayLevel: 0, originTopic: 'T', unitMode: false, ...more }));

  await noted(send(client, 'T', 1, { DELAY: 1, TAGS: 'a', KEYS: 'k', WAIT: true, UNIQ_KEY: 'U1' }));
  await holds(client, 'T', 1, 1);
  await noted(send(client, 'T', 2, { DELAY: 99, REAL_TOPIC: 'mine', REAL_QID: 77 }));
  await noted(send(client, 'T', 0, { DELAY: 0, TAGS: 'b' }));
  await noted(send(client, 'T', 0, { DELAY: 1 }, { m: true }));
  const first = await newest(client, 'T', 0, 0);
  await back(first);
  await holds(client, RETRY, 0, 1);
  const retried = await newest(client, RETRY, 0, 0);
  await back(retried);
  await holds(client, RETRY, 0, 2);
  await back(retried, { maxReconsumeTimes: 1 });
  await back(await newest(client, RETRY, 0, 1), { delayLevel: -1 });
  await holds(client, DEAD, 0, 2);
  await back(first + 1_000_000);
  await noted(send(client, RETRY, 0, { RETRY_TOPIC: 'T', DELAY: 1 }, { j: 3, l: 5 }));
  await holds(client, RETRY, 0, 3);
  await noted(send(client, RETRY, 0, { RETRY_TOPIC: 'T', DELAY: 2 }, { j: 5, l: 5 }));
  await holds(client, DEAD, 0, 3);
  await holds(client, 'T', 2, 1);
  return answers;
}

async function runtimeTable(client: RemotingClient): Promise<Readonly<Record<string, string>>> {
  return JSON.parse((await client.call(Code.BROKER_RUNTIME_INFO, {})).body.toString()).table;
}

/** What a tool sees of it. */
async function tablesOf(client: RemotingClient): Promise<object> {
  const { topicConfigTable } = JSON.parse((await client.call(ALL_TOPICS, {})).body.toString()) as {
    topicConfigTable: Record<string, object>;
  };
  assert.is((await client.call(ALL_DELAY_OFFSETS, {})).code, 0);
  return {
    schedule: Object.entries(await runtimeTable(client))
      .filter(([key]) => key.startsWith('scheduleMessageOffset'))
      .sort(),
    topics: [RETRY, DEAD].map((topic) => topicConfigTable[topic]),
  };
}

const storePort = (record: StoredRecord): string =>
  Number(record.storeHost.split(':')[1]).toString(16).padStart(8, '0');

/** Without times and ports, which differ from run to run. */
function normal(record: StoredRecord): object {
  const { bodyCrc: _crc, bornHost, storeHost, storeTimestamp: _time, propertyText: text, body, ...same } = record;
  const port = storePort(record).toUpperCase();
  const properties = [...record.properties].map(([name, value]) => `${name}=${value.replace(port, 'PORT')}`).sort();
  const hosts = [bornHost, storeHost].map((host) => host.split(':')[0]);
  return { ...same, hosts, body: body.toString(), properties, propertyBytes: text.length };
}

interface Left {
  readonly answers: readonly object[];
  readonly tables: object;
  readonly records: readonly object[];
  readonly progress: string;
}

async function left(maker: Maker): Promise<Left> {
  const home = await StoreHome.create(settings);
  try {
    const broker = await home.open(maker);
    const client = await home.connect();
    const answers = await script(client);
    const tables = await tablesOf(client);
    client.close();
    await broker.stop();
    const { records } = readLog(home.store);
    checkDues(home, records);
    return { answers, tables, records: records.map(normal), progress: progressOf(home) };
  } finally {
    await home.remove();
  }
}

function progressOf(home: StoreHome): string {
  return readFileSync(join(home.store, 'config', 'delayOffset.json'), 'utf8').replace(/[\s"]/g, '');
}

/** Entries of the schedule topic hold the time at which they are due; a copy is stored then, at most so much later. */
function checkDues(home: StoreHome, records: readonly StoredRecord[]): void {
  const delaysMs = [1_000, 1_000, 1_000, 1_000, 6_000];
  for (const [index, delayMs] of delaysMs.entries()) {
    const waiting = records.filter(({ topic, queueId }) => topic === SCHEDULE && queueId === index);
    if (waiting.length === 0) continue;
    const { entries } = readQueueFiles(home.store, SCHEDULE, index);
    assert.equal(
      entries.map(({ tagsCode }) => Number(tagsCode)),
      waiting.map(({ storeTimestamp }) => storeTimestamp + delayMs),
    );
  }
}

const life = await storeLife('delayed and returned messages', settings);

life.step('the same requests leave the same answers, records, topics and progress', async () => {
  const apache = await left('apache');
  const hangar = await left('hangar');
  assert.equal(hangar.answers, apache.answers);
  assert.equal(hangar.tables, apache.tables);
  assert.equal(hangar.records, apache.records);
  assert.is(hangar.progress, apache.progress);
});

/** Leaves messages pending: 20 that are due in 6 s, and one that is delivered. */
async function leavePending(home: StoreHome, prefix: string): Promise<void> {
  const client = await home.connect();
  for (let i = 0; i < 20; i++) await send(client, 'T', 0, { DELAY: 5, UNIQ_KEY: `${prefix}${i}` });
  client.close();
}

/** Everything that was ever sent with level 5 has been delivered. */
async function delivered(home: StoreHome, count: number): Promise<void> {
  const client = await home.connect();
  await until(`all ${count} messages are delivered`, DELIVERED_MS, async () => {
    const { scheduleMessageOffset_5: progress } = await runtimeTable(client);
    return progress === `${count},${count}` ? true : undefined;
  });
  client.close();
}

life.step("Apache's broker leaves some pending", async (home) => {
  const apache = await home.open('apache');
  await leavePending(home, 'apache');
  await apache.stop();
});

life.step('Hangar delivers them, leaves others and is killed', async (home) => {
  const hangar = await home.open('hangar');
  await delivered(home, 20);
  await leavePending(home, 'hangar');
  await hangar.kill();
});

life.step("Apache's broker delivers those, leaves others and is killed", async (home) => {
  const apache = await home.open('apache');
  await delivered(home, 40);
  await leavePending(home, 'again');
  await apache.kill();
});

life.step('Hangar delivers all that were left; none is lost', async (home) => {
  const hangar = await home.open('hangar');
  await delivered(home, 60);
  await hangar.stop();
  const keys = readLog(home.store)
    .records.filter(({ topic }) => topic === 'T')
    .map(({ properties }) => properties.get('UNIQ_KEY'));
  assert.is(new Set(keys).size, 60, 'at least once each');
});

life.run();
