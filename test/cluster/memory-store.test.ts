/**
 * storeKind=memory: the whole cluster without a disk. What crashes within the process takes nothing with it, clusters
 * beside each other are strangers, and nothing is left behind.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Cluster, readPackagedTopology, StartError, startTestCluster } from '../../src/index.js';
import { until } from '../interop/harness/process.js';
import { withoutCompilersOnOtherThreads } from '../support/compilers.js';
import { embedded, MEMORY } from '../support/embedded.js';
import {
  configDirectory,
  masterValues,
  oneBroker,
  runHangar,
  slaveValues,
  START_MS,
  startHangar,
  stopBy,
  temporaryDirectory,
} from '../support/hangar-process.js';
import { Code, readQueue, sendFields, withClient } from '../support/remoting-client.js';
import { type Acknowledged, assertStored, Traffic } from '../support/traffic.js';

withoutCompilersOnOtherThreads();

const TOPIC = 'MemoryTest';
const QUEUES = 4;
const RECOVERY_MS = 20_000;

const pair = (): string =>
  configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, { brokerRole: 'SYNC_MASTER' }),
    'broker-a-s': slaveValues('broker-a', 11011),
  });

const sum = (all: readonly Traffic[]): Acknowledged[] => all.flatMap(({ acknowledged }) => acknowledged);

async function healthy(metrics: string): Promise<boolean> {
  try {
    return (await fetch(`${metrics}/healthz`)).status === 200;
  } catch {
    // The front is restarting as well.
    return false;
  }
}

const crashes = suite('memory store: crashes within the process');

crashes(
  'a broker that is killed in mid-traffic has everything that it acknowledged, and so has its slave',
  async () => {
    await embedded(
      pair(),
      async ({ cluster, log }) => {
        const address = cluster.addressOf('broker-a');
        const all: Traffic[] = [];
        for (let round = 0; round < 3; round++) {
          const traffic = await Traffic.start(address, { topic: TOPIC, queues: QUEUES });
          all.push(traffic);
          await traffic.more(500);
          await cluster.kill('broker-a');
          await traffic.broken();
        }
        await assertStored(address, TOPIC, QUEUES, sum(all));
        assert.ok(
          log.some((line) => line === 'info broker-a: store recovered after a crash'),
          'it came back through recovery',
        );
        await cluster.kill('broker-a-s');
        await assertStored(cluster.addressOf('broker-a-s'), TOPIC, QUEUES, sum(all));
      },
      {},
      MEMORY,
    );
  },
);

for (const thread of ['worker-0', 'front']) {
  crashes(`a thread that is ended in mid-traffic (${thread}): everything acknowledged is there`, async () => {
    await embedded(
      pair(),
      async ({ cluster, metrics }) => {
        const address = cluster.addressOf('broker-a');
        const traffic = await Traffic.start(address, { topic: TOPIC, queues: QUEUES });
        await traffic.more(1_000);
        await cluster.killThread(thread);
        await traffic.broken();
        await until('everything serves', RECOVERY_MS, async () => ((await healthy(metrics)) ? true : undefined));
        const after = await Traffic.start(address, { topic: TOPIC, queues: QUEUES });
        await after.more(100);
        await after.end();
        for (const role of ['broker-a', 'broker-a-s']) {
          await assertStored(cluster.addressOf(role), TOPIC, QUEUES, sum([traffic, after]));
        }
      },
      {},
      MEMORY,
    );
  });
}

crashes.run();

const bound = suite('memory store: its bound');

const MIB = 1024 * 1024;
const DELETE_TOPIC = 215;

/** Distinct answers to `count` sends of `bytes`, some in flight at a time. */
async function sendMany(cluster: Cluster, topic: string, queues: number, count: number, bytes: number) {
  const answers = new Map<string, number>();
  await withClient(cluster.addressOf('broker-a'), async (client) => {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) {
        const { code, remark } = await client.call(
          Code.SEND,
          sendFields(topic, next++ % queues),
          Buffer.alloc(bytes, 'x'),
        );
        const said = code === 0 ? 'SUCCESS' : remark;
        answers.set(said, (answers.get(said) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 16 }, lane));
  });
  return answers;
}

bound('the oldest messages make room for new ones, and nothing is refused', async () => {
  const cluster = await startTestCluster({ storeMaxBytes: 32 * MIB });
  try {
    const count = 2_000;
    assert.equal([...(await sendMany(cluster, TOPIC, 1, count, 64 * 1024))], [['SUCCESS', count]]);
    await withClient(cluster.addressOf('broker-a'), async (client) => {
      const at = async (code: number): Promise<number> =>
        Number((await client.call(code, { topic: TOPIC, queueId: 0 })).fields.offset);
      assert.is(await at(Code.MAX_OFFSET), count);
      const kept = count - (await at(Code.MIN_OFFSET));
      assert.ok(kept > 100 && kept <= 32 * 16, `${kept} messages of 64 KiB are kept in 32 MiB`);
    });
  } finally {
    await cluster.stop();
  }
});

