import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultGroupConfig } from '../../../src/actors/broker/tables/group-table.js';
import { DiskError } from '../../../src/base/disk.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import type { Command } from '../../../src/remoting/command.js';
import { BrokerDriver, type DriverOptions } from './driver.js';
import { type LogRecord, logRecords, propertiesText } from './log-records.js';

const SCHEDULE = 'SCHEDULE_TOPIC_XXXX';
const RETRY = '%RETRY%G';
const DEAD = '%DLQ%G';

interface Started {
  readonly broker: BrokerDriver;
  readonly client: number;
  readonly message: LogRecord;
}

/** A broker with one message in topic T. */
function started(options: DriverOptions = {}, properties: Readonly<Record<string, string>> = {}): Started {
  const broker = new BrokerDriver({ hasQueueHosts: true, ...options }).start();
  const client = broker.open('10.9.8.7');
  sendTo(broker, client, 'T', { i: propertiesText(properties) });
  return { broker, client, message: logRecords(broker, 'T')[0]! };
}

function sendTo(
  broker: BrokerDriver,
  client: number,
  topic: string,
  more: Readonly<Record<string, string>> = {},
): Command {
  const ext = { a: 'P', b: topic, c: 'TBW102', d: '4', e: '0', f: '0', g: '1234', h: '7', ...more };
  return broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'hello', version: 407 }).command;
}

interface Back {
  readonly delayLevel?: number;
  readonly group?: string;
  readonly version?: number;
  readonly maxReconsumeTimes?: number;
}

function sendBack({ broker, client }: Started, offset: number, back: Back = {}): Command {
  const { delayLevel = 0, group = 'G', version = 407, maxReconsumeTimes } = back;
  const ext = {
    offset: `${offset}`,
    group,
    delayLevel: `${delayLevel}`,
    originTopic: 'T',
    ...(maxReconsumeTimes === undefined ? {} : { maxReconsumeTimes: `${maxReconsumeTimes}` }),
  };
  return broker.ask(client, RequestCode.CONSUMER_SEND_MSG_BACK, ext, { version }).command;
}

const retry = suite('messages that come back: to the retry topic');

retry('after 10 s the first time, later after the next levels; origin, topic and times go with it', () => {
  const one = started({}, { TAGS: 'a', KEYS: 'k' });
  const { broker, message } = one;
  assert.is(sendBack(one, message.offset).code, ResponseCode.SUCCESS);
  const [waiting] = logRecords(broker, SCHEDULE);
  const originId = `${message.storeHost}${message.offset.toString(16).padStart(16, '0')}`.toUpperCase();
  assert.is(waiting!.queueId, 2);
  assert.equal(waiting!.properties, {
    CLUSTER: 'C',
    TAGS: 'a',
    KEYS: 'k',
    RETRY_TOPIC: 'T',
    ORIGIN_MESSAGE_ID: originId,
    WAIT: 'false',
    DELAY: '3',
    REAL_TOPIC: RETRY,
    REAL_QID: '0',
  });
  broker.advance(9_999);
  assert.is(logRecords(broker, RETRY).length, 0);
  broker.advance(1);
  const [first] = logRecords(broker, RETRY);
  const { flag, body, bornTimestamp, bornHost, storeHost, reconsumeTimes } = first!;
  assert.equal(
    { flag, body, bornTimestamp, bornHost, storeHost, reconsumeTimes },
    {
      flag: 7,
      body: 'hello',
      bornTimestamp: 1234,
      bornHost: message.bornHost,
      storeHost: message.storeHost,
      reconsumeTimes: 1,
    },
  );
  assert.is(sendBack(one, first!.offset).code, ResponseCode.SUCCESS);
  broker.advance(30_000);
  const second = logRecords(broker, RETRY)[1]!;
  assert.is(second.reconsumeTimes, 2);
  assert.equal(second.properties, { ...waiting!.properties, DELAY: '4' }, 'of the first message, not of the retry');
});

