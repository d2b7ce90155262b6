/** Brokers of different processes that follow each other over Apache's replication stream: ours, Apache's, and both mixed. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { apacheServers } from '../support/apache.js';
import { temporaryDirectory } from '../support/hangar-process.js';
import { hangarServers } from '../support/hangar.js';
import { Code, readQueue, type RemotingClient, sendFields, withClient } from '../support/remoting-client.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import type { BrokerServer, Servers } from './harness/servers.js';

const TOPIC = 'broker-a';
const LOG_FILE_BYTES = 256 * 1024;
const BODY_BYTES = 4_000;
/** Java's slave says where it stands only 5 s after it has connected, and connects every 5 s. */
const CAUGHT_UP_MS = 25_000;
const PROPERTIES = {
  mappedFileSizeCommitLog: String(LOG_FILE_BYTES),
  maxMessageSize: '65536',
  haSendHeartbeatInterval: '1000',
};

interface Pair {
  readonly master: BrokerServer;
  readonly slave: BrokerServer;
}

/** Everything that a role was started on; kept over restarts. */
class Home {
  readonly directory = temporaryDirectory();
  constructor(
    private readonly servers: Servers,
    private readonly namesrv: string,
    private readonly role: 'ASYNC_MASTER' | 'SYNC_MASTER' | 'SLAVE',
  ) {}

  start(): Promise<BrokerServer> {
    const { role, namesrv, directory: store } = this;
    const id = role === 'SLAVE' ? 1 : 0;
    return this.servers.startBroker({ name: 'broker-a', id, role, namesrv, store, properties: PROPERTIES });
  }

  /** Commit log files, name and content. */
  log(): Map<string, Buffer> {
    const directory = join(this.directory, 'commitlog');
    return new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]));
  }

  async stop(): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function send(client: RemotingClient, count: number, first: number): Promise<number[]> {
  const codes: number[] = [];
  for (let i = first; i < first + count; i++) {
    const body = Buffer.alloc(BODY_BYTES, `message ${i} `);
    codes.push((await client.call(Code.SEND, sendFields(TOPIC, 0), body)).code);
  }
  return codes;
}

const maxOffset = async (address: string): Promise<string> =>
  await withClient(address, async (client) => {
    const { fields, remark } = await client.call(Code.MAX_OFFSET, { topic: TOPIC, queueId: 0 });
    return fields.offset ?? remark;
  });

async function caughtUp({ master, slave }: Pair): Promise<void> {
  await until('the slave has what its master has', CAUGHT_UP_MS, async () =>
    (await maxOffset(master.broker.address)) === (await maxOffset(slave.broker.address)) ? true : undefined,
  );
}

/** Up to the shorter one's end both logs are the same; Apache may have created a next file ahead of need. */
function assertSameLog(master: Home, slave: Home): void {
  const [a, b] = [master.log(), slave.log()];
  const names = [...a.keys()].filter((name) => b.has(name));
  assert.ok(names.length >= 2, `several files: ${[...a.keys()]} and ${[...b.keys()]}`);
  for (const name of names) assert.is(a.get(name)!.compare(b.get(name)!), 0, `${name} differs`);
}

/** Messages of the queue at that broker, bodies only. */
async function bodies(address: string): Promise<string[]> {
  return await withClient(address, async (client) =>
    (await readQueue(client, TOPIC, 0)).map(({ body }) => body.toString().slice(0, 12)),
  );
}

async function pairOf(
  use: Use,
  masters: Servers,
  slaves: Servers,
  role: 'ASYNC_MASTER' | 'SYNC_MASTER',
): Promise<{ master: Home; slave: Home }> {
  const namesrv = await use(hangarServers.startNamesrv());
  const master = new Home(masters, namesrv.address, role);
  const slave = new Home(slaves, namesrv.address, 'SLAVE');
  for (const home of [master, slave]) await use(Promise.resolve(home));
  return { master, slave };
}

/** From an empty slave, over several files, and again after each has been killed. */
async function followsThroughKills(use: Use, masters: Servers, slaves: Servers): Promise<void> {
  const homes = await pairOf(use, masters, slaves, 'ASYNC_MASTER');
  let master = await use(homes.master.start());
  await withClient(master.broker.address, async (client) => {
    assert.equal(new Set(await send(client, 40, 0)), new Set([0]));
  });
  let slave = await use(homes.slave.start());
  await withClient(master.broker.address, async (client) => {
    assert.equal(new Set(await send(client, 120, 40)), new Set([0]));
  });
  await caughtUp({ master, slave });

  await slave.kill();
  await withClient(master.broker.address, (client) => send(client, 40, 160));
  slave = await use(homes.slave.start());
  await caughtUp({ master, slave });

  await master.kill();
  master = await use(homes.master.start());
  await withClient(master.broker.address, (client) => send(client, 40, 200));
  await caughtUp({ master, slave });
  assertSameLog(homes.master, homes.slave);
  const expected = await bodies(master.broker.address);
  assert.is(expected.length, 240);
  assert.equal(await bodies(slave.broker.address), expected);
}

const ours = await serverSuite('replication between processes', undefined);

ours.test('our slave follows our master through kills of both', (use) =>
  followsThroughKills(use, hangarServers, hangarServers),
);
ours.run();

const mixed = await serverSuite('replication with Apache', await apacheServers.missing());

mixed.test("our slave follows Apache's master through kills of both", (use) =>
  followsThroughKills(use, apacheServers, hangarServers),
);

mixed.test("Apache's slave follows our master through kills of both", (use) =>
  followsThroughKills(use, hangarServers, apacheServers),
);
mixed.run();
