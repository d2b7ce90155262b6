/**
 * A world in one thread, made from a seed: processes of real actors over real rings, their disks, the network between
 * them, and a clock that moves when nothing is left to do. One seed is one history: the scheduler draws who runs next,
 * and whatever takes time takes a drawn time.
 *
 *     const simulation = new Simulation(seed);
 *     const process = simulation.addProcess(spec);
 *     await simulation.start(process);
 *     const client = simulation.connect('127.0.0.1', 9876);
 *     client.send(bytes);
 *     await simulation.runUntil('an answer', () => client.received.length > 0, 1000);
 *
 * A failure (a crash that nobody asked for, a broken invariant, a condition that does not come) is thrown with the seed,
 * the virtual time, what is parked where, and the newest events.
 */
import { setImmediate as followPromises } from 'node:timers/promises';
import { type Prng, prng } from '../../base/prng.js';
import type { ProcessSpec, World } from './incarnation.js';
import { SimNetwork } from './sim-network.js';
import { SimProcess } from './sim-process.js';
import type { SimThread } from './sim-thread.js';
import { TestClient } from './test-client.js';
import { Trace } from './trace.js';
import { VirtualTime, WORLD } from './virtual-time.js';

/** 2023-11-14; each simulation starts within a year of it. */
const EPOCH_MS = 1_700_000_000_000;
const YEAR_MS = 365 * 86_400_000;

const START_LIMIT_MS = 120_000;
const DIAL_LIMIT_MS = 3000;
const DUMPED_EVENTS = 60;
const KEPT_LOG_LINES = 100;
/** A turn takes up to this long, drawn per simulation: slow ones let timers and arrivals overtake the threads. */
const TURN_MS = [0.005, 0.05, 0.5] as const;
/** Speeds of threads are drawn anew this often. */
const WEIGHTS_MS = [5, 100, 1000] as const;
/** Odds that a thread is held up in a system call, drawn per simulation. */
const HOLD_UP_ODDS = [0, 0.02, 0.3] as const;
const HOLD_UP_DEPTH = 2;

export class SimulationError extends Error {
  override readonly name = 'SimulationError';
}

export class Simulation {
  readonly time: VirtualTime;
  readonly network: SimNetwork;
  readonly trace = new Trace();
  /** For the test: its draws do not shift the simulation's own. */
  readonly random: Prng;
  /** Steps taken: turns and events. */
  steps = 0;
  private readonly processes: SimProcess[] = [];
  private readonly invariants: { readonly name: string; readonly check: () => void }[] = [];
  private readonly logLines: string[] = [];
  private readonly scheduling: Prng;
  private readonly processSeeds: Prng;
  private readonly turnMs: number;
  private readonly weightsMs: number;
  private readonly holdUpOdds: number;
  private readonly world: World & { nextOwner(): number };
  private failure: Error | undefined;
  private hasSettled = false;
  private nextWeightsMs = 0;
  private owners = WORLD;
  private depth = 0;
  private nextClient = 1;

  constructor(readonly seed: number) {
    const random = prng(seed);
    this.random = random.fork();
    this.scheduling = random.fork();
    this.processSeeds = random.fork();
    this.turnMs = random.pick(TURN_MS);
    this.weightsMs = random.pick(WEIGHTS_MS);
    this.holdUpOdds = random.pick(HOLD_UP_ODDS);
    this.time = new VirtualTime(EPOCH_MS + random.below(YEAR_MS));
    this.network = new SimNetwork(this.time, random.fork(), this.trace);
    this.world = {
      time: this.time,
      network: this.network,
      trace: this.trace,
      fail: (error) => this.fail(error),
      settled: () => {
        this.hasSettled = true;
      },
      yieldNow: () => this.yieldNow(),
      say: (process, level, actor, text, fields) => this.say(process, level, actor, text, fields),
      nextOwner: () => ++this.owners,
    };
  }

  addProcess(spec: ProcessSpec): SimProcess {
    const process = new SimProcess(spec, this.world, this.processSeeds.fork());
    this.processes.push(process);
    return process;
  }

  /** Starts a process and runs until every unit of it serves. */
  async start(process: SimProcess): Promise<void> {
    process.begin();
    await this.runUntil(`${process.name} serves`, () => process.isUp, START_LIMIT_MS);
  }

  /** Stops a process in order and runs until it is over. */
  async stop(process: SimProcess, limitMs: number): Promise<void> {
    process.beginStop();
    await this.runUntil(`${process.name} is over`, () => process.isOver, limitMs);
  }

  /** Dials from a host of its own (`from`), so that faults can be aimed at it. */
  connect(host: string, port: number, from = `client-${this.nextClient++}`): TestClient {
    return new TestClient((events) => this.network.dial(undefined, from, host, port, DIAL_LIMIT_MS, events));
  }

  /** Looked at after every step; throws when it does not hold. */
  invariant(name: string, check: () => void): void {
    this.invariants.push({ name, check });
  }

  /** Calls `action` after `ms` of virtual time. */
  after(ms: number, action: () => void): void {
    this.time.after(ms, action);
  }

  /** For what stands in for a job thread: resolves after `ms` of virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.time.after(ms, () => {
        resolve();
        this.hasSettled = true;
      });
    });
  }

  /** Ends the simulation: the next step throws. */
  fail(error: Error): void {
    this.failure ??= error;
  }

  /** Runs until the condition holds; fails after `limitMs` of virtual time, or when nothing can happen any more. */
  async runUntil(what: string, condition: () => boolean, limitMs: number): Promise<void> {
    const deadlineMs = this.time.monotonic() + limitMs;
    await this.followUp();
    while (!this.attempt(condition)) {
      if (this.time.monotonic() > deadlineMs) this.give(new SimulationError(`${what}: not within ${limitMs} ms`));
      if (!this.attempt(() => this.step(deadlineMs))) {
        this.give(new SimulationError(`${what}: nothing can happen any more`));
      }
      if (this.hasSettled) await this.followUp();
    }
  }

