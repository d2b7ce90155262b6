/** Apache's mqadmin 4.9.7: its tables about a 2m-2s cluster. A failed command exits with 0 and a trace on standard error. */
import * as assert from 'uvu/assert';
import { mqadmin } from '../support/apache.js';
import { javaTools } from '../support/apache-toolchain.js';
import { consume, produce, sorted } from './harness/facts.js';
import { clusterSuite } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { aliOnsClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';
import type { Cluster } from './harness/servers.js';

const suite = await clusterSuite('mqadmin', (await javaTools()).missing);

/** Standard output of a command that printed no trace. */
async function output(cluster: Cluster, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await mqadmin(cluster.namesrv, args);
  assert.equal(
    [code, /Exception/.exec(stderr + stdout)?.[0]],
    [0, undefined],
    `${args.join(' ')}\n${stdout}\n${stderr}`,
  );
  return stdout;
}

/** The cells of a table's rows, without the heading. */
function rows(table: string): string[][] {
  const lines = table.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return lines.map((line) => line.trim().split(/\s{2,}/));
}

suite.test('clusterList has a row for every master and slave', async (cluster) => {
  const table = await output(cluster, 'clusterList');
  assert.match(table, /^#Cluster Name +#Broker Name +#BID +#Addr +#Version +#InTPS\(LOAD\) +#OutTPS\(LOAD\)/);
  const expected = cluster.brokers.map(({ name, id, address }) => [
    cluster.clusterName,
    name,
    String(id),
    address,
    'V4_9_7',
  ]);
  assert.equal(
    rows(table).map((row) => row.slice(0, 5)),
    expected,
  );
  for (const line of table.split('\n').filter((text) => text.startsWith(cluster.clusterName))) {
    assert.match(line, /V4_9_7 +\d+\.\d\d\(\d+,\d+ms\) +\d+\.\d\d\(\d+,\d+ms\) +\d+ \d+\.\d+ 0\.\d{4}$/);
  }
});

suite.test('updateTopic creates a topic on every master; topicList and topicRoute show it', async (cluster) => {
  const topic = 'mqadmin-created';
  const created = await output(cluster, 'updateTopic', '-c', cluster.clusterName, '-t', topic, '-r', '3', '-w', '3');
  const masters = cluster.brokers.filter((broker) => broker.id === 0);
  for (const master of masters) assert.match(created, `create topic to ${master.address} success.`);
  assert.match(created, `TopicConfig [topicName=${topic}, readQueueNums=3, writeQueueNums=3, perm=RW-`);

  const topics = (await output(cluster, 'topicList')).split('\n').map((line) => line.trim());
  for (const name of [topic, 'TBW102', 'SELF_TEST_TOPIC', cluster.clusterName, 'broker-a', 'broker-b']) {
    assert.ok(topics.includes(name), `${name} in ${topics}`);
  }

  const route = await output(cluster, 'topicRoute', '-t', topic);
  // Number keys come without quotes.
  const { brokerDatas, queueDatas } = JSON.parse(route.replace(/([{,]\s*)(\d+):/g, '$1"$2":'));
  const addresses = brokerDatas.flatMap((data: { brokerName: string; brokerAddrs: Record<string, string> }) =>
    Object.entries(data.brokerAddrs).map(([id, address]) => `${data.brokerName} ${id} ${address}`),
  );
  assert.equal(sorted(addresses), sorted(cluster.brokers.map(({ name, id, address }) => `${name} ${id} ${address}`)));
  const queues = queueDatas.map(
    (data: { brokerName: string; readQueueNums: number; writeQueueNums: number; perm: number }) =>
      [data.brokerName, data.readQueueNums, data.writeQueueNums, data.perm].join(' '),
  );
  assert.equal(sorted(queues), ['broker-a 3 3 6', 'broker-b 3 3 6']);
});

suite.test('topicStatus has a row for every queue, with the offsets that producers were told', async (cluster) => {
  const topic = 'mqadmin-status';
  await output(cluster, 'updateTopic', '-c', cluster.clusterName, '-t', topic, '-r', '4', '-w', '4');
  const empty = rows(await output(cluster, 'topicStatus', '-t', topic));
  assert.equal(
    empty.map((row) => row.slice(0, 4)),
    ['broker-a', 'broker-b'].flatMap((name) => [0, 1, 2, 3].map((queue) => [name, String(queue), '0', '0'])),
  );
  const sent = await produce(aliOnsClient(), cluster, { topic, prefix: 'status', count: 50 });
  const status = rows(await output(cluster, 'topicStatus', '-t', topic));
  for (const [broker, queue, min, max, updated] of status) {
    const stored = sent.of('sent').filter((line) => line.broker === broker && line.queue === queue).length;
    assert.equal([min, max], ['0', String(stored)], `${broker} ${queue}`);
    assert.match(updated!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}$/);
  }
  assert.is(status.length, 8);
});

suite.test('brokerStatus tells the state of one broker', async (cluster) => {
  const text = await output(cluster, 'brokerStatus', '-b', cluster.brokers[0]!.address);
  const status = new Map(text.split('\n').map((line): [string, string] => [line.split(':')[0]!.trim(), line]));
  assert.match(status.get('brokerVersionDesc')!, /: V4_9_7$/);
  assert.match(status.get('runtime')!, /: \[ \d+ days, \d+ hours, \d+ minutes, \d+ seconds \]$/);
  assert.match(status.get('commitLogMinOffset')!, /: 0$/);
  const keys = ['bootTimestamp', 'putTps', 'getTransferedTps', 'commitLogMaxOffset', 'sendThreadPoolQueueCapacity'];
  for (const key of [...keys, 'dispatchBehindBytes', 'earliestMessageTimeStamp', 'putMessageDistributeTime']) {
    assert.ok(status.has(key), `${key} in ${[...status.keys()]}`);
  }
});

suite.test('cleanExpiredCQ, cleanUnusedTopic and deleteExpiredCommitLog succeed on every broker', async (cluster) => {
  for (const command of ['cleanExpiredCQ', 'cleanUnusedTopic', 'deleteExpiredCommitLog']) {
    assert.is((await output(cluster, command, '-c', cluster.clusterName)).trim(), 'success', command);
    for (const { address } of cluster.brokers) {
      assert.is((await output(cluster, command, '-b', address)).trim(), 'success', `${command} ${address}`);
    }
  }
  // Nothing is old, and every topic is configured: all is as before.
  const status = await output(cluster, 'brokerStatus', '-b', cluster.brokers[0]!.address);
  assert.match(status, /^commitLogMinOffset +: 0$/m);
});

suite.test('brokerStatus counts what was sent and read today', async (cluster) => {
  const master = cluster.brokers.find((broker) => broker.name === 'broker-a' && broker.id === 0)!;
  const count = async (key: string): Promise<number> =>
    Number(new RegExp(`^${key} +: (\\d+)$`, 'm').exec(await output(cluster, 'brokerStatus', '-b', master.address))![1]);
  const before = { sent: await count('msgPutTotalTodayNow'), read: await count('msgGetTotalTodayNow') };
  const topic = 'mqadmin-counted';
  await createTopic({ ...cluster, brokers: [master] }, topic);
  await produce(aliOnsClient(), cluster, { topic, prefix: 'counted', count: 30 });
  await consume(aliOnsClient(), cluster, { topic, group: 'mqadmin-counted-group', count: 30 });
  assert.ok((await count('msgPutTotalTodayNow')) >= before.sent + 30);
  await until('what was read is counted', 10_000, async () =>
    (await count('msgGetTotalTodayNow')) >= before.read + 30 ? true : undefined,
  );
});

suite.test('statsAll and brokerConsumeStats show what a topic and its group do', async (cluster) => {
  const topic = 'mqadmin-statistics';
  const group = 'mqadmin-statistics-group';
  await createTopic(cluster, topic);
  await produce(aliOnsClient(), cluster, { topic, prefix: 'counted', count: 60 });
  await consume(aliOnsClient(), cluster, { topic, group, count: 60 });
  // Samples are taken each 10 s; the columns of the last 24 hours come from samples of each hour.
  await until('the last minute has messages in it', 40_000, async () => {
    const [row] = rows(await output(cluster, 'statsAll', '-t', topic));
    return row?.[0] === topic && row[1] === group && Number(row[3]) > 0 && Number(row[4]) > 0 ? true : undefined;
  });
  const master = cluster.brokers.find(({ id }) => id === 0)!;
  const progress = rows(await output(cluster, 'brokerConsumeStats', '-b', master.address));
  const own = progress.filter((row) => row[0] === topic && row[1] === group);
  assert.is(own.length, 4);
  for (const [, , broker, , end, consumed, behind] of own) {
    assert.equal([broker, consumed, behind], [master.name, end, '0']);
  }
});

suite.test('updateOrderConf sets, shows and deletes the queues of an ordered topic', async (cluster) => {
  const topic = 'mqadmin-ordered';
  await createTopic(cluster, topic);
  const conf = 'broker-a:4;broker-b:4';
  const route = async () => output(cluster, 'topicRoute', '-t', topic);
  assert.match(
    await output(cluster, 'updateOrderConf', '-t', topic, '-m', 'put', '-v', conf),
    /update orderConf success/,
  );
  assert.match(await output(cluster, 'updateOrderConf', '-t', topic, '-m', 'get'), `orderConf=[${conf}]`);
  assert.not.match(await route(), 'orderTopicConf":"broker', 'unless the name servers are told to');
  await output(cluster, 'updateNamesrvConfig', '-k', 'orderMessageEnable', '-v', 'true');
  assert.match(await route(), conf);
  await output(cluster, 'updateOrderConf', '-t', topic, '-m', 'delete');
  assert.not.match(await route(), conf);
});

suite.run();
