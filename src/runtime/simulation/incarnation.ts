/**
 * One run of a simulated process, from its start to its end: threads over rings, the real supervisor, and the main
 * thread in between, whose calls and events take their time and keep their order, as messages between threads do.
 */
import { invariant } from '../../base/invariant.js';
import type { Prng } from '../../base/prng.js';
import { KIB } from '../../base/units.js';
import type { ActorId, AnyActorDefinition } from '../actor.js';
import type { Directory } from '../directory.js';
import type { Kind } from '../message.js';
import { ringBytes } from '../ring.js';
import { CONTROL } from '../ring-layout.js';
import { Meter } from '../slab.js';
import { Supervisor, type ThreadPort, type UnitPlan } from '../supervisor.js';
import { type CoreEvents, type RingTo, ThreadCore } from '../thread-core.js';
import { makeWiring, type Wiring } from '../wiring.js';
import type { MemoryDisk } from './memory-disk.js';
import { preemptibleDisk } from './preemptible-disk.js';
import type { SimNetwork } from './sim-network.js';
import { SimThread } from './sim-thread.js';
import type { Trace } from './trace.js';
import type { VirtualTime } from './virtual-time.js';

/** What a process needs of the world around it. */
export interface World {
  readonly time: VirtualTime;
  readonly network: SimNetwork;
  readonly trace: Trace;
  /** The simulation has found something that must not happen. */
  fail(error: Error): void;
  /** Promises may have moved: they are followed up before the next step. */
  settled(): void;
  /** A thread is held up in a system call: others may run. */
  yieldNow(): void;
  say(process: string, level: string, actor: string, text: string, fields: unknown): void;
}

export interface ProcessSpec {
  readonly name: string;
  /** Address that its sockets dial from. */
  readonly host: string;
  readonly directory: Directory;
  /** The actor that owns the listeners. */
  readonly front: ActorId;
  /**
   * By the names that the plans use. A thread may be held up in the middle of a turn while another one runs, so actors
   * with scratch memory in module variables need a copy of their modules for each thread, as real threads have.
   */
  readonly definitions: Readonly<Record<string, AnyActorDefinition>>;
  /** Called at every start of the process: what its units are, and what they are started with. */
  readonly plans: (boot: Boot) => readonly UnitPlan[];
  /** Sizes from which each ring's is drawn. */
  readonly ringSizes?: readonly number[];
  /** Crashes of actors that are no bug (a disk that fails on request); all others end the simulation. */
  readonly tolerates?: (actor: string, error: Error) => boolean;
}

/** What is there when a process starts. */
export interface Boot {
  readonly disk: MemoryDisk;
  readonly wiring: Wiring;
  /** What actors have reported so far, by fact: the ports of listeners. */
  readonly facts: ReadonlyMap<string, string | number>;
}

/** A crash on request. */
export class InjectedCrash extends Error {
  override readonly name = 'InjectedCrash';
}

const SMALL_RINGS = [4 * KIB, 4 * KIB, 16 * KIB, 64 * KIB, 1024 * KIB] as const;
/** A dead thread is there again after up to this long. */
const RESPAWN_MS = 50;

export class Incarnation {
  readonly supervisor: Supervisor;
  readonly facts = new Map<string, string | number>();
  readonly wiring: Wiring;
  readonly threads: SimThread[];
  readonly health: Int32Array;
  restarts = 0;
  private lastEventMs = 0;
  /** Published units of each ring, as far as they are in the trace. */
  private readonly tracedHeads: Int32Array;

