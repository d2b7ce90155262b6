/**
 * Every cell of the table "What is promised when" (docs/operations.md), see promises.ts. The seeds in CI are always the
 * same. SEED=n replays one in each cell, RUNS=n runs n new ones in each; CELL=text: cells whose name contains it.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Flush, FAULTS, type FaultName, type Replication, runCell } from './promises.js';

const CI_SEEDS = 1;
const { SEED, RUNS, CELL = '' } = process.env;
const first = SEED !== undefined ? Number(SEED) : RUNS === undefined ? 1 : Date.now() % 2 ** 31;
const count = Number(RUNS ?? (SEED === undefined ? CI_SEEDS : 1));

const promises = suite(`what is promised when, SEED=${first} to ${first + count - 1}`);
for (const flush of ['ASYNC_FLUSH', 'SYNC_FLUSH'] as const satisfies readonly Flush[]) {
  for (const replication of ['ASYNC_MASTER', 'SYNC_MASTER'] as const satisfies readonly Replication[]) {
    for (const name of Object.keys(FAULTS) as FaultName[]) {
      const cell = `${flush}, ${replication}: ${name}`;
      if (!cell.includes(CELL)) continue;
      promises(`${cell}: ${FAULTS[name].column}`, async () => {
        let answered = 0;
        for (let seed = first; seed < first + count; seed++) {
          try {
            answered += (await runCell(seed, name, flush, replication)).answered;
          } catch (error) {
            console.log(`SEED=${seed} CELL='${cell}'`);
            throw error;
          }
        }
        assert.ok(answered > 0 || count < 5, 'something was answered SEND_OK');
      });
    }
  }
}
promises.run();
