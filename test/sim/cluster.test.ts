/** The real cluster in the seeded simulation; see run-cluster.ts. SEED=n replays one seed, RUNS=n runs more of them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB } from '../../src/base/units.js';
import { withSeeds } from '../support/seed.js';
import { runCluster } from './run-cluster.js';

const RUNS = Number(process.env.RUNS ?? 5);
/** Small, and with a fault of many kinds. */
const REPLAYED_SEED = 1;
/** Many messages and consumers that jump back. */
const COLD_SEED = 25;

const cluster = suite('simulated cluster');

cluster('keeps its promises under faults', () =>
  withSeeds('cluster', RUNS, async (seed) => {
    const { messages, answers } = await runCluster(seed);
    assert.ok(messages > 0 && (answers['send 0'] ?? 0) > 0, `seed ${seed} has sent nothing`);
  }),
);

cluster('keeps them for readers of messages that have left memory', async () => {
  const { coldReads } = await runCluster(COLD_SEED, { shape: { windowBytes: 128 * KIB } });
  assert.ok(coldReads > 100, `only ${coldReads} reads have waited for the disk`);
});

cluster('replays: the same seed is the same history', async () => {
  const first = await runCluster(REPLAYED_SEED);
  const second = await runCluster(REPLAYED_SEED);
  assert.is(second.trace, first.trace);
});

cluster('delivers delayed messages and retries at least once, not early, over crashes and kills', async () => {
  const { answers } = await runCluster(6, { delays: true, faults: ['brokerCrash', 'processKill', 'brokerCrash'] });
  assert.ok((answers['delayed once'] ?? 0) > 10, JSON.stringify(answers));
  assert.ok((answers['send back 0'] ?? 0) > 0, JSON.stringify(answers));
});

cluster.run();

const found = suite('simulated cluster: what seeds have found');

found('a pull at an offset that the client was told of is not moved by a queue host that lags', async () => {
  await runCluster(22, { shape: { workers: 12, ringSizes: [4 * KIB] }, faults: ['flood'], echoes: 8 });
});

found.run();
