/** Apache's broker under our name server, alone and beside one of ours. */
import * as assert from 'uvu/assert';
import { mqadmin, startApacheBroker } from '../support/apache.js';
import { assertBrokersUsed, assertConsumedOnce, assertDenseFromZero, consume, produce } from './harness/facts.js';
import { serverSuite } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { type Client, javaClient } from './harness/programs.js';
import { brokersOf, createTopic } from './harness/remoting.js';
import { underTest } from './harness/under-test.js';

const found = await javaClient();
const suite = await serverSuite("Apache's broker under our name server", found.missing);
const java = (): Client => (found as { client: Client }).client;

const NOTICED_MS = 5_000;

suite.test('serves beside a broker of ours, and is forgotten when it dies', async (use) => {
  const namesrv = await use(underTest.startNamesrv());
  const ours = await use(underTest.startBroker({ name: 'broker-ours', namesrv: namesrv.address }));
  const apache = await use(startApacheBroker({ name: 'broker-apache', namesrv: namesrv.address }));
  const cluster = { namesrv: namesrv.address, brokers: [apache.broker, ours.broker] };
  assert.equal(await brokersOf(namesrv.address), cluster.brokers);

  const topic = 'mixed';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'mixed', count: 200 });
  assertBrokersUsed(sent, cluster);
  assertDenseFromZero(sent.of('sent'));
  assertConsumedOnce(sent, await consume(java(), cluster, { topic, group: 'mixed-group', count: 200 }));

  const table = await mqadmin(namesrv.address, ['clusterList']);
  for (const { name, address } of cluster.brokers) {
    assert.match(table.stdout, new RegExp(`^rocketmq-cluster +${name} +0 +${address} +V4_9_7 `, 'm'));
  }

  await apache.kill();
  await until('our name server forgets the killed Apache broker', NOTICED_MS, async () =>
    (await brokersOf(namesrv.address)).length === 1 ? true : undefined,
  );
  const alone = await produce(java(), cluster, { topic, prefix: 'alone', count: 50 });
  assert.equal([...new Set(alone.of('sent').map((line) => line.broker))], ['broker-ours']);
});

suite.test('creates a topic by the first send of a client', async (use) => {
  const namesrv = await use(underTest.startNamesrv());
  const apache = await use(startApacheBroker({ name: 'broker-apache', namesrv: namesrv.address }));
  const cluster = { namesrv: namesrv.address, brokers: [apache.broker] };
  const sent = await produce(java(), cluster, { topic: 'created', prefix: 'created', count: 20 });
  assertConsumedOnce(sent, await consume(java(), cluster, { topic: 'created', group: 'created-group', count: 20 }));
});

suite.run();
