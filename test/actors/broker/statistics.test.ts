/** VIEW_BROKER_STATS_DATA, GET_BROKER_CONSUME_STATS and QUERY_CONSUME_TIME_SPAN, as tools ask for them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultGroupConfig } from '../../../src/actors/broker/tables/group-table.js';
import { ITEMS_MAX, ItemStatistics } from '../../../src/actors/broker/statistics/item-statistics.js';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import type { Context } from '../../../src/runtime/actor.js';
import { sendFields } from '../../support/remoting-client.js';
import { BrokerDriver } from './driver.js';

interface Shown {
  readonly sum: number;
  readonly tps: number;
  readonly avgpt: number;
}

function ask(broker: BrokerDriver, statsName: string, statsKey: string) {
  const { command, body } = broker.ask(broker.open(), RequestCode.VIEW_BROKER_STATS_DATA, { statsName, statsKey });
  if (command.code !== ResponseCode.SUCCESS) return { code: command.code, remark: command.remark };
  return JSON.parse(body.toString()) as Record<'statsMinute' | 'statsHour' | 'statsDay', Shown>;
}

function minute(broker: BrokerDriver, statsName: string, statsKey: string): Shown {
  return (ask(broker, statsName, statsKey) as { statsMinute: Shown }).statsMinute;
}

function send(broker: BrokerDriver, topic: string, count: number, body = 'hello'): number {
  const client = broker.open();
  const fields = Object.entries(sendFields(topic, 0)).map(([key, value]) => [key, String(value)]);
  for (let n = 0; n < count; n++) {
    const { command } = broker.ask(client, RequestCode.SEND_MESSAGE_V2, Object.fromEntries(fields), { body });
    assert.is(command.code, ResponseCode.SUCCESS);
  }
  return client;
}

const view = suite('broker: VIEW_BROKER_STATS_DATA');

view('messages and bytes per topic and cluster, of the last minute, hour and day', () => {
  const broker = new BrokerDriver().start();
  const began = broker.state.log.endOffset;
  send(broker, 'T', 30);
  const bytes = broker.state.log.endOffset - began;
  assert.equal(ask(broker, 'TOPIC_PUT_NUMS', 'T'), {
    statsDay: { avgpt: 0, sum: 0, tps: 0 },
    statsHour: { avgpt: 0, sum: 0, tps: 0 },
    statsMinute: { avgpt: 0, sum: 0, tps: 0 },
  });
  broker.advance(10_000);
  assert.equal(minute(broker, 'TOPIC_PUT_NUMS', 'T'), { avgpt: 1, sum: 30, tps: 3 });
  assert.is(minute(broker, 'TOPIC_PUT_SIZE', 'T').sum, bytes);
  assert.is(minute(broker, 'TOPIC_PUT_SIZE', 'T').avgpt, bytes / 30);
  assert.equal(minute(broker, 'BROKER_PUT_NUMS', broker.state.settings.brokerClusterName).sum, 30);
  broker.advance(60_000);
  assert.equal(minute(broker, 'TOPIC_PUT_NUMS', 'T'), { avgpt: 0, sum: 0, tps: 0 }, 'a minute later');
  broker.advance(4_800_000);
  const later = ask(broker, 'TOPIC_PUT_NUMS', 'T') as Record<string, Shown>;
  assert.is(later.statsDay!.sum, 30);
  assert.is(later.statsHour!.sum, 0);
});

view('what groups got, as the queue hosts report it, and what they sent back', () => {
  const broker = new BrokerDriver().start();
  const got = [{ topic: 'T', group: 'G', messages: 40, bytes: 4_000, pulls: 8 }];
  broker.tell(brokerMessages.got, { value: got });
  broker.state.counters.sentBack('G', 'T', false);
  broker.state.counters.sentBack('G', 'T', true);
  broker.advance(10_000);
  assert.equal(minute(broker, 'GROUP_GET_NUMS', 'T@G').sum, 40);
  assert.equal(minute(broker, 'GROUP_GET_NUMS', 'T@G').avgpt, 5);
  assert.equal(minute(broker, 'GROUP_GET_SIZE', 'T@G').sum, 4_000);
  assert.equal(minute(broker, 'SNDBCK_PUT_NUMS', 'T@G').sum, 2);
  assert.equal(minute(broker, 'BROKER_GET_NUMS', broker.state.settings.brokerClusterName).sum, 40);
});

view('queue hosts say what groups got', () => {
  const broker = new BrokerDriver({ hasQueueHosts: true }).start();
  const client = send(broker, 'T', 5);
  const pull = {
    consumerGroup: 'G',
    topic: 'T',
    queueId: '0',
    queueOffset: '0',
    maxMsgNums: '32',
    sysFlag: '4',
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
  };
  broker.postPull(client, pull);
  broker.advance(4_000);
  assert.is(broker.take(client).length, 1);
  broker.advance(10_000);
  assert.is(minute(broker, 'GROUP_GET_NUMS', 'T@G').sum, 5);
});

view('what was never counted does not exist, in the words of Apache', () => {
  const broker = new BrokerDriver().start();
  for (const [name, key] of [
    ['TOPIC_PUT_NUMS', 'none'],
    ['NO_SUCH_NAME', 'T'],
  ] as const) {
    assert.equal(ask(broker, name, key), { code: 1, remark: `The stats <${name}> <${key}> not exist` });
  }
});

view('autoDeleteUnusedStats forgets what is counted of a deleted topic or group', () => {
  for (const [setting, isKept] of [
    ['autoDeleteUnusedStats=true', false],
    ['autoDeleteUnusedStats=false', true],
  ] as const) {
    const broker = new BrokerDriver({ settings: `${setting}\n` }).start();
    send(broker, 'T', 1);
    broker.tell(brokerMessages.got, { value: [{ topic: 'U', group: 'G', messages: 1, bytes: 1, pulls: 1 }] });
    broker.state.groups.set(defaultGroupConfig('G'), broker.state.context.clock.now());
    const client = broker.open();
    assert.is(broker.ask(client, RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'T' }).command.code, 0);
    assert.is(broker.ask(client, RequestCode.DELETE_SUBSCRIPTIONGROUP, { groupName: 'G' }).command.code, 0);
    assert.is('statsDay' in ask(broker, 'TOPIC_PUT_NUMS', 'T'), isKept);
    assert.is('statsDay' in ask(broker, 'GROUP_GET_NUMS', 'U@G'), isKept);
  }
});

view('50,000 items are kept', () => {
  const context = {
    clock: { now: () => 0, monotonic: () => 0, localHour: () => 0 },
    after: () => ({ cancel: () => undefined }),
  } as unknown as Context;
  const items = new ItemStatistics(context);
  assert.is(ITEMS_MAX, 50_000);
  for (let n = 0; n < ITEMS_MAX; n++) items.item('TOPIC_PUT_NUMS', `T${n}`).add(1, 1);
  items.item('TOPIC_PUT_NUMS', 'one more').add(1, 1);
  assert.is(items.shown('TOPIC_PUT_NUMS', 'one more'), undefined);
  assert.ok(items.shown('TOPIC_PUT_NUMS', 'T1') !== undefined);
  items.topicDeleted('T1');
  items.item('TOPIC_PUT_NUMS', 'one more').add(1, 1);
  assert.ok(items.shown('TOPIC_PUT_NUMS', 'one more') !== undefined);
});

const progress = suite('broker: progress of groups');

progress('GET_BROKER_CONSUME_STATS has every group with its topics, and what is left to consume', () => {
  const broker = new BrokerDriver().start();
  const client = send(broker, 'T', 10);
  for (const group of ['G1', 'G2']) {
    const ext = { consumerGroup: group, topic: 'T', queueId: '0', commitOffset: group === 'G1' ? '4' : '10' };
    assert.is(broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, ext).command.code, 0);
    broker.state.groups.set(defaultGroupConfig(group), broker.state.context.clock.now());
  }
  broker.tell(brokerMessages.got, { value: [{ topic: 'T', group: 'G1', messages: 40, bytes: 1, pulls: 1 }] });
  broker.advance(10_000);
  const all = broker.ask(client, RequestCode.GET_BROKER_CONSUME_STATS, { isOrder: 'false' }).body.toString();
  const parsed = JSON.parse(
    all.replaceAll(/(\{"brokerName":"[^"]*","queueId":\d+,"topic":"[^"]*"\}):/g, (_, key) => `${JSON.stringify(key)}:`),
  );
  assert.is(parsed.totalDiff, 6);
  assert.is(parsed.brokerAddr, broker.state.address);
  const of = (group: string) => parsed.consumeStatsList.find((one: object) => group in one)[group];
  assert.is(of('G1').length, 1);
  assert.is(of('G1')[0].consumeTps, 4);
  const queues = Object.values(of('G1')[0].offsetTable) as { brokerOffset: number; consumerOffset: number }[];
  assert.equal([queues[0]!.brokerOffset, queues[0]!.consumerOffset], [10, 4]);
  const ordered = broker.ask(client, RequestCode.GET_BROKER_CONSUME_STATS, { isOrder: 'true' }).body.toString();
  assert.match(ordered, /"totalDiff":0/);
});

progress('QUERY_CONSUME_TIME_SPAN has the times of each queue, and how long the next message has waited', () => {
  const broker = new BrokerDriver().start();
  const client = send(broker, 'T', 1);
  const firstMs = broker.state.context.clock.now();
  broker.advance(5_000);
  send(broker, 'T', 1);
  const ext = { consumerGroup: 'G', topic: 'T', queueId: '0', commitOffset: '1' };
  broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, ext);
  broker.advance(2_000);
  const { body } = broker.ask(client, RequestCode.QUERY_CONSUME_TIME_SPAN, { topic: 'T', group: 'G' });
  const [span, empty] = JSON.parse(body.toString()).consumeTimeSpanSet;
  assert.equal(span.messageQueue, { brokerName: 'broker-a', queueId: 0, topic: 'T' });
  assert.is(span.maxTimeStamp, firstMs + 5_000);
  assert.is(span.delayTime, 2_000);
  assert.equal([empty.minTimeStamp, empty.maxTimeStamp, empty.consumeTimeStamp], [-1, -1, -1]);
  const missing = broker.ask(client, RequestCode.QUERY_CONSUME_TIME_SPAN, { topic: 'none', group: 'G' }).command;
  assert.equal([missing.code, missing.remark], [17, 'topic[none] not exist']);
});

view.run();
progress.run();
