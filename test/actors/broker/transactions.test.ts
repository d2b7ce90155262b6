import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CheckPolicy, type HalfFacts, HalfQueue } from '../../../src/actors/broker/transactions/half-queue.js';
import { formatMessageId } from '../../../src/message/message-id.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { type Answered, BrokerDriver, type DriverOptions } from './driver.js';
import { javaHeartbeat } from './heartbeats.js';
import { type LogRecord, logRecords, propertiesText } from './log-records.js';

const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC';
const OP = 'RMQ_SYS_TRANS_OP_HALF_TOPIC';
const GIVEN_UP = 'TRANS_CHECK_MAX_TIME_TOPIC';
const COMMIT = 8;
const ROLLBACK = 12;
const ROUND_MS = 60_000;

function brokerWith(settings = '', options: DriverOptions = {}): BrokerDriver {
  return new BrokerDriver({ hasQueueHosts: true, settings, ...options }).start();
}

function send(broker: BrokerDriver, client: number, more: Readonly<Record<string, string>> = {}): Answered {
  const i = propertiesText({ TRAN_MSG: 'true', PGROUP: 'P', UNIQ_KEY: 'K1', TAGS: 'a', ...more });
  const ext = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '2', f: '4', g: `${broker.nowMs}`, h: '7', i };
  return broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'hello' });
}

function end(broker: BrokerDriver, client: number, half: LogRecord, word: number, more = {}): Answered['command'] {
  const ext = {
    producerGroup: 'P',
    tranStateTableOffset: `${half.queueOffset}`,
    commitLogOffset: `${half.offset}`,
    commitOrRollback: `${word}`,
    fromTransactionCheck: 'false',
    msgId: 'K1',
    ...more,
  };
  return broker.ask(client, RequestCode.END_TRANSACTION, ext).command;
}

/** A producer of the group P that can be asked. */
function producer(broker: BrokerDriver): number {
  const connection = broker.open();
  broker.ask(connection, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ clientId: 'p', producers: ['P'] }) });
  return connection;
}

/** Keeps the producer's connection alive through so much time. */
function pass(broker: BrokerDriver, client: number, ms: number): Answered[] {
  const told: Answered[] = [];
  for (let left = ms; left > 0; left -= 30_000) {
    broker.advance(Math.min(left, 30_000));
    told.push(...broker.take(client));
    broker.ask(client, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ clientId: 'p', producers: ['P'] }) });
  }
  return told;
}

const ending = suite('transactions: half messages and their end');

ending('a half message waits in its own topic, as one of no transaction type, and says where it goes', () => {
  const broker = brokerWith();
  const { command } = send(broker, broker.open(), { WAIT: 'true' });
  assert.equal([command.code, command.ext.get('queueId'), command.ext.get('queueOffset')], [0, '2', '0']);
  const [half] = logRecords(broker);
  assert.equal([half!.topic, half!.queueId, half!.queueOffset, half!.sysFlag & 0xc], [HALF, 0, 0, 0]);
  const { REAL_TOPIC, REAL_QID, TRAN_MSG, PGROUP, CLUSTER, WAIT } = half!.properties;
  assert.equal([REAL_TOPIC, REAL_QID, TRAN_MSG, PGROUP, CLUSTER, WAIT], ['T', '2', 'true', 'P', 'C', 'true']);
});

ending('commit stores the message that consumers get, then that the half message is done', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client);
  const [half] = logRecords(broker);
  assert.is(end(broker, client, half!, COMMIT).code, ResponseCode.SUCCESS);
  const [, final, op] = logRecords(broker);
  assert.equal([final!.topic, final!.queueId, final!.queueOffset, final!.body, final!.flag], ['T', 2, 0, 'hello', 7]);
  assert.equal([final!.sysFlag & 0xc, final!.preparedTransactionOffset], [COMMIT, half!.offset]);
  assert.equal([final!.bornTimestamp, final!.bornHost], [half!.bornTimestamp, half!.bornHost]);
  assert.equal(final!.properties, half!.properties);
  assert.equal([op!.topic, op!.queueId, op!.body, op!.properties.TAGS, op!.sysFlag], [OP, 0, '0', 'd', 0]);
  assert.match(op!.properties.UNIQ_KEY!, /^[0-9A-F]{32}$/);
});

