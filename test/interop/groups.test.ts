/** Where groups begin, who gets what, and what is left of the order when a broker dies: the Java client 4.9.7. */
import * as assert from 'uvu/assert';
import { startTestCluster } from '../../src/index.js';
import { assertConsumedOnce, consume, produce, sorted } from './harness/facts.js';
import { clusterSuite, serverSuite } from './harness/interop-suite.js';
import { type Client, javaClient } from './harness/programs.js';
import { brokersOf, createTopic } from './harness/remoting.js';

const found = await javaClient();
const java = (): Client => (found as { client: Client }).client;
const suite = await clusterSuite('consumer groups', found.missing);

suite.test('begin at the first message of a young topic, whatever they ask for: so does Apache', async (cluster) => {
  const topic = 'groups-from';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'from', count: 20 });
  for (const from of ['FIRST_OFFSET', 'LAST_OFFSET', 'TIMESTAMP']) {
    const options = { topic, group: `groups-from-${from}`, from, since: Date.now(), count: 20 };
    assertConsumedOnce(sent, await consume(java(), cluster, options));
  }
});

suite.test(
  'of BROADCASTING members: each gets everything, and the broker keeps no offsets of them',
  async (cluster) => {
    const topic = 'groups-broadcast';
    await createTopic(cluster, topic);
    const group = 'groups-broadcast-group';
    const options = { namesrv: cluster.namesrv, topic, group, model: 'BROADCASTING', count: 30, quietMs: 1_000 };
    const members = [java().start('push', options), java().start('push', options)];
    await Promise.all(members.map((member) => member.ready()));
    const sent = await produce(java(), cluster, { topic, prefix: 'all', count: 30 });
    for (const report of await Promise.all(members.map((member) => member.report()))) {
      assert.equal(sorted(report.ids('received')), sorted(sent.ids('sent')));
    }
  },
);

suite.run();

const order = await serverSuite('orderly consumers', found.missing);

order.test('keep the order of each queue while their broker dies and comes back', async () => {
  const cluster = await startTestCluster();
  try {
    const namesrv = cluster.nameServers.join(';');
    const topic = 'orderly-restart';
    await createTopic({ namesrv, brokers: await brokersOf(cluster.nameServers[0]!) }, topic);
    const options = { namesrv, topic, group: `${topic}-group`, orderly: true, members: 2, stay: true, holdMs: 6_000 };
    const members = java().start('rebalance', options);
    await members.ready();
    await cluster.kill('broker-a');
    const { sent, lost, outOfOrder } = (await members.report()).done;
    assert.ok(Number(sent) > 200, `${sent} were sent`);
    assert.equal({ lost, outOfOrder }, { lost: '0', outOfOrder: '0' }, `of ${sent}`);
  } finally {
    await cluster.stop();
  }
});

order.run();
