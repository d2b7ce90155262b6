import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { haMessages } from '../../../src/actors/ha/messages.js';
import { FILE_BYTES, frameOf, HaDriver, int64, logBytes } from './driver.js';

const MASTER = '10.0.0.1:10912';
const ROLE = ['brokerRole=SLAVE', 'brokerId=1'];
const LINK = 5;

/** A slave whose log ends at `end`, which has been told where its master is. */
function slave(end: number): HaDriver {
  const ha = new HaDriver(ROLE);
  ha.brokerSays(haMessages.appended, { end });
  ha.brokerSays(haMessages.masterAddress, {}, Buffer.from(MASTER));
  return ha;
}

/** Connected, and both logs are one, says the broker. */
function following(end: number, connection = LINK): HaDriver {
  const ha = slave(end);
  answerDial(ha, connection);
  pass(ha, connection);
  assert.ok(ha.takeWritten(connection).equals(int64(end)));
  return ha;
}

function answerDial(ha: HaDriver, connection: number): void {
  const dials = ha.takeDials();
  assert.is(dials.length, 1);
  ha.frontSays(haMessages.dialed, { token: dials[0]!.token, connection, peerActor: -1, peerConnection: 0 });
}

function pass(ha: HaDriver, connection: number, problem = ''): void {
  assert.is(ha.takeTold('checkMaster').length, 1);
  ha.brokerSays(haMessages.masterChecked, { connection }, Buffer.from(problem));
}

function appends(ha: HaDriver): { offset: number; bytes: Buffer }[] {
  return ha.takeTold('append').map(({ fields, bytes }) => ({ offset: fields.offset as number, bytes }));
}

const joins = suite('HA slave: connecting');

joins('says where its log ends once the logs have been compared, not before', () => {
  const ha = slave(300);
  answerDial(ha, LINK);
  assert.is(ha.takeWritten(LINK).length, 0);
  pass(ha, LINK);
  assert.ok(ha.takeWritten(LINK).equals(int64(300)));
});

joins('does not follow a log that is another: closes, says so once, tries again each 5 s', () => {
  const ha = slave(300);
  for (const end of [300, 301, 302]) {
    answerDial(ha, LINK);
    pass(ha, LINK, `the logs have parted at ${end}`);
    assert.is(ha.takeCloses(LINK), 1);
    assert.is(ha.takeWritten(LINK).length, 0);
    ha.closed(LINK);
    ha.advance(4_900);
    assert.is(ha.takeDials().length, 0);
    ha.advance(200);
  }
  assert.is(ha.logged.filter((line) => line.includes('the logs have parted')).length, 1);
});

joins('dials again after refused dials, at most 5 s apart', () => {
  const ha = slave(0);
  for (let n = 0; n < 12; n++) {
    const [dial] = ha.takeDials();
    ha.frontSays(haMessages.dialFailed, { token: dial!.token, value: { reason: 'refused' } });
    ha.advance(5_000);
  }
  assert.is(ha.takeDials().length, 1);
});

joins('another address while the first is being dialed: the connection to the first is closed', () => {
  const ha = slave(0);
  const [first] = ha.takeDials();
  ha.brokerSays(haMessages.masterAddress, {}, Buffer.from('10.0.0.9:10912'));
  ha.frontSays(haMessages.dialed, { token: first!.token, connection: 9, peerActor: -1, peerConnection: 0 });
  assert.is(ha.takeCloses(9), 1);
  ha.closed(9);
  const [second] = ha.takeDials();
  assert.is(second!.address, '10.0.0.9:10912');
  ha.frontSays(haMessages.dialed, { token: second!.token, connection: 10, peerActor: -1, peerConnection: 0 });
  pass(ha, 10);
  assert.ok(ha.takeWritten(10).equals(int64(0)));
});

joins('another address while it follows: lets go and dials that', () => {
  const ha = following(100);
  ha.brokerSays(haMessages.masterAddress, {}, Buffer.from('10.0.0.9:10912'));
  assert.is(ha.takeCloses(LINK), 1);
  ha.closed(LINK);
  ha.advance(100);
  assert.equal(
    ha.takeDials().map(({ address }) => address),
    ['10.0.0.9:10912'],
  );
});

joins('a comparison that comes after its connection has ended is not used', () => {
  const ha = slave(300);
  answerDial(ha, LINK);
  ha.closed(LINK);
  pass(ha, LINK);
  assert.is(ha.takeWritten(LINK).length, 0);
});

joins.run();

const follows = suite('HA slave: following');

