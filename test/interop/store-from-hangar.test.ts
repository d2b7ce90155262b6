/**
 * A store that Hangar began goes to Apache's broker and back, after orderly stops and after SIGKILL of either. Delayed
 * messages that wait are delivered by whoever has the store when they are due: once after an orderly stop, at least once
 * after SIGKILL. Who has the store asks for open transactions.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { RemotingClient } from '../support/remoting-client.js';
import { type Acknowledged, assertStored, Traffic } from '../support/traffic.js';
import {
  assertFoundByKey,
  assertKept,
  assertTablesKept,
  type Contents,
  contentsOf,
  maxOffset,
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
  sendDelayed,
  untilDelivered,
} from './harness/store-delayed.js';
import { leaveIndexBehind } from './harness/store-behind.js';
import { readIndexFiles, readLog } from './harness/store-files.js';
import {
  assertHolds,
  contentsWith,
  commitOffsets,
  createTables,
  createTopic,
  fill,
  filledQueues,
  fillMany,
  type Sent,
} from './harness/store-filling.js';
import { commitOpen, committed, ORDERS, Outcome, SOON_CHECKED, transact } from './harness/store-transactions.js';
import { type OpenStore, SIZES, type StoreHome } from './harness/store-home.js';
import { storeLife } from './harness/store-suite.js';

const MANY_TOPICS = 1_000;
const MESSAGES = 220;
const SOON_SECONDS = 4;
const TRAFFIC_QUEUES = 2;
/** Of nine, every third is rolled back. */
const COMMITTED = ['pay-0', 'pay-2', 'pay-3', 'pay-5', 'pay-6', 'pay-8'];
const QUEUES = filledQueues(MANY_TOPICS);

const life = await storeLife('a store begun by Hangar', delays(SOON_SECONDS));

const sent: Sent[] = [];
let contents: Contents = new Map();
let tables: Tables;
let acknowledged: readonly Acknowledged[] = [];

/** Whoever has the store now has everything of before; then it takes more, and what it has afterwards is noted. */
async function checkAndFill(client: RemotingClient, seed: number): Promise<void> {
  const found = await contentsOf(client, QUEUES);
  assertKept(contents, found, true);
  assertHolds(found, sent);
  if (tables !== undefined) assertTablesKept(tables, await tablesOf(client));
  sent.push(...(await fill(client, seed, MESSAGES)), ...(await fillMany(client, seed, MANY_TOPICS)));
  contents = await contentsWith(client, QUEUES, sent);
  assertHolds(contents, sent);
  tables = await tablesOf(client);
}

async function used(home: StoreHome, use: (client: RemotingClient) => Promise<void>): Promise<void> {
  const client = await home.connect();
  try {
    await use(client);
  } finally {
    client.close();
  }
}

/** SIGKILL while sends are under way; what was acknowledged by then. */
async function killedUnderTraffic(
  broker: OpenStore,
  client: RemotingClient,
  topic: string,
): Promise<readonly Acknowledged[]> {
  await createTopic(client, topic, TRAFFIC_QUEUES);
  const traffic = await Traffic.start(broker.address, { topic, queues: TRAFFIC_QUEUES });
  await traffic.more(1_000);
  await broker.kill();
  await traffic.broken();
  return traffic.acknowledged;
}

life.step('Hangar fills it and stops in order', async (home) => {
  const hangar = await home.open('hangar');
  await used(home, async (client) => {
    await createTables(client, MANY_TOPICS);
    await checkAndFill(client, 1);
    await commitOffsets(client, 'readers', QUEUES, 1);
    tables = await tablesOf(client);
    await createTopic(client, REMINDERS, 1);
    await sendDelayed(client, Level.ONCE);
    assert.is(await untilDelivered(client, Level.ONCE), 0);
    await sendDelayed(client, Level.HOUR);
    await createTopic(client, ORDERS, 1);
    for (let n = 0; n < 6; n++) await transact(client, n, [Outcome.COMMIT, Outcome.ROLLBACK, undefined][n % 3]);
    assert.is(await maxOffset(client, ORDERS), 2);
  });
  await queuesSynced(home.store, contents);
  await used(home, (client) => sendDelayed(client, Level.SOON));
  await hangar.stop();
  await home.check();
  assertHourPending(home.store);
  assert.is(delayOffsets(home.store)[Level.ONCE], DELAYED);
  const log = readLog(home.store);
  assert.ok(log.files.length > 2, `${log.files.length} log files`);
  assert.is(log.blanks.length, log.files.length - 1);
});

life.step("Apache's broker has everything, finds it by key, appends and is killed", async (home) => {
  const apache = await home.open('apache', SOON_CHECKED);
  await used(home, async (client) => {
    await checkAndFill(client, 2);
    await commitOpen(client, ['pay-2', 'pay-5']);
    for (let n = 6; n < 9; n++) await transact(client, n, [Outcome.COMMIT, Outcome.ROLLBACK, undefined][n % 3]);
    await assertFoundByKey(client, recordsIn(contents));
    assert.is(await untilDelivered(client, Level.SOON), 0);
    await sendDelayed(client, Level.SOON, 2);
    acknowledged = await killedUnderTraffic(apache, client, 'sent-to-apache');
  });
  await home.check();
  assert.ok(existsSync(join(home.store, 'abort')));
});

life.step('Hangar has everything after that SIGKILL, appends and is killed', async (home) => {
  const hangar = await home.open('hangar', SOON_CHECKED);
  await used(home, async (client) => {
    await checkAndFill(client, 3);
    await commitOpen(client, ['pay-8']);
    assert.equal([...(await committed(client))].sort(), COMMITTED);
    await untilDelivered(client, Level.SOON, 2);
    await assertStored(hangar.address, 'sent-to-apache', TRAFFIC_QUEUES, acknowledged);
    await sendDelayed(client, Level.SOON, 3);
    acknowledged = await killedUnderTraffic(hangar, client, 'sent-to-hangar');
  });
  await home.check();
  assertHourPending(home.store);
  assert.ok(existsSync(join(home.store, 'abort')));
});

life.step("Apache's broker has everything after that SIGKILL, appends and stops in order", async (home) => {
  const apache = await home.open('apache');
  await used(home, async (client) => {
    await checkAndFill(client, 4);
    await assertFoundByKey(client, recordsIn(contents), readIndexFiles(home.store, SIZES.indexSlots).length);
    await assertStored(apache.address, 'sent-to-hangar', TRAFFIC_QUEUES, acknowledged);
    await untilDelivered(client, Level.SOON, 3);
  });
  await apache.stop();
  await home.check();
});

life.step('Hangar has everything after that orderly stop', async (home) => {
  const hangar = await home.open('hangar');
  await used(home, (client) => checkAndFill(client, 5));
  await queuesSynced(home.store, contents);
  await hangar.stop();
  await home.check();
  assertHourPending(home.store);
});

life.step("Apache's broker finds every key though Hangar's orderly stop left half of the index out", async (home) => {
  leaveIndexBehind(home.store);
  const before = readIndexFiles(home.store, SIZES.indexSlots);
  // As they are by default.
  const apache = await home.open('apache', { messageIndexSafe: 'false' });
  await used(home, async (client) => {
    const found = await contentsOf(client, QUEUES);
    assertKept(contents, found, true);
    await assertFoundByKey(client, recordsIn(found), before.length + 1);
  });
  const after = readIndexFiles(home.store, SIZES.indexSlots);
  assert.ok(after.length > before.length, `${before.length} and ${after.length} index files`);
  await apache.stop();
  await home.check();
});

life.run();