  constructor(
    readonly spec: ProcessSpec,
    private readonly world: World,
    private readonly random: Prng,
    private readonly disk: MemoryDisk,
    /** Owner of what is scheduled for this run; see VirtualTime. */
    readonly owner: number,
  ) {
    const { directory } = spec;
    this.wiring = this.makeWiring();
    this.tracedHeads = new Int32Array(this.wiring.rings.length);
    this.health = new Int32Array(this.wiring.health);
    this.threads = directory.threads.map((_, thread) => this.makeThread(thread));
    const ports = directory.threads.map((_, thread) => this.makePort(thread));
    const plans = spec.plans({ disk, wiring: this.wiring, facts: this.facts });
    const supervised = new Set(plans.map(({ unit }) => unit));
    for (let unit = 0; unit < directory.units.length; unit++) if (!supervised.has(unit)) this.health[unit] = 1;
    this.supervisor = new Supervisor(directory, plans, ports, spec.front, {
      now: () => world.time.monotonic(),
      log: (level, text, fields) => world.say(spec.name, level, 'supervisor', text, fields),
      setHealth: (unit, serves) => {
        this.health[unit] = serves ? 1 : 0;
      },
      fatal: (reason) => world.fail(new Error(`${spec.name} ends: ${reason}`)),
      restarted: () => this.restarts++,
      after: (delayMs, run) => {
        const fire = (): void => {
          run();
          world.settled();
        };
        world.time.after(delayMs, fire, owner);
      },
    });
  }

  thread(name: string): SimThread {
    const index = this.spec.directory.threads.findIndex((entry) => entry.name === name);
    invariant(index >= 0, 'no such thread', name);
    return this.threads[index]!;
  }

  threadOf(actor: ActorId): SimThread {
    return this.threads[this.spec.directory.actors[actor]!.thread]!;
  }

  /**
   * A thread ends where it stands; after a while it runs again, empty, and the supervisor starts what it hosted. A second
   * death before that is over is the end of a real process, and of the simulation.
   */
  killThread(name: string, alsoRestarts: 'its units' | 'all units'): void {
    const index = this.spec.directory.threads.findIndex((entry) => entry.name === name);
    const dead = this.thread(name);
    dead.die();
    this.world.network.drop(dead.core, false);
    const { time, trace } = this.world;
    trace.note(time.monotonic(), 'death of thread', name, index);
    const respawn = (): void => {
      this.threads[index] = this.makeThread(index);
      this.supervisor
        .threadRestarted(index, alsoRestarts === 'all units')
        .catch((error: Error) => this.world.fail(new Error(`${name} could not be restarted: ${error.message}`)));
      this.world.settled();
    };
    time.after(this.random.unit() * RESPAWN_MS, respawn, this.owner);
  }

  /** Nothing of this run happens any more. `silently`: the machine is off, peers hear nothing. */
  end(silently: boolean): void {
    this.world.time.cancel(this.owner);
    for (const { core } of this.threads) this.world.network.drop(core, silently);
  }

  /** Puts what a thread has published since the last call into the trace. */
  traceRings(thread: number): void {
    const { rings } = this.wiring;
    for (let index = 0; index < rings.length; index++) {
      const ring = rings[index]!;
      if (ring.from !== thread) continue;
      const head = new Int32Array(ring.memory, 0, CONTROL.bytes / 4)[CONTROL.head]!;
      const seen = this.tracedHeads[index]!;
      if (head === seen) continue;
      this.tracedHeads[index] = head;
      const capacity = ring.memory.byteLength - CONTROL.bytes;
      const from = ((seen >>> 0) * 8) % capacity;
      const bytes = ((head - seen) | 0) * 8;
      const first = Math.min(bytes, capacity - from);
      this.world.trace.bytes(new Uint8Array(ring.memory, CONTROL.bytes + from, first));
      this.world.trace.bytes(new Uint8Array(ring.memory, CONTROL.bytes, bytes - first));
    }
  }

  private makeWiring(): Wiring {
    const wiring = makeWiring(this.spec.directory, { socketsBytes: 4 * KIB, workersBytes: 4 * KIB });
    const sizes = this.spec.ringSizes ?? SMALL_RINGS;
    const rings = wiring.rings.map((ring) => ({
      ...ring,
      memory: new SharedArrayBuffer(ringBytes(this.random.pick(sizes))),
    }));
    return { ...wiring, rings };
  }

