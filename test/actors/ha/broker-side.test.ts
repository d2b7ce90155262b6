/** What the broker of a slave does for its HA actor: compares its log with the master's, and appends what comes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { KIB, MIB } from '../../../src/base/units.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { fnv1a } from '../../../src/remoting/request-scan.js';
import type { MemoryDisk } from '../../../src/runtime/simulation/memory-disk.js';
import { type Answered, BrokerDriver, NAME_SERVER } from '../broker/driver.js';

const MASTER = '10.0.0.1:10911';
const SEND = { producerGroup: 'p', topic: 'T', defaultTopic: 'TBW102', defaultTopicQueueNums: '4', queueId: '0' };
const SEND_REST = { sysFlag: '0', bornTimestamp: '1700000000000', flag: '0', properties: '', reconsumeTimes: '0' };

function masterWith(...bodies: string[]): BrokerDriver {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  for (const body of bodies) {
    assert.is(broker.ask(client, RequestCode.SEND_MESSAGE, { ...SEND, ...SEND_REST }, { body }).command.code, 0);
  }
  return broker;
}

function logOf(broker: BrokerDriver, from = 0): Buffer {
  const content = broker.disk.readFile('/store/commitlog/00000000000000000000')!;
  return content.subarray(from, broker.state.log.endOffset);
}

interface SlaveOptions {
  readonly settings?: string;
  readonly disk?: MemoryDisk;
  /** Changes what the master answers. */
  readonly lie?: (code: number, body: Buffer) => { code?: number; body?: Buffer };
}

/** A slave whose requests the master answers itself. */
function slaveOf(master: BrokerDriver, { settings = '', disk, lie }: SlaveOptions = {}): BrokerDriver {
  const broker = new BrokerDriver({
    settings: `brokerRole=SLAVE\nbrokerId=1\n${settings}`,
    ...(disk === undefined ? {} : { disk }),
  });
  broker.peers.set(NAME_SERVER, () => ({ parts: { ext: { masterAddr: MASTER, haServerAddr: '10.0.0.1:10912' } } }));
  const client = master.open();
  broker.peers.set(MASTER, ({ command }: Answered) => {
    const { command: answer, body } = master.ask(client, command.code, Object.fromEntries(command.ext));
    const told = lie?.(command.code, body) ?? {};
    return {
      parts: { code: told.code ?? answer.code, remark: answer.remark, ext: Object.fromEntries(answer.ext) },
      body: told.body ?? body,
    };
  });
  return broker.start();
}

function append(slave: BrokerDriver, offset: number, bytes: Uint8Array): void {
  slave.haSays(brokerMessages.append, { offset }, bytes);
}

/** What the broker tells its HA actor about the master of connection 3. */
function check(slave: BrokerDriver): string {
  slave.ha.length = 0;
  slave.haSays(brokerMessages.checkMaster, { connection: 3 });
  const [answer, ...more] = slave.ha.filter(({ kind }) => kind === 'masterChecked');
  assert.is(more.length, 0);
  assert.is(answer!.fields.connection, 3);
  return answer!.bytes.toString();
}

const checks = suite("slave: is the own log the beginning of the master's?");

checks('yes for an empty one, and for one that holds what the master has, or less', () => {
  const master = masterWith('one', 'two', 'three');
  const slave = slaveOf(master);
  assert.is(check(slave), '');
  const log = logOf(master);
  const firstBytes = log.readInt32BE(0);
  append(slave, 0, log.subarray(0, firstBytes));
  assert.is(check(slave), '');
  append(slave, firstBytes, log.subarray(firstBytes));
  assert.is(check(slave), '');
  slave.stop();
  assert.is(check(slave.restart()), '', 'after a restart, too');
});

checks('no when its last record is another', () => {
  const slave = slaveOf(masterWith('one', 'two'));
  append(slave, 0, logOf(masterWith('one', 'TWO')));
  assert.match(
    check(slave),
    /the message at \d+ is not the master's: the logs have parted; move the slave's store away/,
  );
});

