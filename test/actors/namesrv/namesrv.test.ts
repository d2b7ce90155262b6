import { deflateSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_INFLATED_BYTES } from '../../../src/remoting/bodies/register-broker.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { Serialization } from '../../../src/remoting/frame.js';
import { type Answered, CONFIG_PATH, KV_PATH, NameServerDriver } from './driver.js';
import { brokerA, brokerB, register, registerBody, registerHeader, slaveOfA } from './register.js';

const text = ({ command, body }: Answered): string => {
  assert.is(command.code, ResponseCode.SUCCESS, command.remark);
  return body.toString();
};
const json = (answer: Answered): unknown => JSON.parse(text(answer));
const refusal = ({ command }: Answered): string => `${command.code} ${command.remark}`;
const ext = ({ command }: Answered): Record<string, string> => {
  assert.is(command.code, ResponseCode.SUCCESS, command.remark);
  return Object.fromEntries(command.ext);
};
const route = (server: NameServerDriver, topic = 'T', options = {}): Answered =>
  server.ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic }, options);
const routed = (server: NameServerDriver, topic = 'T'): boolean =>
  route(server, topic).command.code === ResponseCode.SUCCESS;
const topics = (server: NameServerDriver, code: number, header = {}): unknown =>
  (json(server.ask(code, header)) as { topicList: string[] }).topicList;

const life = suite('name server: life');

life('is ready when its listener is bound', () => {
  assert.ok(new NameServerDriver().isReady);
});

life('writes the KV configuration when it stops, and starts without routes', () => {
  const server = new NameServerDriver();
  register(server, brokerA);
  server.disk.inject({ operation: 'write', pathPart: 'kvConfig', code: 'ENOSPC', times: 1 });
  const put = server.ask(RequestCode.PUT_KV_CONFIG, { namespace: 'N', key: 'k', value: 'v' });
  assert.match(refusal(put), /^1 the change is in effect, but a restart would lose it.*ENOSPC/);
  server.stop();
  server.restart();
  assert.ok(server.isReady);
  assert.equal(ext(server.ask(RequestCode.GET_KV_CONFIG, { namespace: 'N', key: 'k' })), { value: 'v' });
  assert.not(routed(server));
});

life('counts requests and errors by the name of their codes', () => {
  const server = new NameServerDriver();
  route(server);
  route(server);
  server.ask(RequestCode.SEND_MESSAGE_V2);
  server.ask(4711);
  const unit = 'namesrv-a';
  assert.is(server.counted('hangar_requests_total', { unit, code: 'GET_ROUTEINFO_BY_TOPIC' }), 2);
  assert.is(server.counted('hangar_requests_total', { unit, code: 'UNSUPPORTED' }), 2);
  assert.is(
    server.counted('hangar_request_errors_total', {
      unit,
      code: 'GET_ROUTEINFO_BY_TOPIC',
      response: 'TOPIC_NOT_EXIST',
    }),
    2,
  );
  assert.is(
    server.counted('hangar_request_errors_total', {
      unit,
      code: 'UNSUPPORTED',
      response: 'REQUEST_CODE_NOT_SUPPORTED',
    }),
    2,
  );
});

life('shows how full its tables are', () => {
  const server = new NameServerDriver();
  const unit = 'namesrv-a';
  register(server, brokerA, { topics: { T: {}, U: {} } });
  assert.is(server.counted('hangar_namesrv_topics', { unit }), 2);
  assert.is(server.counted('hangar_namesrv_brokers', { unit }), 1);
  const { body } = route(server);
  assert.is(server.counted('hangar_namesrv_route_cache_bytes', { unit }), body.length);
  server.close(1);
  assert.is(server.counted('hangar_namesrv_topics', { unit }), 0);
  assert.is(server.counted('hangar_namesrv_brokers', { unit }), 0);
});

life.run();

const protocol = suite('name server: protocol');

protocol('answers in the serialization of the request', () => {
  const server = new NameServerDriver();
  register(server, brokerA, { serialization: Serialization.ROCKETMQ });
  for (const serialization of [Serialization.ROCKETMQ, Serialization.JSON]) {
    assert.is(route(server, 'T', { serialization }).command.serialization, serialization);
    assert.is(route(server, 'none', { serialization }).command.code, ResponseCode.TOPIC_NOT_EXIST);
  }
});

