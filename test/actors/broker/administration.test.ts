import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeOffsetMovedEvent } from '../../../src/actors/broker/sends/offset-moved.js';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { checkDisk } from '../../../src/actors/broker/store/disk-check.js';
import { parseProperties } from '../../../config/properties.js';
import { parseProperties as parseMessageProperties } from '../../../src/message/properties.js';
import { RecordFields } from '../../../src/message/record.js';
import { kvTable } from '../../../src/remoting/bodies/routes.js';
import { BodyProblem, decodeBody } from '../../../src/remoting/body-codec.js';
import type { BrokerReplica } from '../../../src/actors/queue/messages.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { BrokerDriver, CONFIG_PATH, NAME_SERVER } from './driver.js';

function runtimeInfo(broker: BrokerDriver): ReadonlyMap<string, string> {
  const decoded = decodeBody(kvTable, broker.ask(broker.open(), RequestCode.GET_BROKER_RUNTIME_INFO).body);
  if (decoded instanceof BodyProblem) throw new Error(decoded.text);
  return decoded.table;
}

function send(broker: BrokerDriver, connection: number): number {
  const ext = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '0', f: '0', g: '1', h: '0', i: 'UNIQ_KEY\u0001A' };
  return broker.ask(connection, RequestCode.SEND_MESSAGE_V2, ext, { body: 'hello' }).command.code;
}

const unknown = suite('broker: codes that it does not know');

unknown('are code 3 in the words of Apache, pulls on the VIP port among them', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  for (const code of [4711, 361, RequestCode.PULL_MESSAGE, RequestCode.WIPE_WRITE_PERM_OF_BROKER]) {
    const { command } = broker.ask(client, code, { topic: 'T' });
    assert.equal([command.code, command.remark], [3, ` request type ${code} not supported`]);
  }
});

unknown.run();

const configuration = suite('broker: settings as tools see and change them');

configuration('lines that can be read back, with a version', () => {
  const broker = new BrokerDriver({ settings: 'listenPort=0\n' }).start();
  const { command, body } = broker.ask(broker.open(), RequestCode.GET_BROKER_CONFIG);
  const { entries, problems } = parseProperties(body.toString());
  assert.is(problems.length, 0);
  const values = new Map(entries.map(({ key, value }) => [key, value]));
  assert.is(values.get('brokerName'), 'broker-a');
  assert.is(values.get('defaultTopicQueueNums'), '8');
  assert.equal([values.get('listenPort'), values.get('haListenPort')], ['10911', '10912']);
  assert.match(command.ext.get('version')!, /^\{"counter":0,"timestamp":\d+\}$/);
});

configuration('a live key applies at once and is written to the file, comments kept', () => {
  const broker = new BrokerDriver({ settings: '# mine\nautoCreateTopicEnable=true\n' }).start();
  const client = broker.open();
  const { command } = broker.ask(
    client,
    RequestCode.UPDATE_BROKER_CONFIG,
    {},
    { body: 'autoCreateTopicEnable=false\n' },
  );
  assert.is(command.code, ResponseCode.SUCCESS);
  assert.is(broker.state.settings.autoCreateTopicEnable, false);
  assert.is(broker.disk.readFile(CONFIG_PATH)!.toString(), '# mine\nautoCreateTopicEnable=false\n');
  const version = broker.ask(client, RequestCode.GET_BROKER_CONFIG).command.ext.get('version')!;
  assert.match(version, '"counter":1');
});

configuration('another key holds from the next start on, and is shown', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.ask(client, RequestCode.UPDATE_BROKER_CONFIG, {}, { body: 'defaultTopicQueueNums=3\n' });
  assert.is(broker.state.settings.defaultTopicQueueNums, 8);
  assert.match(broker.ask(client, RequestCode.GET_BROKER_CONFIG).body.toString(), 'defaultTopicQueueNums=3\n');
  broker.stop();
  broker.restart();
  assert.is(broker.state.settings.defaultTopicQueueNums, 3);
});

