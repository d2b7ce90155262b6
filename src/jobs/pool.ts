/** Heavy one-off jobs off the actor threads, on a piscina pool that is started when the first one comes. */
import { MessageChannel, type TransferListItem as Transferable } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { NotNowError, StartError } from '../base/start-error.js';
import type { RecoverOptions, RecoveredStore } from '../store/recovery.js';
import type { JobMemory, ProgressMessage, RecoverJob, Unusable } from './jobs.js';

const IDLE_MS = 1_000;

export class JobPool {
  private pool: Piscina | undefined;
  private recoveries = 0;

  constructor(
    private readonly maxThreads: number,
    private readonly cores: number,
  ) {}

  /** Brings a store back to a consistent state and says what is in it. Throws StartError when it cannot be used. */
  async recoverStore(
    role: string,
    options: RecoverOptions,
    memory: JobMemory,
    onProgress: (bytesDone: number, bytesTotal: number) => void,
  ): Promise<RecoveredStore> {
    const { port1: own, port2: progress } = new MessageChannel();
    own.on('message', ({ bytesDone, bytesTotal }: ProgressMessage) => onProgress(bytesDone, bytesTotal));
    this.recoveries++;
    try {
      // Two threads for one store, as long as there are processors for them.
      const readsAhead = 2 * this.recoveries <= this.cores && memory.mounts.length === 0;
      const job: RecoverJob = { options, memory, progress, readsAhead };
      const found = (await this.run('recoverStore', job, [progress])) as RecoveredStore | Unusable;
      if ('unusable' in found) {
        const text = `${role}: ${found.unusable}`;
        throw found.isPassing ? new NotNowError(text) : new StartError(text);
      }
      return found;
    } finally {
      this.recoveries--;
      own.close();
    }
  }

  async close(): Promise<void> {
    await this.pool?.destroy();
  }

  private run(name: string, args: unknown, transferList: readonly Transferable[]): Promise<unknown> {
    this.pool ??= new Piscina({
      filename: new URL('./jobs.js', import.meta.url).href,
      minThreads: 0,
      maxThreads: this.maxThreads,
      idleTimeout: IDLE_MS,
    });
    return this.pool.run(args, { name, transferList: [...transferList] });
  }
}
