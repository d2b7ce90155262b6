/** A broker that serves while its key index is completed after a crash: see index-catch-up.ts. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STEP_BYTES_MAX } from '../../../src/actors/broker/store/index-catch-up.js';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { KIB, MIB } from '../../../src/base/units.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { SlabReader } from '../../../src/runtime/slab.js';
import { sendFields } from '../../support/remoting-client.js';
import { type Answered, BrokerDriver, type DriverOptions } from './driver.js';

const TOPIC = 'TBW102';
const SETTINGS = 'messageIndexEnable=true\nmaxHashSlotNum=11\nmaxIndexNum=40\nmaxMessageSize=65536\n';
const BODY = 'x'.repeat(60 * KIB);
const INDEX = '/store/index';
const LOG = '/store/commitlog';
/** Its first file, where it begins: the broker itself reads only the last one when it starts. */
const UNREADABLE = {
  operation: 'read',
  pathPart: `${LOG}/${'0'.repeat(20)}`,
  code: 'EIO',
  times: Number.POSITIVE_INFINITY,
} as const;

/** Sends and queries with keys. */
class Keyed {
  readonly sent = new Map<string, number>();
  client: number;

  constructor(readonly broker: BrokerDriver) {
    this.client = broker.open();
  }

  static start(options: DriverOptions = {}): Keyed {
    return new Keyed(new BrokerDriver({ settings: SETTINGS, ...options }).start());
  }

  /** Two keys each, a millisecond apart. */
  send(count: number, body = BODY): void {
    const { broker, sent } = this;
    for (let n = 0; n < count; n++) {
      const name = `K${sent.size}`;
      const properties = `UNIQ_KEY\u0001U${name}\u0002KEYS\u0001${name}`;
      const fields = Object.entries(sendFields(TOPIC, 0, properties)).map(([key, value]) => [key, String(value)]);
      const { command } = broker.ask(this.client, RequestCode.SEND_MESSAGE_V2, Object.fromEntries(fields), { body });
      assert.is(command.code, ResponseCode.SUCCESS, command.remark);
      sent.set(name, Number.parseInt(command.ext.get('msgId')!.slice(-16), 16));
      broker.advance(1);
    }
  }

  query(key: string): Answered {
    return this.broker.ask(this.client, RequestCode.QUERY_MESSAGE, {
      topic: TOPIC,
      key,
      maxNum: '10',
      beginTimestamp: '0',
      endTimestamp: '9000000000000000',
    });
  }

  /** Every message is found by both of its keys, once. */
  assertAllFound(from = 0): void {
    for (const [name, offset] of [...this.sent].slice(from)) {
      for (const key of [name, `U${name}`]) {
        const { command, body } = this.query(key);
        assert.is(command.code, ResponseCode.SUCCESS, `${key} ${command.remark}`);
        assert.is(body.readInt32BE(0), body.length, `${key} is found once`);
        assert.is(Number(body.readBigInt64BE(28)), offset, key);
      }
    }
  }

  /** The process dies and comes back; with `isStuck` the index stays where it is before `disk.clearFaults`. */
  crash(isStuck: boolean): void {
    this.broker.kill();
    this.comeBack(isStuck);
  }

  comeBack(isStuck: boolean): void {
    const { broker } = this;
    broker.beforeStart = () => {
      if (isStuck) broker.disk.inject(UNREADABLE);
    };
    broker.restart();
    this.client = broker.open();
  }

  get behind(): number {
    const series = new SlabReader(this.broker.slab).read();
    return series.find(({ name }) => name === 'hangar_index_behind_bytes')!.value;
  }
}

/** What the index files hold, without their names. */
function indexOf({ disk }: BrokerDriver): Buffer[] {
  return disk.list(INDEX).map((name) => Buffer.from(disk.readFile(`${INDEX}/${name}`)!));
}

const serving = suite('broker: the index is completed while it serves');

serving('files are those of a broker that did not crash, keys of messages stored meanwhile are in their place', () => {
  const whole = Keyed.start();
  whole.send(60);
  whole.broker.stop();
  const own = Keyed.start();
  own.send(50);
  own.crash(true);
  const { broker } = own;
  assert.ok(own.behind > STEP_BYTES_MAX, `${own.behind}`);
  own.send(10);
  assert.ok(broker.state.indexCatchUp.isBehind);
  broker.disk.clearFaults();
  broker.advance(1_000);
  assert.not(broker.state.indexCatchUp.isBehind);
  assert.is(own.behind, 0);
  own.assertAllFound();
  broker.stop();
  assert.equal(own.sent, whole.sent);
  assert.is(indexOf(broker).length, 4);
  assert.equal(indexOf(broker), indexOf(whole.broker));
});

