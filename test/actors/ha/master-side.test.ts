import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { haMessages } from '../../../src/actors/ha/messages.js';
import { HA_WINDOW_BYTES } from '../../../src/actors/ha/stream-slaves.js';
import { FILE_BYTES, type Frame, framesOf, HaDriver, int64, logBytes } from './driver.js';

const SLAVE = 7;

function connect(ha: HaDriver, connection = SLAVE, remoteAddress = '10.0.0.2'): void {
  ha.frontSays(haMessages.opened, { connection, value: { remoteAddress, remotePort: 40_000 + connection } });
}

function master(min: number, end: number, lines: readonly string[] = []): HaDriver {
  const ha = new HaDriver(lines);
  ha.log(min, end);
  return ha;
}

function follower(min: number, end: number, from: number, lines: readonly string[] = []): HaDriver {
  const ha = master(min, end, lines);
  connect(ha);
  ha.bytes(SLAVE, int64(from));
  return ha;
}

/** The frames follow each other from `from` on, and hold the log. */
function assertLog(frames: readonly Frame[], from: number, to: number): void {
  let next = from;
  for (const { offset, body } of frames) {
    assert.is(offset, next);
    assert.ok(body.equals(logBytes(offset, offset + body.length)), `bytes at ${offset}`);
    next += body.length;
  }
  assert.is(next, to);
}

/** Number of slaves and offset, as the broker was told last. */
function told(ha: HaDriver): unknown {
  return ha.takeTold('replicated').at(-1)?.fields;
}

const stream = suite('HA master: what it sends');

stream('nothing before the slave has said where its log ends', () => {
  const ha = master(0, 1000);
  connect(ha);
  ha.advance(15_000);
  assert.is(ha.takeWritten(SLAVE).length, 0);
  assert.is(told(ha), undefined);
  ha.bytes(SLAVE, int64(200));
  assertLog(framesOf(ha.takeWritten(SLAVE)), 200, 1000);
  assert.equal(told(ha), { offset: 200, slaves: 1 });
});

stream('an empty slave gets everything, from the oldest byte that is left', () => {
  const ha = follower(FILE_BYTES, 2 * FILE_BYTES + 10, 0);
  assertLog(framesOf(ha.takeWritten(SLAVE)), FILE_BYTES, 2 * FILE_BYTES + 10);
});

stream('no frame crosses the end of a log file or exceeds haTransferBatchSize', () => {
  const ha = follower(0, 3 * FILE_BYTES - 5, 100, ['haTransferBatchSize=1500']);
  const frames = framesOf(ha.takeWritten(SLAVE));
  assertLog(frames, 100, 3 * FILE_BYTES - 5);
  for (const { offset, body } of frames) {
    assert.ok(body.length <= 1500);
    assert.ok((offset % FILE_BYTES) + body.length <= FILE_BYTES, `${offset} + ${body.length}`);
  }
});

stream('what is appended follows at once', () => {
  const ha = follower(0, 100, 100);
  assert.is(ha.takeWritten(SLAVE).length, 0);
  ha.log(0, 160);
  assertLog(framesOf(ha.takeWritten(SLAVE)), 100, 160);
});

stream('a window bounds what is sent and not acknowledged', () => {
  const end = HA_WINDOW_BYTES + 10 * FILE_BYTES;
  const ha = follower(0, end, 0);
  ha.advance(100);
  assertLog(framesOf(ha.takeWritten(SLAVE)), 0, HA_WINDOW_BYTES);
  ha.advance(1_000);
  assert.is(ha.takeWritten(SLAVE).length, 0, 'nothing more without an acknowledgement');
  ha.bytes(SLAVE, int64(3 * FILE_BYTES));
  assertLog(framesOf(ha.takeWritten(SLAVE)), HA_WINDOW_BYTES, HA_WINDOW_BYTES + 3 * FILE_BYTES);
});

stream('acknowledgements reach the broker; the highest of all slaves counts, also when that one has left', () => {
  const ha = follower(0, 500, 0);
  connect(ha, 8, '10.0.0.3');
  ha.bytes(8, int64(0));
  ha.bytes(SLAVE, int64(400));
  assert.equal(told(ha), { offset: 400, slaves: 2 });
  ha.bytes(8, int64(300));
  assert.is(told(ha), undefined, 'lower than the other');
  ha.closed(SLAVE);
  assert.equal(told(ha), { offset: 400, slaves: 1 });
});

stream('a heartbeat with the next offset when nothing was sent for haSendHeartbeatInterval', () => {
  const ha = follower(0, 100, 0);
  ha.takeWritten(SLAVE);
  ha.advance(4_000);
  assert.is(ha.takeWritten(SLAVE).length, 0);
  ha.advance(1_500);
  assert.equal(framesOf(ha.takeWritten(SLAVE)), [{ offset: 100, body: Buffer.alloc(0) }]);
});

stream('a slave that says nothing for haHousekeepingInterval is let go, and the broker knows', () => {
  const ha = follower(0, 100, 0);
  ha.advance(15_000);
  ha.bytes(SLAVE, int64(100));
  ha.advance(19_500);
  assert.is(ha.takeCloses(SLAVE), 0);
  assert.equal(told(ha), { offset: 100, slaves: 1 });
  ha.advance(1_500);
  assert.is(ha.takeCloses(SLAVE), 1);
  assert.equal(told(ha), { offset: 100, slaves: 0 });
  ha.advance(5_000);
  assert.is(ha.takeCloses(SLAVE), 0, 'once');
});

