/**
 * What goes wrong between masters and slaves of different processes, by seed: their connections are cut, stalled, doubled
 * and visited by strangers; either process, or parts of it, crash; the slaves' disk is full or slow.
 */
import { messageAt } from './stored.js';
import { MASTERS, ROLES, type SimCluster, SLAVE_OF } from './sim-cluster.js';
import type { World } from './world.js';

type Fault = (scene: Scene) => boolean | Promise<boolean>;

export interface Scene {
  readonly world: World;
  readonly masters: SimCluster;
  readonly slaves: SimCluster;
  /** Crashes by role since its process began; the supervisor gives a unit up after more. */
  readonly crashes: Map<string, number>;
}

const CRASHES_MAX = 3;
const UP_MS = 120_000;
/** A master notices a silent slave after 20 s. */
const LONG_STALL_MS = 30_000;

const haPort = ({ masters }: Scene, master: (typeof MASTERS)[number]): number =>
  masters.settingsOf(master).listenPort + 1;

function isLink(scene: Scene, port: number): boolean {
  return MASTERS.some((master) => haPort(scene, master) === port);
}

async function restart(scene: Scene, clusters: readonly SimCluster[]): Promise<void> {
  const { simulation } = scene.world;
  for (const cluster of clusters) {
    cluster.kill();
    cluster.process.disk.clearFaults();
  }
  scene.crashes.clear();
  for (const cluster of clusters) {
    await simulation.runFor(simulation.random.unit() * simulation.random.pick([50, 3_000]));
    cluster.process.begin();
  }
  await simulation.runUntil('both are up', () => clusters.every(({ process }) => process.isUp), UP_MS);
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  cut: (scene) => {
    const { network, random } = scene.world.simulation;
    const links = network.connections(({ server }) => isLink(scene, server.local.port));
    for (const link of links) if (random.chance(0.7)) link.cut();
    return links.length > 0;
  },

  stall: (scene) => {
    const { world } = scene;
    const { network, random } = world.simulation;
    const forMs = random.unit() * random.pick([200, 4_000, LONG_STALL_MS]);
    world.troubledFor(forMs);
    for (const link of network.connections(({ server }) => isLink(scene, server.local.port))) {
      link.stall(random.pick(['to server', 'to client', 'both']), forMs);
    }
    return true;
  },

  partition: (scene) => {
    const { world } = scene;
    const { network, random } = world.simulation;
    const forMs = random.unit() * 8_000;
    world.troubledFor(forMs);
    network.partition((_, server) => isLink(scene, server.port), forMs);
    return true;
  },

  /** What a connection leaves that only one end knows to be over: it reports what the slave has, and takes what comes. */
  double: (scene) => {
    const { world, masters } = scene;
    const { simulation, cluster } = world;
    const master = simulation.random.pick(MASTERS);
    const slave = SLAVE_OF[master];
    const double = simulation.connect('127.0.0.1', haPort(scene, master));
    const report = (): void => {
      const end = cluster.brokerState(slave)?.log.endOffset;
      if (!masters.process.isUp || double.closedReason !== undefined || end === undefined) return;
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(BigInt(end));
      double.send(bytes);
      if (simulation.random.chance(0.7)) simulation.after(simulation.random.unit() * 2_000, report);
      else double.destroy();
    };
    double.onConnected = report;
    return true;
  },

  stranger: (scene) => {
    const { random } = scene.world.simulation;
    const { simulation } = scene.world;
    const stranger = simulation.connect('127.0.0.1', haPort(scene, random.pick(MASTERS)));
    stranger.onConnected = () => {
      const bytes = Buffer.from(Array.from({ length: 1 + random.below(100) }, () => 1 + random.below(255)));
      stranger.send(bytes);
      if (random.chance(0.5)) stranger.destroy();
    };
    return true;
  },

  crash: (scene) => {
    const { world, crashes } = scene;
    const { random } = world.simulation;
    const role = random.pick(ROLES);
    const cluster = Object.values(SLAVE_OF).some((slave) => slave === role) ? scene.slaves : scene.masters;
    const before = crashes.get(role) ?? 0;
    if (!cluster.process.isUp || before >= CRASHES_MAX) return false;
    crashes.set(role, before + 1);
    return cluster.process.crash(random.pick([role, `${role}.ha`, ...cluster.queueHostsOf(role)]));
  },

  killSlaves: async (scene) => {
    await restart(scene, [scene.slaves]);
    return true;
  },

  killMasters: async (scene) => {
    await restart(scene, [scene.masters]);
    return true;
  },

  killBoth: async (scene) => {
    await restart(scene, scene.world.simulation.random.chance(0.5) ? both(scene) : both(scene).reverse());
    return true;
  },

  fullDisk: (scene) => {
    const { slaves, world } = scene;
    const { random } = world.simulation;
    const forMs = random.unit() * 5_000;
    const { disk } = slaves.process;
    disk.inject({ operation: 'write', pathPart: '/commitlog/', code: 'ENOSPC', times: Number.POSITIVE_INFINITY });
    world.simulation.after(forMs, () => disk.clearFaults());
    // A slave asks again after 5 s.
    world.troubledFor(forMs + 6_000);
    return true;
  },

  slowDisk: ({ world, masters, slaves }) => {
    const { random } = world.simulation;
    const forMs = random.unit() * 5_000;
    random.pick([masters, slaves]).process.slowDisk({ fromMs: 20, toMs: 2_000 }, forMs);
    world.troubledFor(forMs + 2_000);
    return true;
  },
};

export function both({ masters, slaves }: Scene): SimCluster[] {
  return [masters, slaves];
}

/** Lets things go wrong for a while. Returns what was done. */
export async function suffer(scene: Scene, forMs: number): Promise<string[]> {
  const { simulation } = scene.world;
  const { random, time } = simulation;
  const names = Object.keys(FAULTS);
  const odds = random.pick([0.2, 0.5, 1]);
  const kinds = names.filter(() => random.chance(odds));
  const meanMs = random.pick([200, 1_000]);
  const endMs = time.monotonic() + forMs;
  const done: string[] = [];
  while (time.monotonic() < endMs) {
    await simulation.runFor(Math.min(endMs - time.monotonic(), random.unit() * 2 * meanMs));
    if (kinds.length === 0) continue;
    const kind = random.pick(kinds);
    const at = time.monotonic();
    if (await FAULTS[kind]!(scene)) done.push(`${kind}@${at.toFixed(0)}`);
  }
  return done;
}

/** What was answered SEND_OK and waited for its slave is whole on the slave's disk. */
export function onlyOnMaster({ world }: Scene): string[] {
  const { cluster, ledger } = world;
  const missing: string[] = [];
  for (const sent of ledger.sent) {
    if (sent.code !== 0 || !sent.waits) continue;
    const slave = SLAVE_OF[sent.master];
    const found = messageAt(cluster.diskOf(slave), ledger.logOf(slave), sent.physicalOffset);
    if (found === undefined) missing.push(`${sent.master} ${sent.id} at ${sent.physicalOffset}`);
    else ledger.checkSame(sent, found, slave);
  }
  return missing;
}
