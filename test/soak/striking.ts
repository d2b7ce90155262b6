/** Carries a plan out: strikes what it names, mends it when the time has come, and says both. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Slot } from './clients.js';
import type { Strike } from './plan.js';
import type { Server } from './server.js';

export interface Struck {
  readonly servers: ReadonlyMap<string, Server>;
  readonly slots: ReadonlyMap<string, Slot>;
  readonly told: (event: 'struck' | 'mended', strike: Strike) => void;
  /** Until a server that was started says that it is ready. */
  readonly readyMs: number;
}

/** What roles and threads are a part of. */
const HOLDER = 'cluster';

/** Resolves when everything has been mended. `cut` ends it early: no more strikes, and everything is mended at once. */
export async function carryOut(plan: readonly Strike[], struck: Struck, cut: AbortSignal): Promise<void> {
  setMaxListeners(0, cut);
  const startMs = performance.now();
  const until = async (atMs: number): Promise<void> => {
    const ms = Math.max(0, startMs + atMs - performance.now());
    // Cut short is as good as over.
    await delay(ms, undefined, { signal: cut }).catch(() => undefined);
  };
  const mending: Promise<void>[] = [];
  /** A busy machine may take longer to mend than the plan allows for: then a strike is left out. */
  const away = new Set<string>();
  for (const strike of plan) {
    await until(strike.atMs);
    if (cut.aborted) break;
    const process = struck.slots.get(strike.target) ?? struck.servers.get(strike.target);
    const name = process === undefined ? HOLDER : strike.target;
    if (away.has(name)) continue;
    struck.told('struck', strike);
    if (process === undefined) {
      struck.servers.get(HOLDER)!.tell(`${strike.how} ${strike.target}`);
      continue;
    }
    away.add(name);
    mending.push(
      strikeAndMend(process, strike, until, struck).finally(() => {
        away.delete(name);
      }),
    );
  }
  await Promise.all(mending);
}

async function strikeAndMend(
  process: Slot | Server,
  strike: Strike,
  until: (atMs: number) => Promise<void>,
  struck: Struck,
): Promise<void> {
  const isVisit = strike.how === 'visit' || strike.how === 'visit-killed';
  if (isVisit) process.start();
  else if (strike.how === 'freeze') process.freeze();
  else if (strike.how === 'kill') await process.kill();
  else await process.stop();
  await until(strike.atMs + strike.forMs);
  if (strike.how === 'visit') await process.stop();
  else if (strike.how === 'visit-killed') await process.kill();
  else if (strike.how === 'freeze') process.thaw();
  else process.start();
  await struck.servers.get(strike.target)?.ready(struck.readyMs);
  struck.told('mended', strike);
}