stream('settings of the stream change while it runs', () => {
  const ha = follower(0, 100, 100);
  ha.brokerSays(haMessages.settings, { heartbeatMs: 500, housekeepingMs: 3_000, batchBytes: 10 });
  ha.advance(1_000);
  assert.ok(framesOf(ha.takeWritten(SLAVE)).length >= 1, 'a heartbeat');
  ha.log(0, 130);
  assert.equal(
    framesOf(ha.takeWritten(SLAVE)).map(({ body }) => body.length),
    [10, 10, 10],
  );
  ha.advance(3_000);
  assert.is(ha.takeCloses(SLAVE), 1);
});

stream.run();

const refusals = suite('HA master: whom it refuses');

for (const [what, min, end, from, why] of [
  ['a slave whose log is longer', 0, 100, 101, /ends at 101, behind its master's end 100.*move the slave's store away/],
  ['a slave that is too far behind', FILE_BYTES, FILE_BYTES + 9, 50, /ends at 50, its master's begins at 4096 already/],
] as const) {
  refusals(`${what}: told why, once, and closed`, () => {
    const ha = follower(min, end, from);
    assert.is(ha.takeCloses(SLAVE), 1);
    assert.is(ha.takeWritten(SLAVE).length, 0);
    assert.match(ha.logged.join('\n'), why);
    assert.is(told(ha), undefined, 'it does not count');
    const lines = ha.logged.length;
    for (let again = 8; again < 12; again++) {
      connect(ha, again);
      ha.bytes(again, int64(from));
      assert.is(ha.takeCloses(again), 1);
    }
    assert.is(ha.logged.length, lines, 'the same of the same host is told once');
  });
}

refusals('two slaves that come in turns are told of once each', () => {
  const ha = master(0, 100);
  for (let n = 0; n < 6; n++) {
    connect(ha, 20 + n, `10.0.0.${n % 2}`);
    ha.bytes(20 + n, int64(200 + n));
  }
  assert.is(ha.logged.filter((line) => line.startsWith('error')).length, 2);
});

refusals('a slave that acknowledges what it was not sent', () => {
  const ha = follower(0, 100, 0);
  ha.bytes(SLAVE, int64(101));
  assert.is(ha.takeCloses(SLAVE), 1);
  assert.match(ha.logged.join('\n'), 'acknowledges 101, and was sent only what is before 100');
  assert.equal(told(ha), { offset: 0, slaves: 0 });
  ha.bytes(SLAVE, int64(100));
  assert.equal(told(ha), undefined, 'what still comes from it counts for nothing');
});

refusals('what is no offset counts for nothing, then or later', () => {
  const ha = master(0, 100);
  connect(ha);
  for (const value of [-1n, -(2n ** 63n), 2n ** 63n - 1n]) ha.bytes(SLAVE, int64(value));
  ha.bytes(SLAVE, Buffer.from('GET / HTTP/1.1\r\n'));
  assert.is(told(ha), undefined);
  assert.is(ha.takeWritten(SLAVE).length, 0);
  const follows = follower(0, 100, 40);
  follows.bytes(SLAVE, int64(-1n));
  assert.equal(told(follows), { offset: 40, slaves: 1 });
});

refusals('a file that was deleted before the slave had it', () => {
  const ha = follower(0, 50, 0);
  ha.takeWritten(SLAVE);
  ha.bytes(SLAVE, int64(50));
  told(ha);
  // Two files later the first is gone, all in one turn of the broker.
  ha.log(2 * FILE_BYTES, 2 * FILE_BYTES + 10);
  assert.is(ha.takeCloses(SLAVE), 1);
  assert.match(ha.logged.join('\n'), 'the log at 50, which it needs, was deleted meanwhile');
  assert.equal(told(ha), { offset: 50, slaves: 0 });
});

refusals('a slave does not take slaves', () => {
  const ha = new HaDriver(['brokerRole=SLAVE', 'brokerId=1']);
  connect(ha);
  assert.is(ha.takeCloses(SLAVE), 1);
  ha.bytes(SLAVE, int64(0));
  assert.is(ha.takeWritten(SLAVE).length, 0);
});

refusals.run();

const local = suite('HA master: slaves of its own process');

const hello = (ha: HaDriver, end: number): void => ha.brokerSays(haMessages.localHello, { connection: SLAVE, end });
/** The logs are one, and it has everything before `end`. */
const joined = (ha: HaDriver, end: number): void => ha.brokerSays(haMessages.localAck, { connection: SLAVE, end });

local('a hello that overtakes the word of its connection counts when that comes', () => {
  const ha = master(0, 1000);
  hello(ha, 1000);
  assert.is(told(ha), undefined);
  connect(ha);
  assert.is(told(ha), undefined, 'not before it has compared the logs');
  joined(ha, 1000);
  assert.equal(told(ha), { offset: 1000, slaves: 1 });
  // It is no stream, which would be dropped because nothing is ever said on it.
  ha.advance(60_000);
  assert.is(ha.takeCloses(SLAVE), 0);
});

local('a hello that comes after the end of its connection is no slave', () => {
  const ha = master(0, 1000);
  connect(ha);
  ha.closed(SLAVE);
  hello(ha, 1000);
  joined(ha, 1000);
  ha.advance(60_000);
  assert.is(told(ha), undefined);
  connect(ha, SLAVE + 1);
  assert.is(told(ha), undefined);
});

local.run();
