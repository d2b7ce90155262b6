/**
 * How long a broker needs from its command until it takes messages, after SIGKILL on a store of `--mib` of messages with
 * 1 KiB bodies and a unique key: Hangar and Apache 4.9.7 on copies of the same directory, in turns.
 *
 *     node dist/test/bench/recovery.js [--mib 2048] [--times 3] [--written-by hangar|apache] [--only hangar|apache] [--cold] [--store DIR]
 *
 * The store is made by a running broker that is killed while it is loaded. Every start gets a copy of its own; its page
 * cache is warm, because the copy was just made, unless `--cold` drops the caches before (needs root). With `--store` the
 * store is made there, unless it exists, and stays.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../interop/harness/ports.js';
import { Child, until } from '../interop/harness/process.js';
import { brokersOf, createTopic, probeSend } from '../interop/harness/remoting.js';
import { brokerProperties, type Servers } from '../interop/harness/servers.js';
import { cpuSeconds } from '../support/apache-proc.js';
import { apacheServers, brokerCommand } from '../support/apache.js';
import { hangarServers, hangarCommand } from '../support/hangar.js';
import { dateAndMachine } from './report.js';

type Maker = 'hangar' | 'apache';
const SERVERS: Readonly<Record<Maker, Servers>> = { hangar: hangarServers, apache: apacheServers };

const MIB = 1024 * 1024;
const BODY_BYTES = 1024;
const BATCH = 64;
const CONNECTIONS = 8;
const QUEUES = 16;
const TOPIC = 'recovery';
const SERVING_MS = 300_000;
const SEND_BATCH = 320;
const BROKER = 'broker-a';
const APACHE_HEAP = ['-Xms1g', '-Xmx1g', '-XX:MaxDirectMemorySize=1g'];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mib: { type: 'string', default: '2048' },
      times: { type: 'string', default: '3' },
      'written-by': { type: 'string', default: 'hangar' },
      only: { type: 'string' },
      cold: { type: 'boolean', default: false },
      store: { type: 'string' },
    },
  });
  const writer = values['written-by'] as Maker;
  const makers = (['hangar', 'apache'] as const).filter((maker) => values.only === undefined || values.only === maker);
  const directory = mkdtempSync(join(tmpdir(), 'hangar-bench-recovery-'));
  const namesrv = await hangarServers.startNamesrv();
  try {
    const original = values.store ?? join(directory, 'original');
    if (!existsSync(original)) {
      const messages = await crashedStore(writer, namesrv.address, original, Number(values.mib) * MIB);
      process.stderr.write(`${messages} messages stored by ${writer}, killed\n`);
    }
    const times = new Map<Maker, Start[]>(makers.map((maker) => [maker, []]));
    for (let round = 0; round < Number(values.times); round++) {
      for (const maker of makers) {
        const start = await timeStart(maker, namesrv.address, original, join(directory, 'copy'), values.cold);
        times.get(maker)!.push(start);
        process.stderr.write(`${maker}: ${Math.round(start.ms)} ms, ${start.cpuMs} ms of CPU\n`);
      }
    }
    const title = `${dateAndMachine()}, ${values.mib} MiB written by ${writer}, ${values.cold ? 'cold' : 'warm'} page cache`;
    console.log(`${title}, median of ${values.times}\n\n${table(times)}`);
  } finally {
    await namesrv.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Start {
  readonly ms: number;
  /** Of all threads, which other work on the machine disturbs less. */
  readonly cpuMs: number;
}

function table(times: ReadonlyMap<Maker, readonly Start[]>): string {
  const row = (what: string, field: keyof Start, bound: number | undefined): string => {
    const [hangar, apache] = (['hangar', 'apache'] as const).map((maker) => {
      const values = (times.get(maker) ?? []).map((start) => start[field]).sort((x, y) => x - y);
      return values[(values.length - 1) >> 1];
    });
    const ratio = hangar !== undefined && apache !== undefined ? hangar / apache : undefined;
    const cell = (ms: number | undefined): string =>
      ms === undefined ? '' : `${Math.round(ms).toLocaleString('en-US')} ms`;
    const kept = ratio === undefined || bound === undefined ? '' : ratio <= bound ? ' (kept)' : ' **(missed)**';
    const wanted = bound === undefined ? '' : `≤ ${bound.toFixed(1)} x${kept}`;
    return `| ${what} | ${cell(apache)} | ${cell(hangar)} | ${ratio?.toFixed(2) ?? ''} | ${wanted} |`;
  };
  return [
    '| what | Apache 4.9.7 | Hangar | Hangar / Apache | must be |',
    '|---|---|---|---|---|',
    row('restart after SIGKILL until a send is stored', 'ms', 1),
    row('... CPU until then', 'cpuMs', undefined),
  ].join('\n');
}

