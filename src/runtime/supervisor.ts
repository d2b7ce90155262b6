/**
 * Starts, watches, restarts and stops units. Knows threads only through ThreadPort, so that real worker threads and
 * the simulation are supervised by the same code.
 *
 * A unit that crashes is treated like a killed process: its listeners close with all their connections, its actors are
 * dropped on every thread without being closed, its epoch moves on, and it is started again through recovery. More
 * than MAX_RESTARTS in RESTART_WINDOW_MS: it stays down and says so. A restart that fails because the disk is full (or
 * read-only, or no descriptors are left) is no crash: the unit waits and tries again until there is room.
 */
import { invariant } from '../base/invariant.js';
import { DiskError } from '../base/disk.js';
import { isPassing } from '../base/disk-remedy.js';
import { isNotNow } from '../base/start-error.js';
import { MS_PER_MINUTE, MS_PER_SECOND } from '../base/units.js';
import type { ActorId } from './actor.js';
import type { Directory } from './directory.js';

export const MAX_RESTARTS = 5;
export const RESTART_WINDOW_MS = MS_PER_MINUTE;
/** A restart that failed for want of space or descriptors is tried again after this, then after twice that, and so on. */
const FIRST_WAIT_MS = MS_PER_SECOND;
const LONGEST_WAIT_MS = 8 * MS_PER_SECOND;

/** One thread, as its supervisor sees it. */
export interface ThreadPort {
  /** Starts an actor; rejects with what its start threw. */
  start(actor: ActorId, definition: string, options: unknown): Promise<void>;
  /** Orderly close; resolves when the actor is gone. */
  close(actor: ActorId): Promise<void>;
  /** Drops a unit's actors on that thread and sets its epoch. */
  kill(unit: number, epoch: number): Promise<void>;
  /** Sends a message without bytes to an actor of that thread. */
  tell(actor: ActorId, kind: string, message: Readonly<Record<string, unknown>>): Promise<void>;
}

export interface ActorPlan {
  readonly actor: ActorId;
  /** Name in the registry of definitions. */
  readonly definition: string;
  /** Asked for at every start: ports of others may only be known by then. */
  readonly options: () => Readonly<Record<string, unknown>>;
  /** The result of the unit's preparation is added to the options as `prepared`. */
  readonly takesPrepared: boolean;
}

export interface UnitPlan {
  readonly unit: number;
  /** Started in this order, closed in reverse. */
  readonly actors: readonly ActorPlan[];
  /** Heavy work before the start, off the actor threads (log scans at recovery); undefined: nothing to do. */
  readonly prepare: (() => Promise<unknown>) | undefined;
  /** The front binds listeners for it once its actors run. */
  readonly hasListeners: boolean;
  /** Units of a stage start side by side, after those of lower stages serve. */
  readonly stage: number;
}

export interface SupervisorServices {
  /** Milliseconds, monotonic. */
  now(): number;
  log(level: 'info' | 'warn' | 'error', text: string, fields: Readonly<Record<string, string | number>>): void;
  /** A unit serves (true) or does not: the health words. */
  setHealth(unit: number, serves: boolean): void;
  /** An actor of the runtime itself crashed: nothing can go on. */
  fatal(reason: string): void;
  /** A unit was restarted: the restart counter. */
  restarted(unit: number): void;
  /** Runs it once, that much later. */
  after(delayMs: number, run: () => void): void;
}

type Phase = 'down' | 'starting' | 'up' | 'restarting' | 'failed' | 'stopped';

class Unit {
  phase: Phase = 'down';
  epoch = 0;
  readonly ready = new Set<ActorId>();
  /** Monotonic times of the crashes within the window. */
  crashes: number[] = [];
  /** While it comes up. */
  settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  /** What went wrong while it came up. */
  failure: Error | undefined;
  /** The newest restart, over when the unit serves, stays down or Hangar stops; never rejects. */
  restarting: Promise<void> = Promise.resolve();
  constructor(readonly plan: UnitPlan) {}
}

