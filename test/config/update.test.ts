import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadBrokerConfig, loadNamesrvConfig } from '../../config/load.js';
import { parseProperties } from '../../config/properties.js';
import type { BrokerSettings, NamesrvSettings } from '../../config/schema.js';
import {
  renderBrokerSettings,
  renderNamesrvSettings,
  updateBrokerSettings,
  updateNamesrvSettings,
} from '../../config/update.js';
import { facts } from './support/facts.js';

function broker(text = ''): BrokerSettings {
  const loaded = loadBrokerConfig(text, 'b', { facts: facts({ namesrvAddr: 'ns:9876' }) });
  assert.ok(loaded.ok);
  return loaded.value.settings;
}

function nameServer(): NamesrvSettings {
  const loaded = loadNamesrvConfig('', 'n', { facts: facts() });
  assert.ok(loaded.ok);
  return loaded.value.settings;
}

const asMap = (text: string): Map<string, string> =>
  new Map(parseProperties(text).entries.map(({ key, value }) => [key, value]));

const render = suite('configuration as tools see it');

render('has a key=value line for everything that exportConfigs of mqadmin reads', () => {
  const shown = asMap(renderBrokerSettings(broker()));
  // Source: ExportConfigsCommand.needBrokerProprties, which fails on a missing one.
  for (const key of `brokerClusterName brokerId brokerName brokerRole fileReservedTime filterServerNums flushDiskType
    maxMessageSize messageDelayLevel msgTraceTopicName slaveReadEnable traceOn traceTopicEnable useTLS autoCreateTopicEnable
    autoCreateSubscriptionGroup`.split(/\s+/)) {
    assert.ok(shown.has(key), key);
  }
  assert.is(shown.get('messageDelayLevel'), '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h');
  assert.is(shown.get('deleteWhen'), '04');
  assert.is(shown.get('listenPort'), '10911');
});

render('loads again to the same settings', () => {
  const settings = broker('brokerRole=SLAVE\nbrokerId=2\nstorePathRootDir=/a b/c\nwindowBytes=1m\ndeleteWhen=01;23');
  const loaded = loadBrokerConfig(renderBrokerSettings(settings), 'again', { facts: facts() });
  assert.ok(loaded.ok);
  assert.equal(loaded.value.settings, settings);
});

render('leaves out passwords and system properties', () => {
  const text = renderBrokerSettings(broker('tls.server.keyPassword=secret'));
  assert.not.match(text, /secret|tls\./);
});

render('shows values that wait for the next start, as Apache does', () => {
  const pending = new Map([['listenPort', '20911']]);
  assert.is(asMap(renderBrokerSettings(broker(), pending)).get('listenPort'), '20911');
});

render('of a name server has the keys of a name server', () => {
  const shown = asMap(renderNamesrvSettings(nameServer()));
  assert.is(shown.get('listenPort'), '9876');
  assert.is(shown.get('orderMessageEnable'), 'false');
  assert.not(shown.has('brokerRole'));
});

const update = suite('configuration updated by tools');

update('applies live keys at once, keeps the others for the next start, and says what changed', () => {
  const before = broker();
  const result = updateBrokerSettings(before, 'brokerPermission=4\nlistenPort=20911\nautoCreateTopicEnable=true\n');
  assert.ok(result.ok);
  assert.equal(result.changed, [
    { key: 'brokerPermission', from: '6', to: '4', live: true },
    { key: 'listenPort', from: '10911', to: '20911', live: false },
  ]);
  assert.is(result.settings.brokerPermission, 4);
  assert.is(result.settings.listenPort, 10911);
  assert.is(before.brokerPermission, 6);
});

update('succeeds with an unknown key, as Apache does, and warns', () => {
  const result = updateBrokerSettings(broker(), 'brokerPermision=4');
  assert.ok(result.ok);
  assert.equal(result.changed, []);
  assert.equal(result.warnings, ['unknown key brokerPermision; did you mean brokerPermission?']);
});

update('changes nothing when one value is wrong or refused', () => {
  const result = updateBrokerSettings(broker(), 'brokerPermission=4\nflushDiskType=SOMETIMES\naclEnable=true');
  assert.not(result.ok);
  if (result.ok) return;
  assert.is(result.reason, 'invalid');
  assert.match(
    result.remark,
    /^flushDiskType=SOMETIMES: allowed: ASYNC_FLUSH or SYNC_FLUSH; aclEnable=true is refused: /,
  );
});

update('is checked against the settings that are not part of it', () => {
  const result = updateBrokerSettings(broker(), 'brokerRole=SLAVE');
  assert.not(result.ok);
  if (!result.ok) assert.is(result.remark, 'brokerId=0: a SLAVE needs a number above 0');
  assert.ok(updateBrokerSettings(broker(), 'brokerRole=SLAVE\nbrokerId=1').ok);
});

update('may not touch what is on the black list', () => {
  for (const key of ['rocketmqHome', 'brokerConfigPath', 'configBlackList']) {
    const result = updateBrokerSettings(broker(), `${key}=x`);
    assert.equal(result, { ok: false, reason: 'forbidden', remark: 'Can not update config in black list.' });
  }
  for (const key of ['kvConfigPath', 'configStorePath', 'rocketmqHome']) {
    const result = updateNamesrvSettings(nameServer(), `${key}=x`);
    assert.is(result.ok ? '' : result.reason, 'forbidden', key);
  }
  const own = updateBrokerSettings(broker('configBlackList=configBlackList;listenPort'), 'listenPort=1234');
  assert.is(own.ok ? '' : own.reason, 'forbidden');
});

update('resolves a relative path as the start does', () => {
  const result = updateBrokerSettings(broker(), 'storePathRootDir=data', { workingDirectory: '/work' });
  assert.ok(result.ok);
  assert.equal(result.changed, [
    { key: 'storePathRootDir', from: '/home/somebody/store', to: '/work/data', live: false },
  ]);
});

update('refuses text that is none', () => {
  const result = updateBrokerSettings(broker(), 'a=\0');
  assert.is(result.ok ? '' : result.remark, 'a NUL character: not a text file');
});

update('of a name server works the same way', () => {
  const result = updateNamesrvSettings(nameServer(), 'orderMessageEnable=true');
  assert.ok(result.ok);
  assert.is(result.settings.orderMessageEnable, true);
});

render.run();
update.run();
