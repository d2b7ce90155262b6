import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GroupReplica, TopicReplica } from '../../../src/actors/queue/messages.js';
import { consumerConnection, consumerIdList } from '../../../src/remoting/bodies/clients.js';
import { BodyProblem, decodeBody } from '../../../src/remoting/body-codec.js';
import { decodeRegisterBroker } from '../../../src/remoting/bodies/register-broker.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { GROUPS_PER_CLIENT_MAX } from '../../../src/actors/broker/processors/clients.js';
import { BrokerDriver, NAME_SERVER } from './driver.js';
import {
  CPP_HEADER,
  CPP_HEARTBEAT,
  GO_HEADER,
  GO_HEARTBEAT,
  javaHeartbeat,
  type HeartbeatParts,
} from './heartbeats.js';

function beat(broker: BrokerDriver, connection: number, parts: HeartbeatParts): number {
  broker.send(connection, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat(parts) });
  const codes = broker.take(connection);
  // The member that joins hears of it as well, like everybody in its group.
  const [answer] = codes.filter(({ command }) => (command.flag & 1) === 1);
  return answer!.command.code;
}

function members(broker: BrokerDriver, connection: number, consumerGroup: string): readonly string[] {
  const { body } = broker.ask(connection, RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup });
  const decoded = decodeBody(consumerIdList, body);
  if (decoded instanceof BodyProblem) throw new Error(decoded.text);
  return decoded.consumerIdList;
}

function lastRegistered(broker: BrokerDriver): string[] {
  const { command, body } = broker.asked.filter((one) => one.command.code === RequestCode.REGISTER_BROKER).at(-1)!;
  const framing = { compressed: false, bodyCrc32: Number(command.ext.get('bodyCrc32')), version: command.version };
  const decoded = decodeRegisterBroker(body, framing);
  if (decoded instanceof BodyProblem) throw new Error(decoded.text);
  return [...decoded.topicConfigSerializeWrapper.topicConfigTable.keys()];
}

const heartbeats = suite('broker: heartbeats');

heartbeats('create group settings and retry topic, and register the topic in the same turn', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.asked.length = 0;
  assert.is(beat(broker, client, { consumers: ['G'], producers: ['P'] }), ResponseCode.SUCCESS);
  assert.equal(broker.state.groups.get('G')!.retryQueueNums, 1);
  const { config } = broker.state.topics.get('%RETRY%G')!;
  assert.equal(
    { read: config!.readQueueNums, write: config!.writeQueueNums, perm: config!.perm, flag: config!.topicSysFlag },
    { read: 1, write: 1, perm: 6, flag: 0 },
  );
  assert.equal(
    broker.asked.map(({ address, command }) => [address, command.code]),
    [[NAME_SERVER, 103]],
  );
  assert.ok(lastRegistered(broker).includes('%RETRY%G'));
  for (const host of [0, 1] as const) {
    const topics = broker.takeTold(host, 'topic').map(({ value }) => value as TopicReplica);
    assert.equal(
      topics.find(({ topic }) => topic === '%RETRY%G'),
      { topic: '%RETRY%G', readQueueNums: 1, perm: 6 },
    );
    const group = broker
      .takeTold(host, 'group')
      .map(({ value }) => value as GroupReplica)
      .at(-1)!;
    assert.is(group.group, 'G');
    assert.is(group.settings?.consumeEnable, true);
    assert.equal(
      group.consumers?.subscriptions.map(({ topic }) => topic),
      ['T'],
    );
  }
});

heartbeats('of a unit mark its retry topic', () => {
  const broker = new BrokerDriver().start();
  beat(broker, broker.open(), { consumers: ['G'], unitMode: true });
  assert.is(broker.state.topics.get('%RETRY%G')!.config!.topicSysFlag, 2);
});

heartbeats('register a consumer without settings where groups are not made', () => {
  const broker = new BrokerDriver({ settings: 'autoCreateSubscriptionGroup=false\n' }).start();
  const client = broker.open();
  assert.is(beat(broker, client, { consumers: ['G'] }), ResponseCode.SUCCESS);
  assert.is(broker.state.groups.get('G'), undefined);
  assert.is(broker.state.topics.get('%RETRY%G'), undefined);
  assert.equal(members(broker, client, 'G'), ['10.1.1.1@1']);
});