protocol('refuses codes that are not for name servers, in the words that clients know', () => {
  const server = new NameServerDriver();
  for (const code of [RequestCode.HEART_BEAT, 217, 901, 200_050]) {
    assert.is(refusal(server.ask(code)), `3  request type ${code} not supported`);
  }
});

protocol('does what one-way requests ask and never answers them', () => {
  const server = new NameServerDriver();
  const body = registerBody({});
  const header = registerHeader(brokerA, body, false);
  server.send(RequestCode.REGISTER_BROKER, header, { body, flag: 2 });
  server.send(RequestCode.PUT_KV_CONFIG, { namespace: 'N', key: 'k', value: 'v' }, { flag: 2 });
  server.send(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'none' }, { flag: 2 });
  server.send(4711, {}, { flag: 2 });
  assert.is(server.recorded.frames.length, 0);
  assert.ok(routed(server));
  assert.match(server.disk.readFile(KV_PATH)!.toString(), /"k":"v"/, 'a one-way put is saved, too');
});

protocol('ignores answers to questions that it never asked', () => {
  const server = new NameServerDriver();
  server.send(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'T' }, { flag: 1 });
  assert.is(server.recorded.frames.length, 0);
});

protocol('closes a connection whose header cannot be read', () => {
  const server = new NameServerDriver();
  const header = Buffer.from('{"code":105,');
  server.post(7, Buffer.concat([Buffer.from([0, 0, 0, 4 + header.length, 0, 0, 0, header.length]), header]));
  server.settle();
  assert.equal(server.recorded, { frames: [], closed: [7] });
});

protocol('names the header field that is missing or malformed', () => {
  const server = new NameServerDriver();
  assert.is(refusal(server.ask(RequestCode.GET_ROUTEINFO_BY_TOPIC)), '1 the header field <topic> is missing');
  const header = { ...registerHeader(brokerA, Buffer.alloc(0), false), brokerId: 'x' };
  assert.is(
    refusal(server.ask(RequestCode.REGISTER_BROKER, header)),
    '1 the header field <brokerId> is not a long below 2^53: "x"',
  );
});

protocol.run();

const registration = suite('name server: registration');

registration('makes a topic known, with and without compression', () => {
  for (const compressed of [false, true]) {
    const server = new NameServerDriver();
    const answer = register(server, brokerA, {
      compressed,
      topics: { T: { readQueueNums: 3, perm: 4 }, 'ümlaut%': {} },
    });
    assert.equal(ext(answer), {});
    assert.is(answer.body.length, 0);
    const { queueDatas } = json(route(server)) as { queueDatas: unknown };
    assert.equal(queueDatas, [
      { brokerName: 'broker-a', perm: 4, readQueueNums: 3, topicSysFlag: 0, writeQueueNums: 4 },
    ]);
    assert.ok(routed(server, 'ümlaut%'));
  }
});

registration('takes the bare wrapper of brokers before 3.0.11', () => {
  const server = new NameServerDriver();
  register(server, brokerA, { bare: true, version: 36 });
  assert.ok(routed(server));
});

registration('takes a broker without body as one with an empty table', () => {
  const server = new NameServerDriver();
  const header = registerHeader(brokerA, Buffer.alloc(0), false);
  for (const version of [36, 407]) {
    assert.equal(ext(server.ask(RequestCode.REGISTER_BROKER, header, { version })), {});
  }
  assert.equal(topics(server, RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS), ['C', 'broker-a']);
  const known = server.ask(RequestCode.QUERY_DATA_VERSION, header, { body: '{"counter":0,"timestamp":0}' });
  assert.is(ext(known).changed, 'false');
});

registration('tells slaves the address of their master and its HA port', () => {
  const server = new NameServerDriver();
  assert.equal(ext(register(server, slaveOfA, { connection: 2 })), {});
  assert.equal(ext(register(server, brokerA)), {});
  const answer = ext(register(server, slaveOfA, { connection: 2 }));
  assert.equal(answer, { haServerAddr: '10.0.0.1:10912', masterAddr: '10.0.0.1:10911' });
});

