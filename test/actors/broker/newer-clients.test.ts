/** What clients of 5.x add to requests, and ask for beyond 4.9: answered as a broker of 4.9 does. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Serialization } from '../../../src/remoting/frame.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { messagesOf } from '../../support/remoting-client.js';
import { BrokerDriver } from './driver.js';
import { javaHeartbeat } from './heartbeats.js';

/** Ext fields that the remoting client of 5.5.0 knows. */
const FIELDS_OF_5 = {
  bname: 'broker-a',
  ns: '',
  nsd: 'false',
  oway: 'false',
  lo: 'false',
  __ZONE_NAME: 'z',
  ReqT: '0',
};
/** V5_5_0. */
const VERSION = 513;

const newer = suite('broker: clients of 5.x');

newer('send, beat and pull with fields that 4.9 does not know', () => {
  const broker = new BrokerDriver({ hasQueueHosts: true }).start();
  const client = broker.open();
  for (const serialization of [Serialization.JSON, Serialization.ROCKETMQ]) {
    const send = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '1', f: '0', g: '1234', h: '7', i: '', n: 'broker-a' };
    const options = { body: 'x', version: VERSION, serialization };
    const { command } = broker.ask(client, RequestCode.SEND_MESSAGE_V2, { ...send, ...FIELDS_OF_5 }, options);
    assert.is(command.code, ResponseCode.SUCCESS, command.remark);
  }
  const [consumers, heartbeat] = [['G'], javaHeartbeat({ consumers: ['G'] })];
  const body = JSON.stringify({ ...JSON.parse(heartbeat), heartbeatFingerprint: 4711, withoutSub: false });
  broker.send(client, RequestCode.HEART_BEAT, FIELDS_OF_5, { body, version: VERSION });
  assert.is(broker.take(client).find(({ command }) => (command.flag & 1) === 1)?.command.code, ResponseCode.SUCCESS);
  assert.equal([...broker.state.clients.consumers.keys()], consumers);
  const pull = { consumerGroup: 'G', topic: 'T', queueId: '1', queueOffset: '0', maxMsgNums: '32', sysFlag: '0' };
  const rest = { commitOffset: '0', suspendTimeoutMillis: '0', subVersion: '1', maxMsgBytes: '1000' };
  broker.postPull(client, { ...pull, ...rest, ...FIELDS_OF_5 });
  broker.settle();
  assert.is(messagesOf(broker.take(client)[0]!.body).length, 2);
});

newer('ask for assignments, pop and other things: not supported, and the connection stays', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  // QUERY_ASSIGNMENT, SET_MESSAGE_REQUEST_MODE, GET_ALL_MESSAGE_REQUEST_MODE, POP_MESSAGE and what belongs to it.
  const codes = [400, 401, 402, 200_050, 200_051, 200_151, 200_052, 200_054, 200_055, 200_056];
  for (const code of codes) {
    const { command } = broker.ask(client, code, FIELDS_OF_5, { version: VERSION, body: '{}' });
    assert.is(command.code, ResponseCode.REQUEST_CODE_NOT_SUPPORTED);
    assert.is(command.remark, ` request type ${code} not supported`);
  }
  // In the binary header a code has 16 bits: POP_MESSAGE is 3442 there.
  const binary = broker.ask(client, 200_050 & 0xffff, {}, { serialization: Serialization.ROCKETMQ });
  assert.is(binary.command.code, ResponseCode.REQUEST_CODE_NOT_SUPPORTED);
  assert.equal(
    broker.front.filter(({ kind }) => kind === 'close'),
    [],
  );
});

newer.run();
