/** What a broker does while its disk refuses: see store-health.ts. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONSUME_QUEUE_PATIENCE_MS } from '../../../src/actors/broker/store/store-health.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { SlabReader } from '../../../src/runtime/slab.js';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { encodeRecord, START_MS } from '../../store/support.js';
import { sendFields } from '../../support/remoting-client.js';
import { type Answered, BrokerDriver } from './driver.js';

const TOPIC = 'TBW102';

function fieldsOf(properties = ''): Record<string, string> {
  const fields = Object.entries(sendFields(TOPIC, 0, properties));
  return Object.fromEntries(fields.map(([name, value]) => [name, String(value)]));
}

function send(broker: BrokerDriver, client: number, body = 'hello', properties = ''): Answered {
  return broker.ask(client, RequestCode.SEND_MESSAGE_V2, fieldsOf(properties), { body });
}

function metric(broker: BrokerDriver, name: string, part?: string): number {
  const series = new SlabReader(broker.slab).read();
  return series.find((one) => one.name === name && (part === undefined || one.labels.part === part))?.value ?? 0;
}

const logErrors = suite('broker: the commit log cannot be written');

logErrors('sends are refused with path and remedy, and taken again a second after there is room', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  assert.is(send(broker, client).command.code, ResponseCode.SUCCESS);
  const { disk } = broker;
  disk.inject({ operation: 'write', pathPart: '/commitlog/', code: 'ENOSPC', times: Number.POSITIVE_INFINITY });
  for (let attempt = 0; attempt < 3; attempt++) {
    const { code, remark } = send(broker, client).command;
    assert.is(code, ResponseCode.SERVICE_NOT_AVAILABLE);
    assert.match(remark!, /^service not available now: write \/store\/commitlog\/0+: ENOSPC.*free space/);
  }
  broker.advance(5_000);
  assert.is(broker.logged.filter((line) => line.includes('messages cannot be written')).length, 1, 'said once');
  assert.is(metric(broker, 'hangar_store_failing', 'commitLog'), 1);
  assert.is(metric(broker, 'hangar_broker_writable'), 0);
  assert.ok(metric(broker, 'hangar_store_errors_total', 'commitLog') >= 3);
  disk.clearFaults();
  broker.advance(1_000);
  assert.is(metric(broker, 'hangar_store_failing', 'commitLog'), 0);
  assert.is(metric(broker, 'hangar_broker_writable'), 1);
  const { code, ext } = send(broker, client).command;
  assert.is(code, ResponseCode.SUCCESS);
  // The first refused one was in the window already and is in the log now, as after a time-out.
  assert.is(ext.get('queueOffset'), '2');
  assert.is(broker.state.log.writtenOffset, broker.state.log.endOffset);
});

logErrors(
  'a next file that cannot be created is created by the retry, and is gone after a clean stop if unused',
  () => {
    const broker = new BrokerDriver({ settings: 'mappedFileSizeCommitLog=65536\nmaxMessageSize=40000' }).start();
    const client = broker.open();
    const body = 'x'.repeat(30_000);
    for (let sent = 0; sent < 2; sent++) assert.is(send(broker, client, body).command.code, ResponseCode.SUCCESS);
    broker.disk.inject({
      operation: 'create',
      pathPart: '/commitlog/',
      code: 'EMFILE',
      times: Number.POSITIVE_INFINITY,
    });
    const { code, remark } = send(broker, client, body).command;
    assert.is(code, ResponseCode.SERVICE_NOT_AVAILABLE);
    assert.match(remark!, 'EMFILE');
    assert.match(remark!, 'ulimit -n');
    broker.disk.clearFaults();
    broker.advance(1_000);
    assert.is(broker.state.log.failure, undefined);
    assert.is(broker.disk.list('/store/commitlog').length, 2);
    broker.stop();
    assert.is(broker.disk.list('/store/commitlog').length, 1);
    broker.restart();
    assert.is(send(broker, broker.open(), body).command.ext.get('queueOffset'), '2');
  },
);

logErrors('a queue ends for clients where the log is written: who begins at its end is not sent back later', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  assert.is(send(broker, client).command.code, ResponseCode.SUCCESS);
  const queue = { topic: TOPIC, queueId: '0' };
  const end = () => broker.ask(client, RequestCode.GET_MAX_OFFSET, queue).command.ext.get('offset');
  broker.disk.inject({ operation: 'write', pathPart: '/commitlog/', code: 'ENOSPC', times: 2 });
  assert.is(send(broker, client).command.code, ResponseCode.SERVICE_NOT_AVAILABLE);
  assert.is(end(), '1');
  broker.advance(3_000);
  assert.is(broker.state.log.failure, undefined);
  assert.is(end(), '2', 'what was refused was stored after all, as after any error');
});

logErrors('after a failed fdatasync nothing is acknowledged any more, however often later ones succeed', () => {
  const broker = new BrokerDriver({ settings: 'flushDiskType=SYNC_FLUSH' }).start();
  const client = broker.open();
  assert.is(send(broker, client).command.code, ResponseCode.SUCCESS);
  broker.disk.inject({ operation: 'sync', pathPart: '/commitlog/', code: 'EIO', times: 1 });
  const opaque = broker.send(client, RequestCode.SEND_MESSAGE_V2, fieldsOf(), { body: 'lost?' });
  assert.equal(broker.take(client), []);
  broker.advance(5_100);
  const [late] = broker.take(client);
  assert.is(late!.command.opaque, opaque);
  assert.is(late!.command.code, ResponseCode.FLUSH_DISK_TIMEOUT);
  const refused = send(broker, client).command;
  assert.is(refused.code, ResponseCode.SERVICE_NOT_AVAILABLE);
  assert.match(refused.remark!, 'sync /store/commitlog/00000000000000000000: EIO');
  assert.is(send(broker, client, 'm', 'WAIT\u0001false').command.code, ResponseCode.SERVICE_NOT_AVAILABLE);
  assert.is(metric(broker, 'hangar_store_failing', 'flush'), 1);
  assert.ok(broker.logged.some((line) => line.includes('until the broker is restarted')));
});

logErrors.run();

const queueErrors = suite('broker: a queue host cannot write its consume queues');
const error = { code: 'ENOSPC', path: '/store/consumequeue/TBW102/0', message: 'write /store/consumequeue: ENOSPC' };

/** The host of queue 0: the one that is told of it. */
function stalledHost(broker: BrokerDriver, client: number): 0 | 1 {
  send(broker, client);
  return broker.takeTold(0, 'dispatch').length > 0 ? 0 : 1;
}

