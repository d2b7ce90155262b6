/** Frames and bodies that Java's RocketMQ 4.9.7 wrote, taken and answered byte for byte. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeFrame } from '../../../src/remoting/command.js';
import { Serialization } from '../../../src/remoting/frame.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { recordedFrame, recordedFrames, recordedText } from '../../remoting/support.js';
import { NameServerDriver } from './driver.js';
import { type BrokerFacts, register, registerBody, registerHeader } from './register.js';

const java = suite('name server: bytes of Java 4.9.7');

const brokerA: BrokerFacts = {
  clusterName: 'rocketmq-cluster',
  brokerName: 'broker-a',
  brokerAddr: '127.0.0.1:10911',
  brokerId: 0,
  haServerAddr: '127.0.0.1:10912',
};

for (const { name, serialization } of recordedFrames().filter((frame) => frame.name.startsWith('REGISTER_BROKER'))) {
  java(`${name}, ${serialization}: its topics are routed`, () => {
    const server = new NameServerDriver();
    server.post(1, recordedFrame(name, serialization));
    server.settle();
    const [answer] = server.take();
    assert.is(answer?.command.code, ResponseCode.SUCCESS, answer?.command.remark);
    assert.is(answer?.command.serialization, Serialization[serialization]);
    const { topicConfigTable } = JSON.parse(recordedText('TopicConfigSerializeWrapper')) as {
      topicConfigTable: Record<string, { readQueueNums: number; writeQueueNums: number; perm: number }>;
    };
    for (const [topic, { readQueueNums, writeQueueNums, perm }] of Object.entries(topicConfigTable)) {
      const { body } = server.ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic });
      const { queueDatas } = JSON.parse(body.toString()) as { queueDatas: readonly Record<string, unknown>[] };
      assert.is(queueDatas.length, 1);
      const { topicSysFlag, ...row } = queueDatas[0]!;
      assert.equal(row, { brokerName: 'broker-a', readQueueNums, writeQueueNums, perm });
    }
  });
}

java('routes are what TopicRouteData and ClusterInfo encode to', () => {
  const server = new NameServerDriver();
  const ports = new Map([
    [10, 12011],
    [0, 10911],
    [2, 13011],
    [1, 11011],
  ]);
  for (const [brokerId, port] of ports) {
    const facts = { ...brokerA, brokerId, brokerAddr: `127.0.0.1:${port}` };
    register(server, facts, { topics: { TopicTest: { readQueueNums: 4, writeQueueNums: 8 } } });
  }
  const ask = (version: number): string =>
    server.ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'TopicTest' }, { version }).body.toString();
  const recorded = recordedText('TopicRouteData');
  assert.is(ask(400), recorded);
  assert.is(ask(407), recorded.replace(/([{,])([0-9]+):/g, '$1"$2":'));
  register(server, { ...brokerA, brokerName: 'broker-b', brokerAddr: 'b:1' }, { connection: 2 });
  const cluster = server.ask(RequestCode.GET_BROKER_CLUSTER_INFO).body.toString();
  const [brokerTable] = /^.*(?=\},"clusterAddrTable")/.exec(recordedText('ClusterInfo'))!;
  assert.ok(cluster.startsWith(brokerTable!));
  assert.ok(cluster.endsWith('"clusterAddrTable":{"rocketmq-cluster":["broker-a","broker-b"]}}'));
});

java('the answer to a slave is the frame that Apache sends, in both serializations', () => {
  for (const serialization of ['JSON', 'ROCKETMQ'] as const) {
    const server = new NameServerDriver();
    register(server, brokerA);
    const body = registerBody({});
    const slave = { ...brokerA, brokerId: 1, brokerAddr: '127.0.0.1:11011', haServerAddr: '127.0.0.1:11012' };
    const ext = registerHeader(slave, body, false);
    const parts = { code: RequestCode.REGISTER_BROKER, ext, serialization: Serialization[serialization] };
    const expected = recordedFrame('response REGISTER_BROKER', serialization);
    const { opaque } = recordedFrames().find(
      (frame) => frame.name === 'response REGISTER_BROKER' && frame.serialization === serialization,
    )!;
    server.post(1, encodeFrame({ ...parts, opaque }, body));
    server.settle();
    assert.is(server.recorded.frames[0]?.bytes.toString('hex'), expected.toString('hex'));
  }
});

java.run();
