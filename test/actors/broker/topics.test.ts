import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TopicReplica } from '../../../src/actors/queue/messages.js';
import { createTopicOnSend, QUEUES_PER_TOPIC_MAX, TOPICS_MAX } from '../../../src/actors/broker/tables/create-topic.js';
import { topicList } from '../../../src/remoting/bodies/routes.js';
import { topicStatsTable } from '../../../src/remoting/bodies/statistics.js';
import { topicConfigTable } from '../../../src/remoting/bodies/tables.js';
import { BodyProblem, type Codec, decodeBody } from '../../../src/remoting/body-codec.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { BrokerDriver, NAME_SERVER } from './driver.js';

export function decoded<T>(codec: Codec<T>, body: Buffer): T {
  const value = decodeBody(codec, body);
  if (value instanceof BodyProblem) throw new Error(value.text);
  return value;
}

const create = {
  defaultTopic: 'TBW102',
  readQueueNums: '8',
  writeQueueNums: '4',
  perm: '6',
  topicFilterType: 'SINGLE_TAG',
};

/** A send of one byte, as producers of version 2 headers write it. */
function sendTo(broker: BrokerDriver, connection: number, topic: string, template = 'TBW102', queueNums = 4): number {
  const ext = { a: 'P', b: topic, c: template, d: `${queueNums}`, e: '0', f: '0', g: '1', h: '0', i: '', j: '0' };
  return broker.ask(connection, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x' }).command.code;
}

const start = suite('broker: topics of a fresh broker');

start('are the eight that Apache 4.9.7 registers', () => {
  const broker = new BrokerDriver().start();
  const { body } = broker.ask(broker.open(), RequestCode.GET_ALL_TOPIC_CONFIG);
  const shapes = [...decoded(topicConfigTable, body).topicConfigTable.values()].map(
    ({ topicName, readQueueNums, writeQueueNums, perm }) => [topicName, readQueueNums, writeQueueNums, perm],
  );
  assert.equal(
    shapes.sort(),
    [
      ['BenchmarkTest', 1024, 1024, 6],
      ['C', 16, 16, 7],
      ['C_REPLY_TOPIC', 1, 1, 6],
      ['OFFSET_MOVED_EVENT', 1, 1, 6],
      ['SCHEDULE_TOPIC_XXXX', 18, 18, 6],
      ['SELF_TEST_TOPIC', 1, 1, 6],
      ['TBW102', 8, 8, 7],
      ['broker-a', 1, 1, 7],
    ].sort(),
  );
});

start('follow the settings', () => {
  const settings =
    'autoCreateTopicEnable=false\nclusterTopicEnable=false\nbrokerTopicEnable=false\ntraceTopicEnable=true\n';
  const { topics } = new BrokerDriver({ settings }).start().state;
  assert.is(topics.get('TBW102'), undefined);
  assert.is(topics.get('C')!.config!.perm, 1);
  assert.is(topics.get('broker-a')!.config!.perm, 1);
  assert.is(topics.get('RMQ_SYS_TRACE_TOPIC')!.config!.readQueueNums, 1);
});

start('the system topic list has the twelve names of Apache 4.9.7', () => {
  const broker = new BrokerDriver().start();
  const { body } = broker.ask(broker.open(), RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER);
  const names = decoded(topicList, body).topicList;
  assert.is(names.length, 12);
  for (const name of ['RMQ_SYS_TRANS_HALF_TOPIC', 'RMQ_SYS_TRACE_TOPIC', 'C_REPLY_TOPIC', 'broker-a'])
    assert.ok(names.includes(name));
});

start.run();

const onSend = suite('broker: topics made by a send');

onSend('take the queues of the template at most, and its permissions without INHERIT', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  assert.is(sendTo(broker, client, 'small', 'TBW102', 4), ResponseCode.SUCCESS);
  assert.is(sendTo(broker, client, 'large', 'TBW102', 100), ResponseCode.SUCCESS);
  const shape = (name: string) => {
    const { readQueueNums, writeQueueNums, perm } = broker.state.topics.get(name)!.config!;
    return [readQueueNums, writeQueueNums, perm];
  };
  assert.equal(shape('small'), [4, 4, 6]);
  assert.equal(shape('large'), [8, 8, 6]);
  assert.match(broker.file('topics.json')!, '"small"');
});

