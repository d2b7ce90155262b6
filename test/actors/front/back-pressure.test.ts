/** Full rings: nothing is lost, nothing changes its order, nothing grows, and only those wait who have to. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../../src/base/prng.js';
import { KIB, MIB } from '../../../src/base/units.js';
import { MAX_FRAME_BYTES } from '../../../src/remoting/frame.js';
import type { Peer } from '../../support/fake-network.js';
import { seedOf } from '../../support/seed.js';
import { Driver, type HeardFrame, ID, payloadOf, PORT, request, UNIT } from './driver.js';

const THREAD_A = 1;
const THREAD_B = 2;

/** Bytes that the front holds for connections of broker-a, in their inputs. */
function heldBytes(driver: Driver): number {
  let bytes = 0;
  for (const { input } of driver.state.connections.values()) bytes += input.bytes;
  return bytes;
}

function equalFrames(got: readonly HeardFrame[], sent: readonly Buffer[], what: string): void {
  assert.is(got.length, sent.length, what);
  for (const [i, { bytes }] of got.entries()) assert.ok(bytes.equals(payloadOf(sent[i])), `${what}, frame ${i}`);
}

const full = suite('front: a full ring');

full('stops reading from the sockets that feed it, and from no others', () => {
  const driver = Driver.open({ ringBytes: 64 * KIB });
  const slow = driver.connect(PORT.brokerA);
  const quick = driver.connect(PORT.brokerB);
  driver.settle();
  driver.held.add(THREAD_A);
  const sent: Buffer[] = [];
  for (let i = 0; i < 500; i++) {
    sent.push(request(i, 1000));
    slow.send(sent[i]);
    quick.send(request(i, 1000));
    driver.settle(20);
  }
  assert.is(slow.socket.isPaused, true);
  assert.is(quick.socket.isPaused, false);
  assert.is(driver.frames(ID.brokerB).length, 500, 'the other broker is served');
  assert.ok(heldBytes(driver) <= 4 * KIB, `${heldBytes(driver)} bytes held`);
  assert.ok(slow.socket.arrived.length > 400, 'the rest waits outside');
  assert.ok(driver.metric('hangar_input_stalls_total', { unit: 'broker-a' }) > 0);
  driver.held.delete(THREAD_A);
  driver.settle();
  equalFrames(driver.frames(ID.brokerA), sent, 'after the pause');
  assert.is(slow.socket.isPaused, false);
});

full('random chunks, random pauses: every frame arrives once and in order', () => {
  const random = prng(seedOf('back-pressure'));
  for (let round = 0; round < 10; round++) {
    const driver = Driver.open({ ringBytes: 16 * KIB, hosts: 2 });
    const streams = Array.from({ length: 4 }, (_, i) => {
      const port = i === 3 ? PORT.brokerB : PORT.brokerA;
      const frames = Array.from({ length: 150 }, (__, n) =>
        request(n, random.chance(0.05) ? random.below(9000) : random.below(600)),
      );
      return { peer: driver.connect(port), port, frames, bytes: Buffer.concat(frames), at: 0, id: i + 1 };
    });
    while (streams.some(({ at, bytes }) => at < bytes.length)) {
      const stream = random.pick(streams);
      const length = Math.min(stream.bytes.length - stream.at, 1 + random.below(random.chance(0.2) ? 30_000 : 700));
      stream.peer.send(stream.bytes.subarray(stream.at, stream.at + length));
      stream.at += length;
      for (const thread of [THREAD_A, THREAD_B]) {
        if (random.chance(0.3)) driver.held.add(thread);
        else driver.held.delete(thread);
      }
      driver.settle(random.below(6));
    }
    driver.held.clear();
    driver.settle();
    for (const { port, frames, id } of streams) {
      const got = driver
        .frames(port === PORT.brokerA ? ID.brokerA : ID.brokerB)
        .filter(({ connection }) => connection === id);
      equalFrames(got, frames, `round ${round}, connection ${id}`);
    }
    assert.is(heldBytes(driver), 0);
  }
});

full('waiting connections are served in turn', () => {
  const driver = Driver.open({ ringBytes: 16 * KIB });
  const peers = Array.from({ length: 6 }, () => driver.connect(PORT.brokerA));
  driver.settle();
  driver.held.add(THREAD_A);
  // Together far more than the ring: with all of one first, the last would wait for everybody.
  for (const peer of peers) for (let i = 0; i < 40; i++) peer.send(request(i, 1000));
  driver.settle(20);
  driver.held.delete(THREAD_A);
  driver.forget();
  const finishedAt = new Map<number, number>();
  for (let round = 0; round < 2000 && finishedAt.size < peers.length; round++) {
    driver.turn();
    const counts = new Map<number, number>();
    for (const { connection } of driver.frames(ID.brokerA)) counts.set(connection, (counts.get(connection) ?? 0) + 1);
    for (let id = 1; id <= peers.length; id++) {
      if ((counts.get(id) ?? 0) >= 20 && !finishedAt.has(id)) finishedAt.set(id, round);
    }
  }
  assert.is(finishedAt.size, peers.length);
  // The first connection has filled the ring before the others came.
  const [, ...rounds] = [...finishedAt.values()];
  assert.ok(Math.max(...rounds) < 2 * Math.min(...rounds), `half served after ${rounds.join(', ')} turns`);
});

