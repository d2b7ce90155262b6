/**
 * A uvu suite around one cluster that is started by the first test and stopped after the last. On a machine without the
 * foreign parts, each test says aloud that it is skipped and why; the test runner counts these lines.
 */
import { suite } from 'uvu';
import type { Cluster, ClusterOptions } from './servers.js';
import { underTest } from './under-test.js';

export interface InteropSuite {
  test(name: string, body: (cluster: Cluster) => Promise<void>): void;
  run(): void;
}

export async function clusterSuite(
  name: string,
  missing: string | undefined,
  options: ClusterOptions = { topology: '2m-2s-sync' },
): Promise<InteropSuite> {
  const why = missing ?? (await underTest.missing());
  const tests = suite(`${name} against ${underTest.maker}`);
  // Started in the first test, not in `before`, where uvu would swallow a failure.
  let cluster: Promise<Cluster> | undefined;
  tests.after(async () => {
    const started = await cluster?.catch(() => undefined);
    await started?.stop();
  });
  return {
    test(title, body) {
      if (why !== undefined) skipped(name, title, why);
      else
        tests(title, async () => {
          cluster ??= underTest.startCluster(options);
          await body(await cluster);
        });
    },
    run: () => tests.run(),
  };
}

/** A suite whose tests start the servers that they need, for tests about single servers. */
export async function serverSuite(
  name: string,
  missing: string | undefined,
): Promise<{ test(name: string, body: () => Promise<void>): void; run(): void }> {
  const why = missing ?? (await underTest.missing());
  const tests = suite(`${name}, ours being ${underTest.maker}`);
  return {
    test: (title, body) => (why === undefined ? tests(title, body) : skipped(name, title, why)),
    run: () => tests.run(),
  };
}

function skipped(name: string, title: string, why: string): void {
  process.stdout.write(`SKIPPED, because ${why}: ${name}: ${title}\n`);
}
