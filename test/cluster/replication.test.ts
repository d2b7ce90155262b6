/** A slave in the same process: what SYNC_MASTER promises, and logs that are the same byte for byte whoever restarts. */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StartError } from '../../src/index.js';
import { until } from '../interop/harness/process.js';
import { type Embedded, embed, embedded } from '../support/embedded.js';
import {
  type ConfigValues,
  configDirectory,
  masterValues,
  slaveValues,
  temporaryDirectory,
} from '../support/hangar-process.js';
import { type Answer, Code, RemotingClient, readQueue, sendFields, withClient } from '../support/remoting-client.js';
import { Traffic } from '../support/traffic.js';
import { within } from '../support/within.js';

const TOPIC = 'ReplicationTest';
/** Every broker has a topic of its own name; others a slave learns from its master now and then. */
const OWN_TOPIC = 'broker-a';
const QUEUES = 4;
const SLAVE_NOT_AVAILABLE = 11;
const RECOVERY_MS = 15_000;
/** Several files in a test; room for a message of the largest size. */
const SMALL_FILES = { mappedFileSizeCommitLog: 512 * 1024, maxMessageSize: 65_536 };

function pair(role: string, more: ConfigValues = {}): string {
  return configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, { brokerRole: role, ...more }),
    'broker-a-s': slaveValues('broker-a', 11011, more),
  });
}

function send(address: string, properties = '', body = 'x'): Promise<Answer> {
  return withClient(address, (client) => client.call(Code.SEND, sendFields(TOPIC, 0, properties), Buffer.from(body)));
}

async function maxOffsets(address: string): Promise<string[]> {
  return await withClient(address, async (client) => {
    const offsets: string[] = [];
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      const answer = await client.call(Code.MAX_OFFSET, { topic: TOPIC, queueId });
      offsets.push(answer.fields.offset ?? answer.remark);
    }
    return offsets;
  });
}

/** Waits until the slave has what its master has; nothing is being sent. */
async function caughtUp({ cluster }: Embedded): Promise<void> {
  await until('the slave has caught up', RECOVERY_MS, async () => {
    const [master, slave] = await Promise.all(
      ['broker-a', 'broker-a-s'].map((role) => maxOffsets(cluster.addressOf(role))),
    );
    return String(master) === String(slave) ? true : undefined;
  });
}

/** Everything in the commit log of a stopped broker. Behind its end a file is zeros. */
function logOf(store: string, role: string): Buffer {
  const directory = join(store, role, 'commitlog');
  return Buffer.concat(
    readdirSync(directory)
      .sort()
      .map((name) => readFileSync(join(directory, name))),
  );
}

function assertSameLogs(store: string): void {
  const [master, slave] = ['broker-a', 'broker-a-s'].map((role) => logOf(store, role));
  const end =
    Math.max(
      master!.findLastIndex((byte) => byte !== 0),
      slave!.findLastIndex((byte) => byte !== 0),
    ) + 1;
  assert.ok(end > SMALL_FILES.mappedFileSizeCommitLog, 'the log has several files');
  assert.ok(
    master!.subarray(0, end).equals(slave!.subarray(0, end)),
    `the first ${end} bytes of both logs are the same`,
  );
}

const promise = suite('SYNC_MASTER: what its answers say');

promise('SUCCESS means that the slave has the message', async () => {
  await embedded(pair('SYNC_MASTER'), async ({ cluster }) => {
    const slave = await RemotingClient.connect(cluster.addressOf('broker-a-s'));
    await withClient(cluster.addressOf('broker-a'), async (client) => {
      for (let n = 0; n < 50; n++) {
        assert.is((await client.call(Code.SEND, sendFields(OWN_TOPIC, 0), Buffer.from(`m${n}`))).code, 0);
        // The slave's queue is filled from its log, in the turn that follows; the log has it when the answer is here.
        await until(`message ${n} at the slave`, 2_000, async () => {
          const answer = await slave.call(Code.MAX_OFFSET, { topic: OWN_TOPIC, queueId: 0 });
          return Number(answer.fields.offset) === n + 1 ? true : undefined;
        });
      }
      assert.is((await readQueue(slave, OWN_TOPIC, 0)).length, 50);
    });
    slave.close();
  });
});

promise('without a slave: SLAVE_NOT_AVAILABLE, and the message is stored; WAIT=false is not told', async () => {
  const alone = configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, { brokerRole: 'SYNC_MASTER' }),
  });
  await embedded(alone, async ({ cluster }) => {
    const address = cluster.addressOf('broker-a');
    const answer = await send(address);
    assert.is(answer.code, SLAVE_NOT_AVAILABLE);
    assert.equal([answer.fields.queueOffset, answer.fields.msgId?.length], ['0', 32], 'with the whole send header');
    assert.is((await send(address, 'WAIT\u0001false\u0002')).code, 0);
    await withClient(address, async (client) => assert.is((await readQueue(client, TOPIC, 0)).length, 2));
  });
});

