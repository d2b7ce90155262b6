/** Several thread cores in this thread, driven by hand: what a turn does is seen without any waiting. */
import type { Clock } from '../../src/base/clock.js';
import { prng } from '../../src/base/prng.js';
import type { ActorId, AnyActorDefinition } from '../../src/runtime/actor.js';
import { checkDirectory, type Directory } from '../../src/runtime/directory.js';
import type { Lane } from '../../src/runtime/message.js';
import type { Network } from '../../src/runtime/network.js';
import { ringBytes } from '../../src/runtime/ring.js';
import { MemoryDisk } from '../../src/runtime/simulation/memory-disk.js';
import { Meter, SLAB_BYTES } from '../../src/runtime/slab.js';
import { type RingTo, ThreadCore } from '../../src/runtime/thread-core.js';

export class ManualClock implements Clock {
  ms = 1000;
  now(): number {
    return 1_700_000_000_000 + this.ms;
  }
  monotonic(): number {
    return this.ms;
  }

  localHour(): number {
    return 0;
  }
}

export interface RigOptions {
  /** Kind of each thread. */
  readonly threads: readonly ('sockets' | 'blocking')[];
  /** name -> [thread, unit] */
  readonly actors: Readonly<Record<string, readonly [thread: number, unit: number]>>;
  readonly ringBytes?: number;
  readonly network?: Network;
}

export interface Crash {
  readonly actor: ActorId;
  readonly during: string;
  readonly error: Error;
}

export class Rig {
  readonly clock = new ManualClock();
  readonly cores: readonly ThreadCore[];
  readonly disk: MemoryDisk;
  readonly crashes: Crash[] = [];
  readonly ready: ActorId[] = [];
  readonly facts: [ActorId, string, string | number][] = [];
  readonly logs: string[] = [];
  /** Threads that were rung, oldest first. */
  readonly rung: number[] = [];
  private readonly directory: Directory;
  private readonly scheduled: { readonly atMs: number; readonly action: () => void }[] = [];

  constructor(options: RigOptions) {
    const { threads, actors } = options;
    const units = Math.max(...Object.values(actors).map(([, unit]) => unit)) + 1;
    this.directory = {
      threads: threads.map((kind, index) => ({ name: `thread-${index}`, kind })),
      units: Array.from({ length: units }, (_, index) => ({ name: `unit-${index}` })),
      actors: Object.entries(actors).map(([name, [thread, unit]]) => ({ name, thread, unit })),
    };
    checkDirectory(this.directory);
    const { clock } = this;
    this.disk = new MemoryDisk({
      clock,
      schedule: (delayMs, action) => this.scheduled.push({ atMs: clock.ms + delayMs, action }),
    });
    const outbound: RingTo[][] = threads.map(() => []);
    const inbound: RingTo[][] = threads.map(() => []);
    for (let from = 0; from < threads.length; from++) {
      for (let to = 0; to < threads.length; to++) {
        if (from === to) continue;
        for (const lane of ['request', 'reply'] as const satisfies readonly Lane[]) {
          const memory = new ArrayBuffer(ringBytes(options.ringBytes ?? 4096));
          outbound[from]!.push({ thread: to, lane, memory });
          inbound[to]!.push({ thread: from, lane, memory });
        }
      }
    }
    const events = {
      crashed: (actor: ActorId, during: string, error: Error) => this.crashes.push({ actor, during, error }),
      ready: (actor: ActorId) => this.ready.push(actor),
      reported: (actor: ActorId, fact: string, value: string | number) => this.facts.push([actor, fact, value]),
      log: (level: string, actor: string, text: string) => this.logs.push(`${level} ${actor} ${text}`),
      ring: (thread: number) => this.rung.push(thread),
    };
    this.cores = threads.map((kind, thread) => {
      const meter = new Meter(new ArrayBuffer(SLAB_BYTES));
      const network = kind === 'sockets' ? options.network : undefined;
      const services = { disk: this.disk, network, meter };
      return new ThreadCore(
        thread,
        this.directory,
        clock,
        prng(thread),
        services,
        events,
        outbound[thread]!,
        inbound[thread]!,
      );
    });
  }

  id(name: string): ActorId {
    return this.directory.actors.findIndex((entry) => entry.name === name);
  }

  start(name: string, definition: AnyActorDefinition, options: unknown = {}): void {
    this.coreOf(name).start(this.id(name), definition, options);
  }

  coreOf(name: string): ThreadCore {
    return this.cores[this.directory.actors[this.id(name)]!.thread]!;
  }

  /**
   * Turns of all threads in order until none finds anything to do. Twice: a turn that only publishes what a test has
   * sent between turns is not work.
   */
  settle(): void {
    let quietRounds = 0;
    for (let rounds = 0; rounds < 10_000; rounds++) {
      let didWork = false;
      for (const core of this.cores) didWork = core.turn() || didWork;
      quietRounds = didWork ? 0 : quietRounds + 1;
      if (quietRounds === 2) return;
    }
    throw new Error('the threads do not come to rest');
  }

  /** Moves the clock and lets the disk complete what is due by then. */
  advance(ms: number): void {
    this.clock.ms += ms;
    for (const one of this.scheduled.splice(0)) {
      if (one.atMs <= this.clock.ms) one.action();
      else this.scheduled.push(one);
    }
  }
}