queueErrors('a stalled host is left alone for a second, then told to resume and everything from there again', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const host = stalledHost(broker, client);
  broker.hosts[host].length = 0;
  broker.hostSays(host, 'stalled', { host, stall: 1, from: 0, error });
  assert.is(send(broker, client).command.code, ResponseCode.SUCCESS, 'the log is the truth');
  assert.equal(broker.takeTold(host, 'dispatch'), []);
  assert.is(broker.takeTold(host, 'behind').length, 1);
  broker.advance(1_000);
  const told = broker.hosts[host].map(({ kind }) => kind).filter((kind) => kind !== 'logRange');
  assert.equal(told, ['resume', 'dispatch', 'caughtUp']);
  assert.equal(broker.takeTold(host, 'resume')[0]!.fields, { stall: 1, from: 0 });
  assert.is(broker.takeTold(host, 'dispatch')[0]!.fields.count, 2);
});

queueErrors('a host that missed a message longer than the chunks of its catching up gets it, too', () => {
  const settings = 'brokerRole=SLAVE\nbrokerId=1\nmappedFileSizeCommitLog=8388608\n';
  const broker = new BrokerDriver({ settings }).start();
  const messages = [3, 1_500_000, 3].map((bytes, queueOffset) => ({
    topic: TOPIC,
    queueOffset,
    body: 'x'.repeat(bytes),
  }));
  for (const message of messages) {
    const { endOffset } = broker.state.log;
    const record = encodeRecord({ ...message, storeTimestamp: START_MS }, endOffset);
    for (let at = 0; at < record.length; at += 100_000) {
      broker.haSays(brokerMessages.append, { offset: endOffset + at }, record.subarray(at, at + 100_000));
    }
  }
  const host = broker.takeTold(0, 'dispatch').length > 0 ? 0 : 1;
  broker.hosts[host].length = 0;
  broker.hostSays(host, 'stalled', { host, stall: 1, from: 0, error });
  broker.advance(1_000);
  const counts = broker.takeTold(host, 'dispatch').map(({ fields }) => fields.count as number);
  assert.is(
    counts.reduce((sum, count) => sum + count, 0),
    messages.length,
  );
  assert.is(broker.takeTold(host, 'caughtUp').length, 1);
});

queueErrors('a host that has caught up waits for the rest of a record of which a slave has the half', () => {
  const broker = new BrokerDriver({ settings: 'brokerRole=SLAVE\nbrokerId=1\n' }).start();
  const recordAt = (queueOffset: number): Buffer => {
    const message = { topic: TOPIC, queueOffset, body: 'abc', storeTimestamp: START_MS };
    return encodeRecord(message, broker.state.log.endOffset);
  };
  broker.haSays(brokerMessages.append, { offset: 0 }, recordAt(0));
  const host = broker.takeTold(0, 'dispatch').length > 0 ? 0 : 1;
  broker.hosts[host].length = 0;
  broker.hostSays(host, 'stalled', { host, stall: 1, from: 0, error });
  const second = recordAt(1);
  const offset = broker.state.log.endOffset;
  broker.haSays(brokerMessages.append, { offset }, second.subarray(0, 50));
  let turns = 0;
  broker.onTurn = () => assert.ok(++turns < 100, 'it does not look again and again for what has not come');
  broker.advance(1_000);
  assert.is(broker.takeTold(host, 'dispatch')[0]?.fields.count, 1);
  broker.haSays(brokerMessages.append, { offset: offset + 50 }, second.subarray(50));
  assert.is(broker.takeTold(host, 'dispatch')[0]?.fields.count, 1);
});