heartbeats('of a Go client are understood', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.sendText(client, GO_HEADER, GO_HEARTBEAT);
  const [answer] = broker.take(client).filter(({ command }) => command.opaque === 7 && command.flag === 1);
  assert.is(answer!.command.code, ResponseCode.SUCCESS);
  const group = broker.state.clients.consumers.get('GoGroup')!;
  assert.equal(group.facts, {
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  });
  assert.equal(group.subscriptions.get('T')!.codeSet, [2598919, 2598920]);
  // What a tool is shown of it.
  const { body } = broker.ask(client, RequestCode.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: 'GoGroup' });
  const shown = decodeBody(consumerConnection, body);
  if (shown instanceof BodyProblem) throw new Error(shown.text);
  assert.equal(shown.connectionSet, [
    { clientAddr: `10.1.1.1:${40_000 + client}`, clientId: '10.0.0.7@4711', language: 'GO', version: 317 },
  ]);
});

heartbeats('of a C++ client are understood', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.sendText(client, CPP_HEADER, CPP_HEARTBEAT);
  const [answer] = broker.take(client).filter(({ command }) => command.opaque === 9 && command.flag === 1);
  assert.is(answer!.command.code, ResponseCode.SUCCESS);
  const group = broker.state.clients.consumers.get('CppGroup')!;
  assert.equal(group.facts, {
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
  });
  const subscription = group.subscriptions.get('T')!;
  assert.is(subscription.subVersion, 1763732400123);
  assert.is(subscription.expressionType, 'TAG');
  assert.equal(group.subscriptions.get('%RETRY%CppGroup')!.codeSet, []);
  assert.ok(broker.state.clients.producers.has('CppProducer'));
});

heartbeats('replace a subscription only by a newer one, and drop topics that are left out', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const { consumers } = broker.state.clients;
  beat(broker, client, { consumers: ['G'], topics: ['A', 'B'], subVersion: 5 });
  beat(broker, client, { consumers: ['G'], topics: ['A', 'B'], subVersion: 4 });
  assert.is(consumers.get('G')!.subscriptions.get('A')!.subVersion, 5);
  broker.takeTold(0, 'group');
  beat(broker, client, { consumers: ['G'], topics: ['A', 'B'], subVersion: 5 });
  assert.is(broker.takeTold(0, 'group').length, 0, 'nothing new for the queue hosts');
  beat(broker, client, { consumers: ['G'], topics: ['B'], subVersion: 6 });
  assert.equal([...consumers.get('G')!.subscriptions.keys()], ['B']);
  assert.is(broker.takeTold(0, 'group').length, 1);
});

heartbeats('that cannot be read are code 1 and name the field', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const { command } = broker.ask(client, RequestCode.HEART_BEAT, {}, { body: '{"consumerDataSet":[]}' });
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(command.remark!, 'clientID');
});

heartbeats('beyond a bound are refused as a whole', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const producers = Array.from({ length: GROUPS_PER_CLIENT_MAX + 1 }, (_, i) => `P${i}`);
  const { command } = broker.ask(client, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ producers }) });
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(command.remark!, `${GROUPS_PER_CLIENT_MAX} groups`);
  assert.is(broker.state.clients.producers.size, 0);
  const illegal = broker.ask(client, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ consumers: ['no blanks'] }) });
  assert.match(illegal.command.remark!, 'illegal characters');
});

heartbeats.run();

const registry = suite('broker: members of a group');

registry('a client with two connections is listed once', () => {
  const broker = new BrokerDriver().start();
  const [first, second] = [broker.open(), broker.open()];
  for (const connection of [first, second]) beat(broker, connection, { consumers: ['G'], clientId: 'one' });
  assert.equal(members(broker, first, 'G'), ['one']);
  broker.close(first);
  assert.equal(members(broker, second, 'G'), ['one']);
});

registry('nobody: code 1 in the words that clients print', () => {
  const broker = new BrokerDriver().start();
  const { command } = broker.ask(broker.open(), RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: 'G' });
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.is(command.remark, 'no consumer for this group, G');
});

/** Two members of G and one of another group, all of whom have heard of each other's coming. */
function twoMembers(settings = '') {
  const broker = new BrokerDriver({ settings }).start();
  const [first, second, other] = [broker.open(), broker.open(), broker.open()];
  beat(broker, first, { consumers: ['G'], clientId: 'first' });
  beat(broker, second, { consumers: ['G'], clientId: 'second' });
  beat(broker, other, { consumers: ['H'], clientId: 'other' });
  const joined = broker.takeNotified(first);
  return { broker, first, second, other, joined };
}