full('whoever comes later does not overtake those who wait', () => {
  const driver = Driver.open({ ringBytes: 16 * KIB });
  const early = driver.connect(PORT.brokerA);
  const late = driver.connect(PORT.brokerA);
  driver.settle();
  driver.held.add(THREAD_A);
  for (let i = 0; i < 40; i++) early.send(request(i, 1000));
  driver.settle(20);
  late.send(request(1, 10));
  driver.settle(20);
  // Room comes while the late one has something in hand.
  driver.cores[THREAD_A].turn();
  late.send(request(2, 10));
  driver.held.delete(THREAD_A);
  driver.settle();
  const order = driver.frames(ID.brokerA).map(({ connection }) => connection);
  assert.ok(order.indexOf(2) > 10, `the late connection's first frame is number ${order.indexOf(2)}`);
  assert.is(order.length, 42);
});

full('a connection that comes meanwhile is announced before its frames, once there is room', () => {
  const driver = Driver.open({ ringBytes: 16 * KIB });
  const first = driver.connect(PORT.brokerA);
  driver.settle();
  driver.held.add(THREAD_A);
  for (let i = 0; i < 40; i++) first.send(request(i, 1000));
  driver.settle(20);
  const second = driver.connect(PORT.brokerA);
  second.send(request(100));
  const gone = driver.connect(PORT.brokerA);
  gone.send(request(101).subarray(0, 10));
  driver.settle(20);
  gone.reset();
  driver.settle(20);
  driver.held.delete(THREAD_A);
  driver.settle();
  const ofSecond = driver.heard(ID.brokerA).filter((one) => 'connection' in one && one.connection === 2);
  assert.equal(
    ofSecond.map(({ kind }) => kind),
    ['opened', 'frame'],
  );
  const ofGone = driver.heard(ID.brokerA).filter((one) => 'connection' in one && one.connection === 3);
  assert.ok(ofGone.length === 0 || (ofGone[0].kind === 'opened' && ofGone.at(-1)!.kind === 'closed'));
});

full('connections that come and go while the ring is full leave nothing behind', () => {
  const driver = Driver.open({ ringBytes: 16 * KIB });
  const first = driver.connect(PORT.brokerA);
  driver.settle();
  driver.held.add(THREAD_A);
  for (let i = 0; i < 40; i++) first.send(request(i, 1000));
  driver.settle(20);
  driver.forget();
  for (let i = 0; i < 1000; i++) {
    const peer = driver.connect(PORT.brokerA);
    driver.settle(5);
    peer.reset();
    driver.settle(5);
  }
  assert.is(driver.state.connections.size, 1);
  const { queues } = driver.state.stalls as unknown as { queues: (unknown[] | undefined)[] };
  assert.is(queues[ID.brokerA]!.length, 1);
  driver.held.delete(THREAD_A);
  driver.settle();
  assert.is(driver.heard(ID.brokerA).filter(({ kind }) => kind !== 'frame').length, 0, 'nobody heard of them');
});

full('what a peer sent before it went away is handed on before closed', () => {
  const driver = Driver.open({ ringBytes: 16 * KIB });
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  driver.held.add(THREAD_A);
  const sent = Array.from({ length: 40 }, (_, i) => request(i, 1000));
  // One chunk, so that it is in the front's hands when the connection ends.
  peer.send(Buffer.concat([...sent, request(99).subarray(0, 20)]));
  driver.settle(20);
  peer.reset();
  driver.settle(20);
  assert.is(driver.state.connections.size, 1);
  driver.write(ID.brokerB, 1, request(1));
  driver.settle(20);
  assert.is(driver.metric('hangar_writes_dropped_total'), 1);
  driver.held.delete(THREAD_A);
  driver.settle();
  equalFrames(driver.frames(ID.brokerA), sent, 'before the end');
  assert.equal(driver.heard(ID.brokerA).at(-1), { kind: 'closed', connection: 1 });
  assert.is(driver.state.connections.size, 0);
});

