/** Masters and slaves in two simulated processes; see stream.ts. SEED=n replays one seed, RUNS=n runs more of them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withSeeds } from '../support/seed.js';
import { runStream } from './stream.js';

const RUNS = Number(process.env.RUNS ?? 4);
const REPLAYED_SEED = 2;

const stream = suite('simulated replication stream');

stream('keeps its promises under faults', async () => {
  let confirmed = 0;
  await withSeeds('stream', RUNS, async (seed) => {
    confirmed += (await runStream(seed)).answers['send 0'] ?? 0;
  });
  assert.ok(confirmed > 0, 'something was answered SEND_OK');
});

stream('replays: the same seed is the same history', async () => {
  const first = await runStream(REPLAYED_SEED);
  assert.is((await runStream(REPLAYED_SEED)).trace, first.trace);
});

stream.run();
