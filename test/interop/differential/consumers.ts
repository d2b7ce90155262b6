/** Consumers come, stay, change their mind and go; who hears of it; locks of orderly ones. */
import { pullFields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import { heartbeat, subscriptionData } from './heartbeats.js';
import { GROUP, member, ODD_HEARTBEATS, TOPIC } from './odd-heartbeats.js';
import type { Intended, Part } from './part.js';
import type { Script } from './script.js';

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC, 2);
  await script.createGroup('consumers-quiet', { notifyConsumerIdsChangedEnable: false });
  await script.createGroup('consumers-no-broadcast', { consumeBroadcastEnable: false });
  await script.createGroup('consumers-off', { consumeEnable: false });
  const [a, b] = [await script.connect(), await script.connect()];
  await membership(script, a, b);
  await questions(script, a);
  await pullsByHeartbeat(script, a);
  await leaving(script, a, b);
  for (const [what, body] of ODD_HEARTBEATS) {
    const from = await script.connect();
    await script.ask(`a heartbeat with ${what}`, Code.HEARTBEAT, {}, body === undefined ? { from } : { from, body });
    from.close();
  }
  for (const consumerGroup of ['odd-cpp', 'odd-name-only', 'odd-no-subscriptions', 'odd-model']) {
    const from = await script.connect();
    const odd = ODD_HEARTBEATS.map(([, body]) => body).find((body) =>
      JSON.stringify(body ?? '').includes(`"${consumerGroup}"`),
    );
    await script.mayAsk(`the heartbeat of ${consumerGroup} again`, Code.HEARTBEAT, {}, { from, body: odd! });
    await script.ask(`connections of ${consumerGroup}`, Code.CONSUMER_CONNECTIONS, { consumerGroup });
    from.close();
  }
}

type Client = Awaited<ReturnType<Script['connect']>>;

