import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OFFSET_KEYS_MAX, OFFSETS_MAX, OffsetTable } from '../../../src/actors/broker/tables/offset-table.js';
import { LOCK_EXPIRES_MS, LOCKS_MAX, QueueLocks } from '../../../src/actors/broker/tables/queue-locks.js';
import { lockBatchResponse } from '../../../src/remoting/bodies/clients.js';
import { consumeStats, groupList } from '../../../src/remoting/bodies/statistics.js';
import { BodyProblem, type Codec, decodeBody } from '../../../src/remoting/body-codec.js';
import { Flag } from '../../../src/remoting/command.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { writeEntry } from '../../../src/store/consume-queue-entry.js';
import { BrokerDriver } from './driver.js';
import { javaHeartbeat } from './heartbeats.js';

function decoded<T>(codec: Codec<T>, body: Buffer): T {
  const value = decodeBody(codec, body);
  if (value instanceof BodyProblem) throw new Error(value.text);
  return value;
}

function sendTo(broker: BrokerDriver, connection: number, topic: string, queueId = 0): void {
  const ext = { a: 'P', b: topic, c: 'TBW102', d: '4', e: `${queueId}`, f: '0', g: '1', h: '0' };
  assert.is(broker.ask(connection, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x'.repeat(900) }).command.code, 0);
}

const queue0 = { consumerGroup: 'G', topic: 'T', queueId: '0' };
const offsetOf = (
  broker: BrokerDriver,
  client: number,
  code: number,
  ext: Record<string, string>,
): string | undefined => broker.ask(client, code, ext).command.ext.get('offset');

const offsets = suite('broker: consumer offsets');

offsets('are what was committed last, backwards too', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  for (const commitOffset of ['5', '3']) {
    const { command } = broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue0, commitOffset });
    assert.is(command.code, ResponseCode.SUCCESS);
  }
  assert.is(offsetOf(broker, client, RequestCode.QUERY_CONSUMER_OFFSET, queue0), '3');
});

offsets('a one-way commit is stored and never answered, not even when it cannot be read', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.send(client, RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue0, commitOffset: '7' }, { flag: Flag.ONE_WAY });
  broker.send(client, RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue0 }, { flag: Flag.ONE_WAY });
  broker.send(client, 4711, {}, { flag: Flag.ONE_WAY });
  assert.is(broker.take(client).length, 0);
  assert.is(offsetOf(broker, client, RequestCode.QUERY_CONSUMER_OFFSET, queue0), '7');
});

offsets('an unknown group begins at 0 while the first message is there and recent, else code 22', () => {
  const physicalMemoryBytes = 100_000;
  const broker = new BrokerDriver({ physicalMemoryBytes }).start();
  const client = broker.open();
  assert.is(offsetOf(broker, client, RequestCode.QUERY_CONSUMER_OFFSET, { ...queue0, topic: 'nowhere' }), '0');
  sendTo(broker, client, 'T');
  assert.is(offsetOf(broker, client, RequestCode.QUERY_CONSUMER_OFFSET, queue0), '0');
  // 40 % of the memory lie behind the first message; the queue actor has written its entry.
  for (let i = 0; i < 45; i++) sendTo(broker, client, 'T', 1);
  const entry = Buffer.alloc(20);
  writeEntry(entry, 0, 0, 1000, 0);
  broker.disk.makeDirectory('/store/consumequeue/T/0');
  broker.disk.writeFile('/store/consumequeue/T/0/00000000000000000000', entry);
  const { command } = broker.ask(client, RequestCode.QUERY_CONSUMER_OFFSET, queue0);
  assert.is(command.code, ResponseCode.QUERY_NOT_FOUND);
  assert.is(command.remark, 'Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first');
  broker.state.topics.get('T')!.queue(1).minOffset = 3;
  const removed = broker.ask(client, RequestCode.QUERY_CONSUMER_OFFSET, { ...queue0, queueId: '1' });
  assert.is(removed.command.code, ResponseCode.QUERY_NOT_FOUND, 'the first message is gone');
});

