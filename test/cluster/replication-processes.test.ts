/**
 * A master and a slave of ours in processes of their own: what SYNC_MASTER answers when the slave is away, stands still or
 * is far behind; a link that is cut and slow; kills of either and of both; reading when the master is gone.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { until } from '../interop/harness/process.js';
import { assertSameLog, bodies, caughtUp, maxOffset, Replica } from '../interop/harness/replica.js';
import type { BrokerServer } from '../interop/harness/servers.js';
import { hangarServers } from '../support/hangar.js';
import { Link } from '../support/link.js';
import { Code, pullFields, sendFields, withClient } from '../support/remoting-client.js';
import { seedOf } from '../support/seed.js';
import { assertStored, Traffic } from '../support/traffic.js';

const TOPIC = 'broker-a';
const OK = 0;
const SLAVE_NOT_AVAILABLE = 11;
const FLUSH_SLAVE_TIMEOUT = 12;
const SLAVE_TIMEOUT_MS = 700;
const LIMIT_MS = 20_000;
const OFFSET_QUERY = 14;
const OFFSET_UPDATE = 15;

interface Stage {
  readonly master: Replica;
  readonly slave: Replica;
  /** Ended after the test, whatever becomes of it. */
  use<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T>;
}

function onStage(body: (stage: Stage) => Promise<void>): () => Promise<void> {
  return async () => {
    const started: { stop(): Promise<void> }[] = [];
    const use: Stage['use'] = async (starting) => {
      const one = await starting;
      started.push(one);
      return one;
    };
    try {
      const { address } = await use(hangarServers.startNamesrv());
      const [master, slave] = [new Replica(address), new Replica(address)];
      for (const replica of [master, slave]) await use(Promise.resolve(replica));
      await body({ master, slave, use });
    } finally {
      for (const one of started.reverse()) await one.stop();
    }
  };
}

const startMaster = (stage: Stage, more: Readonly<Record<string, string>> = {}): Promise<BrokerServer> =>
  stage.use(stage.master.start(hangarServers, 'SYNC_MASTER', { slaveTimeout: String(SLAVE_TIMEOUT_MS), ...more }));
const startSlave = (stage: Stage, more: Readonly<Record<string, string>> = {}): Promise<BrokerServer> =>
  stage.use(stage.slave.start(hangarServers, 'SLAVE', more));

async function send({ broker }: BrokerServer, properties = '', bodyBytes = 100): Promise<number> {
  const fields = sendFields(TOPIC, 0, properties);
  return await withClient(broker.address, async (client) => {
    return (await client.call(Code.SEND, fields, Buffer.alloc(bodyBytes, 'x'))).code;
  });
}

async function confirms(master: BrokerServer): Promise<void> {
  await until('SEND_OK', LIMIT_MS, async () => ((await send(master)) === OK ? true : undefined));
}

const haAddress = ({ broker: { address } }: BrokerServer): string => {
  const [host, port] = address.split(':');
  return `${host}:${Number(port) + 1}`;
};

const answers = suite('SYNC_MASTER and a slave of another process');

answers(
  'no slave: SLAVE_NOT_AVAILABLE; one that follows: SEND_OK; one that stands still: FLUSH_SLAVE_TIMEOUT',
  onStage(async (stage) => {
    const master = await startMaster(stage, { haSlaveFallbehindMax: '65536' });
    assert.is(await send(master), SLAVE_NOT_AVAILABLE);
    const slave = await startSlave(stage);
    await confirms(master);

    slave.child.signal('SIGSTOP');
    const beganMs = performance.now();
    assert.is(await send(master), FLUSH_SLAVE_TIMEOUT);
    assert.ok(performance.now() - beganMs >= SLAVE_TIMEOUT_MS, 'not before slaveTimeout');
    assert.is(await send(master, 'WAIT\u0001false\u0002'), OK, 'who does not wait is not told');

    // Further behind than haSlaveFallbehindMax it is not waited for.
    await send(master, 'WAIT\u0001false\u0002', 60_000);
    await send(master, 'WAIT\u0001false\u0002', 6_000);
    const refusedMs = performance.now();
    assert.is(await send(master), SLAVE_NOT_AVAILABLE);
    assert.ok(performance.now() - refusedMs < SLAVE_TIMEOUT_MS, 'at once');

    slave.child.signal('SIGCONT');
    await confirms(master);
    await caughtUp(master, slave);
    await slave.kill();
    await until('it is missed', LIMIT_MS, async () =>
      (await send(master)) === SLAVE_NOT_AVAILABLE ? true : undefined,
    );
  }),
);

