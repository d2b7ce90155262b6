import { prng } from '../../src/base/prng.js';

/**
 * The seed of one random test: a new one in each run, printed so that the run can be repeated with the environment
 * variable SEED.
 */
export function seedOf(what: string): number {
  const seed = givenSeed() ?? newSeed();
  console.log(`SEED=${seed} (${what})`);
  return seed;
}

/** Runs a random test with several seeds, one after the other; with SEED=n in the environment only with that one. */
export async function withSeeds(what: string, count: number, run: (seed: number) => Promise<void>): Promise<void> {
  const given = givenSeed();
  const first = given ?? newSeed();
  const last = given ?? first + count - 1;
  console.log(first === last ? `SEED=${first} (${what})` : `SEED=${first} to ${last} (${what})`);
  for (let seed = first; seed <= last; seed++) {
    try {
      await run(seed);
    } catch (error) {
      console.log(`SEED=${seed} fails (${what})`);
      throw error;
    }
  }
}

function newSeed(): number {
  return prng(Date.now()).below(2 ** 31);
}

function givenSeed(): number | undefined {
  const given = process.env.SEED;
  if (given === undefined) return undefined;
  const seed = Number(given);
  if (!Number.isSafeInteger(seed)) throw new Error(`SEED is not an integer: ${given}`);
  return seed;
}
