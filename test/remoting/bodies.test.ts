import { deflateSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as requestsToClients from '../../src/remoting/bodies/client-requests.js';
import * as clients from '../../src/remoting/bodies/clients.js';
import { heartbeatData } from '../../src/remoting/bodies/heartbeat.js';
import {
  decodeRegisterBroker,
  encodeRegisterBroker,
  registerBrokerCrc,
} from '../../src/remoting/bodies/register-broker.js';
import * as routes from '../../src/remoting/bodies/routes.js';
import * as statistics from '../../src/remoting/bodies/statistics.js';
import * as tables from '../../src/remoting/bodies/tables.js';
import {
  BodyProblem,
  type Codec,
  decodeBody,
  decodeText,
  encodeBody,
  encodeText,
} from '../../src/remoting/body-codec.js';
import { decodeFrame } from '../../src/remoting/command.js';
import { decodeHeader, HeaderProblem } from '../../src/remoting/header-table.js';
import { RequestScan } from '../../src/remoting/request-scan.js';
import { requests } from '../../src/remoting/requests.js';
import { recordedBodies, recordedFrame, recordedText } from './support.js';

/** Recorded name (without what follows the first blank) -> our codec. */
const CODECS: Readonly<Record<string, Codec<unknown>>> = {
  TopicRouteData: routes.topicRouteData,
  ClusterInfo: routes.clusterInfo,
  TopicList: routes.topicList,
  KVTable: routes.kvTable,
  DataVersion: tables.dataVersion,
  RegisterBrokerBody: tables.registerBrokerBody,
  TopicConfigSerializeWrapper: tables.topicConfigTable,
  'topics.json': tables.topicConfigTable,
  HeartbeatData: heartbeatData,
  GetConsumerListByGroupResponseBody: clients.consumerIdList,
  SubscriptionGroupConfig: tables.subscriptionGroupConfig,
  SubscriptionGroupWrapper: tables.subscriptionGroupTable,
  'subscriptionGroup.json': tables.subscriptionGroupTable,
  ConsumerOffsetSerializeWrapper: tables.consumerOffsetTable,
  'consumerOffset.json': tables.consumerOffsetTable,
  TopicStatsTable: statistics.topicStatsTable,
  ConsumeStats: statistics.consumeStats,
  ConsumeStatsList: statistics.consumeStatsList,
  ConsumerConnection: clients.consumerConnection,
  ProducerConnection: clients.producerConnection,
  ProducerTableInfo: clients.producerTableInfo,
  LockBatchRequestBody: clients.lockBatchRequest,
  LockBatchResponseBody: clients.lockBatchResponse,
  UnlockBatchRequestBody: clients.lockBatchRequest,
  CheckClientRequestBody: clients.checkClientRequest,
  ResetOffsetBody: requestsToClients.resetOffsetBody,
  ResetOffsetBodyForC: requestsToClients.resetOffsetBodyForC,
  GetConsumerStatusBody: requestsToClients.consumerStatusBody,
  GroupList: statistics.groupList,
  QueryConsumeTimeSpanBody: statistics.consumeTimeSpan,
  BrokerStatsData: statistics.brokerStatsData,
  QueryCorrectionOffsetBody: statistics.correctionOffsets,
  ConsumeMessageDirectlyResult: requestsToClients.consumeMessageDirectlyResult,
  QueryConsumeQueueResponseBody: statistics.queryConsumeQueueResult,
  ConsumerRunningInfo: requestsToClients.consumerRunningInfo,
};
/** Recorded for fastjson.test.ts. */
const NOT_BODIES = ['escapes', 'pretty', 'plain'];

function decoded<T>(codec: Codec<T>, text: string): T {
  const value = decodeText(codec, text);
  if (value instanceof BodyProblem) throw new Error(value.text);
  return value;
}

function problemOf(codec: Codec<unknown>, text: string): string {
  const value = decodeText(codec, text);
  return value instanceof BodyProblem ? value.text : 'accepted';
}

const recorded = suite('bodies: recorded from the Java classes');

for (const body of recordedBodies()) {
  const { name, text } = body;
  if (text === undefined || NOT_BODIES.includes(name.split(' ')[0]!)) continue;
  recorded(`${name} is read, and written byte for byte`, () => {
    const codec = CODECS[name.split(' ')[0]!];
    if (codec === undefined) throw new Error(`no codec for ${name}`);
    const style = name.endsWith('standard') ? 'standard' : name.endsWith('.json') ? 'pretty' : 'plain';
    assert.is(encodeText(codec, decoded(codec, text), style), text);
  });
}

recorded('values arrive where they belong', () => {
  const route = decoded(routes.topicRouteData, recordedText('TopicRouteData standard'));
  assert.is(route.brokerDatas[0]!.brokerAddrs.get(10), '127.0.0.1:12011');
  assert.is(route.queueDatas[0]!.writeQueueNums, 8);
  assert.equal(route.filterServerTable.get('127.0.0.1:10911'), ['127.0.0.1:3000']);
  const stats = decoded(statistics.topicStatsTable, recordedText('TopicStatsTable'));
  const [queue, offsets] = [...stats.offsetTable][0]!;
  assert.equal(queue, { brokerName: 'broker-a', queueId: 1, topic: 'TopicTest' });
  assert.is(offsets.maxOffset, 11);
  const offsetsByGroup = decoded(tables.consumerOffsetTable, recordedText('consumerOffset.json'));
  assert.is(offsetsByGroup.offsetTable.get('TopicTest@group_a')?.get(3), 9007199254740991);
  const topics = decoded(tables.topicConfigTable, recordedText('topics.json'));
  assert.equal(topics.topicConfigTable.get('Ordered'), {
    order: true,
    perm: 4,
    readQueueNums: 8,
    topicFilterType: 'MULTI_TAG',
    topicName: 'Ordered',
    topicSysFlag: 3,
    writeQueueNums: 16,
  });
});

recorded.run();

const heartbeat = suite('bodies: heartbeats of other clients');

heartbeat('C++: enums as ordinals, version as text, sets left out', () => {
  const body = decoded(
    heartbeatData,
    '{"clientID":"1.2.3.4@5","consumerDataSet":[{"consumeFromWhere":4,"consumeType":1,"groupName":"G","messageModel":1,' +
      '"subscriptionDataSet":[{"classFilterMode":false,"subString":"*","subVersion":"1706700000123","topic":"T"}]}]}\n',
  );
  assert.equal(body.producerDataSet, []);
  const consumer = body.consumerDataSet[0]!;
  assert.is(consumer.consumeFromWhere, 'CONSUME_FROM_FIRST_OFFSET');
  assert.is(consumer.consumeType, 'CONSUME_PASSIVELY');
  assert.is(consumer.messageModel, 'CLUSTERING');
  assert.equal(consumer.subscriptionDataSet[0], {
    classFilterMode: false,
    codeSet: [],
    expressionType: 'TAG',
    subString: '*',
    subVersion: 1706700000123,
    tagsSet: [],
    topic: 'T',
  });
});

heartbeat('Go: hash codes as texts, versions in nanoseconds', () => {
  const body = decoded(
    heartbeatData,
    '{"clientID":"c","producerDataSet":[{"groupName":"P"}],"consumerDataSet":[{"groupName":"G","consumeType":"CONSUME_PASSIVELY",' +
      '"messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","subscriptionDataSet":[{"classFilterMode":false,' +
      '"topic":"T","subString":"TagA","tagsSet":["TagA"],"codeSet":["2598919"],"subVersion":1763732400123456789,"expressionType":"TAG"}],"unitMode":false}]}',
  );
  const [subscription] = body.consumerDataSet[0]!.subscriptionDataSet;
  assert.equal(subscription!.codeSet, [2598919]);
  // Rounded to what a Number holds: versions are compared, nothing else. Written as digits again.
  assert.is(subscription!.subVersion, 1763732400123456800);
  assert.match(encodeText(heartbeatData, body), '"subVersion":1763732400123456768,');
});

heartbeat('null collections and unknown fields of 5.x are as if they were not there', () => {
  const body = decoded(
    heartbeatData,
    '{"clientID":"c","producerDataSet":null,"consumerDataSet":null,"heartbeatFingerprint":-5,"withoutSub":true}',
  );
  assert.equal(body, { clientID: 'c', consumerDataSet: [], producerDataSet: [] });
});

heartbeat.run();

const shapes = suite('bodies: what does not have the shape');

shapes('is a problem that names the field', () => {
  const cases: readonly [string, string][] = [
    ['{}', 'field <clientID> is missing'],
    ['[]', 'object expected, found an array'],
    ['', 'object expected, found null'],
    ['{"clientID":"c","producerDataSet":{}}', 'field <producerDataSet>: array expected, found an object'],
    ['{"clientID":"c","producerDataSet":[{}]}', 'field <producerDataSet.0>: field <groupName> is missing'],
    [
      '{"clientID":"c","consumerDataSet":[{"groupName":"G","consumeType":"CONSUME_POP","messageModel":0}]}',
      'field <consumerDataSet.0.consumeType>: one of CONSUME_ACTIVELY, CONSUME_PASSIVELY expected, found CONSUME_POP',
    ],
    ['{"clientID":{"a":1}}', 'field <clientID>: string expected, found an object'],
    ['{"clientID":"c"', 'malformed JSON: comma or closing brace expected, found the end at character 15'],
  ];
  for (const [text, problem] of cases) assert.is(problemOf(heartbeatData, text), problem);
});

shapes('numbers stay in their Java type, keys too', () => {
  const offsets = tables.consumerOffsetTable;
  assert.is(
    problemOf(offsets, '{"offsetTable":{"t@g":{"x":1}}}'),
    'field <offsetTable.t@g.x>: long below 2^53 expected, found x',
  );
  assert.match(
    problemOf(offsets, '{"offsetTable":{"t@g":{0:9007199254740992}}}'),
    /<offsetTable\.t@g\.0>: long below 2\^53/,
  );
  assert.match(problemOf(offsets, '{"offsetTable":{{"a":1}:{}}}'), /string key expected/);
  assert.match(problemOf(tables.topicConfig, '{"topicName":"t","perm":2147483648}'), /<perm>: int expected/);
  assert.match(problemOf(tables.topicConfig, '{"topicName":"t","perm":1.5}'), /<perm>: int expected/);
  assert.match(problemOf(tables.topicConfig, '{"topicName":"t","order":"maybe"}'), /<order>: boolean expected/);
  assert.match(problemOf(statistics.topicStatsTable, '{"offsetTable":{"a":{}}}'), /object key expected/);
  assert.match(problemOf(statistics.consumeStats, '{"consumeTps":"fast"}'), /<consumeTps>: number expected/);
});

shapes('reading a body that is not UTF-8 does not throw', () => {
  const body = decodeBody(routes.topicList, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]));
  assert.instance(body, BodyProblem);
});