configuration('keys on the black list are code 16, wrong values code 1, and nothing is changed', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const update = (body: string) => broker.ask(client, RequestCode.UPDATE_BROKER_CONFIG, {}, { body }).command;
  assert.is(update('brokerConfigPath=/etc/passwd\n').code, ResponseCode.NO_PERMISSION);
  const wrong = update('autoCreateTopicEnable=false\nbrokerPermission=nine\n');
  assert.is(wrong.code, ResponseCode.SYSTEM_ERROR);
  assert.match(wrong.remark!, 'brokerPermission');
  assert.is(broker.state.settings.autoCreateTopicEnable, true);
  assert.is(update('noSuchKey=1\n').code, ResponseCode.SUCCESS, 'as Apache answers');
});

configuration('a packaged topology has no file to write', () => {
  const broker = new BrokerDriver({ hasConfigFile: false }).start();
  broker.ask(broker.open(), RequestCode.UPDATE_BROKER_CONFIG, {}, { body: 'traceOn=false\n' });
  assert.is(broker.state.settings.traceOn, false);
  assert.is(broker.disk.readFile(CONFIG_PATH)!.toString(), '');
});

configuration('a file that cannot be written refuses the update', () => {
  const broker = new BrokerDriver().start();
  broker.disk.inject({ operation: 'write', pathPart: 'broker-a.properties', code: 'EACCES', times: 1 });
  const { command } = broker.ask(broker.open(), RequestCode.UPDATE_BROKER_CONFIG, {}, { body: 'traceOn=false\n' });
  assert.match(command.remark!, 'cannot be saved');
  assert.is(broker.state.settings.traceOn, true);
});

configuration('brokerPermission reaches queue hosts and name servers before the answer', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  broker.asked.length = 0;
  for (const told of broker.hosts) told.length = 0;
  broker.ask(client, RequestCode.UPDATE_BROKER_CONFIG, {}, { body: 'brokerPermission=4\n' });
  const told = broker.takeTold(1, 'broker').map(({ value }) => value as BrokerReplica);
  assert.equal(
    told.map(({ brokerPermission, longPollingEnable }) => [brokerPermission, longPollingEnable]),
    [[4, true]],
  );
  assert.equal([broker.asked[0]!.address, broker.asked[0]!.command.code], [NAME_SERVER, RequestCode.REGISTER_BROKER]);
  assert.match(broker.asked[0]!.body.toString(), '"perm":4');
  assert.not.match(broker.asked[0]!.body.toString(), '"perm":6');
});

configuration.run();

const info = suite('broker: GET_BROKER_RUNTIME_INFO');

/** Keys of an idle Apache 4.9.7, asked of one; commitLogDiskRatio_<path> and scheduleMessageOffset_<level> aside. */
const APACHE_KEYS =
  'EndTransactionQueueSize EndTransactionThreadPoolQueueCapacity bootTimestamp brokerVersion brokerVersionDesc ' +
  'commitLogDirCapacity commitLogDiskRatio commitLogMaxOffset commitLogMinOffset consumeQueueDiskRatio dispatchBehindBytes ' +
  'dispatchMaxBuffer earliestMessageTimeStamp getFoundTps getMessageEntireTimeMax getMissTps getTotalTps getTransferedTps ' +
  'msgGetTotalTodayMorning msgGetTotalTodayNow msgGetTotalYesterdayMorning msgPutTotalTodayMorning msgPutTotalTodayNow ' +
  'msgPutTotalYesterdayMorning pageCacheLockTimeMills pullThreadPoolQueueCapacity pullThreadPoolQueueHeadWaitTimeMills ' +
  'pullThreadPoolQueueSize putLatency99 putLatency999 putMessageAverageSize putMessageDistributeTime putMessageEntireTimeMax ' +
  'putMessageFailedTimes putMessageSizeTotal putMessageTimesTotal putTps queryThreadPoolQueueCapacity ' +
  'queryThreadPoolQueueHeadWaitTimeMills queryThreadPoolQueueSize remainHowManyDataToFlush remainTransientStoreBufferNumbs ' +
  'runtime sendThreadPoolQueueCapacity sendThreadPoolQueueHeadWaitTimeMills sendThreadPoolQueueSize startAcceptSendRequestTimeStamp';

