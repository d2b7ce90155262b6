/** Bounds of connections: what they may leave unfinished or unread, and how many there may be. One test a row of docs/architecture.md. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../interop/harness/process.js';
import { residentBytes } from '../support/apache-proc.js';
import {
  type ConfigValues,
  get,
  type HangarUp,
  metric,
  oneBroker,
  stopBy,
  temporaryDirectory,
  up,
} from '../support/hangar-process.js';
import {
  Code,
  frame,
  pullFields,
  RemotingClient,
  requestHeader,
  sendFields,
  withClient,
} from '../support/remoting-client.js';
import { within } from '../support/within.js';

const MIB = 1024 * 1024;
const TOPIC = 'broker-a';
const CLOSED_MS = 10_000;
const MESSAGE_ILLEGAL = 13;

interface Running extends HangarUp {
  readonly address: string;
  /** Resident bytes more than at the start. */
  grown(): number;
}

/** One broker in a process of its own, serving before and after. */
async function whileUp(
  process: ConfigValues,
  broker: ConfigValues,
  use: (running: Running) => Promise<void>,
): Promise<void> {
  const hangar = await up(
    '--config',
    oneBroker({ brokerFastFailureEnable: 'false', ...broker }, process),
    '--ephemeral',
    '--store',
    temporaryDirectory(),
  );
  try {
    const address = hangar.addresses.get(TOPIC)!;
    await served(address);
    const idleBytes = residentBytes([hangar.child.pid]);
    await use({ ...hangar, address, grown: () => residentBytes([hangar.child.pid]) - idleBytes });
    await served(address);
    assert.is(await metric(hangar.metrics, 'hangar_actor_restarts_total'), 0);
    assert.is(await stopBy(hangar.child, 'SIGTERM'), 0);
  } finally {
    await hangar.child.kill();
  }
}

async function served(address: string): Promise<void> {
  await withClient(address, async (client) => {
    assert.is((await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from('normal'))).code, 0);
    assert.is((await client.call(Code.PULL, pullFields(TOPIC, 0, 0))).code, 0);
  });
}

function closedFor(metrics: string, reason: string): Promise<number> {
  return metric(metrics, 'hangar_connections_closed_total', { reason });
}

/** Stores `count` messages of `bytes` each in queue 0 of the topic. */
async function store(address: string, count: number, bytes: number): Promise<void> {
  await withClient(address, async (client) => {
    const body = Buffer.alloc(bytes, 'x');
    for (let n = 0; n < count; n++) assert.is((await client.call(Code.SEND, sendFields(TOPIC, 0), body)).code, 0);
  });
}

const bounds = suite('bounds: connections');

bounds('frame: one of 16 MiB is handled, one byte more closes the connection', async () => {
  await whileUp({}, {}, async ({ address, metrics }) => {
    const header = requestHeader(Code.SEND, 1, sendFields(TOPIC, 0));
    const room = 16 * MIB - frame(header).length;
    const client = await RemotingClient.connect(address);
    const answer = client.answerTo(1);
    client.write(frame(header, Buffer.alloc(room)));
    assert.is((await answer).code, MESSAGE_ILLEGAL);
    client.write(frame(header, Buffer.alloc(room + 1)));
    await within(CLOSED_MS, 'the connection is closed', client.closed);
    assert.is(await closedFor(metrics, 'oversized'), 1);
  });
});

bounds('large frames being joined at the front, per unit: those beyond 64 MiB wait for the others', async () => {
  await whileUp({}, {}, async ({ address, grown }) => {
    const bytes = frame(requestHeader(Code.SEND, 1, sendFields(TOPIC, 0)), Buffer.alloc(15 * MIB));
    const clients = await Promise.all(Array.from({ length: 20 }, () => RemotingClient.connect(address)));
    const half = bytes.subarray(0, bytes.length - 1000);
    // Four of them fit; what the others send stays in the kernel.
    const written = clients.map((client) => client.write(half));
    await Promise.race(written);
    await until('four frames are nearly there', 10_000, async () =>
      (await Promise.all(written.map((one) => Promise.race([one, false])))).filter(Boolean).length >= 4
        ? true
        : undefined,
    );
    await served(address);
    assert.ok(grown() < 250 * MIB, `resident memory grew by ${Math.round(grown() / MIB)} MiB`);
    const answers = clients.map((client) => client.answerTo(1));
    for (const client of clients) client.write(bytes.subarray(half.length));
    for (const { code } of await within(30_000, 'an answer for each', Promise.all(answers)))
      assert.is(code, MESSAGE_ILLEGAL);
    for (const client of clients) client.close();
  });
});

