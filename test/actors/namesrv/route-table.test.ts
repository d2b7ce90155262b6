import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultLimits, type Limits } from '../../../src/actors/namesrv/limits.js';
import { prng } from '../../../src/base/prng.js';
import { BROKER_EXPIRY_MS, RouteTable } from '../../../src/actors/namesrv/route-table.js';
import { seedOf } from '../../support/seed.js';
import { type Changes, registration, topicEntry } from './registrations.js';

const version = (counter: number) => ({ counter, timestamp: 1 });
const table = (limits: Partial<Limits> = {}) => new RouteTable({ ...defaultLimits, ...limits });
const permOf = (routes: RouteTable, topic: string, broker = 'broker-a') =>
  routes.topics.get(topic)?.queues.get(broker)?.perm;
const addressesOf = (routes: RouteTable, broker = 'broker-a') =>
  Object.fromEntries(routes.brokers.get(broker)?.addresses ?? []);

const register = suite('route table: registration');

register('takes the topics of a master', () => {
  const routes = table();
  const result = routes.register(registration(), 0);
  assert.equal(result, { masterAddr: undefined, haServerAddr: undefined, isNew: true });
  assert.equal(routes.topics.get('T')?.queues.get('broker-a'), {
    readQueueNums: 4,
    writeQueueNums: 4,
    perm: 6,
    topicSysFlag: 0,
  });
  assert.equal([...routes.clusters], [['C', new Set(['broker-a'])]]);
  assert.equal(addressesOf(routes), { 0: '10.0.0.1:10911' });
});

register('tells a slave where its master is, once that is alive', () => {
  const routes = table();
  const slave = registration({ brokerId: 1, brokerAddr: '10.0.0.2:10911', connection: 2 });
  assert.equal(routes.register(slave, 0), { masterAddr: undefined, haServerAddr: undefined, isNew: true });
  routes.register(registration(), 0);
  const result = routes.register(slave, 0);
  assert.equal(result, { masterAddr: '10.0.0.1:10911', haServerAddr: '10.0.0.1:10912', isNew: false });
});

register('takes no topics from a slave', () => {
  const routes = table();
  routes.register(registration({ brokerId: 1 }), 0);
  assert.is(routes.topics.size, 0);
});

register('takes topics again only when the data version differs', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.register(registration({ topics: [topicEntry('T', { perm: 4 })] }), 0);
  assert.is(permOf(routes, 'T'), 6);
  routes.register(registration({ topics: [topicEntry('T', { perm: 4 })], dataVersion: version(2) }), 0);
  assert.is(permOf(routes, 'T'), 4);
});

register('takes the topics of an id that is new, even if its address has registered this version before', () => {
  const routes = table();
  routes.register(registration({ brokerId: 1 }), 0);
  routes.register(registration({ brokerId: 0 }), 0);
  assert.is(permOf(routes, 'T'), 6);
});

register('keeps topics that a registration does not name', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.register(registration({ topics: [topicEntry('U')], dataVersion: version(2) }), 0);
  assert.equal([...routes.topics.keys()], ['T', 'U']);
});

register('removes the same address from another id: a slave became master', () => {
  const routes = table();
  routes.register(registration({ brokerId: 1 }), 0);
  routes.register(registration({ brokerId: 0 }), 0);
  assert.equal(addressesOf(routes), { 0: '10.0.0.1:10911' });
});

register('replaces the address of an id; the old one leaves nothing behind when it expires', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.register(registration({ brokerAddr: '10.0.0.9:10911', connection: 2 }), 1);
  assert.equal(addressesOf(routes), { 0: '10.0.0.9:10911' });
  routes.closed(1);
  assert.equal(addressesOf(routes), { 0: '10.0.0.9:10911' });
  assert.equal([...routes.live.keys()], ['10.0.0.9:10911']);
});

register('keeps, replaces and removes filter servers', () => {
  const routes = table();
  routes.register(registration({ filterServers: ['f:1'] }), 0);
  routes.register(registration({ filterServers: undefined }), 0);
  assert.equal(routes.filterServers.get('10.0.0.1:10911'), ['f:1']);
  routes.register(registration({ filterServers: [] }), 0);
  assert.is(routes.filterServers.size, 0);
});

register('recognises a repeated body by name, id, address and digest, and counts it as a registration', () => {
  const routes = table();
  const slave = registration({ brokerId: 1, brokerAddr: '10.0.0.2:10911', bodyDigest: 'slave' });
  assert.is(routes.repeat(registration(), 0), undefined);
  routes.register(registration(), 0);
  routes.register(slave, 0);
  for (const other of [
    { bodyDigest: 'other' },
    { brokerName: 'broker-b' },
    { clusterName: 'D' },
    { brokerId: 1 },
    { brokerAddr: '10.0.0.2:10911' },
  ]) {
    assert.is(routes.repeat(registration(other), 0), undefined, JSON.stringify(other));
  }
  assert.is(routes.repeat(registration({ connection: 7 }), 50_000)?.isNew, false);
  const told = routes.repeat(slave, 50_000);
  assert.equal(told, { masterAddr: '10.0.0.1:10911', haServerAddr: '10.0.0.1:10912', isNew: false });
  assert.is(routes.expire(130_000).length, 0);
  assert.equal([...routes.closed(7)], ['10.0.0.1:10911'], 'it belongs to the connection of the last one');
});