offsets('both ends of a queue, 0 for one that nobody used', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  sendTo(broker, client, 'T');
  sendTo(broker, client, 'T');
  broker.state.topics.get('T')!.queue(0).minOffset = 1;
  const ends = (topic: string, queueId: string) =>
    [RequestCode.GET_MIN_OFFSET, RequestCode.GET_MAX_OFFSET].map((code) =>
      offsetOf(broker, client, code, { topic, queueId }),
    );
  assert.equal(ends('T', '0'), ['1', '2']);
  assert.equal(ends('T', '3'), ['0', '0']);
  assert.equal(ends('nowhere', '0'), ['0', '0']);
  for (const code of [RequestCode.GET_MIN_OFFSET, RequestCode.GET_MAX_OFFSET]) {
    const { command } = broker.ask(client, code, { topic: 'T', queueId: '-1' });
    assert.equal([command.code, command.remark], [1, 'queueId[-1] is negative: queue ids are 0 and above']);
  }
});

offsets('a missing or malformed field is code 1 with its name', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const missing = broker.ask(client, RequestCode.GET_MAX_OFFSET, { topic: 'T' }).command;
  assert.equal([missing.code, missing.remark], [1, 'the header field <queueId> is missing']);
  const negative = { ...queue0, queueId: '-1', commitOffset: '1' };
  assert.match(broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, negative).command.remark!, 'negative');
});

offsets('the whole table in the words of fastjson', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue0, commitOffset: '7' });
  const all = broker.ask(client, RequestCode.GET_ALL_CONSUMER_OFFSET);
  assert.is(all.body.toString(), '{"offsetTable":{"T@G":{0:7}}}');
  const delay = broker.ask(client, RequestCode.GET_ALL_DELAY_OFFSET);
  assert.is(delay.body.toString(), '{"offsetTable":{}}');
});

offsets('are bounded in pairs and in all', () => {
  const table = new OffsetTable();
  for (let i = 0; i < OFFSET_KEYS_MAX; i++) table.commit(`g${i}`, 'T', 0, 1);
  assert.is(table.commit('one-more', 'T', 0, 1), false);
  assert.is(table.commit('g0', 'T', 1, 1), true);
  for (let queueId = 2; table.size < OFFSETS_MAX; queueId++) table.commit('g0', 'T', queueId, 1);
  assert.is(table.commit('g1', 'T', 1, 1), false);
  assert.is(table.commit('g1', 'T', 0, 2), true, 'what is there goes on');
  table.removeGroup('g0');
  assert.is(table.size, OFFSET_KEYS_MAX - 1);
  assert.is(table.commit('one-more', 'T', 0, 1), true);
});

offsets.run();

const progress = suite('broker: how far groups have come');

progress('per queue of every topic with offsets, unless the online group has left it', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  sendTo(broker, client, 'T');
  sendTo(broker, client, 'U');
  for (const topic of ['T', 'U']) {
    broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue0, topic, commitOffset: '1' });
  }
  const ask = (topic: string) => {
    const { body } = broker.ask(client, RequestCode.GET_CONSUME_STATS, { consumerGroup: 'G', topic });
    return [...decoded(consumeStats, body).offsetTable].map(([{ topic: name, queueId }, progressed]) => [
      name,
      queueId,
      progressed,
    ]);
  };
  const lastTimestamp = broker.nowMs;
  const done = { brokerOffset: 1, consumerOffset: 1, lastTimestamp };
  const nothing = { brokerOffset: 0, consumerOffset: 0, lastTimestamp: 0 };
  const rows = (topic: string) => [0, 1, 2, 3].map((queueId) => [topic, queueId, queueId === 0 ? done : nothing]);
  assert.equal(ask(''), [...rows('T'), ...rows('U')]);
  assert.equal(ask('U'), rows('U'));
  broker.send(client, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ consumers: ['G'], topics: ['T'] }) });
  broker.take(client);
  assert.equal(ask(''), rows('T'));
});

