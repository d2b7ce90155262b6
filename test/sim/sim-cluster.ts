/**
 * The real 2m-2s-sync cluster (front, name servers, brokers, HA and queue hosts) as one process of the simulation, with
 * files so small that everything rolls, and what a seed decides of its shape.
 */
import { join } from 'node:path';
import type { Loaded } from '../../config/notes.js';
import { listConfigFiles, packageDirectory, readConfigFile, roleName } from '../../config/read-file.js';
import type { BrokerSettings } from '../../config/schema.js';
import { buildTopology, type Topology } from '../../config/topology.js';
import type { BrokerState } from '../../src/actors/broker/state.js';
import type { Prng } from '../../src/base/prng.js';
import { KIB, MIB } from '../../src/base/units.js';
import { RECORD_OVERHEAD_MAX } from '../../src/message/record.js';
import { type ClusterPlan, planCluster } from '../../src/plan.js';
import type { AnyActorDefinition } from '../../src/runtime/actor.js';
import type { MemoryDisk } from '../../src/runtime/simulation/memory-disk.js';
import type { Boot, SimProcess, Simulation } from '../../src/runtime/simulation/simulation.js';
import type { UnitPlan } from '../../src/runtime/supervisor.js';
import { makeDurableDirectory } from '../../src/store/directories.js';
import { LogWindow } from '../../src/store/log-window.js';
import { type RecoveredStore, recoverStore } from '../../src/store/recovery.js';
import { lockStore } from '../../src/store/store-directory.js';
import { copyOf, recoverOptionsOf } from '../../src/stores.js';
import { type ClusterEnvironment, unitPlans } from '../../src/unit-plans.js';
import { definitionsFor, onThread } from './thread-copies.js';

export const HOST = '127.0.0.1';
export const NAME_SERVER_PORTS = [9876, 9877] as const;
export const MASTERS = ['broker-a', 'broker-b'] as const;
/** Role of its slave, by role of the master. */
export const SLAVE_OF = { 'broker-a': 'broker-a-s', 'broker-b': 'broker-b-s' } as const;
export type Master = (typeof MASTERS)[number];
export type Role = Master | (typeof SLAVE_OF)[Master];
export const ROLES: readonly Role[] = ['broker-a', 'broker-a-s', 'broker-b', 'broker-b-s'];

/** What differs between seeds. */
export interface Shape {
  readonly workers: number;
  readonly logFileBytes: number;
  readonly queueFileBytes: number;
  readonly windowBytes: number;
  readonly flush: 'ASYNC_FLUSH' | 'SYNC_FLUSH';
  readonly replication: 'ASYNC_MASTER' | 'SYNC_MASTER';
  /** Sizes that rings are drawn from. */
  readonly ringSizes: readonly number[];
  /** More lines for the files of all brokers. */
  readonly settings?: string;
}

export const MAX_MESSAGE_BYTES = 12 * KIB;
const STORE = '/store';
/** A recovery takes up to this long, drawn for each. */
const RECOVERY_MS = [0, 300] as const;

export function drawShape(random: Prng): Shape {
  return {
    // Up to 4: queue hosts beside their broker. 8 and 12: two and four of each broker, on threads of their own.
    workers: random.pick([1, 2, 3, 4, 8, 8, 12]),
    logFileBytes: random.pick([64, 128, 256]) * KIB,
    queueFileBytes: random.pick([20, 200, 2000, 20_000]),
    windowBytes: random.pick([512 * KIB, MIB]),
    flush: random.chance(0.7) ? 'ASYNC_FLUSH' : 'SYNC_FLUSH',
    replication: 'SYNC_MASTER',
    ringSizes: random.pick([[4 * KIB], [4 * KIB, 16 * KIB, 64 * KIB], [MIB]]),
  };
}

/** What of the cluster a process runs. */
interface Part {
  readonly process: string;
  readonly runs: (role: string) => boolean;
  /** Numbers of its threads' copies begin there: no two threads share one. */
  readonly firstCopy: number;
}

const WHOLE: Part = { process: 'hangar', runs: () => true, firstCopy: 0 };
const MASTERS_PART: Part = { process: 'masters', runs: (role) => !isSlave(role), firstCopy: 0 };
const SLAVES_PART: Part = { process: 'slaves', runs: isSlave, firstCopy: 32 };