serving('keys that the disk refuses while it serves come later, each once and in the order of the log', () => {
  const whole = Keyed.start();
  whole.send(60);
  whole.broker.stop();
  const own = Keyed.start();
  const { broker } = own;
  own.send(10);
  // A file takes 39 keys: of the 20th message the first has room.
  broker.disk.inject({ operation: 'create', pathPart: INDEX, code: 'EMFILE', times: Number.POSITIVE_INFINITY });
  own.send(30);
  assert.ok(broker.state.indexCatchUp.isBehind);
  assert.match(own.query('K30').command.remark!, 'keys of messages behind commit log offset');
  broker.disk.clearFaults();
  broker.advance(5_000);
  assert.not(broker.state.indexCatchUp.isBehind);
  own.send(20);
  own.assertAllFound();
  broker.stop();
  assert.is(indexOf(broker).length, 4);
  const sizes = (of: Buffer[]) => of.map((file) => file.readInt32BE(36));
  assert.equal(sizes(indexOf(broker)), sizes(indexOf(whole.broker)));
});

serving('it waits while the log itself cannot be written', () => {
  const own = Keyed.start();
  own.send(40);
  own.crash(true);
  const { broker } = own;
  broker.disk.clearFaults();
  broker.disk.inject({ operation: 'write', pathPart: LOG, code: 'ENOSPC', times: Number.POSITIVE_INFINITY });
  const fields = Object.entries(sendFields(TOPIC, 0)).map(([key, value]) => [key, String(value)]);
  const { command } = broker.ask(own.client, RequestCode.SEND_MESSAGE_V2, Object.fromEntries(fields), { body: 'x' });
  assert.is(command.code, ResponseCode.SERVICE_NOT_AVAILABLE);
  let turns = 0;
  broker.onTurn = () => assert.ok(++turns < 1_000, 'it does not look again and again');
  broker.advance(1_500);
  broker.disk.clearFaults();
  broker.advance(3_000);
  assert.not(broker.state.indexCatchUp.isBehind);
  own.assertAllFound();
});

serving('whoever asks for a key that is not there yet is told so', () => {
  const own = Keyed.start();
  own.send(40);
  own.crash(true);
  own.send(1);
  const { code, remark } = own.query('K40').command;
  assert.is(code, ResponseCode.QUERY_NOT_FOUND);
  assert.match(
    remark!,
    /^can not find message, maybe time range not correct; keys of messages behind commit log offset 0/,
  );
  assert.match(own.broker.logged.join('\n'), /error the commit log cannot be read for its keys: read .*EIO/);
  own.broker.disk.clearFaults();
  own.broker.advance(1_000);
  own.assertAllFound();
  assert.is(own.query('nothing').command.remark, 'can not find message, maybe time range not correct');
});

serving(
  'an orderly stop in between: the next start reads no log and goes on with the index, so does one after a crash',
  () => {
    const own = Keyed.start();
    const { broker } = own;
    own.send(10);
    // Some keys are in the file.
    broker.advance(10_000);
    own.send(20);
    own.crash(true);
    own.send(5);
    const end = broker.state.log.endOffset;
    broker.stop();
    assert.match(broker.logged.at(-1)!, 'the next start goes on with it');
    assert.is(broker.disk.readFile('/store/abort')!.toString(), `unindexed ${end}`);
    broker.disk.clearFaults();
    own.comeBack(true);
    assert.is(broker.recovered.abnormal, false);
    // The last five are dispatched again, because this driver has no queue hosts.
    assert.ok(broker.recovered.scannedBytes < 7 * BODY.length, `${broker.recovered.scannedBytes} bytes of log read`);
    assert.is(broker.disk.readFile('/store/abort')!.toString(), '');
    own.send(5);
    broker.disk.clearFaults();
    own.crash(false);
    broker.advance(1_000);
    own.assertAllFound();
    broker.stop();
    assert.is(broker.disk.stat('/store/abort'), undefined);
  },
);

serving('a stop completes what is little', () => {
  const own = Keyed.start();
  own.send(30);
  own.crash(true);
  own.send(5);
  own.broker.disk.clearFaults();
  own.broker.stop();
  assert.is(own.broker.disk.stat('/store/abort'), undefined);
  own.comeBack(false);
  assert.is(own.broker.recovered.unindexed, undefined);
  own.assertAllFound();
});