onSend('are registered at once, once for all topics of a turn', () => {
  const broker = new BrokerDriver().start();
  broker.asked.length = 0;
  for (const name of ['A', 'B', 'C2']) createTopicOnSend(broker.state, name, 'TBW102', 4, false);
  broker.settle();
  assert.equal(
    broker.asked.map(({ command }) => command.code),
    [RequestCode.REGISTER_BROKER],
  );
  assert.match(broker.asked[0]!.body.toString(), '"C2":{');
});

onSend('need a template that may be inherited: code 17 otherwise', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  assert.is(sendTo(broker, client, 'a', 'SELF_TEST_TOPIC'), ResponseCode.TOPIC_NOT_EXIST);
  assert.is(sendTo(broker, client, 'a', 'nowhere'), ResponseCode.TOPIC_NOT_EXIST);
  assert.is(sendTo(broker, client, '%RETRY%G', 'nowhere'), ResponseCode.SUCCESS, 'a retry topic needs none');
  assert.is(broker.state.topics.get('%RETRY%G')!.config!.readQueueNums, 1);
});

onSend('a TBW102 of earlier days is no template where topics are not made any more', () => {
  const first = new BrokerDriver().start();
  sendTo(first, first.open(), 'a');
  first.stop();
  const broker = new BrokerDriver({ disk: first.disk });
  broker.disk.writeFile('/conf/broker-a.properties', 'autoCreateTopicEnable=false\n');
  broker.start();
  assert.is(broker.state.topics.get('TBW102')!.config!.perm, 7);
  assert.is(sendTo(broker, broker.open(), 'b'), ResponseCode.TOPIC_NOT_EXIST);
  assert.is(broker.state.topics.get('TBW102')!.config!.perm, 6);
});

onSend('are refused at the bound, and the log says what to do', () => {
  const broker = new BrokerDriver().start();
  const { topics } = broker.state;
  for (let i = topics.size; i < TOPICS_MAX; i++) topics.ensure(`t${i}`);
  const client = broker.open();
  assert.is(sendTo(broker, client, 'one-more'), ResponseCode.TOPIC_NOT_EXIST);
  assert.ok(broker.logged.some((line) => line.includes(`has ${TOPICS_MAX} topics and takes no more`)));
  const { command } = broker.ask(client, RequestCode.UPDATE_AND_CREATE_TOPIC, { topic: 'one-more', ...create });
  assert.match(command.remark!, 'delete unused ones');
  assert.is(sendTo(broker, client, 'TBW102'), ResponseCode.SUCCESS, 'what is there goes on');
});

onSend.run();

const byTools = suite('broker: topics made and deleted by tools');

byTools('are answered when the name servers know them', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.peers.set(NAME_SERVER, () => undefined);
  broker.send(client, RequestCode.UPDATE_AND_CREATE_TOPIC, { topic: 'T', ...create, topicSysFlag: '1', order: 'true' });
  assert.is(broker.take(client).length, 0);
  broker.peers.set(NAME_SERVER, () => ({}));
  // The name server that is silent counts after registerBrokerTimeoutMills.
  broker.advance(6_001);
  assert.equal(
    broker.take(client).map(({ command }) => command.code),
    [ResponseCode.SUCCESS],
  );
  const { order, ...config } = broker.state.topics.get('T')!.config!;
  assert.is(order, false, 'that is what ORDER_TOPIC_CONFIG says, not the request');
  assert.equal(config, {
    perm: 6,
    readQueueNums: 8,
    topicFilterType: 'SINGLE_TAG',
    topicName: 'T',
    topicSysFlag: 1,
    writeQueueNums: 4,
  });
  const replicas = broker.takeTold(1, 'topic').map(({ value }) => value as TopicReplica);
  assert.equal(replicas.at(-1), { topic: 'T', readQueueNums: 8, perm: 6 });
});

