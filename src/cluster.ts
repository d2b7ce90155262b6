/**
 * The embedding API: a whole cluster in this process. Configuration -> plan -> shared memory -> threads -> supervised
 * actors.
 *
 *     const cluster = await Cluster.start({ topology });
 *     cluster.facts.nameServers            // ['127.0.0.1:9876', '127.0.0.1:9877']
 *     await cluster.stop();
 */
import { availableParallelism, totalmem } from 'node:os';
import { usableMemoryBytes } from '../config/facts.js';
import { setTimeout as delay } from 'node:timers/promises';
import type { BrokerSettings } from '../config/schema.js';
import type { Topology } from '../config/topology.js';
import { StartError } from './base/start-error.js';
import { MIB } from './base/units.js';
import { JobPool } from './jobs/pool.js';
import { type ClusterPlan, FRONT_UNIT, planCluster } from './plan.js';
import { RecoveryProgress } from './jobs/recovery-progress.js';
import { type ActorId, type LogFields, PROGRESS } from './runtime/actor.js';
import { ThreadHost } from './runtime/host.js';
import { Supervisor } from './runtime/supervisor.js';
import { Meter } from './runtime/slab.js';
import type { ErrorFacts, ThreadEvent } from './runtime/thread.js';
import { DEFAULT_RING_SIZES, makeWiring, type Wiring } from './runtime/wiring.js';
import { LogWindow } from './store/log-window.js';
import { RECORD_OVERHEAD_MAX } from './message/record.js';
import { openStores, type StoreLocks, withOwnFileSizes } from './stores.js';
import { advertised, type ClusterEnvironment, nameServerAddresses, unitPlans } from './unit-plans.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface ClusterOptions {
  readonly topology: Topology;
  /** Address that clients are told when it differs from the one that is bound (`--advertise`). */
  readonly advertisedHost?: string;
  /** Start with empty stores: what is there is removed. */
  readonly fresh?: boolean;
  readonly cores?: number;
  /** Seed of the actors' random numbers. */
  readonly seed?: number;
  readonly log?: (level: LogLevel, actor: string, text: string, fields: LogFields) => void;
  /** Ends the start when it is aborted: `start` rejects when what had started is closed again. */
  readonly signal?: AbortSignal;
  /** A store takes long to recover, or its index to be completed: a line for the console, at most one a second. */
  readonly onProgress?: (line: string) => void;
  /** The cluster cannot go on: a thread died twice. */
  readonly onFatal?: (reason: string) => void;
}

/** A thread that dies again within this time takes the process with it. */
const THREAD_DEATH_WINDOW_MS = 60_000;
/** How long a start that failed waits for what had started already. */
const UNDO_LIMIT_MS = 3_000;

/** An actor serves, in that epoch of its unit. */
interface Ready {
  readonly actor: ActorId;
  readonly epoch: number;
}

/** One line of the table that `hangar up` prints. */
export interface ActorRow {
  readonly actor: string;
  readonly thread: string;
  readonly listener: string;
  readonly store: string;
}

export class Cluster {
  /** host:port by `<role>.port`, `.vipPort`, `.haPort`, as the front bound them. */
  private readonly ports = new Map<string, number>();
  private readonly plan: ClusterPlan;
  private readonly wiring: Wiring;
  private readonly windows: (SharedArrayBuffer | undefined)[];
  private readonly environment: ClusterEnvironment;
  private readonly jobs: JobPool;
  private readonly host: ThreadHost;
  private readonly supervisor: Supervisor;
  private readonly health: Int32Array;
  private readonly meter: Meter;
  private isStopping = false;
  private isStarted = false;
  private lastDeathMs = Number.NEGATIVE_INFINITY;
  /** Actors that serve and whose ports are not reported yet: the two come from two threads, in either order. */
  private early: Ready[] = [];

