import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { GROUP_SETTINGS_MAX } from '../../../src/actors/broker/tables/group-table.js';
import type { GroupReplica } from '../../../src/actors/queue/messages.js';
import { subscriptionGroupTable } from '../../../src/remoting/bodies/tables.js';
import { BodyProblem, decodeBody } from '../../../src/remoting/body-codec.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { BrokerDriver } from './driver.js';

const settingsOf = (broker: BrokerDriver, host: 0 | 1, group: string): GroupReplica | undefined =>
  broker
    .takeTold(host, 'group')
    .map(({ value }) => value as GroupReplica)
    .filter((one) => one.group === group)
    .at(-1);

const groups = suite('broker: settings of consumer groups');

groups('a fresh broker has the seven of Apache 4.9.7', () => {
  const broker = new BrokerDriver().start();
  const { body } = broker.ask(broker.open(), RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG);
  const table = decodeBody(subscriptionGroupTable, body);
  if (table instanceof BodyProblem) throw new Error(table.text);
  assert.equal([...table.subscriptionGroupTable.keys()].sort(), [
    'CID_ONS-HTTP-PROXY',
    'CID_ONSAPI_OWNER',
    'CID_ONSAPI_PERMISSION',
    'CID_ONSAPI_PULL',
    'FILTERSRV_CONSUMER',
    'SELF_TEST_C_GROUP',
    'TOOLS_CONSUMER',
  ]);
  assert.is(table.dataVersion.counter, 0);
});

groups('are replaced as a whole, missing fields by their defaults', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const update = (body: string) => broker.ask(client, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body });
  assert.is(update('{"groupName":"G","consumeEnable":false,"retryMaxTimes":3}').command.code, ResponseCode.SUCCESS);
  assert.is(broker.state.groups.get('G')!.retryMaxTimes, 3);
  assert.is(settingsOf(broker, 1, 'G')!.settings!.consumeEnable, false);
  update('{"groupName":"G"}');
  assert.is(broker.state.groups.get('G')!.retryMaxTimes, 16);
  assert.is(settingsOf(broker, 1, 'G')!.settings!.consumeEnable, true);
  assert.is(broker.state.groups.version.counter, 2);
  assert.match(broker.file('subscriptionGroup.json')!, '"groupName":"G"');
});

groups('illegal names and unreadable bodies are code 1', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  for (const body of ['{"groupName":"a b"}', '{"groupName":" "}', '{}', '']) {
    const { command } = broker.ask(client, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body });
    assert.is(command.code, ResponseCode.SYSTEM_ERROR, body);
  }
});

groups('deletion keeps the offsets unless they are to go too', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const offset = { consumerGroup: 'G', topic: 'T', queueId: '0', commitOffset: '1' };
  for (const removeOffset of ['false', 'true']) {
    broker.ask(client, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: '{"groupName":"G"}' });
    broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, offset);
    broker.ask(client, RequestCode.DELETE_SUBSCRIPTIONGROUP, { groupName: 'G', removeOffset });
    assert.is(broker.state.groups.get('G'), undefined);
    assert.is(broker.state.offsets.get('G', 'T', 0), removeOffset === 'true' ? undefined : 1);
    assert.is(settingsOf(broker, 0, 'G')!.settings, undefined);
  }
});

groups('a pull of an unknown group makes it, where groups are made; its queue host is answered in any case', () => {
  const making = new BrokerDriver().start();
  making.tell(brokerMessages.groupWanted, { value: { group: 'G' } });
  assert.ok(settingsOf(making, 0, 'G')!.settings);
  making.tell(brokerMessages.groupWanted, { value: { group: 'G' } });
  assert.ok(settingsOf(making, 0, 'G')!.settings, 'asked again, answered again');
  const broker = new BrokerDriver({ settings: 'autoCreateSubscriptionGroup=false\n' }).start();
  broker.tell(brokerMessages.groupWanted, { value: { group: 'G' } });
  assert.is(settingsOf(broker, 0, 'G')!.settings, undefined);
  broker.tell(brokerMessages.groupWanted, { value: { group: 'CID_RMQ_SYS_TRANS' } });
  assert.ok(settingsOf(broker, 0, 'CID_RMQ_SYS_TRANS')!.settings, "the system's own are exempt");
});

groups('are refused at the bound', () => {
  const broker = new BrokerDriver().start();
  const { groups: table } = broker.state;
  const config = table.get('TOOLS_CONSUMER')!;
  for (let i = table.size; i < GROUP_SETTINGS_MAX; i++) table.set({ ...config, groupName: `g${i}` }, 0);
  const body = '{"groupName":"one-more"}';
  const { command } = broker.ask(broker.open(), RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body });
  assert.match(command.remark!, `has ${GROUP_SETTINGS_MAX} consumer groups and takes no more: delete unused ones`);
  assert.is(table.get('one-more'), undefined);
});

groups.run();
