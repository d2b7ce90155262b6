/** What one client sends, every other one reads: bodies, tags and keys, compressed or not. */
import * as assert from 'uvu/assert';
import { consume, produce, sorted } from './harness/facts.js';
import { clusterSuite } from './harness/interop-suite.js';
import { aliOnsClient, type Client, goClient, javaClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';

const java = await javaClient();
const go = await goClient();
const suite = await clusterSuite('Java, Go and ali-ons together', java.missing ?? go.missing);
const clients = (): readonly [string, Client][] => [
  ['java', (java as { client: Client }).client],
  ['go', (go as { client: Client }).client],
  ['ali-ons', aliOnsClient()],
];

suite.test('read each other', async (cluster) => {
  const topic = 'cross';
  await createTopic(cluster, topic);
  const expected: string[] = [];
  for (const [name, client] of clients()) {
    const small = await produce(client, cluster, { topic, prefix: `${name}-small`, count: 30, tags: name, keys: true });
    const options = { topic, prefix: `${name}-large`, count: 5, size: 20_000, tags: name, keys: true };
    const large = await produce(client, cluster, options);
    expected.push(...small.ids('sent'), ...large.ids('sent'));
  }
  for (const [name, client] of clients()) {
    const received = await consume(client, cluster, { topic, group: `cross-${name}`, count: expected.length });
    assert.equal(sorted(received.ids('received')), sorted(expected), `what ${name} reads`);
    for (const line of received.of('received')) {
      const sender = clients().find(([other]) => line.id!.startsWith(other))![0];
      assert.equal([line.intact, line.tags, line.keys], ['true', sender, line.id], `${line.id} as ${name} reads it`);
    }
  }
});

suite.run();