register('changes versions exactly when a route changes', () => {
  const routes = table();
  routes.register(registration(), 0);
  const topicVersion = routes.topics.get('T')!.version;
  const { brokersVersion } = routes;
  routes.register(registration({ dataVersion: version(2) }), 30_000);
  assert.is(routes.topics.get('T')!.version, topicVersion);
  assert.is(routes.brokersVersion, brokersVersion);
  routes.register(registration({ brokerId: 1, brokerAddr: '10.0.0.2:10911' }), 30_000);
  assert.is.not(routes.brokersVersion, brokersVersion);
  routes.register(registration({ dataVersion: version(3), topics: [topicEntry('T', { perm: 2 })] }), 0);
  assert.is.not(routes.topics.get('T')!.version, topicVersion);
});

register.run();

const bounds = suite('route table: bounds');

const refusals: readonly [string, Partial<Limits>, Changes, RegExp][] = [
  ['topics', { topics: 1 }, { topics: [topicEntry('U')], dataVersion: version(2) }, /1 new topics do not fit.*takes 1/],
  ['rows', { queueRows: 1 }, { brokerName: 'b', brokerAddr: 'b:1' }, /1 new pairs of topic and broker do not fit/],
  ['clusters', { clusters: 1 }, { clusterName: 'D' }, /knows 1 clusters/],
  ['brokers of a cluster', { brokersPerCluster: 1 }, { brokerName: 'b' }, /cluster C has 1 brokers/],
  ['addresses', { addressesPerBroker: 1 }, { brokerId: 1, brokerAddr: 'b:1' }, /broker broker-a has 1 addresses/],
  ['live addresses', { liveAddresses: 1 }, { brokerAddr: 'b:1' }, /knows 1 broker addresses/],
  ['filter servers', { filterServersPerBroker: 1 }, { filterServers: ['a', 'b'] }, /2 filter servers, at most 1/],
  ['broker name', { nameBytes: 20 }, { brokerName: 'é'.repeat(11) }, /brokerName is longer than 20 bytes/],
  ['topic name', { topicNameBytes: 5 }, { topics: [topicEntry('123456')] }, /topic name is longer than 5 bytes/],
  ['empty names', {}, { clusterName: '' }, /clusterName is empty/],
  ['control characters', {}, { brokerAddr: 'a\n' }, /brokerAddr holds control characters/],
];
for (const [what, limits, changes, expected] of refusals) {
  bounds(`${what}: refuses with the bound in the remark, and keeps nothing`, () => {
    const routes = table(limits);
    assert.is(routes.register(registration(), 0).refusal, undefined);
    const before = snapshot(routes);
    assert.match(routes.register(registration(changes), 0).refusal ?? 'taken', expected);
    assert.equal(snapshot(routes), before);
    assert.is(routes.register(registration(), 0).refusal, undefined, 'what was in is still welcome');
  });
}

function snapshot(routes: RouteTable) {
  const { topics, brokers, clusters, live, filterServers, queueRows } = routes;
  return structuredClone({ topics, brokers, clusters, live, filterServers, queueRows });
}

bounds.run();

const removal = suite('route table: brokers that go');

removal('keep the topics while a slave is left, and take them with the last address', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.register(registration({ brokerId: 1, brokerAddr: '10.0.0.2:10911', connection: 2 }), 0);
  assert.equal([...routes.closed(1)], ['10.0.0.1:10911']);
  assert.equal(addressesOf(routes), { 1: '10.0.0.2:10911' });
  assert.is(permOf(routes, 'T'), 6);
  routes.closed(2);
  assert.is(routes.brokers.size + routes.clusters.size + routes.topics.size + routes.live.size + routes.queueRows, 0);
});

removal('leave the topics of other brokers alone', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.register(registration({ brokerName: 'broker-b', brokerAddr: 'b:1', connection: 2 }), 0);
  routes.closed(1);
  assert.equal([...routes.topics.get('T')!.queues.keys()], ['broker-b']);
  assert.equal([...routes.clusters], [['C', new Set(['broker-b'])]]);
});

removal('do not go with a connection that they have replaced', () => {
  const routes = table();
  routes.register(registration({ connection: 1 }), 0);
  routes.register(registration({ connection: 2 }), 0);
  assert.is(routes.closed(1).size, 0);
  assert.is(routes.brokers.size, 1);
  assert.is(routes.closed(2).size, 1);
  assert.is(routes.brokers.size, 0);
});

removal('go together when they registered by one connection', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.register(registration({ brokerName: 'broker-b', brokerAddr: 'b:1' }), 0);
  assert.is(routes.closed(1).size, 2);
  assert.is(routes.brokers.size + routes.topics.size, 0);
});