registry('all are told at once when one joins, unregisters or loses its connection', () => {
  const { broker, first, second, other, joined } = twoMembers();
  assert.equal(joined, ['G']);
  broker.send(second, RequestCode.UNREGISTER_CLIENT, { clientID: 'second', consumerGroup: 'G' });
  assert.equal(broker.takeNotified(first), ['G']);
  assert.equal(members(broker, first, 'G'), ['first']);
  broker.take(second);
  beat(broker, second, { consumers: ['G'], clientId: 'second' });
  broker.takeNotified(first);
  broker.close(second);
  assert.equal(broker.takeNotified(first), ['G']);
  assert.equal(broker.takeNotified(other), []);
});

registry('a client that is silent for two minutes is dropped within a second, and the others are told', () => {
  const { broker, first, second } = twoMembers();
  for (let s = 0; s < 120; s += 10) {
    broker.advance(10_000);
    beat(broker, first, { consumers: ['G'], clientId: 'first' });
  }
  const closed = (): unknown[] =>
    broker.front.filter(({ kind }) => kind === 'close').map(({ fields }) => fields.connection);
  broker.takeNotified(first);
  assert.not(closed().includes(second));
  broker.advance(1_000);
  assert.ok(closed().includes(second));
  assert.not(closed().includes(first));
  assert.equal(broker.takeNotified(first), ['G']);
  assert.equal(members(broker, first, 'G'), ['first']);
});

registry('a group is forgotten by the queue hosts with its last member', () => {
  const { broker, first, second } = twoMembers();
  broker.takeTold(0, 'group');
  broker.close(first);
  assert.is(broker.takeTold(0, 'group').length, 0, 'somebody is left');
  broker.close(second);
  const [told] = broker.takeTold(0, 'group');
  assert.is((told!.value as GroupReplica).consumers, undefined);
  assert.is((told!.value as GroupReplica).settings?.consumeEnable, true);
});

registry('broadcasting members are not told: each has every queue whoever else is there', () => {
  const broker = new BrokerDriver().start();
  const [first, second] = [broker.open(), broker.open()];
  beat(broker, first, { consumers: ['G'], clientId: 'first', model: 'BROADCASTING' });
  broker.take(first);
  beat(broker, second, { consumers: ['G'], clientId: 'second', model: 'BROADCASTING' });
  broker.close(second);
  assert.equal(broker.takeNotified(first), []);
});

registry('nobody is told where that is switched off, in the broker or for the group', () => {
  assert.equal(twoMembers('notifyConsumerIdsChangedEnable=false\n').joined, []);
  const { broker, first, second } = twoMembers();
  const config = { ...broker.state.groups.get('G')!, notifyConsumerIdsChangedEnable: false };
  broker.ask(first, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: JSON.stringify(config) });
  broker.close(second);
  assert.equal(broker.takeNotified(first), []);
});

registry('producers are listed with their connections', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  beat(broker, client, { producers: ['P'] });
  const found = broker.ask(client, RequestCode.GET_PRODUCER_CONNECTION_LIST, { producerGroup: 'P' });
  assert.match(found.body.toString(), '"clientId":"10.1.1.1@1","language":"JAVA","version":407');
  const all = broker.ask(client, RequestCode.GET_ALL_PRODUCER_INFO);
  assert.match(all.body.toString(), /^\{"data":\{"P":\[\{"clientId":"10\.1\.1\.1@1",.*"remoteIP":"10\.1\.1\.1:\d+"/);
  const unknown = broker.ask(client, RequestCode.GET_PRODUCER_CONNECTION_LIST, { producerGroup: 'X' });
  assert.is(unknown.command.remark, 'the producer group[X] not exist');
  const offline = broker.ask(client, RequestCode.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: 'X' });
  assert.is(offline.command.code, ResponseCode.CONSUMER_NOT_ONLINE);
});

registry.run();

const check = suite('broker: CHECK_CLIENT_CONFIG');

check('takes TAG and no other expression', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const ask = (expressionType: string | undefined) => {
    const body = JSON.stringify({
      clientId: 'c',
      group: 'G',
      subscriptionData: { topic: 'T', subString: '*', expressionType },
    });
    return broker.ask(client, RequestCode.CHECK_CLIENT_CONFIG, {}, { body }).command;
  };
  assert.is(ask('TAG').code, ResponseCode.SUCCESS);
  assert.is(ask(undefined).code, ResponseCode.SUCCESS);
  assert.is(ask('SQL92').code, ResponseCode.SYSTEM_ERROR);
  assert.match(ask('SQL92').remark!, 'does not support consumer to filter message by SQL92');
});

check.run();