  async runFor(ms: number): Promise<void> {
    const endMs = this.time.monotonic() + ms;
    // Something to jump to when nothing else happens.
    this.time.after(ms, () => undefined);
    await this.runUntil(`${ms} ms`, () => this.time.monotonic() >= endMs, ms + 1);
  }

  /** What is where, in clear. */
  dump(): string {
    const connections = this.network.connections();
    return [
      `SEED=${this.seed}, virtual time ${this.time.monotonic().toFixed(3)} ms, ${this.steps} steps, trace ${this.trace.hash}`,
      ...this.processes.flatMap((process) => process.describe()),
      `${connections.length} connections`,
      'log:',
      ...this.logLines,
      'newest events:',
      ...this.trace.recent(DUMPED_EVENTS),
    ].join('\n');
  }

  /** One event or one thread's step; false when there is nothing, not even later. */
  private step(deadlineMs: number): boolean {
    const nowMs = this.time.monotonic();
    const ready = this.readyThreads();
    const hasDue = this.time.hasDue();
    if (!hasDue && ready.length === 0) {
      const nextMs = this.nextMs();
      if (nextMs === undefined) return false;
      this.time.advanceTo(Math.min(nextMs, deadlineMs + 1));
      return true;
    }
    this.steps++;
    if (hasDue && (ready.length === 0 || this.scheduling.chance(0.5))) this.time.takeDue()!();
    else this.runOneOf(ready);
    if (nowMs >= this.nextWeightsMs) this.drawWeights();
    for (const { check } of this.invariants) check();
    return true;
  }

  private runOneOf(ready: readonly ReadyThread[]): void {
    let total = 0;
    for (const { thread } of ready) total += thread.weight;
    let drawn = this.scheduling.unit() * total;
    let chosen = ready[0]!;
    for (const candidate of ready) {
      chosen = candidate;
      drawn -= candidate.thread.weight;
      if (drawn < 0) break;
    }
    const { thread, process, index } = chosen;
    const { running } = process;
    thread.step();
    this.trace.note(this.time.monotonic(), 'turn', thread.name, this.depth);
    // A turn may end its own process only through an event, so the incarnation is still there.
    running!.traceRings(index);
    this.time.advanceTo(this.time.monotonic() + this.scheduling.unit() * this.turnMs);
  }

  /** In the middle of a thread's turn: others may take theirs meanwhile. */
  private yieldNow(): void {
    if (this.depth >= HOLD_UP_DEPTH || !this.scheduling.chance(this.holdUpOdds)) return;
    this.depth++;
    try {
      for (let turns = this.scheduling.below(4); turns > 0; turns--) {
        const ready = this.readyThreads();
        if (ready.length === 0) return;
        this.runOneOf(ready);
      }
    } finally {
      this.depth--;
    }
  }

  private readyThreads(): ReadyThread[] {
    const nowMs = this.time.monotonic();
    const ready: ReadyThread[] = [];
    for (const process of this.processes) {
      const threads = process.running?.threads ?? [];
      for (let index = 0; index < threads.length; index++) {
        const thread = threads[index]!;
        const readyMs = thread.readyMs();
        if (readyMs !== undefined && readyMs <= nowMs) ready.push({ thread, process, index });
      }
    }
    return ready;
  }

  /** When the next thing happens that does not happen now. */
  private nextMs(): number | undefined {
    let nextMs = this.time.nextDueMs();
    for (const process of this.processes) {
      for (const thread of process.running?.threads ?? []) {
        const readyMs = thread.readyMs();
        if (readyMs !== undefined && (nextMs === undefined || readyMs < nextMs)) nextMs = readyMs;
      }
    }
    return nextMs;
  }

  private drawWeights(): void {
    this.nextWeightsMs = this.time.monotonic() + this.scheduling.unit() * this.weightsMs;
    for (const process of this.processes) for (const thread of process.running?.threads ?? []) thread.drawWeight();
  }

  /** The supervisor speaks in promises: all of them are followed to their end before the next step. */
  private async followUp(): Promise<void> {
    do {
      this.hasSettled = false;
      await followPromises();
    } while (this.hasSettled);
    if (this.failure !== undefined) this.give(this.failure);
  }

  private attempt<T>(run: () => T): T {
    let result: T;
    try {
      result = run();
    } catch (error) {
      this.give(error as Error);
    }
    if (this.failure !== undefined) this.give(this.failure);
    return result;
  }

  private give(error: Error): never {
    if (!error.message.includes('SEED=')) {
      // The frames without the message: reporters print both. Some errors' properties are read-only.
      const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
      Object.defineProperty(error, 'message', { value: `${error.message}\n${this.dump()}` });
      Object.defineProperty(error, 'stack', { value: [error.name, ...frames].join('\n') });
    }
    throw error;
  }

  private say(process: string, level: string, actor: string, text: string, fields: unknown): void {
    const at = this.time.monotonic();
    this.trace.note(at, level, `${process}/${actor}`, text.length);
    this.logLines.push(`${at.toFixed(3).padStart(12)} ${level} ${process}/${actor} ${text} ${JSON.stringify(fields)}`);
    if (this.logLines.length > KEPT_LOG_LINES) this.logLines.shift();
  }
}

interface ReadyThread {
  readonly thread: SimThread;
  readonly process: SimProcess;
  readonly index: number;
}

export { InjectedCrash } from './incarnation.js';
export type { Boot, ProcessSpec } from './incarnation.js';
export { SimProcess } from './sim-process.js';
export { TestClient } from './test-client.js';
