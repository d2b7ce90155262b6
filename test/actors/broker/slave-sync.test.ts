import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { topicsText } from '../../../src/actors/broker/tables/config-files.js';
import { SLAVE_COMMITS_MAX } from '../../../src/actors/broker/replication/slave-commits.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { type Answered, BrokerDriver, NAME_SERVER, type Peer } from './driver.js';

const MASTER = '10.0.0.1:10911';
const MASTER_VIP = '10.0.0.1:10909';

const topic = (topicName: string, perm = 6) =>
  `"${topicName}":{"order":false,"perm":${perm},"readQueueNums":4,"topicFilterType":"SINGLE_TAG","topicName":"${topicName}","topicSysFlag":0,"writeQueueNums":4}`;
const table = (counter: number, ...topics: string[]) =>
  `{"dataVersion":{"counter":${counter},"timestamp":1700000000000},"topicConfigTable":{${topics.join(',')}}}`;
const groupTable = (counter: number, ...groups: string[]) =>
  `{"dataVersion":{"counter":${counter},"timestamp":1700000000000},"subscriptionGroupTable":{${groups
    .map((name) => `"${name}":{"groupName":"${name}"}`)
    .join(',')}}}`;

interface Master {
  topics: string;
  groups: string;
  offsets: string;
  delay: string;
}

/** A slave whose name server knows its master already, and whose master has these tables. */
function slaveOf(master: Master, disk?: BrokerDriver['disk']): BrokerDriver {
  const broker = new BrokerDriver({
    settings: 'brokerRole=SLAVE\nbrokerId=1\n',
    ...(disk === undefined ? {} : { disk }),
  });
  const ext = { masterAddr: MASTER, haServerAddr: '10.0.0.1:10912' };
  broker.peers.set(NAME_SERVER, () => ({ parts: { ext } }));
  const answer: Peer = ({ command }: Answered) => {
    switch (command.code) {
      case RequestCode.GET_ALL_TOPIC_CONFIG:
        return { body: master.topics };
      case RequestCode.GET_ALL_CONSUMER_OFFSET:
        return { body: master.offsets };
      case RequestCode.GET_ALL_DELAY_OFFSET:
        return { body: master.delay };
      case RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG:
        return { body: master.groups };
      default:
        return { parts: { code: 3 } };
    }
  };
  broker.peers.set(MASTER, answer);
  broker.peers.set(MASTER_VIP, answer);
  return broker;
}

const masterTables = (): Master => ({
  topics: table(7, topic('orders'), topic('TBW102', 7)),
  groups: groupTable(3, 'g'),
  offsets: '{"offsetTable":{"orders@g":{0:120}}}',
  delay: '{"offsetTable":{1:15}}',
});

const sync = suite('broker: a slave copies its master');

sync('everything as soon as the master is known, topics from its VIP port', () => {
  const broker = slaveOf(masterTables()).start();
  assert.equal(
    broker.asked
      .filter(({ address }) => address !== NAME_SERVER)
      .map(({ address, command }) => [address, command.code]),
    [
      [MASTER_VIP, RequestCode.GET_ALL_TOPIC_CONFIG],
      [MASTER, RequestCode.GET_ALL_CONSUMER_OFFSET],
      [MASTER, RequestCode.GET_ALL_DELAY_OFFSET],
      [MASTER, RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG],
    ],
  );
  const { topics, groups, offsets } = broker.state;
  assert.equal([...topics.all()].map(({ name }) => name).sort(), ['TBW102', 'orders']);
  assert.equal(topics.version, { counter: 7, timestamp: 1700000000000 });
  assert.equal(
    [...groups.all()].map(({ groupName }) => groupName),
    ['g'],
  );
  assert.equal(groups.version, { counter: 3, timestamp: 1700000000000 });
  assert.is(offsets.get('g', 'orders', 0), 120);
  assert.is(broker.state.slaveSync!.completed, 1);
});

sync('what it copied is in its files and with its queue hosts', () => {
  const broker = slaveOf(masterTables()).start();
  assert.match(broker.file('topics.json')!, '"orders"');
  assert.match(broker.file('subscriptionGroup.json')!, '"g"');
  assert.is(broker.file('delayOffset.json'), '{"offsetTable":{1:15}}');
  broker.advance(10_000);
  assert.match(broker.file('consumerOffset.json')!, '"orders@g":{0:120');
  for (const host of [0, 1] as const) {
    assert.ok(broker.takeTold(host, 'topic').some(({ value }) => (value as { topic: string }).topic === 'orders'));
    assert.ok(broker.takeTold(host, 'group').some(({ value }) => (value as { group: string }).group === 'g'));
  }
});

sync('again after 3 s, then every 10 s; an equal version changes nothing', () => {
  const master = masterTables();
  const broker = slaveOf(master).start();
  for (const told of broker.hosts) told.length = 0;
  const rounds = [2_999, 1, 9_999, 1].map((ms) => {
    broker.advance(ms);
    return broker.state.slaveSync!.completed;
  });
  assert.equal(rounds, [1, 2, 2, 3]);
  assert.is(broker.takeTold(0, 'topic').length, 0);
  assert.is(broker.takeTold(0, 'group').length, 0);
});