retry('the consumer may choose the level', () => {
  const one = started();
  sendBack(one, one.message.offset, { delayLevel: 1 });
  one.broker.advance(1_000);
  assert.is(logRecords(one.broker, RETRY).length, 1);
});

retry('its topic has the queues of the group and both permissions', () => {
  const one = started();
  const { state } = one.broker;
  sendBack(one, one.message.offset);
  const { readQueueNums, writeQueueNums, perm } = state.topics.get(RETRY)!.config!;
  assert.equal([readQueueNums, writeQueueNums, perm], [1, 1, 6]);
});

retry('has as many queues as a topic may, however many the group asks for', () => {
  const one = started();
  const { state } = one.broker;
  state.groups.set({ ...defaultGroupConfig('G'), retryQueueNums: 2_000_000_000 }, 0);
  sendBack(one, one.message.offset, { delayLevel: 1 });
  one.broker.advance(1_000);
  assert.is(state.topics.get(RETRY)!.config!.writeQueueNums, 65_536);
  assert.ok(logRecords(one.broker, RETRY)[0]!.queueId < 65_536);
});

retry('a retry topic without write permission refuses', () => {
  const one = started();
  sendBack(one, one.message.offset);
  const topic = one.broker.state.topics.get(RETRY)!;
  topic.config = { ...topic.config!, perm: 4 };
  assert.is(sendBack(one, one.message.offset).code, ResponseCode.NO_PERMISSION);
});

retry('survives a restart of the broker', () => {
  const one = started();
  sendBack(one, one.message.offset);
  one.broker.advance(3_000);
  one.broker.kill();
  one.broker.restart();
  one.broker.advance(7_000);
  assert.is(logRecords(one.broker, RETRY).length, 1);
});

retry.run();

const dead = suite('messages that come back: to the dead letters');

dead('at once with a level below 0, into one queue, readable and writable', () => {
  const one = started();
  const { broker, message } = one;
  assert.is(sendBack(one, message.offset, { delayLevel: -1 }).code, ResponseCode.SUCCESS);
  const [record] = logRecords(broker, DEAD);
  assert.equal([record!.queueId, record!.reconsumeTimes, record!.properties.DELAY], [0, 1, '0']);
  assert.is(record!.properties.RETRY_TOPIC, 'T');
  const { readQueueNums, perm } = broker.state.topics.get(DEAD)!.config!;
  assert.equal([readQueueNums, perm], [1, 6]);
});

dead('after the maximum of the group, or of the request since client version 3.4.9', () => {
  const one = started();
  const { broker, client } = one;
  sendTo(broker, client, RETRY, { j: '2' });
  const back = logRecords(broker, RETRY)[0]!.offset;
  sendBack(one, back, { maxReconsumeTimes: 2, version: 120 });
  assert.is(logRecords(broker, DEAD).length, 0, 'an older client');
  sendBack(one, back, { maxReconsumeTimes: 3 });
  assert.is(logRecords(broker, DEAD).length, 0, 'below the maximum');
  sendBack(one, back, { maxReconsumeTimes: 2 });
  assert.is(logRecords(broker, DEAD).length, 1);
  const group = broker.state.groups.get('G')!;
  broker.state.groups.set({ ...group, retryMaxTimes: 2 }, 0);
  sendBack(one, back);
  assert.is(logRecords(broker, DEAD).length, 2);
});

dead('16 times is the default', () => {
  const one = started();
  const { broker, client } = one;
  for (const times of ['15', '16']) {
    sendTo(broker, client, RETRY, { j: times, l: '100' });
  }
  const [under, at] = logRecords(broker, RETRY);
  sendBack(one, under!.offset);
  assert.is(logRecords(broker, DEAD).length, 0);
  sendBack(one, at!.offset);
  assert.is(logRecords(broker, DEAD).length, 1);
});

dead.run();

const refused = suite('messages that come back: refused');

refused('an unknown group, when groups are not made by use', () => {
  const one = started({ settings: 'autoCreateSubscriptionGroup=false\n' });
  const { code, remark } = sendBack(one, one.message.offset);
  assert.is(code, ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST);
  assert.match(remark!, 'subscription group not exist, G');
});