serving('a full disk holds it up; no key is lost or there twice', () => {
  const own = Keyed.start();
  const { broker } = own;
  own.send(60);
  broker.kill();
  broker.disk.removeTree(INDEX);
  broker.beforeStart = () => broker.disk.inject({ operation: 'create', pathPart: INDEX, code: 'ENOSPC', times: 3 });
  broker.restart();
  own.client = broker.open();
  assert.ok(broker.state.indexCatchUp.isBehind);
  own.send(3);
  broker.advance(20_000);
  assert.not(broker.state.indexCatchUp.isBehind);
  own.assertAllFound();
});

serving('it comes to the end though every turn brings a message', () => {
  const own = Keyed.start();
  const { broker } = own;
  own.send(40);
  own.crash(true);
  let brought = 0;
  const fields = Object.fromEntries(
    Object.entries(sendFields(TOPIC, 0, '')).map(([key, value]) => [key, String(value)]),
  );
  broker.onTurn = () => {
    const left = broker.state.indexCatchUp.left(broker.state);
    // Before that it waits for reads, which this driver ends when the broker has nothing to do.
    if (left === 0 || left > 512 * KIB || brought === 100) return;
    brought++;
    broker.postRequest(own.client, RequestCode.SEND_MESSAGE_V2, fields, { body: 'short' });
  };
  broker.disk.clearFaults();
  broker.advance(1_000);
  assert.ok(brought > 0 && brought < 50, `${brought} messages until it was complete`);
  assert.is(broker.take(own.client).length, brought);
  own.assertAllFound();
});

serving('retention may overtake it', () => {
  const own = Keyed.start();
  const { broker } = own;
  own.send(60);
  own.crash(true);
  while (broker.state.log.files.deleteOldest());
  broker.disk.clearFaults();
  broker.advance(1_000);
  assert.not(broker.state.indexCatchUp.isBehind);
  const { minOffset } = broker.state.log;
  assert.ok(minOffset > 0);
  own.assertAllFound([...own.sent.values()].findIndex((offset) => offset >= minOffset));
});

serving('a step reads 2 MiB at most, though more has come meanwhile, and the next one comes when it is done', () => {
  const own = Keyed.start({ settings: `${SETTINGS}mappedFileSizeCommitLog=${4 * MIB}\n` });
  const { broker } = own;
  own.send(100);
  own.crash(true);
  own.send(50);
  const reads: { bytes: number; finish: () => void }[] = [];
  const file = broker.state.log.files.fileAt(0);
  const { readLater } = file;
  file.readLater = (target, start, length, position, done) => {
    reads.push({ bytes: length, finish: () => readLater.call(file, target, start, length, position, done) });
  };
  broker.disk.clearFaults();
  broker.advance(1_000);
  const bytesOf = (some: typeof reads): number => some.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.is(bytesOf(reads), STEP_BYTES_MAX);
  const first = reads.splice(0);
  for (const { finish } of first.slice(1)) finish();
  broker.settle();
  assert.is(reads.length, 0);
  first[0]!.finish();
  broker.settle();
  assert.ok(reads.length > 0 && bytesOf(reads) < STEP_BYTES_MAX);
  file.readLater = readLater;
  for (const { finish } of reads.splice(0)) finish();
  broker.settle();
  own.assertAllFound();
});

serving('a slave goes on with what it gets from its master', () => {
  const master = Keyed.start();
  master.send(50);
  const { log, reader } = master.broker.state;
  const bytes = Buffer.alloc(log.endOffset);
  assert.ok(reader.read(0, bytes.length, bytes, 0));
  const slave = Keyed.start({ settings: `${SETTINGS}brokerRole=SLAVE\nbrokerId=1\n` });
  const append = (from: number, to: number): void => {
    for (let at = from; at < to; at += 100_000) {
      const end = Math.min(to, at + 100_000);
      slave.broker.haSays(brokerMessages.append, { offset: at }, bytes.subarray(at, end));
    }
  };
  const most = 40 * BODY.length;
  append(0, most);
  slave.crash(true);
  assert.ok(slave.behind > 0);
  append(slave.broker.state.log.endOffset, bytes.length);
  slave.broker.disk.clearFaults();
  slave.broker.advance(1_000);
  assert.not(slave.broker.state.indexCatchUp.isBehind);
  for (const [name, offset] of master.sent) slave.sent.set(name, offset);
  slave.assertAllFound();
});
serving.run();