registration('answers with the order configuration', () => {
  const server = new NameServerDriver();
  server.ask(RequestCode.PUT_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'broker-a:4' });
  assert.is(text(register(server, brokerA)), '{"table":{"T":"broker-a:4"}}');
});

registration('refuses a body whose checksum is another one, and skips the check without checksum', () => {
  const server = new NameServerDriver();
  const body = registerBody({});
  const header = registerHeader(brokerA, body, false);
  const bad = server.ask(RequestCode.REGISTER_BROKER, { ...header, bodyCrc32: '1' }, { body });
  assert.match(refusal(bad), /^1 crc32 not match/);
  assert.not(routed(server));
  server.ask(RequestCode.REGISTER_BROKER, { ...header, bodyCrc32: '0' }, { body });
  assert.ok(routed(server));
});

registration('refuses malformed bodies, saying what is wrong', () => {
  const server = new NameServerDriver();
  const bodies: readonly (readonly [string, boolean])[] = [
    ['{"topicConfigSerializeWrapper":', false],
    ['[]', false],
    ['{"topicConfigSerializeWrapper":{"topicConfigTable":{"T":{"perm":"x"}}}}', false],
    ['no zlib stream', true],
  ];
  for (const [body, compressed] of bodies) {
    const header = registerHeader(brokerA, Buffer.from(body), compressed);
    const answer = server.ask(RequestCode.REGISTER_BROKER, header, { body });
    assert.is(answer.command.code, ResponseCode.SYSTEM_ERROR, body);
    assert.ok((answer.command.remark ?? '').length > 10, answer.command.remark);
  }
  assert.equal(topics(server, RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS), [], 'nothing of it is kept');
});

registration('refuses what inflates beyond its bound', () => {
  const server = new NameServerDriver();
  const body = deflateSync(Buffer.alloc(MAX_INFLATED_BYTES + 1));
  const answer = server.ask(RequestCode.REGISTER_BROKER, registerHeader(brokerA, body, true), { body });
  assert.match(refusal(answer), /^1 compressed body cannot be inflated/);
});

registration('refuses what does not fit into its tables, and logs it', () => {
  const server = new NameServerDriver({ topics: 1 });
  assert.match(refusal(register(server, brokerA, { topics: { T: {}, U: {} } })), /^1 2 new topics do not fit/);
  assert.ok(server.logged.some((line) => line.startsWith('warn registration refused')));
});

registration.run();

const liveness = suite('name server: liveness');

liveness('removes a broker as soon as its connection closes', () => {
  const server = new NameServerDriver();
  register(server, brokerA, { connection: 5 });
  server.close(6);
  assert.ok(routed(server));
  server.close(5);
  assert.not(routed(server));
});

liveness('removes a broker that is silent for 120 s, within 10 s, and closes its connection', () => {
  const server = new NameServerDriver();
  register(server, brokerA, { connection: 5 });
  server.advance(120_000);
  assert.ok(routed(server));
  server.advance(10_000);
  assert.not(routed(server));
  assert.equal(server.recorded.closed, [5]);
});

liveness('keeps a broker that registers every 30 s, or that asks for its unchanged data version', () => {
  const server = new NameServerDriver();
  register(server, brokerA);
  for (let round = 0; round < 10; round++) {
    server.advance(60_000);
    if (round % 2 === 0) register(server, brokerA);
    else {
      const body = '{"counter":1,"timestamp":1700000000000}';
      const { brokerId, ...rest } = brokerA;
      assert.equal(ext(server.ask(RequestCode.QUERY_DATA_VERSION, { ...rest, brokerId: '0' }, { body })), {
        changed: 'false',
      });
    }
  }
  assert.ok(routed(server));
});

liveness('does not count a question about another data version', () => {
  const server = new NameServerDriver();
  register(server, brokerA);
  server.advance(100_000);
  const { brokerId, ...rest } = brokerA;
  const header = { ...rest, brokerId: '0' };
  const answer = server.ask(RequestCode.QUERY_DATA_VERSION, header, { body: '{"counter":2,"timestamp":1}' });
  assert.equal(ext(answer), { changed: 'true' });
  assert.is(text(answer), '{"counter":1,"timestamp":1700000000000}');
  server.advance(30_001);
  assert.not(routed(server));
});