follows('passes on what comes, in pieces as they come, and acknowledges what was appended', () => {
  const ha = following(100);
  const frame = frameOf(100, logBytes(100, 160));
  ha.bytes(LINK, frame.subarray(0, 30));
  ha.bytes(LINK, frame.subarray(30));
  const pieces = appends(ha);
  assert.equal(
    pieces.map(({ offset }) => offset),
    [100, 118],
  );
  assert.ok(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(logBytes(100, 160)));
  assert.is(ha.takeWritten(LINK).length, 0, 'not before it was appended');
  ha.brokerSays(haMessages.appended, { end: 160 });
  assert.ok(ha.takeWritten(LINK).equals(int64(160)));
});

follows('an empty log begins where the master says, at the start of a file', () => {
  const ha = following(0);
  ha.bytes(LINK, frameOf(2 * FILE_BYTES, Buffer.alloc(0)));
  ha.bytes(LINK, frameOf(2 * FILE_BYTES, logBytes(0, 5)));
  assert.equal(
    appends(ha).map(({ offset }) => offset),
    [2 * FILE_BYTES],
  );
});

follows('its end as a heartbeat after haSendHeartbeatInterval, when the master talks', () => {
  const ha = following(100);
  for (let n = 0; n < 3; n++) {
    ha.advance(2_500);
    ha.bytes(LINK, frameOf(100, Buffer.alloc(0)));
  }
  assert.ok(ha.takeWritten(LINK).equals(int64(100)));
});

follows('lets a silent master go after haHousekeepingInterval', () => {
  const ha = following(100);
  ha.advance(19_500);
  assert.is(ha.takeCloses(LINK), 0);
  ha.advance(1_000);
  assert.is(ha.takeCloses(LINK), 1);
  assert.match(ha.logged.join('\n'), 'the master has said nothing for too long');
});

for (const [what, end, frame, why] of [
  ['a gap', 100, frameOf(101, logBytes(101, 103)), /sends its log from 101 .*, the own one ends at 100/],
  ['what it has already', 100, frameOf(90, logBytes(90, 103)), /sends its log from 90 /],
  ['a heartbeat elsewhere', 100, frameOf(99, Buffer.alloc(0)), /sends its log from 99 /],
  ['a negative offset', 100, frameOf(-5, logBytes(0, 3)), /sends its log from -1 /],
  ['a negative length', 100, frameOf(100, Buffer.alloc(0), -1), /\(-1 bytes\)/],
  ['an enormous length', 100, frameOf(100, Buffer.alloc(0), 0x7fffffff), /log files are larger than mappedFileSize/],
  [
    'a frame across the end of a file',
    FILE_BYTES - 5,
    frameOf(FILE_BYTES - 5, logBytes(0, 9)),
    /log files are larger than mappedFileSizeCommitLog=4096: set it to theirs/,
  ],
  ['an empty log: the middle of a file', 0, frameOf(77, logBytes(77, 80)), /sends its log from 77 .* ends at 0/],
] as const) {
  follows(`${what} is not appended: closes and says so`, () => {
    const ha = following(end);
    ha.bytes(LINK, frame);
    ha.bytes(LINK, frameOf(end, logBytes(0, 3)));
    assert.equal(appends(ha), []);
    assert.is(ha.takeCloses(LINK), 1);
    assert.match(ha.logged.join('\n'), why);
  });
}

follows('what could not be appended is asked for again by the next connection', () => {
  const ha = following(100);
  ha.bytes(LINK, frameOf(100, logBytes(100, 160)));
  appends(ha);
  ha.brokerSays(haMessages.appendFailed, {}, Buffer.from('ENOSPC'));
  assert.is(ha.takeCloses(LINK), 1);
  ha.closed(LINK);
  ha.advance(5_000);
  answerDial(ha, 6);
  pass(ha, 6);
  assert.ok(ha.takeWritten(6).equals(int64(100)));
  ha.bytes(6, frameOf(100, logBytes(100, 160)));
  assert.is(appends(ha).length, 1);
});

follows('a connection that ends is dialed again soon, and goes on where the log ends', () => {
  const ha = following(100);
  ha.bytes(LINK, frameOf(100, logBytes(100, 160)).subarray(0, 40));
  ha.brokerSays(haMessages.appended, { end: 128 });
  ha.closed(LINK);
  ha.advance(60);
  answerDial(ha, 6);
  pass(ha, 6);
  assert.ok(ha.takeWritten(6).equals(int64(128)));
});

follows.run();
