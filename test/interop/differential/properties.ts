/** Properties as no client writes them, by chance: what is stored of them, what is indexed, and what filters see. */
import { prng } from '../../../src/base/prng.js';
import { pullFields, sendFields } from '../../support/remoting-client.js';
import { seedOf } from '../../support/seed.js';
import { until } from '../harness/process.js';
import { Code } from './codes.js';
import type { Json } from './fastjson.js';
import { normalBody } from './normal.js';
import type { Part } from './part.js';
import type { Script } from './script.js';

const TOPIC = 'properties-topic';
const MESSAGES = 150;
const AT_A_TIME = 30;
const ITEMS_MAX = 5;
const INDEXED_MS = 30_000;

const NAMES = [
  'TAGS',
  'KEYS',
  'UNIQ_KEY',
  'WAIT',
  'CLUSTER',
  'RETRY_TOPIC',
  'REAL_TOPIC',
  'a',
  'b',
  'A',
  'a ',
  '\u00e4',
  '',
];
const VALUES = [
  'A',
  'B',
  'A ',
  ' A',
  'A||B',
  'k1',
  'k1 k2',
  ' k1  k3 ',
  'true',
  'TRUE',
  'false',
  '1',
  '%RETRY%x',
  '\u{1F680}',
  '',
];
/** Between name and value, and between items; the usual ones mostly. */
const NAME_ENDS = ['\u0001', '\u0001', '\u0001', '\u0001', '\u0001', '\u0001\u0001', ''];
const ITEM_ENDS = ['\u0002', '\u0002', '\u0002', '\u0002', '\u0002', '\u0002\u0002', ''];

/** WAIT once at most: our broker takes one away, Apache's all of them. */
function textsOf(seed: number): string[] {
  const random = prng(seed);
  return Array.from({ length: MESSAGES }, () => {
    const items = Array.from({ length: random.below(ITEMS_MAX + 1) }, () =>
      [NAMES, NAME_ENDS, VALUES, ITEM_ENDS].map((kind) => random.pick(kind)).join(''),
    );
    const first = items.findIndex((item) => item.startsWith('WAIT'));
    return items.filter((item, n) => n === first || !item.startsWith('WAIT')).join('');
  });
}

/** Both brokers get the same ones. */
let texts: readonly string[] | undefined;

async function run(script: Script): Promise<void> {
  texts ??= textsOf(seedOf('properties'));
  await script.createTopic(TOPIC);
  for (const [n, text] of texts.entries()) {
    const fields = sendFields(TOPIC, 0, text, { g: 1234 });
    await script.ask(`send ${n}: ${JSON.stringify(text)}`, Code.SEND, fields, { body: 'hello' });
  }
  await script.store(TOPIC, 0, { UNIQ_KEY: 'properties-last' });
  await script.holds(TOPIC, 0, texts.length + 1);
  for (let offset = 0; offset < texts.length; offset += AT_A_TIME) {
    const { body } = await script.must(Code.PULL, pullFields(TOPIC, 0, offset, { maxMsgNums: AT_A_TIME }));
    for (const [n, record] of (normalBody(body) as Json[]).entries()) script.note(`stored ${offset + n}`, record);
  }
  const lets = (what: string, subscription: string, expressionType: string): Promise<void> =>
    script.pulls(what, pullFields(TOPIC, 0, 0, { maxMsgNums: 1_000, subscription, expressionType }));
  for (const tag of ['A', 'B', 'A || B', 'k1', 'true']) await lets(`with the tags ${tag}`, tag, 'TAG');
  for (const sql of [
    'a IS NULL',
    'b IS NOT NULL',
    "TAGS = 'A'",
    "A = 'A'",
    'a = 1',
    "CLUSTER = 'rocketmq-cluster'",
    'WAIT IS NULL',
    'WAIT = TRUE',
  ]) {
    await lets(`with the filter ${sql}`, sql, 'SQL92');
  }
  const byKey = (key: string) => ({
    topic: TOPIC,
    key,
    maxNum: 1_000,
    beginTimestamp: 0,
    endTimestamp: '9223372036854775807',
  });
  await until('the last message is in the index', INDEXED_MS, async () => {
    const found = script.must(Code.QUERY_MESSAGE, byKey('properties-last'));
    return await found.then(
      () => true,
      () => undefined,
    );
  });
  for (const key of ['A', 'k1', 'k2', 'k3', 'true', '\u{1F680}'])
    await script.ask(`with the key ${key}`, Code.QUERY_MESSAGE, byKey(key));
}

export const properties: Part = { name: 'properties by chance', run, intended: [] };
