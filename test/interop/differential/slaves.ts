/** What a slave answers; its topic, group and messages are the master's. */
import { type Fields, messagesOf, pullFields, sendFields } from '../../support/remoting-client.js';
import { until } from '../harness/process.js';
import { Code } from './codes.js';
import { heartbeat, subscriptionData } from './heartbeats.js';
import type { Intended, Part } from './part.js';
import { groupSettings, onlyWith, Script, type Servers, topicFields } from './script.js';

const TOPIC = 'slaves-topic';
const GROUP = 'slaves-group';
const COUNT = 5;
const COPIED_MS = 60_000;

/** Before the slave starts. */
export async function prepareForSlave(servers: Servers): Promise<void> {
  const script = await Script.open(servers);
  try {
    await script.createTopic(TOPIC, 2);
    await script.createGroup(GROUP);
    for (let n = 0; n < COUNT; n++) await script.store(TOPIC, 0, { KEYS: `k${n}`, TAGS: 'A', UNIQ_KEY: `S${n}` });
    await script.must(Code.UPDATE_OFFSET, { consumerGroup: GROUP, topic: TOPIC, queueId: 0, commitOffset: 2 });
  } finally {
    script.close();
  }
}

async function run(script: Script): Promise<void> {
  const from = await script.connect(script.servers.slave!);
  const place = { topic: TOPIC, queueId: 0 };
  await until('the slave has messages, tables and index of its master', COPIED_MS, async () => {
    const { fields } = await script.must(Code.MAX_OFFSET, place, { from });
    const committed = await script.must(Code.QUERY_OFFSET, { ...place, consumerGroup: GROUP }, { from });
    await script.must(Code.PULL, pullFields(TOPIC, 0, 0), { from });
    await script.must(Code.QUERY_MESSAGE, byKey(`k${COUNT - 1}`), { from });
    return Number(fields.offset) >= COUNT && committed.fields.offset === '2' ? true : undefined;
  });
  const ask = (what: string, code: number, fields: Fields = {}, body?: string | object) =>
    script.ask(what, code, fields, body === undefined ? { from } : { from, body });
  const pull = (what: string, queueOffset: number, more: Fields = {}) =>
    ask(what, Code.PULL, { ...pullFields(TOPIC, 0, queueOffset), consumerGroup: GROUP, ...more });
  const first = await pull('a pull', 0);
  await pull('a pull at the end', COUNT);
  await pull('a pull behind the end', COUNT + 100);
  await pull('a pull before the beginning', -1);
  await pull('a pull of a queue that is empty', 0, { queueId: 1 });
  await pull('a pull of a queue that is not there', 0, { queueId: 9 });
  await pull('a pull of a topic that is not there', 0, { topic: 'slaves-nobody' });
  await pull('a pull that commits', 0, { sysFlag: 5, commitOffset: 4 });
  await ask('what it committed', Code.QUERY_OFFSET, { ...place, consumerGroup: GROUP });
  await pull('a pull of a group that nobody is in', 0, { sysFlag: 0 });
  await pull('a pull of a group that nobody knows', 0, { consumerGroup: 'slaves-new' });

  await ask('a send', Code.SEND, sendFields(TOPIC, 0, '', { g: 1 }), 'x');
  await ask('a send to a new topic', Code.SEND, sendFields('slaves-new', 0, '', { g: 1 }), 'x');
  await ask('a send to an illegal topic', Code.SEND, sendFields('slaves new', 0, '', { g: 1 }), 'x');
  await ask('a send to a queue that is not there', Code.SEND, sendFields(TOPIC, 9, '', { g: 1 }), 'x');
  await ask('a batch', Code.SEND_BATCH, sendFields(TOPIC, 0, '', { g: 1, m: true }), 'x');
  await ask('a reply', Code.REPLY, sendFields(TOPIC, 0, '', { g: 1 }), 'x');
  const offset = messagesOf(first.body)[0]!.physicalOffset;
  const back = { offset, group: GROUP, delayLevel: 1, originTopic: TOPIC };
  await ask('a message that comes back', Code.SEND_BACK, back);
  await ask('a message that comes back from nowhere', Code.SEND_BACK, { ...back, offset: 1_000_000_000 });
  const ended = { producerGroup: 'p', tranStateTableOffset: 0, commitLogOffset: 0, fromTransactionCheck: false };
  const said = { msgId: 'x', transactionId: 'x' };
  for (const commitOrRollback of [8, 12]) {
    await ask(`an end of a transaction, ${commitOrRollback}`, Code.END_TRANSACTION, {
      ...ended,
      commitOrRollback,
      ...said,
    });
  }
  await ask('an end of a transaction that nobody knows', Code.END_TRANSACTION, {
    ...ended,
    commitOrRollback: 0,
    ...said,
  });

  await ask('a topic', Code.CREATE_TOPIC, topicFields('slaves-made', 1));
  await ask('a system topic', Code.CREATE_TOPIC, topicFields('SCHEDULE_TOPIC_XXXX', 1));
  await ask('a topic goes', Code.DELETE_TOPIC, { topic: TOPIC });
  await ask('a group', Code.UPDATE_GROUP, {}, groupSettings('slaves-made'));
  await ask('a group goes', Code.DELETE_GROUP, { groupName: GROUP });
  await questions(script, from, place);
  await members(script, from);
}

