/** One broker of a pair: a store that outlives processes, opened by either maker's broker, as master or slave. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Code, readQueue, withClient } from '../../support/remoting-client.js';
import { until } from './process.js';
import type { BrokerServer, Servers } from './servers.js';

export const BROKER = 'broker-a';
export const LOG_FILE_BYTES = 256 * 1024;
/** Java's slave says where it stands only 5 s after it has connected, and connects every 5 s. */
const CAUGHT_UP_MS = 40_000;
const PROPERTIES = {
  mappedFileSizeCommitLog: String(LOG_FILE_BYTES),
  maxMessageSize: '65536',
  haSendHeartbeatInterval: '1000',
};

export type Role = 'ASYNC_MASTER' | 'SYNC_MASTER' | 'SLAVE';

export class Replica {
  readonly directory = mkdtempSync(join(tmpdir(), 'hangar-replica-'));

  constructor(
    private readonly namesrv: string,
    private readonly properties: Readonly<Record<string, string>> = {},
  ) {}

  start(servers: Servers, role: Role, more: Readonly<Record<string, string>> = {}): Promise<BrokerServer> {
    const { namesrv, directory: store } = this;
    const id = role === 'SLAVE' ? 1 : 0;
    const properties = { ...PROPERTIES, ...this.properties, ...more };
    return servers.startBroker({ name: BROKER, id, role, namesrv, store, properties });
  }

  /** Commit log files, name and content. */
  log(): Map<string, Buffer> {
    const directory = join(this.directory, 'commitlog');
    return new Map(
      readdirSync(directory)
        .sort()
        .map((name) => [name, readFileSync(join(directory, name))]),
    );
  }

  /** A file of config/; numeric keys get the quotes that Java leaves out. */
  table(name: string): Record<string, unknown> {
    const text = readFileSync(join(this.directory, 'config', name), 'utf8');
    return JSON.parse(text.replace(/([{,]\s*)(\d+)\s*:/g, '$1"$2":')) as Record<string, unknown>;
  }

  /** For what removes it after a test. */
  async stop(): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Up to the shorter one's end both logs are the same; Apache may have created a next file ahead of need. */
export function assertSameLog(master: Replica, slave: Replica): void {
  const [a, b] = [master.log(), slave.log()];
  const names = [...a.keys()].filter((name) => b.has(name));
  assert.ok(names.length >= 2, `several files: ${[...a.keys()]} and ${[...b.keys()]}`);
  for (const name of names) assert.is(a.get(name)!.compare(b.get(name)!), 0, `${name} differs`);
}

export async function maxOffset(address: string, topic = BROKER): Promise<string> {
  return await withClient(address, async (client) => {
    const { fields, remark } = await client.call(Code.MAX_OFFSET, { topic, queueId: 0 });
    return fields.offset ?? remark;
  });
}

export async function caughtUp(master: BrokerServer, slave: BrokerServer, topic = BROKER): Promise<void> {
  await until('the slave has what its master has', CAUGHT_UP_MS, async () =>
    (await maxOffset(master.broker.address, topic)) === (await maxOffset(slave.broker.address, topic))
      ? true
      : undefined,
  );
}

/** Bodies of the queue at that broker, their first 12 characters. */
export async function bodies(address: string, topic = BROKER): Promise<string[]> {
  return await withClient(address, async (client) =>
    (await readQueue(client, topic, 0)).map(({ body }) => body.toString().slice(0, 12)),
  );
}
