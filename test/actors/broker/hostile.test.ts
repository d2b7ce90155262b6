/** What no honest client sends: records made up in message bodies, answers that fit no form, more than memory holds. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { recordBytes, writePropertiesLength, writeRecordHead, writeTopicLength } from '../../../src/message/record.js';
import { bodyCrc } from '../../../src/message/crc.js';
import { formatMessageId } from '../../../src/message/message-id.js';
import { MIB } from '../../../src/base/units.js';
import { encodeFrame, Flag } from '../../../src/remoting/command.js';
import { Serialization } from '../../../src/remoting/frame.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { type Answered, BrokerDriver, type DriverOptions } from './driver.js';
import { javaHeartbeat } from './heartbeats.js';
import { logRecords, propertiesText } from './log-records.js';

const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC';
const OP = 'RMQ_SYS_TRANS_OP_HALF_TOPIC';
const GIVEN_UP = 'TRANS_CHECK_MAX_TIME_TOPIC';
const COMMIT = '8';

function started(options: DriverOptions = {}): { broker: BrokerDriver; client: number } {
  const broker = new BrokerDriver({ hasQueueHosts: true, ...options }).start();
  return { broker, client: broker.open() };
}

function send(
  broker: BrokerDriver,
  client: number,
  body: Uint8Array | string,
  properties: Readonly<Record<string, string>> = {},
): Answered {
  const i = propertiesText(properties);
  const ext = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '0', f: '0', g: `${broker.nowMs}`, h: '0', i };
  return broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext, { body });
}

interface Forged {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly properties: Readonly<Record<string, string>>;
}

/** Sends a body that is a record, true to where it lies; returns where. */
function forge(broker: BrokerDriver, client: number, { topic, queueId, queueOffset, properties }: Forged): number {
  const text = Buffer.from(propertiesText(properties));
  const bytes = recordBytes(1, topic.length, text.length, 0);
  const record = Buffer.alloc(bytes);
  const view = new DataView(record.buffer, record.byteOffset, bytes);
  const host = new Uint8Array(8);
  // The body of a record between two IPv4 hosts begins at its byte 88.
  const offset = broker.state.log.endOffset + 88;
  const crc = bodyCrc(Buffer.from('x'), 0, 1);
  let at = writeRecordHead(view, record, 0, bytes, crc, queueId, 0, queueOffset, offset, 0, 1, host, 1, host, 0, 0, 1);
  record[at] = 0x78;
  at = writeTopicLength(view, at + 1, topic.length);
  at += record.write(topic, at);
  text.copy(record, writePropertiesLength(view, at, text.length));
  assert.is(send(broker, client, record).command.code, ResponseCode.SUCCESS);
  return offset;
}

function commit(broker: BrokerDriver, client: number, offset: number, queueOffset: number): Answered {
  return broker.ask(client, RequestCode.END_TRANSACTION, {
    producerGroup: 'P',
    tranStateTableOffset: `${queueOffset}`,
    commitLogOffset: `${offset}`,
    commitOrRollback: COMMIT,
    fromTransactionCheck: 'false',
    msgId: 'K',
  });
}

const forged = suite('broker: records in bodies');

forged('a half message of a queue that is none cannot be ended, nor one that its queue has not come to', () => {
  const { broker, client } = started();
  send(broker, client, 'half', { TRAN_MSG: 'true', PGROUP: 'P' });
  const properties = { REAL_TOPIC: 'T', REAL_QID: '0', PGROUP: 'P' };
  for (const [queueId, queueOffset] of [[0x7fff_fff0, 0] as const, [-5, 0] as const, [0, 7] as const]) {
    const offset = forge(broker, client, { topic: HALF, queueId, queueOffset, properties });
    const { command } = commit(broker, client, offset, queueOffset);
    assert.equal([command.code, command.remark], [1, 'Find prepared transaction message failed']);
  }
  broker.advance(120_000);
  assert.equal(logRecords(broker, OP), []);
});

forged('no transaction makes a topic whose name is none', () => {
  const { broker, client } = started();
  send(broker, client, 'half', { TRAN_MSG: 'true', PGROUP: 'P' });
  for (const REAL_TOPIC of ['../../../tmp/elsewhere', 'a/b', ' ', HALF]) {
    const properties = { REAL_TOPIC, REAL_QID: '0', PGROUP: 'P' };
    const offset = forge(broker, client, { topic: HALF, queueId: 0, queueOffset: 0, properties });
    assert.is(commit(broker, client, offset, 0).command.code, ResponseCode.MESSAGE_ILLEGAL);
    assert.is(broker.state.topics.get(REAL_TOPIC)?.config?.topicName, REAL_TOPIC === HALF ? HALF : undefined);
  }
});

