/** Bounds of the rings between threads: what comes faster than it is handled waits outside. One test a row of docs/architecture.md. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../interop/harness/process.js';
import { embedded } from '../support/embedded.js';
import { metric, oneBroker } from '../support/hangar-process.js';
import {
  type Answer,
  Code,
  frame,
  RemotingClient,
  readQueue,
  requestHeader,
  sendFields,
} from '../support/remoting-client.js';

const RING_BYTES = 64 * 1024;

/** Sends them all before it reads any answer. */
function sendAll(
  client: RemotingClient,
  topic: string,
  count: number,
  queues: number,
  bodyBytes: number,
): Promise<Answer>[] {
  const frames: Buffer[] = [];
  const answers: Promise<Answer>[] = [];
  for (let n = 1; n <= count; n++) {
    answers.push(client.answerTo(n));
    const body = Buffer.from(String(n).padEnd(bodyBytes, '.'));
    frames.push(frame(requestHeader(Code.SEND, n, sendFields(topic, n % queues)), body));
  }
  client.write(Buffer.concat(frames));
  return answers;
}

const bounds = suite('bounds: rings');

bounds('ring front - worker: the sockets that feed a full one are paused, nothing is lost', async () => {
  const config = oneBroker({ brokerFastFailureEnable: 'false' }, { ringBytes: RING_BYTES });
  await embedded(config, async ({ cluster, metrics }) => {
    const address = cluster.addressOf('broker-a');
    const clients = await Promise.all(Array.from({ length: 4 }, () => RemotingClient.connect(address)));
    const answers = await Promise.all(clients.flatMap((client) => sendAll(client, 'broker-a', 1_000, 1, 4_000)));
    const offsets = answers.map(({ code, fields }) => (code === 0 ? Number(fields.queueOffset) : -1));
    // Of one connection in the order in which they were sent, of all together each once.
    for (let client = 0; client < 4; client++) {
      const own = offsets.slice(client * 1_000, (client + 1) * 1_000);
      assert.equal(
        own,
        own.toSorted((a, b) => a - b),
      );
    }
    assert.equal(
      offsets.toSorted((a, b) => a - b),
      Array.from({ length: 4_000 }, (_, n) => n),
    );
    assert.ok((await metric(metrics, 'hangar_input_stalls_total', { unit: 'broker-a' })) > 0, 'sockets were paused');
    for (const client of clients) client.close();
  });
});

bounds('ring worker - worker: a queue host that falls behind is told everything again from the log', async () => {
  // With three workers for one broker its queue hosts have threads of their own.
  const config = oneBroker({ brokerFastFailureEnable: 'false' }, { workerThreads: 3, workerRingBytes: RING_BYTES });
  const queues = 1_024;
  await embedded(config, async ({ cluster, metrics }) => {
    const client = await RemotingClient.connect(cluster.addressOf('broker-a'));
    // A host that gets enough of a core keeps up: more is sent until one does not.
    let rounds = 0;
    await until('a ring between two workers is full', 20_000, async () => {
      const answers = await Promise.all(sendAll(client, 'BenchmarkTest', 20 * queues, queues, 10));
      assert.equal([...new Set(answers.map(({ code }) => code))], [0]);
      rounds++;
      return (await metric(metrics, 'hangar_ring_stalls_total', { lane: 'request' })) > 0 ? true : undefined;
    });
    const readAll = () =>
      Promise.all(Array.from({ length: queues }, (_, queueId) => readQueue(client, 'BenchmarkTest', queueId)));
    // It is behind for a moment, and then it has everything.
    const all = await until('every message in its queue', 30_000, async () => {
      const found = await readAll();
      return found.every((messages) => messages.length === 20 * rounds) ? found : undefined;
    });
    for (const [queueId, messages] of all.entries()) {
      for (const [index, { queueOffset, body }] of messages.entries()) {
        assert.equal([queueOffset, Number.parseInt(body.toString(), 10) % queues], [index, queueId]);
      }
    }
    client.close();
  });
});

bounds.run();
