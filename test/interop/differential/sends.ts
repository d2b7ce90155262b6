/** Single messages: what is refused, with which code, and what is stored of the others. */
import { type Answer, type Fields, pullFields, sendFields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import type { Intended, Part } from './part.js';
import { onlyWith, type Script } from './script.js';

export const TOPIC = 'sends-topic';
/** Of what not both brokers take. */
export const ODD = 'sends-odd';
export const GROUP = 'sends-group';
export const MIB = 1024 * 1024;
/** Bits of the system flag. Nobody's but the broker's: with them Apache reserves room for addresses that it does not have. */
const IPV6_HOSTS = 0x30;
const PROPERTIES_MAX = 32_767;
/** What the broker appends to the properties, with the separator in front of it. */
const OWN_PROPERTY = '\u0002CLUSTER\u0001rocketmq-cluster';

export interface Send {
  readonly what: string;
  readonly topic?: string;
  readonly queueId?: number;
  readonly properties?: string;
  readonly more?: Fields;
  readonly body?: string | Buffer;
  readonly code?: number;
  readonly without?: readonly string[];
  readonly version?: number;
  /** Where it goes, when that is not where it was sent. */
  readonly storedIn?: string;
}

/** A property of so many bytes, its name and both separators included. */
export const property = (bytes: number): string => `K\u0001${'v'.repeat(bytes - 2)}`;

const SENDS: readonly Send[] = [
  { what: 'a message' },
  {
    what: 'a message with properties',
    properties: 'KEYS\u0001k1 k2\u0002TAGS\u0001A\u0002UNIQ_KEY\u0001U1\u0002own\u0001value\u0002',
  },
  { what: 'properties without the last separator', properties: 'KEYS\u0001k1\u0002own\u0001value' },
  { what: 'properties in another order, twice the same', properties: 'z\u00011\u0002a\u00012\u0002z\u00013' },
  { what: 'an empty value', properties: 'a\u0001\u0002b\u0001x' },
  { what: 'an empty name', properties: '\u0001x\u0002b\u0001y' },
  { what: 'a name without a value', properties: 'a\u0002b\u0001x' },
  { what: 'a value with the separator of names', properties: 'a\u0001b\u0001c\u0002d\u0001e' },
  { what: 'only separators', properties: '\u0002\u0001\u0002\u0002' },
  { what: 'WAIT=true', properties: 'WAIT\u0001true\u0002a\u0001b' },
  { what: 'WAIT=false', properties: 'a\u0001b\u0002WAIT\u0001false' },
  {
    what: 'properties of the broker by the client',
    properties: 'CLUSTER\u0001other\u0002MSG_REGION\u0001x\u0002TRACE_ON\u0001y',
  },
  {
    what: 'names that are none of the clients',
    properties: 'REAL_TOPIC\u0001x\u0002REAL_QID\u00015\u0002POP_CK\u0001p\u0002DUP_INFO\u0001q\u0002INNER_NUM\u00012',
  },
  { what: 'a light queue', properties: 'INNER_MULTI_DISPATCH\u0001%LMQ%a,%LMQ%b' },
  { what: 'text beyond ASCII', properties: 'K\u0001\u00e4\u4e16\u{1F680}', body: '\u4e16\u754c' },
  { what: 'no properties', without: ['i'] },
  { what: 'an empty body', body: '' },
  { what: 'with long names', code: Code.SEND_V1 },
  { what: 'any queue', queueId: -1 },
  { what: 'any queue, far below 0', queueId: -2_147_483_648 },
  { what: 'a queue behind the last', queueId: 1 },
  { what: 'a queue far behind the last', queueId: 2_147_483_647 },
  { what: 'a queue that is only read', topic: 'sends-uneven', queueId: 3 },
  { what: 'a queue behind those that are read', topic: 'sends-uneven', queueId: 4 },
  { what: 'all that a header can say', more: { f: 1, h: -7, j: 5, k: true, l: 3, n: 'broker-a' } },
  { what: 'every bit of the system flag', more: { f: 2_147_483_647 & ~IPV6_HOSTS } },
  { what: 'a commit by the system flag', more: { f: 8 } },
  { what: 'a half message by the system flag', more: { f: 4 } },
  { what: 'a time before 1970', more: { g: -1 } },
  { what: 'reconsumed below 0', more: { j: -3 } },
  { what: 'several tags', topic: 'sends-multi-tag', properties: 'TAGS\u0001A' },
  { what: 'a topic that can only be read', topic: 'sends-read-only' },
  { what: 'a topic that nobody may use', topic: 'sends-closed' },
  { what: 'a topic without queues', topic: 'sends-no-queues', queueId: 0 },
  { what: 'any queue of a topic without queues', topic: 'sends-no-queues', queueId: -1 },
  { what: 'an ordered topic', topic: 'sends-ordered' },
  { what: 'a new topic', topic: 'sends-new' },
  { what: 'a new topic of 2 queues', topic: 'sends-new-2', more: { d: 2 } },
  { what: 'a new topic of 100 queues', topic: 'sends-new-100', more: { d: 100 } },
  { what: 'a new topic of 0 queues', topic: 'sends-new-0', more: { d: 0 } },
  { what: 'a new topic of -1 queues', topic: 'sends-new-negative', more: { d: -1 } },
  { what: 'a new topic of a unit', topic: 'sends-new-unit', more: { k: true } },
  { what: 'a new topic, a queue behind its last', topic: 'sends-new-behind', queueId: 7, more: { d: 4 } },
  { what: 'a new topic after a topic that nobody knows', topic: 'sends-new-after', more: { c: 'sends-nobody' } },
  { what: 'a new topic after one that does not pass it on', topic: 'sends-new-plain', more: { c: TOPIC } },
  { what: 'a new topic after no topic', topic: 'sends-new-none', without: ['c'] },
  { what: 'a new topic of queues that nobody says', topic: 'sends-new-count', without: ['d'] },
  { what: 'the template itself', topic: 'TBW102' },
  { what: 'the schedule topic', topic: 'SCHEDULE_TOPIC_XXXX' },
  { what: 'the topic of half messages', topic: 'RMQ_SYS_TRANS_HALF_TOPIC' },
  { what: 'the topic of op messages', topic: 'RMQ_SYS_TRANS_OP_HALF_TOPIC' },
  { what: 'the topic of given up transactions', topic: 'TRANS_CHECK_MAX_TIME_TOPIC' },
  { what: 'the self test topic', topic: 'SELF_TEST_TOPIC' },
  { what: 'the topic of moved offsets', topic: 'OFFSET_MOVED_EVENT' },
  { what: 'the trace topic', topic: 'RMQ_SYS_TRACE_TOPIC' },
  { what: 'the topic of the benchmark', topic: 'BenchmarkTest' },
  { what: 'the topic named as the broker', topic: 'broker-a' },
  { what: 'the topic named as the cluster', topic: 'rocketmq-cluster' },
  { what: 'the reply topic', topic: 'rocketmq-cluster_REPLY_TOPIC' },
  { what: 'a topic that sounds like the system', topic: 'rmq_sys_mine' },
  { what: 'a light topic', topic: '%LMQ%sends' },
  { what: 'no topic', without: ['b'] },
  { what: 'an empty topic', topic: '' },
  { what: 'a blank topic', topic: '  ' },
  { what: 'a topic with a blank', topic: 'sends topic' },
  { what: 'a topic with a dot', topic: 'sends.topic' },
  { what: 'a topic beyond ASCII', topic: 'sends-\u4e16' },
  { what: 'a topic of every sign that is allowed', topic: 'sends%|Az09_-' },
  { what: 'a topic of 127 characters', topic: 't'.repeat(127) },
  { what: 'a topic of 128 characters', topic: 't'.repeat(128) },
  { what: 'a topic of 255 characters', topic: 't'.repeat(255) },
  { what: 'a topic of 256 characters', topic: 't'.repeat(256) },
  { what: 'no producer group', without: ['a'] },
  { what: 'no queue id', without: ['e'] },
  { what: 'no system flag', topic: ODD, without: ['f'] },
  { what: 'no time', topic: ODD, without: ['g'] },
  { what: 'no flag', topic: ODD, without: ['h'] },
  { what: 'no times, unit or batch', without: ['j', 'k', 'm'] },
  { what: 'a queue id that is no number', more: { e: 'first' } },
  { what: 'a queue id that is too large', more: { e: '99999999999' } },
  { what: 'an empty queue id', more: { e: '' } },
  { what: 'a number with a sign', more: { e: '+0' } },
  { what: 'a flag that is neither true nor false', more: { k: 'yes' } },
  { what: 'a time that is no number', more: { g: 'now' } },
  { what: 'fields that nobody knows', more: { bname: 'x', lo: 'true', nsd: 'y' } },
  { what: 'a retry topic of a group that nobody knows', topic: '%RETRY%sends-nobody' },
  { what: 'the retry topic of a group', topic: `%RETRY%${GROUP}`, more: { j: 1, l: 3 } },
  { what: 'the retry topic, the last time', topic: `%RETRY%${GROUP}`, more: { j: 3, l: 3 }, storedIn: `%DLQ%${GROUP}` },
  {
    what: 'the retry topic, more often than the group allows',
    topic: `%RETRY%${GROUP}`,
    more: { j: 2 },
    storedIn: `%DLQ%${GROUP}`,
  },
  {
    what: 'the retry topic, from a client that does not say how often',
    topic: `%RETRY%${GROUP}`,
    more: { j: 1, l: 1 },
    version: 100,
  },
  { what: 'the retry topic, behind its last queue', topic: `%RETRY%${GROUP}`, queueId: 5 },
  { what: 'a retry topic without a group', topic: '%RETRY%' },
  { what: 'the dead-letter topic', topic: `%DLQ%${GROUP}` },
  { what: 'a dead-letter topic that is not there', topic: '%DLQ%sends-other' },
  { what: 'rejected transactions are not rejected', properties: 'TRAN_MSG\u0001false' },
  { what: 'a body of maxMessageSize', body: Buffer.alloc(4 * MIB, 'x') },
  { what: 'a body of one byte more', body: Buffer.alloc(4 * MIB + 1, 'x') },
  { what: 'properties that fit just', properties: property(PROPERTIES_MAX - OWN_PROPERTY.length) },
  { what: 'properties of one byte more', properties: property(PROPERTIES_MAX - OWN_PROPERTY.length + 1) },
  { what: 'properties of 32,767 bytes', properties: property(PROPERTIES_MAX) },
  { what: 'properties of 32,768 bytes', properties: property(PROPERTIES_MAX + 1) },
  { what: 'properties of 70,000 bytes', properties: property(70_000) },
];

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC);
  await script.createTopic(ODD);
  await script.createTopic('sends-uneven', 2, { readQueueNums: 4 });
  await script.createTopic('sends-multi-tag', 1, { topicFilterType: 'MULTI_TAG' });
  await script.createTopic('sends-read-only', 1, { perm: 4 });
  await script.createTopic('sends-closed', 1, { perm: 0 });
  await script.createTopic('sends-no-queues', 0);
  await script.createTopic('sends-ordered', 1, { order: true });
  await script.createGroup(GROUP, { retryMaxTimes: 2 });
  for (const send of SENDS) await one(script, Code.SEND, send);
  for (const topic of [
    'sends-new',
    'sends-new-2',
    'sends-new-100',
    'sends-new-unit',
    'sends-batch-new',
    `%DLQ%${GROUP}`,
  ]) {
    await script.ask(`queues of ${topic}`, Code.TOPIC_STATS, { topic });
  }
  await script.ask('with the ROCKETMQ serialization', Code.SEND, sendFields(TOPIC, 0, 'a\u0001b', { g: 1 }), {
    binary: true,
    body: 'x',
  });
  await script.ask('refused, with the ROCKETMQ serialization', Code.SEND, sendFields('t t', 0, '', { g: 1 }), {
    binary: true,
    body: 'x',
  });
  await script.ask(
    'without a field, with the ROCKETMQ serialization',
    Code.SEND,
    { a: 'p', b: TOPIC },
    { binary: true, body: 'x' },
  );
  await script.ask('what the topics are now', Code.ALL_TOPICS, {}, { pick: onlyWith('sends-', 'topicConfigTable') });
  await script.ask('no fields at all', Code.SEND, {}, { body: 'x' });
  await script.ask('no fields at all, long names', Code.SEND_V1, {}, { body: 'x' });
}

