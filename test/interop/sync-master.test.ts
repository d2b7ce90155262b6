/** What a SYNC_MASTER answers in every state of its slave: ours as Apache's. The slave is ours in both cases. */
import * as assert from 'uvu/assert';
import { apacheServers } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { Code, sendFields, withClient } from '../support/remoting-client.js';
import { goOn, LIMIT_MS, OK, SLAVE_NOT_AVAILABLE, standStill } from '../support/replica-stage.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { BROKER, caughtUp, Replica } from './harness/replica.js';
import type { Servers } from './harness/servers.js';

const NO_WAIT = 'WAIT\u0001false\u0002';
const FALL_BEHIND_BYTES = 65_536;
const SETTINGS = { slaveTimeout: '700', haSlaveFallbehindMax: String(FALL_BEHIND_BYTES) };

async function answersOf(use: Use, servers: Servers, flushDiskType: string): Promise<string[]> {
  const { address: namesrv } = await use(hangarServers.startNamesrv());
  const [ofMaster, ofSlave] = [new Replica(namesrv, { flushDiskType }), new Replica(namesrv)];
  for (const replica of [ofMaster, ofSlave]) await use(Promise.resolve(replica));
  const master = await use(ofMaster.start(servers, 'SYNC_MASTER', SETTINGS));
  const told: string[] = [];
  const send = async (properties = '', bytes = 100): Promise<number> =>
    await withClient(master.broker.address, async (client) => {
      return (await client.call(Code.SEND, sendFields(BROKER, 0, properties), Buffer.alloc(bytes, 'x'))).code;
    });
  const note = async (state: string): Promise<void> => {
    const [waiting, not] = [await send(), await send(NO_WAIT)];
    told.push(`${state}: ${waiting}, who does not wait ${not}`);
  };
  const becomes = (code: number): Promise<true> =>
    until(`answer ${code}`, LIMIT_MS, async () => ((await send()) === code ? true : undefined));

  await note('no slave');
  const slave = await use(ofSlave.start(hangarServers, 'SLAVE'));
  await becomes(OK);
  await note('a slave that follows');
  await standStill(slave);
  await note('it stands still');
  await send(NO_WAIT, FALL_BEHIND_BYTES - 10_000);
  await note('it is nearly too far behind');
  await send(NO_WAIT, 20_000);
  await note('it is too far behind');
  goOn(slave);
  await becomes(OK);
  await caughtUp(master, slave);
  await note('it is back');
  await slave.kill();
  await becomes(SLAVE_NOT_AVAILABLE);
  await note('it is gone');
  return told;
}

const suite = await serverSuite('answers of a SYNC_MASTER', await apacheServers.missing());

for (const flushDiskType of ['ASYNC_FLUSH', 'SYNC_FLUSH']) {
  suite.test(`${flushDiskType}: the same as by Apache's`, async (use) => {
    const theirs = await answersOf(use, apacheServers, flushDiskType);
    assert.equal(await answersOf(use, hangarServers, flushDiskType), theirs);
  });
}

suite.run();
