/** Apache's Java client 4.9.7. */
import * as assert from 'uvu/assert';
import { clientFacts, sendingFacts } from './harness/client-facts.js';
import {
  assertBrokersUsed,
  assertConsumedOnce,
  assertDenseFromZero,
  assertQueueOrder,
  consume,
  produce,
  sorted,
} from './harness/facts.js';
import { clusterSuite } from './harness/interop-suite.js';
import { type Client, javaClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';

const found = await javaClient();
const suite = await clusterSuite('Java client', found.missing);
const java = (): Client => (found as { client: Client }).client;

clientFacts(suite, java, 'java');
sendingFacts(suite, java, java, 'java', ['async', 'oneway', 'batch', 'select']);

suite.test('creates a topic by its first send, on every broker that it sends to', async (cluster) => {
  const topic = 'java-created';
  const sent = await produce(java(), cluster, { topic, prefix: 'created', count: 40, queues: 4 });
  assertBrokersUsed(sent, cluster);
  assertDenseFromZero(sent.of('sent'));
  assertConsumedOnce(sent, await consume(java(), cluster, { topic, group: 'java-created-group', count: 40 }));
});

suite.test('produces and consumes through the VIP ports', async (cluster) => {
  const topic = 'java-vip';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'vip', count: 40, vip: true });
  const received = await consume(java(), cluster, { topic, group: 'java-vip-group', count: 40, vip: true });
  assertConsumedOnce(sent, received);
});

suite.test('pulls every queue in order to its end, and stores the offsets that it reached', async (cluster) => {
  const topic = 'java-pull';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'pull', count: 500, mode: 'batch' });
  const pulled = await java().run('pull', { namesrv: cluster.namesrv, topic, group: 'java-pull-group', commit: true });
  assertConsumedOnce(sent, pulled);
  assertQueueOrder(pulled.of('received'));
  const ends = new Map(pulled.of('queue').map((line) => [`${line.broker} ${line.queue}`, line]));
  assert.is(ends.size, 8);
  for (const end of ends.values()) {
    assert.equal([end.status, end.min, end.at, end.next], ['NO_NEW_MSG', '0', end.max, end.max]);
  }
  for (const committed of pulled.of('committed')) {
    assert.is(committed.offset, ends.get(`${committed.broker} ${committed.queue}`)!.max);
  }
});

suite.test('consumes with the lite pull consumer', async (cluster) => {
  const topic = 'java-lite';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'lite', count: 100 });
  const options = { namesrv: cluster.namesrv, topic, group: 'java-lite-group', count: 100 };
  assertConsumedOnce(sent, await java().run('lite', options));
});

suite.test('finds minimum, maximum and the message nearest to a time', async (cluster) => {
  const topic = 'java-offsets';
  await createTopic(cluster, topic);
  await produce(java(), cluster, { topic, prefix: 'timed', count: 64, pauseMs: 10 });
  const pulled = await java().run('pull', { namesrv: cluster.namesrv, topic, group: 'java-offsets-group' });
  const storedMs = pulled.of('received').map((line) => Number(line.stored));
  const middle = Math.round((Math.min(...storedMs) + Math.max(...storedMs)) / 2);
  for (const time of [middle, Math.max(...storedMs) + 60_000]) {
    const offsets = (await java().run('offsets', { namesrv: cluster.namesrv, topic, time })).of('offset');
    assert.is(offsets.length, 8);
    for (const { broker, queue, min, max, found } of offsets) {
      assert.equal([min, max], ['0', '8']);
      const inQueue = pulled.of('received').filter((line) => line.broker === broker && line.queue === queue);
      const distances = inQueue.map((line) => Math.abs(Number(line.stored) - time));
      assert.is(distances[Number(found)], Math.min(...distances), `offset ${found} for ${time} in ${broker} ${queue}`);
    }
  }
});

suite.test('gets an uncompressible body of 3 MiB whole', async (cluster) => {
  const topic = 'java-huge';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'huge', count: 3, size: 3 * 1024 * 1024 });
  assertConsumedOnce(sent, await consume(java(), cluster, { topic, group: 'java-huge-group', count: 3 }));
});

suite.test('shares the queues between two consumers of a group', async (cluster) => {
  const topic = 'java-share';
  await createTopic(cluster, topic);
  // Each ends when it has had something and then nothing for a while.
  const options = { namesrv: cluster.namesrv, topic, group: 'java-share-group', count: 1, quietMs: 2_500 };
  const consumers = [java().start('push', options), java().start('push', options)];
  await Promise.all(consumers.map((consumer) => consumer.ready()));
  const sent = await produce(java(), cluster, { topic, prefix: 'share', count: 200, pauseMs: 15 });
  const reports = await Promise.all(consumers.map((consumer) => consumer.report()));
  const [one, two] = reports.map((report) => report.ids('received'));
  assert.ok(one!.length > 0 && two!.length > 0, `one got ${one!.length}, the other ${two!.length}`);
  assert.equal(sorted(new Set([...one!, ...two!])), sorted(sent.ids('sent')));
});

suite.test('gets the replies that consumers send to its requests', async (cluster) => {
  const topic = 'java-requests';
  await createTopic(cluster, topic);
  const report = await java().run('request', { namesrv: cluster.namesrv, topic, prefix: 'ask', count: 5 });
  assert.equal(report.of('failed'), []);
  assert.equal(
    report.of('reply').map((line) => [line.id, line.body]),
    [0, 1, 2, 3, 4].map((i) => [`ask-${i}`, `re-ask-${i}`]),
  );
});

suite.test('finds messages by key, by unique id and by where they are', async (cluster) => {
  const topic = 'java-queries';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, { topic, prefix: 'find', count: 20, keys: true });
  const [first] = sent.of('sent');
  const query = async (options: Record<string, string>): Promise<string[]> => {
    const report = await java().run('query', { namesrv: cluster.namesrv, topic, ...options });
    return report.ids('received');
  };
  assert.equal(await query({ key: 'find-7' }), ['find-7']);
  assert.equal(await query({ key: 'none' }), []);
  assert.equal(await query({ unique: first!.msgId! }), [first!.id]);
  assert.equal(await query({ offsetId: first!.offsetMsgId! }), [first!.id]);
});

suite.run();
