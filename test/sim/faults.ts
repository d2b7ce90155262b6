/**
 * What goes wrong, by seed: actors crash, threads die or stand still, the process is killed or stopped in order, the
 * disk is slow, connections are stalled and cut. Page caches stay intact, except where `powerLoss` is asked for by name:
 * what it may take depends on the flush mode, and the ledger holds everything acknowledged against the logs.
 */
import type { Prng } from '../../src/base/prng.js';
import { MAX_RESTARTS, RESTART_WINDOW_MS } from '../../src/runtime/supervisor.js';
import { MASTERS, type Role, ROLES, SLAVE_OF } from './sim-cluster.js';
import type { World } from './world.js';

/** A new kind of fault is a row of FAULTS and a weight. Answers whether it could be done now. */
type Fault = (world: World, damage: Damage) => boolean | Promise<boolean>;

const PROCESS_STOP_LIMIT_MS = 20_000;
/** The second death of a thread within a minute ends a real process. */
const THREAD_DEATHS_APART_MS = 60_000;

/** Counts what units have gone through: more than the supervisor's limit would keep one down for good. */
class Damage {
  private readonly crashes = new Map<string, number[]>();
  private lastThreadDeathMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly now: () => number) {}

  /** Notes one more crash of these units, if all of them can bear it. */
  allows(units: readonly string[]): boolean {
    const since = this.now() - RESTART_WINDOW_MS;
    const recent = units.map((unit) => (this.crashes.get(unit) ?? []).filter((at) => at > since));
    // One less than the limit: a crash may hit a unit twice, by its thread and by the front.
    if (recent.some((times) => times.length >= MAX_RESTARTS - 1)) return false;
    for (const [index, unit] of units.entries()) this.crashes.set(unit, [...recent[index]!, this.now()]);
    return true;
  }

  allowsThreadDeath(): boolean {
    if (this.now() - this.lastThreadDeathMs < THREAD_DEATHS_APART_MS) return false;
    this.lastThreadDeathMs = this.now();
    return true;
  }

  /** A new process counts anew. */
  forget(): void {
    this.crashes.clear();
    this.lastThreadDeathMs = Number.NEGATIVE_INFINITY;
  }
}

const NAME_SERVERS = ['namesrv-a', 'namesrv-b'] as const;
const EVERY_UNIT = ['front', ...NAME_SERVERS, ...ROLES] as const;

