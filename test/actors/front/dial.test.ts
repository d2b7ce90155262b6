/** Connections that actors ask for: to other processes, and to a listener of the same front. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB } from '../../../src/base/units.js';
import type { Peer } from '../../support/fake-network.js';
import { Driver, ID, payloadOf, PORT, PORT_KIND, request, UNIT } from './driver.js';

const out = suite('front: dials to other processes');

function served(driver: Driver): Peer[] {
  const peers: Peer[] = [];
  driver.network.servers.set('10.0.0.9:9876', (peer) => peers.push(peer));
  return peers;
}

out('the dialer hears dialed, then frames, and closed at the end', () => {
  const driver = Driver.open();
  const peers = served(driver);
  driver.forget();
  driver.dial(ID.brokerA, 7, '10.0.0.9', 9876);
  driver.settle();
  driver.write(ID.brokerA, 1, request(1));
  driver.settle();
  assert.equal(peers[0].bytes, request(1));
  peers[0].send(request(2));
  peers[0].close();
  driver.settle();
  assert.equal(driver.heard(ID.brokerA), [
    { kind: 'dialed', token: 7, connection: 1, peerActor: -1, peerConnection: 0 },
    {
      kind: 'frame',
      connection: 1,
      portKind: PORT_KIND.dialed,
      receivedMs: driver.clock.wallMs,
      bytes: payloadOf(request(2)),
    },
    { kind: 'closed', connection: 1 },
  ]);
  assert.equal(driver.heard(ID.queues0), [], 'queue hosts have no part in it');
});

out('a queue code in a dialed connection goes to the dialer like everything else', () => {
  const driver = Driver.open();
  const peers = served(driver);
  driver.dial(ID.brokerA, 1, '10.0.0.9', 9876);
  driver.settle();
  peers[0].send(request(1, 0, 11));
  driver.settle();
  assert.is(driver.frames(ID.brokerA).length, 1);
});

out('refused: dialFailed with the reason, no closed', () => {
  const driver = Driver.open();
  driver.forget();
  driver.dial(ID.brokerA, 8, '10.0.0.1', 1);
  driver.settle();
  assert.equal(driver.heard(ID.brokerA), [{ kind: 'dialFailed', token: 8, reason: 'ECONNREFUSED' }]);
  assert.is(driver.state.connections.size, 0);
});

out('a unit that stops takes its dialed connections and dials with it', () => {
  const driver = Driver.open();
  const peers = served(driver);
  driver.network.silent.add('10.0.0.8:1');
  driver.dial(ID.brokerA, 1, '10.0.0.9', 9876);
  driver.dial(ID.haA, 2, '10.0.0.9', 9876);
  driver.dial(ID.brokerB, 3, '10.0.0.9', 9876);
  driver.dial(ID.brokerA, 4, '10.0.0.8', 1);
  driver.settle();
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.settle();
  assert.equal(
    peers.map(({ isClosed }) => isClosed),
    [true, true, false],
  );
  assert.is(driver.state.connections.size, 1);
  assert.is(driver.kinds(ID.brokerA).includes('dialFailed'), false);
});

out.run();

const own = suite('front: dials to itself');

/** The two ends of a dial from broker-a to the name server. */
function dialNamesrv(driver: Driver, host = '127.0.0.1'): { readonly dialed: number; readonly accepted: number } {
  driver.forget();
  driver.dial(ID.brokerA, 5, host, PORT.namesrv);
  driver.settle();
  const [dialed] = driver.heard(ID.brokerA);
  const [opened] = driver.heard(ID.namesrv);
  assert.ok(dialed.kind === 'dialed' && opened.kind === 'opened', 'both sides hear of it');
  assert.is(dialed.peerActor, ID.namesrv);
  assert.is(dialed.peerConnection, opened.connection);
  driver.forget();
  return { dialed: dialed.connection, accepted: opened.connection };
}