ending('rollback stores only that the half message is done; unknown stores nothing and is not answered', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client);
  const [half] = logRecords(broker);
  broker.send(client, RequestCode.END_TRANSACTION, {
    producerGroup: 'P',
    tranStateTableOffset: '0',
    commitLogOffset: `${half!.offset}`,
    commitOrRollback: '0',
    msgId: 'K1',
  });
  assert.equal([broker.take(client).length, logRecords(broker).length], [0, 1]);
  assert.is(end(broker, client, half!, ROLLBACK).code, ResponseCode.SUCCESS);
  assert.equal(
    logRecords(broker).map(({ topic }) => topic),
    [HALF, OP],
  );
});

ending('only the group that sent it, and only what is a half message', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client);
  send(broker, client, { TRAN_MSG: 'false' });
  const [half, other] = logRecords(broker);
  for (const [record, more, remark] of [
    [half, { producerGroup: 'Q' }, 'The producer group wrong'],
    [half, { tranStateTableOffset: '1' }, 'The transaction state table offset wrong'],
    [half, { commitLogOffset: '4' }, 'Find prepared transaction message failed'],
    [half, { commitLogOffset: '-1' }, 'Find prepared transaction message failed'],
    [other, {}, 'Find prepared transaction message failed'],
  ] as const) {
    const { code, remark: answer } = end(broker, client, record!, COMMIT, more);
    assert.equal([code, answer], [ResponseCode.SYSTEM_ERROR, remark]);
  }
  assert.is(logRecords(broker).length, 2);
});

ending('a half message that the disk has refused so far is not said to be none', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client);
  const [first] = logRecords(broker);
  broker.disk.inject({ operation: 'write', pathPart: '/commitlog/', code: 'ENOSPC', times: 1 });
  send(broker, client);
  const second = { ...first!, offset: first!.offset + first!.bytes, queueOffset: 1 };
  assert.is(end(broker, client, second, COMMIT).code, ResponseCode.SERVICE_NOT_AVAILABLE);
  broker.advance(2_000);
  broker.take(client);
  assert.is(end(broker, client, second, COMMIT).code, ResponseCode.SUCCESS);
});

ending('are refused when rejectTransactionMessage says so', () => {
  const broker = brokerWith('rejectTransactionMessage=true');
  const { command } = send(broker, broker.open());
  assert.is(command.code, ResponseCode.NO_PERMISSION);
});

ending('a delay level of a half message counts from the commit on', () => {
  const broker = brokerWith();
  const client = broker.open();
  send(broker, client, { DELAY: '1' });
  const [half] = logRecords(broker);
  assert.is(half!.topic, HALF);
  end(broker, client, half!, COMMIT);
  assert.is(logRecords(broker, 'T').length, 0);
  broker.advance(1_100);
  assert.is(logRecords(broker, 'T').length, 1);
});
ending.run();

const checks = suite('transactions: questions to producers');

checks('a copy takes its place, and the producer is shown it as the message that it will be', () => {
  const broker = brokerWith();
  const client = producer(broker);
  send(broker, client);
  const asked = pass(broker, client, ROUND_MS + 1_000).filter(
    ({ command }) => command.code === RequestCode.CHECK_TRANSACTION_STATE,
  );
  assert.is(asked.length, 1);
  const [half, copy] = logRecords(broker, HALF);
  assert.equal([copy!.queueOffset, copy!.properties.TRANSACTION_CHECK_TIMES], [1, '1']);
  assert.equal([copy!.bornTimestamp, copy!.body], [half!.bornTimestamp, half!.body]);
  const { command, body } = asked[0]!;
  assert.equal(Object.fromEntries(command.ext), {
    tranStateTableOffset: '1',
    commitLogOffset: `${copy!.offset}`,
    msgId: 'K1',
    transactionId: 'K1',
    offsetMsgId: formatMessageId({
      storeHost: Buffer.from(copy!.storeHost, 'hex'),
      commitLogOffset: copy!.offset,
    }),
  });
  assert.is(body.readInt32BE(0), body.length);
  assert.ok(body.includes('hello\u0001T'));
  assert.is(end(broker, client, copy!, COMMIT, { fromTransactionCheck: 'true' }).code, 0);
  assert.is(pass(broker, client, 3 * ROUND_MS).filter(({ command: { code } }) => code === 39).length, 0);
  assert.is(logRecords(broker, 'T').length, 1);
});

