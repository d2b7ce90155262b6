/**
 * The soak's producer and member on ali-ons: a process that writes what it sends and consumes into the journal (journal.ts).
 * What a message is follows from its number, as in SoakRules.java and soak.go.
 */
import { existsSync, openSync } from 'node:fs';
import {
  bodyOf,
  common,
  Consumer,
  idOf,
  leave,
  line,
  Message,
  number,
  Producer,
  refuseUnused,
  text,
} from '../interop/harness/ali-ons.js';
import { type GroupKind, groupName, numberOf } from './groups.js';
import { appendTo } from './journal.js';

const TAGS = ['TagA', 'TagB', 'TagC'];
const QUIET_LOOK_MS = 100;
const KINDS: readonly GroupKind[] = ['plain', 'retry', 'tags', 'broadcast'];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function onTerminate(handler: () => void): void {
  process.once('SIGTERM', handler);
}

/** Sends one message after the other until SIGTERM; while there is a file `<journal>.quiet` it only stays connected. */
export async function soakProduce(): Promise<void> {
  const options = { ...common(), producerGroup: text('group') };
  const [topic, member, path, pauseMs] = [text('topic'), text('member'), text('journal'), number('pauseMs', 20)];
  refuseUnused();
  const journal = openSync(path, 'a');
  let isRunning = true;
  onTerminate(() => {
    isRunning = false;
  });
  const producer = new Producer(options);
  producer.on('error', (error) => console.error(error.message));
  await producer.ready();
  line('ready', {});
  for (let n = 0; isRunning; ) {
    if (existsSync(`${path}.quiet`)) {
      await pause(QUIET_LOOK_MS);
      continue;
    }
    await send(producer, journal, topic, `${member}-${n++}`);
    await pause(pauseMs);
  }
  await leave(producer);
}

async function send(producer: Producer, journal: number, topic: string, id: string): Promise<void> {
  const n = numberOf(id);
  // Never so large that ali-ons compresses it: when it sends again, it compresses what is compressed.
  const message = new Message(topic, TAGS[n % 3]!, bodyOf(id, n % 50 === 20 ? 4_000 : (n * 37) % 1_500));
  message.properties.n = String(n);
  message.properties.kind = n % 2 === 0 ? 'even' : 'odd';
  const isDelayed = n % 20 === 9;
  if (isDelayed) message.delayTimeLevel = 2;
  appendTo(journal, 'tried', { id });
  try {
    const { sendStatus: status, messageQueue, queueOffset } = await producer.send(message);
    const place = isDelayed ? {} : { b: messageQueue.brokerName, q: messageQueue.queueId, o: queueOffset };
    appendTo(journal, 'sent', { id, status, ...place });
  } catch (error) {
    appendTo(journal, 'failed', { id, why: (error as Error).message });
  }
}

/** A member of one group of each kind that is asked for, until SIGTERM. */
export async function soakConsume(): Promise<void> {
  const [base, topic, member, path] = [common(), text('topic'), text('member'), text('journal')];
  const kinds = text('kinds').split(',') as GroupKind[];
  refuseUnused();
  const unknown = kinds.filter((kind) => !KINDS.includes(kind));
  if (unknown.length > 0) throw new Error(`ali-ons has no groups of these kinds: ${unknown}`);
  const journal = openSync(path, 'a');
  const consumers = kinds.map((kind) => consumerOf(base, kind, topic, member, journal));
  onTerminate(() => {
    leave(...consumers).catch((error: Error) => {
      console.error(error);
      process.exit(1);
    });
  });
  for (const consumer of consumers) await consumer.ready();
  line('ready', {});
}

function consumerOf(base: object, kind: GroupKind, topic: string, member: string, journal: number): Consumer {
  const group = groupName('ali-ons', kind);
  const isBroadcast = kind === 'broadcast';
  const consumer = new Consumer({
    ...base,
    consumerGroup: group,
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    parallelConsumeLimit: 8,
    // Offsets in the home directory, under a name that the next incarnation has, too.
    ...(isBroadcast ? { isBroadcast, persistent: true, instanceName: member.slice(0, member.lastIndexOf('.')) } : {}),
  });
  consumer.on('error', (error) => console.error(error.message));
  consumer.subscribe(topic, kind === 'tags' ? 'TagA || TagB' : '*', async (message, queue) => {
    const id = idOf(message.body);
    const refuses = kind === 'retry' && message.reconsumeTimes === 0 && numberOf(id) % 10 === 3;
    appendTo(journal, refuses ? 'refused' : 'got', {
      g: group,
      m: member,
      id,
      b: queue?.brokerName ?? '',
      q: message.queueId,
      o: message.queueOffset,
      r: message.reconsumeTimes,
      ...(queue === undefined ? { retry: 1 } : {}),
      ...(message.body.equals(bodyOf(id, message.body.length)) ? {} : { bad: 1 }),
    });
    return refuses ? Consumer.ACTION_RETRY : undefined;
  });
  return consumer;
}
