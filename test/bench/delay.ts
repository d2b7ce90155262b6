/**
 * `load delay`: how late delayed messages are. So many of one level are sent as fast as the broker takes them, so that
 * they are due within the same seconds, while others send at a fixed rate all the time; before that, a few retries with
 * nothing else going on. Times are those of the broker: when the copy was stored, against when its message was due.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Child, until } from '../interop/harness/process.js';
import { type Maker, StoreHome } from '../interop/harness/store-home.js';
import { Code, frame, type RemotingClient, requestHeader, sendFields } from '../support/remoting-client.js';
import { dateAndMachine } from './report.js';

const SEND_BACK = 36;
const SCHEDULE = 'SCHEDULE_TOPIC_XXXX';
const RETRY = '%RETRY%G';
const RETRIES = 50;
/** Level 3 is that of the first retry. */
const DELAYS_MS = [10_000, 1_000, 1_000] as const;
const settings = {
  messageDelayLevel: '10s 1s 1s',
  mappedFileSizeCommitLog: 1024 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 6_000_000,
  messageIndexEnable: 'false',
};
const LIMIT_MS = 180_000;
const AT_ONCE = 500;
const SYSTEM_BUSY = 2;

export async function delay(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      pending: { type: 'string', default: '100000' },
      rate: { type: 'string', default: '5000' },
      makers: { type: 'string', default: 'hangar' },
    },
  });
  console.log(`${dateAndMachine()}, ${values.pending} of one level, ${values.rate} other sends/s\n`);
  console.log('| broker | what | sent in | p50 late | p99 | p99.9 | most |\n|---|---|---|---|---|---|---|');
  for (const maker of values.makers.split(',')) await measure(maker as Maker, Number(values.pending), values.rate);
}

async function measure(maker: Maker, pending: number, rate: string): Promise<void> {
  const home = await StoreHome.create(settings);
  try {
    const broker = await home.open(maker);
    const client = await home.connect();
    await sendRetries(client);
    await delivered(client, 3, RETRIES);
    const load = startLoad(broker.address, rate);
    const startMs = performance.now();
    await sendMany(client, pending);
    const sentMs = performance.now() - startMs;
    await delivered(client, 1, pending);
    await load.stop();
    client.close();
    await broker.stop();
    const stored = storeTimes(home.store);
    print(maker, 'first retry', '', lateness(stored, 2, RETRY));
    print(maker, 'pending', `${(sentMs / 1000).toFixed(1)} s`, lateness(stored, 0, 'delayed'));
  } finally {
    await home.remove();
  }
}

async function sendRetries(client: RemotingClient): Promise<void> {
  for (let i = 0; i < RETRIES; i++) {
    const { code, fields } = await client.call(Code.SEND, sendFields('back', 0), Buffer.from('x'));
    if (code !== 0) throw new Error(`send: ${code}`);
    const offset = Number(BigInt(`0x${fields.msgId!.slice(16)}`));
    const back = await client.call(SEND_BACK, { offset, group: 'G', delayLevel: 0, unitMode: false });
    if (back.code !== 0) throw new Error(`send back: ${back.code} ${back.remark}`);
  }
}

function startLoad(address: string, rate: string): Child {
  const program = join(import.meta.dirname, 'load.js');
  const args = ['send', '--brokers', address, '--rate', rate, '--conns', '4', '--seconds', '120', '--warm', '0'];
  return new Child({ name: 'load', file: process.execPath, args: [program, ...args] });
}

/** Pipelined, so many at once; what a broker refuses as too much for now is sent again. */
async function sendMany(client: RemotingClient, count: number): Promise<void> {
  const body = Buffer.alloc(200, 'd');
  const { unasked } = client;
  let opaque = 1_000_000;
  for (let stored = 0; stored < count; ) {
    const frames = Array.from({ length: Math.min(AT_ONCE, count - stored) }, () =>
      frame(requestHeader(Code.SEND, opaque++, sendFields('delayed', 0, 'DELAY\u00011')), body),
    );
    await client.write(Buffer.concat(frames));
    const startMs = performance.now();
    while (unasked.length < frames.length) {
      if (performance.now() - startMs > LIMIT_MS) throw new Error(`${unasked.length} of ${frames.length} answers`);
      await nextTurn();
    }
    for (const { code, remark } of unasked.splice(0)) {
      if (code === 0) stored++;
      else if (code !== SYSTEM_BUSY) throw new Error(`a send failed: ${code} ${remark}`);
    }
  }
}

async function delivered(client: RemotingClient, level: number, count: number): Promise<void> {
  await until(`${count} messages of level ${level} are delivered`, LIMIT_MS, async () => {
    const { body } = await client.call(Code.BROKER_RUNTIME_INFO, {});
    const { table } = JSON.parse(body.toString()) as { table: Record<string, string> };
    return table[`scheduleMessageOffset_${level}`] === `${count},${count}` ? true : undefined;
  });
}

/** By `topic queueId`: store times in log order. */
function storeTimes(store: string): Map<string, number[]> {
  const times = new Map<string, number[]>();
  const directory = join(store, 'commitlog');
  for (const name of readdirSync(directory).sort()) {
    const bytes = readFileSync(join(directory, name));
    for (let at = 0; at + 8 < bytes.length && bytes.readUInt32BE(at + 4) === 0xdaa320a7; ) {
      const topicAt = at + 88 + bytes.readInt32BE(at + 84);
      const topic = bytes.toString('latin1', topicAt + 1, topicAt + 1 + bytes[topicAt]!);
      const key = `${topic} ${bytes.readInt32BE(at + 12)}`;
      const known = times.get(key) ?? [];
      if (known.length === 0) times.set(key, known);
      known.push(Number(bytes.readBigInt64BE(at + 56)));
      at += bytes.readInt32BE(at);
    }
  }
  return times;
}

/** A level is delivered in order: the n-th copy is of the n-th message. */
function lateness(times: Map<string, number[]>, levelIndex: number, topic: string): number[] {
  const waiting = times.get(`${SCHEDULE} ${levelIndex}`) ?? [];
  const copies = times.get(`${topic} 0`) ?? [];
  if (waiting.length !== copies.length) throw new Error(`${waiting.length} waited, ${copies.length} were delivered`);
  return copies.map((ms, i) => ms - waiting[i]! - DELAYS_MS[levelIndex]!).sort((a, b) => a - b);
}

function print(maker: string, what: string, sent: string, late: readonly number[]): void {
  const [p50, p99, p999] = [0.5, 0.99, 0.999].map((part) => late[Math.floor(late.length * part)]);
  console.log(`| ${maker} | ${what} | ${sent} | ${p50} ms | ${p99} ms | ${p999} ms | ${late.at(-1)} ms |`);
}