full('a stopped unit takes the waiting connections with it', () => {
  const driver = Driver.open({ ringBytes: 16 * KIB });
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  driver.held.add(THREAD_A);
  for (let i = 0; i < 40; i++) peer.send(request(i, 1000));
  driver.settle(20);
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.settle(20);
  assert.is(peer.isClosed, true);
  driver.held.delete(THREAD_A);
  driver.settle();
  assert.equal(driver.crashes, []);
  assert.is(driver.kinds(ID.brokerA).filter((kind) => kind === 'closed').length, 1);
});

full.run();

const large = suite('front: large frames');

/** Sends a frame in chunks of 64 KiB, as a socket delivers it. */
function sendLarge(driver: Driver, peer: Peer, bytes: Buffer, upTo = bytes.length): void {
  for (let at = 0; at < upTo; at += 64 * KIB) peer.send(bytes.subarray(at, Math.min(upTo, at + 64 * KIB)));
  driver.settle(50);
}

large('16 MiB pass through a ring of 8 MiB, and frames beside them too', () => {
  const driver = Driver.open();
  const [one, other] = [driver.connect(PORT.brokerA), driver.connect(PORT.brokerA)];
  const header = request(1).length;
  const largest = request(1, MAX_FRAME_BYTES - header);
  assert.is(largest.length, MAX_FRAME_BYTES);
  for (let at = 0; at < largest.length; at += 999_999) {
    one.send(largest.subarray(at, at + 999_999));
    other.send(request(at, 100));
    driver.settle();
  }
  const [frame] = driver.frames(ID.brokerA).filter(({ connection }) => connection === 1);
  assert.ok(frame.bytes.equals(payloadOf(largest)));
  assert.is(driver.frames(ID.brokerA).length, 1 + Math.ceil(largest.length / 999_999));
});

large('no more of them are begun than there is memory for; then the next gets its turn', () => {
  const driver = Driver.open({ front: { inputLimitBytes: 16 * MIB } });
  const peers = Array.from({ length: 5 }, () => driver.connect(PORT.brokerA));
  const small = driver.connect(PORT.brokerA);
  const elsewhere = driver.connect(PORT.brokerB);
  driver.settle();
  const bytes = request(1, 6 * MIB);
  for (const peer of peers) sendLarge(driver, peer, bytes, 5 * MIB);
  assert.equal(
    peers.map(({ socket }) => socket.isPaused),
    [false, false, true, true, true],
    'two of 6 MiB fit into 16 MiB',
  );
  assert.ok(heldBytes(driver) < 11 * MIB, `${heldBytes(driver)} bytes held`);
  small.send(request(2, 100));
  sendLarge(driver, elsewhere, bytes);
  driver.settle();
  assert.is(driver.frames(ID.brokerA).length, 1, 'small frames do not wait');
  assert.is(driver.frames(ID.brokerB).length, 1, 'other units have their own room');
  for (const peer of peers) peer.send(bytes.subarray(5 * MIB));
  driver.settle();
  const got = driver.frames(ID.brokerA).slice(1);
  assert.is(got.length, 5);
  for (const { bytes: taken } of got) assert.ok(taken.equals(payloadOf(bytes)));
  assert.is(new Set(got.map(({ connection }) => connection)).size, 5);
});

large('whoever goes away in the middle gives the room back', () => {
  const driver = Driver.open({ front: { inputLimitBytes: 16 * MIB } });
  const [holder, waiting, leaving] = Array.from({ length: 3 }, () => driver.connect(PORT.brokerA));
  driver.settle();
  const bytes = request(1, 10 * MIB);
  sendLarge(driver, holder, bytes, MIB);
  sendLarge(driver, leaving, bytes, MIB);
  sendLarge(driver, waiting, bytes, MIB);
  assert.is(waiting.socket.isPaused, true);
  leaving.reset();
  driver.settle();
  assert.is(waiting.socket.isPaused, true);
  holder.reset();
  driver.settle();
  assert.is(waiting.socket.isPaused, false);
  for (let at = MIB; at < bytes.length; at += MIB) waiting.send(bytes.subarray(at, at + MIB));
  driver.settle();
  assert.is(driver.frames(ID.brokerA).length, 1);
});

large('the time that a connection waits for room does not count as its silence', () => {
  const driver = Driver.open({ front: { inputLimitBytes: 16 * MIB } });
  const [holder, waiting] = [driver.connect(PORT.brokerA), driver.connect(PORT.brokerA)];
  driver.settle();
  const bytes = request(1, 10 * MIB);
  sendLarge(driver, holder, bytes, MIB);
  driver.advance(60_000);
  sendLarge(driver, waiting, bytes, MIB);
  driver.advance(80_000);
  assert.is(holder.isClosed, true, 'did not finish its frame');
  assert.is(waiting.isClosed, false);
  driver.advance(90_000);
  assert.is(waiting.isClosed, false);
  driver.advance(40_000);
  assert.is(waiting.isClosed, true, 'does not finish its own either');
});

large.run();