removal('go after more than 120 s of silence', () => {
  const routes = table();
  routes.register(registration(), 1000);
  assert.is(routes.expire(1000 + BROKER_EXPIRY_MS).length, 0);
  routes.refresh('10.0.0.1:10911', 2000);
  assert.is(routes.expire(2000 + BROKER_EXPIRY_MS).length, 0);
  assert.equal(
    routes.expire(2001 + BROKER_EXPIRY_MS).map((live) => live.address),
    ['10.0.0.1:10911'],
  );
  assert.is(routes.topics.size, 0);
});

removal('unregister by name and id', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.unregister('broker-a', '10.0.0.1:10911', 1);
  assert.is(routes.brokers.size, 1, 'another id');
  routes.unregister('broker-a', '10.0.0.1:10911', 0);
  assert.is(routes.brokers.size + routes.live.size + routes.topics.size + routes.clusters.size, 0);
  routes.unregister('broker-a', '10.0.0.1:10911', 0);
});

removal('can still expire after somebody unregistered another broker with their address', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.unregister('broker-z', '10.0.0.1:10911', 0);
  assert.is(routes.expire(BROKER_EXPIRY_MS + 1).length, 1);
  assert.is(routes.brokers.size, 0);
});

removal.run();

const repeats = suite('route table: repeated bodies');

repeats('leave the same tables, whether they are recognised or read', () => {
  const seed = seedOf('repeated registrations');
  const random = prng(seed);
  const [recognising, reading] = [table(), table()];
  for (let step = 0; step < 3000; step++) {
    const counter = random.below(3);
    const topics = [topicEntry('T', { perm: counter }), topicEntry(`t${random.below(3)}`)];
    const filterServers = random.chance(0.2) ? ['f:1'] : [];
    const one = registration({
      clusterName: random.pick(['C', 'D']),
      brokerName: random.pick(['a', 'b']),
      brokerId: random.below(3),
      brokerAddr: `10.0.0.${random.below(4)}:1`,
      connection: random.below(5),
      dataVersion: version(counter),
      topics,
      filterServers,
      bodyDigest: JSON.stringify([counter, topics, filterServers]),
    });
    const told = recognising.repeat(one, step) ?? recognising.register(one, step);
    assert.equal(told, reading.register(one, step), `SEED=${seed} step ${step}`);
    for (const routes of [recognising, reading]) {
      if (step % 7 === 0) routes.closed(step % 5);
      if (step % 11 === 0) routes.setWritable('a', false);
      if (step % 13 === 0) routes.deleteTopic('T', 'C');
      if (step % 17 === 0) routes.unregister('b', '10.0.0.1:1', 0);
    }
    assert.equal(snapshot(recognising), snapshot(reading), `SEED=${seed} step ${step}`);
  }
});

repeats.run();

const admin = suite('route table: administration');

admin('wipes the write bit until a registration with other data', () => {
  const routes = table();
  routes.register(registration({ topics: [topicEntry('T'), topicEntry('U', { perm: 4 })] }), 0);
  assert.is(routes.setWritable('broker-a', false), 2);
  assert.is(permOf(routes, 'T'), 4);
  routes.register(registration(), 0);
  assert.is(permOf(routes, 'T'), 4, 'the same data version changes nothing');
  routes.register(registration({ dataVersion: version(2) }), 0);
  assert.is(permOf(routes, 'T'), 6);
});

admin('adding the write permission sets read and write', () => {
  const routes = table();
  routes.register(registration({ topics: [topicEntry('T', { perm: 1 })] }), 0);
  assert.is(routes.setWritable('broker-a', true), 1);
  assert.is(permOf(routes, 'T'), 6);
  assert.is(routes.setWritable('broker-z', true), 0);
});

admin('deletes a topic everywhere, or from the brokers of a cluster', () => {
  const routes = table();
  routes.register(registration(), 0);
  routes.register(registration({ clusterName: 'D', brokerName: 'broker-d', brokerAddr: 'd:1' }), 0);
  routes.deleteTopic('T', 'unknown');
  assert.is(routes.queueRows, 2);
  routes.deleteTopic('T', 'D');
  assert.equal([...routes.topics.get('T')!.queues.keys()], ['broker-a']);
  routes.deleteTopic('T', undefined);
  assert.is(routes.topics.size + routes.queueRows, 0);
});

admin('lists topics by cluster and by the flag of one of their rows', () => {
  const routes = table();
  routes.register(registration({ topics: [topicEntry('T'), topicEntry('U', { topicSysFlag: 1 })] }), 0);
  routes.register(registration({ clusterName: 'D', brokerName: 'd', brokerAddr: 'd:1', topics: [topicEntry('V')] }), 0);
  assert.equal(routes.topicsOfCluster('C'), ['T', 'U']);
  assert.equal(routes.topicsOfCluster('unknown'), []);
  assert.equal(
    routes.topicsByFlag((flag) => flag === 1),
    ['U'],
  );
});

admin.run();
