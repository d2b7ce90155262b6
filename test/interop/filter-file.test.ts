/**
 * Filters beside Apache's broker: the same requests get the same answers and leave the same consumerFilter.json, and each
 * maker's broker goes on with what the other's has written.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { javaHeartbeat } from '../actors/broker/heartbeats.js';
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
import { propertyText } from './harness/store-filling.js';
import { type Maker, StoreHome } from './harness/store-home.js';
import { storeLife } from './harness/store-suite.js';

const HEART_BEAT = 34;
const UNREGISTER_CLIENT = 35;
const CHECK_CLIENT_CONFIG = 46;
const QUERY_CONSUME_QUEUE = 321;
const DISPATCHED_MS = 10_000;
const settings = { enablePropertyFilter: 'true' };
const TOPIC = 'T';

const beat = (client: RemotingClient, sql: string | undefined, subVersion: number): Promise<Answer> => {
  const parts = { consumers: ['G'], topics: [TOPIC], subVersion, ...(sql === undefined ? {} : { sql }) };
  return client.call(HEART_BEAT, {}, Buffer.from(javaHeartbeat(parts)));
};

async function fill(client: RemotingClient): Promise<void> {
  for (let n = 0; n < 12; n++) {
    const text = propertyText({ n: String(n), TAGS: n % 2 === 0 ? 'A' : 'B' });
    await client.call(Code.SEND, sendFields(TOPIC, 0, text, { g: 1234, h: 7 }), Buffer.from('hello'));
  }
  await until('all are dispatched', DISPATCHED_MS, async () => {
    const { fields } = await client.call(Code.MAX_OFFSET, { topic: TOPIC, queueId: 0 });
    return fields.offset === '12' ? true : undefined;
  });
}

/** Our broker may say more behind what Apache's says of a subscription. */
const SAYS_MORE = /(subscription (not latest|not exist)).*/;

function pulled({ code, remark, fields, body }: Answer): object {
  return {
    code,
    remark: remark.replace(SAYS_MORE, '$1'),
    next: fields.nextBeginOffset,
    offsets: messagesOf(body).map(({ queueOffset }) => queueOffset),
  };
}

async function answersOf(client: RemotingClient): Promise<object[]> {
  const answers: object[] = [];
  const check = async (expressionType: string, subString: string): Promise<void> => {
    const subscriptionData = {
      classFilterMode: false,
      codeSet: [],
      expressionType,
      subString,
      subVersion: 1,
      topic: TOPIC,
    };
    const body = Buffer.from(JSON.stringify({ clientId: 'c', group: 'G', subscriptionData }));
    const { code, remark } = await client.call(CHECK_CLIENT_CONFIG, {}, body);
    answers.push({ expressionType, subString, code, remark });
  };
  for (const text of ['n > 3', 'n >', "n = 'x", "n > 'x'", 'n BETWEEN 5 AND 3', '1e400 = n', 'n = 1 AND', 'n']) {
    await check('SQL92', text);
  }
  await check('TAG', 'A || B');
  await check('', '*');

  const pull = async (queueOffset: number, more: Fields): Promise<void> => {
    const fields = { consumerGroup: 'G', sysFlag: 0, subscription: '', ...more };
    answers.push({
      queueOffset,
      more,
      ...pulled(await client.call(Code.PULL, pullFields(TOPIC, 0, queueOffset, fields))),
    });
  };
  await beat(client, "n > 3 AND TAGS = 'B'", 1);
  await pull(0, { subVersion: 1 });
  await pull(6, { subVersion: 1, maxMsgNums: 2 });
  await pull(12, { subVersion: 1 });
  await pull(0, { subVersion: 2 });
  await beat(client, 'n > 100', 2);
  await pull(0, { subVersion: 2 });
  await beat(client, 'n >', 3);
  await pull(0, { subVersion: 3 });
  await beat(client, undefined, 4);
  await pull(0, { subVersion: 4, maxMsgNums: 3 });
  await beat(client, 'n = 7 OR n IS NULL', 5);
  await pull(0, { subVersion: 5 });
  for (const subscription of ['n < 2', "TAGS IN ('A') AND n > 7.5", 'missing <> 1']) {
    await pull(0, { sysFlag: 4, expressionType: 'SQL92', subscription });
  }
  await pull(0, { sysFlag: 4, expressionType: 'SQL92', subscription: '' });

  const query = async (more: Fields): Promise<void> => {
    const fields = { topic: TOPIC, queueId: 0, index: 2, count: 3, ...more };
    const { code, remark, body } = await client.call(QUERY_CONSUME_QUEUE, fields);
    const { queueData, ...rest } = body.length === 0 ? {} : JSON.parse(body.toString());
    // Where in the log they are depends on how long the names of hosts and clusters are.
    const tags = (queueData ?? []).map((one: Record<string, unknown>) => [Object.keys(one), one.tagsCode, one.eval]);
    // Apache's says nothing with more words when it has found something.
    answers.push({
      more,
      code,
      remark: body.length === 0 ? remark : '',
      tags,
      ...rest,
      filterData: timeless(rest.filterData ?? ''),
    });
  };
  await query({});
  await query({ consumerGroup: 'G' });
  await query({ consumerGroup: 'Nobody' });
  await query({ index: 12 });
  await query({ topic: 'Nothing' });
  return answers;
}

