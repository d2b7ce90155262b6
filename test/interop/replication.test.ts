/** Brokers of different processes that follow each other over Apache's replication stream: ours, Apache's, and both mixed. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { apacheServers } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { Code, type RemotingClient, sendFields, withClient } from '../support/remoting-client.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { assertSameLog, BROKER, bodies, caughtUp, LOG_FILE_BYTES, Replica } from './harness/replica.js';
import type { Servers } from './harness/servers.js';

const TOPIC = BROKER;
const BODY_BYTES = 4_000;
const SLAVE_NOT_AVAILABLE = 11;
/** Java's slave says where it stands a while after it has connected. */
const TOLD_MS = 30_000;

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
/** The slave's log ends before its master's begins; the broker of the two that is ours says so. */
async function comesTooLate(use: Use, masters: Servers, slaves: Servers, ours: 'master' | 'slave'): Promise<void> {
  const replicas = await pairOf(use);
  let master = await use(replicas.master.start(masters, 'SYNC_MASTER'));
  let slave = await use(replicas.slave.start(slaves, 'SLAVE'));
  await withClient(master.broker.address, (client) => send(client, 20, 0));
  await caughtUp(master, slave);
  await slave.kill();
  const sent = await withClient(master.broker.address, (client) => send(client, 200, 20));
  assert.ok(sent.includes(SLAVE_NOT_AVAILABLE));
  await master.stop();
  const [first, second] = [...replicas.master.log().keys()];
  for (const name of [first, second]) rmSync(join(replicas.master.directory, 'commitlog', name!));
  master = await use(replicas.master.start(masters, 'SYNC_MASTER'));

  slave = await use(replicas.slave.start(slaves, 'SLAVE'));
  const { child } = { master, slave }[ours];
  const why = new RegExp(
    `ends at \\d+, its master's begins at ${2 * LOG_FILE_BYTES} already: move the slave's store away`,
  );
  await until('ours says so', TOLD_MS, async () => (why.test(child.stderr) ? true : undefined), child);
  await withClient(master.broker.address, async (client) => {
    assert.equal(await send(client, 1, 220), [SLAVE_NOT_AVAILABLE]);
  });
  assert.is((await bodies(slave.broker.address)).length, 20, 'it is read from');
}

mixed.test('our slave, at an Apache master that has deleted what comes next, says so and is read from', (use) =>
  comesTooLate(use, apacheServers, hangarServers, 'slave'),
);

mixed.test("Apache's slave, at a master of ours that has deleted what comes next, is sent away and read from", (use) =>
  comesTooLate(use, hangarServers, apacheServers, 'master'),
);

mixed.run();
