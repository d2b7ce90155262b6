/** A machine with one process: the disk stays when the process is killed, and loses what was not synced with its power. */
import { invariant } from '../../base/invariant.js';
import type { Prng } from '../../base/prng.js';
import { actorIdOf } from '../directory.js';
import { Incarnation, InjectedCrash, type ProcessSpec, type World } from './incarnation.js';
import { MemoryDisk } from './memory-disk.js';

/** How long a sync takes, milliseconds; drawn for each. */
export interface SyncTimes {
  readonly fromMs: number;
  readonly toMs: number;
}

const USUAL_SYNC: SyncTimes = { fromMs: 0.2, toMs: 3 };

/** A read that waits for the device, milliseconds; drawn for each. */
const READ_MS = { fromMs: 0.05, toMs: 20 } as const;

/** idle: never started, or over. */
type Phase = 'idle' | 'starting' | 'up' | 'stopping';

export class SimProcess {
  readonly disk: MemoryDisk;
  private phase: Phase = 'idle';
  private run: Incarnation | undefined;
  private syncTimes = USUAL_SYNC;

  constructor(
    readonly spec: ProcessSpec,
    private readonly world: World & { nextOwner(): number },
    private readonly random: Prng,
  ) {
    // By seed, without a draw that would shift all others.
    const areSyncsQuick = world.time.now() % 2 === 1;
    this.disk = new MemoryDisk({
      clock: world.time,
      schedule: (delayMs, action) => world.time.after(delayMs, action),
      readDelayMs: () => READ_MS.fromMs + random.unit() * (READ_MS.toMs - READ_MS.fromMs),
      usualSyncMs: () => (areSyncsQuick ? 0.2 : 100),
      readMs: () => (world.time.now() % 3 < 1 ? 0 : 2),
      syncDelayMs: () => this.syncTimes.fromMs + random.unit() * (this.syncTimes.toMs - this.syncTimes.fromMs),
    });
  }

  get name(): string {
    return this.spec.name;
  }

  get isUp(): boolean {
    return this.phase === 'up';
  }

  get isOver(): boolean {
    return this.phase === 'idle';
  }

  /** The running process. */
  get current(): Incarnation {
    invariant(this.run !== undefined, 'process is not running', this.name);
    return this.run;
  }

  get running(): Incarnation | undefined {
    return this.run;
  }

  /** Starts the process; `isUp` when every unit serves. A start that fails ends the simulation. */
  begin(): void {
    invariant(this.run === undefined, 'process is running', this.name);
    const run = new Incarnation(this.spec, this.world, this.random.fork(), this.disk, this.world.nextOwner());
    this.run = run;
    this.phase = 'starting';
    this.note('started', 0);
    const started = (): void => {
      if (this.run === run) this.phase = 'up';
    };
    const failed = (error: Error): void => {
      if (this.run === run) this.world.fail(error);
    };
    run.supervisor.start().then(started, failed);
    this.world.settled();
  }

  /** Begins an orderly stop; `isOver` when everything is closed. */
  beginStop(): void {
    const run = this.current;
    this.phase = 'stopping';
    this.note('stopping', 0);
    const stopped = (): void => {
      if (this.run === run) this.end(false);
    };
    run.supervisor.stop().then(stopped, (error: Error) => this.world.fail(error));
    this.world.settled();
  }

  /** SIGKILL: memory and sockets are gone, what was written stays. */
  kill(): void {
    this.note('killed', 0);
    this.end(false);
    this.disk.processKill();
  }

  /**
   * The machine is off: what no sync covered is lost, kept or torn as the seed decides; peers hear nothing. With
   * `directories`, only those had no power of their own; what lies elsewhere keeps its page cache.
   */
  powerLoss(directories: readonly string[] = ['/']): void {
    this.note('power loss', directories.length);
    this.end(true);
    for (const directory of directories) this.disk.crash(this.random.fork(), directory);
  }

  /** The actor throws; its unit restarts. False when it is not running. */
  crash(actor: string, why = 'on request'): boolean {
    const id = actorIdOf(this.spec.directory, actor);
    const { core, isDead } = this.current.threadOf(id);
    if (isDead || !core.isRunning(id)) return false;
    this.note(`crash of ${actor}`, id);
    core.failed(id, new InjectedCrash(why));
    return true;
  }

  /** The thread stands still, in between two turns. */
  pause(thread: string, ms: number): void {
    this.note(`pause of ${thread}`, ms);
    this.current.thread(thread).pause(ms);
  }

  slowDisk(times: SyncTimes, forMs: number): void {
    this.note('slow disk', forMs);
    this.syncTimes = times;
    this.world.time.after(forMs, () => {
      if (this.syncTimes === times) this.syncTimes = USUAL_SYNC;
    });
  }

  /** State of a running actor, for checks; undefined when it is not running. */
  stateOf(actor: string): unknown {
    const id = actorIdOf(this.spec.directory, actor);
    return this.run?.threadOf(id).core.stateOf(id);
  }

  /** For dumps. */
  describe(): string[] {
    const lines = [`process ${this.name}: ${this.phase}, ${this.disk.openFiles()} open files`];
    if (this.run === undefined) return lines;
    for (const thread of this.run.threads) lines.push(`  ${thread.describe()}`);
    const { units } = this.spec.directory;
    const sick = units.filter((_, unit) => this.run!.health[unit] === 0).map(({ name }) => name);
    if (sick.length > 0) lines.push(`  not serving: ${sick.join(', ')}`);
    return lines;
  }

  private end(silently: boolean): void {
    this.current.end(silently);
    this.run = undefined;
    this.phase = 'idle';
  }

  private note(what: string, value: number): void {
    this.world.trace.note(this.world.time.monotonic(), what, this.name, value);
  }
}
