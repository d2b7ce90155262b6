/** Delayed messages and messages that consumers refuse, with Apache's clients and short levels. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { consume, produce, sorted } from './harness/facts.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { aliOnsClient, type Client, type FoundClient, goClient, javaClient, type Line } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';
import type { Addresses, BrokerServer } from './harness/servers.js';
import { underTest } from './harness/under-test.js';

/** Level 3 is that of the first retry. */
const DELAYS_MS = [1_000, 2_000, 1_000, 1_000, 8_000] as const;
const properties = { messageDelayLevel: '1s 2s 1s 1s 8s' };
/** How much later than asked for; Apache looks each 100 ms, and a client's clock and way home are in it. */
const LATE_MS = underTest.maker === 'hangar' ? 200 : 400;

const java = await javaClient();
const clients: readonly (readonly [name: string, found: FoundClient])[] = [
  ['java', java],
  ['go', await goClient()],
  ['ali-ons', { client: aliOnsClient() }],
];
const suite = await serverSuite('delayed messages and retries', java.missing);

function clientOf(found: FoundClient): Client {
  if (found.missing !== undefined) throw new Error(found.missing);
  return found.client;
}

interface Started extends Addresses {
  readonly broker: BrokerServer;
}

async function started(use: Use, store?: string): Promise<Started> {
  const namesrv = await use(underTest.startNamesrv());
  const options = { name: 'broker-a', namesrv: namesrv.address, properties, ...(store === undefined ? {} : { store }) };
  const broker = await use(underTest.startBroker(options));
  return { namesrv: namesrv.address, brokers: [broker.broker], broker };
}

/**
 * A topic, and the retry topic of the group that is to consume it. The first heartbeat would make that one, but a client
 * asks for routes every 30 s and would see it only then.
 */
async function createTopics(cluster: Addresses, topic: string, group: string, queues?: number): Promise<void> {
  await createTopic(cluster, topic, queues);
  await createTopic(cluster, `%RETRY%${group}`, 1);
}

/** Times from the send to the store of the delivered copy, which is what the broker answers for. */
function delaysOf(lines: readonly Line[]): number[] {
  return lines.map((line) => Number(line.stored) - Number(line.born));
}

for (const [name, found] of clients) {
  if (found.missing !== undefined) {
    process.stdout.write(`SKIPPED, because ${found.missing}: delayed messages and retries: ${name}\n`);
    continue;
  }
  suite.test(`${name}: a delayed message comes when it is due, not before`, async (use) => {
    const cluster = await started(use);
    const client = clientOf(found);
    const topic = 'delayed';
    await createTopic(cluster, topic);
    const level = 2;
    const sent = await produce(client, cluster, { topic, prefix: 'm', count: 30, level });
    const received = await consume(client, cluster, { topic, group: 'delayed-group', count: 30 });
    assert.equal(sorted(received.ids('received')), sorted(sent.ids('sent')));
    const delays = delaysOf(received.of('received'));
    const delayMs = DELAYS_MS[level - 1]!;
    assert.ok(Math.min(...delays) >= delayMs, `${Math.min(...delays)} ms`);
    assert.ok(Math.max(...delays) <= delayMs + LATE_MS, `${Math.max(...delays)} ms`);
  });

  suite.test(`${name}: what a consumer refuses comes again, after the level's time, and again`, async (use) => {
    const cluster = await started(use);
    const client = clientOf(found);
    const topic = 'refused';
    const group = `refused-${name}-group`;
    await createTopics(cluster, topic, group);
    // ali-ons takes no second refusal: for messages of a retry topic it forgets what the handler returned.
    const failTimes = name === 'ali-ons' ? 1 : 2;
    const sent = await produce(client, cluster, { topic, prefix: 'm', count: 10 });
    const received = await consume(client, cluster, { topic, group, count: 10, failTimes });
    assert.equal(sorted(received.ids('received')), sorted(sent.ids('sent')));
    const refused = received.of('refused');
    assert.is(refused.length, 10 * failTimes);
    for (const id of sent.ids('sent')) {
      const ofId = (line: Line): boolean => line.id === id;
      assert.equal(
        [...refused.filter(ofId), ...received.of('received').filter(ofId)].map((line) => line.reconsume),
        ['0', '1', '2'].slice(0, failTimes + 1),
      );
      const deliveries = [...refused, ...received.of('received')].filter(ofId);
      const [first, second] = deliveries.map((line) => Number(line.at));
      // Consumers hand what they refused back a while later, and pull it with their next request.
      assert.ok(second! - first! >= DELAYS_MS[2], `${second! - first!} ms`);
    }
    // A retried message names its topic, not the retry topic.
    assert.equal([...new Set(received.of('received').map((line) => line.topic))], [topic]);
  });
}

suite.test('java: after the maximum of its group a message is in the dead letters', async (use) => {
  const cluster = await started(use);
  const client = clientOf(java);
  const topic = 'poisonous';
  const group = 'poisonous-group';
  await createTopics(cluster, topic, group);
  const sent = await produce(client, cluster, { topic, prefix: 'm', count: 5 });
  // It ends when nothing more comes: what it refused three times does not.
  const options = {
    namesrv: cluster.namesrv,
    topic,
    group,
    count: 5,
    failTimes: 99,
    maxReconsume: 2,
    timeoutMs: 10_000,
  };
  const report = await client.run('push', options);
  assert.is(report.of('refused').length, 15, 'the first time and two retries each');
  const dead = await consume(client, cluster, { topic: `%DLQ%${group}`, group: 'undertaker', count: 5 });
  assert.equal(sorted(dead.ids('received')), sorted(sent.ids('sent')));
  assert.equal([...new Set(dead.of('received').map((line) => line.reconsume))], ['3']);
});

suite.test('java: an orderly consumer tries in place, without a retry topic', async (use) => {
  const cluster = await started(use);
  const client = clientOf(java);
  const topic = 'orderly';
  await createTopic(cluster, topic, 1);
  const sent = await produce(client, cluster, { topic, prefix: 'm', count: 5 });
  const received = await consume(client, cluster, {
    topic,
    group: 'orderly-group',
    count: 5,
    failTimes: 2,
    orderly: true,
  });
  assert.equal(received.ids('received'), sent.ids('sent'));
});

suite.test('java: delayed messages and retries are kept by a broker that is killed and started again', async (use) => {
  const directory = mkdtempSync(join(tmpdir(), 'hangar-redelivery-'));
  const store = join(directory, 'store');
  try {
    const cluster = await started(use, store);
    const client = clientOf(java);
    const topic = 'interrupted';
    const group = 'interrupted-group';
    await createTopics(cluster, topic, group);
    const consumer = client.start('push', {
      namesrv: cluster.namesrv,
      topic,
      group,
      count: 20,
      failTimes: 1,
      timeoutMs: 60_000,
    });
    await consumer.ready();
    await produce(client, cluster, { topic, prefix: 'now', count: 10 });
    await produce(client, cluster, { topic, prefix: 'later', count: 10, level: 5 });
    await consumer.child.waitForOutput(/(refused id=now(.*\n)+){10}/m, 30_000);
    await cluster.broker.kill();
    await use(underTest.startBroker({ name: 'broker-a', namesrv: cluster.namesrv, properties, store }));
    const report = await consumer.report();
    assert.is(Number(report.done.distinct), 20);
    assert.is(report.of('refused').length, 20);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

suite.run();