forged('no half message is taken up again that was not given up', () => {
  const { broker, client } = started();
  const offset = forge(broker, client, { topic: GIVEN_UP, queueId: 0x7fff_fff0, queueOffset: 0, properties: {} });
  const msgId = formatMessageId({ storeHost: new Uint8Array(8), commitLogOffset: offset });
  assert.is(broker.ask(client, RequestCode.RESUME_CHECK_HALF_MESSAGE, { msgId }).command.code, 1);
  assert.is(broker.state.topics.get(HALF), undefined);
});

forged('a record sent back with absurd numbers is a message like others', () => {
  const { broker, client } = started();
  const properties = { DELAY: '-7', REAL_TOPIC: OP, REAL_QID: '-1', RETRY_TOPIC: '../x' };
  const offset = forge(broker, client, { topic: 'T', queueId: 0x7fff_fff0, queueOffset: 0, properties });
  for (const delayLevel of ['-1', '0', '2147483647', '-2147483648']) {
    const ext = { offset: `${offset}`, group: 'G', delayLevel };
    assert.is(broker.ask(client, RequestCode.CONSUMER_SEND_MSG_BACK, ext).command.code, ResponseCode.SUCCESS);
  }
  broker.advance(3 * 3_600_000);
  assert.equal([...new Set(logRecords(broker).map(({ topic }) => topic))].sort(), [
    '%DLQ%G',
    '%RETRY%G',
    'SCHEDULE_TOPIC_XXXX',
    'T',
  ]);
});

forged.run();

const replies = suite('broker: replies of strangers');

replies('nobody writes into the topics of transactions, however new the broker is', () => {
  const { broker, client } = started();
  for (const topic of [OP, HALF, GIVEN_UP]) {
    const ext = { a: 'P', b: topic, c: 'TBW102', d: '4', e: '0', f: '0', g: '1', h: '0' };
    const { command } = broker.ask(client, RequestCode.SEND_REPLY_MESSAGE_V2, ext, { body: '0,'.repeat(30_000) });
    assert.is(command.code, ResponseCode.NO_PERMISSION);
    assert.is(broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext).command.code, ResponseCode.NO_PERMISSION);
    assert.is(broker.state.topics.get(topic), undefined);
  }
});

replies('one that does not fit a frame of the other form is said not to have been pushed', () => {
  const { broker, client } = started();
  const producer = broker.open();
  broker.ask(producer, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ clientId: 'p', producers: ['P'] }) });
  const i = `REPLY_TO_CLIENT\u0001p\u0002x\u0001${'\u0003'.repeat(3 * MIB)}`;
  const ext = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '0', f: '0', g: '1', h: '0', i };
  const options = { serialization: Serialization.ROCKETMQ, body: 'hello' };
  const { command } = broker.ask(client, RequestCode.SEND_REPLY_MESSAGE_V2, ext, options);
  assert.equal([command.code, command.remark], [1, 'push reply message to pfail.']);
});

replies.run();

const calls = suite('broker: consumers that answer for others');

/** A consumer whose answer to the next question is this, asked by a tool that speaks the binary form. */
function answered(code: number, ext: Readonly<Record<string, string>>, body: Buffer): Answered {
  const { broker, client } = started();
  const heartbeat = javaHeartbeat({ clientId: 'one', consumers: ['G'] });
  broker.send(client, RequestCode.HEART_BEAT, {}, { version: 407, body: heartbeat });
  broker.take(client);
  const tool = broker.open();
  const question = { consumerGroup: 'G', clientId: 'one', jstackEnable: 'false' };
  broker.send(tool, RequestCode.GET_CONSUMER_RUNNING_INFO, question, { serialization: Serialization.ROCKETMQ });
  const [asked] = broker.take(client);
  broker.post(client, encodeFrame({ code, opaque: asked!.command.opaque, flag: Flag.RESPONSE, ext }, body));
  broker.settle();
  return broker.take(tool)[0]!;
}

calls('an answer that the asker could not read is a refusal', () => {
  const unfit: readonly [number, Readonly<Record<string, string>>, Buffer][] = [
    [100_000, {}, Buffer.alloc(0)],
    [0, { ['k'.repeat(40_000)]: 'v' }, Buffer.alloc(0)],
  ];
  for (const [code, ext, body] of unfit) {
    const { command } = answered(code, ext, body);
    assert.equal([command.code, command.remark], [ResponseCode.SYSTEM_ERROR, 'the answer does not fit a frame']);
  }
  assert.is(answered(0, {}, Buffer.from('{}')).body.toString(), '{}');
});

