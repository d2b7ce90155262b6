/** The main thread's side of the worker threads: starts them, carries control calls, hears their events. */
import { type MessagePort, MessageChannel, Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import type { ActorId } from './actor.js';
import { Doorbells } from './doorbell.js';
import { nodeEndpoint } from './endpoint.js';
import type { ThreadPort } from './supervisor.js';
import type { ThreadData, ThreadEvent } from './thread.js';
import type { Wiring } from './wiring.js';

export interface HostEvents {
  event(thread: number, event: ThreadEvent): void;
  /** The thread is gone without having been asked to. */
  died(thread: number, error: Error): void;
}

export interface ThreadPlan {
  readonly definitions: readonly string[];
  readonly disk: ActorId | undefined;
}

export class ThreadHost {
  readonly ports: readonly ThreadPort[];
  private readonly workers: readonly Worker[];
  private readonly stops: (() => Promise<void>)[] = [];
  private readonly up: Promise<void>[] = [];
  private isStopping = false;

  constructor(
    wiring: Wiring,
    plans: readonly ThreadPlan[],
    io: ActorId,
    registryUrl: string,
    seed: number,
    on: HostEvents,
  ) {
    const bells = new Doorbells(wiring.bells);
    const ports: ThreadPort[] = [];
    this.workers = plans.map((plan, thread) => {
      const { port1, port2 } = new MessageChannel();
      const data: ThreadData = { thread, wiring, registryUrl, io, seed, events: port2, ...plan };
      const worker = new Worker(new URL('./thread.js', import.meta.url), {
        workerData: data,
        transferList: [port2],
        name: wiring.directory.threads[thread]!.name,
      });
      this.up.push(upOf(worker, port1));
      port1.on('message', (event: ThreadEvent) => on.event(thread, event));
      worker.on('error', (error) => {
        if (!this.isStopping) on.died(thread, error as Error);
      });
      const remote = Comlink.wrap<ThreadPort & { stop(): Promise<void> }>(
        nodeEndpoint(worker, () => bells.ringControl(thread)),
      );
      ports.push({
        start: (actor, definition, options) => remote.start(actor, definition, options),
        close: (actor) => remote.close(actor),
        kill: (unit, epoch) => remote.kill(unit, epoch),
        tell: (actor, kind, message) => remote.tell(actor, kind, message),
      });
      this.stops.push(() => remote.stop());
      return worker;
    });
    this.ports = ports;
  }

  /** Resolves when every thread has loaded its code. */
  async ready(): Promise<void> {
    await Promise.all(this.up);
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(
      this.workers.map(async (worker, thread) => {
        const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
        // Not awaited: the thread may be gone before its answer is on the way.
        void this.stops[thread]!();
        await exited;
      }),
    );
  }

  /** Ends every thread where it stands. */
  async terminate(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}

function upOf(worker: Worker, port: MessagePort): Promise<void> {
  return new Promise((resolve, reject) => {
    const onMessage = (event: ThreadEvent): void => {
      if (event.kind !== 'up') return;
      port.off('message', onMessage);
      worker.off('error', reject);
      resolve();
    };
    port.on('message', onMessage);
    worker.once('error', reject);
  });
}