queueErrors('sends go on for half a minute, then they are refused until the host has caught up', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const host = stalledHost(broker, client);
  let stall = 0;
  const stallAgain = (): void => broker.hostSays(host, 'stalled', { host, stall: ++stall, from: 0, error });
  stallAgain();
  for (let second = 1; second < CONSUME_QUEUE_PATIENCE_MS / 1000; second++) {
    // It meets the same full disk as soon as it goes on.
    broker.advance(999);
    stallAgain();
    assert.is(send(broker, client).command.code, ResponseCode.SUCCESS, `after ${second} s`);
  }
  broker.advance(1_100);
  stallAgain();
  const { code, remark } = send(broker, client).command;
  assert.is(code, ResponseCode.SERVICE_NOT_AVAILABLE);
  assert.match(remark!, /consume queues could not be written for 30 s: .*ENOSPC: free space/);
  broker.advance(2_000);
  broker.hostSays(host, 'queueDisk', { host, error: undefined });
  broker.advance(1_000);
  assert.is(send(broker, client).command.code, ResponseCode.SUCCESS);
});

queueErrors('what a host misses is read again until the log can be read', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const host = stalledHost(broker, client);
  // The first message leaves the window.
  for (let n = 0; n < 40; n++) send(broker, client, 'x'.repeat(40_000));
  broker.hosts[host].length = 0;
  broker.hostSays(host, 'stalled', { host, stall: 1, from: 0, error });
  broker.disk.inject({ operation: 'read', pathPart: '/commitlog/', code: 'EIO', times: 3 });
  broker.advance(2_500);
  assert.equal(broker.takeTold(host, 'caughtUp'), []);
  assert.is(broker.logged.filter((line) => line.includes('the commit log cannot be read')).length, 1, 'said once');
  assert.is(send(broker, client).command.code, ResponseCode.SUCCESS);
  broker.advance(10_000);
  assert.is(broker.takeTold(host, 'caughtUp').length, 1);
});

queueErrors('the checkpoint moves only when every host has synced', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  send(broker, client);
  const { checkpoint } = broker.state;
  const before = checkpoint.consumeQueueTimestamp;
  broker.hostsSync[1] = false;
  broker.advance(60_000);
  assert.is(checkpoint.consumeQueueTimestamp, before);
  broker.hostsSync[1] = true;
  broker.advance(60_000);
  assert.ok(checkpoint.consumeQueueTimestamp > before);
});

queueErrors('a checkpoint that cannot be written is said and tried again', () => {
  const broker = new BrokerDriver().start();
  send(broker, broker.open());
  broker.disk.inject({ operation: 'write', pathPart: '/checkpoint', code: 'ENOSPC', times: 1 });
  broker.advance(60_000);
  assert.is(metric(broker, 'hangar_store_failing', 'checkpoint'), 1);
  broker.advance(60_000);
  assert.is(metric(broker, 'hangar_store_failing', 'checkpoint'), 0);
});

queueErrors.run();

const indexErrors = suite('broker: keys cannot be put into the index');

indexErrors('a file of it that cannot be made fails until one is made, and both are said once', () => {
  const broker = new BrokerDriver({ settings: 'messageIndexEnable=true' }).start();
  const client = broker.open();
  broker.disk.inject({ operation: 'create', pathPart: '/index/', code: 'EMFILE', times: Number.POSITIVE_INFINITY });
  const said = (text: string): number => broker.logged.filter((line) => line.includes(text)).length;
  for (let count = 0; count < 3; count++) {
    assert.is(send(broker, client, 'hello', 'KEYS\u0001k').command.code, ResponseCode.SUCCESS);
    broker.advance(1_000);
  }
  assert.equal([said('message keys cannot be written'), said('the disk takes it again')], [1, 0]);
  assert.is(metric(broker, 'hangar_store_failing', 'index'), 1);
  broker.disk.clearFaults();
  send(broker, client, 'hello', 'KEYS\u0001k');
  broker.advance(20_000);
  assert.equal([said('message keys cannot be written'), said('the disk takes it again')], [1, 1]);
  assert.is(metric(broker, 'hangar_store_failing', 'index'), 0);
});

indexErrors.run();