info('has every key of Apache 4.9.7', () => {
  const table = runtimeInfo(new BrokerDriver().start());
  for (const key of APACHE_KEYS.split(' ')) assert.ok(table.has(key), key);
  assert.is(table.get('brokerVersionDesc'), 'V4_9_7');
  assert.is(table.get('brokerVersion'), '407');
  assert.is(table.get('putTps'), '  ', 'no window has passed yet, as Apache prints it');
  assert.is(table.get('earliestMessageTimeStamp'), '-1');
  assert.is(table.get('commitLogMinOffset'), '-1');
});

info('messages per second over 10 s, a minute and ten minutes', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const storedMs = broker.nowMs;
  for (let second = 0; second < 20; second++) {
    for (let i = 0; i < 3; i++) send(broker, client);
    broker.advance(1_000);
  }
  assert.is(runtimeInfo(broker).get('putTps'), '3.0  ');
  broker.advance(40_000);
  const table = runtimeInfo(broker);
  assert.is(table.get('putTps'), '0.0 1.0 ');
  broker.advance(600_000);
  assert.is(runtimeInfo(broker).get('putTps'), '0.0 0.0 0.0');
  assert.is(table.get('putMessageTimesTotal'), '60');
  assert.is(table.get('msgPutTotalTodayNow'), '60');
  assert.is(table.get('earliestMessageTimeStamp'), String(storedMs));
  assert.is(Number(table.get('commitLogMaxOffset')), Number(table.get('putMessageSizeTotal')));
  assert.is(Number(table.get('putMessageAverageSize')), Number(table.get('putMessageSizeTotal')) / 60);
  assert.is(table.get('runtime'), '[ 0 days, 0 hours, 1 minutes, 0 seconds ]');
});

info('what the queue hosts report of their pulls', () => {
  const broker = new BrokerDriver().start();
  broker.tell(brokerMessages.pulled, { found: 40, missed: 20, messages: 900, host: 0, waiting: 3, headWaitMs: 12 });
  broker.advance(10_000);
  const table = runtimeInfo(broker);
  assert.is(table.get('getFoundTps'), '4.0  ');
  assert.is(table.get('getMissTps'), '2.0  ');
  assert.is(table.get('getTotalTps'), '6.0 0.0 0.0');
  assert.is(table.get('getTransferedTps'), '90.0  ');
  assert.is(table.get('msgGetTotalTodayNow'), '900');
  assert.is(table.get('pullThreadPoolQueueSize'), '3');
  assert.is(table.get('pullThreadPoolQueueHeadWaitTimeMills'), '12');
});

info('how long sends of a SYNC_MASTER waited for the slave, of the last full minute', () => {
  const broker = new BrokerDriver({ settings: 'brokerRole=SYNC_MASTER\n' }).start();
  const client = broker.open();
  broker.tell(brokerMessages.replicated, { offset: 0, slaves: 1 });
  const ext = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '0', f: '0', g: '1', h: '0' };
  broker.send(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x' });
  broker.advance(30);
  const waiting = runtimeInfo(broker);
  assert.is(waiting.get('sendThreadPoolQueueSize'), '1');
  assert.is(waiting.get('sendThreadPoolQueueHeadWaitTimeMills'), '30');
  broker.tell(brokerMessages.replicated, { offset: broker.state.log.endOffset, slaves: 1 });
  assert.is(broker.take(client).length, 1);
  broker.advance(61_000);
  const table = runtimeInfo(broker);
  assert.match(table.get('putMessageDistributeTime')!, '[10~50ms]:1 ');
  assert.is(table.get('putMessageEntireTimeMax'), '30');
  assert.ok(Number(table.get('putLatency99')) > 20 && Number(table.get('putLatency99')) <= 30);
});

