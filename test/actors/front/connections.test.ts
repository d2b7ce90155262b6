/** Connections from outside: who hears what, in which order, and what ends them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_FRAME_BYTES } from '../../../src/remoting/frame.js';
import { Driver, frame, ID, payloadOf, PORT, PORT_KIND, request, UNIT } from './driver.js';

const life = suite('front: life of a connection');

life('the actor behind the port hears opened, frames in order, closed', () => {
  const driver = Driver.open({ hosts: 2 });
  driver.forget();
  const peer = driver.connect(PORT.brokerA);
  peer.send(Buffer.concat([request(1), request(2, 5)]));
  driver.settle();
  peer.close();
  driver.settle();
  const [opened, first, second, closed, ...rest] = driver.heard(ID.brokerA);
  const { connection } = opened as { connection: number };
  assert.ok(connection > 0);
  assert.is(opened.kind === 'opened' && opened.remote, '10.1.2.3:50000');
  const common = { kind: 'frame', connection, portKind: PORT_KIND.main, receivedMs: driver.clock.wallMs };
  assert.equal(first, { ...common, bytes: payloadOf(request(1)) });
  assert.equal(second, { ...common, bytes: payloadOf(request(2, 5)) });
  assert.equal(closed, { kind: 'closed', connection });
  assert.is(rest.length, 0);
  for (const host of [ID.queues0, ID.queues1]) assert.equal(driver.heard(host), [{ kind: 'closed', connection }]);
  assert.equal(driver.heard(ID.brokerB), []);
  assert.is(driver.state.connections.size, 0);
});

life('a connection is announced without waiting for its first byte', () => {
  const driver = Driver.open();
  driver.forget();
  driver.connect(PORT.namesrv);
  driver.settle();
  assert.equal(driver.kinds(ID.namesrv), ['opened']);
});

life('frames say by which port they came', () => {
  const driver = Driver.open();
  const peer = driver.connect(PORT.brokerA - 2);
  peer.send(request(1));
  driver.settle();
  assert.is(driver.frames(ID.brokerA)[0].portKind, PORT_KIND.vip);
});

life('every connection gets an id of its own, also after a restart of the front actor', () => {
  const connectionIds = new ArrayBuffer(4);
  const ids: number[] = [];
  for (let start = 0; start < 2; start++) {
    const driver = Driver.open({ front: { connectionIds } });
    for (let i = 0; i < 3; i++) driver.connect(PORT.brokerA).close();
    driver.settle();
    for (const one of driver.heard(ID.brokerA)) if (one.kind === 'opened') ids.push(one.connection);
  }
  assert.is(ids.length, 6);
  assert.is(new Set(ids).size, 6);
});

life('ids begin again after 2^31 of them and step over what is open', () => {
  const driver = Driver.open();
  const held = driver.connect(PORT.brokerA);
  driver.settle();
  driver.state.lastId[0] = 0x7fff_fffe;
  driver.forget();
  driver.connect(PORT.brokerA);
  driver.connect(PORT.brokerA);
  driver.settle();
  assert.equal(
    driver.heard(ID.brokerA).map((one) => 'connection' in one && one.connection),
    [0x7fff_ffff, 2],
  );
  assert.is(held.isClosed, false);
});

life('an actor closes a connection after what it has written', () => {
  const driver = Driver.open();
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  peer.isReading = false;
  driver.forget();
  driver.write(ID.brokerA, 1, request(5));
  driver.closeByActor(ID.brokerA, 1);
  driver.write(ID.brokerA, 1, request(6));
  driver.settle();
  assert.equal(driver.heard(ID.brokerA), [{ kind: 'closed', connection: 1 }]);
  assert.is(peer.isClosed, false, 'what was written has not left yet');
  assert.is(driver.metric('hangar_writes_dropped_total'), 1);
  peer.read();
  driver.settle();
  assert.equal(peer.bytes, request(5));
  assert.is(peer.isClosed, true);
  assert.equal(driver.kinds(ID.brokerA), ['closed'], 'told once');
  assert.is(driver.state.lingering.size, 0);
});

life('a connection that an actor closed and whose peer never reads does not stay', () => {
  const driver = Driver.open();
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  peer.isReading = false;
  driver.write(ID.brokerA, 1, request(5));
  driver.closeByActor(ID.brokerA, 1);
  driver.settle();
  driver.advance(6000);
  assert.is(peer.isClosed, true);
  assert.is(driver.state.lingering.size, 0);
  assert.is(driver.state.acceptedCount, 0);
});

life('more connections than allowed are refused, counted and logged once', () => {
  const driver = Driver.open({ front: { maxConnections: 2 } });
  const peers = Array.from({ length: 5 }, () => driver.connect(PORT.brokerA));
  driver.settle();
  assert.equal(
    peers.map(({ isClosed }) => isClosed),
    [false, false, true, true, true],
  );
  assert.is(driver.metric('hangar_connections_refused_total', { reason: 'limit' }), 3);
  assert.is(driver.metric('hangar_connections', { unit: 'broker-a' }), 2);
  assert.is(driver.logs.filter(({ text }) => text.includes('refused')).length, 1);
  peers[0].close();
  driver.settle();
  const next = driver.connect(PORT.brokerA);
  driver.settle();
  assert.is(next.isClosed, false, 'room again');
});

life('the bytes of the HA port go to the HA actor as they come, and are no frames', () => {
  const driver = Driver.open();
  driver.forget();
  const peer = driver.connect(PORT.brokerA + 1);
  for (const piece of ['repl', 'icate']) {
    peer.send(Buffer.from(piece));
    driver.settle();
  }
  assert.is(peer.isClosed, false);
  assert.equal(driver.heard(ID.brokerA), []);
  assert.equal(
    driver.heard(ID.haA).map((one) => (one.kind === 'bytes' ? one.bytes.toString() : one.kind)),
    ['opened', 'repl', 'icate'],
  );
});

life('closeUnit closes the listeners and connections of that unit only', () => {
  const driver = Driver.open();
  const mine = [driver.connect(PORT.brokerA), driver.connect(PORT.brokerA - 2)];
  const other = driver.connect(PORT.brokerB);
  driver.settle();
  driver.forget();
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.settle();
  for (const peer of mine) assert.is(peer.isClosed, true);
  assert.is(other.isClosed, false);
  assert.equal(driver.kinds(ID.brokerA), ['closed', 'closed']);
  assert.equal([...driver.network.bound.keys()].sort(), [PORT.brokerB, PORT.brokerB - 2, PORT.namesrv].sort());
  driver.tellFront('openUnit', UNIT.brokerA);
  driver.settle();
  assert.is(driver.connect(PORT.brokerA).isClosed, false);
});

life('drain: nothing new is taken, answers still leave', () => {
  const driver = Driver.open();
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  driver.forget();
  driver.cores[0].send(ID.front, ID.front, driver.cores[0].definitionOf(ID.front)!.messages.drain, {}, 0);
  driver.settle();
  assert.is(driver.network.bound.size, 0);
  peer.send(request(1));
  driver.settle();
  driver.write(ID.brokerA, 1, request(9));
  driver.settle();
  assert.equal(driver.heard(ID.brokerA), []);
  assert.equal(peer.bytes, request(9));
});

life('close: what was written leaves, then everything is closed', () => {
  const driver = Driver.open();
  const [reader, sleeper] = [driver.connect(PORT.brokerA), driver.connect(PORT.brokerB)];
  driver.settle();
  sleeper.isReading = false;
  driver.write(ID.brokerA, 1, request(1));
  driver.write(ID.brokerB, 2, request(2));
  driver.settle();
  let isGone = false;
  driver.cores[0].close(ID.front, () => {
    isGone = true;
  });
  driver.settle();
  assert.equal(reader.bytes, request(1));
  assert.is(reader.isClosed, true);
  assert.is(isGone, false, 'one peer has not read its answer');
  driver.advance(1100, 100);
  assert.is(sleeper.isClosed, true);
  assert.is(isGone, true);
});

life.run();

const bad = suite('front: malformed frames');

const words = (length: number, header: number, rest = 0): Buffer => {
  const bytes = Buffer.alloc(8 + rest);
  bytes.writeInt32BE(length | 0, 0);
  bytes.writeInt32BE(header | 0, 4);
  return bytes;
};

for (const [name, bytes, reason, text] of [
  ['a negative length', words(-5, 0), 'negative_length', /negative/],
  ['a length below its header word', words(2, 0), 'too_short', /no room/],
  ['an oversized frame', words(MAX_FRAME_BYTES, 20), 'oversized', /over the limit/],
  ['a header longer than the frame', words(30, 40), 'header_length', /does not fit/],
  ['an unknown serialization', words(30, 0x0500_0001), 'serialization', /unknown serialization/],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'oversized', /HTTP/],
  ['a TLS handshake', Buffer.from('160301020001000001fc0303', 'hex'), 'oversized', /TLS/],
  ['a header that is no JSON', frame('{"code": x'), 'header', /header/],
] as const) {
  bad(`${name} closes that connection only, after the frames before it`, () => {
    const driver = Driver.open();
    driver.forget();
    const peer = driver.connect(PORT.brokerA);
    const other = driver.connect(PORT.brokerA);
    peer.send(Buffer.concat([request(1), bytes, request(2)]));
    other.send(request(3).subarray(0, 30));
    driver.settle();
    other.send(request(3).subarray(30));
    driver.settle();
    assert.is(peer.isClosed, true);
    assert.is(other.isClosed, false);
    assert.equal(
      driver.frames(ID.brokerA).map(({ bytes: taken }) => taken),
      [payloadOf(request(1)), payloadOf(request(3))],
    );
    assert.is(driver.kinds(ID.brokerA).filter((kind) => kind === 'closed').length, 1);
    assert.is(driver.metric('hangar_connections_closed_total', { unit: 'broker-a', reason }), 1);
    assert.match(driver.logs.at(-1)!.text, text);
    assert.equal(driver.crashes, []);
  });
}

bad('a flood of malformed frames writes a line now and then, with how many there were', () => {
  const driver = Driver.open();
  const flood = (): void => {
    for (let i = 0; i < 50; i++) driver.connect(PORT.brokerA).send(words(-1, 0));
    driver.settle();
  };
  flood();
  driver.advance(11_000);
  flood();
  const lines = driver.logs.filter(({ level }) => level === 'warn');
  assert.is(lines.length, 2);
  assert.is(lines[1].fields.alsoSince, 49);
  assert.is(driver.metric('hangar_connections_closed_total', { reason: 'negative_length' }), 100);
});

bad.run();

const idle = suite('front: silent connections');

idle('closed after 120 s without a byte either way', () => {
  const driver = Driver.open();
  const [silent, reader, writer, writing] = Array.from({ length: 4 }, () => driver.connect(PORT.brokerA));
  driver.settle();
  driver.forget();
  for (let second = 0; second < 118; second++) {
    writer.send(request(second));
    driver.write(ID.brokerA, 2, request(second));
    // Half a frame, and nothing more.
    if (second === 60) writing.send(request(1).subarray(0, 20));
    driver.advance(1000);
  }
  assert.is(silent.isClosed, false);
  for (let second = 0; second < 20; second++) {
    writer.send(request(second));
    driver.write(ID.brokerA, 2, request(second));
    driver.advance(1000);
  }
  assert.is(silent.isClosed, true);
  assert.is(reader.isClosed, false);
  assert.is(writer.isClosed, false);
  assert.is(writing.isClosed, false);
  driver.advance(60_000);
  assert.is(writing.isClosed, true);
  assert.is(driver.metric('hangar_connections_closed_total', { reason: 'idle' }), 1);
  assert.is(driver.metric('hangar_connections_closed_total', { reason: 'slow_frame' }), 1);
  assert.equal(
    driver.heard(ID.brokerA).filter(({ kind }) => kind === 'closed'),
    [
      { kind: 'closed', connection: 1 },
      { kind: 'closed', connection: 4 },
    ],
  );
});

idle('a peer that sends a frame so slowly that it never ends is closed', () => {
  const driver = Driver.open();
  const peer = driver.connect(PORT.brokerA);
  const bytes = request(1, 100_000);
  for (let second = 0; second < 140 && !peer.isClosed; second++) {
    peer.send(bytes.subarray(second * 10, second * 10 + 10));
    driver.advance(1000);
  }
  assert.is(peer.isClosed, true);
  assert.is(driver.metric('hangar_connections_closed_total', { reason: 'slow_frame' }), 1);
});

idle('answers that nobody reads are no sign of life', () => {
  const driver = Driver.open();
  const peer = driver.connect(PORT.brokerA);
  driver.settle();
  peer.isReading = false;
  for (let second = 0; second < 130; second++) {
    driver.write(ID.brokerA, 1, request(second));
    driver.advance(1000);
  }
  assert.is(peer.isClosed, true);
});

idle.run();
