/** A whole thread dies: it starts again with every actor that it had, on the ports that it had. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Cluster, readPackagedTopology } from '../../src/index.js';

const RECOVERY_MS = 20_000;

const threads = suite('cluster: a thread dies');

async function health(cluster: Cluster): Promise<number> {
  try {
    return (await fetch(`http://127.0.0.1:${cluster.metricsPort}/healthz`)).status;
  } catch {
    // The front is the one that died: nobody listens.
    return 0;
  }
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + RECOVERY_MS;
  while (!(await condition())) {
    assert.ok(performance.now() < giveUpAt, `${what} within ${RECOVERY_MS} ms`);
  }
}

for (const thread of ['front', 'worker-0', 'io', 'reads']) {
  threads(`the cluster serves again after ${thread} has died, on the same ports`, async () => {
    const store = mkdtempSync(join(tmpdir(), 'hangar-threads-'));
    const loaded = readPackagedTopology('single', { ephemeral: true, store });
    assert.ok(loaded.ok);
    const fatal: string[] = [];
    const cluster = await Cluster.start({ topology: loaded.value, onFatal: (reason) => fatal.push(reason) });
    try {
      const before = [...cluster.nameServers, cluster.addressOf('broker-a'), cluster.metricsPort];
      await cluster.killThread(thread);
      await until('the death is noticed', async () => (await health(cluster)) !== 200);
      await until('everything serves', async () => (await health(cluster)) === 200);
      assert.equal([...cluster.nameServers, cluster.addressOf('broker-a'), cluster.metricsPort], before);
      assert.equal(fatal, []);
      await cluster.killThread(thread);
      await until('the second death is fatal', async () => fatal.length === 1);
      assert.match(fatal[0]!, /second death within a minute/);
    } finally {
      await cluster.abandon();
      rmSync(store, { recursive: true, force: true });
    }
  });
}

threads.run();
