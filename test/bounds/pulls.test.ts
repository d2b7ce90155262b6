/** Bounds of pulls that wait. One test a row of docs/architecture.md. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { javaHeartbeat } from '../actors/broker/heartbeats.js';
import { until } from '../interop/harness/process.js';
import { type Embedded, embedded } from '../support/embedded.js';
import { metric, oneBroker } from '../support/hangar-process.js';
import {
  type Answer,
  Code,
  type Fields,
  PullFlag,
  pullFields,
  RemotingClient,
  sendFields,
} from '../support/remoting-client.js';

const HEART_BEAT = 34;
const TOPIC = 'broker-a';
const FOUND = 0;
const NOT_FOUND = 19;
const PARSE_FAILED = 23;
const SUBSCRIPTION_NOT_LATEST = 25;
const RELEASED_MS = 10_000;

/** Held for a minute: longer than any test takes. */
const HELD: Fields = { sysFlag: PullFlag.suspend | PullFlag.subscription, suspendTimeoutMillis: 60_000 };

function pulls(client: RemotingClient, count: number, fields: Fields): Promise<Answer>[] {
  const answers = Array.from({ length: count }, () => client.call(Code.PULL, fields));
  // A test that fails before it awaits them must not end the process.
  for (const answer of answers) answer.catch(() => undefined);
  return answers;
}

function heldPulls(metrics: string): Promise<number> {
  return metric(metrics, 'hangar_held_pulls');
}

async function untilHeld(metrics: string, count: number): Promise<void> {
  await until(`${count} held pulls`, RELEASED_MS, async () =>
    (await heldPulls(metrics)) === count ? true : undefined,
  );
}

function codesOf(answers: readonly Answer[]): number[] {
  return [...new Set(answers.map(({ code }) => code))];
}

async function withBroker(
  broker: Fields,
  use: (one: Embedded, client: RemotingClient) => Promise<void>,
): Promise<void> {
  await embedded(oneBroker(broker as Record<string, string>), async (one) => {
    const client = await RemotingClient.connect(one.cluster.addressOf(TOPIC));
    try {
      await use(one, client);
    } finally {
      client.close();
    }
  });
}

const bounds = suite('bounds: pulls');

bounds('held pulls per queue host: one more is answered PULL_NOT_FOUND at once', async () => {
  await withBroker({ pullHoldMax: 100 }, async ({ metrics }, client) => {
    const held = pulls(client, 100, pullFields(TOPIC, 0, 0, HELD));
    await untilHeld(metrics, 100);
    const [answer] = await Promise.all(pulls(client, 1, pullFields(TOPIC, 0, 0, HELD)));
    assert.is(answer!.code, NOT_FOUND);
    assert.is((await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from('x'))).code, 0);
    assert.equal(codesOf(await Promise.all(held)), [FOUND], 'those that were held were answered by the message');
    await untilHeld(metrics, 0);
  });
});

bounds('5,000 held pulls are released by a message, by their time and by the end of their connection', async () => {
  await withBroker({}, async ({ cluster, metrics }, client) => {
    const woken = pulls(client, 5_000, pullFields(TOPIC, 0, 0, HELD));
    await untilHeld(metrics, 5_000);
    assert.is((await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from('x'))).code, 0);
    assert.equal(codesOf(await Promise.all(woken)), [FOUND]);
    await untilHeld(metrics, 0);

    const timedOut = pulls(client, 5_000, pullFields(TOPIC, 0, 1, { ...HELD, suspendTimeoutMillis: 1_000 }));
    assert.equal(codesOf(await Promise.all(timedOut)), [NOT_FOUND]);
    await untilHeld(metrics, 0);

    const other = await RemotingClient.connect(cluster.addressOf(TOPIC));
    const lost = pulls(other, 5_000, pullFields(TOPIC, 0, 1, HELD)).map((one) =>
      one.then(
        () => 'answered',
        () => 'lost',
      ),
    );
    await untilHeld(metrics, 5_000);
    other.close();
    assert.equal([...new Set(await Promise.all(lost))], ['lost']);
    await untilHeld(metrics, 0);
  });
});

bounds(
  'tags that held pulls brought along: beyond 1,000,000 a pull is not held, 64 KiB are too many for one',
  async () => {
    await withBroker({}, async ({ metrics }, client) => {
      // Of the same length and of digits: each has a hash code of its own.
      const tags = Array.from({ length: 9_000 }, (_, n) => String(1_000 + n)).join('||');
      assert.ok(tags.length < 64 * 1024);
      const held = pulls(client, 111, pullFields(TOPIC, 0, 0, { ...HELD, subscription: tags }));
      await untilHeld(metrics, 111);
      const answer = await client.call(Code.PULL, pullFields(TOPIC, 0, 0, { ...HELD, subscription: tags }));
      assert.is(answer.code, NOT_FOUND);
      const tooMany = await client.call(Code.PULL, pullFields(TOPIC, 0, 0, { subscription: tags.repeat(2) }));
      assert.is(tooMany.code, PARSE_FAILED);
      assert.match(tooMany.remark, /at most 65536: subscribe to fewer tags/);
      client.close();
      await Promise.allSettled(held);
      await untilHeld(metrics, 0);
    });
  },
);

bounds(
  'pulls that wait for a table change: beyond 1,024, or above 64 KiB, they are answered with what is known',
  async () => {
    await withBroker({}, async ({ cluster }, client) => {
      const other = await RemotingClient.connect(cluster.addressOf(TOPIC));
      const body = javaHeartbeat({ consumers: ['G'], topics: [TOPIC], subVersion: 1 });
      assert.is((await client.call(HEART_BEAT, {}, Buffer.from(body))).code, 0);
      // No heartbeat tells of that version: they wait a second for it.
      const newer = pullFields(TOPIC, 0, 0, { consumerGroup: 'G', sysFlag: 0, subVersion: 2 });
      const waiting = pulls(client, 1_024, newer);
      const beyond = client.call(Code.PULL, newer);
      const large = other.call(Code.PULL, newer, Buffer.alloc(128 * 1024));
      const order: string[] = [];
      const note = (name: string) => (answer: Answer) => {
        order.push(name);
        return answer;
      };
      const all = [
        ...waiting.map((one) => one.then(note('waited'))),
        beyond.then(note('at once')),
        large.then(note('at once')),
      ];
      assert.equal(codesOf(await Promise.all(all)), [SUBSCRIPTION_NOT_LATEST]);
      assert.equal(order.slice(0, 2), ['at once', 'at once']);
      other.close();
    });
  },
);

bounds.run();
