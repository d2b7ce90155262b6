/**
 * The embedding API: a whole cluster in this process. Configuration -> plan -> shared memory -> threads -> supervised
 * actors.
 *
 *     const cluster = await Cluster.start({ topology });
 *     cluster.facts.nameServers            // ['127.0.0.1:9876', '127.0.0.1:9877']
 *     await cluster.stop();
 */
import { availableParallelism, totalmem } from 'node:os';
import type { Topology } from '../config/topology.js';
import { QUEUE_CODES } from './actors/front/queue-codes.js';
import type { FrontOptions, UnitListeners } from './actors/front/options.js';
import { StartError } from './base/start-error.js';
import { MIB } from './base/units.js';
import { JobPool } from './jobs/pool.js';
import { type BrokerPlan, type ClusterPlan, FRONT_UNIT, planCluster } from './plan.js';
import type { LogFields } from './runtime/actor.js';
import { ThreadHost } from './runtime/host.js';
import { Supervisor, type UnitPlan } from './runtime/supervisor.js';
import type { ThreadEvent } from './runtime/thread.js';
import { DEFAULT_RING_SIZES, makeWiring, type Wiring } from './runtime/wiring.js';
import { LogWindow } from './store/log-window.js';
import { RECORD_OVERHEAD_MAX } from './message/record.js';
import { openStores, type StoreLocks } from './stores.js';

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
  /** The cluster cannot go on: a thread died twice. */
  readonly onFatal?: (reason: string) => void;
}

/** One line of the table that `hangar up` prints. */
export interface ActorRow {
  readonly actor: string;
  readonly thread: string;
  readonly listener: string;
  readonly store: string;
}

const IDLE_TIMEOUT_MS = 120_000;
const INPUT_LIMIT_BYTES = 64 * MIB;

export class Cluster {
  /** host:port by `<role>.port`, `.vipPort`, `.haPort`, as the front bound them. */
  private readonly ports = new Map<string, number>();
  private readonly plan: ClusterPlan;
  private readonly wiring: Wiring;
  private readonly windows: (SharedArrayBuffer | undefined)[];
  private readonly connectionIds = new SharedArrayBuffer(4);
  private readonly jobs: JobPool;
  private readonly host: ThreadHost;
  private readonly supervisor: Supervisor;
  private readonly health: Int32Array;
  private isStopping = false;

  /** Resolves when every listener is bound, both name servers route every broker and every slave has caught up. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const stores = openStores(options.topology, options.fresh === true);
    const cluster = new Cluster(options, stores);
    try {
      await cluster.host.ready();
      await cluster.supervisor.start();
      return cluster;
    } catch (error) {
      await cluster.abandon();
      throw error;
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
    // The system unit has no supervisor: its actors live as long as their threads.
    Atomics.store(this.health, FRONT_UNIT + 1, 1);
    this.windows = this.plan.brokers.map(({ broker: { settings } }) =>
      settings.brokerRole === 'SLAVE'
        ? undefined
        : (LogWindow.create(settings.windowBytes, settings.maxMessageSize + RECORD_OVERHEAD_MAX, { shared: true })
            .shared as SharedArrayBuffer),
    );
    this.jobs = new JobPool(Math.max(1, Math.min(4, cores)));
    this.host = new ThreadHost(
      this.wiring,
      this.plan.directory.threads.map((_, thread) => ({
        definitions: this.definitionsOf(thread),
        disk: this.plan.disks[thread],
      })),
      this.plan.io,
      new URL('./actors/registry.js', import.meta.url).href,
      options.seed ?? Date.now() % 0x1_0000_0000,
      {
        event: (thread, event) => this.onEvent(thread, event),
        died: (thread, error) => this.onDied(thread, error),
      },
    );
    this.supervisor = new Supervisor(this.plan.directory, this.unitPlans(), this.host.ports, this.plan.front, {
      now: () => performance.now(),
      log: (level, text, fields) => this.say(level, 'supervisor', text, fields),
      setHealth: (unit, serves) => Atomics.store(this.health, unit, serves ? 1 : 0),
      fatal: (reason) => options.onFatal?.(reason),
      restarted: () => undefined,
    });
  }

  /** Addresses as clients use them. */
  get nameServers(): string[] {
    return this.plan.namesrvs.map(
      ({ name }) => `${this.advertised(this.namesrvHost(name))}:${this.ports.get(`${name}.port`)}`,
    );
  }

