import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StartError } from '../../../src/base/start-error.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { BrokerDriver, CONFIG_DIRECTORY, type DriverOptions } from './driver.js';
import { javaHeartbeat } from './heartbeats.js';

const queue0 = { consumerGroup: 'G', topic: 'T', queueId: '0' };

function commit(broker: BrokerDriver, commitOffset: number): void {
  broker.ask(broker.open(), RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue0, commitOffset: `${commitOffset}` });
}

function createTopic(broker: BrokerDriver, topic: string): void {
  const ext = {
    topic,
    defaultTopic: 'TBW102',
    readQueueNums: '4',
    writeQueueNums: '4',
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
  };
  assert.is(broker.ask(broker.open(), RequestCode.UPDATE_AND_CREATE_TOPIC, ext).command.code, 0);
}

/** A broker on a disk that holds these files of config/. */
function withFiles(files: Readonly<Record<string, string>>, options: DriverOptions = {}): BrokerDriver {
  const broker = new BrokerDriver(options);
  broker.disk.makeDirectory(CONFIG_DIRECTORY);
  for (const [name, text] of Object.entries(files)) broker.disk.writeFile(`${CONFIG_DIRECTORY}/${name}`, text);
  return broker;
}

const writing = suite('broker: config files');

writing('topics and groups are written in the turn that changes them, in the pretty form of fastjson', () => {
  const broker = new BrokerDriver().start();
  assert.is(broker.file('topics.json'), undefined, 'nothing has changed yet');
  createTopic(broker, 'T');
  assert.match(
    broker.file('topics.json')!,
    '\t\t"T":{\n\t\t\t"order":false,\n\t\t\t"perm":6,\n\t\t\t"readQueueNums":4,\n\t\t\t"topicFilterType":"SINGLE_TAG",\n' +
      '\t\t\t"topicName":"T",\n\t\t\t"topicSysFlag":0,\n\t\t\t"writeQueueNums":4\n\t\t}',
  );
  broker.send(broker.open(), RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ consumers: ['G'] }) });
  assert.match(broker.file('subscriptionGroup.json')!, '"groupName":"G"');
  assert.match(broker.file('topics.json')!, '"%RETRY%G"');
});

writing('several changes of a batch are one write, and the former content is the backup', () => {
  const broker = new BrokerDriver().start();
  createTopic(broker, 'A');
  const before = broker.file('topics.json');
  const body = javaHeartbeat({ consumers: ['G', 'H', 'I'] });
  broker.send(broker.open(), RequestCode.HEART_BEAT, {}, { body });
  assert.is(broker.file('topics.json.bak'), before);
  assert.is(broker.file('topics.json.tmp'), undefined);
});

writing('offsets every interval when they have changed, and at the end', () => {
  const broker = new BrokerDriver().start();
  commit(broker, 1);
  broker.advance(4_999);
  assert.is(broker.file('consumerOffset.json'), undefined);
  broker.advance(2);
  assert.is(broker.file('consumerOffset.json'), '{\n\t"offsetTable":{\n\t\t"T@G":{0:1\n\t\t}\n\t}\n}');
  commit(broker, 2);
  broker.advance(5_000);
  assert.match(broker.file('consumerOffset.json')!, '{0:2\n');
  assert.match(broker.file('consumerOffset.json.bak')!, '{0:1\n');
  broker.advance(5_000);
  assert.match(broker.file('consumerOffset.json.bak')!, '{0:1\n', 'nothing changed, nothing written');
  commit(broker, 3);
  broker.stop();
  assert.match(broker.file('consumerOffset.json')!, '{0:3\n');
});

writing('a disk that refuses is retried each second and said once; the broker goes on', () => {
  const broker = new BrokerDriver().start();
  createTopic(broker, 'A');
  broker.disk.inject({ operation: 'write', pathPart: 'topics.json', code: 'ENOSPC', times: 3 });
  createTopic(broker, 'B');
  assert.not.match(broker.file('topics.json')!, '"B"');
  for (let second = 0; second < 2; second++) broker.advance(1_000);
  assert.not.match(broker.file('topics.json')!, '"B"');
  const said = broker.logged.filter((line) => line.startsWith('error a table cannot be written'));
  assert.is(said.length, 1);
  assert.match(said[0]!, 'topics.json.tmp: ENOSPC (injected): free space');
  broker.advance(1_000);
  assert.match(broker.file('topics.json')!, '"B"');
  assert.ok(broker.logged.some((line) => line.startsWith('warn the disk takes it again')));
});