const byKey = (key: string): Fields => ({
  topic: TOPIC,
  key,
  maxNum: 32,
  beginTimestamp: 0,
  endTimestamp: '9223372036854775807',
});

type Client = Awaited<ReturnType<Script['connect']>>;

async function questions(script: Script, from: Client, place: Fields): Promise<void> {
  const ask = (what: string, code: number, fields: Fields = {}, more: object = {}) =>
    script.ask(what, code, fields, { from, ...more });
  await ask('by time', Code.SEARCH_OFFSET, { ...place, timestamp: 0 });
  await ask('by time, far in the future', Code.SEARCH_OFFSET, { ...place, timestamp: 4_000_000_000_000 });
  for (const code of [Code.MAX_OFFSET, Code.MIN_OFFSET, Code.EARLIEST]) await ask(`of a queue, ${code}`, code, place);
  await ask('a message by its place', Code.VIEW, { offset: 0 });
  await ask('by key', Code.QUERY_MESSAGE, byKey('k1'));
  await ask('by key, nobody', Code.QUERY_MESSAGE, byKey('nobody'));
  await ask('entries', Code.CONSUME_QUEUE, { ...place, index: 0, count: 2 });
  await ask('an offset is committed', Code.UPDATE_OFFSET, { ...place, consumerGroup: 'slaves-own', commitOffset: 1 });
  await ask('the offset that was committed', Code.QUERY_OFFSET, { ...place, consumerGroup: 'slaves-own' });
  await ask('an offset of a group that nobody knows', Code.QUERY_OFFSET, { ...place, consumerGroup: 'slaves-none' });
  await ask('all offsets', Code.ALL_OFFSETS, {}, { pick: onlyWith(`${TOPIC}@${GROUP}`, 'offsetTable') });
  await ask('all groups', Code.ALL_GROUPS, {}, { pick: onlyWith('slaves-', 'subscriptionGroupTable') });
  await ask('statistics of the topic', Code.TOPIC_STATS, { topic: TOPIC });
  await ask('statistics of the group', Code.CONSUME_STATS, { consumerGroup: GROUP });
  await ask('a reset', Code.RESET_OFFSET, { topic: TOPIC, group: GROUP, timestamp: -1, isForce: true });
  await ask('a clone', Code.CLONE_OFFSETS, { srcGroup: GROUP, destGroup: 'slaves-clone', topic: TOPIC });
  await ask('checks resumed', Code.RESUME_CHECK, { msgId: 'x' });
  await ask('a code that nobody knows', 999);
}

async function members(script: Script, from: Client): Promise<void> {
  const beat = heartbeat('slave@1', [{ groupName: GROUP, subscriptions: [{ topic: TOPIC }] }], ['slaves-producer']);
  await script.ask('a heartbeat', Code.HEARTBEAT, {}, { from, body: beat });
  await script.pushed('what the member hears of itself', from);
  await script.ask('consumers', Code.CONSUMER_LIST, { consumerGroup: GROUP }, { from });
  await script.ask('connections', Code.CONSUMER_CONNECTIONS, { consumerGroup: GROUP }, { from });
  const unknown = heartbeat('slave@1', [{ groupName: 'slaves-new-member', subscriptions: [{ topic: TOPIC }] }]);
  await script.ask('a heartbeat of a group that nobody knows', Code.HEARTBEAT, {}, { from, body: unknown });
  await script.ask(
    'a pull of a member',
    Code.PULL,
    { ...pullFields(TOPIC, 0, 0), consumerGroup: GROUP, sysFlag: 0 },
    { from },
  );
  const config = { clientId: 'c', group: GROUP, subscriptionData: subscriptionData({ topic: TOPIC }) };
  await script.ask('a client config', Code.CHECK_CLIENT, {}, { from, body: config });
  const queue = { brokerName: 'broker-a', queueId: 0, topic: TOPIC };
  const lock = { clientId: 'slave@1', consumerGroup: GROUP, mqSet: [queue] };
  await script.ask('a lock', Code.LOCK, {}, { from, body: lock });
  await script.ask('an unlock', Code.UNLOCK, {}, { from, body: lock });
  await script.ask('a member goes', Code.UNREGISTER, { clientID: 'slave@1', consumerGroup: GROUP }, { from });
}

const INTENDED: readonly Intended[] = [
  {
    at: 'code',
    because: 'Apache pushes replies from a slave, and stores none; clients send them to the master',
    cases: ['a reply'],
  },
  {
    at: 'remark',
    because: 'says which of its reasons it is',
    cases: ['a send', 'a send to a new topic', 'a batch'],
  },
  {
    at: 'remark',
    because: 'Apache forgets to say why',
    cases: ['an end of a transaction, 8', 'an end of a transaction, 12', 'an end of a transaction that nobody knows'],
  },
  {
    at: 'remark',
    because: 'Apache looks for the message first',
    cases: ['a message that comes back from nowhere'],
  },
];

export const slaves: Part = { name: 'slaves', run, intended: INTENDED };
