/** The main thread's side of the worker threads: starts them, carries control calls, hears their events. */
import { MessageChannel, Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import type { ActorId } from './actor.js';
import { Doorbells } from './doorbell.js';
import { nodeEndpoint } from './endpoint.js';
import type { IoActors } from './io.js';
import { type RamMount, whoOfThread } from './ram-disk/mounts.js';
import type { ThreadPort } from './supervisor.js';
import type { ThreadData, ThreadEvent } from './thread.js';
import type { Wiring } from './wiring.js';

export interface HostEvents {
  event(thread: number, event: ThreadEvent): void;
  /**
   * The thread is gone without having been asked to: out of memory, or a bug outside of any actor. `who` it was for
   * RAM disks.
   */
  died(thread: number, error: Error, who: number): void;
}

export interface ThreadPlan {
  readonly definitions: readonly string[];
  readonly disk: ActorId | undefined;
}

export interface HostPlan {
  readonly wiring: Wiring;
  readonly threads: readonly ThreadPlan[];
  readonly io: IoActors | undefined;
  /** Disks in memory that every thread with a disk actor sees. */
  readonly ramDisks: readonly RamMount[];
  /** Module that exports the definitions. */
  readonly registryUrl: string;
  readonly seed: number;
}

/**
 * Young generation of a blocking thread: semi-spaces of 4 MiB instead of 16, so that what a burst has made resident is
 * little. A broker's thread made about 540 bytes of garbage a message sent (8 scavenges in 59,000 sends), a scavenge takes
 * 0.6 to 0.8 ms: 1 % of a core at 100,000 sends a second, where larger semi-spaces take about a third of that.
 */
const YOUNG_GENERATION_MB = 12;

type Remote = Comlink.Remote<ThreadPort & { stop(): Promise<void> }>;

/** One incarnation of a thread. */
class RunningThread {
  readonly worker: Worker;
  readonly remote: Remote;
  /** Resolves when it has loaded its code, rejects when it dies before. */
  readonly up: Promise<void>;
  /** Rejects when the thread dies: control calls under way would otherwise wait for ever. */
  private readonly death: Promise<never>;

  constructor(
    thread: number,
    plan: HostPlan,
    bells: Doorbells,
    on: (event: ThreadEvent) => void,
    onDied: (error: Error, who: number) => void,
  ) {
    const { port1, port2 } = new MessageChannel();
    const { wiring, registryUrl, io, seed, threads } = plan;
    const { name, kind } = wiring.directory.threads[thread]!;
    const ramDisks = threads[thread]!.disk === undefined ? [] : plan.ramDisks;
    const data: ThreadData = { thread, wiring, registryUrl, io, seed, ramDisks, events: port2, ...threads[thread]! };
    this.worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: data,
      transferList: [port2],
      name,
      resourceLimits: kind === 'blocking' ? { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } : {},
    });
    this.remote = Comlink.wrap(nodeEndpoint(this.worker, () => bells.ringControl(thread)));
    const who = whoOfThread(this.worker.threadId);
    this.death = new Promise((_, reject) => {
      let cause: Error | undefined;
      this.worker.once('error', (error) => {
        cause = error as Error;
      });
      // Only now it runs no more.
      this.worker.once('exit', (code) => {
        const error = cause ?? new Error(`it ended with code ${code}`);
        reject(error);
        onDied(error, who);
      });
    });
    this.death.catch(() => undefined);
    const isUp = new Promise<void>((resolve) => {
      port1.on('message', (event: ThreadEvent) => (event.kind === 'up' ? resolve() : on(event)));
    });
    this.up = this.alive(isUp);
    this.up.catch(() => undefined);
  }

  alive<T>(call: Promise<T>): Promise<T> {
    return Promise.race([call, this.death]);
  }
}

export class ThreadHost {
  readonly ports: readonly ThreadPort[];
  private readonly bells: Doorbells;
  private readonly running: RunningThread[];
  private isStopping = false;

  constructor(
    private readonly plan: HostPlan,
    private readonly on: HostEvents,
  ) {
    this.bells = new Doorbells(plan.wiring.bells);
    this.running = plan.threads.map((_, thread) => this.spawn(thread));
    this.ports = plan.threads.map((_, thread) => this.portOf(thread));
  }

  /** Resolves when every thread has loaded its code. */
  async ready(): Promise<void> {
    await Promise.all(this.running.map(({ up }) => up));
  }

  /** Starts a thread that died anew, on the same shared memory and without actors. */
  async respawn(thread: number): Promise<void> {
    this.running[thread] = this.spawn(thread);
    await this.running[thread].up;
  }

  /** Ends a thread where it stands; `died` follows. */
  async kill(thread: number): Promise<void> {
    await this.running[thread]!.worker.terminate();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(
      this.running.map(async ({ worker, remote }) => {
        const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
        // Not awaited: the thread may be gone before its answer is on the way.
        void remote.stop();
        await exited;
      }),
    );
  }

  /** Ends every thread where it stands. */
  async terminate(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.running.map(({ worker }) => worker.terminate()));
  }

  private spawn(thread: number): RunningThread {
    return new RunningThread(
      thread,
      this.plan,
      this.bells,
      (event) => this.on.event(thread, event),
      (error, who) => {
        if (!this.isStopping) this.on.died(thread, error, who);
      },
    );
  }

  private portOf(thread: number): ThreadPort {
    const call = <T>(make: (remote: Remote) => Promise<T>): Promise<T> => {
      const current = this.running[thread]!;
      return current.alive(make(current.remote));
    };
    return {
      start: (actor, definition, options) => call((remote) => remote.start(actor, definition, options)),
      close: (actor) => call((remote) => remote.close(actor)),
      kill: (unit, epoch) => call((remote) => remote.kill(unit, epoch)),
      tell: (actor, kind, message) => call((remote) => remote.tell(actor, kind, message)),
    };
  }
}
