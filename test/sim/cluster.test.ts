/** The real cluster in the seeded simulation; see run-cluster.ts. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withSeeds } from '../support/seed.js';
import { runCluster } from './run-cluster.js';

const RUNS = Number(process.env.RUNS ?? 5);

const cluster = suite('simulated cluster');

cluster('keeps its promises under faults', () =>
  withSeeds('cluster', RUNS, async (seed) => {
    const { faults, shape, answers, messages, virtualMs, steps } = await runCluster(seed);
    console.log(
      JSON.stringify({ seed, messages, virtualMs, steps, faults: faults.length, workers: shape.workers, answers }),
    );
  }),
);

cluster('replays: the same seed is the same history', async () => {
  const first = await runCluster(1);
  const second = await runCluster(1);
  assert.is(second.trace, first.trace);
});

cluster.run();