  /** Resolves when every listener is bound, both name servers route every broker and every slave has caught up. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const stores = openStores(options.topology, options.fresh === true);
    let cluster: Cluster | undefined;
    const giveUp = (): void => cluster?.supervisor.giveUp(new StartError('stopped before it was ready'));
    try {
      cluster = new Cluster({ ...options, topology: withOwnFileSizes(options.topology) }, stores);
      options.signal?.addEventListener('abort', giveUp, { once: true });
      if (options.signal?.aborted) giveUp();
      await cluster.host.ready();
      await cluster.supervisor.start();
      cluster.isStarted = true;
      return cluster;
    } catch (error) {
      await cluster?.undo();
      stores.release();
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', giveUp);
    }
  }

  private constructor(
    private readonly options: ClusterOptions,
    private readonly stores: StoreLocks,
  ) {
    const { topology } = options;
    const cores = options.cores ?? availableParallelism();
    this.plan = planCluster(topology, cores);
    this.wiring = makeWiring(this.plan.directory, {
      socketsBytes: topology.process.ringBytes || DEFAULT_RING_SIZES.socketsBytes,
      workersBytes: topology.process.workerRingBytes || DEFAULT_RING_SIZES.workersBytes,
    });
    this.health = new Int32Array(this.wiring.health);
    this.meter = new Meter(this.wiring.slabs.at(-1)!);
    // The system unit has no supervisor: its actors live as long as their threads.
    Atomics.store(this.health, FRONT_UNIT + 1, 1);
    this.windows = this.plan.brokers.map(({ broker: { settings } }) =>
      settings.brokerRole === 'SLAVE'
        ? undefined
        : (LogWindow.create(settings.windowBytes, settings.maxMessageSize + RECORD_OVERHEAD_MAX, { shared: true })
            .shared as SharedArrayBuffer),
    );
    const { threads } = this.plan.directory;
    const progress = new RecoveryProgress(
      () => performance.now(),
      (line) => {
        this.say('info', 'supervisor', line, {});
        options.onProgress?.(line);
      },
    );
    this.environment = {
      topology,
      plan: this.plan,
      windows: this.windows,
      ports: this.ports,
      advertisedHost: options.advertisedHost,
      connectionIds: new SharedArrayBuffer(4),
      slabs: this.wiring.slabs,
      rings: this.wiring.rings.map(({ from, to, lane, memory }) => ({
        from: threads[from]!.name,
        to: threads[to]!.name,
        lane,
        memory,
      })),
      health: this.wiring.health,
      hasHttp: true,
      physicalMemoryBytes: usableMemoryBytes(totalmem(), process.constrainedMemory()),
      recover: (broker, settings) =>
        stores.recover(broker, settings, topology, this.jobs, {
          progress,
          say: (level, text, fields) => this.say(level, broker, text, fields),
        }),
    };
    this.jobs = new JobPool(Math.max(1, Math.min(4, cores)), cores);
    this.host = new ThreadHost(
      {
        wiring: this.wiring,
        threads: threads.map((_, thread) => ({
          definitions: this.definitionsOf(thread),
          disk: this.plan.disks[thread],
        })),
        io: this.plan.io,
        ramDisks: stores.memories.mounts,
        registryUrl: new URL('./actors/registry.js', import.meta.url).href,
        seed: options.seed ?? Date.now() % 0x1_0000_0000,
      },
      {
        event: (thread, event) => this.onEvent(thread, event),
        died: (thread, error, who) => {
          stores.memories.ended(who);
          this.onDied(thread, error);
        },
      },
    );
    this.supervisor = new Supervisor(
      this.plan.directory,
      unitPlans(this.environment),
      this.host.ports,
      this.plan.front,
      {
        now: () => performance.now(),
        log: (level, text, fields) => this.say(level, 'supervisor', text, fields),
        setHealth: (unit, serves) => Atomics.store(this.health, unit, serves ? 1 : 0),
        fatal: (reason) => options.onFatal?.(reason),
        // A stop does not wait for it.
        after: (delayMs, run) => setTimeout(run, delayMs).unref(),
        restarted: (unit) => {
          const { name } = this.plan.directory.units[unit]!;
          this.meter.values[this.meter.series('hangar_actor_restarts_total', { unit: name })]!++;
        },
      },
    );
  }

  /** Addresses as clients use them. */
  get nameServers(): string[] {
    return nameServerAddresses(this.environment);
  }

  /** Port of /metrics and /healthz; undefined when there is none. */
  get metricsPort(): number | undefined {
    return this.ports.get('metrics.port');
  }

  /** Where /metrics can be reached. */
  get metricsHost(): string {
    const { brokers, namesrvs } = this.options.topology;
    return advertised(this.options.advertisedHost, (brokers[0] ?? namesrvs[0])!.settings.bindAddress);
  }

  /** Address of a broker by its role name (`broker-a`, `broker-a-s`). */
  addressOf(broker: string): string {
    const found = this.plan.brokers.find(({ broker: { name } }) => name === broker);
    if (found === undefined) throw new StartError(`there is no broker ${broker} in this cluster`);
    return `${advertised(this.options.advertisedHost, found.broker.settings.brokerIP1)}:${this.ports.get(`${broker}.port`)}`;
  }

  /** What runs where. */
  table(): ActorRow[] {
    const { directory } = this.plan;
    const storeOf = new Map(
      this.plan.brokers.map(({ broker: { name, settings } }) => [name, placeOf(settings)] as const),
    );
    return directory.actors
      .filter(({ name }) => !name.startsWith('disk@'))
      .map(({ name, thread }) => ({
        actor: name,
        thread: directory.threads[thread]!.name,
        listener: this.listenersOf(name),
        store: storeOf.get(name) ?? '',
      }));
  }

  /** Treats a broker or name server like a killed process; the supervisor brings it back through recovery. */
  kill(role: string): Promise<void> {
    const unit = this.plan.directory.units.findIndex(({ name }) => name === role);
    if (unit < 0) throw new StartError(`there is no ${role} in this cluster`);
    return this.supervisor.kill(unit, 'asked to');
  }

  /** Ends a thread where it stands (a fault for tests of applications): it starts again with what it hosted. */
  killThread(name: string): Promise<void> {
    const thread = this.plan.directory.threads.findIndex((entry) => entry.name === name);
    if (thread < 0) throw new StartError(`there is no thread ${name} in this cluster`);
    return this.host.kill(thread);
  }

