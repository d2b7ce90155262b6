/**
 * Faults of real processes and of the network between them, in both modes: everything that can happen to a pair, one after
 * the other in seeded order, each under traffic and followed by a recovery. After each one the slave has what SEND_OK was
 * answered for without any help of its master (SYNC_MASTER); in the end both logs are one, with every message once.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Prng, prng } from '../../src/base/prng.js';
import { until } from '../interop/harness/process.js';
import { assertSameLog, bodies, caughtUp, maxOffset, type Role } from '../interop/harness/replica.js';
import type { BrokerServer } from '../interop/harness/servers.js';
import { hangarServers } from '../support/hangar.js';
import { Link } from '../support/link.js';
import {
  FLUSH_SLAVE_TIMEOUT,
  goOn,
  haAddress,
  LIMIT_MS,
  OK,
  onStage,
  SLAVE_NOT_AVAILABLE,
  SLAVE_TIMEOUT_MS,
  type Stage,
  send,
  standStill,
  startSlave,
  TOPIC,
} from '../support/replica-stage.js';
import { seedOf } from '../support/seed.js';
import { type Acknowledged, assertStored, Traffic } from '../support/traffic.js';

/** Who is silent for that long is let go. */
const HOUSEKEEPING_MS = 1_500;
const STREAM = { haHousekeepingInterval: String(HOUSEKEEPING_MS), haSendHeartbeatInterval: '300' };
const MASTER = { ...STREAM, slaveTimeout: String(SLAVE_TIMEOUT_MS) };
/** Everything is read back in the end. */
const LOAD = { topic: TOPIC, queues: 1, connections: 2, inFlight: 3 };
const LINK_DELAY_MS = 2;

interface Scene {
  readonly stage: Stage;
  readonly role: Role;
  readonly random: Prng;
  readonly link: Link;
  readonly acknowledged: Acknowledged[];
  master: BrokerServer;
  slave: BrokerServer;
}

/** What happens while senders are at work; brokers that it kills are back afterwards. */
type Fault = (scene: Scene, traffic: Traffic) => Promise<void>;

const FAULTS: Readonly<Record<string, Fault>> = {
  'the link is cut again and again': async ({ link, random }) => {
    for (let cuts = 0; cuts < 5; cuts++) {
      await until('it is connected', LIMIT_MS, async () => (link.connections > 0 ? true : undefined));
      const through = link.bytes + 1 + random.below(100_000);
      await until('more has come through', LIMIT_MS, async () => (link.bytes > through ? true : undefined));
      link.cut();
    }
  },
  'nothing gets through the link for a while': async (scene, traffic) => {
    scene.link.refuse(true);
    await goesOnAlone(scene, traffic);
    scene.link.refuse(false);
  },
  'the link is lost, and neither side is told': async ({ link }) => {
    link.lose();
    await until('they have met again', LIMIT_MS, async () => (link.connections > 0 ? true : undefined));
  },
  'the slave stands still': async (scene, traffic) => {
    await standStill(scene.slave);
    await until('it is let go', LIMIT_MS, async () => (scene.link.connections === 0 ? true : undefined));
    await goesOnAlone(scene, traffic);
    goOn(scene.slave);
  },
  'the master stands still': async ({ master, link }) => {
    await standStill(master);
    const before = link.accepted;
    await until('the slave looks for another one', LIMIT_MS, async () => (link.accepted > before ? true : undefined));
    goOn(master);
  },
  'the slave is killed': async (scene, traffic) => {
    await scene.slave.kill();
    await goesOnAlone(scene, traffic);
    await slaveComes(scene);
  },
  'the master is killed': async (scene, traffic) => {
    await scene.master.kill();
    await traffic.broken();
    await slaveHolds(scene, traffic);
    await masterComes(scene);
  },
  'both are killed, the slave first': async (scene, traffic) => {
    await scene.slave.kill();
    await scene.master.kill();
    await traffic.broken();
    await slaveComes(scene);
    await slaveHolds(scene, traffic);
    await masterComes(scene);
  },
  'both are killed, the master first': async (scene, traffic) => {
    await scene.master.kill();
    await scene.slave.kill();
    await traffic.broken();
    await masterComes(scene);
    await slaveComes(scene);
  },
};

