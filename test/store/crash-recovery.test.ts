/**
 * A store on a disk that loses, tears and refuses, and dies at any call: see crash-campaign.ts for the strategy and the
 * invariants. The seeds in CI are always the same. SEED=n replays one, RUNS=n runs n new ones.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crashSeed, emptyReport } from './crash-campaign.js';

/** Among them are those that have found something: 4, 21, 185, 1078 (index), 1, 36 (a hole in properties), 350 (fdatasync). */
const CI_SEEDS = 1_500;

function seeds(): { readonly first: number; readonly count: number } {
  const { SEED, RUNS } = process.env;
  if (SEED !== undefined) return { first: Number(SEED), count: Number(RUNS ?? 1) };
  if (RUNS !== undefined) return { first: Date.now() % 2 ** 31, count: Number(RUNS) };
  return { first: 1, count: CI_SEEDS };
}

const crashes = suite('crash and recovery');
const { first, count } = seeds();
crashes(`${count} stores keep what was promised, from SEED=${first} on`, () => {
  const report = emptyReport();
  const failures: string[] = [];
  let failure: unknown;
  for (let seed = first; seed < first + count && failures.length < 20; seed++) {
    try {
      crashSeed(seed, report);
    } catch (error) {
      failure ??= error;
      failures.push(`SEED=${seed}: ${(error as Error).message.split('\n', 1)[0]}`);
    }
  }
  console.log(JSON.stringify(report));
  if (failure !== undefined) {
    console.error(failures.join('\n'));
    throw failure;
  }
  if (count < 1_000) return;
  for (const [what, times] of Object.entries(report)) assert.ok(times > count / 50, `${what}: ${times}`);
});
crashes.run();