info.run();

const moved = suite('broker: OFFSET_MOVED_EVENT');

moved("is stored as Apache's broker stores it", () => {
  const broker = new BrokerDriver().start();
  const value = { group: 'G', topic: 'T', queueId: 2, requestedOffset: 99, newOffset: 5 };
  broker.tell(brokerMessages.offsetMoved, { value });
  const { log, reader } = broker.state;
  const record = Buffer.alloc(log.endOffset);
  assert.ok(reader.read(0, record.length, record, 0));
  const fields = new RecordFields();
  fields.read(new DataView(record.buffer, record.byteOffset, record.length), 0);
  const text = (at: number, bytes: number) => record.toString('utf8', at, at + bytes);
  assert.is(text(fields.topicAt, fields.topicBytes), 'OFFSET_MOVED_EVENT');
  assert.is(
    text(fields.bodyAt, fields.bodyBytes),
    '{"consumerGroup":"G","messageQueue":{"brokerName":"broker-a","queueId":2,"topic":"T"},"offsetNew":5,"offsetRequest":99}',
  );
  const properties = parseMessageProperties(text(fields.propertiesAt, fields.propertiesBytes));
  assert.equal(Object.fromEntries(properties), { TAGS: 'G', DELAY: '0', KEYS: 'G' });
  const dispatched = [...broker.takeTold(0, 'dispatch'), ...broker.takeTold(1, 'dispatch')];
  assert.is(dispatched.length, 1);
});

moved('is dropped and counted where nothing can be stored', () => {
  const broker = new BrokerDriver().start();
  const { state } = broker;
  state.refusal = 'the disk is full';
  writeOffsetMovedEvent(state, { group: 'G', topic: 'T', queueId: 0, requestedOffset: 1, newOffset: 0 });
  state.refusal = undefined;
  writeOffsetMovedEvent(state, { group: 'g'.repeat(20_000), topic: 'T', queueId: 0, requestedOffset: 1, newOffset: 0 });
  assert.is(state.counters.failedPuts, 2);
  assert.is(state.log.endOffset, 0);
});

moved.run();

const disk = suite('broker: a disk that is too full');

/** Half of the disk is reserved. */
const usage = (usedBytes: number, availableBytes: number) => ({ totalBytes: 2_000, usedBytes, availableBytes });

disk('refuses sends with the remedy, at start already, and takes them again', () => {
  const broker = new BrokerDriver();
  broker.disk.usage = () => usage(920, 80);
  broker.start();
  const line = broker.logged.find((text) => text.startsWith('error sends are refused'))!;
  assert.match(line, 'the disk of /store/commitlog is 92 % full, more than diskSpaceWarningLevelRatio=90');
  assert.match(line, 'free space there');
  const client = broker.open();
  assert.is(send(broker, client), ResponseCode.SERVICE_NOT_AVAILABLE);
  assert.is(runtimeInfo(broker).get('commitLogDiskRatio'), '0.92');
  broker.disk.usage = () => usage(900, 100);
  broker.advance(10_000);
  assert.is(send(broker, client), ResponseCode.SUCCESS);
  assert.is(broker.logged.filter((text) => text.includes('sends are refused')).length, 1);
});

disk('the ratio may be changed while it runs', () => {
  const broker = new BrokerDriver();
  broker.disk.usage = () => usage(920, 80);
  broker.start();
  const client = broker.open();
  broker.ask(client, RequestCode.UPDATE_BROKER_CONFIG, {}, { body: 'diskSpaceWarningLevelRatio=95\n' });
  assert.is(send(broker, client), ResponseCode.SUCCESS);
  checkDisk(broker.state);
  assert.is(broker.state.refusal, undefined);
});

disk.run();
