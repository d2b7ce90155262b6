import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import type { Answered, AskOptions } from './driver.js';
import { BrokerDriver, type DriverOptions } from './driver.js';
import { logRecords, propertiesText } from './log-records.js';

const SCHEDULE = 'SCHEDULE_TOPIC_XXXX';

function brokerWith(options: DriverOptions = {}): BrokerDriver {
  return new BrokerDriver({ hasQueueHosts: true, ...options }).start();
}

interface Sent {
  readonly topic?: string;
  readonly queueId?: number;
  readonly body?: string;
  readonly more?: Readonly<Record<string, string>>;
  readonly code?: number;
}

function send(
  broker: BrokerDriver,
  client: number,
  properties: Readonly<Record<string, string>>,
  { topic = 'T', queueId = 1, body = 'hello', more = {}, code = RequestCode.SEND_MESSAGE_V2 }: Sent = {},
  options: AskOptions = {},
): Answered {
  const i = propertiesText(properties);
  const ext = { a: 'P', b: topic, c: 'TBW102', d: '4', e: `${queueId}`, f: '0', g: '1234', h: '7', i, ...more };
  return broker.ask(client, code, ext, { body, ...options });
}

const storing = suite('delayed messages: how they are stored');

storing('in the schedule topic, with where they go; the answer has the real queue and the other offset', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '3' });
  const { command } = send(broker, client, { DELAY: '3', TAGS: 'a', WAIT: 'true' });
  assert.is(command.code, ResponseCode.SUCCESS);
  assert.is(command.ext.get('queueId'), '1');
  assert.is(command.ext.get('queueOffset'), '1');
  const record = logRecords(broker, SCHEDULE)[1]!;
  assert.equal([record.queueId, record.queueOffset], [2, 1]);
  assert.equal(record.properties, {
    CLUSTER: 'C',
    DELAY: '3',
    TAGS: 'a',
    WAIT: 'true',
    REAL_TOPIC: 'T',
    REAL_QID: '1',
  });
});

storing('a level above the highest is the highest, 0 and less are none', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '19' });
  send(broker, client, { DELAY: '0' });
  send(broker, client, { DELAY: '-2' });
  const records = logRecords(broker);
  assert.equal(
    records.map(({ topic, queueId, properties }) => [topic, queueId, properties.DELAY]),
    [
      [SCHEDULE, 17, '18'],
      ['T', 1, '0'],
      ['T', 1, '-2'],
    ],
  );
});

storing('what a client says in REAL_TOPIC and REAL_QID is not believed', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { REAL_TOPIC: 'OTHER', REAL_QID: '9', DELAY: '1' });
  broker.advance(1_000);
  assert.equal(
    logRecords(broker).map(({ topic, queueId }) => [topic, queueId]),
    [
      [SCHEDULE, 0],
      ['T', 1],
    ],
  );
});

storing('a level that is no number is refused', () => {
  const broker = brokerWith();
  const { command } = send(broker, broker.open(), { DELAY: '3s' });
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(command.remark!, 'property DELAY: 3s');
  assert.is(logRecords(broker).length, 0);
});

storing('a batch takes no delay', () => {
  const broker = brokerWith();
  const { command } = send(broker, broker.open(), { DELAY: '1' }, { more: { m: 'true' } });
  assert.is(command.code, ResponseCode.MESSAGE_ILLEGAL);
});

storing('properties that grow too long are refused', () => {
  const broker = brokerWith();
  const { command } = send(broker, broker.open(), { DELAY: '1', x: 'y'.repeat(32_735) });
  assert.is(command.code, ResponseCode.MESSAGE_ILLEGAL);
  assert.is(logRecords(broker).length, 0);
});

storing.run();

const delivery = suite('delayed messages: delivery');

