/** Our brokers under Apache's name server: `hangar broker -c FILE` joins an Apache cluster, beside brokers of Apache's. */
import * as assert from 'uvu/assert';
import { apacheServers, mqadmin, startApacheNamesrv } from '../support/apache.js';
import { Code, sendFields, withClient } from '../support/remoting-client.js';
import {
  assertAllAcknowledged,
  assertBrokersUsed,
  assertConsumedOnce,
  assertDenseFromZero,
  consume,
  produce,
} from './harness/facts.js';
import { serverSuite } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { type Client, javaClient } from './harness/programs.js';
import { brokersOf, createTopic } from './harness/remoting.js';
import type { BrokerServer } from './harness/servers.js';
import { underTest } from './harness/under-test.js';

const found = await javaClient();
const suite = await serverSuite("Apache's name server", found.missing);
const java = (): Client => (found as { client: Client }).client;

/** Closing the connection tells the name server at once; without that it waits 120 s. */
const NOTICED_MS = 5_000;
const CONFIRMED_MS = 30_000;
/** A consumer whose first heartbeat is lost on a busy machine sends the next one after 30 s. */
const CONSUMED_MS = 75_000;

suite.test('lists our broker, routes clients to it, and forgets it when it dies', async (use) => {
  const namesrv = await use(startApacheNamesrv());
  const ours = await use(underTest.startBroker({ name: 'broker-ours', namesrv: namesrv.address }));
  const cluster = { namesrv: namesrv.address, brokers: [ours.broker] };
  assert.equal(await brokersOf(namesrv.address), cluster.brokers);

  const topic = 'under-apache';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'ours', count: 100 });
  assertDenseFromZero(sent.of('sent'));
  assertConsumedOnce(sent, await consume(java(), cluster, { topic, group: 'under-apache-group', count: 100 }));

  const table = await mqadmin(namesrv.address, ['clusterList']);
  assert.match(table.stdout, new RegExp(`^rocketmq-cluster +broker-ours +0 +${ours.broker.address} +V4_9_7 `, 'm'));

  await ours.kill();
  await until("Apache's name server forgets the killed broker", NOTICED_MS, async () =>
    (await brokersOf(namesrv.address)).length === 0 ? true : undefined,
  );
});

suite.test('is told by a broker of ours that stops', async (use) => {
  const namesrv = await use(startApacheNamesrv());
  const ours = await use(underTest.startBroker({ name: 'broker-ours', namesrv: namesrv.address }));
  await ours.stop();
  assert.equal(await brokersOf(namesrv.address), []);
});

suite.test("a cluster of both makers: each has a master, and a slave of the other one's", async (use) => {
  const { address: namesrv } = await use(startApacheNamesrv());
  const pairs: BrokerServer[] = [];
  for (const [name, masters, slaves] of [
    ['broker-apache', apacheServers, underTest],
    ['broker-ours', underTest, apacheServers],
  ] as const) {
    const properties = { haSendHeartbeatInterval: '1000' };
    const master = await use(masters.startBroker({ name, role: 'SYNC_MASTER', namesrv, properties }));
    pairs.push(master, await use(slaves.startBroker({ name, id: 1, role: 'SLAVE', namesrv, properties })));
    await until('the master confirms messages', CONFIRMED_MS, async () =>
      (await withClient(master.broker.address, (client) => client.call(Code.SEND, sendFields(name, 0)))).code === 0
        ? true
        : undefined,
    );
  }
  const cluster = { namesrv, brokers: pairs.map(({ broker }) => broker) };
  assert.equal(await brokersOf(namesrv), cluster.brokers);
  const topic = 'of-both';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'both', count: 200 });
  assertAllAcknowledged(sent, 200);
  assertBrokersUsed(sent, cluster);
  assertConsumedOnce(
    sent,
    await consume(java(), cluster, { topic, group: 'of-both-group', count: 200, timeoutMs: CONSUMED_MS }),
  );
});

suite.run();
