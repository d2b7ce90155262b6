/** Retention with real files: a byte budget under load, readers and slaves that are too late, crashes in between. */
import { existsSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../interop/harness/process.js';
import { type Embedded, embed, embedded } from '../support/embedded.js';
import {
  type ConfigValues,
  configDirectory,
  masterValues,
  metric,
  oneBroker,
  slaveValues,
  temporaryDirectory,
} from '../support/hangar-process.js';
import {
  Code,
  messagesOf,
  type PulledMessage,
  pullFields,
  RemotingClient,
  withClient,
} from '../support/remoting-client.js';
import { Traffic } from '../support/traffic.js';

const MIB = 2 ** 20;
const TOPIC = 'broker-a';
const FILE_BYTES = 256 * 1024;
const BUDGET = 4 * MIB;
const SMALL_FILES: ConfigValues = {
  mappedFileSizeCommitLog: FILE_BYTES,
  mappedFileSizeConsumeQueue: 4_000,
  maxMessageSize: 65_536,
};
/** The index is small beside the budget by itself. */
const BOUNDED: ConfigValues = { ...SMALL_FILES, storeMaxBytes: BUDGET };
const OFFSET_MOVED = 21;
const NOT_FOUND = 19;

/** Bytes that a directory takes on the disk. */
function diskBytes(directory: string): number {
  let bytes = 0;
  for (const name of existsSync(directory) ? readdirSync(directory) : []) {
    const path = join(directory, name);
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts === undefined) continue;
    bytes += facts.isDirectory() ? diskBytes(path) : facts.blocks * 512;
  }
  return bytes;
}

function storeBytes(store: string, role: string): number {
  return ['commitlog', 'consumequeue', 'index'].reduce((sum, part) => sum + diskBytes(join(store, role, part)), 0);
}

const logFiles = (store: string, role: string): string[] => readdirSync(join(store, role, 'commitlog')).sort();

