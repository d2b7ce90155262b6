/**
 * A store that Apache's broker began goes to Hangar and back, with delayed messages that wait and transactions that are
 * open: Hangar keeps them, and Apache's broker then delivers the ones and asks for the others.
 */
import { networkInterfaces } from 'node:os';
import * as assert from 'uvu/assert';
import { hangarServers } from '../support/hangar.js';
import type { RemotingClient } from '../support/remoting-client.js';
import { type Client, javaClient } from './harness/programs.js';
import { createTopic } from './harness/remoting.js';
import type { NamesrvServer } from './harness/servers.js';
import {
  assertFoundByKey,
  assertKept,
  assertTablesKept,
  type Contents,
  contentsOf,
  queuesSynced,
  recordsIn,
  type Tables,
  tablesOf,
} from './harness/store-contents.js';
import {
  assertHourPending,
  delayOffsets,
  DELAYED,
  delays,
  Level,
  REMINDERS,
  SCHEDULE,
  sendDelayed,
  untilDelivered,
} from './harness/store-delayed.js';
import { readIndexFiles, type StoredRecord } from './harness/store-files.js';
import {
  assertHolds,
  commitOffsets,
  contentsWith,
  createTables,
  fill,
  filledQueues,
  type Sent,
} from './harness/store-filling.js';
import {
  commitOpen,
  HALF,
  OP,
  ORDERS,
  SOON_CHECKED,
  TRANSACTION_GROUP,
  transactionRecords,
} from './harness/store-transactions.js';
import { SIZES, type StoreHome } from './harness/store-home.js';
import { storeLife } from './harness/store-suite.js';

const MESSAGES = 200;

/** Longer than Apache's broker takes to stop: what waits then is delivered by somebody else. */
const SOON_SECONDS = 10;

const FILLED = filledQueues();
const DELAY_QUEUES = [0, 1, 2].map((queueId) => ({ topic: SCHEDULE, queueId }));
const TARGETS = [ORDERS, REMINDERS].map((topic) => ({ topic, queueId: 0 }));
const QUEUES = [...FILLED, ...DELAY_QUEUES, ...TARGETS];

const java = await javaClient();
const life = await storeLife("a store begun by Apache's broker", delays(SOON_SECONDS));

const sent: Sent[] = [];
let contents: Contents = new Map();
let tables: Tables;
let nameServer: NamesrvServer | undefined;
/** Half and op messages as Apache's broker left them. */
let transactions: readonly StoredRecord[] = [];

life.after(async () => await nameServer?.stop());

/** Undefined where the machine has no IPv6: then every born host is an IPv4 one. */
const IPV6_HOST = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
  ? '::1'
  : undefined;
if (IPV6_HOST === undefined)
  process.stdout.write('SKIPPED, because this machine has no ::1: records with IPv6 hosts\n');

const BOTH_FAMILIES = IPV6_HOST === undefined ? {} : { bindAddress: '::' };

/** Addresses of IPv6 clients in the records. */
function assertIpv6Clients(count: number): void {
  if (IPV6_HOST === undefined) return;
  const records = recordsIn(contents).filter(({ sysFlag }) => (sysFlag & 0x10) !== 0);
  const hosts = new Set(records.map(({ bornHost }) => bornHost));
  assert.is(hosts.size, count);
  for (const host of hosts) assert.ok(host.startsWith(`${'0'.repeat(31)}1:`), host);
}

async function used(home: StoreHome, use: (client: RemotingClient) => Promise<void>, host?: string): Promise<void> {
  const client = await home.connect(host);
  try {
    await use(client);
  } finally {
    client.close();
  }
}