shapes('a required field that is not given is a bug of the caller', () => {
  assert.throws(() => encodeBody(clients.connection, { clientAddr: 'a' } as never), /required body field not given/);
});

shapes.run();

const registration = suite('bodies: REGISTER_BROKER');

const recordedRegistration = decoded(tables.registerBrokerBody, recordedText('RegisterBrokerBody'));
const recordedCompressed = Buffer.from(
  recordedBodies().find(({ name }) => name === 'RegisterBrokerBody compressed')!.hex!,
  'hex',
);

function registered(body: Buffer, compressed: boolean, version = 407): tables.RegisterBrokerBody {
  const result = decodeRegisterBroker(body, { compressed, bodyCrc32: registerBrokerCrc(body), version });
  if (result instanceof BodyProblem) throw new Error(result.text);
  return result;
}

function refusal(body: Buffer): string {
  const result = decodeRegisterBroker(body, { compressed: true, bodyCrc32: 0, version: 407 });
  return result instanceof BodyProblem ? result.text : 'accepted';
}

/** Compressed topic lines do not carry these two. */
function withoutFlags(body: tables.RegisterBrokerBody): unknown {
  const { dataVersion, topicConfigTable } = body.topicConfigSerializeWrapper;
  const topics = [...topicConfigTable].map(([name, topic]) => [name, { ...topic, order: false, topicSysFlag: 0 }]);
  return { dataVersion, topics, filterServerList: body.filterServerList };
}