progress('a message in the middle of a queue has the store time of its record', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const firstMs = broker.nowMs;
  sendTo(broker, client, 'T');
  broker.advance(5_000);
  sendTo(broker, client, 'T');
  const entry = Buffer.alloc(20);
  writeEntry(entry, 0, 0, 1000, 0);
  broker.disk.makeDirectory('/store/consumequeue/T/0');
  broker.disk.writeFile('/store/consumequeue/T/0/00000000000000000000', entry);
  broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue0, commitOffset: '1' });
  const { body } = broker.ask(client, RequestCode.GET_CONSUME_STATS, { consumerGroup: 'G', topic: 'T' });
  const [[, first]] = decoded(consumeStats, body).offsetTable as unknown as [[unknown, { lastTimestamp: number }]];
  assert.is(first.lastTimestamp, firstMs);
});

progress('who consumes a topic: groups with offsets and groups that subscribe', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue0, commitOffset: '1' });
  broker.send(client, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ consumers: ['H'], topics: ['T'] }) });
  broker.take(client);
  const { body } = broker.ask(client, RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, { topic: 'T' });
  assert.equal([...decoded(groupList, body).groupList].sort(), ['G', 'H']);
});

progress.run();

const locks = suite('broker: locks of orderly consumers');
const queueOf = (queueId: number) => ({ brokerName: 'broker-a', queueId, topic: 'T' });

locks('are given once, kept by renewal, and free after a minute without', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const lock = (clientId: string, ...ids: number[]): number[] => {
    const body = JSON.stringify({ clientId, consumerGroup: 'G', mqSet: ids.map(queueOf) });
    const answer = broker.ask(client, RequestCode.LOCK_BATCH_MQ, {}, { body });
    return decoded(lockBatchResponse, answer.body).lockOKMQSet.map(({ queueId }) => queueId);
  };
  assert.equal(lock('a', 0, 1), [0, 1]);
  assert.equal(lock('b', 0, 1, 2), [2]);
  broker.advance(LOCK_EXPIRES_MS - 1_000);
  assert.equal(lock('a', 0), [0]);
  broker.advance(2_000);
  assert.equal(lock('b', 0, 1), [1]);
});

locks('are given back by their owner alone', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const body = (clientId: string) => JSON.stringify({ clientId, consumerGroup: 'G', mqSet: [queueOf(0)] });
  broker.ask(client, RequestCode.LOCK_BATCH_MQ, {}, { body: body('a') });
  broker.ask(client, RequestCode.UNLOCK_BATCH_MQ, {}, { body: body('b') });
  assert.is(broker.state.locks.size, 1);
  broker.send(client, RequestCode.UNLOCK_BATCH_MQ, {}, { body: body('a'), flag: Flag.ONE_WAY });
  assert.is(broker.state.locks.size, 0);
});

locks('are forgotten when nobody renews them', () => {
  const broker = new BrokerDriver().start();
  const body = JSON.stringify({ clientId: 'a', consumerGroup: 'G', mqSet: [queueOf(0)] });
  broker.ask(broker.open(), RequestCode.LOCK_BATCH_MQ, {}, { body });
  broker.advance(LOCK_EXPIRES_MS + 10_001);
  assert.is(broker.state.locks.size, 0);
});

locks('are bounded', () => {
  const table = new QueueLocks();
  const queues = Array.from({ length: LOCKS_MAX + 1 }, (_, queueId) => queueOf(queueId));
  assert.is(table.lock('G', queues, 'a', 0).length, LOCKS_MAX);
  table.unlock('G', [queueOf(0)], 'a');
  assert.is(table.lock('G', [queueOf(LOCKS_MAX)], 'a', 0).length, 1);
});

locks.run();
