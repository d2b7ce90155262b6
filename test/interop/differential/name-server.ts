/** What clients and tools ask a name server. */
import type { Fields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import type { Json } from './fastjson.js';
import type { Intended, Part } from './part.js';
import type { Asked, Script } from './script.js';

const NS = {
  PUT_KV: 100,
  GET_KV: 101,
  DELETE_KV: 102,
  WIPE_WRITE: 205,
  ALL_TOPICS: 206,
  DELETE_TOPIC: 216,
  KV_LIST: 219,
  BY_CLUSTER: 224,
  SYSTEM_TOPICS: 304,
  UNIT_TOPICS: 311,
  UNIT_SUB_TOPICS: 312,
  UNIT_SUB_UNUNIT_TOPICS: 313,
  UPDATE_CONFIG: 318,
  GET_CONFIG: 319,
  DATA_VERSION: 322,
  ADD_WRITE: 327,
} as const;

async function run(script: Script): Promise<void> {
  const from = await script.connect(script.servers.namesrv);
  const topic = 'routes-topic';
  await script.createTopic(topic, 3, { readQueueNums: 5, perm: 4, topicSysFlag: 3 });
  const ask = (what: string, code: number, fields: Fields = {}, asked: Asked = {}) =>
    script.ask(what, code, fields, { from, ...asked });
  await ask('a route', Code.ROUTE, { topic });
  await ask('a route for an older client', Code.ROUTE, { topic }, { version: 317 });
  await ask(
    'a route for an older client that reads standard JSON',
    Code.ROUTE,
    { topic, acceptStandardJsonOnly: true },
    { version: 317 },
  );
  await ask('a route, with the ROCKETMQ serialization', Code.ROUTE, { topic }, { binary: true });
  await ask('a route of a topic that nobody knows', Code.ROUTE, { topic: 'routes-nobody' });
  await ask('a route of an empty topic', Code.ROUTE, { topic: '' });
  await ask('a route of no topic', Code.ROUTE);
  await ask('the cluster', Code.CLUSTER_INFO);
  await ask('the cluster, for an older client', Code.CLUSTER_INFO, {}, { version: 317 });
  const known = (json: Json) => (json as { topicList: string[] }).topicList.filter((name) => name.startsWith('routes'));
  await ask('all topics', NS.ALL_TOPICS, {}, { pick: known });
  await ask('topics of the cluster', NS.BY_CLUSTER, { cluster: 'rocketmq-cluster' }, { pick: known });
  await ask('topics of a cluster that nobody knows', NS.BY_CLUSTER, { cluster: 'nobody' });
  await ask('topics of no cluster', NS.BY_CLUSTER);
  await ask('system topics', NS.SYSTEM_TOPICS);
  for (const code of [NS.UNIT_TOPICS, NS.UNIT_SUB_TOPICS, NS.UNIT_SUB_UNUNIT_TOPICS])
    await ask(`topics of units, ${code}`, code, {}, { pick: known });
  await ask('a value is put', NS.PUT_KV, { namespace: 'n', key: 'k', value: 'v' });
  await ask('a value', NS.GET_KV, { namespace: 'n', key: 'k' });
  await ask('values', NS.KV_LIST, { namespace: 'n' });
  await ask('a value that is not there', NS.GET_KV, { namespace: 'n', key: 'nobody' });
  await ask('a value of a namespace that is not there', NS.GET_KV, { namespace: 'nobody', key: 'k' });
  await ask('values of a namespace that is not there', NS.KV_LIST, { namespace: 'nobody' });
  await ask('a value without a key is put', NS.PUT_KV, { namespace: 'n', value: 'v' });
  await ask('a value without a value is put', NS.PUT_KV, { namespace: 'n', key: 'none' });
  await ask('a value goes', NS.DELETE_KV, { namespace: 'n', key: 'k' });
  await ask('a value goes twice', NS.DELETE_KV, { namespace: 'n', key: 'k' });
  await ask('a value goes from nowhere', NS.DELETE_KV, { namespace: 'nobody', key: 'k' });
  await ask('values afterwards', NS.KV_LIST, { namespace: 'n' });
  const version = {
    brokerName: 'broker-a',
    brokerAddr: script.servers.broker,
    clusterName: 'rocketmq-cluster',
    brokerId: 0,
  };
  await ask('a data version that is another', NS.DATA_VERSION, version, {
    body: { counter: 1, timestamp: 1 },
    pick: (json) => Object.keys(json as object),
  });
  await ask(
    'the data version of nobody',
    NS.DATA_VERSION,
    { ...version, brokerAddr: '127.0.0.1:1' },
    { body: { counter: 1, timestamp: 1 } },
  );
  await ask('writes to nobody are forbidden', NS.WIPE_WRITE, { brokerName: 'nobody' });
  await ask('writes to nobody are allowed', NS.ADD_WRITE, { brokerName: 'nobody' });
  await ask('a topic that nobody knows goes', NS.DELETE_TOPIC, { topic: 'routes-nobody' });
  await ask('no topic goes', NS.DELETE_TOPIC);
  await ask('a topic goes from a cluster that nobody knows', NS.DELETE_TOPIC, { topic, clusterName: 'nobody' });
  await ask('a route after that', Code.ROUTE, { topic });
  await ask('a topic goes', NS.DELETE_TOPIC, { topic });
  await ask('a route of a topic that went', Code.ROUTE, { topic });
  await ask('a forbidden key', NS.UPDATE_CONFIG, {}, { body: 'kvConfigPath=/tmp/x\n' });
  await ask('a key that nobody knows', NS.UPDATE_CONFIG, {}, { body: 'nobodyKnowsThis=1\n' });
  await ask('a key', NS.UPDATE_CONFIG, {}, { body: 'orderMessageEnable=true\n' });
  await ask('no configuration', NS.UPDATE_CONFIG);
  await ask('a broker that nobody knows goes', 104, { ...version, brokerName: 'nobody', brokerAddr: '127.0.0.1:1' });
}

const INTENDED: readonly Intended[] = [
  {
    at: 'code',
    because: 'no client leaves it out, and Apache takes the word null for it: ours names what is missing',
    cases: ['a route of no topic', 'topics of no cluster', 'a value without a value is put', 'no topic goes'],
  },
];

export const nameServer: Part = { name: 'name server', run, intended: INTENDED };