bounds(
  'unread answers of one connection: closed at the limit; a client that reads may ask for as much at once',
  async () => {
    await whileUp({}, {}, async ({ address, metrics, grown }) => {
      await store(address, 4, 4 * MIB - 1000);
      const reading = await RemotingClient.connect(address);
      const answers = Array.from({ length: 16 }, (_, n) => reading.call(Code.PULL, pullFields(TOPIC, 0, 1 + (n % 4))));
      for (const { code } of await Promise.all(answers)) assert.is(code, 0);
      reading.close();
      assert.is(await closedFor(metrics, 'slow_reader'), 0);

      const deaf = await RemotingClient.connect(address);
      deaf.stopReading();
      for (let n = 0; n < 100; n++) deaf.oneWay(Code.PULL, pullFields(TOPIC, 0, 1 + (n % 4)));
      await until('the connection is closed', CLOSED_MS, async () =>
        (await closedFor(metrics, 'slow_reader')) === 1 ? true : undefined,
      );
      await served(address);
      assert.ok(grown() < 400 * MIB, `resident memory grew by ${Math.round(grown() / MIB)} MiB`);
      deaf.close();
    });
  },
);

bounds('unread answers of all connections: those with most are closed, the others stay', async () => {
  await whileUp({ outputBytes: 64 * MIB }, {}, async ({ address, metrics, grown }) => {
    await store(address, 4, 4 * MIB - 1000);
    const small = await RemotingClient.connect(address);
    small.stopReading();
    const smallAnswer = small.call(Code.PULL, pullFields(TOPIC, 0, 0, { maxMsgNums: 1 }));
    const deaf = await Promise.all(Array.from({ length: 20 }, () => RemotingClient.connect(address)));
    for (const client of deaf) {
      client.stopReading();
      for (let n = 0; n < 3; n++) client.oneWay(Code.PULL, pullFields(TOPIC, 0, 1 + n));
    }
    await until('several are closed', CLOSED_MS, async () =>
      (await closedFor(metrics, 'slow_reader')) >= 5 ? true : undefined,
    );
    await served(address);
    assert.ok(grown() < 300 * MIB, `resident memory grew by ${Math.round(grown() / MIB)} MiB`);
    small.readOn();
    assert.is((await smallAnswer).code, 0, 'the one with little is still there');
    for (const client of [...deaf, small]) client.close();
  });
});

bounds('connections: one more is closed at once, and a place that becomes free is taken again', async () => {
  await whileUp({ maxConnections: 10 }, {}, async ({ address, nameServers, metrics }) => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => RemotingClient.connect(address)));
    for (const client of clients) await client.call(Code.MAX_OFFSET, { topic: TOPIC, queueId: 0 });
    // The limit is for all listeners of the process together.
    clients.push(await RemotingClient.connect(nameServers[0]!), await RemotingClient.connect(address));
    await clients[8]!.call(Code.CLUSTER_INFO, {});
    await clients[9]!.call(Code.MAX_OFFSET, { topic: TOPIC, queueId: 0 });
    for (const one of [address, nameServers[0]!]) {
      const refused = await RemotingClient.connect(one);
      await within(CLOSED_MS, 'the connection is closed', refused.closed);
    }
    assert.is(await metric(metrics, 'hangar_connections_refused_total', { reason: 'limit' }), 2);
    assert.is((await get(metrics, '/healthz')).status, 200, 'HTTP is not part of it');
    // Those inside still work.
    await clients[0]!.call(Code.MAX_OFFSET, { topic: TOPIC, queueId: 0 });
    for (const client of clients) client.close();
    // One is the broker's own, to its name server.
    await until('the places are free', CLOSED_MS, async () =>
      (await metric(metrics, 'hangar_connections', { unit: TOPIC })) === 1 ? true : undefined,
    );
  });
});

bounds('HTTP connections: 32, and metrics are there again when one has left', async () => {
  await whileUp({}, {}, async ({ metrics }) => {
    const { host } = new URL(metrics);
    const clients = await Promise.all(Array.from({ length: 32 }, () => RemotingClient.connect(host)));
    const refused = await RemotingClient.connect(host);
    await within(CLOSED_MS, 'the connection is closed', refused.closed);
    assert.is(clients.filter((client) => client.isClosed).length, 0);
    for (const client of clients) client.close();
    await until('a free place', CLOSED_MS, async () =>
      (await get(metrics, '/healthz')).status === 200 ? true : undefined,
    );
  });
});

bounds('half-open connections: 2,000 that say nothing cost little', async () => {
  await whileUp({}, {}, async ({ address, grown }) => {
    const clients = await Promise.all(Array.from({ length: 2_000 }, () => RemotingClient.connect(address)));
    await served(address);
    assert.ok(grown() < 100 * MIB, `resident memory grew by ${Math.round(grown() / MIB)} MiB`);
    for (const client of clients) client.close();
  });
});

bounds.run();