checks('no when it is longer, or ends before the master begins', () => {
  const longer = slaveOf(masterWith('one'));
  append(longer, 0, logOf(masterWith('one', 'two')));
  assert.match(check(longer), /behind its master's end/);

  const master = masterWith('one', 'two');
  const late = slaveOf(master, { lie: minOffset(MIB) });
  append(late, 0, logOf(master));
  assert.match(check(late), /its master's begins at 1048576 already: move the slave's store away/);
});

checks('no when the master has deleted the record that could show it', () => {
  const master = masterWith('one', 'two');
  const end = logOf(master).length;
  const slave = slaveOf(master, { lie: minOffset(end) });
  append(slave, 0, logOf(master));
  assert.match(
    check(slave),
    /has deleted the own last message, at \d+, so that nothing shows whether both logs are one/,
  );
});

checks('no when log files are of different sizes', () => {
  const master = masterWith('one');
  const slave = slaveOf(master, { settings: `mappedFileSizeCommitLog=${512 * KIB}\n` });
  append(slave, 0, logOf(master));
  assert.match(check(slave), /the master's mappedFileSizeCommitLog is 1048576, the own one 524288/);
});

checks('not known when the master does not answer', () => {
  const master = masterWith('one');
  const slave = slaveOf(master);
  append(slave, 0, logOf(master));
  slave.peers.delete(MASTER);
  slave.disconnectPeer(MASTER);
  assert.match(check(slave), /the master cannot be asked for its log/);
});

function minOffset(min: number): NonNullable<SlaveOptions['lie']> {
  return (code, body) => {
    if (code !== RequestCode.GET_BROKER_RUNTIME_INFO) return {};
    const info = JSON.parse(body.toString()) as { table: Record<string, string> };
    info.table.commitLogMinOffset = String(min);
    if (Number(info.table.commitLogMaxOffset) < min) info.table.commitLogMaxOffset = String(min);
    return { body: Buffer.from(JSON.stringify(info)) };
  };
}

checks.run();

const appends = suite('slave: what comes from the master is appended');

appends('byte for byte, cut anywhere; queues and acknowledgements go with it', () => {
  const master = masterWith('one', 'two', 'three');
  const slave = slaveOf(master);
  const log = logOf(master);
  let acknowledged = slave.ha.filter(({ kind }) => kind === 'appended').length;
  for (let at = 0; at < log.length; at += 37) {
    append(slave, at, log.subarray(at, Math.min(log.length, at + 37)));
    assert.is(slave.state.log.endOffset, Math.min(log.length, at + 37));
    assert.is(slave.ha.filter(({ kind }) => kind === 'appended').length, ++acknowledged);
  }
  assert.ok(logOf(slave).equals(log));
  const queue = [...slave.state.topics.find(Buffer.from('T'), 0, 1, fnv1a(Buffer.from('T'), 0, 1))!.usedQueues()][0]!;
  assert.is(queue.nextOffset, 3);
});

appends('a full disk is told, what follows is dropped; when there is room it goes on where the log ends', () => {
  const master = masterWith('one', 'two', 'three');
  const slave = slaveOf(master);
  const log = logOf(master);
  append(slave, 0, log.subarray(0, 100));
  slave.disk.inject({ operation: 'write', pathPart: 'commitlog', code: 'ENOSPC', times: Number.POSITIVE_INFINITY });
  append(slave, 100, log.subarray(100, 150));
  append(slave, 150, log.subarray(150));
  const failures = slave.ha.filter(({ kind }) => kind === 'appendFailed');
  assert.is(failures.length, 1);
  assert.match(failures[0]!.bytes.toString(), 'ENOSPC');
  assert.is(slave.state.log.endOffset, 100);
  slave.disk.clearFaults();
  slave.advance(10_000);
  append(slave, 100, log.subarray(100));
  assert.ok(logOf(slave).equals(log));
});

appends('a gap is told, and not appended', () => {
  const master = masterWith('one', 'two');
  const slave = slaveOf(master);
  append(slave, 0, logOf(master).subarray(0, 100));
  append(slave, 120, logOf(master).subarray(120));
  const [failure] = slave.ha.filter(({ kind }) => kind === 'appendFailed');
  assert.match(failure!.bytes.toString(), /sends its log from 120, the own one ends at 100/);
  assert.is(slave.state.log.endOffset, 100);
});

appends(
  'what is no log is not taken, whoever sends it: the slave serves what it has, and is well after a start',
  () => {
    const master = masterWith('one', 'two');
    const slave = slaveOf(master, { settings: 'autoCreateTopicEnable=true' });
    const log = logOf(master);
    append(slave, 0, log);
    append(slave, log.length, Buffer.alloc(300, 0x5a));
    const failures = (): string[] =>
      slave.ha.filter(({ kind }) => kind === 'appendFailed').map(({ bytes }) => bytes.toString());
    assert.is(failures().length, 1);
    assert.match(failures()[0]!, /no log: no record at \d+: illegal magic.*store check/);
    append(slave, log.length + 300, Buffer.alloc(300));
    assert.match(failures()[1]!, /start this slave again/);
    assert.is(slave.state.log.endOffset, log.length + 300, 'nothing more is taken');
    const ask = { topic: 'T', queueId: '0' };
    assert.is(slave.ask(slave.open(), RequestCode.GET_MAX_OFFSET, ask).command.ext.get('offset'), '2');
    slave.kill();
    slave.restart();
    assert.is(slave.state.log.endOffset, log.length);
  },
);

appends('an own log that cannot be read for a moment is dispatched later', () => {
  const master = masterWith('one', 'two');
  const slave = slaveOf(master);
  slave.disk.inject({ operation: 'read', pathPart: 'commitlog', code: 'EIO', times: 2 });
  append(slave, 0, logOf(master));
  assert.is(slave.logged.filter((line) => line.includes('the commit log cannot be read')).length, 1);
  slave.advance(5_000);
  const ask = { topic: 'T', queueId: '0' };
  assert.is(slave.ask(slave.open(), RequestCode.GET_MAX_OFFSET, ask).command.ext.get('offset'), '2');
});

appends.run();

const settings = suite('settings of the replication stream');

settings('an update by tools reaches the HA actor at once', () => {
  const broker = masterWith();
  broker.ha.length = 0;
  const body = 'haSendHeartbeatInterval=700\nhaHousekeepingInterval=9000\nhaTransferBatchSize=1000\n';
  assert.is(broker.ask(broker.open(), RequestCode.UPDATE_BROKER_CONFIG, {}, { body }).command.code, 0);
  assert.equal(broker.ha.filter(({ kind }) => kind === 'settings').at(-1)?.fields, {
    heartbeatMs: 700,
    housekeepingMs: 9_000,
    batchBytes: 1_000,
  });
});

settings.run();
