/** What actors write: one buffer per connection and turn, and a bound for peers that do not read. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../../src/base/prng.js';
import { KIB, MIB } from '../../../src/base/units.js';
import { seedOf } from '../../support/seed.js';
import { Driver, ID, PORT, request } from './driver.js';

const output = suite('front: output');

output('what is written in one turn leaves as one buffer per connection', () => {
  const driver = Driver.open();
  const [one, other] = [driver.connect(PORT.brokerA), driver.connect(PORT.brokerA)];
  driver.settle();
  const answers = Array.from({ length: 100 }, (_, i) => request(i, i * 10));
  for (const answer of answers) {
    driver.write(ID.brokerA, 1, answer);
    driver.write(ID.queues0, 2, answer);
  }
  driver.settle();
  for (const peer of [one, other]) {
    assert.is(peer.writes, 1);
    assert.equal(peer.bytes, Buffer.concat(answers));
  }
  assert.is(driver.metric('hangar_writes_total', { unit: 'broker-a' }), 200);
  assert.is(driver.metric('hangar_write_bytes_total'), 2 * Buffer.concat(answers).length);
});

output('random sizes over many turns: everything in order', () => {
  const random = prng(seedOf('output'));
  const driver = Driver.open({ front: { outputLimitBytes: 64 * MIB } });
  const peers = Array.from({ length: 3 }, () => driver.connect(PORT.brokerA));
  driver.settle();
  const sent: Buffer[][] = peers.map(() => []);
  for (let turn = 0; turn < 150; turn++) {
    for (let i = random.below(12); i > 0; i--) {
      const to = random.below(peers.length);
      const size = random.chance(0.02) ? random.below(MIB) : random.below(random.chance(0.2) ? 50_000 : 400);
      const answer = request(turn, size);
      sent[to].push(answer);
      driver.write(ID.brokerA, to + 1, answer);
    }
    const peer = random.pick(peers);
    peer.isReading = !peer.isReading;
    if (peer.isReading) peer.read();
    driver.settle();
  }
  for (const [i, peer] of peers.entries()) {
    peer.read();
    assert.ok(peer.bytes.equals(Buffer.concat(sent[i])), `connection ${i + 1}`);
  }
});

output('an answer of 16 MiB', () => {
  const driver = Driver.open();
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  const small = request(1, 10);
  const answer = request(2, 16 * MIB - 200);
  driver.write(ID.brokerA, 1, small);
  driver.write(ID.brokerA, 1, answer);
  driver.settle();
  assert.is(peer.isClosed, false);
  assert.ok(peer.bytes.equals(Buffer.concat([small, answer])));
});

output('a peer that does not read is closed at the limit; its actor hears it, others go on', () => {
  const driver = Driver.open({ front: { outputLimitBytes: 100 * KIB } });
  const [sleeper, reader] = [driver.connect(PORT.brokerA), driver.connect(PORT.brokerA)];
  driver.settle();
  driver.forget();
  sleeper.isReading = false;
  const answer = request(1, 10 * KIB);
  let most = 0;
  for (let i = 0; i < 30; i++) {
    driver.write(ID.brokerA, 1, answer);
    driver.write(ID.brokerA, 2, answer);
    driver.settle();
    most = Math.max(most, sleeper.socket.bufferedBytes);
  }
  assert.is(sleeper.isClosed, true);
  assert.ok(most > 90 * KIB && most <= 100 * KIB + answer.length, `at most ${most} bytes waited`);
  assert.equal(driver.heard(ID.brokerA), [{ kind: 'closed', connection: 1 }]);
  assert.is(reader.received.length, 30);
  assert.is(driver.metric('hangar_connections_closed_total', { reason: 'slow_reader' }), 1);
  assert.ok(driver.metric('hangar_writes_dropped_total') > 0);
  assert.match(driver.logs.at(-1)!.text, /does not read/);
});

output('the limit holds within one turn too', () => {
  const driver = Driver.open({ front: { outputLimitBytes: 100 * KIB } });
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  peer.isReading = false;
  for (let i = 0; i < 200; i++) driver.write(ID.brokerA, 1, request(i, 10 * KIB));
  driver.settle();
  assert.is(peer.isClosed, true);
});

output('a single answer over the limit passes when the peer has read what came before', () => {
  const driver = Driver.open({ front: { outputLimitBytes: 100 * KIB } });
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  for (let i = 0; i < 5; i++) {
    driver.write(ID.brokerA, 1, request(i, 2 * MIB));
    driver.settle();
  }
  assert.is(peer.isClosed, false);
  assert.is(peer.bytes.length, 5 * request(0, 2 * MIB).length);
});

output('what is written to a connection that is gone is dropped and counted', () => {
  const driver = Driver.open();
  driver.connect(PORT.brokerA).reset();
  driver.settle();
  driver.write(ID.brokerA, 1, request(1));
  driver.write(ID.brokerA, 77, request(1));
  driver.settle();
  assert.is(driver.metric('hangar_writes_dropped_total'), 2);
  assert.equal(driver.crashes, []);
});

output.run();