bound(
  'what cannot be deleted is not exceeded: sends are refused with the remedy, until topics are deleted',
  async () => {
    const cluster = await startTestCluster({ storeMaxBytes: 16 * MIB });
    const topicOf = (n: number): string => `Wide${n}`;
    try {
      let refused: string | undefined;
      let topics = 0;
      // Each queue takes a page of its own.
      for (; refused === undefined && topics < 20; topics++) {
        await withClient(cluster.addressOf('broker-a'), async (client) => {
          const shape = { readQueueNums: 1024, writeQueueNums: 1024, perm: 6, topicFilterType: 'SINGLE_TAG' };
          const more = { defaultTopic: 'TBW102', topicSysFlag: 0, order: false };
          const created = await client.call(Code.CREATE_TOPIC, { topic: topicOf(topics), ...shape, ...more });
          assert.is(created.code, 0, created.remark);
        });
        const answers = await sendMany(cluster, topicOf(topics), 1024, 1024, 10);
        refused = [...answers.keys()].find((said) => said !== 'SUCCESS');
      }
      assert.match(refused ?? 'never refused', /storeMaxBytes/);
      await withClient(cluster.addressOf('broker-a'), async (client) => {
        for (let n = 0; n < topics; n++) {
          const deleted = await client.call(DELETE_TOPIC, { topic: topicOf(n) });
          assert.is(deleted.code, 0, deleted.remark);
        }
      });
      await until('sends are taken again', RECOVERY_MS, async () => {
        const answers = await sendMany(cluster, TOPIC, 1, 1, 10);
        return answers.has('SUCCESS') ? true : undefined;
      });
    } finally {
      await cluster.stop();
    }
  },
);

bound.run();

const isolation = suite('memory store: clusters beside each other');

async function bodies(cluster: Cluster): Promise<string[]> {
  return await withClient(cluster.addressOf('broker-a'), async (client) =>
    (await readQueue(client, TOPIC, 0)).map(({ body }) => body.toString()),
  );
}

isolation('several clusters in one process see nothing of each other, and end one by one', async () => {
  const before = readdirSync('.');
  const clusters = await Promise.all(Array.from({ length: 3 }, () => startTestCluster({ cores: 2 })));
  try {
    assert.is(new Set(clusters.flatMap(({ nameServers }) => nameServers)).size, 3);
    for (const [i, cluster] of clusters.entries()) {
      await withClient(cluster.addressOf('broker-a'), async (client) => {
        const answer = await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from(`of ${i}`));
        assert.is(answer.code, 0, answer.remark);
      });
    }
    for (const [i, cluster] of clusters.entries()) assert.equal(await bodies(cluster), [`of ${i}`]);
    await clusters[0]!.stop();
    assert.equal(await bodies(clusters[1]!), ['of 1']);
  } finally {
    for (const cluster of clusters) await cluster.stop();
  }
  assert.equal(readdirSync('.'), before);
});

isolation('a test cluster starts empty every time', async () => {
  for (let round = 0; round < 2; round++) {
    const cluster = await startTestCluster({ topology: { directory: oneBroker() }, storeMaxBytes: 64 * 1024 * 1024 });
    try {
      await withClient(cluster.addressOf('broker-a'), (client) =>
        client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from('x')),
      );
      assert.equal(await bodies(cluster), ['x']);
      assert.not.ok(
        cluster.table().some(({ thread }) => thread === 'io'),
        'nothing waits for a disk',
      );
      assert.match(cluster.table().find(({ actor }) => actor === 'broker-a')!.store, /^memory, 64 MiB$/);
    } finally {
      await cluster.stop();
    }
  }
});

isolation('a budget that cannot be had is refused with the remedy', async () => {
  const loaded = readPackagedTopology('single', { ephemeral: true, memory: true });
  assert.ok(loaded.ok);
  // More than the configuration allows, so that it is too much for every machine.
  const brokers = loaded.value.brokers.map((role) => ({
    ...role,
    settings: { ...role.settings, storeMaxBytes: 2 ** 50 },
  }));
  const problem = await Cluster.start({ topology: { ...loaded.value, brokers } }).then(
    async (cluster) => {
      await cluster.stop();
      return 'started';
    },
    (error: Error) => error,
  );
  assert.instance(problem, StartError);
  assert.match((problem as Error).message, /^broker-a: .* MiB of memory .* lower storeMaxBytes$/);
});

isolation.run();

const traces = suite('memory store: hangar up --memory');

