/**
 * One simulated thread: a ThreadCore and what a real thread does around it. It parks as threads do (doorbell.ts): after
 * a turn with nothing to do it arms its doorbell and looks once more; from then on it must be rung. What a publisher
 * does between the turn and the look happens here too, so that a lost wake-up shows up as a thread that sleeps on.
 */
import type { Prng } from '../../base/prng.js';
import type { ThreadCore } from '../thread-core.js';
import type { VirtualTime } from './virtual-time.js';

/** running: takes turns. idle: its last turn did nothing. parked: sleeps until it is rung or a timer is due. */
type ThreadState = 'running' | 'idle' | 'parked';

interface ControlCall {
  readonly run: () => void;
  readonly fail: (error: Error) => void;
}

/** How often a thread gets its turn compared to others: now and then one is much slower than the rest. */
const WEIGHTS = [1, 1, 1, 4, 0.05] as const;

export class SimThread {
  weight = 1;
  private state: ThreadState = 'running';
  private pausedUntilMs = 0;
  isDead = false;
  /** In the middle of a turn (threads may run while another one is held up in its turn). */
  isInTurn = false;
  private readonly arrivedCalls: ControlCall[] = [];
  private readonly openCalls = new Set<ControlCall>();
  private lastCallMs = 0;

  constructor(
    readonly name: string,
    readonly core: ThreadCore,
    private readonly time: VirtualTime,
    private readonly random: Prng,
    /** Whose death cancels calls on their way. */
    private readonly owner: number,
    /** Says that promises have moved. */
    private readonly settled: () => void,
  ) {}

  /** The doorbell. `bySelf`: a completion of its own, which on a real thread comes through its event loop or a ring. */
  rung(bySelf: boolean): void {
    if (bySelf || this.state === 'parked') this.state = 'running';
  }

  get isParked(): boolean {
    return this.state === 'parked';
  }

  pause(ms: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.time.monotonic() + ms);
  }

  drawWeight(): void {
    this.weight = this.random.pick(WEIGHTS);
  }

  /** When it can run next: now, later (a pause, a timer), or undefined: when it is rung. */
  readyMs(): number | undefined {
    if (this.isDead || this.isInTurn) return undefined;
    if (this.state !== 'parked' || this.arrivedCalls.length > 0) return this.pausedUntilMs;
    const timer = this.core.timers.nextDueMs();
    return timer === undefined ? undefined : Math.max(timer, this.pausedUntilMs);
  }

  /** What a thread does between two looks at the world. */
  step(): void {
    this.isInTurn = true;
    try {
      if (this.arrivedCalls.length > 0) this.runCalls();
      if (this.state === 'idle') {
        this.state = this.core.hasWork() ? 'running' : 'parked';
        return;
      }
      this.state = this.core.turn() ? 'running' : 'idle';
    } finally {
      this.isInTurn = false;
    }
  }

  /** A control call from the main thread: arrives later, in order, and runs between two turns. */
  call<T>(run: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.isDead) {
        reject(new Error(`thread ${this.name} is dead`));
        return;
      }
      const settle = (value: T): void => {
        this.openCalls.delete(call);
        resolve(value);
        this.settled();
      };
      const call: ControlCall = {
        run: () => {
          try {
            run(settle);
          } catch (error) {
            call.fail(error as Error);
          }
        },
        fail: (error) => {
          this.openCalls.delete(call);
          reject(error);
          this.settled();
        },
      };
      this.openCalls.add(call);
      const nowMs = this.time.monotonic();
      this.lastCallMs = Math.max(this.lastCallMs, nowMs + this.random.unit());
      this.time.after(this.lastCallMs - nowMs, () => this.arrivedCalls.push(call), this.owner);
    });
  }

  /** The thread ends where it stands; whoever waits for its answers hears of it. */
  die(): void {
    this.isDead = true;
    for (const call of [...this.openCalls]) call.fail(new Error(`thread ${this.name} died`));
  }

  /** For dumps. */
  describe(): string {
    const nowMs = this.time.monotonic();
    const timer = this.core.timers.nextDueMs();
    const parts: string[] = [this.isDead ? 'dead' : this.state];
    if (this.pausedUntilMs > nowMs) parts.push(`paused for ${(this.pausedUntilMs - nowMs).toFixed(1)} ms`);
    if (timer !== undefined) parts.push(`next timer in ${(timer - nowMs).toFixed(1)} ms`);
    if (this.openCalls.size > 0) parts.push(`${this.openCalls.size} control calls open`);
    return `${this.name}: ${parts.join(', ')}; ${this.core.describe()}`;
  }

  private runCalls(): void {
    for (const { run } of this.arrivedCalls.splice(0)) run();
    // As on a real thread: a control call is followed by a turn.
    this.state = 'running';
  }
}