/** Senders go on, and are told that there is no slave when they are to be told. */
async function goesOnAlone({ role }: Scene, traffic: Traffic): Promise<void> {
  if (role === 'ASYNC_MASTER') return traffic.more(200);
  const told = (): number => traffic.codes.get(SLAVE_NOT_AVAILABLE) ?? 0;
  const before = told();
  await until('SLAVE_NOT_AVAILABLE', LIMIT_MS, async () => (told() > before ? true : undefined));
}

/** Without its master: every message whose send was answered SEND_OK, when that says so. */
async function slaveHolds({ role, slave, acknowledged }: Scene, traffic: Traffic): Promise<void> {
  if (role === 'ASYNC_MASTER') return;
  const all = [...acknowledged, ...traffic.acknowledged];
  const end = all.reduce((highest, { queueOffset }) => Math.max(highest, queueOffset + 1), 0);
  const { address } = slave.broker;
  await until('its queue is as long', LIMIT_MS, async () =>
    Number(await maxOffset(address)) >= end ? true : undefined,
  );
  await assertStored(address, TOPIC, 1, all);
}

async function masterComes(scene: Scene): Promise<void> {
  const { stage, role, link } = scene;
  scene.master = await stage.use(stage.master.start(hangarServers, role, MASTER));
  link.lead(haAddress(scene.master));
}

async function slaveComes(scene: Scene): Promise<void> {
  scene.slave = await startSlave(scene.stage, { ...STREAM, haMasterAddress: scene.link.address });
}

const faults = suite('replication between processes: faults');

for (const role of ['SYNC_MASTER', 'ASYNC_MASTER'] as const) {
  faults(
    `${role}: whatever happens, the logs are one again, with every message once`,
    onStage(async (stage) => {
      const random = prng(seedOf(role));
      const master = await stage.use(stage.master.start(hangarServers, role, MASTER));
      const link = await stage.use(Link.open(haAddress(master), LINK_DELAY_MS));
      const slave = await startSlave(stage, { ...STREAM, haMasterAddress: link.address });
      const scene: Scene = { stage, role, random, link, acknowledged: [], master, slave };
      for (const [round, what] of shuffled(Object.keys(FAULTS), random).entries()) {
        await during(`${what} (round ${round})`, () => suffer(scene, FAULTS[what]!, `${round}-`));
      }
      assertSameLog(stage.master, stage.slave);
      assert.equal(await bodies(scene.slave.broker.address), await bodies(scene.master.broker.address));
      for (const { broker } of [scene.master, scene.slave])
        await assertStored(broker.address, TOPIC, 1, scene.acknowledged);
    }),
  );
}

/** One fault under traffic, until the pair is well again. */
async function suffer(scene: Scene, fault: Fault, name: string): Promise<void> {
  const allowed = scene.role === 'SYNC_MASTER' ? [OK, SLAVE_NOT_AVAILABLE, FLUSH_SLAVE_TIMEOUT] : [OK];
  await until('the pair is one', LIMIT_MS, async () => ((await send(scene.master)) === OK ? true : undefined));
  const traffic = await Traffic.start(scene.master.broker.address, { ...LOAD, name });
  await traffic.more(300);
  await fault(scene, traffic);
  await traffic.end();
  assert.ok(
    [...traffic.codes.keys()].every((code) => allowed.includes(code)),
    `answers: ${[...traffic.codes]}`,
  );
  for (const one of traffic.acknowledged) scene.acknowledged.push(one);
  await caughtUp(scene.master, scene.slave);
}

async function during(what: string, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    (error as Error).message = `${what}: ${(error as Error).message}`;
    throw error;
  }
}

function shuffled<T>(items: readonly T[], random: Prng): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0]!);
}

faults.run();