/** Follows a queue as a consumer does: code 21 and 20 say where to go on. Returns what it got, and how often it was moved. */
async function readOn(client: RemotingClient, queueId: number, from: number, pauseMs = 0) {
  const messages: PulledMessage[] = [];
  let moved = 0;
  for (let offset = from; ; ) {
    const answer = await client.call(Code.PULL, pullFields(TOPIC, queueId, offset));
    if (answer.code === NOT_FOUND) return { messages, moved, end: offset };
    assert.ok([0, 20, OFFSET_MOVED].includes(answer.code), `${answer.code} ${answer.remark}`);
    if (answer.code === OFFSET_MOVED) {
      assert.is(answer.remark, 'OFFSET_TOO_SMALL');
      assert.is(answer.fields.nextBeginOffset, answer.fields.minOffset);
      moved++;
    }
    if (answer.code === 0) messages.push(...messagesOf(answer.body));
    assert.ok(Number(answer.fields.nextBeginOffset) > offset, 'it goes forward');
    offset = Number(answer.fields.nextBeginOffset);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function offsetOf(address: string, code: number): Promise<number> {
  return Number((await withClient(address, (client) => client.call(code, { topic: TOPIC, queueId: 0 }))).fields.offset);
}

async function loaded({ cluster }: Embedded, messages: number): Promise<Traffic> {
  const properties = 'KEYS\u0001k\u0002UNIQ_KEY\u0001u';
  const traffic = await Traffic.start(cluster.addressOf('broker-a'), { topic: TOPIC, queues: 1, properties });
  await traffic.more(messages);
  return traffic;
}

const noCrash = ({ log }: Embedded): void =>
  assert.equal(
    log.filter((line) => /crashed|stands still/.test(line)),
    [],
  );

const budget = suite('retention: a byte budget under load');

budget(
  'the disk never holds more; a slow reader is moved on, gets whole messages in order, and the newest',
  async () => {
    await embedded(oneBroker(BOUNDED), async (one) => {
      const { cluster, store, metrics } = one;
      const address = cluster.addressOf('broker-a');
      const traffic = await loaded(one, 1_000);
      const reader = await RemotingClient.connect(address);
      const slow = readOn(reader, 0, 0, 20);
      let most = 0;
      for (let round = 0; round < 20; round++) {
        await traffic.more(1_000);
        most = Math.max(most, storeBytes(store, 'broker-a'));
        assert.ok(logFiles(store, 'broker-a').length * FILE_BYTES <= BUDGET, 'log files in full');
      }
      await traffic.end();
      assert.equal([...traffic.codes.keys()], [0]);
      // Entries that hosts still hold back, and directories, are not in it.
      assert.ok(most <= BUDGET, `${most} bytes at most`);
      assert.ok(most > BUDGET / 2, `${most} bytes: what may be kept is kept`);
      const { messages, moved, end } = await slow;
      assert.ok(moved > 0, 'it fell behind');
      assert.is(end, traffic.acknowledged.length);
      const bodies = new Map(traffic.acknowledged.map(({ body, queueOffset }) => [queueOffset, body]));
      for (const { queueOffset, body } of messages)
        assert.is(body.toString(), bodies.get(queueOffset), String(queueOffset));
      assert.is(messages.at(-1)!.queueOffset, end - 1);
      reader.close();

      // Broker and queue host agree on where the queue begins, and everything behind is there without a gap.
      await until('consume queues follow', 10_000, async () => {
        const bytes = await metric(metrics, 'hangar_store_bytes', { broker: 'broker-a', part: 'consumequeue' });
        return bytes < 20 * 15_000 ? true : undefined;
      });
      const min = await offsetOf(address, Code.MIN_OFFSET);
      assert.ok(min > 5_000, `begins at ${min}`);
      await withClient(address, async (client) => {
        const kept = (await readOn(client, 0, min)).messages;
        assert.equal([kept[0]!.queueOffset, kept.length], [min, end - min]);
        const answer = await client.call(Code.PULL, pullFields(TOPIC, 0, min - 1));
        assert.equal([answer.code, Number(answer.fields.minOffset)], [OFFSET_MOVED, min]);
      });
      const labels = { broker: 'broker-a', reason: 'budget' };
      assert.ok((await metric(metrics, 'hangar_commit_log_files_deleted_total', labels)) > 10);
      noCrash(one);
    });
  },
);

budget('a slave keeps its own, and what it shares with its master is the same', async () => {
  const pair = configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, { brokerRole: 'SYNC_MASTER', ...SMALL_FILES }),
    'broker-a-s': slaveValues('broker-a', 11011, BOUNDED),
  });
  const one = await embed(pair);
  try {
    const { cluster, store } = one;
    const traffic = await loaded(one, 12_000);
    await traffic.end();
    const end = traffic.acknowledged.length;
    await until('the slave has everything', 10_000, async () =>
      (await offsetOf(cluster.addressOf('broker-a-s'), Code.MAX_OFFSET)) === end ? true : undefined,
    );
    const [master, slave] = ['broker-a', 'broker-a-s'].map((role) => logFiles(store, role));
    assert.ok(slave!.length * FILE_BYTES <= BUDGET && master!.length > slave!.length);
    assert.is(await offsetOf(cluster.addressOf('broker-a'), Code.MIN_OFFSET), 0);
    const newest = slave!.slice(1, -1);
    for (const name of newest) {
      const [a, b] = ['broker-a', 'broker-a-s'].map((role) => readFileSync(join(store, role, 'commitlog', name)));
      assert.ok(a!.equals(b!), name);
    }
    noCrash(one);
    await cluster.stop();
  } catch (error) {
    await one.cluster.abandon();
    throw error;
  }
});

const late = suite('retention: a slave that is too late');

async function alive(use: Promise<Embedded>, then: (one: Embedded) => Promise<void>): Promise<void> {
  const one = await use;
  try {
    await then(one);
    await one.cluster.stop();
  } catch (error) {
    await one.cluster.abandon();
    throw error;
  }
}

