/** Pulls with SQL92 filters, and waking them: a broker with its queue hosts in one thread. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB } from '../../../src/base/units.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { messagesOf } from '../../support/remoting-client.js';
import { type Answered, BrokerDriver } from '../broker/driver.js';
import { type HeartbeatParts, javaHeartbeat } from '../broker/heartbeats.js';

const GROUP = 'G';
const Flag = { SUSPEND: 2, SUBSCRIPTION: 4, CLASS_FILTER: 8 } as const;
const ON = 'enablePropertyFilter=true\n';

/** `a=1;b=2` as a send has it. */
function stored(properties: string): string {
  return properties.replace(/[=;]/g, (c) => (c === '=' ? '\u0001' : '\u0002'));
}

class Fixture {
  readonly broker: BrokerDriver;
  readonly client: number;
  private readonly producer: number;

  constructor(settings = ON) {
    this.broker = new BrokerDriver({ hasQueueHosts: true, settings }).start();
    this.client = this.broker.open();
    this.producer = this.broker.open();
  }

  send(properties: string, body = 'x', topic = 'T'): void {
    const ext = { a: 'P', b: topic, c: 'TBW102', d: '4', e: topic === 'T' ? '1' : '0', f: '0', g: '1234', h: '7' };
    const { command } = this.broker.ask(
      this.producer,
      RequestCode.SEND_MESSAGE_V2,
      { ...ext, i: stored(properties) },
      { body },
    );
    assert.is(command.code, ResponseCode.SUCCESS, command.remark);
  }

  beat(parts: HeartbeatParts): void {
    this.broker.send(
      this.client,
      RequestCode.HEART_BEAT,
      {},
      { body: javaHeartbeat({ consumers: [GROUP], ...parts }) },
    );
    this.broker.take(this.client);
  }

  configure(line: string): void {
    const { command } = this.broker.ask(this.client, RequestCode.UPDATE_BROKER_CONFIG, {}, { body: `${line}\n` });
    assert.is(command.code, ResponseCode.SUCCESS);
  }

  post(queueOffset: number, more: Readonly<Record<string, string>> = {}): void {
    this.broker.postPull(this.client, {
      consumerGroup: GROUP,
      topic: 'T',
      queueId: '1',
      queueOffset: String(queueOffset),
      maxMsgNums: '32',
      sysFlag: '0',
      commitOffset: '0',
      suspendTimeoutMillis: '15000',
      subVersion: '1',
      ...more,
    });
  }

  pull(queueOffset: number, more: Readonly<Record<string, string>> = {}): Answered {
    this.post(queueOffset, more);
    this.broker.settle();
    let answers = this.broker.take(this.client);
    // What the host does not know it waits for a moment.
    if (answers.length === 0) {
      this.broker.advance(1_100);
      answers = this.broker.take(this.client);
    }
    assert.is(answers.length, 1);
    return answers[0]!;
  }

  /** The same with the subscription in the request. */
  own(queueOffset: number, subscription: string, more: Readonly<Record<string, string>> = {}): Answered {
    const sysFlag = String(Flag.SUBSCRIPTION);
    return this.pull(queueOffset, { sysFlag, subscription, expressionType: 'SQL92', ...more });
  }
}

const offsets = ({ body }: Answered): number[] => messagesOf(body).map(({ queueOffset }) => queueOffset);
const next = ({ command }: Answered): number => Number(command.ext.get('nextBeginOffset'));

const pulls = suite('filtered pulls');

pulls('get the messages whose properties pass, and go on behind those that do not', () => {
  const fixture = new Fixture();
  for (let n = 0; n < 20; n++) fixture.send(`n=${n};TAGS=t${n % 2}`);
  fixture.beat({ sql: "n > 4 AND n <> 7 AND TAGS = 't1'" });
  const answer = fixture.pull(0);
  assert.is(answer.command.code, ResponseCode.SUCCESS);
  assert.equal(offsets(answer), [5, 9, 11, 13, 15, 17, 19]);
  assert.is(next(answer), 20);
  const two = fixture.pull(0, { maxMsgNums: '2' });
  assert.equal(offsets(two), [5, 9]);
  assert.is(next(two), 10, 'the third one stops it');
});

pulls('of nothing but other messages: RETRY_IMMEDIATELY behind the 800 that were looked at', () => {
  const fixture = new Fixture();
  for (let n = 0; n < 1_000; n++) fixture.send('n=1');
  fixture.send('n=2');
  fixture.beat({ sql: 'n = 2' });
  const first = fixture.pull(0);
  assert.is(first.command.code, ResponseCode.PULL_RETRY_IMMEDIATELY);
  assert.is(first.command.remark, 'NO_MATCHED_MESSAGE');
  assert.is(next(first), 800);
  assert.equal(offsets(fixture.pull(next(first))), [1_000]);
});