delivery('when they are due: the same message with new times, its properties as they were stored', () => {
  const broker = brokerWith();
  const client = broker.open('10.1.2.3');
  send(broker, client, { DELAY: '2', KEYS: 'k', TAGS: 'a' }, { more: { j: '3' } });
  const [waiting] = logRecords(broker);
  broker.advance(4_999);
  assert.is(logRecords(broker).length, 1);
  broker.advance(1);
  const delivered = logRecords(broker, 'T')[0]!;
  const { offset, bytes: _bytes, topic: _topic, queueId, queueOffset, storeTimestamp, ...same } = delivered;
  assert.equal(same, { ...same, ...pick(waiting!, Object.keys(same)) });
  assert.equal([queueId, queueOffset], [1, 0]);
  assert.is(storeTimestamp, waiting!.storeTimestamp + 5_000);
  assert.ok(offset > waiting!.offset);
  assert.equal([same.flag, same.reconsumeTimes, same.bornTimestamp], [7, 3, 1234]);
  assert.equal([same.properties.DELAY, same.properties.REAL_TOPIC, same.properties.REAL_QID], ['2', 'T', '1']);
});

function pick(from: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}

delivery('each level by itself, in the order of its queue', () => {
  const broker = brokerWith();
  const client = broker.open();
  for (const [level, body] of ['2a', '1b', '2c', '1d'].map((text) => [text[0]!, text] as const)) {
    send(broker, client, { DELAY: level }, { body });
    broker.advance(10);
  }
  broker.advance(10_000);
  assert.equal(
    logRecords(broker, 'T').map(({ body }) => body),
    ['1b', '1d', '2a', '2c'],
  );
});

delivery('nothing is looked for while nothing waits', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '1' });
  broker.advance(2_000);
  const reads = broker.state.reader.windowReads + broker.state.reader.fileReads;
  broker.advance(60_000);
  assert.is(broker.state.reader.windowReads + broker.state.reader.fileReads, reads);
});

delivery('thousands that are due at once go in portions, one level does not hold up another', () => {
  const broker = brokerWith();
  const client = broker.open();
  const count = 3_000;
  for (let i = 0; i < count; i++) send(broker, client, { DELAY: '1' }, { body: `${i}` });
  send(broker, client, { DELAY: '1' }, { topic: 'last' });
  const { schedule, counters } = broker.state;
  const portions: number[] = [];
  const held: number[] = [];
  let putBefore = counters.putMessages;
  broker.onTurn = () => {
    portions.push(counters.putMessages - putBefore);
    held.push(schedule.levels[0]!.count);
    putBefore = counters.putMessages;
  };
  broker.advance(1_000);
  assert.is(Math.max(...portions), 512);
  assert.ok(Math.max(...held) > 0 && Math.max(...held) <= 1_536, `at most ${Math.max(...held)} entries are held`);
  assert.equal(
    logRecords(broker, 'T').map(({ body }) => body),
    Array.from({ length: count }, (_, i) => `${i}`),
  );
  assert.is(logRecords(broker, 'last').length, 1);
});

delivery('a topic that was deleted meanwhile gets its message for when it is back', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '1' });
  assert.is(broker.ask(client, RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'T' }).command.code, 0);
  broker.advance(1_000);
  assert.is(logRecords(broker, 'T').length, 1);
  assert.is(broker.state.topics.get('T')!.config, undefined);
});

delivery('a record that is gone is skipped and counted, the next one is delivered', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '1' }, { body: 'lost' });
  send(broker, client, { DELAY: '1' }, { body: 'kept' });
  const [lost] = logRecords(broker, SCHEDULE);
  const { buffer } = broker.state.log;
  // Its magic is overwritten in the window.
  const at = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length).indexOf('lost') - 88;
  buffer[at + 4] = 0;
  assert.is(lost!.offset, 0);
  broker.advance(1_000);
  assert.ok(broker.logged.some((line) => line.includes('a delayed message is skipped')));
  buffer[at + 4] = 0xda;
  assert.equal(
    logRecords(broker, 'T').map(({ body }) => body),
    ['kept'],
  );
});