refused('a broker without write permission', () => {
  const one = started({ settings: 'brokerPermission=4\n' });
  assert.is(sendBack(one, one.message.offset).code, ResponseCode.NO_PERMISSION);
});

refused('a group without retry queues drops them: success, and nothing is stored', () => {
  const one = started();
  const { broker } = one;
  sendBack(one, one.message.offset);
  broker.state.groups.set({ ...broker.state.groups.get('G')!, retryQueueNums: 0 }, 0);
  const before = logRecords(broker).length;
  assert.is(sendBack(one, one.message.offset).code, ResponseCode.SUCCESS);
  assert.is(logRecords(broker).length, before);
});

refused('any offset where no record begins', () => {
  const one = started({}, { TAGS: 'a' });
  const { broker, message } = one;
  const end = message.offset + message.bytes;
  const before = logRecords(broker).length;
  const offsets = [
    -1,
    end,
    end - 1,
    2 ** 40,
    Number.MAX_SAFE_INTEGER,
    ...Array.from({ length: end - 1 }, (_, i) => i + 1),
  ];
  for (const offset of offsets) {
    const { code, remark } = sendBack(one, offset);
    assert.is(code, ResponseCode.SYSTEM_ERROR, `${offset}`);
    assert.is(remark, `look message by offset failed, ${offset}`);
  }
  assert.is(logRecords(broker).length, before);
});

refused('a message that the disk does not give', () => {
  const one = started();
  const { reader } = one.broker.state;
  reader.read = () => {
    throw new DiskError('EIO', '/store/commitlog/0', 'read');
  };
  assert.is(sendBack(one, one.message.offset).code, ResponseCode.SYSTEM_ERROR);
  assert.ok(one.broker.logged.some((line) => line.includes('sent back cannot be read')));
});

refused('by a slave, which makes no topic', () => {
  const broker = new BrokerDriver({ settings: 'brokerRole=SLAVE\nbrokerId=1\n' }).start();
  const client = broker.open();
  const { code, remark } = sendBack({ broker, client, message: undefined as never }, 0);
  assert.is(code, ResponseCode.SYSTEM_ERROR);
  assert.is(remark, 'SERVICE_NOT_AVAILABLE');
  assert.is(broker.state.topics.get(RETRY), undefined);
});

refused.run();

const sends = suite('sends to a retry topic');

sends('are redirected to the dead letters after the maximum; the answer has the queue that was asked for', () => {
  const { broker, client } = started();
  assert.is(sendTo(broker, client, RETRY, { j: '15' }).code, ResponseCode.SUCCESS);
  assert.is(sendTo(broker, client, RETRY, { j: '16' }).code, ResponseCode.SUCCESS);
  assert.is(sendTo(broker, client, RETRY, { j: '3', l: '3' }).ext.get('queueId'), '0');
  assert.equal(
    logRecords(broker)
      .slice(1)
      .map(({ topic, reconsumeTimes }) => [topic, reconsumeTimes]),
    [
      [RETRY, 15],
      [DEAD, 16],
      [DEAD, 3],
    ],
  );
});

sends('need the group', () => {
  const { broker, client } = started({ settings: 'autoCreateSubscriptionGroup=false\n' });
  assert.is(sendTo(broker, client, RETRY).code, ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST);
});

sends('take no batch', () => {
  const { broker, client } = started();
  assert.is(sendTo(broker, client, RETRY, { m: 'true' }).code, ResponseCode.MESSAGE_ILLEGAL);
});

sends('with a level wait for it, dead letters too, as with Apache', () => {
  const { broker, client } = started();
  sendTo(broker, client, RETRY, { j: '16', i: propertiesText({ DELAY: '1', RETRY_TOPIC: 'T' }) });
  assert.is(logRecords(broker, DEAD).length, 0);
  broker.advance(1_000);
  assert.is(logRecords(broker, DEAD).length, 1);
});

sends.run();
