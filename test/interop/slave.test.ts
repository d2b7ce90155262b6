/** What a slave answers and copies, ours beside Apache's; and consumers that go on from a slave when the master is gone. */
import * as assert from 'uvu/assert';
import { apacheServers } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { Code, type Fields, pullFields, sendFields, withClient } from '../support/remoting-client.js';
import { produce } from './harness/facts.js';
import { serverSuite } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { aliOnsClient, type Client, goClient, javaClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';
import { caughtUp, maxOffset, Replica } from './harness/replica.js';

const TOPIC = 'SlaveTest';
const QUEUES = 4;
const TABLES_MS = 40_000;
/** Clients ask for routes each 30 s. */
const ROUTES_MS = 80_000;
const SOME = 20;

const mixed = await serverSuite('slaves', await apacheServers.missing());

const send = { producerGroup: 'p', topic: TOPIC, defaultTopic: 'TBW102', defaultTopicQueueNums: 4, queueId: 0 };
const sendRest = { sysFlag: 0, bornTimestamp: 1, flag: 0, properties: '', reconsumeTimes: 0, unitMode: false };
const newTopic = { topic: 'New', defaultTopic: 'TBW102', readQueueNums: 1, writeQueueNums: 1, perm: 6 };
const groupConfig = Buffer.from('{"groupName":"new-group","consumeEnable":true}');
const offset = { consumerGroup: 'some-group', topic: TOPIC, queueId: 0, commitOffset: 3 };
const ended = {
  producerGroup: 'p',
  tranStateTableOffset: 0,
  commitLogOffset: 0,
  commitOrRollback: 8,
  fromTransactionCheck: false,
};

/** Name, code, fields and body of requests that a slave refuses, or takes. */
const REQUESTS: readonly (readonly [string, number, Fields, Buffer?])[] = [
  ['send', 10, { ...send, ...sendRest }, Buffer.from('x')],
  ['send, short names', Code.SEND, sendFields(TOPIC, 0), Buffer.from('x')],
  ['end of a transaction', 37, { ...ended, transactionId: 'x', msgId: 'x' }],
  ['topic', Code.CREATE_TOPIC, { ...newTopic, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false }],
  ['removal of a topic', 215, { topic: TOPIC }],
  ['group', 200, {}, groupConfig],
  ['removal of a group', 207, { groupName: 'some-group' }],
  ['pull', Code.PULL, pullFields(TOPIC, 0, 0)],
  ['pull at the end', Code.PULL, pullFields(TOPIC, 0, 10)],
  ['pull beyond the end', Code.PULL, pullFields(TOPIC, 0, 1_000)],
  ['commit of an offset', 15, offset],
  ['query of an offset', 14, offset],
  ['end of a queue', Code.MAX_OFFSET, { topic: TOPIC, queueId: 0 }],
];

mixed.test("ours answers as Apache's beside it does, and both have the master's tables", async (use) => {
  const namesrv = await use(hangarServers.startNamesrv());
  const [ofMaster, ofApache, ofHangar] = [0, 1, 2].map(() => new Replica(namesrv.address)) as [
    Replica,
    Replica,
    Replica,
  ];
  for (const replica of [ofMaster, ofApache, ofHangar]) await use(Promise.resolve(replica));
  const master = await use(ofMaster.start(apacheServers, 'ASYNC_MASTER'));
  const [apache, hangar] = await Promise.all([
    use(ofApache.start(apacheServers, 'SLAVE')),
    use(ofHangar.start(hangarServers, 'SLAVE', { brokerId: '2' })),
  ]);
  await createTopic({ namesrv: namesrv.address, brokers: [master.broker] }, TOPIC, QUEUES);
  await withClient(master.broker.address, async (client) => {
    for (let n = 0; n < 10; n++) {
      assert.is((await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from(`m${n}`))).code, 0);
    }
    assert.is((await client.call(200, {}, Buffer.from('{"groupName":"some-group","retryMaxTimes":7}'))).code, 0);
    const ofGroup = { consumerGroup: 'some-group', topic: TOPIC, queueId: 1, commitOffset: 5 };
    assert.is((await client.call(15, ofGroup)).code, 0);
  });
  for (const slave of [apache, hangar]) await caughtUp(master, slave, TOPIC);

  const tables = (replica: Replica): unknown => {
    const { topicConfigTable } = replica.table('topics.json') as { topicConfigTable: Record<string, unknown> };
    const { subscriptionGroupTable } = replica.table('subscriptionGroup.json') as {
      subscriptionGroupTable: Record<string, { retryMaxTimes: number }>;
    };
    const { offsetTable } = replica.table('consumerOffset.json') as { offsetTable: Record<string, unknown> };
    return [topicConfigTable[TOPIC], subscriptionGroupTable['some-group'], offsetTable[`${TOPIC}@some-group`]];
  };
  await until('both have copied the tables', TABLES_MS, async () => {
    const [expected, ...copies] = [ofMaster, ofApache, ofHangar].map((replica) =>
      JSON.stringify(sortedKeys(tables(replica))),
    );
    return copies.every((copy) => copy === expected) && !expected!.includes('null') ? true : undefined;
  });

  const answersOf = async (address: string): Promise<unknown[]> =>
    await withClient(address, async (client) => {
      const answers: unknown[] = [];
      for (const [name, code, fields, body] of REQUESTS) {
        const answer = await client.call(code, fields, body);
        const { suggestWhichBrokerId, nextBeginOffset, minOffset, offset: found } = answer.fields;
        answers.push([name, answer.code, suggestWhichBrokerId, nextBeginOffset, minOffset, found]);
      }
      return answers;
    });
  assert.equal(await answersOf(hangar.broker.address), await answersOf(apache.broker.address));
});

function sortedKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sortedKeys);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sortedKeys(inner)]),
  );
}

mixed.run();

const [java, go] = await Promise.all([javaClient(), goClient()]);
const clients = await serverSuite('consumers without a master', java.missing ?? go.missing);

clients.test('Java, Go and ali-ons go on from the slave, and with the master when that is back', async (use) => {
  const programs: readonly (readonly [string, Client])[] = [
    ['java', (java as { client: Client }).client],
    ['go', (go as { client: Client }).client],
    ['ali', aliOnsClient()],
  ];
  const namesrv = await use(hangarServers.startNamesrv());
  const replicas = [0, 1].map(() => new Replica(namesrv.address)) as [Replica, Replica];
  for (const replica of replicas) await use(Promise.resolve(replica));
  const slave = await use(replicas[1].start(hangarServers, 'SLAVE'));
  let master = await use(replicas[0].start(hangarServers, 'ASYNC_MASTER'));
  const addresses = { namesrv: namesrv.address, brokers: [master.broker] };
  await createTopic(addresses, TOPIC, 1);
  const all: string[] = [];
  const sendSome = async (prefix: string): Promise<void> => {
    const to = { namesrv: namesrv.address, brokers: [master.broker] };
    all.push(...(await produce(aliOnsClient(), to, { topic: TOPIC, prefix, count: SOME })).ids('sent'));
  };
  const options = { namesrv: namesrv.address, topic: TOPIC, count: 3 * SOME, timeoutMs: ROUTES_MS };
  const running = programs.map(([name, client]) => client.start('push', { ...options, group: `of-${name}` }));
  const everybodyHas = async (count: number): Promise<void> => {
    await Promise.all(
      running.map(({ child }) =>
        until(
          `${count} messages`,
          ROUTES_MS,
          async () => (receivedBy(child.stdout) >= count ? true : undefined),
          child,
        ),
      ),
    );
  };
  await Promise.all(running.map((one) => one.ready()));
  await sendSome('first');
  await everybodyHas(SOME);

  for (const { child } of running) child.signal('SIGSTOP');
  await sendSome('second');
  await caughtUp(master, slave, TOPIC);
  // Topics are copied each 10 s; a slave alone gives no route for one that it has not got.
  await until('the slave has the topic', TABLES_MS, async () => {
    const { topicConfigTable } = replicas[1].table('topics.json') as { topicConfigTable: Record<string, unknown> };
    return TOPIC in topicConfigTable ? true : undefined;
  });
  await master.kill();
  for (const { child } of running) child.signal('SIGCONT');
  await everybodyHas(2 * SOME);

  master = await use(replicas[0].start(hangarServers, 'ASYNC_MASTER'));
  await sendSome('third');
  for (const received of await Promise.all(running.map((one) => one.report()))) {
    assert.equal(received.ids('received').toSorted(), all.toSorted(), 'each message once');
  }
  assert.is(await maxOffset(master.broker.address, TOPIC), String(3 * SOME));
});

function receivedBy(stdout: string): number {
  return stdout.split('\n').filter((line) => line.startsWith('received ')).length;
}

clients.run();
