/** Our brokers under Apache's name server: `hangar broker -c FILE` joins an Apache cluster. */
import * as assert from 'uvu/assert';
import { mqadmin, startApacheNamesrv } from '../support/apache.js';
import { javaTools } from '../support/apache-toolchain.js';
import { assertConsumedOnce, assertDenseFromZero, consume, produce } from './harness/facts.js';
import { serverSuite } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { type Client, javaClient } from './harness/programs.js';
import { brokersOf, createTopic } from './harness/remoting.js';
import type { Cluster } from './harness/servers.js';
import { underTest } from './harness/under-test.js';

const found = await javaClient();
const suite = await serverSuite("Apache's name server", found.missing ?? (await javaTools()).missing);
const java = (): Client => (found as { client: Client }).client;

/** Closing the connection tells the name server at once; without that it waits 120 s. */
const NOTICED_MS = 5_000;

suite.test('lists our broker, routes clients to it, and forgets it when it dies', async () => {
  const namesrv = await startApacheNamesrv();
  try {
    const server = await underTest.startBroker({ name: 'broker-ours', namesrv: namesrv.address });
    try {
      const clusterName = 'rocketmq-cluster';
      const brokers = [server.broker];
      const cluster: Cluster = {
        namesrv: namesrv.address,
        clusterName,
        brokers,
        pids: [],
        stop: async () => undefined,
      };
      const topic = 'under-apache';
      await createTopic(cluster, topic);
      const sent = await produce(java(), cluster, { topic, prefix: 'ours', count: 100 });
      assertDenseFromZero(sent.of('sent'));
      assertConsumedOnce(sent, await consume(java(), cluster, { topic, group: 'under-apache-group', count: 100 }));

      const table = await mqadmin(namesrv.address, ['clusterList']);
      assert.match(table.stdout, new RegExp(`${clusterName} +broker-ours +0 +${server.broker.address} +V4_9_7 `));
    } finally {
      await server.kill();
    }
    await until("Apache's name server forgets the killed broker", NOTICED_MS, async () =>
      (await brokersOf(namesrv.address)).length === 0 ? true : undefined,
    );
  } finally {
    await namesrv.stop();
  }
});

suite.test('is told by a broker of ours that stops', async () => {
  const namesrv = await startApacheNamesrv();
  try {
    const server = await underTest.startBroker({ name: 'broker-ours', namesrv: namesrv.address });
    await server.stop();
    assert.equal(await brokersOf(namesrv.address), []);
  } finally {
    await namesrv.stop();
  }
});

suite.run();
