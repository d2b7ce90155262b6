/**
 * What 10,000 queues cost: memory of an idle 2m-2s cluster, then after so many queues have got 100 messages each and all of
 * them were pulled, when everything has calmed down.
 *
 *     node dist/test/bench/many-queues.js [--queues 10000] [--messages 100] [--idle-seconds 120]
 *
 * Linux. A queue gives its buffers back when nobody has used it for queueIdleSeconds (60), and V8 collects an idle heap
 * within some 100 s.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { residentBytes } from '../support/apache-proc.js';
import { hangarServers } from '../support/hangar.js';
import { Code, messagesOf, pullFields, RemotingClient, sendFields } from '../support/remoting-client.js';
import { dateAndMachine } from './report.js';
import { MIB } from './scenarios.js';

const QUEUES_PER_TOPIC = 50;
const IN_FLIGHT = 32;
const BODY_BYTES = 100;
const START_IDLE_MS = 5_000;
/** Of a batch: item length, magic, crc, flag, body length, body, properties length. Source: MessageDecoder.java. */
const ITEM = { bodyBytes: 16, body: 20, overhead: 22 } as const;

function batchOf(count: number): Buffer {
  const item = Buffer.alloc(ITEM.overhead + BODY_BYTES, '.');
  item.fill(0, 0, ITEM.body);
  item.writeInt32BE(item.length, 0);
  item.writeInt32BE(BODY_BYTES, ITEM.bodyBytes);
  item.writeInt16BE(0, ITEM.body + BODY_BYTES);
  return Buffer.concat(Array.from({ length: count }, () => item));
}

/** Runs `work` for 0 .. count - 1, a few at a time. */
async function each(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      queues: { type: 'string', default: '10000' },
      messages: { type: 'string', default: '100' },
      'idle-seconds': { type: 'string', default: '120' },
    },
  });
  const messages = Number(values.messages);
  const cluster = await hangarServers.startCluster({ topology: '2m-2s-sync' });
  try {
    await sleep(START_IDLE_MS);
    const idle = residentBytes(cluster.pids) / MIB;
    const masters = cluster.brokers.filter(({ id }) => id === 0).map(({ address }) => address);
    const queues = Math.ceil(Number(values.queues) / masters.length);
    const batch = batchOf(messages);
    for (const address of masters) {
      const client = await RemotingClient.connect(address);
      const must = async (code: number, fields: Parameters<RemotingClient['call']>[1], body?: Buffer) => {
        const answer = await client.call(code, fields, body);
        if (answer.code !== 0) throw new Error(`code ${code} is answered ${answer.code}: ${answer.remark}`);
        return answer;
      };
      const topicOf = (n: number): string => `many-${Math.floor(n / QUEUES_PER_TOPIC)}`;
      await each(Math.ceil(queues / QUEUES_PER_TOPIC), async (n) => {
        const size = { readQueueNums: QUEUES_PER_TOPIC, writeQueueNums: QUEUES_PER_TOPIC, perm: 6 };
        const kind = { topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false, defaultTopic: 'TBW102' };
        await must(Code.CREATE_TOPIC, { topic: topicOf(n * QUEUES_PER_TOPIC), ...size, ...kind });
      });
      await each(queues, async (n) => {
        await must(Code.SEND_BATCH, sendFields(topicOf(n), n % QUEUES_PER_TOPIC, '', { m: true }), batch);
      });
      await each(queues, async (n) => {
        for (let at = 0; at < messages; ) {
          const { body } = await must(Code.PULL, pullFields(topicOf(n), n % QUEUES_PER_TOPIC, at));
          at += messagesOf(body).length;
        }
      });
      client.close();
    }
    const loaded = residentBytes(cluster.pids) / MIB;
    await sleep(Number(values['idle-seconds']) * 1000);
    const after = residentBytes(cluster.pids) / MIB;
    console.log(`${dateAndMachine()}, 2m-2s-sync, ${queues * masters.length} queues x ${messages} messages, pulled\n`);
    console.log('| RSS | MiB |\n|---|---|');
    console.log(`| idle | ${idle.toFixed(0)} |`);
    console.log(`| right after | ${loaded.toFixed(0)} |`);
    console.log(`| ${values['idle-seconds']} s later | ${after.toFixed(0)} |`);
    console.log(`| over idle (<= 150) | ${(after - idle).toFixed(0)} |`);
  } finally {
    await cluster.stop();
  }
}

await main();
