/** Pulls of messages that have left memory, and what counts as "in memory": a broker with its queue hosts in one thread. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { usableMemoryBytes } from '../../../config/facts.js';
import { COLD_PULLS_MAX } from '../../../src/actors/queue/cold-pulls.js';
import { KIB, MIB } from '../../../src/base/units.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { messagesOf } from '../../support/remoting-client.js';
import { type Answered, BrokerDriver, type DriverOptions } from '../broker/driver.js';

const MESSAGES = 90;
/** 90 of these are more than 3 MiB of log, of which the window holds the last. */
const BODY_BYTES = 40 * KIB;
const GROUP = 'G';

const bodyOf = (n: number): string => String(n).padEnd(BODY_BYTES, '.');

function filled(options: DriverOptions = {}): { broker: BrokerDriver; client: number } {
  const broker = new BrokerDriver({ hasQueueHosts: true, ...options }).start();
  const client = broker.open();
  broker.ask(client, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: `{"groupName":"${GROUP}"}` });
  for (let n = 0; n < MESSAGES; n++) {
    const ext = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '1', f: '0', g: '1234', h: '7', i: '' };
    const { command } = broker.ask(client, RequestCode.SEND_MESSAGE_V2, ext, { body: bodyOf(n) });
    assert.is(command.code, ResponseCode.SUCCESS);
  }
  return { broker, client };
}

function pullAt(queueOffset: number, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    consumerGroup: GROUP,
    topic: 'T',
    queueId: '1',
    queueOffset: String(queueOffset),
    maxMsgNums: '32',
    sysFlag: '4',
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
    ...more,
  };
}

function pull(broker: BrokerDriver, client: number, queueOffset: number): Answered {
  broker.postPull(client, pullAt(queueOffset));
  broker.settle();
  const answers = broker.take(client);
  assert.is(answers.length, 1);
  return answers[0]!;
}

function offsetsOf({ body }: Answered): number[] {
  return messagesOf(body).map((message) => {
    assert.is(message.body.toString(), bodyOf(message.queueOffset));
    return message.queueOffset;
  });
}

const cold = suite('cold pulls');

cold('an old message waits for the disk, a new one does not', () => {
  const { broker, client } = filled();
  assert.equal(offsetsOf(pull(broker, client, MESSAGES - 2)), [MESSAGES - 2, MESSAGES - 1]);
  assert.is(broker.disk.laterReads, 0);
  assert.equal(offsetsOf(pull(broker, client, 0)), [0, 1, 2, 3, 4, 5], 'as many as fit into 256 KiB');
  assert.ok(broker.disk.laterReads > 0);
});

cold('a reader gets everything in order, and most of it was read ahead', () => {
  const { broker, client } = filled();
  const seen: number[] = [];
  let waited = 0;
  while (seen.length < MESSAGES) {
    broker.postPull(client, pullAt(seen.length));
    broker.turn();
    let answers = broker.take(client);
    if (answers.length === 0) {
      waited++;
      broker.settle();
      answers = broker.take(client);
    }
    // What was asked for ahead comes before the next pull.
    broker.settle();
    seen.push(...offsetsOf(answers[0]!));
  }
  assert.equal(
    seen,
    Array.from({ length: MESSAGES }, (_, n) => n),
  );
  assert.ok(waited <= 3, `${waited} pulls have waited`);
});

cold('a connection that is gone is not answered, and its pull does not stay', () => {
  const { broker, client } = filled();
  const other = broker.open();
  broker.postPull(other, pullAt(0));
  broker.turn();
  broker.close(other);
  broker.settle();
  assert.equal(broker.take(other), []);
  assert.equal(offsetsOf(pull(broker, client, 0)).length, 6);
});

cold('a file that retention deletes meanwhile: MESSAGE_WAS_REMOVING, to be pulled again', () => {
  const { broker, client } = filled();
  for (const name of broker.disk.list('/store/commitlog').slice(0, 1)) broker.disk.remove(`/store/commitlog/${name}`);
  const { command, body } = pull(broker, client, 0);
  assert.is(command.code, ResponseCode.PULL_RETRY_IMMEDIATELY);
  assert.is(command.remark, 'MESSAGE_WAS_REMOVING');
  assert.is(body.length, 0);
});

cold('a topic that is deleted meanwhile: the pull is answered with what there was', () => {
  const { broker, client } = filled();
  broker.postPull(client, pullAt(0));
  broker.turn();
  const admin = broker.open();
  broker.ask(admin, RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'T' });
  const answers = broker.take(client);
  assert.is(answers.length, 1);
  assert.ok([ResponseCode.SUCCESS, ResponseCode.TOPIC_NOT_EXIST].includes(answers[0]!.command.code as 0));
  broker.postPull(client, pullAt(0));
  broker.advance(1_000);
  assert.is(broker.take(client)[0]!.command.code, ResponseCode.TOPIC_NOT_EXIST);
});