  /** Orderly stop: refuse, drain, unregister, flush, close. */
  async stop(): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    await this.supervisor.stop();
    await this.host.stop();
    await this.jobs.close();
    this.stores.release();
  }

  /** For `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** After a start that failed: what did start stops in order, so that no store looks like one of a crash. */
  private async undo(): Promise<void> {
    this.isStopping = true;
    const limit = new AbortController();
    const stopped = this.supervisor.stop().catch((error: Error) => this.say('error', 'supervisor', error.message, {}));
    await Promise.race([stopped, delay(UNDO_LIMIT_MS, undefined, { signal: limit.signal }).catch(() => undefined)]);
    limit.abort();
    await this.abandon();
  }

  /** Ends everything where it stands. */
  async abandon(): Promise<void> {
    this.isStopping = true;
    await this.host.terminate();
    await this.jobs.close();
    this.stores.release();
  }

  // ---- plans

  private definitionsOf(thread: number): string[] {
    const { plan } = this;
    const wanted = new Set<string>();
    const isHere = (actor: number): boolean => plan.directory.actors[actor]!.thread === thread;
    if (isHere(plan.front)) wanted.add('front');
    if (plan.namesrvs.some(({ actor }) => isHere(actor))) wanted.add('namesrv');
    for (const { actor, ha, queueHosts } of plan.brokers) {
      if (isHere(actor)) wanted.add('broker');
      if (isHere(ha)) wanted.add('ha');
      if (queueHosts.some(isHere)) wanted.add('queue-host');
    }
    return [...wanted];
  }

  // ---- events

  private onEvent(thread: number, event: ThreadEvent): void {
    switch (event.kind) {
      case 'ready':
        this.onReady(event);
        break;
      case 'crashed':
        this.supervisor.crashed(event.actor, event.during, errorOf(event.error), event.epoch);
        break;
      case 'reported':
        if (event.fact === PROGRESS)
          return this.progress(this.plan.directory.actors[event.actor]!.name, String(event.value));
        this.ports.set(event.fact, Number(event.value));
        for (const ready of this.early.splice(0)) this.onReady(ready);
        break;
      case 'log':
        this.say(event.level, event.actor, event.text, event.fields as LogFields);
        break;
      default:
        this.say('error', 'supervisor', `unknown event of thread ${thread}`, {});
    }
  }

  private onReady(ready: Ready): void {
    const { actor, epoch } = ready;
    const { directory, namesrvs, brokers } = this.plan;
    const { unit } = directory.actors[actor]!;
    const hasListeners = [...namesrvs, ...brokers].some((role) => role.unit === unit);
    if (hasListeners && !this.ports.has(`${directory.units[unit]!.name}.port`)) this.early.push(ready);
    else this.supervisor.ready(actor, epoch);
  }

  /** The thread starts again, with every actor that it had; a second death within a minute ends the process. */
  private onDied(thread: number, error: Error): void {
    const { name } = this.plan.directory.threads[thread]!;
    const reason = `thread ${name} died: ${error.message}`;
    const nowMs = performance.now();
    const isRepeated = nowMs - this.lastDeathMs < THREAD_DEATH_WINDOW_MS;
    this.lastDeathMs = nowMs;
    if (!this.isStarted || isRepeated) {
      this.options.onFatal?.(`${reason}${isRepeated ? ', the second death within a minute' : ''}`);
      return;
    }
    this.say('error', 'supervisor', `${reason}; it is started again`, { stack: error.stack ?? '' });
    const isIo = Object.values(this.plan.io ?? {}).some((io) => this.plan.directory.actors[io]!.thread === thread);
    this.host
      .respawn(thread)
      .then(() => this.supervisor.threadRestarted(thread, isIo))
      .catch((failure: Error) => this.options.onFatal?.(`${reason}, and could not be restarted: ${failure.message}`));
  }

  private progress(actor: string, text: string): void {
    this.say('info', actor, text, {});
    this.options.onProgress?.(`${actor}: ${text}`);
  }

  private say(level: LogLevel, actor: string, text: string, fields: LogFields): void {
    this.options.log?.(level, actor, text, fields);
  }

  private listenersOf(actor: string): string {
    const port = this.ports.get(`${actor}.port`);
    if (actor === 'front') return this.metricsPort === undefined ? '' : `http ${this.metricsPort}`;
    if (port === undefined) return '';
    const vip = this.ports.get(`${actor}.vipPort`);
    const ha = this.ports.get(`${actor}.haPort`);
    return [`${port}`, vip === undefined ? '' : `vip ${vip}`, ha === undefined ? '' : `ha ${ha}`]
      .filter((part) => part !== '')
      .join(', ');
  }
}

/** Where a store is, for people. */
function placeOf({ storeKind, storePathRootDir, storeMaxBytes }: BrokerSettings): string {
  return storeKind === 'memory' ? `memory, ${Math.floor(storeMaxBytes / MIB)} MiB` : storePathRootDir;
}

function errorOf({ name, message, stack }: ErrorFacts): Error {
  if (name === 'StartError') return new StartError(message);
  const error = new Error(message);
  error.stack = stack;
  return error;
}