export class Supervisor {
  private readonly units: readonly Unit[];
  private isStopping = false;
  /** Why the start does not go on. */
  private gaveUp: Error | undefined;
  /** Restarts that wait for a dead thread to come back. */
  private waitingForThread: (() => void)[] = [];
  /** Restarts that wait for the disk. */
  private waitingForDisk: (() => void)[] = [];
  /** How often a thread came back. */
  private comebacks = 0;

  constructor(
    private readonly directory: Directory,
    plans: readonly UnitPlan[],
    private readonly ports: readonly ThreadPort[],
    /** The actor that owns the listeners; its unit is of the lowest stage. */
    private readonly front: ActorId,
    private readonly services: SupervisorServices,
  ) {
    this.units = plans.map((plan) => new Unit(plan));
  }

  /** Starts all units, stage by stage. Resolves when every actor is ready; when one fails, nobody waits for the others. */
  async start(): Promise<void> {
    const failed = (error: Error): never => {
      this.giveUp(error);
      throw error;
    };
    for (const stage of this.stages()) {
      if (this.gaveUp !== undefined) throw this.gaveUp;
      const results = await Promise.allSettled(stage.map((unit) => this.bringUp(unit, 'starting').catch(failed)));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    }
  }

  /** Ends a start that is under way: it rejects with the reason as soon as no unit is half-way. */
  giveUp(reason: Error): void {
    this.gaveUp ??= reason;
    for (const { settle } of this.units) settle?.reject(reason);
  }

  /** An actor says that it serves. One of an earlier epoch may say so late. */
  ready(actor: ActorId, epoch: number): void {
    const unit = this.plannedUnit(actor);
    if (unit === undefined || epoch !== unit.epoch) return;
    unit.ready.add(actor);
    if (unit.ready.size === unit.plan.actors.length) unit.settle?.resolve();
  }

  /** An actor threw; its thread has dropped the unit's actors there already. */
  crashed(actor: ActorId, during: string, error: Error, epoch: number): void {
    const unit = this.plannedUnit(actor);
    const { name } = this.directory.actors[actor]!;
    if (unit === undefined) {
      this.services.fatal(`${name} crashed in ${during}: ${error.stack ?? error.message}`);
      return;
    }
    if (this.isStopping || unit.phase === 'failed' || epoch !== unit.epoch) return;
    if (actor === this.front) return this.frontCrashed(unit, during, error);
    if (unit.settle !== undefined) {
      unit.settle.reject(error);
      return;
    }
    this.services.log('error', `${name} crashed in ${during}: ${error.message}`, { stack: error.stack ?? '' });
    this.restart(unit, error);
  }

  /**
   * Every connection is gone with the front, and who was behind them cannot know. At the start that is its end (a port
   * in use); later every unit with listeners starts again after the front.
   */
  private frontCrashed(front: Unit, during: string, error: Error): void {
    const starting = this.units.filter(({ phase }) => phase === 'starting');
    for (const { settle } of starting) settle?.reject(error);
    if (starting.length > 0) {
      front.phase = 'down';
      return;
    }
    this.services.log('error', `front crashed in ${during}: ${error.message}`, { stack: error.stack ?? '' });
    this.restart(front, error);
    for (const unit of this.units) if (unit.plan.hasListeners) this.restart(unit, error);
  }

  /**
   * A thread died and runs again, empty. It is told the epochs, then every unit that had an actor there starts again;
   * with `all`, every unit: what the thread did for others (blocking disk work) is lost without a word.
   */
  async threadRestarted(thread: number, all: boolean): Promise<void> {
    await Promise.all(this.units.map(({ plan, epoch }) => this.ports[thread]!.kill(plan.unit, epoch)));
    const isHere = ({ actor }: ActorPlan): boolean => this.directory.actors[actor]!.thread === thread;
    const isFront = this.directory.actors[this.front]!.thread === thread;
    const hit = this.units.filter(
      ({ plan }) => all || (isFront && plan.hasListeners) || plan.actors.some((one) => isHere(one)),
    );
    this.comebacks++;
    const restarts = hit.map((unit) => this.restart(unit, new Error('its thread died')));
    for (const goOn of this.waitingForThread.splice(0)) goOn();
    await Promise.all(restarts);
  }