delivery('messages that retention deleted before they were due are given up, the others come', () => {
  const settings = 'messageDelayLevel=3h\nfileReservedTime=1\n';
  const broker = brokerWith({ settings });
  const client = broker.open();
  send(broker, client, { DELAY: '1' }, { body: 'too old' });
  for (let i = 0; i < 25; i++) send(broker, client, {}, { topic: 'other', body: 'x'.repeat(60_000) });
  send(broker, client, { DELAY: '1' }, { body: 'kept' });
  broker.advance(2 * 3_600_000);
  for (let i = 0; i < 25; i++) send(broker, client, {}, { topic: 'other', body: 'x'.repeat(60_000) });
  const keeping = broker.state.log.minOffset;
  broker.ask(client, RequestCode.DELETE_EXPIRED_COMMITLOG, {});
  broker.advance(60_000);
  assert.ok(broker.state.log.minOffset > keeping, 'a file was deleted');
  broker.advance(3_600_000);
  assert.equal(
    logRecords(broker, 'T').map(({ body }) => body),
    ['kept'],
  );
  const { schedule } = broker.state;
  assert.is(schedule.pending(broker.state, schedule.levels[0]!), 0);
});

delivery('a clock that is set back makes what waits due at once, as with Apache', () => {
  const broker = brokerWith();
  send(broker, broker.open(), { DELAY: '5' });
  broker.setClockBack(3_600_000);
  broker.advance(1_200);
  assert.is(logRecords(broker, 'T').length, 1);
});

delivery('waits while the store takes nothing, and goes on when it does', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '1' });
  broker.state.refusal = 'the disk is full';
  broker.advance(3_000);
  assert.is(logRecords(broker, 'T').length, 0);
  broker.state.refusal = undefined;
  broker.advance(100);
  assert.is(logRecords(broker, 'T').length, 1);
});

delivery.run();

const restart = suite('delayed messages: over restarts');

const fileOf = (broker: BrokerDriver): unknown => {
  const text = broker.file('delayOffset.json');
  return text === undefined ? undefined : JSON.parse(text.replace(/(\d+):/g, '"$1":')).offsetTable;
};

restart('what was due meanwhile is delivered at once, what was delivered is not delivered again', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '1' }, { body: 'before' });
  broker.advance(1_000);
  send(broker, client, { DELAY: '1' }, { body: 'while it is down' });
  send(broker, client, { DELAY: '3' }, { body: 'after' });
  broker.stop();
  assert.equal(fileOf(broker), { 1: 1 });
  broker.restart();
  broker.advance(200);
  const bodies = (): string[] => logRecords(broker, 'T').map(({ body }) => body);
  assert.equal(bodies(), ['before', 'while it is down']);
  broker.advance(10_000);
  assert.equal(bodies(), ['before', 'while it is down', 'after']);
});

restart('a killed process delivers again what its progress does not say, and loses nothing', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '1' }, { body: 'a' });
  broker.advance(10_200);
  assert.equal(fileOf(broker), { 1: 1 });
  send(broker, client, { DELAY: '1' }, { body: 'b' });
  broker.advance(2_000);
  broker.kill();
  broker.restart();
  broker.advance(2_000);
  assert.equal(
    logRecords(broker, 'T').map(({ body }) => body),
    ['a', 'b', 'b'],
  );
});

restart('progress outside of its queue is put right, that of levels which are gone is kept', () => {
  const broker = brokerWith();
  send(broker, broker.open(), { DELAY: '1' });
  broker.stop();
  broker.disk.writeFile('/store/config/delayOffset.json', '{"offsetTable":{1:99,40:7}}');
  broker.restart();
  assert.ok(broker.logged.some((line) => line.includes('lies outside their queue')));
  send(broker, broker.open(), { DELAY: '1' });
  broker.advance(1_000);
  assert.is(logRecords(broker, 'T').length, 1);
  broker.stop();
  assert.equal(fileOf(broker), { 1: 2, 40: 7 });
});