own('frames go both ways without the network', () => {
  const driver = Driver.open();
  const { dialed, accepted } = dialNamesrv(driver);
  assert.is(dialed === accepted, false);
  driver.write(ID.brokerA, dialed, Buffer.concat([request(1), request(2, 3000)]));
  driver.settle();
  driver.write(ID.namesrv, accepted, request(3));
  driver.settle();
  const receivedMs = driver.clock.wallMs;
  const asked = [request(1), request(2, 3000)].map((bytes) => {
    return { kind: 'frame', connection: accepted, portKind: PORT_KIND.main, receivedMs, bytes: payloadOf(bytes) };
  });
  assert.equal(driver.heard(ID.namesrv), asked);
  assert.equal(driver.heard(ID.brokerA), [
    { kind: 'frame', connection: dialed, portKind: PORT_KIND.dialed, receivedMs, bytes: payloadOf(request(3)) },
  ]);
});

own('whatever name the address goes by', () => {
  const driver = Driver.open();
  for (const host of ['127.0.0.1', 'localhost', 'LocalHost', '0.0.0.0', '::ffff:127.0.0.1', 'hangar.example']) {
    dialNamesrv(driver, host);
  }
  driver.forget();
  driver.dial(ID.brokerA, 5, '10.0.0.1', PORT.namesrv);
  driver.settle();
  assert.equal(driver.kinds(ID.brokerA), ['dialFailed'], 'another machine is another machine');
});

own('a unit that does not listen is not there', () => {
  const driver = Driver.open();
  driver.tellFront('closeUnit', UNIT.namesrv);
  driver.settle();
  driver.forget();
  driver.dial(ID.brokerA, 1, '127.0.0.1', PORT.namesrv);
  driver.settle();
  assert.equal(driver.kinds(ID.brokerA), ['dialFailed']);
});

own('VIP ports count as such, and queue codes find the host', () => {
  const driver = Driver.open();
  driver.forget();
  driver.dial(ID.brokerB, 1, '127.0.0.1', PORT.brokerA - 2);
  driver.dial(ID.brokerB, 2, '127.0.0.1', PORT.brokerA);
  driver.settle();
  const dialed = driver.heard(ID.brokerB).map((one) => (one.kind === 'dialed' ? one.connection : 0));
  for (const connection of dialed) driver.write(ID.brokerB, connection, request(1, 0, 11));
  driver.settle();
  assert.equal(
    driver.frames(ID.brokerA).map(({ portKind }) => portKind),
    [PORT_KIND.vip],
  );
  assert.equal(
    driver.frames(ID.queues0).map(({ portKind }) => portKind),
    [PORT_KIND.main],
  );
});

own('the HA port leads to the HA actor, whose connections may be silent', () => {
  const driver = Driver.open();
  driver.forget();
  driver.dial(ID.brokerB, 1, '127.0.0.1', PORT.brokerA + 1);
  driver.settle();
  const [dialed] = driver.heard(ID.brokerB);
  assert.ok(dialed.kind === 'dialed' && dialed.peerActor === ID.haA);
  assert.equal(driver.kinds(ID.haA), ['opened']);
  driver.advance(300_000);
  assert.is(driver.state.connections.size, 2);
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.settle();
  assert.equal(driver.kinds(ID.brokerB).at(-1), 'closed');
  assert.equal(driver.kinds(ID.haA), ['opened', 'closed']);
  assert.equal(driver.heard(ID.queues0), []);
});

own('a slave that comes while the HA port is being bound again is not sent through the network', () => {
  const driver = Driver.open();
  driver.network.servers.set(`127.0.0.1:${PORT.brokerA + 1}`, () => undefined);
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.settle();
  driver.forget();
  driver.tellFront('openUnit', UNIT.brokerA);
  driver.dial(ID.brokerB, 1, '127.0.0.1', PORT.brokerA + 1, true);
  driver.settle();
  assert.equal(driver.heard(ID.brokerB), [{ kind: 'dialFailed', token: 1, reason: 'the port is being bound' }]);
  driver.forget();
  driver.dial(ID.brokerB, 2, '127.0.0.1', PORT.brokerA + 1, true);
  driver.settle();
  const [dialed] = driver.heard(ID.brokerB);
  assert.ok(dialed.kind === 'dialed' && dialed.peerActor === ID.haA);
});

