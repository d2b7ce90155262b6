/** Retention of one broker in virtual time: what it deletes, when, and what it tells whom. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GIB, MIB, MS_PER_HOUR, MS_PER_MINUTE } from '../../../src/base/units.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { BrokerDriver, CONFIG_PATH } from './driver.js';

const FILE = 128 * 1024;
const SETTINGS = `mappedFileSizeCommitLog=${FILE}\nmappedFileSizeConsumeQueue=400\n`;
const BODY = 'x'.repeat(40_000);

function usage(usedPercent: number) {
  return () => ({
    totalBytes: GIB,
    usedBytes: (GIB * usedPercent) / 100,
    availableBytes: (GIB * (100 - usedPercent)) / 100,
  });
}

function start(settings = '', usedPercent = 10): BrokerDriver {
  const broker = new BrokerDriver({ settings: SETTINGS + settings });
  broker.disk.usage = usage(usedPercent);
  return broker.start();
}

function send(broker: BrokerDriver, connection: number, topic = 'T', queueId = 0): number {
  const ext = {
    a: 'P',
    b: topic,
    c: 'TBW102',
    d: '4',
    e: String(queueId),
    f: '0',
    g: '1',
    h: '0',
    i: 'UNIQ_KEY\u0001A',
  };
  return broker.ask(connection, RequestCode.SEND_MESSAGE_V2, ext, { body: BODY }).command.code;
}

/** Three messages a file. */
function fill(broker: BrokerDriver, files: number, topic = 'T', queueId = 0): void {
  const client = broker.open();
  for (let i = 0; i < files * 3; i++) assert.is(send(broker, client, topic, queueId), ResponseCode.SUCCESS);
}

