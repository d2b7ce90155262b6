/**
 * Every cell of the table "What is promised when" (docs/operations.md), see promises.ts. The seeds in CI are always the
 * same. SEED=n replays one in each cell, RUNS=n runs n new ones in each; CELL=text: cells whose name contains it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { repositoryRoot } from '../support/repository.js';
import { FAULTS, type FaultName, MODES, runCell, tableRows } from './promises.js';

const CI_SEEDS = 1;
const { SEED, RUNS, CELL = '' } = process.env;
const first = SEED !== undefined ? Number(SEED) : RUNS === undefined ? 1 : Date.now() % 2 ** 31;
const count = Number(RUNS ?? (SEED === undefined ? CI_SEEDS : 1));

const promises = suite(`what is promised when, SEED=${first} to ${first + count - 1}`);

promises('docs/operations.md has this table', () => {
  const text = readFileSync(join(repositoryRoot(), 'docs', 'operations.md'), 'utf8');
  const head = `| | ${MODES.map((modes) => modes.join(', ')).join(' | ')} |`;
  for (const row of [head, ...tableRows()]) assert.ok(text.includes(row), row);
});

for (const [flush, replication] of MODES) {
  for (const name of Object.keys(FAULTS) as FaultName[]) {
    const cell = `${flush}, ${replication}: ${name}`;
    if (!cell.includes(CELL)) continue;
    promises(`${cell}: ${FAULTS[name].row}`, async () => {
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
promises.run();