const FAULTS: Readonly<Record<string, Fault>> = {
  brokerCrash: ({ cluster, simulation }, damage) => {
    const role = simulation.random.pick(ROLES);
    const actor = simulation.random.pick([role, `${role}.ha`, ...cluster.queueHostsOf(role)]);
    return cluster.process.isUp && damage.allows([role]) && cluster.process.crash(actor);
  },

  nameServerCrash: ({ cluster, simulation }, damage) => {
    const name = simulation.random.pick(NAME_SERVERS);
    return cluster.process.isUp && damage.allows([name]) && cluster.process.crash(name);
  },

  frontCrash: ({ cluster }, damage) =>
    cluster.process.isUp && damage.allows(EVERY_UNIT) && cluster.process.crash('front'),

  threadDeath: ({ cluster, simulation }, damage) => {
    const { process, plan } = cluster;
    if (!process.isUp || !damage.allows(EVERY_UNIT) || !damage.allowsThreadDeath()) return false;
    const { name } = simulation.random.pick(plan.directory.threads);
    process.current.killThread(name, name === 'io' || name === 'reads' ? 'all units' : 'its units');
    return true;
  },

  pause: (world) => {
    const { cluster, simulation } = world;
    const { random } = simulation;
    if (!cluster.process.isUp) return false;
    const { name } = random.pick(cluster.plan.directory.threads);
    const forMs = random.unit() * random.pick([50, 500, 4000]);
    cluster.process.pause(name, forMs);
    world.troubledFor(forMs);
    return true;
  },

  /** A queue host stands still while many messages come: its ring becomes full. */
  flood: (world) => {
    const { cluster, simulation } = world;
    const { random } = simulation;
    if (!cluster.process.isUp) return false;
    const { queueHosts } = random.pick(cluster.plan.brokers);
    const { threads, actors } = cluster.plan.directory;
    const forMs = 200 + random.unit() * 2000;
    cluster.process.pause(threads[actors[random.pick(queueHosts)]!.thread]!.name, forMs);
    world.troubledFor(forMs);
    world.sendMore(random.pick([100, 500]));
    return true;
  },

  slowDisk: (world) => {
    const { random } = world.simulation;
    const forMs = random.unit() * 5000;
    const toMs = random.pick([100, 2000]);
    world.cluster.process.slowDisk({ fromMs: 20, toMs }, forMs);
    world.troubledFor(forMs + toMs);
    return true;
  },

  /** Parts of the store cannot be written for a while; recovery meets that, too. */
  diskErrors: (world) => {
    const { cluster, simulation } = world;
    const { random } = simulation;
    if (!cluster.process.isUp) return false;
    const { disk } = cluster.process;
    const forMs = random.unit() * random.pick([200, 3000, 8000]);
    const role = random.pick([...ROLES, '']);
    const code = random.pick(['ENOSPC', 'EMFILE']);
    for (const part of ['commitlog', 'consumequeue', 'index', 'config', 'checkpoint', 'abort']) {
      if (!random.chance(0.5)) continue;
      const pathPart = `${role}/${part}`;
      if (code !== 'EMFILE') disk.inject({ operation: 'write', pathPart, code, times: Number.POSITIVE_INFINITY });
      disk.inject({ operation: 'create', pathPart, code, times: Number.POSITIVE_INFINITY });
    }
    simulation.after(forMs, () => disk.clearFaults());
    // Units that wait for the disk look again after up to eight seconds.
    world.troubledFor(forMs + 10_000);
    return true;
  },

  cut: ({ simulation: { network, random } }) => {
    const odds = random.pick([0.2, 1]);
    for (const connection of network.connections()) if (random.chance(odds)) connection.cut();
    return true;
  },

  stall: (world) => {
    const { network, random } = world.simulation;
    const forMs = random.unit() * random.pick([200, 3000]);
    world.troubledFor(forMs);
    for (const connection of network.connections()) {
      if (random.chance(0.3)) connection.stall(random.pick(['to server', 'to client', 'both']), forMs);
    }
    return true;
  },

  wallClock: ({ simulation }) => {
    simulation.time.stepWall(simulation.random.below(20_000) - 10_000);
    return true;
  },

  processKill: async ({ cluster, simulation }, damage) => {
    cluster.kill();
    // A start on a disk that refuses ends at once, with a clear line.
    cluster.process.disk.clearFaults();
    damage.forget();
    await simulation.runFor(simulation.random.unit() * 1000);
    cluster.process.begin();
    // Not always awaited: the next kill may come while the brokers recover.
    if (simulation.random.chance(0.7))
      await simulation.runUntil('the cluster is up', () => cluster.process.isUp, 120_000);
    return true;
  },

  processStop: async ({ cluster, simulation }, damage) => {
    if (!cluster.process.isUp) return false;
    await cluster.stop(PROCESS_STOP_LIMIT_MS);
    cluster.process.disk.clearFaults();
    damage.forget();
    await simulation.runFor(simulation.random.unit() * 500);
    cluster.process.begin();
    return true;
  },

  /** Of everything, of both masters or of both slaves. */
  powerLoss: async (world, damage) => {
    const { cluster, simulation } = world;
    const { random } = simulation;
    const storesOf = (roles: readonly Role[]): string[] =>
      roles.map((role) => cluster.settingsOf(role).storePathRootDir);
    cluster.powerLoss(random.pick([undefined, storesOf(MASTERS), storesOf(Object.values(SLAVE_OF))]));
    world.powerLosses++;
    cluster.process.disk.clearFaults();
    damage.forget();
    await simulation.runFor(random.unit() * 1000);
    // The machine is back, and knows none of its connections any more.
    for (const connection of simulation.network.connections()) connection.cut();
    cluster.process.begin();
    await simulation.runUntil('the cluster is up', () => cluster.process.isUp, 120_000);
    return true;
  },
};

export type FaultName = keyof typeof FAULTS;

const WEIGHTS: Readonly<Record<string, number>> = {
  brokerCrash: 6,
  nameServerCrash: 1,
  frontCrash: 1,
  threadDeath: 1,
  pause: 4,
  flood: 3,
  slowDisk: 2,
  diskErrors: 2,
  cut: 3,
  stall: 3,
  wallClock: 1,
  processKill: 3,
  processStop: 1,
  powerLoss: 3,
};

/** The kinds that a seed uses: often few, so that what they do is not drowned. */
export function drawFaults(random: Prng): string[] {
  const names = Object.keys(FAULTS).filter((name) => name !== 'powerLoss');
  const odds = random.pick([0, 0.25, 0.6, 1]);
  return names.filter(() => random.chance(odds));
}

/** Lets things go wrong for a while, at drawn times. Returns what was done. */
export async function suffer(world: World, kinds: readonly string[], forMs: number): Promise<string[]> {
  const { simulation } = world;
  const { random, time } = simulation;
  const endMs = time.monotonic() + forMs;
  const damage = new Damage(() => time.monotonic());
  const meanMs = random.pick([300, 1500, 5000]);
  const done: string[] = [];
  while (time.monotonic() < endMs) {
    await simulation.runFor(Math.min(endMs - time.monotonic(), random.unit() * 2 * meanMs));
    const kind = draw(random, kinds);
    if (kind === undefined) continue;
    const at = time.monotonic();
    if (await FAULTS[kind]!(world, damage)) done.push(`${kind}@${at.toFixed(0)}`);
  }
  return done;
}

function draw(random: Prng, kinds: readonly string[]): string | undefined {
  let drawn = random.unit() * kinds.reduce((sum, kind) => sum + WEIGHTS[kind]!, 0);
  for (const kind of kinds) {
    drawn -= WEIGHTS[kind]!;
    if (drawn < 0) return kind;
  }
  return undefined;
}