sync('a topic that the master has no more goes with its queues, offsets are merged', () => {
  const master = masterTables();
  const broker = slaveOf(master).start();
  master.topics = table(8, topic('TBW102', 7), topic('new'));
  master.offsets = '{"offsetTable":{"new@g":{1:5}}}';
  master.groups = groupTable(4, 'h');
  broker.advance(3_000);
  assert.equal([...broker.state.topics.all()].map(({ name }) => name).sort(), ['TBW102', 'new']);
  assert.equal(
    broker
      .takeTold(0, 'topicDeleted')
      .map(({ value }) => value)
      .at(-1),
    { topic: 'orders', end: 0 },
  );
  assert.is(broker.state.offsets.get('g', 'orders', 0), 120);
  assert.is(broker.state.offsets.get('g', 'new', 1), 5);
  assert.is(broker.state.groups.get('g'), undefined);
  const forgotten = broker.takeTold(0, 'group').filter(({ value }) => (value as { group: string }).group === 'g');
  assert.is((forgotten.at(-1)!.value as { settings?: unknown }).settings, undefined);
});

sync('an empty table removes nothing', () => {
  const master = { ...masterTables(), topics: '{}' };
  const broker = slaveOf(master).start();
  assert.ok(broker.state.topics.get('TBW102')?.config);
});

sync('a master that fails is said once, tried again each round, and said when it is back', () => {
  const master = masterTables();
  const broker = slaveOf({ ...master, groups: 'nonsense' });
  broker.start();
  broker.advance(13_000);
  const said = broker.logged.filter((line) => line.includes('tables not copied from the master'));
  assert.is(said.length, 1);
  assert.match(said[0]!, 'answered 201 with a body that is none');
  assert.ok(broker.state.topics.get('orders'), 'what came before is taken');
});

const offsetOf = (queueOffset: string) => ({
  consumerGroup: 'g',
  topic: 'orders',
  queueId: '0',
  commitOffset: queueOffset,
});

/** Offsets that the master was told, as `group topic queue offset`. */
const toldOffsets = (broker: BrokerDriver): string[] =>
  broker.asked
    .filter(({ command }) => command.code === RequestCode.UPDATE_CONSUMER_OFFSET)
    .map(({ command: { ext } }) =>
      ['consumerGroup', 'topic', 'queueId', 'commitOffset'].map((key) => ext.get(key)).join(' '),
    );

sync('an offset that was committed while the master was away survives its return, and the master is told', () => {
  const master = masterTables();
  const broker = slaveOf(master).start();
  const answer = broker.peers.get(MASTER)!;
  broker.peers.delete(MASTER);
  broker.disconnectPeer(MASTER);
  const client = broker.open();
  assert.is(broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, offsetOf('150')).command.code, 0);
  broker.advance(10_000);
  assert.equal(toldOffsets(broker), [], 'nobody is there to tell');
  broker.peers.set(MASTER, (request) =>
    request.command.code === RequestCode.UPDATE_CONSUMER_OFFSET ? {} : answer(request),
  );
  broker.advance(10_000);
  assert.equal(toldOffsets(broker), ['g orders 0 150']);
  assert.is(broker.state.offsets.get('g', 'orders', 0), 150, "not the master's 120");
  assert.is(broker.state.slaveSync!.commits.size, 0, 'told once');
});

sync('an offset that the master has passed is forgotten, also when it is set back there later', () => {
  const master = masterTables();
  const broker = slaveOf(master).start();
  broker.ask(broker.open(), RequestCode.UPDATE_CONSUMER_OFFSET, offsetOf('110'));
  broker.advance(3_000);
  master.offsets = '{"offsetTable":{"orders@g":{0:20}}}';
  broker.advance(10_000);
  assert.equal(toldOffsets(broker), []);
  assert.is(broker.state.offsets.get('g', 'orders', 0), 20);
});

sync('offsets committed at a slave: no more than the bound are told the master, which the log says once', () => {
  const broker = slaveOf(masterTables()).start();
  const { commits } = broker.state.slaveSync!;
  for (let queueId = 0; queueId < SLAVE_COMMITS_MAX + 5; queueId++) commits.note('g', 'orders', queueId, 1);
  assert.is(commits.size, SLAVE_COMMITS_MAX);
  assert.is(broker.logged.filter((line) => line.includes('more offsets were committed here')).length, 1);
});

sync('two of ours: the tables become equal, text by text', () => {
  const first = new BrokerDriver().start();
  const client = first.open();
  const ext = {
    topic: 'T',
    defaultTopic: '',
    readQueueNums: '4',
    writeQueueNums: '4',
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
  };
  first.ask(client, RequestCode.UPDATE_AND_CREATE_TOPIC, ext);
  const body = (code: number) => first.ask(client, code).body.toString();
  const broker = slaveOf({
    topics: body(RequestCode.GET_ALL_TOPIC_CONFIG),
    groups: body(RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG),
    offsets: body(RequestCode.GET_ALL_CONSUMER_OFFSET),
    delay: body(RequestCode.GET_ALL_DELAY_OFFSET),
  }).start();
  assert.equal(
    JSON.parse(topicsText(broker.state.topics, 'plain')),
    JSON.parse(topicsText(first.state.topics, 'plain')),
  );
});

sync('a heartbeat makes no topics on a slave', () => {
  const broker = slaveOf(masterTables()).start();
  const consumer =
    '{"clientID":"c","consumerDataSet":[{"groupName":"x","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING"}]}';
  broker.send(broker.open(), RequestCode.HEART_BEAT, {}, { body: consumer });
  assert.is(broker.state.topics.get('%RETRY%x'), undefined);
  assert.ok(broker.state.groups.get('x'), 'its settings are needed for pulls before the next round');
});

sync.run();
