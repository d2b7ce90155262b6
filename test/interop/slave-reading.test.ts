/**
 * Who is told to read from a slave, and who reads there: suggestions of ours beside Apache's, clients that follow them,
 * and consumers that start while there is no master.
 */
import * as assert from 'uvu/assert';
import { apacheServers } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { Code, pullFields, type RemotingClient, sendFields, withClient } from '../support/remoting-client.js';
import { produce } from './harness/facts.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { aliOnsClient, type Client, goClient, javaClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';
import { BROKER, caughtUp, Replica } from './harness/replica.js';
import type { BrokerServer, Servers } from './harness/servers.js';

const TOPIC = 'SlaveReading';
const MESSAGES = 10;
const TABLES_MS = 40_000;
const READ_MS = 60_000;
const OFFSET_QUERY = 14;
const UPDATE_CONFIG = 25;
const UPDATE_GROUP = 200;
/** What is behind the end at all is "far behind". */
const ALL_IS_FAR = { accessMessageInMemoryMaxRatio: '0' };

interface Pair {
  readonly namesrv: string;
  readonly replicas: readonly [master: Replica, slave: Replica];
  readonly master: BrokerServer;
  readonly slave: BrokerServer;
}

async function startPair(use: Use, servers: Servers, more: Readonly<Record<string, string>>): Promise<Pair> {
  const { address: namesrv } = await use(hangarServers.startNamesrv());
  const replicas = [new Replica(namesrv, more), new Replica(namesrv, more)] as const;
  for (const replica of replicas) await use(Promise.resolve(replica));
  const master = await use(replicas[0].start(servers, 'ASYNC_MASTER'));
  const slave = await use(replicas[1].start(servers, 'SLAVE'));
  return { namesrv, replicas, master, slave };
}

/** Tables are copied every 10 s. */
async function copied({ replicas: [, slave] }: Pair, file: string, table: string, key: string): Promise<void> {
  await until(`${key} is copied`, TABLES_MS, async () =>
    key in (slave.table(file)[table] as Record<string, unknown>) ? true : undefined,
  );
}

const GROUPS = [
  { groupName: 'usual' },
  { groupName: 'to-the-second', whichBrokerWhenConsumeSlowly: 2 },
  { groupName: 'of-the-slave', brokerId: 1 },
];

/** Whom a pull by each group at each offset is told to ask next. */
async function suggestions({ broker }: BrokerServer): Promise<string[]> {
  return await withClient(broker.address, async (client) => {
    const told: string[] = [];
    for (const { groupName } of GROUPS) {
      for (const offset of [0, MESSAGES - 1, MESSAGES, MESSAGES + 5]) {
        const more = { consumerGroup: groupName };
        const { code, fields } = await client.call(Code.PULL, pullFields(BROKER, 0, offset, more));
        told.push(`${groupName} at ${offset}: ${code} ${fields.suggestWhichBrokerId} ${fields.nextBeginOffset}`);
      }
    }
    return told;
  });
}

async function configure({ broker }: BrokerServer, line: string): Promise<void> {
  await withClient(broker.address, async (client) => {
    assert.is((await client.call(UPDATE_CONFIG, {}, Buffer.from(line))).code, 0);
  });
}

/** Answers of master and slave, slaveReadEnable on and off, behind the end and near it. */
async function suggestionsOf(use: Use, servers: Servers): Promise<unknown> {
  const pair = await startPair(use, servers, {});
  const { master, slave } = pair;
  await withClient(master.broker.address, async (client) => {
    for (let n = 0; n < MESSAGES; n++)
      assert.is((await client.call(Code.SEND, sendFields(BROKER, 0), Buffer.from('x'))).code, 0);
    for (const group of GROUPS)
      assert.is((await client.call(UPDATE_GROUP, {}, Buffer.from(JSON.stringify(group)))).code, 0);
  });
  await caughtUp(master, slave);
  await copied(pair, 'subscriptionGroup.json', 'subscriptionGroupTable', 'of-the-slave');
  const told: Record<string, string[]> = {};
  for (const isEnabled of [false, true]) {
    for (const ratio of [40, 0]) {
      for (const [name, one] of Object.entries({ master, slave })) {
        await configure(one, `slaveReadEnable=${isEnabled}\naccessMessageInMemoryMaxRatio=${ratio}`);
        told[`${name} slaveReadEnable=${isEnabled} ratio=${ratio}`] = await suggestions(one);
      }
    }
  }
  return told;
}

