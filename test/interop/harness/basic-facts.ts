/** What is true of clients of other times and tongues, which can do less than those of client-facts.ts. */
import * as assert from 'uvu/assert';
import { assertAllAcknowledged, consume, produce, sorted } from './facts.js';
import type { InteropSuite } from './interop-suite.js';
import type { Client, Report } from './programs.js';
import { createTopic } from './remoting.js';

/** The C++ client rebalances each 10 s and may miss the first time. */
const PATIENT = { timeoutMs: 60_000 };

function assertSame(received: Report, sent: Report): void {
  assert.equal(sorted(received.ids('received')), sorted(sent.ids('sent')));
  assert.equal([...new Set(received.of('received').map((line) => line.intact))], ['true']);
}

export function basicFacts(suite: InteropSuite, client: () => Client, prefix: string): void {
  suite.test('produces and consumes, and goes on where its group stopped', async (cluster) => {
    const topic = `${prefix}-basic`;
    const group = `${prefix}-basic-group`;
    await createTopic(cluster, topic);
    const first = await produce(client(), cluster, { topic, prefix: 'first', count: 100 });
    // A consumer stores its offsets each 5 s, and when it goes.
    assertSame(await consume(client(), cluster, { topic, group, count: 100, quietMs: 6_000, ...PATIENT }), first);
    const second = await produce(client(), cluster, { topic, prefix: 'second', count: 20 });
    assertSame(await consume(client(), cluster, { topic, group, count: 20, ...PATIENT }), second);
  });

  suite.test('gets the messages of its tags, with keys, and large bodies whole', async (cluster) => {
    const topic = `${prefix}-tags`;
    await createTopic(cluster, topic);
    const options = { topic, prefix: 'm', count: 30, tags: 'TagA,TagB,TagC', keys: true, size: 20_000 };
    const sent = await produce(client(), cluster, options);
    const wanted = sent.ids('sent').filter((id) => Number(id.split('-')[1]) % 3 !== 2);
    const group = `${prefix}-tags-group`;
    const received = await consume(client(), cluster, { topic, group, tags: 'TagA || TagB', count: 20, ...PATIENT });
    assert.equal(sorted(received.ids('received')), sorted(wanted));
    for (const line of received.of('received')) {
      assert.equal([line.keys, line.size, line.intact], [line.id, '20000', 'true']);
      assert.is(line.tags, ['TagA', 'TagB'][Number(line.id!.split('-')[1]) % 3]);
    }
  });

  suite.test('keeps the order of its shards, from sender to orderly consumer', async (cluster) => {
    const topic = `${prefix}-orderly`;
    await createTopic(cluster, topic, 2);
    const sent = await client().run('produce', {
      namesrv: cluster.namesrv,
      topic,
      prefix: 'o',
      count: 60,
      mode: 'select',
    });
    assertAllAcknowledged(sent, 60);
    const options = { topic, group: `${prefix}-orderly-group`, count: 60, orderly: true, ...PATIENT };
    const received = await consume(client(), cluster, options);
    assertSame(received, sent);
    for (let shard = 0; shard < 4; shard++) {
      const numbers = received.ids('received').map((id) => Number(id.split('-')[1]));
      const ofShard = numbers.filter((number) => number % 4 === shard);
      assert.equal(
        ofShard,
        ofShard.toSorted((a, b) => a - b),
        `shard ${shard}`,
      );
    }
  });

  suite.test('sends one-way', async (cluster) => {
    const topic = `${prefix}-oneway`;
    await createTopic(cluster, topic);
    const sent = await client().run('produce', {
      namesrv: cluster.namesrv,
      topic,
      prefix: 'w',
      count: 40,
      mode: 'oneway',
    });
    assertSame(
      await consume(client(), cluster, { topic, group: `${prefix}-oneway-group`, count: 40, ...PATIENT }),
      sent,
    );
  });
}
