/** Messages by key, entries of consume queues, what consumers are asked by way of the broker. */
import type { Fields } from '../../support/remoting-client.js';
import { until } from '../harness/process.js';
import { Code } from './codes.js';
import { heartbeat } from './heartbeats.js';
import type { Intended, Part } from './part.js';
import type { Asked, Script } from './script.js';

const TOPIC = 'queries-topic';
const INDEXED_MS = 30_000;
const FOREVER = { beginTimestamp: 0, endTimestamp: '9223372036854775807' } as const;

const byKey = (key: string, more: Fields = {}): Fields => ({ topic: TOPIC, key, maxNum: 32, ...FOREVER, ...more });

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC, 2);
  await script.store(TOPIC, 0, { KEYS: 'one', UNIQ_KEY: 'QU0' });
  await script.store(TOPIC, 0, { KEYS: 'both  first', UNIQ_KEY: 'QU1' });
  await script.store(TOPIC, 1, { KEYS: 'both', UNIQ_KEY: 'QU2', TAGS: 'A' });
  // Both have the same hash.
  await script.store(TOPIC, 0, { KEYS: 'Aa' });
  const { fields: last } = await script.store(TOPIC, 0, { KEYS: 'BB', UNIQ_KEY: 'QU4' });
  await until('the last message is in the index', INDEXED_MS, async () => {
    const found = script.must(Code.QUERY_MESSAGE, byKey('QU4')).then(
      () => true,
      () => undefined,
    );
    return await found;
  });
  await keys(script);
  await entries(script);
  await directly(script, last.msgId!);
}

async function keys(script: Script): Promise<void> {
  const query = (what: string, fields: Fields, asked: Asked = {}) =>
    script.ask(`by key: ${what}`, Code.QUERY_MESSAGE, fields, asked);
  await query('one', byKey('one'));
  await query('two of a name', byKey('both'));
  await query('the second of two keys', byKey('first'));
  await query('the newest of two', byKey('both', { maxNum: 1 }));
  await query('the same hash', byKey('Aa'));
  await query('the same hash, the other', byKey('BB'));
  await query('a unique key', byKey('QU2', { _UNIQUE_KEY_QUERY: true }));
  await query('a unique key that is none', byKey('QU9', { _UNIQUE_KEY_QUERY: true }));
  await query('a key as unique key', byKey('both', { _UNIQUE_KEY_QUERY: true }));
  await query('nobody', byKey('nobody'));
  await query('an empty key', byKey(''));
  await query('a topic that nobody knows', byKey('one', { topic: 'queries-nobody' }));
  await query('before', byKey('one', { endTimestamp: 1_000 }));
  await query('after', byKey('one', { beginTimestamp: '9223372036854775806' }));
  await query('times the wrong way round', byKey('one', { beginTimestamp: '9223372036854775807', endTimestamp: 0 }));
  await query('at most 0', byKey('both', { maxNum: 0 }));
  await query('at most -1', byKey('both', { maxNum: -1 }));
  await query('at most a million', byKey('both', { maxNum: 1_000_000 }));
  await query('no number', byKey('both', { maxNum: 'x' }));
  for (const name of Object.keys(byKey('one'))) {
    const fields = Object.entries(byKey('one')).filter(([key]) => key !== name);
    await query(`without ${name}`, Object.fromEntries(fields));
  }
  await query('without fields', {});
  await query('with the ROCKETMQ serialization', byKey('both'), { binary: true });
}

async function entries(script: Script): Promise<void> {
  const look = (what: string, more: Fields = {}) =>
    script.ask(`entries: ${what}`, Code.CONSUME_QUEUE, { topic: TOPIC, queueId: 0, index: 0, count: 2, ...more });
  await look('the first');
  await look('all', { count: 100 });
  await look('none', { count: 0 });
  await look('less than none', { count: -1 });
  await look('the last', { index: 3 });
  await look('behind the last', { index: 4 });
  await look('before the first', { index: -1 });
  await look('of a queue that is empty', { topic: 'TBW102' });
  await look('of a queue that is not there', { queueId: 9 });
  await look('of a topic that is not there', { topic: 'queries-nobody' });
  await look('for a group that nobody knows', { consumerGroup: 'queries-nobody' });
  await look('for an empty group', { consumerGroup: '' });
  await script.ask('entries: without fields', Code.CONSUME_QUEUE);
}

/** The broker hands these on to a consumer and its answer back. */
async function directly(script: Script, msgId: string): Promise<void> {
  const group = 'queries-group';
  const info = (what: string, fields: Fields) => script.ask(`running info: ${what}`, Code.RUNNING_INFO, fields);
  const consume = (what: string, fields: Fields) => script.ask(`consume: ${what}`, Code.CONSUME_DIRECTLY, fields);
  await info('nobody is online', { consumerGroup: group, clientId: 'd@1', jstackEnable: false });
  await consume('nobody is online', { consumerGroup: group, clientId: 'd@1', msgId });
  const member = await script.connect();
  const beat = heartbeat('d@1', [{ groupName: group, subscriptions: [{ topic: TOPIC }] }]);
  await script.must(Code.HEARTBEAT, {}, { from: member, body: beat });
  await script.heard('what a member hears of itself', member);
  await info('another client', { consumerGroup: group, clientId: 'd@2' });
  await info('without a client', { consumerGroup: group });
  await info('without a group', { clientId: 'd@1' });
  await info('without fields', {});
  await consume('another client', { consumerGroup: group, clientId: 'd@2', msgId });
  await consume('without fields', {});
  await consume('without a message', { consumerGroup: group, clientId: 'd@1' });
  await consume('what is no message id', { consumerGroup: group, clientId: 'd@1', msgId: 'x' });
  const nowhere = `${msgId.slice(0, 16)}00000000FFFFFFFF`;
  await consume('a message that is not there', { consumerGroup: group, clientId: 'd@1', msgId: nowhere });
  await script.heard('what a member hears of all that', member);
  const asked = info('of a member', { consumerGroup: group, clientId: 'd@1', jstackEnable: true });
  await script.pushedAndAnswered('running info: what the member is asked', member, 0, {}, '{"properties":{"a":"b"}}');
  await asked;
  const refused = info('that a member refuses', { consumerGroup: group, clientId: 'd@1' });
  await script.pushedAndAnswered('running info: what the member refuses', member, 1, { own: 'field' });
  await refused;
  const consumed = consume('a message', {
    consumerGroup: group,
    clientId: 'd@1',
    msgId,
    brokerName: 'broker-a',
    own: 'x',
  });
  const result = '{"autoCommit":true,"consumeResult":"CR_SUCCESS","order":false,"spentTimeMills":3}';
  await script.pushedAndAnswered('consume: what the member gets', member, 0, {}, result);
  await consumed;
}

const INTENDED: readonly Intended[] = [
  { at: 'code', because: 'Apache falls over it; ours finds nothing', cases: ['by key: at most -1'] },
  {
    at: 'code',
    because: 'no client leaves it out, and Apache takes the word null for it: ours names what is missing',
    cases: ['by key: without topic', 'by key: without key'],
  },
  {
    at: 'header',
    because:
      'Apache answers this in JSON whatever was asked in; ours in the serialization of the request, which clients read by its type byte',
    cases: ['by key: with the ROCKETMQ serialization'],
  },
  {
    at: 'header.version',
    because: 'Apache hands on the version of the client that answered; ours says its own in every frame',
    cases: ['running info: of a member', 'running info: that a member refuses', 'consume: a message'],
  },
];

export const queries: Part = { name: 'queries and calls of clients', run, intended: INTENDED };
