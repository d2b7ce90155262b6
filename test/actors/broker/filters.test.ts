import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FILTERS_MAX, FilterTable } from '../../../src/actors/broker/tables/filter-table.js';
import type { GroupReplica } from '../../../src/actors/queue/messages.js';
import { bloomFilter } from '../../../src/filter/bloom.js';
import { FILTER_CHARS_MAX } from '../../../src/filter/subscription.js';
import { queryConsumeQueueResult } from '../../../src/remoting/bodies/statistics.js';
import { BodyProblem, decodeBody } from '../../../src/remoting/body-codec.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { BrokerDriver, CONFIG_DIRECTORY } from './driver.js';
import { type HeartbeatParts, javaHeartbeat } from './heartbeats.js';

const FILE = 'consumerFilter.json';
const ON = 'enablePropertyFilter=true\n';
const HOUR_MS = 3_600_000;

function beat(broker: BrokerDriver, connection: number, parts: HeartbeatParts): void {
  broker.send(connection, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ consumers: ['G'], ...parts }) });
  broker.take(connection);
}

function check(broker: BrokerDriver, expressionType: string | undefined, subString: string): unknown[] {
  const subscriptionData = {
    classFilterMode: false,
    codeSet: [],
    expressionType,
    subString,
    subVersion: 1,
    topic: 'T',
  };
  const body = JSON.stringify({ clientId: 'c', group: 'G', subscriptionData });
  const { command } = broker.ask(broker.open(), RequestCode.CHECK_CLIENT_CONFIG, {}, { body });
  return [command.code, command.remark];
}

const configs = suite('broker: CHECK_CLIENT_CONFIG');

configs('knows filters only with enablePropertyFilter, and then says what is wrong with one', () => {
  const broker = new BrokerDriver().start();
  for (const type of [undefined, '', 'TAG']) assert.equal(check(broker, type, 'A || B')[0], ResponseCode.SUCCESS);
  const off = 'The broker does not support consumer to filter message by';
  assert.equal(check(broker, 'SQL92', 'a = 1'), [ResponseCode.SYSTEM_ERROR, `${off} SQL92`]);
  assert.equal(check(broker, 'XPATH', '//a'), [ResponseCode.SYSTEM_ERROR, `${off} XPATH`]);
  broker.ask(broker.open(), RequestCode.UPDATE_BROKER_CONFIG, {}, { body: ON });
  assert.equal(check(broker, 'SQL92', 'a = 1')[0], ResponseCode.SUCCESS);
  for (const [text, remark] of [
    [
      'a >',
      'org.apache.rocketmq.filter.parser.ParseException: Encountered "<EOF>" at line 1, column 3.\nWas expecting',
    ],
    ["a = 'x", 'org.apache.rocketmq.filter.parser.TokenMgrError: Lexical error at line 1, column 7.'],
    ["a > 'x'", "java.lang.RuntimeException: Value ''x'' cannot be compared."],
    [
      `a = ${'1'.repeat(FILTER_CHARS_MAX)}`,
      `the filter has ${FILTER_CHARS_MAX + 4} characters, at most 65536: simplify`,
    ],
  ]) {
    const [code, said] = check(broker, 'SQL92', text!);
    assert.is(code, ResponseCode.SUBSCRIPTION_PARSE_FAILED);
    assert.ok((said as string).startsWith(remark!), said as string);
  }
  const unknown = [ResponseCode.SUBSCRIPTION_PARSE_FAILED, 'filters are of type TAG or SQL92, not XPATH'];
  assert.equal(check(broker, 'XPATH', '//a'), unknown);
});

configs.run();

const kept = suite('broker: filters of groups');

interface Stored {
  readonly filterDataByTopic: Record<
    string,
    { topic: string; groupFilterData: Record<string, Record<string, unknown>> }
  >;
}

function storedFilter(broker: BrokerDriver, group = 'G'): Record<string, unknown> | undefined {
  const text = broker.file(FILE);
  return text === undefined ? undefined : (JSON.parse(text) as Stored).filterDataByTopic.T?.groupFilterData[group];
}