const LONG_NAMES = {
  a: 'producerGroup',
  b: 'topic',
  c: 'defaultTopic',
  d: 'defaultTopicQueueNums',
  e: 'queueId',
  f: 'sysFlag',
  g: 'bornTimestamp',
  h: 'flag',
  i: 'properties',
  j: 'reconsumeTimes',
  k: 'unitMode',
  l: 'maxReconsumeTimes',
  m: 'batch',
} as Readonly<Record<string, string>>;

export async function one(script: Script, batchOrSingle: number, send: Send): Promise<void> {
  const {
    what,
    topic = TOPIC,
    queueId = 0,
    properties = '',
    more = {},
    body = 'hello',
    without = [],
    version = 401,
  } = send;
  const { code = batchOrSingle } = send;
  const all = sendFields(topic, queueId, properties, { g: 1234, ...more });
  const kept = Object.entries(all).filter(([name]) => !without.includes(name));
  const named = kept.map(
    ([name, value]) => [code === Code.SEND_V1 ? (LONG_NAMES[name] ?? name) : name, value] as const,
  );
  const answer = await script.ask(what, code, Object.fromEntries(named), { body, version });
  if (answer.code === 0) await stored(script, what, answer, send.storedIn ?? topic);
}

/** What came of it, read where the answer says that it is; nobody may read the topics that are closed. */
async function stored(script: Script, what: string, { fields }: Answer, topic: string): Promise<void> {
  const { queueId, queueOffset } = fields;
  if (topic === 'sends-no-queues' || topic === 'sends-closed' || queueId === undefined) return;
  await script.holds(topic, Number(queueId), Number(queueOffset) + fields.msgId!.split(',').length);
  await script.ask(
    `${what}: stored`,
    Code.PULL,
    pullFields(topic, Number(queueId), Number(queueOffset), { maxMsgNums: 3 }),
  );
}

const INTENDED: readonly Intended[] = [
  { at: '', because: 'because it was taken', cases: ['no system flag: stored', 'no time: stored', 'no flag: stored'] },
  {
    at: 'code',
    because: 'Apache falls over it; the topic is what is not there',
    cases: ['a new topic after no topic'],
  },
  {
    at: 'code',
    because: 'Apache falls over it; ours takes 0 for a number that was left out',
    cases: ['no system flag', 'no time', 'no flag'],
  },
  {
    at: 'code',
    because: 'group names become names of topics and directories; every client refuses such a name itself',
    cases: ['a retry topic without a group'],
  },
  {
    at: '',
    because: 'because it was not taken',
    cases: ['a retry topic without a group: stored'],
  },
  {
    at: 'header',
    because:
      'Apache answers this in JSON whatever was asked in; ours in the serialization of the request, which clients read by its type byte',
    cases: ['without a field, with the ROCKETMQ serialization'],
  },
];

export const sends: Part = { name: 'sends', run, intended: INTENDED };
