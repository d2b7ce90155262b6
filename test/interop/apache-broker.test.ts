/** Apache's broker under our name server, alone and beside one of ours. */
import * as assert from 'uvu/assert';
import { mqadmin, startApacheBroker } from '../support/apache.js';
import { javaTools } from '../support/apache-toolchain.js';
import { assertBrokersUsed, assertConsumedOnce, assertDenseFromZero, consume, produce } from './harness/facts.js';
import { serverSuite } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { type Client, javaClient } from './harness/programs.js';
import { brokersOf, createTopic } from './harness/remoting.js';
import type { Cluster } from './harness/servers.js';
import { underTest } from './harness/under-test.js';

const found = await javaClient();
const suite = await serverSuite("Apache's broker under our name server", found.missing ?? (await javaTools()).missing);
const java = (): Client => (found as { client: Client }).client;

const NOTICED_MS = 5_000;

suite.test('serves beside a broker of ours, and is forgotten when it dies', async () => {
  const namesrv = await underTest.startNamesrv();
  const ours = await underTest.startBroker({ name: 'broker-ours', namesrv: namesrv.address });
  const apache = await startApacheBroker({ name: 'broker-apache', namesrv: namesrv.address });
  try {
    const clusterName = 'rocketmq-cluster';
    const brokers = [apache.broker, ours.broker];
    const cluster: Cluster = { namesrv: namesrv.address, clusterName, brokers, pids: [], stop: async () => undefined };
    assert.equal(await brokersOf(namesrv.address), brokers);

    const topic = 'mixed';
    await createTopic(cluster, topic);
    const sent = await produce(java(), cluster, { topic, prefix: 'mixed', count: 200 });
    assertBrokersUsed(sent, cluster);
    assertDenseFromZero(sent.of('sent'));
    assertConsumedOnce(sent, await consume(java(), cluster, { topic, group: 'mixed-group', count: 200 }));

    const table = await mqadmin(namesrv.address, ['clusterList']);
    for (const { name, address } of brokers) {
      assert.match(table.stdout, new RegExp(`${clusterName} +${name} +0 +${address} +V4_9_7 `));
    }

    await apache.kill();
    await until('our name server forgets the killed Apache broker', NOTICED_MS, async () =>
      (await brokersOf(namesrv.address)).length === 1 ? true : undefined,
    );
    const alone = await produce(java(), cluster, { topic, prefix: 'alone', count: 50 });
    assert.equal([...new Set(alone.of('sent').map((line) => line.broker))], ['broker-ours']);
  } finally {
    await Promise.all([apache.stop(), ours.stop()]);
    await namesrv.stop();
  }
});

suite.test('creates a topic by the first send of a client', async () => {
  const namesrv = await underTest.startNamesrv();
  const apache = await startApacheBroker({ name: 'broker-apache', namesrv: namesrv.address });
  try {
    const clusterName = 'rocketmq-cluster';
    const brokers = [apache.broker];
    const cluster: Cluster = { namesrv: namesrv.address, clusterName, brokers, pids: [], stop: async () => undefined };
    const sent = await produce(java(), cluster, { topic: 'created', prefix: 'created', count: 20 });
    assertConsumedOnce(sent, await consume(java(), cluster, { topic: 'created', group: 'created-group', count: 20 }));
  } finally {
    await apache.stop();
    await namesrv.stop();
  }
});

suite.run();