registration('the frames of a Java broker carry a body and a checksum that fit', () => {
  for (const name of ['REGISTER_BROKER', 'REGISTER_BROKER compressed']) {
    for (const form of ['JSON', 'ROCKETMQ'] as const) {
      const scan = new RequestScan();
      const frame = decodeFrame(scan, recordedFrame(name, form));
      if (frame.problem !== undefined) throw new Error(frame.problem);
      const header = decodeHeader(requests.registerBroker.header, scan);
      if (header instanceof HeaderProblem) throw new Error(header.text);
      const body = decodeRegisterBroker(frame.body, {
        compressed: header.compressed ?? false,
        bodyCrc32: header.bodyCrc32 ?? 0,
        version: scan.version,
      });
      if (body instanceof BodyProblem) throw new Error(body.text);
      assert.equal(withoutFlags(body), withoutFlags(recordedRegistration), name);
      assert.is(header.compressed, name.endsWith('compressed'));
    }
  }
});

registration('the compressed form goes both ways', () => {
  assert.equal(withoutFlags(registered(recordedCompressed, true)), withoutFlags(recordedRegistration));
  const ours = encodeRegisterBroker(recordedRegistration, true);
  assert.equal(withoutFlags(registered(ours, true)), withoutFlags(recordedRegistration));
  assert.equal(registered(encodeRegisterBroker(recordedRegistration, false), false), recordedRegistration);
});