cold('a disk that fails: SYSTEM_ERROR with its code, and the operator is told the file', () => {
  const { broker, client } = filled();
  broker.disk.inject({ operation: 'read', pathPart: '/commitlog/', code: 'EIO', times: 1 });
  const { command } = pull(broker, client, 0);
  assert.is(command.code, ResponseCode.SYSTEM_ERROR);
  assert.match(command.remark ?? '', /EIO/);
  assert.ok(broker.logged.some((line) => /commit log cannot be read: read \/store\/commitlog\/0+: EIO/.test(line)));
  assert.equal(offsetsOf(pull(broker, client, 0)).length, 6, 'the next pull succeeds');
});

/** The most that hosts wrote to the front in one turn. */
function mostPerTurn(broker: BrokerDriver): () => number {
  let seen = 0;
  let most = 0;
  broker.onTurn = () => {
    const writes = broker.front.filter(({ kind }) => kind === 'write');
    const bytes = writes.slice(seen).reduce((sum, told) => sum + told.bytes.length, 0);
    seen = writes.length;
    most = Math.max(most, bytes);
  };
  return () => most;
}

/** A mailbox takes no more before it is emptied; and what one handler adds. */
const TURN_BYTES_MAX = 17 * MIB;

cold('pulls of a group that was just made are answered as fast as the front takes the answers', () => {
  const { broker, client } = filled();
  const most = mostPerTurn(broker);
  for (let n = 0; n < 150; n++) broker.postPull(client, pullAt(80, { consumerGroup: 'New' }));
  broker.settle();
  const answers = broker.take(client);
  assert.is(answers.length, 150);
  for (const answer of answers) assert.is(offsetsOf(answer)[0], 80);
  assert.ok(most() > MIB && most() < TURN_BYTES_MAX, `${most()} bytes in one turn`);
});

cold('pulls that wait for the disk: one more than 4,096 is answered SYSTEM_BUSY', () => {
  const { broker, client } = filled();
  for (let n = 0; n <= COLD_PULLS_MAX; n++) broker.postPull(client, pullAt(n % 8, { maxMsgNums: '1' }));
  broker.settle();
  const answers = broker.take(client);
  assert.is(answers.length, COLD_PULLS_MAX + 1);
  const refused = answers.filter(({ command }) => command.code === ResponseCode.SYSTEM_BUSY);
  assert.is(refused.length, 1);
  assert.match(refused[0]!.command.remark ?? '', /too many pulls wait for the disk: pull again later/);
  const found = answers.filter(({ command }) => command.code === ResponseCode.SUCCESS);
  assert.is(found.length, COLD_PULLS_MAX);
  assert.equal(offsetsOf(pull(broker, client, 3)).length, 6, 'and then there is room again');
});

cold.run();

const limits = suite('pull limits');

const suggestion = ({ command }: Answered): string | undefined => command.ext.get('suggestWhichBrokerId');

function configure(broker: BrokerDriver, line: string): void {
  const { command } = broker.ask(broker.open(), RequestCode.UPDATE_BROKER_CONFIG, {}, { body: `${line}\n` });
  assert.is(command.code, ResponseCode.SUCCESS);
}

limits('further behind than 40 % of the memory: fewer messages, and the slave is suggested if it may be read', () => {
  // 40 % of it are 1.2 MiB.
  const { broker, client } = filled({ physicalMemoryBytes: 3 * MIB });
  const group = { groupName: GROUP, brokerId: 0, whichBrokerWhenConsumeSlowly: 7 };
  broker.ask(client, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: JSON.stringify(group) });
  const far = pull(broker, client, 0);
  assert.equal(offsetsOf(far), [0], 'on disk: 64 KiB');
  assert.is(suggestion(far), '0', 'slaveReadEnable is false');
  configure(broker, 'slaveReadEnable=true');
  assert.is(suggestion(pull(broker, client, 0)), '7');
  const near = pull(broker, client, MESSAGES - 8);
  assert.is(offsetsOf(near).length, 6, 'in memory: 256 KiB');
  assert.is(suggestion(near), '0', "the group's brokerId");
});

limits('how much an answer holds follows the settings while the broker runs', () => {
  const { broker, client } = filled({ physicalMemoryBytes: 3 * MIB });
  configure(broker, 'maxTransferCountOnMessageInMemory=3');
  assert.is(offsetsOf(pull(broker, client, MESSAGES - 8)).length, 3);
  configure(broker, 'maxTransferBytesOnMessageInMemory=50000');
  assert.is(offsetsOf(pull(broker, client, MESSAGES - 8)).length, 1);
  configure(broker, 'maxTransferBytesOnMessageInDisk=1000000');
  assert.is(offsetsOf(pull(broker, client, 0)).length, 8, 'by count, as it is by default');
  configure(broker, 'maxTransferCountOnMessageInDisk=2');
  assert.is(offsetsOf(pull(broker, client, 0)).length, 2);
  configure(broker, 'accessMessageInMemoryMaxRatio=100');
  assert.is(offsetsOf(pull(broker, client, MESSAGES - 60)).length, 1, 'all of it counts as in memory');
});

limits('the memory is that of the container if it has less', () => {
  assert.is(usableMemoryBytes(8 * MIB, undefined), 8 * MIB);
  assert.is(usableMemoryBytes(8 * MIB, 0), 8 * MIB);
  assert.is(usableMemoryBytes(8 * MIB, 2 ** 64), 8 * MIB);
  assert.is(usableMemoryBytes(8 * MIB, 2 * MIB), 2 * MIB);
});

limits.run();
