/**
 * A broker moves from Hangar to Apache and back while its messages stay readable (docs/operations.md, "Outgrowing one
 * machine"): a slave of the other maker copies everything, then goes on as the master.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { apacheServers } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { Code, sendFields, withClient } from '../support/remoting-client.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { BROKER, bodies, caughtUp, Replica } from './harness/replica.js';
import type { BrokerServer, Servers } from './harness/servers.js';

const GROUP = 'outgrowing';
const OFFSET_QUERY = 14;
const OFFSET_UPDATE = 15;
/** Tables are copied every 10 s. */
const TABLES_MS = 30_000;

/** Several of the log's files in a test. */
const bodyOf = (i: number): Buffer => Buffer.alloc(4_000, `message ${i} `);

async function send(master: BrokerServer, from: number, count: number): Promise<void> {
  await withClient(master.broker.address, async (client) => {
    for (let i = from; i < from + count; i++) {
      const answer = await client.call(Code.SEND, sendFields(BROKER, 0), bodyOf(i));
      assert.is(answer.code, 0, answer.remark);
      assert.is(answer.fields.queueOffset, String(i), 'queue offsets go on where they were');
    }
  });
}

const offset = (queueOffset: number) => ({
  consumerGroup: GROUP,
  topic: BROKER,
  queueId: 0,
  commitOffset: queueOffset,
});

async function commit({ broker }: BrokerServer, queueOffset: number): Promise<void> {
  await withClient(broker.address, async (client) => {
    assert.is((await client.call(OFFSET_UPDATE, offset(queueOffset))).code, 0);
  });
}

async function committed({ broker }: BrokerServer): Promise<string | undefined> {
  return await withClient(broker.address, async (client) => (await client.call(OFFSET_QUERY, offset(0))).fields.offset);
}

interface Move {
  readonly from: BrokerServer;
  readonly to: Replica;
  readonly by: Servers;
  /** Messages that are there, and the offset that the group has committed. */
  readonly messages: number;
  readonly consumed: number;
}

/** The steps of the documentation. Returns the new master. */
async function move(use: Use, { from, to, by, messages, consumed }: Move): Promise<BrokerServer> {
  const slave = await use(to.start(by, 'SLAVE'));
  await caughtUp(from, slave);
  await until('the offsets are copied', TABLES_MS, async () =>
    (await committed(slave)) === String(consumed) ? true : undefined,
  );
  await from.stop();
  await slave.stop();
  const master = await use(to.start(by, 'ASYNC_MASTER'));
  assert.equal(
    await bodies(master.broker.address),
    Array.from({ length: messages }, (_, i) => bodyOf(i).toString('utf8', 0, 12)),
  );
  assert.is(await committed(master), String(consumed));
  return master;
}

const suite = await serverSuite('outgrowing one machine', await apacheServers.missing());

suite.test(
  'Hangar to Apache and back through slaves: no message and no offset is lost, none is doubled',
  async (use) => {
    const namesrv = await use(hangarServers.startNamesrv());
    const replicas = Array.from({ length: 3 }, () => new Replica(namesrv.address));
    for (const replica of replicas) await use(Promise.resolve(replica));
    const [first, second, third] = replicas as [Replica, Replica, Replica];

    const hangar = await use(first.start(hangarServers, 'ASYNC_MASTER'));
    await send(hangar, 0, 100);
    await commit(hangar, 40);
    const apache = await move(use, { from: hangar, to: second, by: apacheServers, messages: 100, consumed: 40 });
    await send(apache, 100, 50);
    await commit(apache, 120);
    // Apache's master sends an empty slave only its newest log file: the older ones come by copying.
    cpSync(join(second.directory, 'commitlog'), join(third.directory, 'commitlog'), { recursive: true });
    await send(apache, 150, 10);
    const back = await move(use, { from: apache, to: third, by: hangarServers, messages: 160, consumed: 120 });
    await send(back, 160, 10);
    assert.is((await bodies(back.broker.address)).length, 170);
  },
);

suite.run();