async function membership(script: Script, a: Client, b: Client): Promise<void> {
  const consumerGroup = GROUP;
  await script.ask('consumers of a group that nobody is in', Code.CONSUMER_LIST, { consumerGroup });
  await script.ask('consumers of no group', Code.CONSUMER_LIST);
  await script.ask(
    'a first heartbeat',
    Code.HEARTBEAT,
    {},
    { from: a, body: heartbeat('a@1', [member()], ['consumers-producer']) },
  );
  await script.heard('what the first member hears of itself', a);
  await script.ask('consumers after one came', Code.CONSUMER_LIST, { consumerGroup });
  await script.ask('a second member', Code.HEARTBEAT, {}, { from: b, body: heartbeat('b@1', [member()]) });
  await script.heard('what the second member hears of itself', b);
  await script.heard('what the first member hears of the second', a);
  await script.ask('consumers after two came', Code.CONSUMER_LIST, { consumerGroup });
  await script.must(Code.HEARTBEAT, {}, { from: a, body: heartbeat('a@1', [member()]) });
  await script.ask('the same heartbeat again', Code.HEARTBEAT, {}, { from: a, body: heartbeat('a@1', [member()]) });
  const changed = member({ subscriptions: [{ topic: TOPIC, subString: 'C', subVersion: 101 }] });
  await script.ask('another subscription', Code.HEARTBEAT, {}, { from: a, body: heartbeat('a@1', [changed]) });
  await script.heard('what the first member hears of its new subscription', a);
  await script.heard('what the second member hears of it', b);
  const older = member({ subscriptions: [{ topic: TOPIC, subString: 'D', subVersion: 99 }] });
  await script.ask('an older subscription', Code.HEARTBEAT, {}, { from: a, body: heartbeat('a@1', [older]) });
  await script.ask('connections, with the subscription that counts', Code.CONSUMER_CONNECTIONS, { consumerGroup });
  const more = member({
    subscriptions: [{ topic: TOPIC, subString: 'C', subVersion: 101 }, { topic: 'consumers-other' }],
  });
  await script.ask('one more topic', Code.HEARTBEAT, {}, { from: b, body: heartbeat('b@1', [more]) });
  await script.heard('what the first member hears of one more topic', a);
  await script.heard('what the second member hears of one more topic', b);
  await script.ask('one topic less', Code.HEARTBEAT, {}, { from: b, body: heartbeat('b@1', [member()]) });
  await script.heard('what the first member hears of one topic less', a);
  await script.heard('what the second member hears of one topic less', b);
  const kept = { groupName: GROUP, messageModel: 'BROADCASTING', consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' };
  await script.ask('another model', Code.HEARTBEAT, {}, { from: b, body: heartbeat('b@1', [member(kept)]) });
  await script.ask('connections after another model', Code.CONSUMER_CONNECTIONS, { consumerGroup });
  await script.ask('the first model again', Code.HEARTBEAT, {}, { from: b, body: heartbeat('b@1', [member()]) });
  await script.ask(
    'another client id on a connection',
    Code.HEARTBEAT,
    {},
    { from: b, body: heartbeat('b@2', [member()]) },
  );
  await script.ask('consumers after another client id', Code.CONSUMER_LIST, { consumerGroup });
  const unit = { groupName: 'consumers-unit', unitMode: true };
  await script.ask('a member of a unit', Code.HEARTBEAT, {}, { from: a, body: heartbeat('a@1', [member(unit)]) });
  await script.heard('what the member of a unit hears', a);
  await script.ask('queues of its retry topic', Code.TOPIC_STATS, { topic: '%RETRY%consumers-unit' });
  const active = { groupName: 'consumers-active', consumeType: 'CONSUME_ACTIVELY', subscriptions: [] };
  await script.ask('a pull consumer', Code.HEARTBEAT, {}, { from: a, body: heartbeat('a@1', [member(active)]) });
  await script.heard('what a pull consumer hears', a);
  const quiet = member({ groupName: 'consumers-quiet' });
  await script.ask(
    'a member of a group without notices',
    Code.HEARTBEAT,
    {},
    { from: a, body: heartbeat('a@1', [quiet]) },
  );
  const broadcast = member({ groupName: 'consumers-broadcast', messageModel: 'BROADCASTING' });
  await script.ask('a broadcasting member', Code.HEARTBEAT, {}, { from: b, body: heartbeat('b@1', [broadcast]) });
}

async function questions(script: Script, a: Client): Promise<void> {
  for (const consumerGroup of [GROUP, 'consumers-active', 'consumers-broadcast', 'consumers-quiet', 'nobody']) {
    await script.ask(`connections of ${consumerGroup}`, Code.CONSUMER_CONNECTIONS, { consumerGroup });
  }
  await script.ask('connections of no group', Code.CONSUMER_CONNECTIONS);
  await script.ask('connections of a producer group', Code.PRODUCER_CONNECTIONS, {
    producerGroup: 'consumers-producer',
  });
  await script.ask('connections of an unknown producer group', Code.PRODUCER_CONNECTIONS, { producerGroup: 'nobody' });
  await script.ask('connections of no producer group', Code.PRODUCER_CONNECTIONS);
  await script.ask('all producers', Code.ALL_PRODUCERS);
  await script.must(
    Code.HEARTBEAT,
    {},
    { from: a, body: heartbeat('a@1', [], ['consumers-cpp']), language: 'CPP', version: 333 },
  );
  await script.ask('connections of a C++ producer', Code.PRODUCER_CONNECTIONS, { producerGroup: 'consumers-cpp' });
  await script.ask(
    'consumers with the ROCKETMQ serialization',
    Code.CONSUMER_LIST,
    { consumerGroup: GROUP },
    { binary: true },
  );
  await script.ask(
    'consumers of nobody with the ROCKETMQ serialization',
    Code.CONSUMER_LIST,
    { consumerGroup: 'nobody' },
    { binary: true },
  );
  await script.ask(
    'a heartbeat with the ROCKETMQ serialization',
    Code.HEARTBEAT,
    {},
    { from: a, binary: true, body: heartbeat('a@1', [], ['consumers-cpp']) },
  );
}

/** Pulls whose subscription is that of the heartbeat. */
async function pullsByHeartbeat(script: Script, a: Client): Promise<void> {
  const pull = (what: string, consumerGroup: string, more: Record<string, string | number> = {}) =>
    script.ask(what, Code.PULL, { ...pullFields(TOPIC, 0, 0), consumerGroup, sysFlag: 0, subscription: '', ...more });
  await pull('a pull of a group that nobody is in', 'consumers-nobody');
  await pull('a pull of a member', GROUP);
  await pull('a pull of the same version', GROUP, { subVersion: 101 });
  await pull('a pull of a newer version', GROUP, { subVersion: 102 });
  await pull('a pull of a version from far away', GROUP, { subVersion: 4_000_000_000_000 });
  await pull('a pull of a topic that is not subscribed', GROUP, { topic: 'TBW102' });
  await pull('a pull of a pull consumer that subscribed nothing', 'consumers-active');
  await pull('a pull of a group that must not consume', 'consumers-off');
  const broadcast = member({ groupName: 'consumers-no-broadcast', messageModel: 'BROADCASTING' });
  await script.must(Code.HEARTBEAT, {}, { from: a, body: heartbeat('a@1', [broadcast]) });
  await pull('a pull by broadcast where that is off', 'consumers-no-broadcast');
  await pull('a pull by broadcast where that is off, with its subscription', 'consumers-no-broadcast', { sysFlag: 4 });
  await script.ask(
    'a client config by tags',
    Code.CHECK_CLIENT,
    {},
    { body: { clientId: 'a@1', group: GROUP, subscriptionData: subscriptionData({ topic: TOPIC }) } },
  );
}

async function leaving(script: Script, a: Client, b: Client): Promise<void> {
  const consumerGroup = GROUP;
  a.unasked.splice(0);
  b.unasked.splice(0);
  await script.ask('a client that nobody knows goes', Code.UNREGISTER, {
    clientID: 'nobody',
    consumerGroup: 'nobody',
    producerGroup: 'nobody',
  });
  await script.ask('nobody goes', Code.UNREGISTER);
  await script.ask('a client goes from no group', Code.UNREGISTER, { clientID: 'a@1' }, { from: a });
  await script.ask('another connection says that a member goes', Code.UNREGISTER, { clientID: 'a@1', consumerGroup });
  await script.ask('consumers after that', Code.CONSUMER_LIST, { consumerGroup });
  await script.ask('a member goes', Code.UNREGISTER, { clientID: 'b@2', consumerGroup }, { from: b });
  await script.heard('what the one that stays hears', a);
  await script.ask('consumers after one went', Code.CONSUMER_LIST, { consumerGroup });
  await script.ask('a member goes twice', Code.UNREGISTER, { clientID: 'b@2', consumerGroup }, { from: b });
  await script.ask(
    'the producer goes',
    Code.UNREGISTER,
    { clientID: 'a@1', producerGroup: 'consumers-producer' },
    { from: a },
  );
  await script.ask('connections of a producer group that went', Code.PRODUCER_CONNECTIONS, {
    producerGroup: 'consumers-producer',
  });
  await script.must(Code.HEARTBEAT, {}, { from: b, body: heartbeat('b@3', [member()]) });
  await script.heard('what the first hears of one that comes back', a);
  b.close();
  await script.pushed('what the first hears of a connection that closed', a);
  await script.ask('consumers after a connection closed', Code.CONSUMER_LIST, { consumerGroup });
  await script.ask('connections of a broadcasting group whose connection closed', Code.CONSUMER_CONNECTIONS, {
    consumerGroup: 'consumers-broadcast',
  });
  await script.ask('the last member goes', Code.UNREGISTER, { clientID: 'a@1', consumerGroup }, { from: a });
  await script.ask('consumers after the last one went', Code.CONSUMER_LIST, { consumerGroup });
  await script.ask('connections after the last one went', Code.CONSUMER_CONNECTIONS, { consumerGroup });
}

const INTENDED: readonly Intended[] = [
  {
    at: '',
    because: 'a client that changes its id is another member: the others hear of it; Apache logs a bug',
    cases: ['what the member of a unit hears'],
  },
  {
    at: '',
    because: 'Apache tells everybody when somebody leaves who was no member; ours when the members changed',
    cases: ['what the one that stays hears', 'what the first hears of one that comes back'],
  },
  {
    at: 'code',
    because: 'without a client id there is nobody to remember',
    cases: ['a heartbeat with an empty object'],
  },
  {
    at: 'code',
    because: 'null and nothing are the same; Apache falls over it',
    cases: ['a heartbeat with groups that are null'],
  },
  {
    at: 'code',
    because: 'a word that is no message model: whether the group shares its queues cannot be guessed',
    cases: [
      'a heartbeat with an unknown message model',
      'the heartbeat of odd-model again',
      'connections of odd-model',
    ],
  },
  {
    at: 'code',
    because: 'group names become names of topics and directories; every client refuses such a name itself',
    cases: ['a heartbeat with an illegal group name'],
  },
];

export const consumers: Part = { name: 'consumers and heartbeats', run, intended: INTENDED };
