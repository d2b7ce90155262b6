import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { consumerStatusBody, resetOffsetBody } from '../../../src/remoting/bodies/client-requests.js';
import { correctionOffsets } from '../../../src/remoting/bodies/statistics.js';
import { BodyProblem, type Codec, decodeBody } from '../../../src/remoting/body-codec.js';
import { encodeFrame, Flag } from '../../../src/remoting/command.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { Language } from '../../../src/remoting/version.js';
import { type Answered, BrokerDriver } from './driver.js';
import { javaHeartbeat } from './heartbeats.js';

function decoded<T>(codec: Codec<T>, body: Buffer): T {
  const value = decodeBody(codec, body);
  if (value instanceof BodyProblem) throw new Error(value.text);
  return value;
}

/** A broker whose topic T has two queues, with three and one messages. */
function started(): BrokerDriver {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  for (const queueId of ['0', '0', '0', '1']) {
    const ext = { a: 'P', b: 'T', c: 'TBW102', d: '2', e: queueId, f: '0', g: '1', h: '0' };
    assert.is(broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x' }).command.code, 0);
  }
  return broker;
}

function join(broker: BrokerDriver, clientId: string, parts: { language?: number; version?: number } = {}): number {
  const connection = broker.open();
  const body = javaHeartbeat({ clientId, consumers: ['G'] });
  broker.send(connection, RequestCode.HEART_BEAT, {}, { version: 407, ...parts, body });
  for (const member of [connection]) broker.take(member);
  return connection;
}

function commit(broker: BrokerDriver, group: string, offsets: readonly number[]): void {
  const tool = broker.open();
  for (const [queueId, offset] of offsets.entries()) {
    const ext = { consumerGroup: group, topic: 'T', queueId: `${queueId}`, commitOffset: `${offset}` };
    assert.is(broker.ask(tool, RequestCode.UPDATE_CONSUMER_OFFSET, ext).command.code, 0);
  }
}

/** The requests that the broker sent to that client. */
function requestsTo(broker: BrokerDriver, connection: number): Answered[] {
  return broker.take(connection).filter(({ command }) => (command.flag & Flag.RESPONSE) === 0);
}

function answerCall(broker: BrokerDriver, connection: number, { command }: Answered, code: number, body: string): void {
  broker.post(connection, encodeFrame({ code, opaque: command.opaque, flag: Flag.RESPONSE }, Buffer.from(body)));
  broker.settle();
}

const reset = suite('broker: resetting offsets by time');
const target = { topic: 'T', group: 'G', timestamp: '1234', isForce: 'false' };

reset('moves back to the time, tells every member, and leaves its own table alone', () => {
  const broker = started();
  commit(broker, 'G', [3, 0]);
  const members = [join(broker, 'one'), join(broker, 'two')];
  for (const member of members) broker.take(member);
  const tool = broker.open();
  broker.send(tool, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, target);
  assert.is(broker.take(tool).length, 0, 'answered before the queue hosts have');
  const searches = broker.answerSearches(({ queueId }) => queueId + 1);
  assert.equal(searches.map(({ topic, queueId, timestamp }) => [topic, queueId, timestamp]).sort(), [
    ['T', 0, 1234],
    ['T', 1, 1234],
  ]);
  const [answer] = broker.take(tool);
  assert.is(answer!.command.code, ResponseCode.SUCCESS);
  const expected = [
    [{ brokerName: 'broker-a', queueId: 0, topic: 'T' }, 1],
    // Queue 1 would go forward, which only force does.
    [{ brokerName: 'broker-a', queueId: 1, topic: 'T' }, 0],
  ];
  const byQueue = (table: ReadonlyMap<{ queueId: number }, number>): unknown[] =>
    [...table].sort(([a], [b]) => a.queueId - b.queueId);
  assert.equal(byQueue(decoded(resetOffsetBody, answer!.body).offsetTable), expected);
  for (const member of members) {
    const [told] = requestsTo(broker, member);
    assert.is(told!.command.code, RequestCode.RESET_CONSUMER_CLIENT_OFFSET);
    assert.ok((told!.command.flag & Flag.ONE_WAY) !== 0);
    assert.equal(byQueue(decoded(resetOffsetBody, told!.body).offsetTable), expected);
    assert.not.match(told!.body.toString(), /\s/, 'Go reads the body textually');
  }
  const queue0 = { consumerGroup: 'G', topic: 'T', queueId: '0' };
  assert.is(broker.ask(tool, RequestCode.QUERY_CONSUMER_OFFSET, queue0).command.ext.get('offset'), '3');
});

reset('force goes forward, -1 is the end of each queue', () => {
  const broker = started();
  commit(broker, 'G', [0, 0]);
  join(broker, 'one');
  const tool = broker.open();
  const { command, body } = broker.ask(tool, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, {
    ...target,
    timestamp: '-1',
    isForce: 'true',
  });
  assert.is(command.code, ResponseCode.SUCCESS);
  const offsets = [...decoded(resetOffsetBody, body).offsetTable].map(([queue, offset]) => [queue.queueId, offset]);
  assert.equal(offsets.sort(), [
    [0, 3],
    [1, 1],
  ]);
});

reset('C++ members get lists', () => {
  const broker = started();
  commit(broker, 'G', [3, 1]);
  const member = join(broker, 'one', { language: Language.CPP });
  broker.ask(broker.open(), RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, { ...target, timestamp: '-1' });
  const told = JSON.parse(requestsTo(broker, member)[0]!.body.toString()) as { offsetTable: unknown[] };
  assert.equal(told.offsetTable, [
    { brokerName: 'broker-a', offset: 3, queueId: 0, topic: 'T' },
    { brokerName: 'broker-a', offset: 1, queueId: 1, topic: 'T' },
  ]);
});

reset('says what is missing: topic, offsets of the group, members', () => {
  const broker = started();
  const tool = broker.open();
  const ask = (ext: Record<string, string>): Answered['command'] =>
    broker.ask(tool, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, ext).command;
  assert.match(ask({ ...target, topic: 'nowhere' }).remark!, /no topic in this broker/);
  assert.match(ask(target).remark!, /^THe consumer group <G> not exist$/);
  commit(broker, 'G', [1, 1]);
  const offline = ask({ ...target, timestamp: '-1' });
  assert.is(offline.code, ResponseCode.CONSUMER_NOT_ONLINE);
  assert.match(offline.remark!, /Consumer not online/);
});
reset.run();

const calls = suite('broker: questions for consumers');
const runningInfo = { consumerGroup: 'G', clientId: 'one', jstackEnable: 'true' };

calls('are handed on with all their fields, and so is the answer', () => {
  const broker = started();
  const member = join(broker, 'one');
  const tool = broker.open();
  broker.send(tool, RequestCode.GET_CONSUMER_RUNNING_INFO, runningInfo);
  const [asked] = requestsTo(broker, member);
  assert.is(asked!.command.code, RequestCode.GET_CONSUMER_RUNNING_INFO);
  assert.equal(Object.fromEntries(asked!.command.ext), runningInfo);
  assert.is(broker.take(tool).length, 0);
  answerCall(broker, member, asked!, ResponseCode.SUCCESS, '{"properties":{}}');
  const [answer] = broker.take(tool);
  assert.is(answer!.command.code, ResponseCode.SUCCESS);
  assert.is(answer!.body.toString(), '{"properties":{}}');
});

calls('nobody but the member that was asked can answer', () => {
  const broker = started();
  const member = join(broker, 'one');
  const stranger = broker.open();
  const tool = broker.open();
  broker.send(tool, RequestCode.GET_CONSUMER_RUNNING_INFO, runningInfo);
  const [asked] = requestsTo(broker, member);
  answerCall(broker, stranger, asked!, ResponseCode.SUCCESS, 'forged');
  assert.is(broker.take(tool).length, 0);
});

calls('a member that is gone, too old or silent has a code each', () => {
  const broker = started();
  const tool = broker.open();
  const ask = (): Answered[] => {
    broker.send(tool, RequestCode.GET_CONSUMER_RUNNING_INFO, runningInfo);
    return broker.take(tool);
  };
  assert.is(ask()[0]!.command.remark, 'The Consumer <G> <one> not online');
  const old = join(broker, 'one', { version: 61 });
  assert.match(ask()[0]!.command.remark!, /too low to finish, please upgrade it to V3_1_8_SNAPSHOT/);
  broker.close(old);
  const member = join(broker, 'one');
  assert.is(ask().length, 0);
  broker.advance(10_001);
  const [late] = broker.take(tool);
  assert.is(late!.command.code, ResponseCode.CONSUME_MSG_TIMEOUT);
  assert.is(ask().length, 0);
  broker.close(member);
  const [closed] = broker.take(tool);
  assert.is(closed!.command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(closed!.command.remark!, /the connection was closed/);
});

calls('the status of a group is what its members say; who keeps silent is left out', () => {
  const broker = started();
  const one = join(broker, 'one');
  const two = join(broker, 'two');
  broker.take(one);
  const tool = broker.open();
  broker.send(tool, RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS, { topic: 'T', group: 'G', clientAddr: '' });
  const [asked] = requestsTo(broker, one);
  assert.is(requestsTo(broker, two).length, 1);
  const body = '{"messageQueueTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:7}}';
  answerCall(broker, one, asked!, ResponseCode.SUCCESS, body);
  assert.is(broker.take(tool).length, 0);
  broker.advance(5_001);
  const [answer] = broker.take(tool);
  const { consumerTable } = decoded(consumerStatusBody, answer!.body);
  assert.equal([...consumerTable.keys()], ['one']);
  assert.equal([...consumerTable.get('one')!.values()], [7]);
});
calls.run();

const offsets = suite('broker: offsets of other groups');

offsets('are cloned, all topics of the group or one', () => {
  const broker = started();
  commit(broker, 'G', [2, 1]);
  const tool = broker.open();
  for (const [destGroup, topic] of [
    ['H', 'T'],
    ['I', ''],
  ] as const) {
    const ext = { srcGroup: 'G', destGroup, topic, offline: 'false' };
    assert.is(broker.ask(tool, RequestCode.CLONE_GROUP_OFFSET, ext).command.code, 0);
    const queue0 = { consumerGroup: destGroup, topic: 'T', queueId: '0' };
    assert.is(broker.ask(tool, RequestCode.QUERY_CONSUMER_OFFSET, queue0).command.ext.get('offset'), '2');
  }
});

offsets('the least of all groups, without those that are left out, as far as the compared group has come', () => {
  const broker = started();
  commit(broker, 'G', [2, 1]);
  commit(broker, 'H', [1, 1]);
  commit(broker, 'I', [0, 0]);
  const ext = { topic: 'T', compareGroup: 'G', filterGroups: 'I' };
  const { body } = broker.ask(broker.open(), RequestCode.QUERY_CORRECTION_OFFSET, ext);
  assert.equal(
    [...decoded(correctionOffsets, body).correctionOffsets],
    [
      [0, 1],
      [1, 1],
    ],
  );
});
offsets.run();
