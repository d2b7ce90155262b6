/** Consumers that filter by properties (SQL92) or by tags whose hash codes collide, with Apache's clients. */
import * as assert from 'uvu/assert';
import { consume, produce, sorted } from './harness/facts.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { type Client, type FoundClient, goClient, javaClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';
import type { Addresses } from './harness/servers.js';
import { underTest } from './harness/under-test.js';

const java = await javaClient();
const go = await goClient();
const suite = await serverSuite('filters', java.missing);

function clientOf(found: FoundClient): Client {
  if (found.missing !== undefined) throw new Error(found.missing);
  return found.client;
}

async function started(use: Use, properties: Readonly<Record<string, string>>): Promise<Addresses> {
  const namesrv = await use(underTest.startNamesrv());
  const options = { name: 'broker-a', namesrv: namesrv.address, properties };
  const broker = await use(underTest.startBroker(options));
  return { namesrv: namesrv.address, brokers: [broker.broker] };
}

// A busy machine must not make a broker refuse what it is sent.
const ON = { enablePropertyFilter: 'true', brokerFastFailureEnable: 'false' };
/** Sent with the properties n=0, n=1, ... and the tags A, B, A, ... */
const COUNT = 1_200;

async function filled(cluster: Addresses, topic: string): Promise<void> {
  await createTopic(cluster, topic, 2);
  await produce(clientOf(java), cluster, {
    topic,
    prefix: 'm',
    count: COUNT,
    property: 'n',
    tags: 'A,B',
    mode: 'async',
  });
}

/** Ids of the messages that pass. */
function expected(passes: (n: number) => boolean): string[] {
  return sorted(
    Array.from({ length: COUNT }, (_, n) => n)
      .filter(passes)
      .map((n) => `m-${n}`),
  );
}

const FILTERS: readonly (readonly [sql: string, passes: (n: number) => boolean])[] = [
  ['n BETWEEN 100 AND 199', (n) => n >= 100 && n < 200],
  ["TAGS = 'B' AND n > 1180.5", (n) => n % 2 === 1 && n > 1180],
  ["n IN ('7', '8', '1199') OR missing = 1", (n) => n === 7 || n === 8 || n === 1199],
  ['n >= 1190 AND missing IS NULL AND NOT (n = 1195)', (n) => n >= 1190 && n !== 1195],
];

suite.test('SQL92: Java consumers get what passes, push and lite pull, and so does Go', async (use) => {
  const cluster = await started(use, ON);
  const topic = 'filtered';
  await filled(cluster, topic);
  for (const [i, [sql, passes]] of FILTERS.entries()) {
    const ids = expected(passes);
    const options = { topic, group: `filtered-${i}-group`, sql, count: ids.length };
    assert.equal(sorted((await consume(clientOf(java), cluster, options)).ids('received')), ids, sql);
  }
  const [sql, passes] = FILTERS[0]!;
  const ids = expected(passes);
  const lite = await clientOf(java).run('lite', {
    namesrv: cluster.namesrv,
    topic,
    group: 'filtered-lite-group',
    sql,
    count: ids.length,
  });
  assert.equal(sorted(lite.ids('received')), ids, 'lite pull');
  if (go.missing !== undefined) process.stdout.write(`SKIPPED, because ${go.missing}: filters: Go\n`);
  else {
    const options = { topic, group: 'filtered-go-group', sql, count: ids.length };
    assert.equal(sorted((await consume(go.client, cluster, options)).ids('received')), ids, 'Go');
  }
});

