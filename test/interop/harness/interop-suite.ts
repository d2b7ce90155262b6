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

interface Stoppable {
  stop(): Promise<void>;
}

/** Notes a server that the test started, so that it is stopped after the test, whatever becomes of it. */
export type Use = <S extends Stoppable>(server: Promise<S>) => Promise<S>;

/** A suite whose tests start the servers that they need, for tests about single servers. */
export async function serverSuite(
  name: string,
  missing: string | undefined,
): Promise<{ test(name: string, body: (use: Use) => Promise<void>): void; run(): void }> {
  const why = missing ?? (await underTest.missing());
  const tests = suite(`${name}, ours being ${underTest.maker}`);
  return {
    test(title, body) {
      if (why !== undefined) skipped(name, title, why);
      else tests(title, () => withServers(body));
    },
    run: () => tests.run(),
  };
}

async function withServers(body: (use: Use) => Promise<void>): Promise<void> {
  const started: Stoppable[] = [];
  try {
    await body(async (starting) => {
      const server = await starting;
      started.push(server);
      return server;
    });
  } finally {
    // The last one first: brokers tell their name server that they go.
    for (const server of started.reverse()) await server.stop();
  }
}

function skipped(name: string, title: string, why: string): void {
  process.stdout.write(`SKIPPED, because ${why}: ${name}: ${title}\n`);
}
