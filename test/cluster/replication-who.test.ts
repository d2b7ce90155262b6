/** Who follows whom: several slaves of one master, slaves of another one, and slaves that come too late. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HA_WINDOW_BYTES } from '../../src/actors/ha/stream-slaves.js';
import { until } from '../interop/harness/process.js';
import { assertSameLog, bodies, caughtUp, LOG_FILE_BYTES, maxOffset, Replica } from '../interop/harness/replica.js';
import type { BrokerServer } from '../interop/harness/servers.js';
import { temporaryDirectory } from '../support/hangar-process.js';
import { hangarServers } from '../support/hangar.js';
import { Code, withClient } from '../support/remoting-client.js';
import {
  confirms,
  goOn,
  FLUSH_SLAVE_TIMEOUT,
  haAddress,
  LIMIT_MS,
  OK,
  onStage,
  type Stage,
  SLAVE_NOT_AVAILABLE,
  send,
  startMaster,
  standStill,
  startSlave,
  TOPIC,
} from '../support/replica-stage.js';

const NO_WAIT = 'WAIT\u0001false\u0002';
/** Several fill a log file. */
const BODY_BYTES = 60_000;
/** What a slave may have in its sockets while it stands still, and more. */
const ON_THE_WAY_BYTES = HA_WINDOW_BYTES + LOG_FILE_BYTES;

async function answers(master: BrokerServer, code: number): Promise<void> {
  await until(`answer ${code}`, LIMIT_MS, async () => ((await send(master)) === code ? true : undefined));
}

async function says(broker: BrokerServer, what: RegExp): Promise<void> {
  await until(String(what), LIMIT_MS, async () => (what.test(broker.child.stderr) ? true : undefined), broker.child);
}

async function anotherReplica(stage: Stage): Promise<Replica> {
  return await stage.use(Promise.resolve(new Replica(stage.namesrv)));
}

const several = suite('several slaves of one master');

for (const [what, secondId] of [
  ['brokerId 1 and 2', '2'],
  ['the same brokerId by mistake', '1'],
] as const) {
  several(
    `${what}: a message is confirmed when one of them has it, and both get all`,
    onStage(async (stage) => {
      const master = await startMaster(stage);
      const first = await startSlave(stage);
      const replica = await anotherReplica(stage);
      const second = await stage.use(replica.start(hangarServers, 'SLAVE', { brokerId: secondId }));
      for (const slave of [first, second]) await caughtUp(master, slave);
      await confirms(master);

      await standStill(first);
      for (let n = 0; n < 10; n++) assert.is(await send(master, '', BODY_BYTES), OK, 'the second has it');
      goOn(first);
      await standStill(second);
      await confirms(master);
      await standStill(first);
      assert.is(await send(master), FLUSH_SLAVE_TIMEOUT, 'nobody has it');
      await first.kill();
      assert.is(await send(master), FLUSH_SLAVE_TIMEOUT, 'there is one left, which stands still');
      await second.kill();
      await answers(master, SLAVE_NOT_AVAILABLE);

      const [again, other] = [
        await startSlave(stage),
        await stage.use(replica.start(hangarServers, 'SLAVE', { brokerId: secondId })),
      ];
      for (const slave of [again, other]) await caughtUp(master, slave);
      assertSameLog(stage.master, stage.slave);
      assertSameLog(stage.master, replica);
    }),
  );
}

several.run();

const strange = suite('a slave and a master that do not belong together');

strange(
  'another brokerName: the slave says which, does not follow, and counts for nothing',
  onStage(async (stage) => {
    const master = await startMaster(stage);
    const store = temporaryDirectory();
    const properties = {
      haMasterAddress: haAddress(master),
      mappedFileSizeCommitLog: String(LOG_FILE_BYTES),
      maxMessageSize: '65536',
    };
    const { namesrv } = stage;
    const slave = await stage.use(
      hangarServers.startBroker({ name: 'broker-b', id: 1, role: 'SLAVE', namesrv, store, properties }),
    );
    await says(slave, /is broker-a: a slave has the brokerName of its master, this one has broker-b/);
    assert.is(await send(master), SLAVE_NOT_AVAILABLE);
  }),
);

