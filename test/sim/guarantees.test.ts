/**
 * Delivery guarantees in the seeded simulation: clients that use transactions, filters, orderly consumption, retries and
 * requests, while actors crash, the process is killed and connections are cut; then peace, and everything that was promised
 * is looked for. SEED=n replays one seed, RUNS=n runs more of each, CELL=name only that guarantee.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withSeeds } from '../support/seed.js';
import { GUARANTEES, type GuaranteeName, runGuarantee } from './guarantees.js';

const { RUNS = 1, CELL = '' } = process.env;

const guarantees = suite('delivery guarantees under faults');

for (const name of Object.keys(GUARANTEES) as GuaranteeName[]) {
  if (!name.includes(CELL)) continue;
  guarantees(name, () =>
    withSeeds(name, Number(RUNS), async (seed) => {
      const { answers } = await runGuarantee(name, seed);
      assert.ok((answers[GUARANTEES[name].shows] ?? 0) > 0, JSON.stringify(answers));
    }),
  );
}

guarantees.run();