answers(
  'a stopped slave is let go after haHousekeepingInterval, and comes back by itself',
  onStage(async (stage) => {
    const master = await startMaster(stage, { haHousekeepingInterval: '2500' });
    const slave = await startSlave(stage, { haHousekeepingInterval: '2500' });
    await confirms(master);
    slave.child.signal('SIGSTOP');
    await until('its connection is over', LIMIT_MS, async () =>
      (await send(master)) === SLAVE_NOT_AVAILABLE ? true : undefined,
    );
    slave.child.signal('SIGCONT');
    await confirms(master);
    await caughtUp(master, slave);
  }),
);

answers.run();

const faults = suite('replication between processes: faults');

faults(
  'a link that is slow and cut again and again: everything arrives, once',
  onStage(async (stage) => {
    const random = prng(seedOf('cuts'));
    const master = await startMaster(stage);
    const link = await stage.use(Link.open(haAddress(master), 3));
    const slave = await startSlave(stage, { haMasterAddress: link.address });
    const traffic = await Traffic.start(master.broker.address, { topic: TOPIC, queues: 1 });
    for (let cuts = 0; cuts < 8; cuts++) {
      await until('it is connected', LIMIT_MS, async () => (link.connections > 0 ? true : undefined));
      const through = link.bytes + 1 + random.below(200_000);
      await until('more has come through', LIMIT_MS, async () => (link.bytes > through ? true : undefined));
      link.cut();
    }
    link.refuse(true);
    await traffic.end();
    link.refuse(false);
    await caughtUp(master, slave);
    assertSameLog(stage.master, stage.slave);
    assert.ok((traffic.codes.get(OK) ?? 0) > 0, `answers: ${[...traffic.codes]}`);
    await assertStored(slave.broker.address, TOPIC, 1, traffic.acknowledged);
  }),
);

for (const [what, kills] of [
  ['the master', ['master']],
  ['both', ['master', 'slave']],
] as const) {
  faults(
    `${what} killed under traffic: what was confirmed is on both, once, without gaps`,
    onStage(async (stage) => {
      let master = await startMaster(stage);
      let slave = await startSlave(stage);
      await confirms(master);
      const traffic = await Traffic.start(master.broker.address, { topic: TOPIC, queues: 1 });
      await traffic.more(1_500);
      if (kills.includes('master' as never)) await master.kill();
      if (kills.includes('slave' as never)) await slave.kill();
      await traffic.end();
      if (kills.includes('slave' as never)) slave = await startSlave(stage);
      if (kills.includes('master' as never)) master = await startMaster(stage);
      await confirms(master);
      await caughtUp(master, slave);
      assertSameLog(stage.master, stage.slave);
      assert.equal(await bodies(slave.broker.address), await bodies(master.broker.address));
      for (const { broker } of [master, slave]) await assertStored(broker.address, TOPIC, 1, traffic.acknowledged);
    }),
  );
}

faults(
  'without its master a slave answers pulls and takes offsets; what it has of the master is kept',
  onStage(async (stage) => {
    let master = await startMaster(stage);
    const slave = await startSlave(stage);
    await confirms(master);
    for (let n = 0; n < 20; n++) assert.is(await send(master), OK);
    await caughtUp(master, slave);
    const last = Number(await maxOffset(master.broker.address));
    await master.kill();

    await withClient(slave.broker.address, async (client) => {
      const pulled = await client.call(Code.PULL, pullFields(TOPIC, 0, 0));
      assert.is(pulled.code, OK);
      assert.is(pulled.fields.suggestWhichBrokerId, '0', 'slaveReadEnable=false: as in Apache');
      const offset = { consumerGroup: 'readers', topic: TOPIC, queueId: 0, commitOffset: last };
      assert.is((await client.call(OFFSET_UPDATE, offset)).code, OK);
      assert.is((await client.call(OFFSET_QUERY, offset)).fields.offset, String(last));
    });
    master = await startMaster(stage);
    await confirms(master);
    // The group is one that the master does not know, so that its table leaves it alone.
    await until('a round of copying tables', LIMIT_MS, async () => {
      const { offsetTable } = stage.slave.table('consumerOffset.json') as { offsetTable: Record<string, unknown> };
      return `${TOPIC}@readers` in offsetTable ? true : undefined;
    });
    await withClient(slave.broker.address, async (client) => {
      const offset = { consumerGroup: 'readers', topic: TOPIC, queueId: 0 };
      assert.is((await client.call(OFFSET_QUERY, offset)).fields.offset, String(last));
    });
    await caughtUp(master, slave);
  }),
);

faults.run();