strange(
  'haMasterAddress now names a master with another log: nothing is taken from it, and the old one can be followed again',
  onStage(async (stage) => {
    const master = await startMaster(stage);
    let slave = await startSlave(stage, { haMasterAddress: haAddress(master) });
    await confirms(master);
    await caughtUp(master, slave);
    await slave.stop();

    // It has its own name servers, as a broker of another cluster; its log is longer and begins as long.
    const { address: namesrv } = await stage.use(hangarServers.startNamesrv());
    const replica = await stage.use(Promise.resolve(new Replica(namesrv)));
    const other = await stage.use(replica.start(hangarServers, 'SYNC_MASTER'));
    for (let n = 0; n < 10; n++) await send(other, NO_WAIT);
    const before = stage.slave.log();
    slave = await startSlave(stage, { haMasterAddress: haAddress(other) });
    await says(slave, /the message at \d+ is not the master's: the logs have parted; move the slave's store away/);
    assert.is(await send(other), SLAVE_NOT_AVAILABLE);
    assert.equal(stage.slave.log(), before, 'it is as it was');
    assert.ok((await bodies(slave.broker.address)).length > 0, 'and is read from');
    await slave.stop();

    slave = await startSlave(stage, { haMasterAddress: haAddress(master) });
    await confirms(master);
    await caughtUp(master, slave);
  }),
);

strange.run();

const late = suite('a slave that comes too late');

async function minOffset({ broker }: BrokerServer): Promise<string | undefined> {
  return await withClient(broker.address, async (client) => {
    return (await client.call(Code.MIN_OFFSET, { topic: TOPIC, queueId: 0 })).fields.offset;
  });
}

/** The oldest files are gone, as by retention. */
function deleteOldest(replica: Replica, count: number): void {
  const names = [...replica.log().keys()].slice(0, count);
  for (const name of names) rmSync(join(replica.directory, 'commitlog', name));
}

late(
  'its master has deleted what comes next: refused with the remedy, read from all the same; the remedy helps',
  onStage(async (stage) => {
    let master = await startMaster(stage);
    let slave = await startSlave(stage);
    await confirms(master);
    for (let n = 0; n < 6; n++) assert.is(await send(master, '', BODY_BYTES), OK);
    await caughtUp(master, slave);
    const had = (await bodies(slave.broker.address)).length;
    await slave.kill();
    for (let n = 0; n < 20; n++) await send(master, NO_WAIT, BODY_BYTES);
    await master.stop();
    deleteOldest(stage.master, 3);
    master = await startMaster(stage);

    slave = await startSlave(stage);
    await says(
      slave,
      /the slave's log ends at \d+, its master's begins at 786432 already: move the slave's store away/,
    );
    assert.is(await send(master), SLAVE_NOT_AVAILABLE, 'it does not count');
    assert.is((await bodies(slave.broker.address)).length, had);
    await slave.stop();

    rmSync(stage.slave.directory, { recursive: true });
    slave = await startSlave(stage);
    await confirms(master);
    await caughtUp(master, slave);
    assert.equal([...stage.slave.log().keys()][0], '00000000000000786432');
    assertSameLog(stage.master, stage.slave);
    assert.equal(await minOffset(slave), await minOffset(master), 'queues begin where they begin there');
  }),
);

late(
  'files are deleted under a slave that stands still: it is refused afterwards; one that keeps up loses nothing',
  onStage(async (stage) => {
    // Eight files stay of what is sent now, and little of it in memory.
    const more = { storeMaxBytes: String(8 * LOG_FILE_BYTES), windowBytes: String(4 * LOG_FILE_BYTES) };
    const master = await startMaster(stage, more);
    const slave = await startSlave(stage);
    const replica = await anotherReplica(stage);
    const steady = await stage.use(replica.start(hangarServers, 'SLAVE', { brokerId: '2' }));
    await confirms(master);
    await caughtUp(master, slave);
    await standStill(slave);
    for (let n = 0; n < 280; n++) await send(master, NO_WAIT, BODY_BYTES);
    await until('what it misses is deleted', LIMIT_MS, async () =>
      Number([...stage.master.log().keys()][0]) > ON_THE_WAY_BYTES ? true : undefined,
    );
    goOn(slave);
    await says(slave, /its master's begins at \d+ already: move the slave's store away/);
    await confirms(master);
    await caughtUp(master, steady);
    assert.is(
      (await bodies(steady.broker.address)).length,
      Number(await maxOffset(steady.broker.address)),
      'all of it',
    );
  }),
);

late.run();