  /** Treats a unit as crashed: the `kill` fault, and threads that died. */
  kill(unitNumber: number, why: string): Promise<void> {
    const unit = this.unitNumbered(unitNumber);
    this.services.log('warn', `${this.nameOf(unit)} killed: ${why}`, {});
    return unit.phase === 'up' ? this.restart(unit, new Error(why)) : unit.restarting;
  }

  phaseOf(unitNumber: number): Phase {
    return this.unitNumbered(unitNumber).phase;
  }

  /**
   * Orderly stop: no new input, then the stages in reverse, each actor finishing what it promised. What cannot be closed
   * because its thread died is left to the next start's recovery.
   */
  async stop(): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    for (const unit of this.units) unit.settle?.reject(new Error('Hangar is stopping'));
    for (const goOn of [...this.waitingForThread.splice(0), ...this.waitingForDisk.splice(0)]) goOn();
    const warn = (what: string) => (error: Error) =>
      this.services.log('warn', `${what} was not closed in order: ${error.message}`, {});
    if (this.plannedUnit(this.front)?.phase === 'up') {
      await this.portOf(this.front).tell(this.front, 'drain', {}).catch(warn('front'));
    }
    for (const stage of this.stages().reverse()) {
      await Promise.all(stage.map((unit) => this.closeUnit(unit).catch(warn(this.nameOf(unit)))));
    }
  }

  private stages(): Unit[][] {
    const numbers = [...new Set(this.units.map(({ plan }) => plan.stage))].sort((a, b) => a - b);
    return numbers.map((number) => this.units.filter(({ plan }) => plan.stage === number));
  }

  private async bringUp(unit: Unit, phase: 'starting' | 'restarting'): Promise<void> {
    const { plan } = unit;
    unit.phase = phase;
    unit.ready.clear();
    unit.failure = undefined;
    const settled = new Promise<void>((resolve, reject) => {
      unit.settle = {
        resolve,
        reject: (error) => {
          unit.failure ??= error;
          reject(error);
        },
      };
    });
    // A crash may come before anybody awaits it.
    settled.catch(() => undefined);
    try {
      const prepared = await plan.prepare?.();
      if (unit.failure !== undefined) throw unit.failure;
      for (const { actor, definition, options, takesPrepared } of plan.actors) {
        const all = takesPrepared ? { ...options(), prepared } : options();
        await this.portOf(actor).start(actor, definition, all);
      }
      if (plan.hasListeners) await this.portOf(this.front).tell(this.front, 'openUnit', { unit: plan.unit });
      await settled;
      // Every actor had said that it serves, and one crashed while the others were still being told.
      if (unit.failure !== undefined) throw unit.failure;
    } finally {
      unit.settle = undefined;
    }
    unit.phase = 'up';
    this.services.setHealth(plan.unit, true);
  }

  /** Takes a unit down and brings it up again. What happens to it while that is under way only makes it try again. */
  private restart(unit: Unit, cause: Error): Promise<void> {
    if (unit.phase === 'restarting') unit.settle?.reject(cause);
    if (unit.phase === 'up') {
      unit.phase = 'restarting';
      this.services.setHealth(unit.plan.unit, false);
      unit.restarting = this.restartUntilItServes(unit);
    }
    return unit.restarting;
  }

  private async restartUntilItServes(unit: Unit): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    let said = '';
    while (unit.phase === 'restarting' && !this.isStopping) {
      if (!(await this.takeDown(unit)) || this.isStopping) continue;
      const now = this.services.now();
      unit.crashes = [...unit.crashes.filter((at) => now - at < RESTART_WINDOW_MS), now];
      if (unit.crashes.length > MAX_RESTARTS) {
        unit.phase = 'failed';
        const text = `${this.nameOf(unit)} crashed ${unit.crashes.length} times within ${RESTART_WINDOW_MS / 1000} s and stays down`;
        this.services.log('error', `${text}; its store is kept, restart Hangar after looking at the errors above`, {});
        return;
      }
      this.services.restarted(unit.plan.unit);
      // The front before those with listeners, name servers before brokers.
      const earlier = this.units.filter(({ plan }) => plan.stage < unit.plan.stage);
      await Promise.all(earlier.map(({ restarting }) => restarting));
      if (this.isStopping) return;
      try {
        await this.bringUp(unit, 'restarting');
        this.services.log('warn', `${this.nameOf(unit)} serves again after a restart`, {
          restarts: unit.crashes.length,
        });
      } catch (error) {
        if (this.isStopping) return;
        const text = `${this.nameOf(unit)} did not come back: ${(error as Error).message}`;
        if (!passes(error)) {
          this.services.log('error', text, {});
          continue;
        }
        unit.crashes.pop();
        if (text !== said) this.services.log('error', `${text}; it is tried again until that works`, {});
        said = text;
        await this.waitForDisk(waitMs);
        waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
      }
    }
  }

  /** Over early when Hangar stops. */
  private waitForDisk(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.waitingForDisk.push(resolve);
      this.services.after(delayMs, () => {
        this.waitingForDisk = this.waitingForDisk.filter((other) => other !== resolve);
        resolve();
      });
    });
  }

  /**
   * Closes the unit's listeners and drops what is left of it on every thread, under a new epoch. False when a thread
   * was dead, once it runs again.
   */
  private async takeDown(unit: Unit): Promise<boolean> {
    const { plan } = unit;
    if (plan.hasListeners) {
      // Also while the front is restarting: it may have opened the unit already. One that cannot be told is gone, and
      // its listeners with it.
      await this.portOf(this.front)
        .tell(this.front, 'closeUnit', { unit: plan.unit })
        .catch(() => undefined);
    }
    unit.epoch++;
    const { comebacks } = this;
    const results = await Promise.allSettled(this.ports.map((port) => port.kill(plan.unit, unit.epoch)));
    if (results.every(({ status }) => status === 'fulfilled')) return true;
    // It may be back already: other threads take their time to answer.
    if (!this.isStopping && this.comebacks === comebacks)
      await new Promise<void>((resolve) => this.waitingForThread.push(resolve));
    return false;
  }

  private async closeUnit(unit: Unit): Promise<void> {
    await unit.restarting;
    // A start that failed: what did start has written nothing that needs a recovery.
    if (unit.phase === 'up' || unit.phase === 'starting') {
      for (const { actor } of [...unit.plan.actors].reverse()) await this.portOf(actor).close(actor);
    } else {
      await this.takeDown(unit);
    }
    unit.phase = 'stopped';
    this.services.setHealth(unit.plan.unit, false);
  }

  private unitNumbered(number: number): Unit {
    const unit = this.units.find(({ plan }) => plan.unit === number);
    invariant(unit !== undefined, 'no such unit', number);
    return unit;
  }

  /** undefined: an actor of the runtime itself, which lives as long as its thread. */
  private plannedUnit(actor: ActorId): Unit | undefined {
    const index = this.directory.actors[actor]!.unit;
    return this.units.find((other) => other.plan.unit === index);
  }

  private portOf(actor: ActorId): ThreadPort {
    return this.ports[this.directory.actors[actor]!.thread]!;
  }

  private nameOf(unit: Unit): string {
    return this.directory.units[unit.plan.unit]!.name;
  }
}

/** Another try may work without anybody looking at the unit. */
function passes(error: unknown): boolean {
  return isNotNow(error) || (error instanceof DiskError && isPassing(error.code));
}