liveness('answers "changed" to a broker that it does not know, and refuses a question without data version', () => {
  const server = new NameServerDriver();
  const { brokerId, ...rest } = brokerA;
  const header = { ...rest, brokerId: '0' };
  const answer = server.ask(RequestCode.QUERY_DATA_VERSION, header, { body: '{"counter":2,"timestamp":1}' });
  assert.equal(ext(answer), { changed: 'true' });
  assert.is(answer.body.length, 0);
  assert.is(server.ask(RequestCode.QUERY_DATA_VERSION, header).command.code, ResponseCode.SYSTEM_ERROR);
});

liveness('unregisters', () => {
  const server = new NameServerDriver();
  register(server, brokerA);
  register(server, brokerB, { connection: 2 });
  const { haServerAddr, brokerId, ...identity } = brokerA;
  ext(server.ask(RequestCode.UNREGISTER_BROKER, { ...identity, brokerId: '0' }));
  assert.equal(topics(server, RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS), ['C', 'broker-b']);
  assert.match(text(route(server)), /"brokerName":"broker-b"/);
});

liveness.run();

const routes = suite('name server: routes');

routes('are text without white space: bare keys for old clients, quoted keys and ASCII for those since 4.9.4', () => {
  const server = new NameServerDriver();
  const facts = { ...brokerA, clusterName: 'Zürich' };
  register(server, facts, { filterServers: ['10.0.0.1:1'] });
  register(server, { ...slaveOfA, clusterName: 'Zürich' }, { connection: 2 });
  register(
    server,
    { ...brokerB, clusterName: 'Zürich' },
    { connection: 3, topics: { T: { perm: 2, topicSysFlag: 1 } } },
  );
  const old =
    '{"brokerDatas":[' +
    '{"brokerAddrs":{0:"10.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"broker-a","cluster":"Zürich"},' +
    '{"brokerAddrs":{0:"10.0.0.3:10911"},"brokerName":"broker-b","cluster":"Zürich"}],' +
    '"filterServerTable":{"10.0.0.1:10911":["10.0.0.1:1"]},"queueDatas":[' +
    '{"brokerName":"broker-a","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4},' +
    '{"brokerName":"broker-b","perm":2,"readQueueNums":4,"topicSysFlag":1,"writeQueueNums":4}]}';
  const strict = old.replace(/\{0:/g, '{"0":').replace(',1:', ',"1":').replace(/ü/g, '\\u00FC');
  assert.is(text(route(server, 'T', { version: 317 })), old);
  assert.is(text(route(server, 'T', { version: 400 })), old);
  assert.is(text(route(server, 'T', { version: 401 })), strict);
  const asked = server.ask(
    RequestCode.GET_ROUTEINFO_BY_TOPIC,
    { topic: 'T', acceptStandardJsonOnly: 'true' },
    { version: 317 },
  );
  assert.is(text(asked), strict);
});

routes('of an unknown topic: 17 with the text that clients look for', () => {
  const server = new NameServerDriver();
  const expected =
    '17 No topic route info in name server for the topic: none\nSee http://rocketmq.apache.org/docs/faq/ for further details.';
  assert.is(refusal(route(server, 'none')), expected);
  const long = route(server, 'x'.repeat(100_000)).command;
  assert.is(long.code, ResponseCode.TOPIC_NOT_EXIST);
  assert.match(long.remark!, /See http/);
  assert.ok(long.remark!.length < 1100);
});

routes('are never older than the last change', () => {
  const server = new NameServerDriver();
  register(server, brokerA);
  const first = text(route(server));
  assert.is(text(route(server)), first);
  register(server, slaveOfA, { connection: 2 });
  assert.match(text(route(server)), /"1":"10.0.0.2:10911"/);
  register(server, brokerA, { counter: 2, topics: { T: { perm: 4 } } });
  assert.match(text(route(server)), /"perm":4/);
  server.close(2);
  assert.not.match(text(route(server)), /10.0.0.2/);
});

routes('name the queues of ordered topics only with orderMessageEnable, which can be switched while it runs', () => {
  const server = new NameServerDriver();
  register(server, brokerA);
  server.ask(RequestCode.PUT_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T', value: 'broker-a:4;broker-b:4' });
  assert.not.match(text(route(server)), /orderTopicConf/);
  ext(server.ask(RequestCode.UPDATE_NAMESRV_CONFIG, {}, { body: 'orderMessageEnable=true' }));
  assert.match(text(route(server)), /"orderTopicConf":"broker-a:4;broker-b:4","queueDatas"/);
  server.ask(RequestCode.DELETE_KV_CONFIG, { namespace: 'ORDER_TOPIC_CONFIG', key: 'T' });
  assert.not.match(text(route(server)), /orderTopicConf/);
});

routes('of the whole cluster, in the dialect of old clients whatever the version', () => {
  const server = new NameServerDriver();
  assert.is(text(server.ask(RequestCode.GET_BROKER_CLUSTER_INFO)), '{"brokerAddrTable":{},"clusterAddrTable":{}}');
  register(server, brokerB, { connection: 3 });
  register(server, brokerA);
  register(server, slaveOfA, { connection: 2 });
  assert.is(
    text(server.ask(RequestCode.GET_BROKER_CLUSTER_INFO)),
    '{"brokerAddrTable":{' +
      '"broker-a":{"brokerAddrs":{0:"10.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"broker-a","cluster":"C"},' +
      '"broker-b":{"brokerAddrs":{0:"10.0.0.3:10911"},"brokerName":"broker-b","cluster":"C"}},' +
      '"clusterAddrTable":{"C":["broker-a","broker-b"]}}',
  );
});

routes.run();

const admin = suite('name server: administration');

admin('wipes and adds write permission, answering how many topics', () => {
  const server = new NameServerDriver();
  register(server, brokerA, { topics: { T: {}, U: {} } });
  const header = { brokerName: 'broker-a' };
  assert.equal(ext(server.ask(RequestCode.WIPE_WRITE_PERM_OF_BROKER, header)), { wipeTopicCount: '2' });
  assert.match(text(route(server)), /"perm":4/);
  assert.equal(ext(server.ask(RequestCode.ADD_WRITE_PERM_OF_BROKER, header)), { addTopicCount: '2' });
  assert.match(text(route(server)), /"perm":6/);
  assert.equal(ext(server.ask(RequestCode.WIPE_WRITE_PERM_OF_BROKER, { brokerName: 'none' })), { wipeTopicCount: '0' });
});

admin('deletes topics, of one cluster or of all', () => {
  const server = new NameServerDriver();
  register(server, brokerA);
  register(server, { ...brokerB, clusterName: 'D' }, { connection: 2 });
  ext(server.ask(RequestCode.DELETE_TOPIC_IN_NAMESRV, { topic: 'T', clusterName: 'unknown' }));
  ext(server.ask(RequestCode.DELETE_TOPIC_IN_NAMESRV, { topic: 'T', clusterName: 'D' }));
  assert.not.match(text(route(server)), /broker-b/);
  ext(server.ask(RequestCode.DELETE_TOPIC_IN_NAMESRV, { topic: 'T', clusterName: '' }));
  assert.not(routed(server));
});

admin('lists topics: all, by cluster, of the system, by unit flags', () => {
  const server = new NameServerDriver();
  assert.is(text(server.ask(RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER)), '{"topicList":[]}');
  register(server, brokerA, {
    topics: { plain: {}, unit: { topicSysFlag: 1 }, sub: { topicSysFlag: 2 }, both: { topicSysFlag: 3 } },
  });
  register(server, { ...brokerB, clusterName: 'D' }, { connection: 2, topics: { T: {} } });
  const all = ['plain', 'unit', 'sub', 'both', 'T'];
  assert.equal(topics(server, RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER), all);
  assert.equal(topics(server, RequestCode.GET_TOPICS_BY_CLUSTER, { cluster: 'D' }), ['T']);
  assert.equal(topics(server, RequestCode.GET_TOPICS_BY_CLUSTER, { cluster: 'none' }), []);
  assert.is(
    text(server.ask(RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS)),
    '{"brokerAddr":"10.0.0.1:10911","topicList":["C","broker-a","D","broker-b"]}',
  );
  assert.equal(topics(server, RequestCode.GET_UNIT_TOPIC_LIST), ['unit', 'both']);
  assert.equal(topics(server, RequestCode.GET_HAS_UNIT_SUB_TOPIC_LIST), ['sub', 'both']);
  assert.equal(topics(server, RequestCode.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST), ['sub']);
});

admin('refuses an answer that does not fit into a frame', () => {
  const server = new NameServerDriver({ responseBytes: 2000 });
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`topic-${index}`, {}]));
  register(server, brokerA, { topics: many });
  assert.match(refusal(server.ask(RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER)), /^1 the answer has \d+ bytes/);
});

