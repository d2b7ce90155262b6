/** A master and a slave of ours in processes of their own, started and stopped as a test wants it. */
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { until } from '../interop/harness/process.js';
import { Replica } from '../interop/harness/replica.js';
import type { BrokerServer } from '../interop/harness/servers.js';
import { hangarServers } from './hangar.js';
import { Code, sendFields, withClient } from './remoting-client.js';

/** Every broker has a topic of its own name. */
export const TOPIC = 'broker-a';
export const OK = 0;
export const SLAVE_NOT_AVAILABLE = 11;
export const FLUSH_SLAVE_TIMEOUT = 12;
export const SLAVE_TIMEOUT_MS = 700;
export const LIMIT_MS = 20_000;

export interface Stage {
  readonly namesrv: string;
  readonly master: Replica;
  readonly slave: Replica;
  /** Ended after the test, whatever becomes of it. */
  use<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T>;
}

export function onStage(body: (stage: Stage) => Promise<void>): () => Promise<void> {
  return async () => {
    const started: { stop(): Promise<void> }[] = [];
    const use: Stage['use'] = async (starting) => {
      const one = await starting;
      started.push(one);
      return one;
    };
    try {
      const { address } = await use(hangarServers.startNamesrv());
      const [master, slave] = [new Replica(address), new Replica(address)];
      for (const replica of [master, slave]) await use(Promise.resolve(replica));
      await body({ namesrv: address, master, slave, use });
    } finally {
      for (const one of started.reverse()) await one.stop();
    }
  };
}

export const startMaster = (stage: Stage, more: Readonly<Record<string, string>> = {}): Promise<BrokerServer> =>
  stage.use(stage.master.start(hangarServers, 'SYNC_MASTER', { slaveTimeout: String(SLAVE_TIMEOUT_MS), ...more }));
export const startSlave = (stage: Stage, more: Readonly<Record<string, string>> = {}): Promise<BrokerServer> =>
  stage.use(stage.slave.start(hangarServers, 'SLAVE', more));

export async function send({ broker }: BrokerServer, properties = '', bodyBytes = 100): Promise<number> {
  const fields = sendFields(TOPIC, 0, properties);
  return await withClient(broker.address, async (client) => {
    return (await client.call(Code.SEND, fields, Buffer.alloc(bodyBytes, 'x'))).code;
  });
}

export async function confirms(master: BrokerServer): Promise<void> {
  await until('SEND_OK', LIMIT_MS, async () => ((await send(master)) === OK ? true : undefined));
}

/** SIGSTOP, and returns when every thread of the process stands still: a busy machine takes its time. */
export async function standStill({ child }: BrokerServer): Promise<void> {
  child.signal('SIGSTOP');
  const tasks = `/proc/${child.pid}/task`;
  await until('it stands still', LIMIT_MS, async () =>
    readdirSync(tasks).every((task) => /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'))) ? true : undefined,
  );
}

export function goOn({ child }: BrokerServer): void {
  child.signal('SIGCONT');
}

export const haAddress = ({ broker: { address } }: BrokerServer): string => {
  const [host, port] = address.split(':');
  return `${host}:${Number(port) + 1}`;
};

export interface RawSocket {
  readonly socket: Socket;
  bytes(): Buffer;
  /** The other side has closed it. */
  isOver(): boolean;
}

/** A socket that says nothing by itself. */
export async function rawSocket(address: string): Promise<RawSocket> {
  const [host, port] = address.split(':') as [string, string];
  const socket = connect({ host, port: Number(port) });
  const chunks: Buffer[] = [];
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', over);
  socket.on('end', over).on('close', over);
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, bytes: () => Buffer.concat(chunks), isOver: () => isOver };
}
