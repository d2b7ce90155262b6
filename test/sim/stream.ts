/**
 * One seed: masters in one process, their slaves in another with a disk of its own, Apache's replication stream between
 * them, and what goes wrong there. At any time a slave's log is a prefix of its master's, and what a SYNC_MASTER has
 * answered with SEND_OK is on the slave's disk (ledger.ts). At the end both processes are killed in the middle of
 * everything, looked at as if the masters' disk was lost, started again, and are equal once they are quiet.
 */
import { Simulation } from '../../src/runtime/simulation/simulation.js';
import { becomeQuiet, checkConsumeQueues, checkLogs, checkPulls, checkRecovery } from './checks.js';
import { Consumer } from './consumer.js';
import { Ledger, violated } from './ledger.js';
import { drawHabits, Producer } from './producer.js';
import { drawShape, type Master, MASTERS, ROLES, type Shape, SimCluster, SLAVE_OF } from './sim-cluster.js';
import { logBytes } from './stored.js';
import { both, onlyOnMaster, type Scene, suffer } from './stream-faults.js';
import { World } from './world.js';

const PREFIX_CHECK_MS = 250;
const UP_MS = 120_000;

export interface StreamReport {
  readonly faults: readonly string[];
  readonly answers: Readonly<Record<string, number>>;
  readonly trace: string;
}

export async function runStream(seed: number, wished: Partial<Shape> = {}): Promise<StreamReport> {
  const simulation = new Simulation(seed);
  const { random } = simulation;
  const drawn = { ...drawShape(random), replication: random.pick(['SYNC_MASTER', 'ASYNC_MASTER'] as const) };
  const masters = await SimCluster.createPair(simulation, { ...drawn, ...wished });
  const { slaves } = masters;
  const forMs = random.pick([2_000, 8_000]);
  const load = { messages: random.pick([200, 800]), burstMs: random.pick([1, 100, 1_000]), forMs };
  const world = new World(simulation, masters, new Ledger(masters), ['Orders', 'Payments'], load);
  const scene: Scene = { world, masters, slaves, crashes: new Map() };
  const faults: string[] = [];
  try {
    await masters.start();
    await slaves.start();
    for (let index = random.below(3); index >= 0; index--) {
      world.producers.push(new Producer(world, `10.1.0.${index}`, drawHabits(random)));
    }
    for (let index = random.below(3); index >= 0; index--) {
      const role = random.pick(ROLES);
      const habits = { subscription: '*', bringsSubscription: true, maxMessages: 32, holdMs: 2_000, jumpOdds: 0 };
      world.consumers.push(new Consumer(world, role, `10.2.0.${index}`, { group: `g-${index}`, ...habits }));
    }
    const checked = new Map<Master, number>();
    const checkAgain = (): void => {
      for (const master of MASTERS) checkPrefix(world, master, checked);
      simulation.after(PREFIX_CHECK_MS, checkAgain);
    };
    simulation.after(PREFIX_CHECK_MS, checkAgain);
    faults.push(...(await suffer(scene, forMs)));
    await lookAtWreck(scene);
    await lookAtPeace(scene);
  } catch (error) {
    const dump = (error as Error).message.includes('SEED=') ? '' : `\n${simulation.dump()}`;
    (error as Error).message += `${dump}\n${JSON.stringify({ seed, shape: masters.shape, faults })}`;
    throw error;
  }
  return { faults, answers: Object.fromEntries([...world.ledger.answers].sort()), trace: simulation.trace.hash };
}

/** Byte for byte, whatever the stream was cut to; a slave that comes back may have dropped half a record. */
function checkPrefix({ cluster, ledger }: World, master: Master, checked: Map<Master, number>): void {
  const slave = SLAVE_OF[master];
  const end = cluster.brokerState(slave)?.log.endOffset;
  if (end === undefined) return;
  const from = Math.min(end, checked.get(master) ?? 0);
  const copy = logBytes(cluster.diskOf(slave), ledger.logOf(slave), from, end);
  if (!copy.equals(logBytes(cluster.diskOf(master), ledger.logOf(master), from, end)))
    violated(`${slave} differs from its master's log somewhere in [${from}, ${end})`);
  checked.set(master, end);
}

/** Both are dead; one of the two disks is enough. */
async function lookAtWreck(scene: Scene): Promise<void> {
  const { world, masters, slaves } = scene;
  for (const cluster of both(scene)) {
    cluster.kill();
    cluster.process.disk.clearFaults();
  }
  checkRecovery(world);
  checkConsumeQueues(world);
  const missing = onlyOnMaster(scene);
  if (masters.shape.replication === 'SYNC_MASTER' && missing.length > 0)
    violated(`answered SEND_OK, and lost with the master's disk: ${missing}`);
  const starting = world.simulation.random.chance(0.5) ? [masters, slaves] : [slaves, masters];
  for (const cluster of starting) {
    cluster.process.begin();
    await world.simulation.runFor(world.simulation.random.unit() * 2_000);
  }
  await world.simulation.runUntil('both are up', () => both(scene).every(({ process }) => process.isUp), UP_MS);
}

async function lookAtPeace(scene: Scene): Promise<void> {
  const { world } = scene;
  await becomeQuiet(world);
  await checkPulls(world);
  for (const client of [...world.consumers, ...world.producers]) client.leave();
  checkLogs(world);
  for (const master of MASTERS) {
    const state = scene.masters.brokerState(master)!;
    if (state.connectedSlaves < 1) violated(`${master} has lost its slave`);
  }
  for (const cluster of both(scene)) cluster.kill();
  checkRecovery(world);
  checkConsumeQueues(world);
}
