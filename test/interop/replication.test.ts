/** Brokers of different processes that follow each other over Apache's replication stream: ours, Apache's, and both mixed. */
import * as assert from 'uvu/assert';
import { apacheServers } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { Code, type RemotingClient, sendFields, withClient } from '../support/remoting-client.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { assertSameLog, BROKER, bodies, caughtUp, Replica } from './harness/replica.js';
import type { Servers } from './harness/servers.js';

const TOPIC = BROKER;
const BODY_BYTES = 4_000;

async function send(client: RemotingClient, count: number, first: number): Promise<number[]> {
  const codes: number[] = [];
  for (let i = first; i < first + count; i++) {
    const body = Buffer.alloc(BODY_BYTES, `message ${i} `);
    codes.push((await client.call(Code.SEND, sendFields(TOPIC, 0), body)).code);
  }
  return codes;
}

interface Pair {
  readonly master: Replica;
  readonly slave: Replica;
}

async function pairOf(use: Use): Promise<Pair> {
  const namesrv = await use(hangarServers.startNamesrv());
  const [master, slave] = [new Replica(namesrv.address), new Replica(namesrv.address)];
  for (const replica of [master, slave]) await use(Promise.resolve(replica));
  return { master, slave };
}

/** From an empty slave, over several files, and again after each has been killed. */
async function followsThroughKills(use: Use, masters: Servers, slaves: Servers): Promise<void> {
  const replicas = await pairOf(use);
  let master = await use(replicas.master.start(masters, 'ASYNC_MASTER'));
  await withClient(master.broker.address, async (client) => {
    assert.equal(new Set(await send(client, 40, 0)), new Set([0]));
  });
  let slave = await use(replicas.slave.start(slaves, 'SLAVE'));
  await withClient(master.broker.address, async (client) => {
    assert.equal(new Set(await send(client, 120, 40)), new Set([0]));
  });
  await caughtUp(master, slave);

  await slave.kill();
  await withClient(master.broker.address, (client) => send(client, 40, 160));
  slave = await use(replicas.slave.start(slaves, 'SLAVE'));
  await caughtUp(master, slave);

  await master.kill();
  master = await use(replicas.master.start(masters, 'ASYNC_MASTER'));
  await withClient(master.broker.address, (client) => send(client, 40, 200));
  await caughtUp(master, slave);
  assertSameLog(replicas.master, replicas.slave);
  const expected = await bodies(master.broker.address);
  assert.is(expected.length, 240);
  assert.equal(await bodies(slave.broker.address), expected);
}

const ours = await serverSuite('replication between processes', undefined);

ours.test('our slave follows our master through kills of both', (use) =>
  followsThroughKills(use, hangarServers, hangarServers),
);
ours.run();

const mixed = await serverSuite('replication with Apache', await apacheServers.missing());

mixed.test("our slave follows Apache's master through kills of both", (use) =>
  followsThroughKills(use, apacheServers, hangarServers),
);

mixed.test("Apache's slave follows our master through kills of both", (use) =>
  followsThroughKills(use, hangarServers, apacheServers),
);
mixed.run();
