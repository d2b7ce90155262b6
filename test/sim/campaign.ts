/**
 * Many seeds of the simulated cluster: `node dist/test/sim/campaign.js [count] [first seed] [guarantee]`. Prints a line for
 * each that fails and a summary; SEED=n with cluster.test.js, or guarantees.test.js, replays one. The exit code is 1 when
 * any failed.
 */
import { GUARANTEES, type GuaranteeName, runGuarantee } from './guarantees.js';
import { runCluster } from './run-cluster.js';

const count = Number(process.argv[2] ?? 100);
const first = Number(process.argv[3] ?? Math.floor(Date.now() / 1000) * 1000);
const guarantee = process.argv[4];
if (guarantee !== undefined && !(guarantee in GUARANTEES)) {
  throw new Error(`no such guarantee: ${guarantee}; there are ${Object.keys(GUARANTEES).join(', ')}`);
}
const failures = new Map<string, number[]>();
const answers = new Map<string, number>();
let faults = 0;
let steps = 0;

const startedMs = performance.now();
for (let seed = first; seed < first + count; seed++) {
  try {
    const report = await (guarantee === undefined ? runCluster(seed) : runGuarantee(guarantee as GuaranteeName, seed));
    faults += report.faults.length;
    steps += report.steps;
    for (const [answer, times] of Object.entries(report.answers))
      answers.set(answer, (answers.get(answer) ?? 0) + times);
  } catch (error) {
    const what = (error as Error).message.split('\n', 1)[0]!;
    console.log(`SEED=${seed}: ${what}`);
    const kind = what.replace(/\d+/g, 'n');
    failures.set(kind, [...(failures.get(kind) ?? []), seed]);
  }
}

const seconds = (performance.now() - startedMs) / 1000;
console.log(`${count} seeds from ${first} in ${seconds.toFixed(0)} s: ${steps} steps, ${faults} faults`);
console.log(
  [...answers]
    .sort()
    .map(([answer, times]) => `${answer}: ${times}`)
    .join(', '),
);
for (const [kind, seeds] of failures) console.log(`${seeds.length} x ${kind} (SEED=${seeds.slice(0, 5).join(', ')})`);
process.exitCode = failures.size > 0 ? 1 : 0;
