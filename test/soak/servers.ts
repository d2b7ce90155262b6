/**
 * The cluster of a soak: three pairs with SYNC_MASTER and ASYNC_FLUSH, three name servers, in four processes.
 *
 *     cluster      name servers a and b, broker-a, broker-b and their slaves, as `hangar up` runs them
 *     namesrv-c    `hangar namesrv`
 *     broker-c     `hangar broker`, and broker-c-s, its slave, in a process of its own
 *
 * Ports and stores stay the same for the whole soak.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../interop/harness/ports.js';
import type { Command } from '../interop/harness/process.js';
import { brokerProperties, properties } from '../interop/harness/servers.js';
import { hangarCommand } from '../support/hangar.js';
import { Server } from './server.js';

/** Retries begin at level 3. */
const DELAY_LEVELS = '1s 2s 3s 4s 5s 6s 7s 8s 9s 10s 20s 30s 1m 2m 5m 10m 30m 1h';
const BROKER_KEYS = {
  messageDelayLevel: DELAY_LEVELS,
  // As in the packaged topologies.
  brokerFastFailureEnable: 'false',
  enablePropertyFilter: 'true',
  // An END_TRANSACTION is sent one-way: what a fault takes of it the check makes good, while any producer lives.
  transactionTimeOut: '3000',
  transactionCheckInterval: '3000',
  transactionCheckMax: '1000',
  mappedFileSizeCommitLog: String(16 * 1024 * 1024),
  mappedFileSizeConsumeQueue: String(20 * 10_000),
  maxMessageSize: String(256 * 1024),
  autoCreateTopicEnable: 'false',
};

const IN_ONE_PROCESS = ['broker-a', 'broker-a-s', 'broker-b', 'broker-b-s'] as const;
const ALONE = ['broker-c', 'broker-c-s'] as const;
/** Each has three: two below and one above its own. */
const PORTS_PER_BROKER = 4;
const NAMESRVS = 3;
/** Servers that are away leave their ports free: not where other tests draw theirs. */
const PORT_RANGE = [13_000, 19_000] as const;
const PORTS = NAMESRVS + 1 + PORTS_PER_BROKER * (IN_ONE_PROCESS.length + ALONE.length);

export interface Servers {
  /** As clients take it. */
  readonly namesrv: string;
  readonly nameServers: readonly string[];
  readonly masters: readonly { readonly name: string; readonly id: 0; readonly address: string }[];
  readonly all: ReadonlyMap<string, Server>;
  /** Directories, by role. */
  readonly stores: ReadonlyMap<string, string>;
}

/** Writes the configuration under `directory`; nothing is started. */
export async function layOut(directory: string, onDeath: (what: string) => void): Promise<Servers> {
  const base = await freePort(
    Array.from({ length: PORTS }, (_, offset) => offset),
    PORT_RANGE,
  );
  const nameServers = [0, 1, 2].map((index) => `127.0.0.1:${base + index}`);
  const namesrv = nameServers.join(';');
  const roles: string[] = [...IN_ONE_PROCESS, ...ALONE];
  const portOf = (role: string): number => base + NAMESRVS + 1 + PORTS_PER_BROKER * roles.indexOf(role) + 2;
  const stores = new Map(roles.map((role) => [role, join(directory, 'stores', role)]));

  const conf = join(directory, 'conf');
  mkdirSync(conf);
  const fileOf = (role: string, isAlone: boolean): string => join(isAlone ? directory : conf, `${role}.properties`);
  for (const role of roles) {
    const isSlave = role.endsWith('-s');
    const options = {
      name: isSlave ? role.slice(0, -2) : role,
      id: isSlave ? 1 : 0,
      role: isSlave ? ('SLAVE' as const) : ('SYNC_MASTER' as const),
      namesrv,
      properties: BROKER_KEYS,
    };
    const text = brokerProperties(options, portOf(role), stores.get(role)!);
    writeFileSync(
      fileOf(
        role,
        ALONE.some((other) => other === role),
      ),
      text,
    );
  }
  for (const [index, letter] of ['a', 'b', 'c'].entries()) {
    const kvConfigPath = join(directory, 'stores', `namesrv-${letter}`, 'kvConfig.json');
    const file = fileOf(`namesrv-${letter}`, letter === 'c');
    writeFileSync(file, properties({ listenPort: base + index, kvConfigPath }));
  }
  writeFileSync(join(conf, 'hangar.properties'), properties({ metricsPort: base + NAMESRVS }));

  const commands: Record<string, Command> = {
    'namesrv-c': hangarCommand('namesrv-c', ['namesrv', '-c', fileOf('namesrv-c', true)]),
    cluster: {
      name: 'Hangar cluster',
      file: process.execPath,
      args: [join(import.meta.dirname, 'cluster-program.js'), conf],
      listens: true,
    },
    'broker-c': hangarCommand('broker-c', ['broker', '-c', fileOf('broker-c', true)]),
    'broker-c-s': hangarCommand('broker-c-s', ['broker', '-c', fileOf('broker-c-s', true)]),
  };
  const all = new Map(
    Object.entries(commands).map(([name, command]) => [
      name,
      new Server(name, command, join(directory, `${name}.log`), onDeath),
    ]),
  );
  const masters = ['broker-a', 'broker-b', 'broker-c'].map((name) => {
    return { name, id: 0 as const, address: `127.0.0.1:${portOf(name)}` };
  });
  return { namesrv, nameServers, masters, all, stores };
}