late('gives up what it has and copies what its master still has, without a crash', async () => {
  const store = temporaryDirectory();
  const roles = {
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, { brokerRole: 'ASYNC_MASTER', ...BOUNDED }),
  };
  const pair = configDirectory({ ...roles, 'broker-a-s': slaveValues('broker-a', 11011, SMALL_FILES) });
  await alive(embed(pair, store), async (one) => (await loaded(one, 500)).end());
  assert.is(logFiles(store, 'broker-a-s')[0], '0'.repeat(20));
  // The master goes on alone, until it has deleted what the slave would need next.
  await alive(embed(configDirectory(roles), store), async (one) => (await loaded(one, 12_000)).end());
  assert.ok(logFiles(store, 'broker-a')[0]! > logFiles(store, 'broker-a-s').at(-1)!);
  await alive(embed(pair, store), async (one) => {
    const [master, slave] = ['broker-a', 'broker-a-s'].map((role) => one.cluster.addressOf(role));
    assert.ok(
      one.log.some((line) => line.includes('broker-a-s: the master has deleted messages')),
      one.log.join('\n'),
    );
    assert.is(logFiles(store, 'broker-a-s')[0], logFiles(store, 'broker-a')[0]);
    assert.is(await offsetOf(slave!, Code.MAX_OFFSET), await offsetOf(master!, Code.MAX_OFFSET));
    const min = await offsetOf(master!, Code.MIN_OFFSET);
    const [theirs, own] = await Promise.all(
      [master, slave].map((address) => withClient(address!, (client) => readOn(client, 0, min))),
    );
    assert.equal(own!.messages, theirs!.messages);
    const traffic = await loaded(one, 2_000);
    await traffic.end();
    await until('the slave follows', 10_000, async () =>
      (await offsetOf(slave!, Code.MAX_OFFSET)) === (await offsetOf(master!, Code.MAX_OFFSET)) ? true : undefined,
    );
    noCrash(one);
  });
});

const interrupted = suite('retention: a crash between the log file and what follows it');

interrupted('the next start makes queues begin where the log does', async () => {
  const store = temporaryDirectory();
  const config = oneBroker(SMALL_FILES);
  await alive(embed(config, store), async (one) => (await loaded(one, 3_000)).end());
  const queue = join(store, 'broker-a', 'consumequeue', TOPIC, '0');
  const queueFiles = readdirSync(queue).length;
  for (const name of logFiles(store, 'broker-a').slice(0, 2)) unlinkSync(join(store, 'broker-a', 'commitlog', name));
  for (const isCrash of [true, false]) {
    if (isCrash) writeFileSync(join(store, 'broker-a', 'abort'), '');
    await alive(embed(config, store), async ({ cluster }) => {
      const address = cluster.addressOf('broker-a');
      const min = await offsetOf(address, Code.MIN_OFFSET);
      assert.ok(min > 500, `begins at ${min}`);
      await withClient(address, async (client) => {
        const { messages } = await readOn(client, 0, min);
        assert.equal([messages[0]!.queueOffset, messages.at(-1)!.queueOffset], [min, min + messages.length - 1]);
        assert.ok(messages[0]!.physicalOffset >= 2 * FILE_BYTES);
      });
    });
    assert.ok(readdirSync(queue).length < queueFiles, 'files of older entries are gone');
  }
});

const sizes = suite('retention: sizes of files with storeMaxBytes');

sizes('a new store has small ones, one that is there keeps its own', async () => {
  const store = temporaryDirectory();
  const size = (): number => statSync(join(store, 'broker-a', 'commitlog', '0'.repeat(20))).size;
  const bounded = (bytes: string, more: ConfigValues = {}): string => oneBroker({ storeMaxBytes: bytes, ...more });
  await alive(embed(bounded('512m'), store), async (one) => (await loaded(one, 10)).end());
  assert.is(size(), 32 * MIB);
  await alive(embed(bounded('2g'), store), async (one) => (await loaded(one, 10)).end());
  assert.is(size(), 32 * MIB);
  let refusal = '';
  await embed(bounded('48m'), store).catch((error: Error) => {
    refusal = error.message;
  });
  assert.match(refusal, /^broker-a: storeMaxBytes=50331648 is less than two commit log files .*=33554432/);
});

budget.run();
late.run();
interrupted.run();
sizes.run();
