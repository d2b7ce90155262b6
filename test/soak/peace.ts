/** The end of a soak: nothing is sent or struck any more, and every group gets the rest. */
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../interop/harness/process.js';
import { call } from '../interop/harness/remoting.js';
import { hangarCommand } from '../support/hangar.js';
import type { Group } from './groups.js';
import type { Judge } from './judge.js';
import { differenceOf } from './replicas.js';

const LOOK_MS = 500;
/** With nothing consumed for so long, what is lacking is lost: longer than any client waits before it looks again. */
const STANDSTILL_MS = 120_000;
const CHECK_MS = 120_000;

const GET_CONSUME_STATS = 208;
const OFFSETS = /"brokerOffset":(\d+),"consumerOffset":(-?\d+)/g;

/**
 * Until every group has everything and its offsets say so. Gives what stays wrong when nothing has happened for
 * STANDSTILL_MS; what is lacking then is the judge's to tell.
 */
export async function peace(
  masters: readonly { readonly address: string }[],
  groups: readonly Group[],
  judge: Judge,
  follow: () => void,
): Promise<string[]> {
  const clustering = groups.filter(({ kind }) => kind !== 'broadcast').map(({ name }) => name);
  let deliveries = -1;
  let changedAtMs = 0;
  for (;;) {
    follow();
    if (judge.deliveries !== deliveries) {
      deliveries = judge.deliveries;
      changedAtMs = performance.now();
    }
    const isStill = performance.now() - changedAtMs > STANDSTILL_MS;
    if (judge.lacking().count === 0) {
      const behind = await lags(masters, clustering).catch((error: Error) => [`nobody says: ${error.message}`]);
      if (behind.length === 0 || isStill) return behind;
    } else if (isStill) return [];
    await delay(LOOK_MS);
  }
}

/** Groups that are behind, and by how much, over all queues of these masters, retry topics included. */
async function lags(masters: readonly { readonly address: string }[], groups: readonly string[]): Promise<string[]> {
  const behind: string[] = [];
  for (const consumerGroup of groups) {
    let lag = 0;
    for (const { address } of masters) {
      const { code, remark, body } = await call(address, GET_CONSUME_STATS, { consumerGroup });
      if (code !== 0) throw new Error(`${address}: consume stats of ${consumerGroup}: ${code} ${remark}`);
      for (const [, end, reached] of body.toString().matchAll(OFFSETS))
        lag += Number(end) - Math.max(0, Number(reached));
    }
    if (lag !== 0) behind.push(`${consumerGroup} is ${lag} behind`);
  }
  return behind;
}

/** After an orderly stop: `hangar store check` on each, and whether slaves have what their masters have. */
export async function damagedStores(stores: ReadonlyMap<string, string>): Promise<string[]> {
  const damaged: string[] = [];
  for (const [role, store] of stores) {
    const { code, stdout, stderr } = await run(hangarCommand('store check', ['store', 'check', store]), CHECK_MS);
    if (code !== 0)
      damaged.push(`store check of ${role} ended with ${code}\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
  }
  for (const [role, store] of stores) {
    const slave = stores.get(`${role}-s`);
    const difference = slave === undefined ? undefined : differenceOf(store, slave);
    if (difference !== undefined) damaged.push(difference);
  }
  return damaged;
}