checks('what is done is passed, and progress is kept over a restart', () => {
  const broker = brokerWith();
  const client = producer(broker);
  for (let i = 0; i < 5; i++) send(broker, client);
  const halves = logRecords(broker, HALF);
  for (const half of halves.slice(0, 3)) end(broker, client, half, ROLLBACK);
  const asked = pass(broker, client, ROUND_MS + 1_000).filter(({ command }) => command.code === 39);
  assert.is(asked.length, 2);
  const progress = (topic: string): string | undefined =>
    broker
      .ask(client, RequestCode.QUERY_CONSUMER_OFFSET, { consumerGroup: 'CID_RMQ_SYS_TRANS', topic, queueId: '0' })
      .command.ext.get('offset');
  assert.equal([progress(HALF), progress(OP)], ['5', '3']);
  broker.stop();
  broker.restart();
  const again = producer(broker);
  const later = pass(broker, again, ROUND_MS + 1_000).filter(({ command }) => command.code === 39);
  assert.equal(
    later.map(({ command }) => command.ext.get('tranStateTableOffset')),
    ['7', '8'],
  );
});

checks('after transactionCheckMax questions it is given up', () => {
  const broker = brokerWith('transactionCheckMax=2');
  const client = producer(broker);
  send(broker, client);
  const asked = pass(broker, client, 6 * ROUND_MS).filter(({ command }) => command.code === 39);
  assert.is(asked.length, 2);
  const [givenUp] = logRecords(broker, GIVEN_UP);
  assert.is(givenUp!.properties.TRANSACTION_CHECK_TIMES, '2');
  const msgId = formatMessageId({
    storeHost: Buffer.from(givenUp!.storeHost, 'hex'),
    commitLogOffset: givenUp!.offset,
  });
  assert.is(broker.ask(client, RequestCode.RESUME_CHECK_HALF_MESSAGE, { msgId }).command.code, 0);
  assert.is(pass(broker, client, 6 * ROUND_MS).filter(({ command }) => command.code === 39).length, 2);
});

checks(
  'a message that asks for patience is not asked about, and is done when its producer speaks of the original',
  () => {
    const broker = brokerWith();
    const client = producer(broker);
    send(broker, client, { CHECK_IMMUNITY_TIME_IN_SECONDS: '100' });
    const [half] = logRecords(broker, HALF);
    assert.is(pass(broker, client, ROUND_MS + 1_000).filter(({ command }) => command.code === 39).length, 0);
    assert.is(logRecords(broker, HALF)[1]!.properties.TRAN_PREPARED_QUEUE_OFFSET, '0');
    end(broker, client, half!, COMMIT);
    assert.is(pass(broker, client, 5 * ROUND_MS).filter(({ command }) => command.code === 39).length, 0);
    assert.is(logRecords(broker, 'T').length, 1);
  },
);

checks('without a producer the questions are counted all the same', () => {
  const broker = brokerWith('transactionCheckMax=3');
  send(broker, broker.open());
  broker.advance(5 * ROUND_MS);
  assert.is(logRecords(broker, GIVEN_UP).length, 1);
});
checks.run();

const judging = suite('transactions: what becomes of a half message in a round');
const POLICY: CheckPolicy = { timeoutMs: 6_000, checkMax: 15, reservedMs: 72 * 3_600_000 };
const NOW = 1_000_000_000;
const OLD: HalfFacts = {
  bornTimestamp: NOW - 10_000,
  storeTimestamp: NOW - 10_000,
  checkTimes: 0,
  immunityMs: undefined,
  preparedQueueOffset: undefined,
};

judging('by age, patience and number of questions', () => {
  const queue = new HalfQueue(0);
  queue.begin(0, 0, NOW);
  const table: readonly (readonly [Partial<HalfFacts>, string])[] = [
    [{}, 'ask'],
    [{ bornTimestamp: NOW - 5_999 }, 'wait'],
    [{ bornTimestamp: NOW + 60_000 }, 'ask'],
    [{ storeTimestamp: NOW }, 'wait'],
    [{ checkTimes: 15 }, 'give up'],
    [{ bornTimestamp: NOW - 73 * 3_600_000 }, 'give up'],
    [{ immunityMs: 20_000 }, 'postpone'],
    [{ immunityMs: 5_000 }, 'ask'],
    [{ immunityMs: Number.NaN, bornTimestamp: NOW - 7_000 }, 'ask'],
  ];
  for (const [facts, verdict] of table)
    assert.is(queue.judge({ ...OLD, ...facts }, NOW, POLICY), verdict, JSON.stringify(facts));
});

judging('op progress ends before the first op message whose half message was not passed', () => {
  const queue = new HalfQueue(0);
  queue.begin(10, 100, NOW);
  for (const done of [[10], [11, 12], [5], [], [14]]) queue.takeOp(done);
  while (queue.isDone) queue.pass();
  assert.equal([queue.next, queue.opProgress], [13, 104]);
});
judging.run();