admin('logs what was changed and by whom, and nothing of requests that changed nothing', () => {
  const server = new NameServerDriver();
  server.open(1);
  register(server, brokerA);
  const long = 'x'.repeat(100_000);
  const header = { ...brokerA, brokerName: long, brokerId: '0', topic: long };
  const codes = [
    RequestCode.WIPE_WRITE_PERM_OF_BROKER,
    RequestCode.DELETE_TOPIC_IN_NAMESRV,
    RequestCode.UNREGISTER_BROKER,
    RequestCode.REGISTER_BROKER,
  ];
  for (const code of codes) server.ask(code, header);
  assert.is(server.logged.filter((line) => line.startsWith('info')).length, 1);
  assert.ok(Math.max(...server.logged.map((line) => line.length)) < 1000);
  server.logged.length = 0;
  const known = { ...brokerA, brokerId: '0', topic: 'T' };
  for (const code of codes.slice(0, 3)) server.ask(code, known);
  assert.equal(
    server.logged.map((line) => line.slice(0, line.indexOf('{') - 1)),
    ['info write permission wiped', 'info topic deleted', 'info broker unregistered'],
  );
  assert.ok(server.logged.every((line) => line.includes('"by":"10.1.1.1:1"')));
});

admin.run();

const kv = suite('name server: KV configuration');
const entry = { namespace: 'N', key: 'k' };

