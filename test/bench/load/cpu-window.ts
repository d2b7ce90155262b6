/** CPU time that processes of this machine use while a run is measured. The main thread looks, which has nothing else to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds } from '../../support/apache-proc.js';
import { nowMs } from './clock.js';
import type { Schedule } from './schedule.js';

/** Resolves at the end of the measured time with the seconds that all processes together used in it. */
export async function cpuInWindow(pids: readonly number[], { fromMs, endMs }: Schedule): Promise<number> {
  await sleep(fromMs - nowMs());
  const before = cpuSeconds(pids);
  await sleep(endMs - nowMs());
  return cpuSeconds(pids) - before;
}
