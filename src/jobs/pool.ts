/** Heavy one-off jobs off the actor threads, on a piscina pool that is started when the first one comes. */
import { Piscina } from 'piscina';
import { StartError } from '../base/start-error.js';
import type { RecoverOptions, RecoveredStore } from '../store/recovery.js';
import type { Unusable } from './jobs.js';

const IDLE_MS = 1_000;

export class JobPool {
  private pool: Piscina | undefined;

  constructor(private readonly maxThreads: number) {}

  /** Brings a store back to a consistent state and says what is in it. Throws StartError when it cannot be used. */
  async recoverStore(role: string, options: RecoverOptions): Promise<RecoveredStore> {
    const found = (await this.run('recoverStore', options)) as RecoveredStore | Unusable;
    if ('unusable' in found) throw new StartError(`${role}: ${found.unusable}`);
    return found;
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