kv('puts, gets, lists and deletes; what is answered survives a power loss', () => {
  const server = new NameServerDriver();
  ext(server.ask(RequestCode.PUT_KV_CONFIG, { ...entry, value: 'v' }));
  server.disk.processKill();
  server.restart();
  assert.equal(ext(server.ask(RequestCode.GET_KV_CONFIG, entry)), { value: 'v' });
  assert.is(text(server.ask(RequestCode.GET_KVLIST_BY_NAMESPACE, entry)), '{"table":{"k":"v"}}');
  ext(server.ask(RequestCode.DELETE_KV_CONFIG, entry));
  ext(server.ask(RequestCode.DELETE_KV_CONFIG, entry));
  server.disk.processKill();
  server.restart();
  assert.is(refusal(server.ask(RequestCode.GET_KV_CONFIG, entry)), '22 No config item, Namespace: N Key: k');
  assert.is(text(server.ask(RequestCode.GET_KVLIST_BY_NAMESPACE, entry)), '{"table":{}}');
  assert.is(
    refusal(server.ask(RequestCode.GET_KVLIST_BY_NAMESPACE, { namespace: 'X' })),
    '22 No config item, Namespace: X',
  );
});

kv('saves the puts of one turn together and answers each', () => {
  const server = new NameServerDriver();
  ext(server.ask(RequestCode.PUT_KV_CONFIG, { ...entry, value: 'v' }));
  const before = server.disk.readFile(`${KV_PATH}.bak`);
  assert.is(before, undefined);
  for (let index = 0; index < 10; index++)
    server.postRequest(RequestCode.PUT_KV_CONFIG, { ...entry, value: `v${index}` });
  server.settle();
  const answers = server.take();
  assert.equal(
    answers.map(({ command }) => command.code),
    Array(10).fill(ResponseCode.SUCCESS),
  );
  assert.match(server.disk.readFile(`${KV_PATH}.bak`)!.toString(), /"k":"v"/, 'one save, not ten');
  assert.match(server.disk.readFile(KV_PATH)!.toString(), /"k":"v9"/);
});

