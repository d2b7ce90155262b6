/**
 * A short soak (test/soak/soak.ts is the long one): real clients, servers that are killed, stopped, frozen and crashed at
 * times drawn from a seed. Every group gets every acknowledged message, in order where that is promised. It is about Hangar,
 * whatever HANGAR_INTEROP says: half of the strikes are inside of its process.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findClients } from '../soak/found-clients.js';
import { CLIENT_KINDS } from '../soak/groups.js';
import { isGood, report } from '../soak/report.js';
import { soak } from '../soak/run.js';
import { seedOf } from '../support/seed.js';

const MINUTES = 0.6;
const EVERY_MS = 2_500;
const PAUSE_MS = 50;

const tests = suite('soak');

tests('every acknowledged message is consumed at least once per group, in order, whatever is killed', async () => {
  const seed = seedOf('soak');
  const { clients, missing } = await findClients(CLIENT_KINDS);
  for (const why of missing) console.log(`SKIPPED, because ${why}: soak: this client`);
  const directory = mkdtempSync(join(tmpdir(), 'hangar-soak-'));
  try {
    const result = await soak({
      seed,
      minutes: MINUTES,
      clients,
      everyMs: EVERY_MS,
      pauseMs: PAUSE_MS,
      directory,
      say: (line) => console.log(line),
      cut: new AbortController().signal,
    });
    console.log(report(result));
    assert.ok(result.judge.counts.acknowledged > 100, 'a soak with traffic');
    assert.ok(isGood(result), `SEED=${seed}: a promise was broken; see above`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

tests.run();
