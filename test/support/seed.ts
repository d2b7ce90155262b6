import { prng } from '../../src/base/prng.js';

/**
 * The seed of one random test: a new one in each run, printed so that the run can be repeated with the environment
 * variable SEED.
 */
export function seedOf(what: string): number {
  const given = process.env.SEED;
  const seed = given === undefined ? prng(Date.now()).below(2 ** 31) : Number(given);
  if (!Number.isSafeInteger(seed)) throw new Error(`SEED is not an integer: ${given}`);
  console.log(`SEED=${seed} (${what})`);
  return seed;
}