  /** Port of /metrics and /healthz; undefined when there is none. */
  get metricsPort(): number | undefined {
    return this.ports.get('metrics.port');
  }

  /** Where /metrics can be reached. */
  get metricsHost(): string {
    const { brokers, namesrvs } = this.options.topology;
    return this.advertised((brokers[0] ?? namesrvs[0])!.settings.bindAddress);
  }

  /** Address of a broker by its role name (`broker-a`, `broker-a-s`). */
  addressOf(broker: string): string {
    const found = this.plan.brokers.find(({ broker: { name } }) => name === broker);
    if (found === undefined) throw new StartError(`there is no broker ${broker} in this cluster`);
    return `${this.advertised(found.broker.settings.brokerIP1)}:${this.ports.get(`${broker}.port`)}`;
  }

  /** What runs where. */
  table(): ActorRow[] {
    const { directory } = this.plan;
    const storeOf = new Map(
      this.plan.brokers.map(({ broker: { name, settings } }) => [name, settings.storePathRootDir] as const),
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

  /** Orderly stop: refuse, drain, unregister, flush, close. */
  async stop(): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    await this.supervisor.stop();
    await this.host.stop();
    await this.jobs.close();
    this.stores.release();
  }

  /** Ends everything where it stands. */
  async abandon(): Promise<void> {
    this.isStopping = true;
    await this.host.terminate();
    await this.jobs.close();
    this.stores.release();
  }

  // ---- plans

  private unitPlans(): UnitPlan[] {
    const { plan } = this;
    const front: UnitPlan = {
      unit: FRONT_UNIT,
      actors: [{ actor: plan.front, definition: 'front', options: () => this.frontOptions(), takesPrepared: false }],
      prepare: undefined,
      hasListeners: false,
      stage: 0,
    };
    const namesrvs = plan.namesrvs.map(({ name, unit, actor }): UnitPlan => {
      const { settings } = this.options.topology.namesrvs.find((other) => other.name === name)!;
      const options = () => ({ front: plan.front, unit: name, settings });
      return {
        unit,
        actors: [{ actor, definition: 'namesrv', options, takesPrepared: false }],
        prepare: undefined,
        hasListeners: true,
        stage: 1,
      };
    });
    return [front, ...namesrvs, ...plan.brokers.map((broker, index) => this.brokerUnit(broker, index))];
  }

  private brokerUnit(plan: BrokerPlan, index: number): UnitPlan {
    const { front } = this.plan;
    const settings = () => this.brokerSettings(plan);
    const window = this.windows[plan.master ?? index];
    const queueHosts = plan.queueHosts.map((actor, host) => ({
      actor,
      definition: 'queue-host',
      options: () => ({
        settings: settings(),
        host,
        front,
        broker: plan.actor,
        window,
        physicalMemoryBytes: totalmem(),
      }),
      takesPrepared: false,
    }));
    const ha = {
      actor: plan.ha,
      definition: 'ha',
      options: () => ({ settings: settings(), front, broker: plan.actor, waitsForMaster: plan.master !== undefined }),
      takesPrepared: false,
    };
    const broker = {
      actor: plan.actor,
      definition: 'broker',
      options: () => ({
        settings: settings(),
        configPath: this.options.topology.isPackaged ? undefined : plan.broker.file,
        front,
        ha: plan.ha,
        queueHosts: plan.queueHosts,
        window: this.windows[index],
        localMaster: this.localMaster(plan),
        advertisedHost: this.options.advertisedHost ?? '',
      }),
      takesPrepared: true,
    };
    return {
      unit: plan.unit,
      actors: [...queueHosts, ha, broker],
      prepare: () =>
        this.stores.recover(plan.broker.settings, this.jobs, (text, fields) =>
          this.say('info', plan.broker.name, text, fields),
        ),
      hasListeners: true,
      stage: 2,
    };
  }

  /** The broker's settings with the addresses of this process's name servers, which are known once they are bound. */
  private brokerSettings({ broker }: BrokerPlan) {
    const own = new Map(this.plan.namesrvs.map(({ name }, i) => [name, i] as const));
    const addresses = broker.nameServers.map((name) => {
      const index = own.get(name);
      return index === undefined ? name : this.nameServers[index]!;
    });
    return { ...broker.settings, namesrvAddr: addresses.join(';') };
  }

  private localMaster(plan: BrokerPlan) {
    if (plan.master === undefined) return undefined;
    const { settings } = this.plan.brokers[plan.master]!.broker;
    return {
      directory: settings.storePathCommitLog,
      fileBytes: settings.mappedFileSizeCommitLog,
      window: this.windows[plan.master],
    };
  }

  private frontOptions(): Readonly<Record<string, unknown>> {
    const { plan, wiring } = this;
    const { process, namesrvs, brokers } = this.options.topology;
    const { threads } = plan.directory;
    const units: UnitListeners[] = [
      ...plan.namesrvs.map(({ name, unit, actor }, i) => ({
        unit,
        role: name,
        host: namesrvs[i]!.settings.bindAddress,
        advertisedHost: this.advertised(namesrvs[i]!.settings.bindAddress),
        port: namesrvs[i]!.settings.listenPort,
        hasVip: false,
        hasHa: false,
        actor,
        haActor: -1,
        queueHosts: [],
        queueCodes: [],
      })),
      ...plan.brokers.map(({ broker: { name, settings }, unit, actor, ha, queueHosts }) => ({
        unit,
        role: name,
        host: settings.bindAddress,
        advertisedHost: this.advertised(settings.brokerIP1),
        port: settings.listenPort,
        hasVip: true,
        hasHa: true,
        actor,
        haActor: ha,
        queueHosts,
        queueCodes: QUEUE_CODES,
      })),
    ];
    const host = brokers[0]?.settings.bindAddress ?? namesrvs[0]!.settings.bindAddress;
    const options: FrontOptions = {
      units,
      actorUnits: plan.directory.actors.map(({ unit }) => unit),
      connectionIds: this.connectionIds,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      outputLimitBytes: process.outputBytesPerConnection,
      inputLimitBytes: INPUT_LIMIT_BYTES,
      maxConnections: process.maxConnections,
      http: process.metricsPort === undefined ? undefined : { host, port: process.metricsPort },
      slabs: wiring.slabs,
      rings: wiring.rings.map(({ from, to, lane, memory }) => ({
        from: threads[from]!.name,
        to: threads[to]!.name,
        lane,
        memory,
      })),
      health: wiring.health,
      unitNames: plan.directory.units.map(({ name }) => name),
    };
    return options as unknown as Readonly<Record<string, unknown>>;
  }

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
      case 'up':
        break;
      case 'ready':
        this.supervisor.ready(event.actor);
        break;
      case 'crashed':
        this.supervisor.crashed(event.actor, event.during, event.error);
        break;
      case 'reported':
        this.ports.set(event.fact, Number(event.value));
        break;
      case 'log':
        this.say(event.level, event.actor, event.text, event.fields as LogFields);
        break;
      default:
        this.say('error', 'supervisor', `unknown event of thread ${thread}`, {});
    }
  }

  private onDied(thread: number, error: Error): void {
    if (this.isStopping) return;
    const { name } = this.plan.directory.threads[thread]!;
    this.options.onFatal?.(`thread ${name} died: ${error.stack ?? error.message}`);
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

  private namesrvHost(name: string): string {
    return this.options.topology.namesrvs.find((other) => other.name === name)!.settings.bindAddress;
  }

  private advertised(host: string): string {
    const chosen = this.options.advertisedHost ?? host;
    return chosen === '0.0.0.0' || chosen === '::' ? '127.0.0.1' : chosen;
  }
}
