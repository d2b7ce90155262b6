/** Questions to a queue host whose disk or files are not as they should be: an answer each time, and the host goes on. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MS_PER_HOUR, MS_PER_MINUTE } from '../../../src/base/units.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { BrokerDriver } from '../broker/driver.js';
import { javaHeartbeat } from '../broker/heartbeats.js';

const GROUP = 'G';

/** A broker with its queue hosts; topic T has one queue with so many messages that the oldest have left the window. */
function filled(): { broker: BrokerDriver; client: number } {
  const broker = new BrokerDriver({ hasQueueHosts: true }).start();
  const client = broker.open();
  for (let n = 0; n < 60; n++) {
    const ext = { a: 'P', b: 'T', c: 'TBW102', d: '1', e: '0', f: '0', g: '1', h: '0', i: '' };
    const { command } = broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x'.repeat(40_000) });
    assert.is(command.code, ResponseCode.SUCCESS);
    broker.advance(10);
  }
  broker.ask(client, RequestCode.HEART_BEAT, {}, { body: javaHeartbeat({ clientId: 'one', consumers: [GROUP] }) });
  const ext = { consumerGroup: GROUP, topic: 'T', queueId: '0', commitOffset: '50' };
  assert.is(broker.ask(client, RequestCode.UPDATE_CONSUMER_OFFSET, ext).command.code, ResponseCode.SUCCESS);
  broker.take(client);
  return { broker, client };
}

const search = suite('queue host: offsets by time');
const byTime = { topic: 'T', group: GROUP, timestamp: '1', isForce: 'true' };

search('a log that cannot be read: the tool that resets offsets is told so, and nobody is moved', () => {
  const { broker, client } = filled();
  broker.disk.inject({ operation: 'read', pathPart: '/commitlog/', code: 'EIO', times: 1 });
  const tool = broker.open();
  const { command } = broker.ask(tool, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, byTime);
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(
    command.remark ?? '',
    /no offset was changed: read \/store\/commitlog\/\d+: EIO.*look at the kernel log/,
  );
  assert.equal(broker.take(client), []);
  assert.is(broker.ask(tool, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, byTime).command.code, ResponseCode.SUCCESS);
  assert.is(broker.take(client).length, 1, 'told the new offset once the disk is well again');
});

search('the files of a queue were removed under the broker: its first offset', () => {
  const { broker } = filled();
  // Idle queues give their handles back, and find nothing when they open their files again.
  broker.advance(120_000);
  for (const name of broker.disk.list('/store/consumequeue/T/0')) broker.disk.remove(`/store/consumequeue/T/0/${name}`);
  const { command } = broker.ask(broker.open(), RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, byTime);
  assert.is(command.code, ResponseCode.SUCCESS);
});

search.run();

const cleaning = suite('queue host: old entries');

cleaning('a queue whose entries cannot be read is left for another time', () => {
  const broker = new BrokerDriver({ hasQueueHosts: true, settings: 'mappedFileSizeCommitLog=131072' }).start();
  const client = broker.open();
  for (let n = 0; n < 9; n++) {
    const ext = { a: 'P', b: 'T', c: 'TBW102', d: '1', e: '0', f: '0', g: '1', h: '0', i: '' };
    broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x'.repeat(40_000) });
  }
  broker.stop();
  const files = broker.disk.list('/store/commitlog').length;
  const next = broker.restart();
  // The queue is not open yet: opening it looks at its files.
  next.disk.inject({ operation: 'read', pathPart: '/consumequeue/', code: 'EIO', times: Number.POSITIVE_INFINITY });
  for (const name of next.disk.list('/store/commitlog')) {
    const file = next.disk.open(`/store/commitlog/${name}`);
    file.setModified(next.nowMs - 73 * MS_PER_HOUR);
    file.close();
  }
  next.hour = 4;
  next.advance(5 * MS_PER_MINUTE);
  assert.ok(next.disk.list('/store/commitlog').length < files, 'log files were deleted');
  assert.ok(
    next.logged.some((line) => line.includes('EIO')),
    'the operator knows',
  );
  next.disk.clearFaults();
  assert.is(next.ask(next.open(), RequestCode.GET_MIN_OFFSET, { topic: 'T', queueId: '0' }).command.code, 0);
});

cleaning.run();