calls('a question that grows beyond a frame on its way is not asked', () => {
  const { broker, client } = started();
  const heartbeat = javaHeartbeat({ clientId: 'one', consumers: ['G'] });
  broker.send(client, RequestCode.HEART_BEAT, {}, { version: 407, body: heartbeat });
  broker.take(client);
  const question = { consumerGroup: 'G', clientId: 'one', jstackEnable: 'false', x: '\u0003'.repeat(3 * MIB) };
  const options = { serialization: Serialization.ROCKETMQ };
  const { command } = broker.ask(broker.open(), RequestCode.GET_CONSUMER_RUNNING_INFO, question, options);
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(command.remark ?? '', /does not fit a frame/);
});

calls('those that never answer do not keep the broker from its name servers', () => {
  const { broker, client } = started();
  const heartbeat = javaHeartbeat({ clientId: 'one', consumers: ['G'] });
  broker.send(client, RequestCode.HEART_BEAT, {}, { version: 407, body: heartbeat });
  const tool = broker.open();
  const question = { consumerGroup: 'G', clientId: 'one', jstackEnable: 'false' };
  for (let n = 0; n < 16_400; n++) broker.postRequest(tool, RequestCode.GET_CONSUMER_RUNNING_INFO, question);
  broker.settle();
  const refused = broker.take(tool);
  assert.ok(refused.length > 0);
  assert.ok(refused.every(({ command }) => command.remark!.includes('too many calls wait for their answer')));
  const before = broker.asked.length;
  const topic = { topic: 'New', defaultTopic: 'TBW102', readQueueNums: '1', writeQueueNums: '1', perm: '6' };
  const more = { topicFilterType: 'SINGLE_TAG', order: 'false' };
  assert.is(broker.ask(tool, RequestCode.UPDATE_AND_CREATE_TOPIC, { ...topic, ...more }).command.code, 0);
  assert.ok(broker.asked.length > before, 'the name server was told');
});

calls.run();

const floods = suite('broker: much at once');

/** The most that was written to the front in one turn. */
function mostPerTurn(broker: BrokerDriver): () => number {
  let seen = broker.front.length;
  let most = 0;
  broker.onTurn = () => {
    let bytes = 0;
    for (const told of broker.front.slice(seen)) bytes += told.bytes.length;
    seen = broker.front.length;
    most = Math.max(most, bytes);
  };
  return () => most;
}

floods('large half messages are asked about a few at a time', () => {
  const { broker, client } = started();
  broker.ask(client, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ clientId: 'p', producers: ['P'] }) });
  const body = 'x'.repeat(60_000);
  for (let n = 0; n < 120; n++) {
    const { command } = send(broker, client, body, { TRAN_MSG: 'true', PGROUP: 'P' });
    assert.is(command.code, ResponseCode.SUCCESS);
  }
  broker.take(client);
  const most = mostPerTurn(broker);
  broker.advance(30_000);
  broker.ask(client, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ clientId: 'p', producers: ['P'] }) });
  broker.advance(31_000);
  const asked = broker.take(client).filter(({ command }) => command.code === RequestCode.CHECK_TRANSACTION_STATE);
  assert.is(asked.length, 120);
  assert.ok(most() < 5 * MIB, `${most()} bytes in one turn`);
});

floods('a heartbeat brings filters that take a moment to read, no more', () => {
  const { broker, client } = started();
  const subscription = (n: number): unknown => ({
    topic: `T${n}`,
    subString: `a = 1${' OR a = 1'.repeat(7_000)}`,
    subVersion: 1,
    expressionType: 'SQL92',
    codeSet: [],
    tagsSet: [],
  });
  const heartbeat = (filters: number): Answered => {
    const group = { groupName: 'G', consumeType: 'CONSUME_PASSIVELY', messageModel: 'CLUSTERING' };
    const consumer = { ...group, consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET', unitMode: false };
    const subscriptionDataSet = Array.from({ length: filters }, (_, n) => subscription(n));
    const data = { clientID: 'one', consumerDataSet: [{ ...consumer, subscriptionDataSet }], producerDataSet: [] };
    return broker.ask(client, RequestCode.HEART_BEAT, {}, { body: JSON.stringify(data) });
  };
  assert.is(heartbeat(2).command.code, ResponseCode.SUCCESS);
  broker.take(client);
  const { command } = heartbeat(3);
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(command.remark ?? '', /may have 131072 characters, these have 189015: simplify/);
});

floods.run();