  private makeThread(thread: number): SimThread {
    const { spec, wiring, world } = this;
    const { name, kind } = spec.directory.threads[thread]!;
    const outbound: RingTo[] = [];
    const inbound: RingTo[] = [];
    for (const { from, to, lane, memory } of wiring.rings) {
      if (from === thread) outbound.push({ thread: to, lane, memory });
      if (to === thread) inbound.push({ thread: from, lane, memory });
    }
    const disk = preemptibleDisk(this.disk, () => world.yieldNow());
    const meter = new Meter(wiring.slabs[thread]!);
    // The core is what its sockets belong to; it does not exist yet.
    const network = kind === 'sockets' ? world.network.of(() => core, spec.host) : undefined;
    const core: ThreadCore = new ThreadCore(
      thread,
      spec.directory,
      world.time,
      this.random.fork(),
      { disk, network, meter },
      this.eventsOf(thread),
      outbound,
      inbound,
    );
    return new SimThread(name, core, world.time, this.random.fork(), this.owner, () => world.settled());
  }

  private eventsOf(thread: number): CoreEvents {
    const { spec, world } = this;
    const nameOf = (actor: ActorId): string => spec.directory.actors[actor]!.name;
    return {
      crashed: (actor, during, error, epoch) => {
        const name = nameOf(actor);
        world.trace.note(world.time.monotonic(), 'crashed', name, actor);
        if (!(error instanceof InjectedCrash) && spec.tolerates?.(name, error) !== true) {
          const found = new Error(`${spec.name}: ${name} crashed in ${during}: ${error.message}`);
          found.stack = error.stack ?? '';
          world.fail(found);
        }
        this.toMain(() => this.supervisor.crashed(actor, during, error, epoch));
      },
      ready: (actor, epoch) => this.toMain(() => this.supervisor.ready(actor, epoch)),
      reported: (_, fact, value) => this.toMain(() => this.facts.set(fact, value)),
      log: (level, actor, text, fields) => world.say(spec.name, level, actor, text, fields),
      ring: (to) => this.threads[to]?.rung(to === thread),
    };
  }

  /** An event reaches the main thread: later, in order. */
  private toMain(handle: () => void): void {
    const { time } = this.world;
    this.lastEventMs = Math.max(this.lastEventMs, time.monotonic() + this.random.unit());
    time.after(
      this.lastEventMs - time.monotonic(),
      () => {
        handle();
        this.world.settled();
      },
      this.owner,
    );
  }

  private makePort(thread: number): ThreadPort {
    const { spec } = this;
    const call = (run: (core: ThreadCore, resolve: () => void) => void): Promise<void> => {
      const target = this.threads[thread]!;
      return target.call<void>((resolve) => run(target.core, () => resolve()));
    };
    return {
      start: (actor, definition, options) => {
        const found = spec.definitions[definition];
        invariant(found !== undefined, 'no such actor definition', definition);
        const cloned = asSent(options, `options of ${definition}`);
        return call((core, resolve) => {
          core.start(actor, found, cloned);
          resolve();
        });
      },
      close: (actor) => call((core, resolve) => core.close(actor, resolve)),
      kill: (unit, epoch) =>
        call((core, resolve) => {
          core.kill(unit);
          core.setEpoch(unit, epoch);
          resolve();
        }),
      tell: (actor, kind, message) => {
        const cloned = asSent(message, `message ${kind}`);
        return call((core, resolve) => {
          const definition = core.definitionOf(actor);
          invariant(definition !== undefined, 'actor is not running', spec.directory.actors[actor]!.name);
          core.send(actor, actor, definition.messages[kind] as Kind, cloned as never, 0);
          resolve();
        });
      },
    };
  }
}

/** What arrives on a real thread: what cannot be cloned fails here too, shared memory stays shared. */
function asSent<T>(value: T, what: string): T {
  try {
    return structuredClone(value);
  } catch (error) {
    throw new Error(`${what} cannot travel to a thread: ${(error as Error).message}`);
  }
}