const filesOf = (broker: BrokerDriver): number => broker.disk.list('/store/commitlog').length;
const deletions = (broker: BrokerDriver): string[] =>
  broker.logged
    .filter((line) => line.includes('commit log file deleted'))
    .map((line) => line.replace(/^info (.*?) \{.*/, '$1'));

const age = suite('retention: by age');

/** As if every file had been written that much earlier. */
function makeOlder(broker: BrokerDriver, ms: number): void {
  for (const name of broker.disk.list('/store/commitlog')) {
    const path = `/store/commitlog/${name}`;
    const file = broker.disk.open(path);
    file.setModified(broker.disk.stat(path)!.modifiedMs - ms);
    file.close();
  }
}

age('a file goes 72 hours after it was finished, in the hours of deleteWhen, oldest first, never the newest', () => {
  const broker = start();
  fill(broker, 3);
  makeOlder(broker, 48 * MS_PER_HOUR);
  fill(broker, 1);
  makeOlder(broker, 24 * MS_PER_HOUR - 2 * MS_PER_MINUTE);
  broker.hour = 4;
  broker.advance(MS_PER_MINUTE);
  assert.is(filesOf(broker), 4, 'a minute too early');
  broker.hour = 3;
  broker.advance(3 * MS_PER_MINUTE);
  assert.is(filesOf(broker), 4, 'not the hour');
  broker.hour = 4;
  broker.advance(11_000);
  // The third was finished by the first message of the fourth, two days later.
  assert.equal([filesOf(broker), broker.state.log.minOffset], [2, 2 * FILE]);
  makeOlder(broker, 200 * MS_PER_HOUR);
  broker.advance(11_000);
  assert.equal([filesOf(broker), broker.state.log.minOffset], [1, 3 * FILE], 'the newest stays');
  assert.equal(new Set(deletions(broker)), new Set(['commit log file deleted: older than fileReservedTime']));
});

age('hour after hour: what was sent in the last two is there, what was sent before is not', () => {
  const hours = Array.from({ length: 24 }, (_, hour) => hour).join(';');
  const broker = start(`fileReservedTime=2\ndeleteWhen=${hours}\n`);
  for (let halfHour = 1; halfHour <= 12; halfHour++) {
    fill(broker, 1);
    broker.advance(30 * MS_PER_MINUTE);
    // A file is finished when the next half hour begins: the fourth before has just become two hours old.
    assert.is(filesOf(broker), Math.min(halfHour, 4), `after ${halfHour} half hours`);
  }
});

age('the first look is 60 s after the start, and a round deletes at most 10 files, 100 ms apart', () => {
  const broker = start('fileReservedTime=0\ndeleteWhen=04\n');
  fill(broker, 25);
  broker.hour = 4;
  const startedMs = broker.state.startedMs;
  broker.advance(startedMs + 59_900 - broker.nowMs);
  assert.is(filesOf(broker), 25);
  broker.advance(100);
  assert.is(filesOf(broker), 24);
  broker.advance(99);
  assert.is(filesOf(broker), 24);
  broker.advance(1);
  assert.is(filesOf(broker), 23);
  broker.advance(5_000);
  assert.is(filesOf(broker), 15);
  broker.advance(10_000);
  assert.is(filesOf(broker), 5);
});

age('code 329 makes 20 rounds of it, whatever the hour', () => {
  const broker = start('fileReservedTime=1\n');
  fill(broker, 4);
  makeOlder(broker, 2 * MS_PER_HOUR);
  broker.advance(2 * MS_PER_MINUTE);
  assert.is(filesOf(broker), 4);
  assert.is(broker.ask(broker.open(), RequestCode.DELETE_EXPIRED_COMMITLOG).command.code, ResponseCode.SUCCESS);
  broker.advance(11_000);
  assert.is(filesOf(broker), 1);
  broker.advance(190_000);
  fill(broker, 2);
  makeOlder(broker, 2 * MS_PER_HOUR);
  broker.advance(2 * MS_PER_MINUTE);
  assert.is(filesOf(broker), 3, 'the rounds are over');
});

age('more than diskMaxUsedSpaceRatio makes every hour one of deletion; what cannot be deleted is said once', () => {
  const broker = start('', 80);
  fill(broker, 3);
  broker.advance(2 * MS_PER_MINUTE);
  assert.is(filesOf(broker), 3);
  const warnings = () => broker.logged.filter((line) => line.includes('no commit log file may be deleted')).length;
  assert.is(warnings(), 1);
  makeOlder(broker, 72 * MS_PER_HOUR);
  broker.advance(11_000);
  assert.is(filesOf(broker), 1);
  assert.is(broker.state.refusal, undefined);
});

const usages = suite('retention: by disk usage');

usages('above 85 % files go whatever their age; above 90 % sends are refused, until it is 90 % again', () => {
  const broker = start();
  fill(broker, 14);
  broker.disk.usage = usage(91);
  broker.advance(MS_PER_MINUTE + 1_000);
  assert.is(send(broker, broker.open()), ResponseCode.SERVICE_NOT_AVAILABLE);
  assert.ok(filesOf(broker) < 14);
  broker.disk.usage = usage(88);
  broker.advance(20_000);
  assert.is(filesOf(broker), 1);
  assert.is(send(broker, broker.open()), ResponseCode.SUCCESS);
  assert.ok(deletions(broker).every((text) => text.endsWith('fuller than diskSpaceCleanForciblyRatio')));
});

usages('not when cleanFileForciblyEnable is false, nor before diskSpaceCleanForciblyRatio', () => {
  const broker = start('cleanFileForciblyEnable=false\n', 92);
  broker.state.refusal = undefined;
  fill(broker, 3);
  broker.advance(3 * MS_PER_MINUTE);
  assert.is(filesOf(broker), 3);
  const other = start('diskSpaceCleanForciblyRatio=89\n', 88);
  fill(other, 3);
  other.advance(3 * MS_PER_MINUTE);
  assert.is(filesOf(other), 3);
});

const followers = suite('retention: what follows the log');

/** The hosts' part: they answer each question, with that minimum. */
function sweep(broker: BrokerDriver, minOffset: number): number {
  let asked = 0;
  for (let round = 0; round < 100; round++) {
    const questions = ([0, 1] as const).flatMap((host) =>
      broker.takeTold(host, 'cleanQueue').map((told) => ({ host, told })),
    );
    if (questions.length === 0) break;
    assert.ok(questions.length <= 16, 'few at a time');
    for (const { host, told } of questions) {
      asked++;
      const queueId = told.fields.queueId as number;
      broker.queueCleaned(host, told.bytes.toString(), { queueId, minOffset, filesRemoved: 1 });
    }
    broker.advance(100);
  }
  return asked;
}

followers('readers, the replication and every queue are told; min offsets are those of the hosts', () => {
  const broker = start('defaultTopicQueueNums=16\nfileReservedTime=0\n');
  broker.ask(broker.open(), RequestCode.UPDATE_AND_CREATE_TOPIC, {
    topic: 'T',
    defaultTopic: 'TBW102',
    readQueueNums: '40',
    writeQueueNums: '40',
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
  });
  for (let queueId = 0; queueId < 40; queueId++) fill(broker, 1, 'T', queueId);
  broker.hour = 4;
  for (const host of [0, 1] as const) broker.takeTold(host, 'logRange');
  broker.ha.length = 0;
  const at = broker.state.log.minOffset;
  broker.advance(70_000);
  const { minOffset } = broker.state.log;
  assert.ok(minOffset > at);
  for (const host of [0, 1] as const) {
    assert.is(broker.takeTold(host, 'logRange').at(-1)!.fields.minOffset, minOffset);
  }
  assert.is(broker.ha.filter(({ kind }) => kind === 'logWritten').at(-1)!.fields.minOffset, minOffset);
  const asked = sweep(broker, 3);
  assert.ok(asked >= 40, `all queues: ${asked}`);
  const answer = broker.ask(broker.open(), RequestCode.GET_MIN_OFFSET, { topic: 'T', queueId: '7' });
  assert.is(answer.command.ext.get('offset'), '3');
});

followers(
  'code 306 forgets queues whose messages are gone, not that of delayed messages: they begin at 0 again',
  () => {
    const broker = start('fileReservedTime=0\n');
    fill(broker, 1, 'Old', 1);
    fill(broker, 2, 'T', 0);
    const client = broker.open();
    const clean = (): number => broker.ask(client, RequestCode.CLEAN_EXPIRED_CONSUMEQUEUE).command.code;
    const old = broker.state.topics.get('Old')!;
    const gone = () => ([0, 1] as const).flatMap((host) => broker.takeTold(host, 'queueGone'));
    assert.is(clean(), ResponseCode.SUCCESS);
    assert.equal([gone().length, old.usedQueue(1)?.nextOffset], [0, 3]);
    broker.hour = 4;
    broker.advance(70_000);
    assert.is(clean(), ResponseCode.SUCCESS);
    assert.equal(
      gone().map(({ bytes, fields }) => `${bytes}-${fields.queueId}`),
      ['Old-1'],
    );
    assert.equal([old.usedQueue(1), broker.state.topics.get('T')!.usedQueue(0)?.nextOffset], [undefined, 6]);
    send(broker, client, 'Old', 1);
    assert.is(old.usedQueue(1)?.nextOffset, 1);
  },
);

followers('code 316 forgets topics that are not in the table of topics', () => {
  const broker = start();
  fill(broker, 1, 'T', 0);
  broker.state.topics.ensure('Stray').queue(2).nextOffset = 5;
  broker.state.topics.ensure('%LMQ%light').queue(0).nextOffset = 5;
  assert.is(broker.ask(broker.open(), RequestCode.CLEAN_UNUSED_TOPIC).command.code, ResponseCode.SUCCESS);
  assert.is(broker.state.topics.get('Stray'), undefined);
  assert.ok(broker.state.topics.get('%LMQ%light'));
  assert.is(broker.state.topics.get('T')?.usedQueue(0)?.nextOffset, 3);
  const gone = ([0, 1] as const).flatMap((host) => broker.takeTold(host, 'queueGone'));
  assert.equal(
    gone.map(({ bytes }) => String(bytes)),
    ['Stray'],
  );
});

const budget = suite('retention: storeMaxBytes');

/** What the files take, the log's in full. */
function used(broker: BrokerDriver): number {
  return filesOf(broker) * FILE;
}

budget('is kept before a file is created, under any load and at any age, and what goes is the oldest', () => {
  const broker = start(`storeMaxBytes=${MIB}\n`);
  const client = broker.open();
  for (let i = 0; i < 200; i++) {
    assert.is(send(broker, client), ResponseCode.SUCCESS);
    assert.ok(used(broker) <= MIB, `${used(broker)} bytes after ${i} messages`);
  }
  // The next file, and what queues grow by, are taken off beforehand.
  assert.is(filesOf(broker), 7);
  assert.is(broker.state.log.minOffset, broker.state.log.files.endOfFiles - 7 * FILE);
  assert.equal(new Set(deletions(broker)), new Set(['commit log file deleted: the store has reached storeMaxBytes']));
});

budget('a file that a queue host still needs goes as soon as the host has caught up', () => {
  const broker = start(`storeMaxBytes=${MIB}\n`);
  const client = broker.open();
  // Between two looks at the budget.
  broker.advance(500);
  assert.is(send(broker, client), ResponseCode.SUCCESS);
  const host = broker.takeTold(0, 'dispatch').length > 0 ? 0 : 1;
  const error = { code: 'ENOSPC', path: '/store/consumequeue/T/0', message: 'ENOSPC' };
  broker.hostSays(host, 'stalled', { host, stall: 1, from: 0, error });
  for (let i = 0; i < 30; i++) assert.is(send(broker, client), ResponseCode.SUCCESS);
  assert.is(broker.state.log.minOffset, 0);
  assert.ok(used(broker) > MIB);
  // It is told everything again after a second.
  broker.advance(1_000);
  assert.is(broker.takeTold(host, 'caughtUp').length, 1);
  assert.ok(used(broker) <= MIB, String(used(broker)));
});

budget('no percentage counts: sends are taken at 97 %, refused when the bytes are not there', () => {
  const broker = start(`storeMaxBytes=${MIB}\n`, 97);
  fill(broker, 3);
  broker.advance(3 * MS_PER_MINUTE);
  assert.is(filesOf(broker), 3);
  broker.disk.usage = () => ({ totalBytes: GIB, usedBytes: GIB - 1000, availableBytes: 1000 });
  broker.advance(10_000);
  assert.is(send(broker, broker.open()), ResponseCode.SERVICE_NOT_AVAILABLE);
  assert.match(broker.state.refusal!, /1000 bytes are left, 131072 are needed/);
  broker.disk.usage = usage(97);
  broker.advance(10_000);
  assert.is(send(broker, broker.open()), ResponseCode.SUCCESS);
});

budget('old files still go at their time', () => {
  const broker = start(`storeMaxBytes=${MIB}\n`);
  fill(broker, 3);
  makeOlder(broker, 73 * MS_PER_HOUR);
  broker.hour = 4;
  broker.advance(2 * MS_PER_MINUTE);
  assert.is(filesOf(broker), 1);
});

budget('is looked at every second, too; what cannot be kept is said once, with parts and remedy', () => {
  const broker = start('storeMaxBytes=1m\n');
  fill(broker, 4);
  // Many queues, each with a page of entries.
  for (let queueId = 0; queueId < 300; queueId++) broker.state.topics.get('T')!.queue(queueId).nextOffset = 100;
  broker.advance(3_000);
  assert.is(filesOf(broker), 1);
  const said = broker.logged.filter((line) => line.includes('no more can be deleted'));
  assert.is(said.length, 1);
  assert.match(said[0]!, /commit log 131072, consume queues \d+, index 0.*cleanExpiredCQ/);
});

budget('may be changed by a restart; a smaller one is reached within a second', () => {
  const broker = start();
  fill(broker, 8);
  broker.stop();
  broker.disk.writeFile(CONFIG_PATH, `${SETTINGS}storeMaxBytes=${4 * FILE}\n`);
  const again = new BrokerDriver({ disk: broker.disk }).start();
  assert.is(filesOf(again), 8);
  again.advance(1_000);
  assert.ok(filesOf(again) <= 4, String(filesOf(again)));
});

age.run();
usages.run();
followers.run();
budget.run();