function isSlave(role: string): boolean {
  return (Object.values(SLAVE_OF) as string[]).includes(role);
}

export class SimCluster {
  readonly process: SimProcess;
  /** The process of the slaves, when they have one of their own. */
  slaves: SimCluster | undefined;
  private locks: { release(): void }[] = [];

  /** Everything in one process. */
  static create(simulation: Simulation, shape: Shape): Promise<SimCluster> {
    return SimCluster.createPart(simulation, shape, WHOLE);
  }

  /** Name servers and masters in one process, which is returned, slaves in another, with a disk of its own. */
  static async createPair(simulation: Simulation, shape: Shape): Promise<SimCluster & { slaves: SimCluster }> {
    const masters = await SimCluster.createPart(simulation, shape, MASTERS_PART);
    const slaves = await SimCluster.createPart(simulation, shape, SLAVES_PART);
    return Object.assign(masters, { slaves });
  }

  private static async createPart(simulation: Simulation, shape: Shape, part: Part): Promise<SimCluster> {
    const topology = topologyOf(shape, part);
    const plan = planCluster(topology, shape.workers + 1);
    const threadOf = (actor: number): number => part.firstCopy + plan.directory.actors[actor]!.thread;
    const definitions = await definitionsFor([
      { definition: 'front', thread: threadOf(plan.front) },
      ...plan.namesrvs.map(({ actor }) => ({ definition: 'namesrv', thread: threadOf(actor) })),
      ...plan.brokers.flatMap(({ actor, ha, queueHosts }) => [
        { definition: 'broker', thread: threadOf(actor) },
        { definition: 'ha', thread: threadOf(ha) },
        ...queueHosts.map((host) => ({ definition: 'queue-host', thread: threadOf(host) })),
      ]),
    ]);
    return new SimCluster(simulation, shape, part, topology, plan, definitions);
  }

  private constructor(
    private readonly simulation: Simulation,
    readonly shape: Shape,
    private readonly part: Part,
    readonly topology: Topology,
    readonly plan: ClusterPlan,
    definitions: Readonly<Record<string, AnyActorDefinition>>,
  ) {
    this.process = simulation.addProcess({
      name: part.process,
      host: HOST,
      directory: plan.directory,
      front: plan.front,
      definitions,
      plans: (boot) => this.plans(boot).map((unit) => this.onItsThreads(unit)),
      ringSizes: shape.ringSizes,
    });
  }

  private onItsThreads(unit: UnitPlan): UnitPlan {
    const { actors } = this.plan.directory;
    const copyOfActor = (actor: number): number => this.part.firstCopy + actors[actor]!.thread;
    return {
      ...unit,
      actors: unit.actors.map((one) => ({ ...one, definition: onThread(one.definition, copyOfActor(one.actor)) })),
    };
  }

  /** Monotonic ms of the simulation. */
  get nowMs(): number {
    return this.simulation.time.monotonic();
  }

  start(): Promise<void> {
    return this.simulation.start(this.process);
  }

  async stop(limitMs: number): Promise<void> {
    await this.simulation.stop(this.process, limitMs);
    for (const lock of this.locks) lock.release();
    this.locks = [];
  }

  /** SIGKILL; the page cache stays. */
  kill(): void {
    this.process.kill();
    this.locks = [];
  }

  /** The machine is off; see SimProcess.powerLoss. */
  powerLoss(directories?: readonly string[]): void {
    this.process.powerLoss(directories);
    this.locks = [];
  }

  /** The part that runs a broker. */
  private ownerOf(role: string): SimCluster {
    return this.slaves !== undefined && isSlave(role) ? this.slaves : this;
  }

  settingsOf(role: string): BrokerSettings {
    return this.ownerOf(role).topology.brokers.find(({ name }) => name === role)!.settings;
  }

  /** Where its store is. */
  diskOf(role: string): MemoryDisk {
    return this.ownerOf(role).process.disk;
  }

  /** State of its broker actor; undefined while that does not run. */
  brokerState(role: string): BrokerState | undefined {
    return this.ownerOf(role).process.stateOf(role) as BrokerState | undefined;
  }

  queueHostsOf(role: string): string[] {
    const broker = this.plan.brokers.find(({ broker: { name } }) => name === role)!;
    return broker.queueHosts.map((actor) => this.plan.directory.actors[actor]!.name);
  }