pulls('with an expensive filter look at fewer messages', () => {
  const fixture = new Fixture();
  for (let n = 0; n < 200; n++) fixture.send('n=0');
  const expression = Array.from({ length: 1_000 }, (_, i) => `n = ${i + 1}`).join(' OR ');
  const answer = fixture.own(0, expression);
  assert.is(answer.command.code, ResponseCode.PULL_RETRY_IMMEDIATELY);
  assert.ok(next(answer) > 10 && next(answer) < 100, `${next(answer)} looked at`);
});

pulls('a value that is not what the comparison needs does not pass', () => {
  const fixture = new Fixture();
  for (const value of ['1.5', 'abc', '3', '']) fixture.send(`n=${value}`);
  assert.equal(offsets(fixture.own(0, 'n > 2')), [2]);
  assert.equal(offsets(fixture.own(0, 'n > 1.0')), [0, 2]);
  assert.equal(offsets(fixture.own(0, 'n IS NULL')), [3]);
});

pulls('see the properties of large messages, too', () => {
  const fixture = new Fixture();
  fixture.send('n=1;TAGS=x', 'b'.repeat(40 * KIB));
  fixture.send('n=2', 'b'.repeat(40 * KIB));
  assert.equal(offsets(fixture.own(0, 'n = 1')), [0]);
  assert.equal(offsets(fixture.own(0, 'n = 2')), [1]);
});

pulls('are refused as Apache does', () => {
  const fixture = new Fixture('');
  fixture.send('n=1');
  const code = (answer: Answered): unknown => [answer.command.code, answer.command.remark];
  const off = [1, 'The broker does not support consumer to filter message by SQL92'];
  fixture.beat({ sql: 'n = 1' });
  assert.equal(code(fixture.pull(0)), off);
  assert.equal(code(fixture.own(0, 'n = 1')), off);
  assert.equal(code(fixture.own(0, 'n >')), off);
  assert.is(fixture.own(0, '').command.code, ResponseCode.SUBSCRIPTION_PARSE_FAILED);

  fixture.configure('enablePropertyFilter=true');
  assert.equal(offsets(fixture.pull(0)), [0], 'live');
  assert.is(fixture.pull(0, { subVersion: '2' }).command.code, ResponseCode.SUBSCRIPTION_NOT_LATEST);
  const bad = fixture.own(0, 'n >');
  assert.is(bad.command.code, ResponseCode.SUBSCRIPTION_PARSE_FAILED);
  assert.match(
    bad.command.remark ?? '',
    /^parse the consumer's subscription failed: .*ParseException: Encountered "<EOF>"/,
  );

  fixture.beat({ sql: 'n >', subVersion: 2 });
  const none = [27, "The broker's consumer filter data is not exist!Your expression may be wrong!"];
  assert.equal(code(fixture.pull(0, { subVersion: '2' })), none);
  fixture.beat({ sql: 'n = 1', subVersion: 3 });
  assert.equal(offsets(fixture.pull(0, { subVersion: '3' })), [0]);
  const classFilter = fixture.pull(0, { sysFlag: String(Flag.CLASS_FILTER), subVersion: '3' });
  assert.match(classFilter.command.remark ?? '', /class filters are gone since RocketMQ 4.3: subscribe by tags, or/);
});

pulls.run();

const held = suite('filtered pulls that are held');

held('are woken by a message that passes, not by others', () => {
  const fixture = new Fixture();
  fixture.beat({ sql: 'n = 2' });
  fixture.send('n=2');
  fixture.post(1, { sysFlag: String(Flag.SUSPEND) });
  fixture.send('n=1');
  fixture.send('');
  assert.equal(fixture.broker.take(fixture.client), []);
  fixture.send('n=2');
  const [answer] = fixture.broker.take(fixture.client);
  assert.equal(offsets(answer!), [3]);
  assert.is(next(answer!), 4);
});

held('are answered at the end of their time with how far they came', () => {
  const fixture = new Fixture();
  fixture.beat({ sql: 'n = 2' });
  fixture.send('n=2');
  fixture.post(1, { sysFlag: String(Flag.SUSPEND) });
  for (let n = 0; n < 10; n++) fixture.send('n=1');
  fixture.broker.advance(15_300);
  const [answer] = fixture.broker.take(fixture.client);
  assert.is(answer!.command.code, ResponseCode.PULL_RETRY_IMMEDIATELY);
  assert.is(next(answer!), 11);
});

