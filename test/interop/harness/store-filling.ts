/**
 * Messages of every kind that a store can hold, sent over the wire, with what the broker answered. The same seed makes
 * the same messages, so that brokers of two makers can be given equal ones.
 */
import { deflateSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { prng } from '../../../src/base/prng.js';
import { Code, type Fields, type RemotingClient, sendFields } from '../../support/remoting-client.js';
import { until } from './process.js';
import { ask, type Contents, contentsOf, forAll, type QueueName, StoreCode } from './store-contents.js';
import { decodeRecord, javaHash } from './store-files.js';

export const Topic = { mixed: 'mixed', multiTag: 'multi-tag', batches: 'batches', one: 'many-0' } as const;
export const QUEUES = 3;
export const MULTI_TAG_FLAG = 0x2;

const COMPRESSED = 0x1;
const COMPRESSION_ZLIB = 0x300;
const BODY_BYTES_MAX = 12_000;
const BATCH_ITEMS = 20;
const DISPATCHED_MS = 20_000;

/** What was sent and where the answer said that it went. */
export interface Sent extends QueueName {
  readonly body: Buffer;
  readonly flag: number;
  /** Without the bits that a broker sets. */
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly reconsumeTimes: number;
  /** Without those that a broker adds. */
  readonly properties: Readonly<Record<string, string>>;
  readonly queueOffset: number;
  /** Of the answer: store host and physical offset, upper-case hex. */
  readonly messageId: string;
}

export function propertyText(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}`)
    .join('\u0002');
}

/** Which queues hold the messages of `fill`. */
export function filledQueues(manyTopics = 0): QueueName[] {
  const many = Array.from({ length: manyTopics }, (_, n) => ({ topic: `many-${n}`, queueId: 0 }));
  const few = [Topic.mixed, Topic.multiTag, Topic.batches].flatMap((topic) =>
    Array.from({ length: QUEUES }, (_, queueId) => ({ topic, queueId })),
  );
  return [...few, ...many];
}

/** Creates the topics, and a group with settings of its own. */
export async function createTables(client: RemotingClient, manyTopics = 0): Promise<void> {
  await createTopic(client, Topic.mixed, QUEUES);
  await createTopic(client, Topic.batches, QUEUES);
  await createTopic(client, Topic.multiTag, QUEUES, { topicFilterType: 'MULTI_TAG' });
  await forAll(
    Array.from({ length: manyTopics }, (_, n) => `many-${n}`),
    (topic) => createTopic(client, topic, 1),
  );
  const group = {
    groupName: 'set-up',
    retryMaxTimes: 3,
    consumeBroadcastEnable: false,
    retryQueueNums: 2,
    brokerId: 0,
  };
  await ask(client, StoreCode.UPDATE_GROUP, {}, Buffer.from(JSON.stringify({ ...group, consumeEnable: true })));
}

export async function createTopic(
  client: RemotingClient,
  topic: string,
  queues: number,
  more: Fields = {},
): Promise<void> {
  const counts = { readQueueNums: queues, writeQueueNums: queues, perm: 6 };
  const fields = {
    topic,
    defaultTopic: 'TBW102',
    ...counts,
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: 0,
    order: false,
  };
  await ask(client, StoreCode.CREATE_TOPIC, { ...fields, ...more });
}

/** Commits the offset of a group in each queue, one after the other: of two first commits of a group at once Apache's broker may lose one (ConsumerOffsetManager). */
export async function commitOffsets(
  client: RemotingClient,
  consumerGroup: string,
  queues: readonly QueueName[],
  commitOffset: number,
): Promise<void> {
  for (const { topic, queueId } of queues) {
    await ask(client, StoreCode.UPDATE_CONSUMER_OFFSET, { consumerGroup, topic, queueId, commitOffset });
  }
}

/** Sends `count` single messages and `count / 10` batches, one after the other, so that their order is that of the seed. */
export async function fill(client: RemotingClient, seed: number, count: number): Promise<Sent[]> {
  const random = prng(seed);
  const sent: Sent[] = [];
  for (let n = 0; n < count; n++) {
    sent.push(await sendOne(client, seed, n, random));
    if (n % 10 === 0) sent.push(...(await sendBatch(client, seed, n, random)));
  }
  return sent;
}

/** One message in each of the topics many-0, many-1, ... */
export async function fillMany(client: RemotingClient, seed: number, topics: number): Promise<Sent[]> {
  return await forAll(
    Array.from({ length: topics }, (_, n) => n),
    (n) => {
      const properties = { UNIQ_KEY: `MANY${seed}A${n}`, TAGS: `tag-${n % 7}` };
      const message = { topic: `many-${n}`, queueId: 0, body: Buffer.from(`many ${seed} ${n}`), properties };
      return send(client, { ...message, flag: 0, sysFlag: 0, bornTimestamp: Date.now(), reconsumeTimes: 0 });
    },
  );
}

type Random = ReturnType<typeof prng>;

function sendOne(client: RemotingClient, seed: number, n: number, random: Random): Promise<Sent> {
  const topic = n % 5 === 4 ? Topic.multiTag : Topic.mixed;
  const isCompressed = n % 7 === 3;
  const plain = bodyOf(seed, n, random);
  const keys = ['', `order-${n}`, `order-${n} customer-${seed}-${n % 5}`, ` spaced-${seed}-${n}  keys-${n} `][n % 4]!;
  const properties: Record<string, string> = { UNIQ_KEY: `UNIQ${seed}A${n}` };
  if (keys !== '') properties.KEYS = keys;
  if (n % 3 !== 0) properties.TAGS = ['tag-a', 'tag-\u00e4\u{1F600}', 'x'.repeat(40)][n % 3]!;
  if (n % 4 === 1) properties.WAIT = n % 8 === 1 ? 'true' : 'false';
  if (n % 6 === 2) properties['user-\u4e16\u754c'] = 'value with = and "quotes" \\ \u{1F680}';
  return send(client, {
    topic,
    queueId: n % QUEUES,
    body: isCompressed ? deflateSync(plain) : plain,
    flag: n % 9 === 0 ? -(n + 1) : n,
    sysFlag: isCompressed ? COMPRESSED | (n % 2 === 0 ? COMPRESSION_ZLIB : 0) : 0,
    bornTimestamp: 1_700_000_000_000 + n,
    reconsumeTimes: n % 11 === 0 ? 2 : 0,
    // The first of each seed has no property at all.
    properties: n === 0 ? {} : properties,
  });
}

/** Mostly small, some large; the second of a seed is empty. */
function bodyOf(seed: number, n: number, random: Random): Buffer {
  if (n === 1) return Buffer.alloc(0);
  const bytes = n % 5 === 0 ? random.below(BODY_BYTES_MAX) + 20 : 20 + (n % 200);
  const body = Buffer.alloc(bytes, `${seed}:${n};`);
  for (let at = 16; at < bytes; at += 97) body[at] = random.below(256);
  return body;
}

async function send(client: RemotingClient, message: Omit<Sent, 'queueOffset' | 'messageId'>): Promise<Sent> {
  const { topic, queueId, body, flag, sysFlag, bornTimestamp, reconsumeTimes, properties } = message;
  const more = { f: sysFlag, g: bornTimestamp, h: flag, j: reconsumeTimes };
  const answer = await ask(client, Code.SEND, sendFields(topic, queueId, propertyText(properties), more), body);
  assert.is(Number(answer.fields.queueId), queueId);
  return { ...message, queueOffset: Number(answer.fields.queueOffset), messageId: answer.fields.msgId! };
}

async function sendBatch(client: RemotingClient, seed: number, n: number, random: Random): Promise<Sent[]> {
  const queueId = (n / 10) % QUEUES;
  const bornTimestamp = 1_700_000_500_000 + n;
  const items = Array.from({ length: BATCH_ITEMS }, (_, i) => ({
    body: bodyOf(seed, n + 2 + i, random),
    flag: i,
    properties: {
      UNIQ_KEY: `BATCH${seed}A${n}B${i}`,
      ...(i % 2 === 0 ? { TAGS: `b-${i % 4}`, KEYS: `item-${n}-${i}` } : {}),
    },
  }));
  const body = Buffer.concat(
    items.map(({ body, flag, properties }) => batchItem(body, flag, propertyText(properties))),
  );
  const fields = sendFields(Topic.batches, queueId, 'WAIT\u0001true', { g: bornTimestamp, m: true });
  const answer = await ask(client, Code.SEND_BATCH, fields, body);
  const ids = answer.fields.msgId!.split(',');
  assert.is(ids.length, BATCH_ITEMS);
  const first = Number(answer.fields.queueOffset);
  const common = { topic: Topic.batches, queueId, sysFlag: 0, bornTimestamp, reconsumeTimes: 0 };
  return items.map((item, i) => ({ ...common, ...item, queueOffset: first + i, messageId: ids[i]! }));
}

/** total, magic, crc, flag, body length, body, properties length, properties. Source: MessageDecoder.encodeMessage. */
export function batchItem(body: Buffer, flag: number, properties: string): Buffer {
  const text = Buffer.from(properties);
  const item = Buffer.alloc(22 + body.length + text.length);
  item.writeInt32BE(item.length, 0);
  item.writeInt32BE(flag, 12);
  item.writeInt32BE(body.length, 16);
  body.copy(item, 20);
  item.writeInt16BE(text.length, 20 + body.length);
  text.copy(item, 22 + body.length);
  return item;
}

/** The queues once all that was sent is in them: Apache's broker dispatches behind its answers. */
export async function contentsWith(
  client: RemotingClient,
  queues: readonly QueueName[],
  sent: readonly Sent[],
): Promise<Contents> {
  return await until('every message that was sent is in its queue', DISPATCHED_MS, async () => {
    const contents = await contentsOf(client, queues);
    const isThere = ({ topic, queueId, queueOffset }: Sent): boolean =>
      contents.get(`${topic} ${queueId}`)!.max > queueOffset;
    return sent.every(isThere) ? contents : undefined;
  });
}

/** Each message is at its place with everything that it was sent with, and its id says where. */
export function assertHolds(contents: Contents, sent: readonly Sent[]): void {
  for (const message of sent) {
    const where = `${message.topic} ${message.queueId} at ${message.queueOffset}`;
    const queue = contents.get(`${message.topic} ${message.queueId}`);
    const bytes = queue?.records[message.queueOffset - queue.min];
    assert.ok(bytes !== undefined, `${where} is gone`);
    const record = decodeRecord(bytes!, 0);
    const { flag, bornTimestamp, reconsumeTimes } = message;
    assert.ok(record.body.equals(message.body), `body of ${where}`);
    assert.equal(
      { flag: record.flag, bornTimestamp: record.bornTimestamp, reconsumeTimes: record.reconsumeTimes },
      { flag, bornTimestamp, reconsumeTimes },
      where,
    );
    const bits = message.topic === Topic.multiTag ? MULTI_TAG_FLAG : 0;
    assert.is(record.sysFlag & ~0x30, message.sysFlag | bits, `sysFlag of ${where}`);
    const { WAIT: _, ...kept } = message.properties;
    // Of a batch's properties every message gets a copy.
    const ofBatch = message.topic === Topic.batches ? { WAIT: 'true' } : {};
    const wanted = { ...kept, ...ofBatch, CLUSTER: 'rocketmq-cluster' };
    assert.equal(Object.fromEntries(record.properties), wanted, `properties of ${where}`);
    assert.is(message.messageId, messageIdOf(record.storeHost, record.physicalOffset), `message id of ${where}`);
  }
}

function messageIdOf(storeHost: string, physicalOffset: number): string {
  const [ip, port] = storeHost.split(':') as [string, string];
  return (
    ip +
    Number(port).toString(16).padStart(8, '0') +
    physicalOffset.toString(16).padStart(16, '0')
  ).toUpperCase();
}

/** Tags code of a consume queue entry: Java hash of the tag, 0 without one. */
export function tagsCodeOf(tag: string | undefined): bigint {
  return BigInt(tag === undefined ? 0 : javaHash(tag));
}