  /** Says what is in a store that no broker has open, as a start would find it. */
  recovered(role: string): RecoveredStore {
    return recoverStore(this.diskOf(role), recoverOptionsOf(this.settingsOf(role)), { clock: this.simulation.time });
  }

  private plans(boot: Boot): readonly UnitPlan[] {
    const { topology, plan } = this;
    this.locks = topology.brokers.map(({ settings }) => lockStore(boot.disk, settings.storePathRootDir));
    for (const { settings } of topology.brokers) makeDurableDirectory(boot.disk, settings.storePathCommitLog);
    const { threads } = plan.directory;
    const environment: ClusterEnvironment = {
      topology,
      plan,
      windows: plan.brokers.map(({ broker: { settings } }) =>
        settings.brokerRole === 'SLAVE' ? undefined : this.window(settings.maxMessageSize),
      ),
      // Every fact that actors report here is a port.
      ports: boot.facts as ReadonlyMap<string, number>,
      advertisedHost: undefined,
      connectionIds: new SharedArrayBuffer(4),
      slabs: boot.wiring.slabs,
      rings: boot.wiring.rings.map(({ from, to, lane, memory }) => ({
        from: threads[from]!.name,
        to: threads[to]!.name,
        lane,
        memory,
      })),
      health: boot.wiring.health,
      hasHttp: false,
      physicalMemoryBytes: 8 * 1024 * MIB,
      recover: (_, settings) => this.recover(boot, settings),
    };
    return unitPlans(environment);
  }

  private window(maxMessageBytes: number): SharedArrayBuffer {
    const { windowBytes } = this.shape;
    const recordBytes = Math.min(windowBytes / 4, maxMessageBytes + RECORD_OVERHEAD_MAX);
    return LogWindow.create(windowBytes, recordBytes, { shared: true }).shared as SharedArrayBuffer;
  }

  /** A job thread at work. It dies with its process. */
  private async recover(boot: Boot, settings: BrokerSettings): Promise<RecoveredStore> {
    const { process, simulation } = this;
    await simulation.sleep(simulation.random.unit() * simulation.random.pick(RECOVERY_MS));
    if (process.running?.wiring !== boot.wiring) return new Promise(() => undefined);
    const options = { ...recoverOptionsOf(settings), copyDirectory: copyOf(this.topology, settings) };
    return recoverStore(boot.disk, options, { clock: simulation.time });
  }
}

function topologyOf(shape: Shape, part: Part): Topology {
  const directory = join(packageDirectory(), 'config', '2m-2s-sync');
  const ofBrokers = [
    `mappedFileSizeCommitLog=${shape.logFileBytes}`,
    `mappedFileSizeConsumeQueue=${shape.queueFileBytes}`,
    `maxMessageSize=${MAX_MESSAGE_BYTES}`,
    'maxHashSlotNum=50',
    'maxIndexNum=200',
    `flushDiskType=${shape.flush}`,
    shape.settings ?? '',
  ].join('\n');
  const paths = must(listConfigFiles(directory)).filter((path) => isProcess(path) || part.runs(roleName(path)));
  const nameServers = NAME_SERVER_PORTS.map((port) => `${HOST}:${port}`).join(';');
  const elsewhere = part === SLAVES_PART ? `namesrvAddr=${nameServers}\n` : '';
  const files = paths.map((path) => {
    const { text } = must(readConfigFile(path));
    if (path.includes('broker')) {
      const ofSeed = text
        .replace(/^flushDiskType=.*$/m, '')
        .replace(/^brokerRole=SYNC_MASTER$/m, `brokerRole=${shape.replication}`);
      return { path, text: `${ofSeed}\n${elsewhere}${ofBrokers}\n` };
    }
    return isProcess(path) ? { path, text: `${text}\nworkerThreads=${shape.workers}\n` } : { path, text };
  });
  const facts = {
    cores: shape.workers + 1,
    home: '/home',
    hostName: 'simulated',
    localAddress: HOST,
    workingDirectory: '/',
    rocketmqHome: '',
    namesrvAddr: '',
  };
  return must(buildTopology('2m-2s-sync', directory, files, { store: STORE }, facts));
}

function isProcess(path: string): boolean {
  return path.endsWith('hangar.properties');
}

function must<T>(value: Loaded<T>): T {
  if (!value.ok) throw new Error(value.errors.map(({ text }) => text).join('\n'));
  return value.value;
}
