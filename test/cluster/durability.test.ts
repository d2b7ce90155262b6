/**
 * What was acknowledged is there afterwards, exactly where the answer said, and without gaps: after a SIGKILL of the
 * process in mid-traffic, and after a crash of one broker beside others that go on.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../interop/harness/process.js';
import { embedded } from '../support/embedded.js';
import {
  type ConfigValues,
  configDirectory,
  get,
  masterValues,
  metric,
  oneBroker,
  slaveValues,
  stopBy,
  temporaryDirectory,
  up,
} from '../support/hangar-process.js';
import { Code, RemotingClient, sendFields, withClient } from '../support/remoting-client.js';
import { type Acknowledged, assertStored, Traffic } from '../support/traffic.js';

const TOPIC = 'DurabilityTest';
const QUEUES = 4;
/** Small files, so that a test fills several; room for a message of the largest size. */
const SMALL_FILES: ConfigValues = {
  mappedFileSizeCommitLog: 512 * 1024,
  mappedFileSizeConsumeQueue: 20_000,
  maxMessageSize: 65_536,
};

function twoPairs(role = 'SYNC_MASTER', more: ConfigValues = {}): string {
  return configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, { brokerRole: role, ...more }),
    'broker-a-s': slaveValues('broker-a', 11011, more),
    'broker-b': masterValues('broker-b', 10921, { brokerRole: role, ...more }),
    'broker-b-s': slaveValues('broker-b', 11021, more),
  });
}

const sum = (all: readonly Traffic[]): Acknowledged[] => all.flatMap(({ acknowledged }) => acknowledged);

const killed = suite('durability: SIGKILL of the process in mid-traffic');

for (const [name, config] of [
  ['one master with ASYNC_FLUSH, over several files', () => oneBroker(SMALL_FILES)],
  ['one master with SYNC_FLUSH', () => oneBroker({ flushDiskType: 'SYNC_FLUSH' })],
  ['two pairs with SYNC_MASTER', () => twoPairs()],
] as const) {
  killed(`${name}: three times in a row`, async () => {
    const args = ['--config', config(), '--ephemeral', '--store', temporaryDirectory()];
    const store = args.at(-1)!;
    const all: Traffic[] = [];
    for (let round = 0; round < 3; round++) {
      const { child, addresses } = await up(...args);
      try {
        const address = addresses.get('broker-a')!;
        if (round > 0) await assertStored(address, TOPIC, QUEUES, sum(all));
        const traffic = await Traffic.start(address, { topic: TOPIC, queues: QUEUES });
        all.push(traffic);
        await traffic.more(1_000);
        await child.kill();
        await traffic.broken();
        assert.equal([...traffic.codes.keys()], [0]);
        assert.ok(existsSync(join(store, 'broker-a', 'abort')), 'it looks like a crash');
      } finally {
        await child.kill();
      }
    }
    const { child, addresses } = await up(...args);
    try {
      for (const role of [...addresses.keys()].filter((one) => one.startsWith('broker-a'))) {
        // A slave is ready when it has everything that its master had.
        await assertStored(addresses.get(role)!, TOPIC, QUEUES, sum(all));
      }
      assert.is(await stopBy(child, 'SIGTERM'), 0);
      assert.not.ok(existsSync(join(store, 'broker-a', 'abort')));
    } finally {
      await child.kill();
    }
  });
}

killed.run();

const crashed = suite('durability: one broker crashes, its page cache stays');

crashed('everything that it acknowledged is there, and the other pair answered all the while', async () => {
  await embedded(twoPairs(), async ({ cluster }) => {
    const addressA = cluster.addressOf('broker-a');
    const other = await Traffic.start(cluster.addressOf('broker-b'), { topic: TOPIC, queues: QUEUES, connections: 1 });
    const all: Traffic[] = [];
    for (let round = 0; round < 3; round++) {
      const traffic = await Traffic.start(addressA, { topic: TOPIC, queues: QUEUES });
      all.push(traffic);
      await traffic.more(500);
      const before = other.acknowledged.length;
      await cluster.kill('broker-a');
      await traffic.broken();
      assert.is(cluster.addressOf('broker-a'), addressA, 'the same port as before');
      assert.ok(other.acknowledged.length > before, 'the other pair went on');
    }
    await assertStored(addressA, TOPIC, QUEUES, sum(all));
    for (const { codes } of all) {
      // 11: sent before the slave had come back to its restarted master.
      for (const code of codes.keys()) assert.ok([0, 11].includes(code), `answered ${code}`);
    }
    await other.end();
    assert.equal([...other.codes.keys()], [0], 'the other pair answered SUCCESS to everything');
    await assertStored(cluster.addressOf('broker-b'), TOPIC, QUEUES, other.acknowledged);
  });
});

crashed('more than five crashes within a minute: it stays down, /healthz says who, the others serve', async () => {
  await embedded(twoPairs('ASYNC_MASTER'), async ({ cluster, metrics, log }) => {
    assert.is((await get(metrics, '/healthz')).status, 200);
    for (let crash = 1; crash <= 5; crash++) {
      await cluster.kill('broker-a');
      await until('broker-a serves again', 10_000, async () =>
        (await get(metrics, '/healthz')).status === 200 ? true : undefined,
      );
    }
    await cluster.kill('broker-a');
    assert.equal(await get(metrics, '/healthz'), { status: 503, text: 'not serving: broker-a\n' });
    assert.ok(
      log.some((line) => /^error supervisor: broker-a crashed 6 times within 60 s and stays down; /.test(line)),
      'the log says so',
    );
    assert.is(await metric(metrics, 'hangar_actor_restarts_total', { unit: 'broker-a' }), 5);
    const refused = await RemotingClient.connect(cluster.addressOf('broker-a')).then(
      () => 'connected',
      (error: NodeJS.ErrnoException) => error.code,
    );
    assert.is(refused, 'ECONNREFUSED');
    await withClient(cluster.addressOf('broker-b'), async (client) => {
      assert.is((await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from('x'))).code, 0);
    });
    // Its slave still serves reads.
    await withClient(cluster.addressOf('broker-a-s'), async (client) => {
      assert.is((await client.call(Code.MAX_OFFSET, { topic: 'broker-a', queueId: 0 })).code, 0);
    });
  });
});

crashed.run();