const mixed = await serverSuite('suggested slaves', await apacheServers.missing());

mixed.test('a slave is suggested where Apache suggests it, by master and slave', async (use) => {
  const theirs = await suggestionsOf(use, apacheServers);
  assert.equal(await suggestionsOf(use, hangarServers), theirs);
});

mixed.run();

const [java, go] = await Promise.all([javaClient(), goClient()]);
const clients = await serverSuite('consumers at a slave', java.missing ?? go.missing);
const clientOf = (found: typeof java): Client => (found as { client: Client }).client;

/** Messages that this broker has handed out. */
async function handedOut({ broker }: BrokerServer): Promise<number> {
  const { body } = await withClient(broker.address, (client: RemotingClient) =>
    client.call(Code.BROKER_RUNTIME_INFO, {}),
  );
  const { table } = JSON.parse(body.toString()) as { table: Record<string, string> };
  return Number(table.msgGetTotalTodayNow);
}

clients.test('Java and Go read from the slave that is suggested, each message once', async (use) => {
  const pair = await startPair(use, hangarServers, { ...ALL_IS_FAR, slaveReadEnable: 'true' });
  const { namesrv, master, slave } = pair;
  await createTopic({ namesrv, brokers: [master.broker] }, TOPIC, 1);
  await copied(pair, 'topics.json', 'topicConfigTable', TOPIC);
  const to = { namesrv, brokers: [master.broker] };
  const count = 200;
  const sent = await produce(aliOnsClient(), to, { topic: TOPIC, prefix: 'far', count });
  await caughtUp(master, slave, TOPIC);
  for (const [name, client] of [
    ['java', clientOf(java)],
    ['go', clientOf(go)],
  ] as const) {
    const before = await handedOut(slave);
    const received = await client.run('push', {
      namesrv,
      topic: TOPIC,
      group: `far-${name}`,
      count,
      timeoutMs: READ_MS,
    });
    assert.equal(received.ids('received').toSorted(), sent.ids('sent').toSorted(), `${name}: each once`);
    // Counters of a queue host reach the broker now and then.
    await until(`the slave has handed out most of what ${name} got`, TABLES_MS, async () =>
      (await handedOut(slave)) - before >= count / 2 ? true : undefined,
    );
  }
});

clients.test(
  'Java starts without a master, commits at the slave, and goes on there when the master is back',
  async (use) => {
    const pair = await startPair(use, hangarServers, {});
    const { namesrv, replicas, slave } = pair;
    let { master } = pair;
    const count = 20;
    const group = 'starts-alone';
    await createTopic({ namesrv, brokers: [master.broker] }, TOPIC, 1);
    await copied(pair, 'topics.json', 'topicConfigTable', TOPIC);
    const first = await produce(
      aliOnsClient(),
      { namesrv, brokers: [master.broker] },
      { topic: TOPIC, prefix: 'first', count },
    );
    await caughtUp(master, slave, TOPIC);
    await master.kill();

    const options = { namesrv, topic: TOPIC, group, count, timeoutMs: READ_MS };
    const alone = await clientOf(java).run('push', options);
    assert.equal(alone.ids('received').toSorted(), first.ids('sent').toSorted());
    const committed = async ({ broker }: BrokerServer): Promise<string | undefined> =>
      await withClient(broker.address, async (client) => {
        const fields = { consumerGroup: group, topic: TOPIC, queueId: 0 };
        return (await client.call(OFFSET_QUERY, fields)).fields.offset;
      });
    assert.is(await committed(slave), String(count), 'committed at the slave');

    master = await use(replicas[0].start(hangarServers, 'ASYNC_MASTER'));
    await until('the master knows the offset', TABLES_MS, async () =>
      (await committed(master)) === String(count) ? true : undefined,
    );
    const second = await produce(
      aliOnsClient(),
      { namesrv, brokers: [master.broker] },
      { topic: TOPIC, prefix: 'second', count },
    );
    const again = await clientOf(java).run('push', options);
    assert.equal(again.ids('received').toSorted(), second.ids('sent').toSorted(), 'nothing of before comes again');
  },
);

clients.run();