held('beside ones with tags and ones without', () => {
  const fixture = new Fixture();
  fixture.send('n=0');
  const sysFlag = String(Flag.SUSPEND + Flag.SUBSCRIPTION);
  fixture.post(1, { sysFlag, subscription: 'n = 1', expressionType: 'SQL92' });
  fixture.post(1, { sysFlag, subscription: 'n = 2', expressionType: 'SQL92' });
  fixture.post(1, { sysFlag, subscription: 'A' });
  fixture.broker.settle();
  fixture.send('n=2;TAGS=B');
  assert.equal(fixture.broker.take(fixture.client).map(offsets), [[1]]);
  fixture.send('n=3;TAGS=A');
  assert.equal(fixture.broker.take(fixture.client).map(offsets), [[2]]);
  fixture.send('n=1');
  assert.equal(fixture.broker.take(fixture.client).map(offsets), [[3]]);
});

held.run();

const cold = suite('filtered pulls of old messages');

/** 400 of 10 KiB: the window holds the last MiB. Every 50th has n=1. */
function filled(): Fixture {
  const fixture = new Fixture();
  for (let n = 0; n < 400; n++) fixture.send(`n=${n % 50 === 49 ? 1 : 0}`, 'b'.repeat(10 * KIB));
  return fixture;
}

function readAll(fixture: Fixture, subscription: string): { found: number[]; pulls: number } {
  const found: number[] = [];
  let pulls = 0;
  for (let at = 0; at < 400; pulls++) {
    assert.ok(pulls < 100, 'it goes on');
    const answer = fixture.own(at, subscription);
    found.push(...offsets(answer));
    assert.ok(next(answer) > at, 'it goes on');
    at = next(answer);
  }
  return { found, pulls };
}

cold('wait for the disk, and find all that pass in few pulls', () => {
  const fixture = filled();
  const { found, pulls } = readAll(fixture, 'n = 1');
  assert.equal(found, [49, 99, 149, 199, 249, 299, 349, 399]);
  assert.ok(pulls < 30, `${pulls} pulls`);
  assert.ok(fixture.broker.disk.laterReads > 0);
});

cold('also when nothing passes, and when most do', () => {
  const fixture = filled();
  assert.equal(readAll(fixture, 'n = 2').found, []);
  const { found } = readAll(fixture, 'n = 0');
  assert.is(found.length, 392);
  assert.equal(
    found,
    found.toSorted((a, b) => a - b),
  );
});

cold('a disk that fails: SYSTEM_ERROR with its code', () => {
  const fixture = filled();
  fixture.broker.disk.inject({ operation: 'read', pathPart: '/commitlog/', code: 'EIO', times: 1 });
  const { command } = fixture.own(0, 'n = 1');
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(command.remark ?? '', /EIO/);
  assert.is(readAll(fixture, 'n = 1').found.length, 8, 'the next pull succeeds');
});

cold('a file that retention deletes meanwhile is passed over', () => {
  const fixture = filled();
  const { disk } = fixture.broker;
  for (const name of disk.list('/store/commitlog').slice(0, 1)) disk.remove(`/store/commitlog/${name}`);
  const first = fixture.own(0, 'n = 1');
  assert.is(first.command.code, ResponseCode.PULL_RETRY_IMMEDIATELY);
  const { found } = readAll(fixture, 'n = 1');
  assert.ok(found.length < 8, found.join());
  assert.equal(found.slice(-5), [199, 249, 299, 349, 399]);
});

cold.run();

const retries = suite('filtered pulls of the retry topic');

retries('are judged by the filter of the topic that the message came from, with filterSupportRetry', () => {
  const fixture = new Fixture();
  fixture.beat({ sql: 'n = 1' });
  const retry = `%RETRY%${GROUP}`;
  for (const properties of ['n=1;RETRY_TOPIC=T', 'n=2;RETRY_TOPIC=T', 'n=2;RETRY_TOPIC=Other', 'n=2']) {
    fixture.send(properties, 'x', retry);
  }
  const more = { topic: retry, queueId: '0', sysFlag: String(Flag.SUBSCRIPTION), subscription: '*' };
  assert.equal(offsets(fixture.pull(0, more)), [0, 1, 2, 3]);
  fixture.configure('filterSupportRetry=true');
  assert.equal(offsets(fixture.pull(0, more)), [0, 2, 3]);
  fixture.beat({ sql: 'n = 2', subVersion: 2 });
  assert.equal(offsets(fixture.pull(0, more)), [1, 2, 3]);
});

retries.run();