restart('other delays leave those that wait what they were', () => {
  const broker = brokerWith({ settings: 'messageDelayLevel=1s 5s\n' });
  const client = broker.open();
  send(broker, client, { DELAY: '2' });
  broker.stop();
  broker.disk.writeFile('/conf/broker-a.properties', 'messageDelayLevel=1s 60s\n');
  broker.restart();
  broker.advance(4_000);
  assert.is(logRecords(broker, 'T').length, 1);
});

restart('one that is due later than its level can be is due at once', () => {
  const broker = brokerWith({ settings: 'messageDelayLevel=1s 1h\n' });
  send(broker, broker.open(), { DELAY: '2' });
  broker.stop();
  broker.disk.writeFile('/conf/broker-a.properties', 'messageDelayLevel=1s 5s\n');
  broker.restart();
  broker.advance(200);
  assert.is(logRecords(broker, 'T').length, 1);
});

restart('a slave delivers nothing; started as a master it goes on where its master was', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '1' }, { body: 'delivered by the master' });
  broker.advance(1_000);
  send(broker, client, { DELAY: '3' }, { body: 'pending' });
  broker.stop();
  broker.disk.writeFile('/conf/broker-a.properties', 'brokerRole=SLAVE\nbrokerId=1\n');
  broker.restart();
  broker.advance(20_000);
  const bodies = (): string[] => logRecords(broker, 'T').map(({ body }) => body);
  assert.equal(bodies(), ['delivered by the master']);
  broker.stop();
  assert.equal(fileOf(broker), { 1: 1 });
  broker.disk.writeFile('/conf/broker-a.properties', '');
  broker.restart();
  broker.advance(200);
  assert.equal(bodies(), ['delivered by the master', 'pending']);
});

restart('a broker that stops before it has served keeps its progress', () => {
  const broker = brokerWith();
  send(broker, broker.open(), { DELAY: '1' });
  broker.advance(1_000);
  broker.stop();
  for (const told of [broker.front, broker.ha]) told.length = 0;
  broker.start(false);
  broker.stop();
  assert.equal(fileOf(broker), { 1: 1 });
});

restart('a slave keeps the file that its master sent', () => {
  const broker = new BrokerDriver({ settings: 'brokerRole=SLAVE\nbrokerId=1\n', hasQueueHosts: true });
  broker.disk.makeDirectory('/store/config');
  broker.disk.writeFile('/store/config/delayOffset.json', '{"offsetTable":{1:5}}');
  broker.start();
  broker.advance(20_000);
  broker.stop();
  assert.is(broker.file('delayOffset.json'), '{"offsetTable":{1:5}}');
});

restart.run();

const tools = suite('delayed messages: what tools see');

tools('progress and end of each level that delivered something, and the saved progress', () => {
  const broker = brokerWith();
  const client = broker.open();
  for (let i = 0; i < 3; i++) send(broker, client, { DELAY: '1' });
  send(broker, client, { DELAY: '9' });
  broker.advance(1_000);
  send(broker, client, { DELAY: '1' });
  const { body } = broker.ask(client, RequestCode.GET_BROKER_RUNTIME_INFO);
  const { table } = JSON.parse(body.toString());
  assert.is(table.scheduleMessageOffset_1, '3,4');
  assert.is(table.scheduleMessageOffset_9, undefined);
  broker.advance(10_200);
  const delays = broker.ask(client, RequestCode.GET_ALL_DELAY_OFFSET).body.toString();
  assert.is(delays.replace(/\s/g, ''), '{"offsetTable":{1:4}}');
});

tools('metrics say how many wait and how many went', () => {
  const broker = brokerWith();
  const client = broker.open();
  for (let i = 0; i < 3; i++) send(broker, client, { DELAY: i === 0 ? '1' : '3' });
  broker.advance(2_000);
  const { levels } = broker.state.schedule;
  assert.equal(
    [0, 2].map((level) => broker.state.schedule.pending(broker.state, levels[level]!)),
    [0, 2],
  );
});

tools.run();
