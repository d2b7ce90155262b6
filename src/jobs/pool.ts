/** Heavy one-off jobs off the actor threads, on a piscina pool that is started when the first one comes. */
import { Piscina } from 'piscina';
import type { RecoverOptions, RecoveredStore } from '../store/recovery.js';

const IDLE_MS = 1_000;

export class JobPool {
  private pool: Piscina | undefined;

  constructor(private readonly maxThreads: number) {}

  /** Brings a store back to a consistent state and says what is in it. */
  recoverStore(options: RecoverOptions): Promise<RecoveredStore> {
    return this.run('recoverStore', options) as Promise<RecoveredStore>;
  }

  async close(): Promise<void> {
    await this.pool?.destroy();
  }

  private run(name: string, args: unknown): Promise<unknown> {
    this.pool ??= new Piscina({
      filename: new URL('./jobs.js', import.meta.url).href,
      minThreads: 0,
      maxThreads: this.maxThreads,
      idleTimeout: IDLE_MS,
    });
    return this.pool.run(args, { name });
  }
}