byTools('are refused with code 1 when the name or a number is impossible', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const remark = (ext: Record<string, string>): string => {
    const { command } = broker.ask(client, RequestCode.UPDATE_AND_CREATE_TOPIC, { topic: 'T', ...create, ...ext });
    assert.is(command.code, ResponseCode.SYSTEM_ERROR);
    return command.remark!;
  };
  assert.match(remark({ topic: 'a b' }), 'illegal characters');
  assert.match(remark({ topic: 't'.repeat(128) }), 'longer than topic max length');
  assert.is(remark({ topic: 'TBW102' }), 'The topic[TBW102] is conflict with system topic.');
  assert.is(remark({ topic: 'C' }), 'The topic[C] is conflict with system topic.');
  assert.match(remark({ readQueueNums: '-1' }), `readQueueNums=-1: allowed: 0 to ${QUEUES_PER_TOPIC_MAX}`);
  assert.match(remark({ writeQueueNums: '65537' }), 'writeQueueNums=65537');
  assert.match(remark({ perm: '8' }), 'perm=8');
  assert.match(remark({ topicFilterType: 'X' }), 'SINGLE_TAG, MULTI_TAG');
  assert.match(remark({ perm: 'six' }), '<perm> is not an int');
});

byTools('deletion takes queues, offsets and what the batch stored with it', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  sendTo(broker, client, 'T');
  broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, {
    consumerGroup: 'G',
    topic: 'T',
    queueId: '0',
    commitOffset: '1',
  });
  const counter = broker.state.topics.version.counter;
  // A send and the deletion in one batch: the entry of the send must not bring the queue back.
  const ext = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '1', f: '0', g: '1', h: '0' };
  for (const told of broker.hosts) told.length = 0;
  broker.postRequest(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x' });
  broker.send(client, RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'T' });
  assert.equal(
    broker.take(client).map(({ command }) => command.code),
    [ResponseCode.SUCCESS, ResponseCode.SUCCESS],
  );
  for (const host of [0, 1] as const) assert.is(broker.takeTold(host, 'dispatch').length, 0);
  assert.is(broker.state.topics.get('T'), undefined);
  assert.is(broker.state.topics.version.counter, counter + 1);
  assert.is(broker.state.offsets.get('G', 'T', 0), undefined);
  for (const host of [0, 1] as const) {
    assert.equal(
      broker.takeTold(host, 'topicDeleted').map(({ value }) => value),
      [{ topic: 'T', end: broker.state.log.endOffset }],
    );
  }
  assert.not.match(broker.file('topics.json')!, '"T"');
  const stats = broker.ask(client, RequestCode.GET_TOPIC_STATS_INFO, { topic: 'T' });
  assert.is(stats.command.code, ResponseCode.TOPIC_NOT_EXIST);
});

byTools('system topics stay', () => {
  const broker = new BrokerDriver().start();
  const { command } = broker.ask(broker.open(), RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'BenchmarkTest' });
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.ok(broker.state.topics.get('BenchmarkTest'));
});

byTools('a slave refuses all of it', () => {
  const broker = new BrokerDriver({ settings: 'brokerRole=SLAVE\nbrokerId=1\n' }).start();
  const client = broker.open();
  const group = JSON.stringify({ groupName: 'G' });
  for (const [code, ext, body] of [
    [RequestCode.UPDATE_AND_CREATE_TOPIC, { topic: 'T', ...create }, ''],
    [RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'T' }, ''],
    [RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, group],
    [RequestCode.DELETE_SUBSCRIPTIONGROUP, { groupName: 'G' }, ''],
  ] as const) {
    const { command } = broker.ask(client, code, ext, { body });
    assert.is(command.code, ResponseCode.SYSTEM_ERROR);
    assert.match(command.remark!, "Can't modify topic or subscription group from slave broker");
  }
});

byTools.run();

const stats = suite('broker: GET_TOPIC_STATS_INFO');

stats('names every queue, used or not', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.ask(client, RequestCode.UPDATE_AND_CREATE_TOPIC, { topic: 'T', ...create });
  broker.advance(1);
  const storedMs = broker.nowMs;
  assert.is(sendTo(broker, client, 'T'), ResponseCode.SUCCESS);
  const { body } = broker.ask(client, RequestCode.GET_TOPIC_STATS_INFO, { topic: 'T' });
  const table = [...decoded(topicStatsTable, body).offsetTable];
  assert.equal(
    table.map(([{ queueId }]) => queueId),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  assert.equal(table[0]![0], { brokerName: 'broker-a', queueId: 0, topic: 'T' });
  assert.equal(table[0]![1], { lastUpdateTimestamp: storedMs, maxOffset: 1, minOffset: 0 });
  assert.equal(table[1]![1], { lastUpdateTimestamp: 0, maxOffset: 0, minOffset: 0 });
});

stats.run();