function timeless(text: string): string {
  return text.replace(/"(bornTime|deadTime)": ?[1-9]\d*/g, '"$1":TIME').replace(/\s+/g, '');
}

function fileOf(home: StoreHome): string {
  return readFileSync(join(home.store, 'config', 'consumerFilter.json'), 'utf8');
}

async function left(maker: Maker): Promise<{ answers: object[]; file: string }> {
  const home = await StoreHome.create(settings);
  try {
    const broker = await home.open(maker);
    const client = await home.connect();
    await fill(client);
    const answers = await answersOf(client);
    await client.call(UNREGISTER_CLIENT, { clientID: '10.1.1.1@1', consumerGroup: 'G' });
    client.close();
    await broker.stop();
    return { answers, file: fileOf(home) };
  } finally {
    await home.remove();
  }
}

const life = await storeLife('filters of groups', settings);

life.step('the same requests get the same answers and leave the same file', async () => {
  const apache = await left('apache');
  const hangar = await left('hangar');
  for (const [i, answer] of apache.answers.entries()) assert.equal(hangar.answers[i], answer);
  assert.is(hangar.answers.length, apache.answers.length);
  assert.equal(timeless(hangar.file), timeless(apache.file));
});

interface Kept {
  readonly bornTime: number;
  readonly dead: boolean;
  readonly expression: string;
}

function kept(home: StoreHome): Kept {
  return JSON.parse(fileOf(home)).filterDataByTopic[TOPIC].groupFilterData.G;
}

async function subscribed(home: StoreHome, maker: Maker, sql: string, subVersion: number): Promise<void> {
  const broker = await home.open(maker);
  const client = await home.connect();
  await beat(client, sql, subVersion);
  await beat(client, sql, subVersion);
  client.close();
  await broker.stop();
}

for (const [maker, other] of [
  ['apache', 'hangar'],
  ['hangar', 'apache'],
] as const) {
  life.step(`${other} keeps the filters that ${maker} has written, and they come alive again`, async (home) => {
    const sql = `n = 1 AND maker = '${maker}'`;
    await subscribed(home, maker, sql, maker === 'apache' ? 10 : 20);
    const before = kept(home);
    assert.is(before.expression, sql);
    await subscribed(home, other, sql, maker === 'apache' ? 10 : 20);
    const after = kept(home);
    assert.equal([after.expression, after.bornTime], [sql, before.bornTime]);
  });
}

life.run();