/** A broker takes at least `bytes` and is killed in the middle of it; how many messages were acknowledged. */
async function crashedStore(writer: Maker, namesrv: string, store: string, bytes: number): Promise<number> {
  const servers = SERVERS[writer];
  const missing = await servers.missing();
  if (missing !== undefined) throw new Error(missing);
  const { broker, kill } = await servers.startBroker({ name: BROKER, namesrv, store, properties: DISK_KEYS });
  try {
    await createTopic({ namesrv, brokers: [broker] }, TOPIC, QUEUES);
    return await load(broker.address, Math.ceil(bytes / BODY_BYTES));
  } finally {
    await kill();
  }
}

const DISK_KEYS = { diskSpaceWarningLevelRatio: '99' };

/** Sends batches until so many messages are acknowledged; those in flight then are cut off by the kill. */
function load(address: string, messages: number): Promise<number> {
  const [host, port] = address.split(':') as [string, string];
  let acknowledged = 0;
  let sequence = 0;
  return new Promise((resolve, reject) => {
    const sockets = Array.from({ length: CONNECTIONS }, (_, n) => {
      const socket = connect({ host, port: Number(port) });
      let received = Buffer.alloc(0);
      const send = (): void => {
        socket.write(batchFrame(sequence, (sequence / BATCH + n) % QUEUES));
        sequence += BATCH;
      };
      socket.once('connect', send);
      socket.once('error', reject);
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk]);
        while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
          const end = 4 + received.readInt32BE(0);
          const { code, remark } = JSON.parse(received.toString('utf8', 8, 8 + (received.readInt32BE(4) & 0xffffff)));
          received = received.subarray(end);
          if (code === 0) acknowledged += BATCH;
          else if (code !== 2 && code !== 1 && code !== 14)
            return reject(new Error(`${address} answered ${code}: ${remark}`));
          if (acknowledged >= messages) {
            for (const other of sockets) other.removeAllListeners('data');
            resolve(acknowledged);
            return;
          }
          send();
        }
      });
      return socket;
    });
  });
}

/** length 4 | header bytes 4 | header | items: size 4, magic 4, crc 4, flag 4, body bytes 4, body, property bytes 2, properties */
function batchFrame(sequence: number, queueId: number): Buffer {
  const fields = { a: 'bench', b: TOPIC, c: 'TBW102', d: '4', e: String(queueId), f: '0', g: String(Date.now()) };
  const extFields = { ...fields, h: '0', i: '', j: '0', k: 'false', m: 'true' };
  const header = Buffer.from(
    JSON.stringify({
      code: SEND_BATCH,
      extFields,
      flag: 0,
      language: 'JAVA',
      opaque: sequence & 0x7fffffff,
      version: 401,
    }),
  );
  const propertyBytes = 'UNIQ_KEY\u0001'.length + 32;
  const itemBytes = 22 + BODY_BYTES + propertyBytes;
  const frame = Buffer.alloc(8 + header.length + BATCH * itemBytes, 0x61);
  frame.writeInt32BE(frame.length - 4, 0);
  frame.writeInt32BE(header.length, 4);
  header.copy(frame, 8);
  for (let n = 0; n < BATCH; n++) {
    const at = 8 + header.length + n * itemBytes;
    frame.writeInt32BE(itemBytes, at);
    frame.fill(0, at + 4, at + 16);
    frame.writeInt32BE(BODY_BYTES, at + 16);
    frame.writeInt16BE(propertyBytes, at + 20 + BODY_BYTES);
    frame.write(
      `UNIQ_KEY\u0001${String(sequence + n).padStart(32, '7F0000010A3C18B4AAC2')}`,
      at + 22 + BODY_BYTES,
      'latin1',
    );
  }
  return frame;
}

/** From the command to the first message stored, on a fresh copy of the store. */
async function timeStart(
  maker: Maker,
  namesrv: string,
  original: string,
  copy: string,
  isCold: boolean,
): Promise<Start> {
  rmSync(copy, { recursive: true, force: true });
  execFileSync('cp', ['-r', '--reflink=auto', '--sparse=always', original, copy]);
  execFileSync('sync');
  if (isCold) writeFileSync('/proc/sys/vm/drop_caches', '3');
  const port = await freePort([-2, 0, 1]);
  const file = `${copy}.properties`;
  writeFileSync(file, brokerProperties({ name: BROKER, namesrv, properties: DISK_KEYS }, port, copy));
  const { command, home } =
    maker === 'hangar'
      ? { command: hangarCommand('broker', ['broker', '-c', file]), home: undefined }
      : await brokerCommand(file, APACHE_HEAP);
  const address = `127.0.0.1:${port}`;
  const startMs = performance.now();
  const child = new Child(command);
  try {
    return await until(
      `${maker} takes a message`,
      SERVING_MS,
      async () => {
        if ((await probeSend({ name: BROKER, id: 0, address })) !== 0) return undefined;
        const start = { ms: performance.now() - startMs, cpuMs: Math.round(1000 * cpuSeconds([child.pid])) };
        await until('it is registered', SERVING_MS, async () =>
          (await brokersOf(namesrv)).find((known) => known.address === address),
        );
        return start;
      },
      child,
    );
  } finally {
    await child.kill();
    if (home !== undefined) rmSync(home, { recursive: true, force: true });
  }
}

await main();