registration('peers before 3.0.11 send the topic table alone', () => {
  const body = Buffer.from(recordedText('TopicConfigSerializeWrapper'));
  assert.equal(registered(body, false, 36), { ...recordedRegistration, filterServerList: [] });
});

registration('an empty body is an empty table with DataVersion 0/0', () => {
  for (const compressed of [false, true]) {
    assert.equal(registered(Buffer.alloc(0), compressed), {
      filterServerList: [],
      topicConfigSerializeWrapper: { dataVersion: { counter: 0, timestamp: 0 }, topicConfigTable: new Map() },
    });
  }
});

registration('a wrong checksum is refused with the text of the Java name server', () => {
  const result = decodeRegisterBroker(recordedCompressed, { compressed: true, bodyCrc32: 1, version: 407 });
  assert.equal(result, new BodyProblem('crc32 not match'));
});

registration('a compressed body that is damaged, cut off or a bomb is a problem', () => {
  assert.match(refusal(Buffer.from('not zlib')), /cannot be inflated/);
  assert.match(refusal(deflateSync(Buffer.alloc(65 * 1024 * 1024))), /cannot be inflated/);
  const inflated = (...parts: (number | string)[]): Buffer =>
    deflateSync(
      Buffer.concat(
        parts.map((part) => {
          if (typeof part === 'string') return Buffer.from(part);
          const word = Buffer.alloc(4);
          word.writeInt32BE(part);
          return word;
        }),
      ),
    );
  assert.is(refusal(inflated(2, '{}', 0, 2, '[]')), 'accepted');
  assert.is(refusal(inflated(2, '{}', 0, 2, '[]', 0)), 'accepted'); // queue mappings of 5.x
  assert.match(refusal(inflated(2, '{}', 0x7fff_ffff)), /cut off/);
  assert.match(refusal(inflated(-1, '{}')), /cut off/);
  assert.match(refusal(inflated(100, '{}')), /cut off/);
  assert.match(
    refusal(inflated(2, '{}', 1, 9, 'T 4 4 6 X', 2, '[]')),
    /malformed topic in compressed body: "T 4 4 6 X"/,
  );
  assert.match(refusal(inflated(2, '{}', 1, 1, 'T', 2, '[]')), /malformed topic/);
  assert.match(refusal(inflated(2, '[]', 0, 2, '[]')), /object expected/);
  assert.is(refusal(inflated(2, '{}', 1, 19, 'T 4 4 6 MULTI_TAG {}'.slice(0, 19), 2, '[]')), 'accepted');
});

registration.run();