suite.test('SQL92: a consumer that waits is woken by what passes, and goes on where it stopped', async (use) => {
  const cluster = await started(use, ON);
  const topic = 'woken';
  const group = 'woken-group';
  const sql = 'n > 5';
  await createTopic(cluster, topic, 1);
  await produce(clientOf(java), cluster, { topic, prefix: 'before', count: 8, property: 'n' });
  const consumer = clientOf(java).start('push', {
    namesrv: cluster.namesrv,
    topic,
    group,
    sql,
    count: 6,
    quietMs: 300,
  });
  await consumer.child.waitForOutput(/^received(.*\n)+received/m, 30_000);
  await produce(clientOf(java), cluster, { topic, prefix: 'held', count: 10, property: 'n', pauseMs: 100 });
  const received = (await consumer.report()).of('received');
  const ids = ['before-6', 'before-7', 'held-6', 'held-7', 'held-8', 'held-9'];
  assert.equal(sorted(received.map((line) => line.id!)), ids);
  const late = received.filter((line) => line.id!.startsWith('held') && Number(line.at) - Number(line.stored) > 1_500);
  assert.equal(late, []);
  await produce(clientOf(java), cluster, { topic, prefix: 'after', count: 8, property: 'n' });
  const after = await consume(clientOf(java), cluster, { topic, group, sql, count: 2 });
  assert.equal(sorted(after.ids('received')), ['after-6', 'after-7']);
});

suite.test('what a consumer with a filter refuses comes again, with filterSupportRetry', async (use) => {
  const properties = { ...ON, filterSupportRetry: 'true', messageDelayLevel: '1s 1s 1s 1s' };
  const cluster = await started(use, properties);
  const topic = 'refiltered';
  const group = 'refiltered-group';
  await createTopic(cluster, topic, 1);
  await createTopic(cluster, `%RETRY%${group}`, 1);
  await produce(clientOf(java), cluster, { topic, prefix: 'm', count: 10, property: 'n' });
  const options = { topic, group, sql: 'n >= 7', count: 3, failTimes: 1 };
  const received = await consume(clientOf(java), cluster, options);
  assert.equal(sorted(received.ids('received')), ['m-7', 'm-8', 'm-9']);
  assert.equal([...new Set(received.of('received').map((line) => line.reconsume))], ['1']);
});

suite.test('a wrong expression, and a broker without filters: the client says what the broker says', async (use) => {
  const cluster = await started(use, ON);
  await createTopic(cluster, 'wrong', 1);
  const start = async (where: Addresses, sql: string): Promise<readonly (string | undefined)[]> => {
    const options = { namesrv: where.namesrv, topic: 'wrong', group: 'wrong-group', sql, timeoutMs: 3_000 };
    const [line] = (await clientOf(java).run('push', options)).of('unstarted');
    return [line?.code, line?.error?.replace(/\s+/g, ' ')];
  };
  for (const [sql, said] of [
    ['n >', 'ParseException: Encountered "<EOF>" at line 1, column 3. Was expecting one of:'],
    ["n = 'x", 'TokenMgrError: Lexical error at line 1, column 7.'],
    ["n > 'x'", "RuntimeException: Value ''x'' cannot be compared."],
  ] as const) {
    const [code, error] = await start(cluster, sql);
    assert.is(code, '23', sql);
    assert.ok(error?.includes(said), `${sql}: ${error}`);
  }
  const plain = await started(use, {});
  await createTopic(plain, 'wrong', 1);
  const [, error] = await start(plain, 'n = 1');
  assert.match(error ?? '', /The broker does not support consumer to filter message by SQL92/);
});

suite.test('tags with the same hash code: the client drops what the broker cannot tell apart', async (use) => {
  const cluster = await started(use, {});
  const topic = 'collisions';
  await createTopic(cluster, topic, 1);
  // "AaBB".hashCode() == "BBAa".hashCode(), of these three.
  await produce(clientOf(java), cluster, { topic, prefix: 'm', count: 30, tags: 'AaBB,BBAa,C' });
  const received = await consume(clientOf(java), cluster, {
    topic,
    group: 'collisions-group',
    tags: 'BBAa',
    count: 10,
    quietMs: 1_000,
  });
  assert.equal([...new Set(received.of('received').map((line) => line.tags))], ['BBAa']);
  assert.is(received.ids('received').length, 10);
});

suite.run();
