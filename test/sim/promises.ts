/**
 * The table "What is promised when" of docs/operations.md, and what holds each of its cells: a cluster of that flush and
 * replication mode is struck by that fault while producers send, and the stores are looked at. What was answered SEND_OK
 * falls into one of two classes, and so does every cell.
 *
 *     kept      there, once, at the offset of the answer
 *     recent    kept unless it was answered within the last moments: what ASYNC_FLUSH had not flushed, or what
 *               ASYNC_MASTER had not sent to the slave
 *
 * A message with the property WAIT=false is not waited for by anybody: only what a process leaves behind keeps it.
 *
 * In every cell: the log is readable from begin to end, queue offsets are dense, consume queues equal the log, what is
 * there was sent, once, and recovering again changes nothing.
 */
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { KIB } from '../../src/base/units.js';
import { Simulation } from '../../src/runtime/simulation/simulation.js';
import { becomeQuiet, checkConsumeQueues, checkPulls } from './checks.js';
import { Ledger, SendCode, type Sent, textOf, violated } from './ledger.js';
import { drawHabits, Producer } from './producer.js';
import { drawShape, MASTERS, type Master, ROLES, type Role, type Shape, SimCluster, SLAVE_OF } from './sim-cluster.js';
import { bodyOf } from './ledger.js';
import { queueKey, readLog, type StoredMessage } from './stored.js';
import { World } from './world.js';

export type Flush = Shape['flush'];
export type Replication = Shape['replication'];
export type Keeps = 'kept' | 'recent';

/** Every 10 s everything is flushed, looked at each 0.5 s; syncs take up to 3 ms a file here. */
const ASYNC_FLUSH_MS = 11_000;
/** A slave that is connected has what was answered longer ago than this: turns of busy threads, not time of a network. */
const ASYNC_SLAVE_MS = 1_000;

interface Scene {
  readonly world: World;
  readonly simulation: Simulation;
  readonly cluster: SimCluster;
  /** When it was struck. */
  struckMs: number;
}

/** Says where the messages of each master are to be looked for. */
type Survivor = (master: Master) => Role;

interface Fault {
  /** Its row of the table in docs/operations.md. */
  readonly row: string;
  /** Does it. The process is down afterwards. */
  readonly strike: (scene: Scene) => void | Promise<void>;
  readonly survivor: Survivor;
  readonly keeps: (flush: Flush, replication: Replication) => Keeps;
  /** What is lost, where not everything is kept; as in docs/operations.md. */
  readonly lost: '' | 'unflushed' | 'unsent';
  /** It was answered at most so long before. */
  readonly recentMs: number;
  /** A master whose slave kept its page cache has everything again, once both are up. */
  readonly restores?: boolean;
  /** The cluster must come up again by itself, with everything. */
  readonly comesBack: boolean;
}

const onMaster: Survivor = (master) => master;
const onSlave: Survivor = (master) => SLAVE_OF[master];

function store(scene: Scene, role: Role): string {
  return scene.cluster.settingsOf(role).storePathRootDir;
}

