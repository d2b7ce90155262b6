/**
 * node dist/test/soak/soak.js [--minutes 10] [--seed N] [--clients java,go,ali-ons] [--every-ms 5000] [--pause-ms 40] [--keep DIR]
 *
 * A soak of Hangar with real clients (run.ts). Exit code 0: every promise held. SIGINT ends the strikes early; the second
 * one ends everything.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findClients } from './found-clients.js';
import { CLIENT_KINDS, type ClientKind } from './groups.js';
import { isGood, report } from './report.js';
import { soak } from './run.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    clients: { type: 'string', default: CLIENT_KINDS.join(',') },
    'every-ms': { type: 'string', default: '5000' },
    'pause-ms': { type: 'string', default: '40' },
    keep: { type: 'string' },
  },
});

const [minutes, seed, everyMs, pauseMs] = [values.minutes, values.seed, values['every-ms'], values['pause-ms']].map(
  Number,
);
const wanted = values.clients.split(',');
const unknown = wanted.filter((kind) => !(CLIENT_KINDS as readonly string[]).includes(kind));
if (unknown.length > 0) throw new Error(`--clients: there are ${CLIENT_KINDS}, not ${unknown}`);
if (!(minutes! > 0 && everyMs! > 0 && pauseMs! >= 0 && Number.isSafeInteger(seed)))
  throw new Error('a number is expected');

const { clients, missing } = await findClients(wanted as ClientKind[]);
for (const why of missing) console.log(`left out: ${why}`);

// The harness ends this process at SIGINT; a soak that has run for an hour is judged instead.
const cut = new AbortController();
process.removeAllListeners('SIGINT');
process.once('SIGINT', () => {
  cut.abort();
  process.once('SIGINT', () => process.exit(130));
});

if (values.keep !== undefined) mkdirSync(values.keep, { recursive: true });
const directory = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'hangar-soak-')) : resolve(values.keep);
console.log(`SEED=${seed}, ${minutes} min with ${[...clients.keys()].join(', ')}, in ${directory}`);
const result = await soak({
  seed: seed!,
  minutes: minutes!,
  clients,
  everyMs: everyMs!,
  pauseMs: pauseMs!,
  directory,
  say: (line) => console.log(line),
  cut: cut.signal,
});
console.log(`\n${report(result)}`);
// What is needed to find the cause stays.
if (isGood(result) && values.keep === undefined) rmSync(directory, { recursive: true, force: true });
else console.log(`stores, journal and logs: ${directory}`);
process.exit(isGood(result) ? 0 : 1);
