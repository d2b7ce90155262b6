/** Pulls and questions at the edges of what clients send; test/interop/differential asks Apache's broker the same. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { type Answered, BrokerDriver } from '../broker/driver.js';

const MESSAGES = 3;
const SUBSCRIPTION = '4';
const LONG_MAX = '9223372036854775807';
const SEND = { a: 'P', b: 'T', c: 'TBW102', d: '1', e: '0', f: '0', g: '1', h: '0' };

function filled(): { broker: BrokerDriver; client: number } {
  const broker = new BrokerDriver({ hasQueueHosts: true }).start();
  const client = broker.open();
  for (let n = 0; n < MESSAGES; n++) {
    const { command } = broker.ask(client, RequestCode.SEND_MESSAGE_V2, { ...SEND, i: 'TAGS\u0001A' }, { body: 'x' });
    assert.is(command.code, ResponseCode.SUCCESS);
  }
  return { broker, client };
}

type Ext = Readonly<Record<string, string>>;

/** With no more fields than Apache's broker looks at. */
const LEAST = {
  consumerGroup: 'G',
  topic: 'T',
  queueId: '0',
  queueOffset: '0',
  maxMsgNums: '32',
  sysFlag: SUBSCRIPTION,
};

function pull(broker: BrokerDriver, client: number, more: Ext = {}): Answered {
  broker.postPull(client, { ...LEAST, subscription: '*', ...more });
  broker.settle();
  const answers = broker.take(client);
  assert.is(answers.length, 1);
  return answers[0]!;
}

const edges = suite('queue host: the edges');

edges('a pull may leave out what its flags do not ask for', () => {
  const { broker, client } = filled();
  const { command } = pull(broker, client);
  assert.is(command.code, ResponseCode.SUCCESS);
  assert.is(command.ext.get('nextBeginOffset'), String(MESSAGES));
});

edges('Long.MAX_VALUE and its opposite are told the ends of the queue', () => {
  const { broker, client } = filled();
  for (const [queueOffset, next] of [
    [LONG_MAX, MESSAGES],
    ['-9223372036854775808', 0],
  ] as const) {
    const { command } = pull(broker, client, { queueOffset });
    assert.is(command.code, ResponseCode.PULL_OFFSET_MOVED);
    assert.is(command.ext.get('nextBeginOffset'), String(next));
  }
});

edges('tags of blanks are none, so that nothing passes; only separators are no subscription', () => {
  const { broker, client } = filled();
  assert.is(pull(broker, client, { subscription: ' ' }).command.code, ResponseCode.PULL_RETRY_IMMEDIATELY);
  assert.is(pull(broker, client, { subscription: '||' }).command.code, ResponseCode.SUBSCRIPTION_PARSE_FAILED);
});

edges('a topic that is not there has offset 0 at any time, and no earliest message', () => {
  const { broker, client } = filled();
  const ask = (code: number, more: Ext): Answered => {
    broker.postToHost(client, code, { topic: 'Nobody', queueId: '0', ...more });
    broker.settle();
    return broker.take(client)[0]!;
  };
  assert.is(ask(RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, { timestamp: '1' }).command.ext.get('offset'), '0');
  assert.is(ask(RequestCode.GET_EARLIEST_MSG_STORETIME, {}).command.ext.get('timestamp'), '-1');
  assert.match(ask(RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, {}).command.remark ?? '', /<timestamp> is missing/);
  assert.match(ask(RequestCode.GET_EARLIEST_MSG_STORETIME, { queueId: '-1' }).command.remark ?? '', /is negative/);
});

edges('the first pull of a new group that nobody is in: SUBSCRIPTION_NOT_EXIST in a moment', () => {
  const { broker, client } = filled();
  broker.postPull(client, { ...LEAST, consumerGroup: 'New', sysFlag: '0', subVersion: '1' });
  broker.settle();
  assert.equal(broker.take(client), [], 'the group was asked for, its members may be on their way');
  broker.advance(300);
  const answers = broker.take(client);
  assert.is(answers.length, 1);
  assert.is(answers[0]!.command.code, ResponseCode.SUBSCRIPTION_NOT_EXIST);
});

edges.run();