export const FAULTS = {
  actorCrash: {
    row: 'crash of an actor',
    strike: async (scene) => {
      const { cluster, simulation } = scene;
      for (let crash = 0; crash < 3; crash++) {
        const role = simulation.random.pick(ROLES);
        cluster.process.crash(simulation.random.pick([role, `${role}.ha`, ...cluster.queueHostsOf(role)]));
        await simulation.runFor(simulation.random.unit() * 1_000);
      }
      cluster.kill();
    },
    survivor: onMaster,
    keeps: () => 'kept',
    lost: '',
    recentMs: 0,
    comesBack: true,
  },
  sigkill: {
    row: 'SIGKILL of the process',
    strike: ({ cluster }) => cluster.kill(),
    survivor: onMaster,
    keeps: () => 'kept',
    lost: '',
    recentMs: 0,
    comesBack: true,
  },
  powerLossOfOne: {
    row: "power loss of the master's machine: on the master",
    strike: (scene) => scene.cluster.powerLoss(MASTERS.map((master) => store(scene, master))),
    survivor: onMaster,
    keeps: (flush) => (flush === 'SYNC_FLUSH' ? 'kept' : 'recent'),
    lost: 'unflushed',
    recentMs: ASYNC_FLUSH_MS,
    comesBack: true,
  },
  powerLossOfOneOnSlave: {
    row: "power loss of the master's machine: on its slave",
    strike: (scene) => scene.cluster.powerLoss(MASTERS.map((master) => store(scene, master))),
    survivor: onSlave,
    keeps: (_, replication) => (replication === 'SYNC_MASTER' ? 'kept' : 'recent'),
    lost: 'unsent',
    recentMs: ASYNC_SLAVE_MS,
    restores: true,
    comesBack: true,
  },
  powerLossOfBoth: {
    row: 'power loss of both machines, or of the one they share',
    strike: ({ cluster }) => cluster.powerLoss(),
    survivor: onMaster,
    keeps: (flush) => (flush === 'SYNC_FLUSH' ? 'kept' : 'recent'),
    lost: 'unflushed',
    recentMs: ASYNC_FLUSH_MS,
    comesBack: true,
  },
  diskLost: {
    row: "the master's disk is lost: on its slave",
    strike: (scene) => {
      scene.cluster.kill();
      for (const master of MASTERS) scene.cluster.process.disk.removeTree(store(scene, master));
    },
    survivor: onSlave,
    keeps: (_, replication) => (replication === 'SYNC_MASTER' ? 'kept' : 'recent'),
    lost: 'unsent',
    recentMs: ASYNC_SLAVE_MS,
    comesBack: false,
  },
  syncError: {
    row: 'fdatasync fails, perhaps a restart, later power loss',
    strike: async (scene) => {
      const { cluster, simulation } = scene;
      const role = simulation.random.pick(MASTERS);
      const pathPart = cluster.settingsOf(role).storePathCommitLog;
      cluster.process.disk.inject({ operation: 'sync', pathPart: `${pathPart}/`, code: 'EIO', times: 1 });
      await simulation.runFor(500 + simulation.random.unit() * 1_500);
      cluster.process.disk.clearFaults();
      if (simulation.random.chance(0.5)) {
        cluster.kill();
        cluster.process.begin();
        await simulation.runUntil('the cluster is up', () => cluster.process.isUp, 120_000);
        await simulation.runFor(simulation.random.unit() * 3_000);
      }
      cluster.powerLoss();
    },
    survivor: onMaster,
    keeps: (flush) => (flush === 'SYNC_FLUSH' ? 'kept' : 'recent'),
    lost: 'unflushed',
    // Up to 2 s of it after the failure.
    recentMs: ASYNC_FLUSH_MS + 2_000,
    comesBack: true,
  },
  diskFull: {
    row: 'the disk is full, later SIGKILL',
    strike: async ({ cluster, simulation }) => {
      const { disk } = cluster.process;
      for (let times = simulation.random.below(3); times >= 0; times--) {
        disk.setCapacity(disk.usage('/').usedBytes + simulation.random.below(50) * 4 * KIB);
        await simulation.runFor(simulation.random.unit() * 1_500);
        disk.setCapacity(Number.POSITIVE_INFINITY);
        await simulation.runFor(simulation.random.unit() * 1_500);
      }
      cluster.kill();
    },
    survivor: onMaster,
    keeps: () => 'kept',
    lost: '',
    recentMs: 0,
    comesBack: true,
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof FAULTS;

/** Modes as columns of the table. */
export const MODES = [
  ['ASYNC_FLUSH', 'ASYNC_MASTER'],
  ['ASYNC_FLUSH', 'SYNC_MASTER'],
  ['SYNC_FLUSH', 'ASYNC_MASTER'],
  ['SYNC_FLUSH', 'SYNC_MASTER'],
] as const satisfies readonly (readonly [Flush, Replication])[];

/** Rows of the table in docs/operations.md. */
export function tableRows(): string[] {
  return Object.values<Fault>(FAULTS).map(({ row, keeps, lost }) => {
    const cells = MODES.map(([flush, replication]) =>
      keeps(flush, replication) === 'kept' ? 'kept' : `the ${lost} may be lost`,
    );
    return `| ${row} | ${cells.join(' | ')} |`;
  });
}

export interface PromiseReport {
  answered: number;
  /** Answered SEND_OK and gone, where that is allowed. */
  lost: number;
}

/** One seed of one cell. Throws what it finds. */
export async function runCell(
  seed: number,
  name: FaultName,
  flush: Flush,
  replication: Replication,
): Promise<PromiseReport> {
  const simulation = new Simulation(seed);
  const { random } = simulation;
  const workers = random.pick([1, 2, 4]);
  const cluster = await SimCluster.create(simulation, { ...drawShape(random), workers, flush, replication });
  const forMs = random.pick([800, 3_000, 25_000]);
  const load = { messages: random.pick([100, 400]), burstMs: random.pick([10, 100]), forMs };
  const world = new World(simulation, cluster, new Ledger(cluster), ['Orders', 'Payments'], load);
  const scene: Scene = { world, simulation, cluster, struckMs: 0 };
  const fault: Fault = FAULTS[name];
  try {
    await cluster.start();
    for (let index = random.below(3); index >= 0; index--) {
      world.producers.push(new Producer(world, `10.1.0.${index}`, drawHabits(random)));
    }
    await simulation.runFor(random.unit() * forMs);
    await fault.strike(scene);
    scene.struckMs = cluster.nowMs;
    const report = checkStores(scene, fault, fault.keeps(flush, replication));
    if (fault.comesBack) await checkReturn(world);
    // The master has taken from its slave what it had lost.
    if (fault.restores && replication === 'SYNC_MASTER') checkMessages(scene, fault, onMaster, 'kept');
    return report;
  } catch (error) {
    const facts = { seed, name, shape: cluster.shape, messages: world.ledger.sent.length };
    (error as Error).message += `\n${JSON.stringify(facts)}`;
    throw error;
  }
}

/** Up again by itself: slaves have caught up, every queue can be read from its begin. */
async function checkReturn(world: World): Promise<void> {
  world.cluster.process.begin();
  await becomeQuiet(world);
  // One-way messages are on their way that nobody counts.
  await world.simulation.runFor(1_000);
  await checkPulls(world);
}

function checkStores(scene: Scene, fault: Fault, keeps: Keeps): PromiseReport {
  const { world, cluster } = scene;
  const { disk } = cluster.process;
  for (const role of ROLES) {
    if (disk.stat(store(scene, role)) === undefined) continue;
    const recovered = cluster.recovered(role);
    const again = cluster.recovered(role);
    assert.is(again.endOffset, recovered.endOffset, `${role}: the end after recovering again`);
  }
  checkConsumeQueues(world);
  return checkMessages(scene, fault, fault.survivor, keeps);
}

function checkMessages(scene: Scene, fault: Fault, survivor: Survivor, keeps: Keeps): PromiseReport {
  const { world, cluster } = scene;
  const { disk } = cluster.process;
  const report = { answered: 0, lost: 0 };
  for (const master of MASTERS) {
    const role = survivor(master);
    const stored = storedMessages(world, disk, master, role);
    for (const sent of world.ledger.sent) {
      if (sent.master !== master || sent.code !== SendCode.OK) continue;
      report.answered++;
      if (isThere(world, sent, stored, role)) continue;
      report.lost++;
      const isRecent = keeps === 'recent' && scene.struckMs - sent.answeredMs <= fault.recentMs;
      // Property WAIT=false: answered before the flush and the slave.
      const waitsForNobody = !sent.waits && fault.recentMs > 0;
      if (!isRecent && !waitsForNobody)
        violated(`${textOf(sent)} was answered SEND_OK ${scene.struckMs - sent.answeredMs} ms ago: ${role} lost it`);
    }
  }
  return report;
}

function isThere(world: World, sent: Sent, stored: ReadonlyMap<number, StoredMessage>, role: Role): boolean {
  const found = stored.get(sent.id);
  if (found === undefined) return false;
  world.ledger.checkSame(sent, found, role);
  if (found.physicalOffset !== sent.physicalOffset) violated(`${textOf(sent)} lies at ${found.physicalOffset}`);
  return true;
}

/** What clients have sent, by id; each once, in queues without gaps. */
function storedMessages(world: World, disk: Disk, master: Master, role: Role): Map<number, StoredMessage> {
  const { ledger } = world;
  const stored = new Map<number, StoredMessage>();
  const next = new Map<string, number>();
  for (const message of readLog(disk, ledger.logOf(role)).messages) {
    const key = queueKey(message.topic, message.queueId);
    if (message.queueOffset !== (next.get(key) ?? 0))
      violated(`${role} ${key}: ${message.queueOffset} is out of order`);
    next.set(key, message.queueOffset + 1);
    if (!world.topics.includes(message.topic)) continue;
    const id = Number.parseInt(message.body.toString('latin1', 0, Math.min(12, message.body.length)), 10);
    const sent = ledger.sent[id];
    if (sent === undefined || sent.master !== master || !message.body.equals(bodyOf(sent)))
      violated(`${role} holds something that nobody sent at ${message.physicalOffset}`);
    if (stored.has(id)) violated(`${role} holds ${textOf(sent)} twice`);
    stored.set(id, message);
  }
  return stored;
}