kv('tells when it cannot be saved, and saves by itself later', () => {
  const server = new NameServerDriver();
  server.disk.inject({ operation: 'sync', pathPart: 'kvConfig', code: 'EIO', times: 1 });
  assert.match(refusal(server.ask(RequestCode.PUT_KV_CONFIG, { ...entry, value: 'v' })), /^1 .*EIO/);
  server.advance(10_000);
  assert.match(server.disk.readFile(KV_PATH)!.toString(), /"k":"v"/);
});

kv('refuses what is too much, and values that an answer could not carry', () => {
  const server = new NameServerDriver({ kvEntries: 2 });
  ext(server.ask(RequestCode.PUT_KV_CONFIG, { ...entry, value: 'v' }));
  const full = server.ask(RequestCode.PUT_KV_CONFIG, { ...entry, key: 'l', value: 'v' });
  assert.match(refusal(full), /^1 the KV configuration holds 2/);
  const control = '\u0001'.repeat(3 * 1024 * 1024);
  ext(server.ask(RequestCode.PUT_KV_CONFIG, { ...entry, value: control }, { serialization: Serialization.ROCKETMQ }));
  assert.match(refusal(server.ask(RequestCode.GET_KV_CONFIG, entry)), /^1 the answer .*does not fit/);
});

kv.run();

const settings = suite('name server: settings');
const update = (server: NameServerDriver, body: string): Answered =>
  server.ask(RequestCode.UPDATE_NAMESRV_CONFIG, {}, { body });
const shown = (server: NameServerDriver): string[] =>
  text(server.ask(RequestCode.GET_NAMESRV_CONFIG)).trimEnd().split('\n');

settings('are shown as lines, those of the listener included', () => {
  const lines = shown(new NameServerDriver({}, 'listenPort=9999'));
  assert.ok(lines.includes('orderMessageEnable=false'));
  assert.ok(lines.includes('listenPort=9999'));
  assert.ok(lines.includes(`kvConfigPath=${KV_PATH}`));
});

settings('are changed in the file, at once or from the next start on', () => {
  const server = new NameServerDriver({}, '# mine\nlistenPort=9999\n');
  ext(update(server, 'orderMessageEnable=true\nlistenPort=9998\nunknown=1\n'));
  assert.ok(shown(server).includes('listenPort=9998'));
  assert.is(server.disk.readFile(CONFIG_PATH)!.toString(), '# mine\nlistenPort=9998\norderMessageEnable=true\n');
  server.restart();
  assert.ok(shown(server).includes('orderMessageEnable=true'));
});

settings('take a pending change back', () => {
  const server = new NameServerDriver({}, 'listenPort=9999\n');
  ext(update(server, 'listenPort=9998'));
  ext(update(server, 'listenPort=9999'));
  assert.ok(shown(server).includes('listenPort=9999'));
  assert.is(server.disk.readFile(CONFIG_PATH)!.toString(), 'listenPort=9999\n');
});

settings('refuse keys that may not be changed, wrong values, and files that cannot be written', () => {
  const server = new NameServerDriver();
  for (const key of ['kvConfigPath', 'configStorePath', 'rocketmqHome', 'configBlackList']) {
    assert.is(refusal(update(server, `${key}=/x`)), '16 Can not update config in black list.');
  }
  assert.match(refusal(update(server, 'orderMessageEnable=perhaps')), /^1 .*orderMessageEnable.*true or false/);
  server.disk.inject({ operation: 'write', pathPart: CONFIG_PATH, code: 'ENOSPC', times: 1 });
  assert.match(refusal(update(server, 'orderMessageEnable=true')), /^1 .*cannot be saved.*ENOSPC/);
  assert.ok(shown(server).includes('orderMessageEnable=false'));
  ext(update(server, ''));
});

settings.run();

const two = suite('two name servers');

two('know nothing of each other', () => {
  const [one, other] = [new NameServerDriver(), new NameServerDriver()];
  register(one, brokerA);
  assert.ok(routed(one));
  assert.not(routed(other));
});

two.run();