kept('are in consumerFilter.json ten seconds later, as Apache writes them', () => {
  const broker = new BrokerDriver({ settings: ON }).start();
  const client = broker.open();
  const bornTime = broker.nowMs;
  beat(broker, client, { sql: 'a > 5', subVersion: 17 });
  broker.advance(10_000);
  assert.equal(storedFilter(broker), {
    bloomFilterData: { bitNum: 112, bitPos: (storedFilter(broker)!.bloomFilterData as { bitPos: number[] }).bitPos },
    bornTime,
    clientVersion: 17,
    consumerGroup: 'G',
    dead: false,
    deadTime: 0,
    expression: 'a > 5',
    expressionType: 'SQL92',
    topic: 'T',
  });
  assert.match(broker.file(FILE)!, /^\{\n\t"filterDataByTopic":\{"T":?|^\{\n\t"filterDataByTopic":\{\n\t\t"T":\{\n/);
});

kept('die with the last consumer, come back with it as they were, and go after filterDataCleanTimeSpan', () => {
  const broker = new BrokerDriver({ settings: `${ON}filterDataCleanTimeSpan=${HOUR_MS}\n` }).start();
  const client = broker.open();
  const bornTime = broker.nowMs;
  beat(broker, client, { sql: 'a > 5', subVersion: 17 });
  broker.advance(60_000);
  broker.close(client);
  const deadTime = broker.nowMs;
  broker.advance(10_000);
  assert.equal([storedFilter(broker)!.dead, storedFilter(broker)!.deadTime], [true, deadTime]);

  const again = broker.open();
  beat(broker, again, { sql: 'a > 5', subVersion: 17 });
  broker.advance(10_000);
  assert.equal(
    [storedFilter(broker)!.dead, storedFilter(broker)!.deadTime, storedFilter(broker)!.bornTime],
    [false, 0, bornTime],
  );

  broker.close(again);
  broker.advance(HOUR_MS - 20_000);
  assert.ok(storedFilter(broker) !== undefined);
  broker.hosts[0].length = 0;
  broker.advance(40_000);
  assert.is(storedFilter(broker), undefined);
  assert.equal(JSON.parse(broker.file(FILE)!), { filterDataByTopic: {} });
  const told = broker.takeTold(0, 'group').map(({ value }) => value as GroupReplica);
  assert.equal(
    told.map(({ group, filters }) => [group, filters]),
    [['G', []]],
  );
});

kept('are replaced by those of newer versions only; a wrong one leaves none', () => {
  const broker = new BrokerDriver({ settings: ON }).start();
  const client = broker.open();
  const expression = (): string | undefined => broker.state.filters.get('T', 'G')?.expression;
  beat(broker, client, { sql: 'a = 2', subVersion: 2 });
  beat(broker, client, { sql: 'a = 1', subVersion: 1 });
  assert.is(expression(), 'a = 2');
  beat(broker, client, { sql: 'a = 3', subVersion: 3 });
  assert.is(expression(), 'a = 3');
  beat(broker, client, { topics: ['Other'], subVersion: 3 });
  assert.is(broker.state.filters.get('T', 'G')?.dead, true, 'no longer subscribed');
  beat(broker, client, { sql: 'a >', subVersion: 4 });
  assert.is(expression(), undefined);
  beat(broker, client, { sql: 'a >', subVersion: 4 });
  assert.is(broker.logged.filter((line) => /subscription not taken.*ParseException/.test(line)).length, 1, 'told once');
});

kept('are there after a restart, dead since half a minute; the file of other bloom filters is ignored', () => {
  const broker = new BrokerDriver({ settings: ON }).start();
  beat(broker, broker.open(), { sql: 'a > 5', subVersion: 17 });
  broker.advance(60_000);
  broker.stop();
  const other = new BrokerDriver({ settings: ON, disk: broker.disk }).start();
  const loaded = other.state.filters.get('T', 'G')!;
  assert.equal([loaded.expression, loaded.dead], ['a > 5', true]);
  assert.is(loaded.deadTime, Math.max(loaded.bornTime, other.nowMs - 30_000));
  other.stop();
  other.disk.writeFile('/conf/broker-a.properties', `${ON}maxErrorRateOfBloomFilter=10\n`);
  const third = new BrokerDriver({ disk: broker.disk }).start();
  assert.is(third.state.filters.size, 0);
  assert.ok(third.logged.some((line) => /consumerFilter.json is of other settings/.test(line)));
});

kept('of a damaged file come from its backup', () => {
  const broker = new BrokerDriver({ settings: ON }).start();
  const client = broker.open();
  beat(broker, client, { sql: 'a > 5', subVersion: 1 });
  broker.advance(10_000);
  beat(broker, client, { sql: 'a > 6', subVersion: 2 });
  broker.advance(10_000);
  broker.kill();
  broker.disk.writeFile(`${CONFIG_DIRECTORY}/${FILE}`, '{"filterDataByTopic":{"T"');
  broker.restart();
  assert.is(broker.state.filters.get('T', 'G')?.expression, 'a > 5');
});

kept('are bounded: those of absent consumers go first, then no new one is taken', () => {
  const refused: string[] = [];
  const table = new FilterTable(bloomFilter(20, 32), (group) => refused.push(group));
  const subscribe = (group: string): void => {
    const one = { classFilterMode: false, codeSet: [], tagsSet: [], subVersion: 1 };
    table.register(group, [{ ...one, topic: 'T', expressionType: 'SQL92', subString: 'a = 1' }], 1_000);
  };
  for (let n = 0; n < FILTERS_MAX; n++) subscribe(`g${n}`);
  table.unregister('g7', 2_000);
  table.unregister('g8', 3_000);
  subscribe('new');
  assert.is(table.get('T', 'g7'), undefined);
  assert.ok(table.get('T', 'new') !== undefined);
  while (table.size < FILTERS_MAX) subscribe(`more${table.size}`);
  subscribe('late');
  assert.equal([table.get('T', 'late'), table.size, refused], [undefined, FILTERS_MAX, ['late']]);
});

kept.run();

const queries = suite('broker: QUERY_CONSUME_QUEUE');

function filled(): { broker: BrokerDriver; client: number } {
  const broker = new BrokerDriver({ settings: ON, hasQueueHosts: true }).start();
  const client = broker.open();
  for (let n = 0; n < 5; n++) {
    const ext = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '1', f: '0', g: '1234', h: '7', i: 'TAGS\u0001A' };
    broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x' });
  }
  return { broker, client };
}

function query(broker: BrokerDriver, more: Record<string, string>): ReturnType<BrokerDriver['ask']> {
  const ext = { topic: 'T', queueId: '1', index: '1', count: '3', ...more };
  return broker.ask(broker.open(), RequestCode.QUERY_CONSUME_QUEUE, ext);
}

queries('shows entries, and what a group that is online filters by', () => {
  const { broker, client } = filled();
  const ask = (more: Record<string, string>) => {
    const answer = query(broker, more);
    assert.is(answer.command.code, ResponseCode.SUCCESS, answer.command.remark);
    const decoded = decodeBody(queryConsumeQueueResult, answer.body);
    if (decoded instanceof BodyProblem) throw new Error(decoded.text);
    return decoded;
  };
  const plain = ask({});
  assert.equal([plain.minQueueIndex, plain.maxQueueIndex, plain.queueData!.length], [0, 5, 3]);
  assert.equal(
    plain.queueData!.map(({ tagsCode }) => tagsCode),
    [65, 65, 65],
  );
  assert.is(plain.queueData![1]!.physicOffset, plain.queueData![0]!.physicOffset + plain.queueData![0]!.physicSize);
  assert.equal([plain.filterData, plain.subscriptionData], [undefined, undefined]);
  assert.is(ask({ consumerGroup: 'G' }).filterData, 'G@T is not online!');
  beat(broker, client, { sql: 'a = 1', subVersion: 3 });
  const filtered = ask({ consumerGroup: 'G', count: '100' });
  assert.is(filtered.queueData!.length, 4);
  assert.is(filtered.subscriptionData?.subString, 'a = 1');
  assert.match(filtered.filterData!, /"clientVersion":3,\n\t"consumerGroup":"G"/);
  beat(broker, client, { subVersion: 4 });
  assert.match(ask({ consumerGroup: 'G' }).filterData!, /"expression":"a = 1"/, 'as in Apache, it stays');
});

queries('says what is not there', () => {
  const { broker } = filled();
  const said = ({ command, body }: ReturnType<typeof query>): unknown => [command.code, command.remark, body.length];
  assert.equal(said(query(broker, { topic: 'None' })), [1, '1@None is not exist!', 0]);
  assert.equal(said(query(broker, { queueId: '9' })), [1, '9@T is not exist!', 0]);
  assert.equal(said(query(broker, { index: '5' })), [0, 'Index 5 of 1@T is not exist!', 0]);
});

queries.run();

const classFilters = suite('broker: class-filter servers');

classFilters('are gone: their codes are refused with what to use instead', () => {
  const broker = new BrokerDriver().start();
  for (const code of [RequestCode.REGISTER_FILTER_SERVER, RequestCode.REGISTER_MESSAGE_FILTER_CLASS]) {
    const { command } = broker.ask(broker.open(), code, { filterServerAddr: '127.0.0.1:1' });
    assert.is(command.code, ResponseCode.REQUEST_CODE_NOT_SUPPORTED);
    assert.match(command.remark ?? '', /gone since RocketMQ 4.3: subscribe by tags, or by properties/);
  }
});

classFilters.run();