for (const [who, close] of [
  ['the dialer', (driver: Driver, dialed: number) => driver.closeByActor(ID.brokerA, dialed)],
  ['the accepting actor', (driver: Driver, _: number, accepted: number) => driver.closeByActor(ID.namesrv, accepted)],
  ['a stop of the dialing unit', (driver: Driver) => driver.tellFront('closeUnit', UNIT.brokerA)],
  ['a stop of the accepting unit', (driver: Driver) => driver.tellFront('closeUnit', UNIT.namesrv)],
  ['silence', (driver: Driver) => driver.advance(140_000)],
  ['a malformed frame', (driver: Driver, dialed: number) => driver.write(ID.brokerA, dialed, Buffer.alloc(8, 0xff))],
] as const) {
  own(`closed by ${who}: both sides hear it once`, () => {
    const driver = Driver.open();
    const { dialed, accepted } = dialNamesrv(driver);
    close(driver, dialed, accepted);
    driver.settle();
    assert.equal(
      driver.heard(ID.brokerA).filter(({ kind }) => kind === 'closed'),
      [{ kind: 'closed', connection: dialed }],
    );
    assert.equal(
      driver.heard(ID.namesrv).filter(({ kind }) => kind === 'closed'),
      [{ kind: 'closed', connection: accepted }],
    );
    assert.is(driver.state.connections.size, 0);
    assert.is(driver.state.lingering.size, 0);
    assert.is(driver.state.acceptedCount, 0);
    assert.equal(driver.crashes, []);
  });
}

own('what was written before a close arrives before it', () => {
  const driver = Driver.open();
  const { dialed } = dialNamesrv(driver);
  driver.write(ID.brokerA, dialed, request(1));
  driver.closeByActor(ID.brokerA, dialed);
  driver.settle();
  assert.equal(driver.kinds(ID.namesrv), ['frame', 'closed']);
});

own('survives a drain, so that actors can say good-bye', () => {
  const driver = Driver.open();
  const { dialed, accepted } = dialNamesrv(driver);
  driver.cores[0].send(ID.front, ID.front, driver.cores[0].definitionOf(ID.front)!.messages.drain, {}, 0);
  driver.settle();
  driver.write(ID.brokerA, dialed, request(1));
  driver.settle();
  driver.write(ID.namesrv, accepted, request(2));
  driver.settle();
  assert.is(driver.frames(ID.namesrv).length, 1);
  assert.is(driver.frames(ID.brokerA).length, 1);
});

own('a receiver without room holds the writer up to the output limit, and loses nothing', () => {
  const driver = Driver.open({ ringBytes: 16 * KIB, front: { outputLimitBytes: 200 * KIB } });
  driver.forget();
  driver.dial(ID.brokerB, 1, '127.0.0.1', PORT.namesrv);
  driver.settle();
  const [dialed] = driver.heard(ID.brokerB);
  assert.ok(dialed.kind === 'dialed');
  driver.held.add(1);
  const sent = Array.from({ length: 100 }, (_, i) => request(i, 1000));
  for (const bytes of sent) {
    driver.write(ID.brokerB, dialed.connection, bytes);
    driver.settle(10);
  }
  driver.held.delete(1);
  driver.settle();
  const got = driver.frames(ID.namesrv);
  assert.is(got.length, 100);
  for (const [i, { bytes }] of got.entries()) assert.equal(bytes, payloadOf(sent[i]));
  driver.held.add(1);
  for (let i = 0; i < 400; i++) {
    driver.write(ID.brokerB, dialed.connection, sent[0]);
    driver.settle(10);
  }
  driver.held.delete(1);
  driver.settle();
  assert.is(driver.kinds(ID.brokerB).at(-1), 'closed', 'beyond the limit the connection closes, as over the network');
  assert.is(driver.metric('hangar_connections_closed_total', { reason: 'slow_reader' }), 1);
});

own.run();
