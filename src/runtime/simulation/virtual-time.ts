/**
 * The simulation's time: a clock that moves only when the scheduler moves it, and what is to happen when. Events of the
 * same time happen in the order in which they were scheduled.
 */
import type { Clock } from '../../base/clock.js';
import { invariant } from '../../base/invariant.js';
import { Timers } from '../timers.js';

/** Owner of events that no death cancels: the network, the disks' devices, the test itself. */
export const WORLD = 0;

export class VirtualTime implements Clock {
  private readonly events = new Timers();
  private elapsedMs = 0;

  /** `wallMs`: what the wall clock shows at the start, milliseconds since the epoch. */
  constructor(private wallMs: number) {}

  now(): number {
    return Math.floor(this.wallMs + this.elapsedMs);
  }

  monotonic(): number {
    return this.elapsedMs;
  }

  /** The simulated host is in UTC. */
  localHour(): number {
    return new Date(this.now()).getUTCHours();
  }

  /** Somebody sets the host's clock; the monotonic one goes on. */
  stepWall(ms: number): void {
    this.wallMs += ms;
  }

  after(delayMs: number, action: () => void, owner = WORLD): void {
    this.events.set(this.elapsedMs + Math.max(0, delayMs), owner, action);
  }

  /** Forgets what was scheduled for somebody who is gone. */
  cancel(owner: number): void {
    invariant(owner !== WORLD, 'the world goes on');
    this.events.dropOwner(owner);
  }

  nextDueMs(): number | undefined {
    return this.events.nextDueMs();
  }

  /** The oldest event that is due, taken; or undefined. */
  takeDue(): (() => void) | undefined {
    return this.events.takeDue(this.elapsedMs, this.events.mark())?.fire;
  }

  hasDue(): boolean {
    const due = this.events.nextDueMs();
    return due !== undefined && due <= this.elapsedMs;
  }

  advanceTo(ms: number): void {
    this.elapsedMs = Math.max(this.elapsedMs, ms);
  }
}
