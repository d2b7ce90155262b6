/** Replies to requests: 324 and 325, which the broker hands to who asked. */
import type { Fields } from '../../support/remoting-client.js';
import { propertyText } from '../harness/store-filling.js';
import { Code } from './codes.js';
import { heartbeat } from './heartbeats.js';
import type { Intended, Part } from './part.js';
import type { Script } from './script.js';

const TOPIC = 'rocketmq-cluster_REPLY_TOPIC';

const PROPERTIES = {
  CORRELATION_ID: 'c1',
  REPLY_TO_CLIENT: 'p@1',
  TTL: '3000',
  MSG_TYPE: 'reply',
  CLUSTER: 'rocketmq-cluster',
};

const short = (properties: Readonly<Record<string, string>>, more: Fields = {}): Fields => ({
  a: 'replies-producer',
  b: TOPIC,
  c: 'TBW102',
  d: 4,
  e: 0,
  f: 0,
  g: 1234,
  h: 3,
  i: propertyText(properties),
  j: 0,
  k: false,
  m: false,
  ...more,
});

const LONG: Fields = {
  producerGroup: 'replies-producer',
  topic: TOPIC,
  defaultTopic: 'TBW102',
  defaultTopicQueueNums: 4,
  queueId: 0,
  sysFlag: 0,
  bornTimestamp: 1234,
  flag: 3,
  properties: propertyText(PROPERTIES),
  reconsumeTimes: 0,
  unitMode: false,
  batch: false,
};

async function run(script: Script): Promise<void> {
  const { REPLY_TO_CLIENT: _, ...nobody } = PROPERTIES;
  const reply = (what: string, fields: Fields, code: number = Code.REPLY) =>
    script.ask(what, code, fields, { body: 'answer' });
  await reply('to a client that is not there', short(PROPERTIES));
  await reply('to nobody', short(nobody));
  await reply('without properties', short({}));
  await reply('without fields', {});
  await reply('without fields, long names', {}, Code.REPLY_V1);
  await reply('of an illegal topic', short(PROPERTIES, { b: 'reply topic' }));
  await reply('of a topic that nobody knows', short(PROPERTIES, { b: 'replies-nobody' }));
  await reply('of a queue that is not there', short(PROPERTIES, { e: 9 }));
  const client = await script.connect();
  await script.must(Code.HEARTBEAT, {}, { from: client, body: heartbeat('p@1', [], ['replies-requester']) });
  const delivered = async (what: string, fields: Fields, code: number, says: number): Promise<void> => {
    const answered = reply(what, fields, code);
    await script.pushedAndAnswered(`${what}: what the client gets`, client, says);
    await answered;
  };
  await delivered('to a client', short(PROPERTIES), Code.REPLY, 0);
  await delivered('to a client, long names', LONG, Code.REPLY_V1, 0);
  await delivered('to a client that refuses', short(PROPERTIES), Code.REPLY, 1);
  await delivered('to a client, with a queue that the broker chooses', short(PROPERTIES, { e: -1 }), Code.REPLY, 0);
  await delivered(
    'to a client, with more',
    short({ ...PROPERTIES, KEYS: 'k', WAIT: 'true', own: '\u00e4' }, { f: 1, j: 2, k: true }),
    Code.REPLY,
    0,
  );
  await script.holds(TOPIC, 0, 9);
  await script.ask('the reply topic', Code.TOPIC_STATS, { topic: TOPIC });
  await script.must(Code.UPDATE_CONFIG, {}, { body: 'storeReplyMessageEnable=false\n' });
  await delivered('to a client, not stored', short(PROPERTIES), Code.REPLY, 0);
  await script.must(Code.UPDATE_CONFIG, {}, { body: 'storeReplyMessageEnable=true\n' });
  await script.mayAsk('the code that only clients serve', Code.PUSH_REPLY, LONG, { body: 'answer' });
}

const INTENDED: readonly Intended[] = [
  {
    at: 'fields',
    because: 'what has no topic is refused before it is known to be a reply',
    cases: ['without fields', 'without fields, long names'],
  },
];

export const replies: Part = { name: 'replies to requests', run, intended: INTENDED };