const UPDATE_BROKER_CONFIG = 25;
const PUT_KV_CONFIG = 100;
const UPDATE_NAMESRV_CONFIG = 318;
const GET_BROKER_CONFIG = 26;

traces('writes nothing to any disk: no messages, no tables, no settings that tools change', async () => {
  const config = oneBroker();
  const files = (): string[] => readdirSync(config).map((name) => readFileSync(`${config}/${name}`, 'utf8'));
  const before = files();
  const directory = temporaryDirectory();
  const child = startHangar(
    ['up', '--config', config, '--ephemeral', '--memory', '--store-max-bytes', '512m'],
    directory,
  );
  try {
    const ready = await child.waitForOutput(/^hangar is ready: namesrv=(\S+)/m, START_MS);
    const port = /^broker-a +\S+ +(\d+)/m.exec(child.stdout)![1]!;
    assert.match(child.stdout, /^broker-a .* memory, 512 MiB$/m);
    await withClient(ready[1]!, async (client) => {
      const kv = { namespace: 'n', key: 'k', value: 'v' };
      assert.is((await client.call(PUT_KV_CONFIG, kv)).code, 0);
      const body = Buffer.from('orderMessageEnable=true');
      assert.is((await client.call(UPDATE_NAMESRV_CONFIG, {}, body)).code, 0);
    });
    await withClient(`127.0.0.1:${port}`, async (client) => {
      for (let n = 0; n < 100; n++) {
        const answer = await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.alloc(10_000, 'x'));
        assert.is(answer.code, 0, answer.remark);
      }
      assert.is((await client.call(UPDATE_BROKER_CONFIG, {}, Buffer.from('maxMessageSize=65536'))).code, 0);
      const shown = (await client.call(GET_BROKER_CONFIG, {})).body.toString();
      assert.match(shown, /^storeKind=memory$/m);
      assert.match(shown, /^storePathRootDir=\/in-memory\/store\/broker-a$/m);
      assert.match(shown, /^maxMessageSize=65536$/m);
    });
    const io = `/proc/${child.pid}/io`;
    if (existsSync(io)) assert.match(readFileSync(io, 'utf8'), /^write_bytes: 0$/m);
    else console.log(`SKIPPED, because there is no ${io}: bytes that were written to disks`);
    assert.is(await stopBy(child, 'SIGTERM'), 0);
  } finally {
    await child.kill();
  }
  assert.equal(readdirSync(directory), []);
  assert.equal(files(), before);
  assert.not.ok(existsSync('/in-memory'));
});

traces('a file may ask for it: storeKind=memory beside brokers with files', async () => {
  const store = temporaryDirectory();
  await embedded(
    configDirectory({
      'namesrv-a': { listenPort: 9876 },
      'broker-a': masterValues('broker-a', 10911, { storeKind: 'memory' }),
      'broker-b': masterValues('broker-b', 10921),
    }),
    async ({ cluster }) => {
      for (const role of ['broker-a', 'broker-b']) {
        await withClient(cluster.addressOf(role), async (client) => {
          assert.is((await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from('x'))).code, 0);
        });
      }
    },
    {},
    store,
  );
  assert.equal(readdirSync(store).sort(), ['broker-b', 'namesrv-a']);
});

traces('warns when the stores may grow beyond the memory of the machine', async () => {
  const size = String(totalmem());
  const child = startHangar(['up', '--topology', 'single', '--ephemeral', '--memory', '--store-max-bytes', size]);
  try {
    await child.waitForOutput(/^hangar is ready: /m, START_MS);
    assert.match(
      child.stderr,
      /^warning: the stores in memory may grow to [\d.]+ GiB, and there are [\d.]+ GiB: lower /m,
    );
    assert.is(await stopBy(child, 'SIGTERM'), 0);
  } finally {
    await child.kill();
  }
});

traces('refuses what cannot be: a place on disk as well, no limit', async () => {
  for (const [args, line] of [
    [['--memory', '--store', 'x'], /^hangar: command line: --memory and --store exclude each other$/m],
    [['--memory', '--store-max-bytes', '0'], /broker-a\.properties: storeMaxBytes=0 is no limit/],
  ] as const) {
    const { code, stderr } = await runHangar(['up', '--ephemeral', ...args], temporaryDirectory());
    assert.is.not(code, 0);
    assert.match(stderr, line);
  }
  const config = oneBroker({ storeKind: 'memory', storeMaxBytes: 0 });
  const { code, stderr } = await runHangar(['up', '--ephemeral', '--config', config]);
  assert.is(code, 1);
  assert.match(stderr, /broker-a\.properties:\d+: storeMaxBytes=0 is no limit, and storeKind=memory needs one/);
});

traces.run();
