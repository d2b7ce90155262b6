/** Transactional messages of the Java client: committed and rolled back at once, and when the broker asks. */
import * as assert from 'uvu/assert';
import { consume, sorted } from './harness/facts.js';
import { serverSuite } from './harness/interop-suite.js';
import { type Client, javaClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';
import { underTest } from './harness/under-test.js';

const found = await javaClient();
const suite = await serverSuite('transactions', found.missing);

const CHECKS = { transactionCheckInterval: '1000', transactionTimeOut: '1000' };
const OUTCOMES = ['commit', 'rollback', 'check-commit', 'check-rollback'];
const COUNT = 40;

suite.test('consumers get what was committed, at once or when the broker asked, and nothing else', async (use) => {
  const { client } = found as { client: Client };
  const namesrv = await use(underTest.startNamesrv());
  const server = await use(underTest.startBroker({ name: 'broker-a', namesrv: namesrv.address, properties: CHECKS }));
  const cluster = { namesrv: namesrv.address, brokers: [server.broker] };
  const topic = 'transactions';
  await createTopic(cluster, topic);
  const output = await client.run('transaction', {
    namesrv: namesrv.address,
    topic,
    prefix: 'tx',
    count: COUNT,
    outcomes: OUTCOMES.join(','),
    timeoutMs: 30_000,
  });
  assert.is(output.done.complete, 'true', 'every open transaction was asked about');
  const committed = Array.from({ length: COUNT }, (_, i) => i)
    .filter((i) => OUTCOMES[i % OUTCOMES.length]!.endsWith('commit'))
    .map((i) => `tx-${i}`);
  const got = await consume(client, cluster, { topic, group: 'transactions-group', count: committed.length });
  assert.equal(sorted(new Set(got.ids('received'))), sorted(committed));
});

suite.run();
