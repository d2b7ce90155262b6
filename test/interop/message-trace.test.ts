/** The Java client with its trace on: what it says of itself arrives in the trace topic, and mqadmin shows it. */
import * as assert from 'uvu/assert';
import { mqadmin } from '../support/apache.js';
import { assertConsumedOnce, consume, produce } from './harness/facts.js';
import { serverSuite } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { type Client, javaClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';
import { underTest } from './harness/under-test.js';

const found = await javaClient();
const java = (): Client => (found as { client: Client }).client;
/** The client collects what it has to say for some seconds. */
const SHOWN_MS = 40_000;

const suite = await serverSuite('message trace', found.missing);

suite.test('a message with its producer and its consumer, in RMQ_SYS_TRACE_TOPIC', async (use) => {
  const { address } = await use(underTest.startNamesrv());
  const properties = { traceTopicEnable: 'true' };
  const { broker } = await use(underTest.startBroker({ name: 'broker-a', namesrv: address, properties }));
  const cluster = { namesrv: address, brokers: [broker] };
  const topic = 'traced';
  await createTopic(cluster, topic);
  const sent = await produce(java(), cluster, {
    topic,
    prefix: 'trace',
    count: 5,
    group: 'traced-producer',
    trace: true,
  });
  const group = 'traced-consumer';
  assertConsumedOnce(sent, await consume(java(), cluster, { topic, group, count: 5, trace: true }));
  const { msgId } = sent.of('sent')[0]!;
  const shown = await until('mqadmin shows both sides', SHOWN_MS, async () => {
    const { stdout } = await mqadmin(address, ['queryMsgTraceById', '-i', msgId!]);
    return /^Pub/m.test(stdout) && /^Sub/m.test(stdout) ? stdout : undefined;
  });
  assert.match(shown, /^Pub +traced-producer .*\d+ms +success/m);
  assert.match(shown, /^Sub +traced-consumer .*\d+ms +success/m);
});

suite.run();