life.step("Apache's broker fills it, delivers some, leaves others open, and stops in order", async (home) => {
  nameServer = await hangarServers.startNamesrv();
  const namesrv = nameServer.address;
  const apache = await home.open('apache', { namesrvAddr: namesrv });
  const cluster = { namesrv, brokers: [{ name: 'broker-a', id: 0, address: apache.address }] };
  await createTopic(cluster, ORDERS, 1);
  await createTopic(cluster, REMINDERS, 1);
  await used(home, async (client) => {
    await createTables(client);
    await sendDelayed(client, Level.ONCE);
    sent.push(...(await fill(client, 1, MESSAGES)));
    const options = { namesrv, topic: ORDERS, prefix: 'pay', group: TRANSACTION_GROUP, count: 9, timeoutMs: 0 };
    await (java as { client: Client }).client.run('transaction', {
      ...options,
      outcomes: 'commit,rollback,check-commit',
    });
    await untilDelivered(client, Level.ONCE);
    await sendDelayed(client, Level.SOON);
    await sendDelayed(client, Level.HOUR);
  });
  await used(home, async (client) => void sent.push(...(await fill(client, 2, 20))), IPV6_HOST);
  await used(home, async (client) => {
    await commitOffsets(client, 'readers', FILLED, 7);
    contents = await contentsWith(client, QUEUES, sent);
    tables = await tablesOf(client);
  });
  await apache.stop();
  await home.check();
  assertHolds(contents, sent);
  transactions = transactionRecords(home.store);
  assert.equal(
    [HALF, OP].map((topic) => transactions.filter((record) => record.topic === topic).length),
    [9, 6],
  );
  assert.is(contents.get(`${ORDERS} 0`)!.max, 3);
  assertHourPending(home.store);
  assert.is(delayOffsets(home.store)[Level.ONCE], DELAYED);
  assertIpv6Clients(1);
});

life.step('Hangar has everything after that orderly stop, appends and is killed', async (home) => {
  const hangar = await home.open('hangar', BOTH_FAMILIES);
  await used(home, async (client) => {
    const found = await contentsOf(client, QUEUES);
    assertKept(contents, found, false);
    assertHolds(found, sent);
    assertTablesKept(tables, await tablesOf(client));
    sent.push(...(await fill(client, 3, MESSAGES)));
  });
  await used(home, async (client) => void sent.push(...(await fill(client, 4, 20))), IPV6_HOST);
  await used(home, async (client) => {
    contents = await contentsWith(client, QUEUES, sent);
    tables = await tablesOf(client);
  });
  assertHolds(contents, sent);
  await queuesSynced(home.store, contents);
  await hangar.kill();
  await home.check();
  assertHourPending(home.store);
  assert.is(delayOffsets(home.store)[Level.ONCE], DELAYED);
  assert.equal(transactionRecords(home.store), transactions);
  assertIpv6Clients(2);
});

life.step(
  "Apache's broker goes on after that SIGKILL: delivers, asks for what is open, and is killed",
  async (home) => {
    const apache = await home.open('apache', SOON_CHECKED);
    await used(home, async (client) => {
      const found = await contentsOf(client, QUEUES);
      assertKept(contents, found, false);
      assertHolds(found, sent);
      assertTablesKept(tables, await tablesOf(client));
      await assertFoundByKey(client, recordsIn(contents), readIndexFiles(home.store, SIZES.indexSlots).length);
      await untilDelivered(client, Level.SOON);
      await commitOpen(client, ['pay-2', 'pay-5', 'pay-8']);
      sent.push(...(await fill(client, 5, MESSAGES)));
      contents = await contentsWith(client, QUEUES, sent);
      tables = await tablesOf(client);
    });
    await apache.kill();
    await home.check();
  },
);

life.step('Hangar has everything after that SIGKILL', async (home) => {
  const hangar = await home.open('hangar', BOTH_FAMILIES);
  await used(home, async (client) => {
    const found = await contentsOf(client, QUEUES);
    assertKept(contents, found, false);
    assertHolds(found, sent);
    assertTablesKept({ ...tables, offsets: {} }, await tablesOf(client));
    await queuesSynced(home.store, found);
  });
  await hangar.stop();
  await home.check();
  const now = transactionRecords(home.store);
  const isOf = (topic: string) => (record: StoredRecord) => record.topic === topic;
  assert.equal(now.filter(isOf(HALF)).slice(0, 9), transactions.filter(isOf(HALF)));
  // Checking appends a copy of each half message; each that was committed has its op message, and the copies get theirs.
  assert.ok(now.filter(isOf(OP)).length >= 9, 'op messages');
});

life.run();
