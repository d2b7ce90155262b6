/** What is true of every client: the same tests for Java, Go and ali-ons. */
import * as assert from 'uvu/assert';
import {
  assertAllAcknowledged,
  assertBrokersUsed,
  assertConsumedOnce,
  assertDenseFromZero,
  assertQueueOrder,
  consume,
  produce,
  sorted,
} from './facts.js';
import type { InteropSuite } from './interop-suite.js';
import type { Arguments, Client, Report } from './programs.js';
import { createTopic } from './remoting.js';

/** Long polling answers on arrival; Apache's own check of held pulls comes only each 5 s. */
const ARRIVAL_MS = 1_500;
/** Above 4 KiB every client compresses. */
const COMPRESSED_BYTES = 40_000;

/**
 * A Go consumer that shuts down at once leaves some of its offsets unstored, with Apache's brokers too (it sends them
 * one-way and closes the connection in the same moment). What it stores by itself comes 10 s after its start.
 */
const GO_STORES_OFFSETS_MS = 11_000;

export function clientFacts(suite: InteropSuite, client: () => Client, prefix: string): void {
  suite.test('consumes every acknowledged message once, and goes on where its group stopped', async (cluster) => {
    const topic = `${prefix}-resume`;
    const group = `${prefix}-resume-group`;
    await createTopic(cluster, topic);
    const first = await produce(client(), cluster, { topic, prefix: 'first', count: 200 });
    assertBrokersUsed(first, cluster);
    assertDenseFromZero(first.of('sent'));
    const quietMs = prefix === 'go' ? GO_STORES_OFFSETS_MS : 300;
    assertConsumedOnce(first, await consume(client(), cluster, { topic, group, count: 200, quietMs }));
    const second = await produce(client(), cluster, { topic, prefix: 'second', count: 40 });
    assertConsumedOnce(second, await consume(client(), cluster, { topic, group, count: 40 }));
  });

  suite.test('gets the messages of its tags and keeps tags and keys', async (cluster) => {
    const topic = `${prefix}-tags`;
    await createTopic(cluster, topic);
    const sent = await produce(client(), cluster, {
      topic,
      prefix: 'm',
      count: 60,
      tags: 'TagA,TagB,TagC',
      keys: true,
    });
    const wanted = sent.ids('sent').filter((id) => Number(id.split('-')[1]) % 3 !== 2);
    const group = `${prefix}-tags-group`;
    const received = await consume(client(), cluster, { topic, group, tags: 'TagA || TagB', count: wanted.length });
    assert.equal(sorted(received.ids('received')), sorted(wanted));
    for (const line of received.of('received')) {
      const tag = ['TagA', 'TagB'][Number(line.id!.split('-')[1]) % 3];
      assert.equal([line.tags, line.keys], [tag, line.id]);
    }
  });

  suite.test('is woken by a message that arrives while its pull is held', async (cluster) => {
    const topic = `${prefix}-held`;
    const group = `${prefix}-held-group`;
    await createTopic(cluster, topic, 1);
    // The first message tells that the consumer has its queues; the measured ones come after it.
    await produce(client(), cluster, { topic, prefix: 'before', count: 2 });
    const consumer = client().start('push', { namesrv: cluster.namesrv, topic, group, count: 12, quietMs: 100 });
    await consumer.child.waitForOutput(/^received(.*\n)+received/m, 30_000);
    await produce(client(), cluster, { topic, prefix: 'held', count: 10 });
    const report = await consumer.report();
    const late = report
      .of('received')
      .filter((line) => line.id!.startsWith('held') && Number(line.at) - Number(line.stored) > ARRIVAL_MS);
    assert.equal(late, []);
    assert.is(Number(report.done.distinct), 12);
  });

  suite.test('gets compressed bodies back as they were sent', async (cluster) => {
    const topic = `${prefix}-large`;
    await createTopic(cluster, topic);
    const sent = await produce(client(), cluster, { topic, prefix: 'large', count: 20, size: COMPRESSED_BYTES });
    const received = await consume(client(), cluster, { topic, group: `${prefix}-large-group`, count: 20 });
    assertConsumedOnce(sent, received);
    assert.equal([...new Set(received.of('received').map((line) => Number(line.size)))], [COMPRESSED_BYTES]);
  });
}

/** Limit for a program that only sends. */
const SENT_MS = 30_000;

/** Every way of sending that a client has, read back queue by queue. */
export function sendingFacts(
  suite: InteropSuite,
  client: () => Client,
  reader: () => Client,
  prefix: string,
  modes: readonly string[],
): void {
  for (const mode of modes) {
    suite.test(`sends in mode ${mode}`, async (cluster) => {
      const topic = `${prefix}-${mode}`;
      await createTopic(cluster, topic);
      const options = { namesrv: cluster.namesrv, topic, prefix: mode, count: 150, mode };
      const read = () => consume(reader(), cluster, { topic, group: `${prefix}-${mode}-group`, count: 150 });
      if (mode === 'oneway') {
        assertConsumedOnce(...(await sentOneWay(client(), prefix, options, read)));
        return;
      }
      const sent = await client().run('produce', options);
      assertAllAcknowledged(sent, 150);
      assertDenseFromZero(sent.of('sent'));
      assertConsumedOnce(sent, await read());
      if (mode === 'batch' || mode === 'select') assertQueueOrder(sent.of('sent'));
    });
  }
}

/**
 * One-way messages may arrive after the producer has gone, so the read waits for all of them. Go's do not say that they
 * are one-way: they are answered, a connection that it closes over unread answers is reset, and what its broker had not
 * read by then is lost, with Apache's brokers in one run of five. So its producer stays until they were read.
 */
async function sentOneWay(
  client: Client,
  prefix: string,
  options: Arguments,
  read: () => Promise<Report>,
): Promise<readonly [sent: Report, received: Report]> {
  if (prefix !== 'go') return [await client.run('produce', options), await read()];
  const producer = client.start('produce', { ...options, hold: true });
  try {
    await producer.child.waitForOutput(/^done /m, SENT_MS);
    const received = await read();
    producer.child.signal('SIGTERM');
    return [await producer.report(), received];
  } finally {
    await producer.child.stop();
  }
}