promise('a slave that stays away: SLAVE_NOT_AVAILABLE from then on', async () => {
  await embedded(pair('SYNC_MASTER'), async ({ cluster }) => {
    const address = cluster.addressOf('broker-a');
    assert.is((await send(address)).code, 0);
    // The sixth crash within a minute is the last.
    for (let crash = 0; crash < 6; crash++) await cluster.kill('broker-a-s');
    assert.is((await send(address)).code, SLAVE_NOT_AVAILABLE);
  });
});

promise.run();

const restarts = suite('replication: restarts under traffic');

for (const [what, roles] of [
  ['the slave', ['broker-a-s']],
  ['the master', ['broker-a']],
  ['both at once', ['broker-a', 'broker-a-s']],
] as const) {
  restarts(`${what}: SUCCESS again afterwards, and the logs are the same`, async () => {
    const one = await embed(pair('SYNC_MASTER', SMALL_FILES));
    const { cluster, store } = one;
    try {
      const address = cluster.addressOf('broker-a');
      for (let round = 0; round < 2; round++) {
        const traffic = await Traffic.start(address, { topic: TOPIC, queues: QUEUES });
        await traffic.more(1_000);
        await Promise.all(roles.map((role) => cluster.kill(role)));
        if (!roles.includes('broker-a' as never)) await traffic.more(500);
        await traffic.end();
      }
      await until('SUCCESS again', RECOVERY_MS, async () => ((await send(address)).code === 0 ? true : undefined));
      await caughtUp(one);
      await cluster.stop();
    } catch (error) {
      await cluster.abandon();
      throw error;
    }
    assertSameLogs(store);
  });
}

/** Runs a cluster on a store, stops it in order. */
async function run(config: string, store: string, use: (one: Embedded) => Promise<void>): Promise<void> {
  const one = await embed(config, store);
  try {
    await use(one);
    await one.cluster.stop();
  } catch (error) {
    await one.cluster.abandon();
    throw error;
  }
}

restarts('a new slave copies all that its master has before it counts as ready', async () => {
  const store = temporaryDirectory();
  const alone = configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, SMALL_FILES),
  });
  await run(alone, store, async ({ cluster }) => {
    const traffic = await Traffic.start(cluster.addressOf('broker-a'), { topic: TOPIC, queues: QUEUES });
    await traffic.more(3_000);
    await traffic.end();
  });
  await run(pair('ASYNC_MASTER', SMALL_FILES), store, async ({ cluster }) => {
    const [master, slave] = await Promise.all(
      ['broker-a', 'broker-a-s'].map((role) => maxOffsets(cluster.addressOf(role))),
    );
    assert.equal(slave, master);
  });
  assertSameLogs(store);
});

async function startFailure(store: string, config = pair('ASYNC_MASTER')): Promise<StartError> {
  const failure = await within(RECOVERY_MS, 'the end of the start', embed(config, store)).then(
    ({ cluster }) => cluster.abandon(),
    (error: Error) => error,
  );
  assert.instance(failure, StartError);
  return failure as StartError;
}

restarts('a slave whose master lost its store is refused, and the start says so', async () => {
  const store = temporaryDirectory();
  await run(pair('ASYNC_MASTER'), store, async (one) => {
    assert.is((await send(one.cluster.addressOf('broker-a'))).code, 0);
    await caughtUp(one);
  });
  rmSync(join(store, 'broker-a'), { recursive: true });
  assert.match(
    (await startFailure(store)).message,
    /^broker-a-s: refused by its master: the slave's log ends at \d+, behind its master's end 0: .* move the slave's store away/,
  );
});

restarts(
  'a slave that is told to follow another one than the master beside it: the start says so, and fails',
  async () => {
    const elsewhere = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const haMasterAddress = `127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    const config = configDirectory({
      'namesrv-a': { listenPort: 9876 },
      'broker-a': masterValues('broker-a', 10911),
      'broker-a-s': slaveValues('broker-a', 11011, { haMasterAddress }),
    });
    try {
      assert.is(
        (await startFailure(temporaryDirectory(), config)).message,
        `broker-a-s: its master is in this process and not at ${haMasterAddress}: leave haMasterAddress out`,
      );
    } finally {
      elsewhere.close();
    }
  },
);

restarts("a slave whose log has parted from its master's is refused, though both are equally long", async () => {
  const alone = configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911),
  });
  const [store, other] = [temporaryDirectory(), temporaryDirectory()];
  for (const [directory, body] of [
    [store, 'this'],
    [other, 'that'],
  ] as const) {
    await run(alone, directory, async ({ cluster }) => {
      for (const text of ['both', body]) assert.is((await send(cluster.addressOf('broker-a'), '', text)).code, 0);
    });
  }
  cpSync(join(other, 'broker-a'), join(store, 'broker-a-s'), { recursive: true });
  const before = logOf(store, 'broker-a-s');
  assert.match(
    (await startFailure(store)).message,
    /^broker-a-s: the message at \d+ is not the master's: the logs have parted; move the slave's store away/,
  );
  assert.ok(logOf(store, 'broker-a-s').equals(before), 'it is as it was');
});

restarts.run();
