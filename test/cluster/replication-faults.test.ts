/**
 * Faults of real processes and of the network between them: a link that is cut and slow, kills of either and of both,
 * reading when the master is gone.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { until } from '../interop/harness/process.js';
import { assertSameLog, bodies, caughtUp, maxOffset } from '../interop/harness/replica.js';
import { Link } from '../support/link.js';
import { Code, pullFields, withClient } from '../support/remoting-client.js';
import {
  confirms,
  haAddress,
  LIMIT_MS,
  OK,
  onStage,
  send,
  startMaster,
  startSlave,
  TOPIC,
} from '../support/replica-stage.js';
import { seedOf } from '../support/seed.js';
import { assertStored, Traffic } from '../support/traffic.js';

const OFFSET_QUERY = 14;
const OFFSET_UPDATE = 15;

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