writing.run();

const reading = suite('broker: config files at start');

reading('everything is as it was, data versions included', () => {
  const broker = new BrokerDriver().start();
  createTopic(broker, 'T');
  broker.send(broker.open(), RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ consumers: ['G'] }) });
  commit(broker, 5);
  const tables = (): string[] => {
    const client = broker.open();
    const codes = [
      RequestCode.GET_ALL_TOPIC_CONFIG,
      RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
      RequestCode.GET_ALL_CONSUMER_OFFSET,
    ];
    return codes.map((code) => {
      const parsed = broker.ask(client, code).body.toString();
      return [...parsed].sort().join('');
    });
  };
  const before = tables();
  broker.stop();
  broker.restart();
  assert.equal(tables(), before);
});

reading("files of Apache's are taken, quoted queue ids and unknown fields too", () => {
  const broker = withFiles({
    'topics.json':
      '{"dataVersion":{"counter":3,"timestamp":1700000000123,"stateVersion":1},"topicConfigTable":{"orders":{"attributes":{},"order":true,"perm":4,"readQueueNums":2,"topicName":"orders","writeQueueNums":1}}}',
    'subscriptionGroup.json':
      '{"dataVersion":{"counter":1,"timestamp":5},"subscriptionGroupTable":{"g":{"groupName":"g","retryMaxTimes":3}}}',
    'consumerOffset.json': '{"offsetTable":{"orders@g":{"0":120,1:118}}}',
    'delayOffset.json': '{"offsetTable":{1:15,3:40}}',
  }).start();
  const { state } = broker;
  assert.equal(state.topics.version, { counter: 3, timestamp: 1700000000123 });
  assert.equal(state.topics.get('orders')!.config, {
    order: true,
    perm: 4,
    readQueueNums: 2,
    topicFilterType: 'SINGLE_TAG',
    topicName: 'orders',
    topicSysFlag: 0,
    writeQueueNums: 1,
  });
  assert.ok(state.topics.get('TBW102')?.config, 'system topics are there as well');
  assert.is(state.groups.get('g')!.retryMaxTimes, 3);
  assert.ok(state.groups.get('TOOLS_CONSUMER'));
  assert.is(state.offsets.get('g', 'orders', 1), 118);
  const delay = broker.ask(broker.open(), RequestCode.GET_ALL_DELAY_OFFSET);
  assert.is(delay.body.toString(), '{"offsetTable":{1:15,3:40}}');
});

reading('a file that a crash left empty, cut off or away is taken from its backup', () => {
  const good = '{"offsetTable":{"T@G":{0:7}}}';
  for (const main of ['', '{"offsetTable":{"T@G":{0:', undefined]) {
    const files = { 'consumerOffset.json.bak': good, ...(main === undefined ? {} : { 'consumerOffset.json': main }) };
    const broker = withFiles(files).start();
    assert.is(broker.state.offsets.get('G', 'T', 0), 7);
    assert.ok(broker.logged.some((line) => /^warn .*consumerOffset\.json .*its backup is used instead/.test(line)));
    commit(broker, 8);
    broker.stop();
    // The good backup was not replaced by the bad file.
    assert.match(broker.file('consumerOffset.json.bak') ?? good, '7');
    assert.match(broker.file('consumerOffset.json')!, '{0:8\n');
  }
});

reading('between the two renames of a write nothing is lost', () => {
  const broker = new BrokerDriver().start();
  createTopic(broker, 'A');
  broker.kill();
  broker.disk.rename(`${CONFIG_DIRECTORY}/topics.json`, `${CONFIG_DIRECTORY}/topics.json.bak`);
  broker.disk.writeFile(`${CONFIG_DIRECTORY}/topics.json.tmp`, '{"half');
  broker.restart();
  assert.ok(broker.state.topics.get('A')?.config);
});

reading('neither readable: the start fails and names the file', () => {
  const broker = withFiles({ 'topics.json': '{"topicConfigTable":[]}', 'topics.json.bak': 'nonsense' });
  try {
    broker.start();
    assert.unreachable();
  } catch (error) {
    assert.instance(error, StartError);
    assert.match((error as Error).message, `${CONFIG_DIRECTORY}/topics.json cannot be read: field <topicConfigTable>`);
    assert.match((error as Error).message, `${CONFIG_DIRECTORY}/topics.json.bak cannot be read`);
    assert.match((error as Error).message, 'move it away');
  }
});

reading.run();
