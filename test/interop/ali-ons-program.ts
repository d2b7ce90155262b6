/**
 * Programs on ali-ons, the Node client, of the same shape as the Java and Go ones: ali-ons-program.js COMMAND key=value ...
 * A process of its own, because ali-ons cannot be closed completely (see `leave`).
 */
import { soakConsume, soakProduce } from '../soak/ali-ons-soak.js';
import {
  bodyOf,
  command,
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
} from './harness/ali-ons.js';

async function produce(): Promise<void> {
  const options = { ...common(), producerGroup: text('group', 'interop-ali-ons-producer') };
  const [topic, prefix, count] = [text('topic'), text('prefix'), number('count', 1)];
  const tags = text('tags', '').split(',');
  const [keys, level, sizeBytes] = [text('keys', 'false') === 'true', number('level', 0), number('size', 0)];
  refuseUnused();
  const producer = new Producer(options);
  producer.on('error', (error) => console.error(error.message));
  await producer.ready();
  let acknowledged = 0;
  let failed = 0;
  const start = Date.now();
  for (let i = 0; i < count; i++) {
    const id = `${prefix}-${i}`;
    const message = new Message(topic, tags[i % tags.length]!, bodyOf(id, sizeBytes));
    if (keys) message.keys = [id];
    if (level > 0) message.delayTimeLevel = level;
    try {
      const result = await producer.send(message);
      acknowledged++;
      line('sent', {
        id,
        status: result.sendStatus,
        broker: result.messageQueue.brokerName,
        queue: result.messageQueue.queueId,
        offset: result.queueOffset,
        msgId: result.msgId,
      });
    } catch (error) {
      failed++;
      line('failed', { id, error: (error as Error).message });
    }
  }
  line('done', { acknowledged, failed, elapsedMs: Date.now() - start });
  await leave(producer);
}

async function push(): Promise<void> {
  const options = {
    ...common(),
    consumerGroup: text('group'),
    consumeFromWhere: `CONSUME_FROM_${text('from', 'FIRST_OFFSET')}`,
    isBroadcast: text('model', 'CLUSTERING') === 'BROADCASTING',
    // The default of one at a time makes a message wait for the handlers of all others.
    parallelConsumeLimit: 8,
  };
  const [topic, tags] = [text('topic'), text('tags', '*')];
  const [count, timeoutMs, quietMs] = [number('count', 1), number('timeoutMs', 30_000), number('quietMs', 300)];
  const failTimes = number('failTimes', 0);
  refuseUnused();
  const seen = new Set<string>();
  const refusals = new Map<string, number>();
  let duplicates = 0;
  let refused = 0;
  let lastArrival = Date.now();
  const start = Date.now();
  const consumer = new Consumer(options);
  consumer.on('error', (error) => console.error(error.message));
  consumer.subscribe(topic, tags, async (message, queue) => {
    const id = idOf(message.body);
    lastArrival = Date.now();
    if ((refusals.get(id) ?? 0) < failTimes) {
      refusals.set(id, (refusals.get(id) ?? 0) + 1);
      refused++;
      line('refused', { id, topic: message.topic, reconsume: message.reconsumeTimes, at: Date.now() });
      return Consumer.ACTION_RETRY;
    }
    if (seen.has(id)) duplicates++;
    seen.add(id);
    line('received', {
      id,
      topic: message.topic,
      broker: queue?.brokerName,
      queue: message.queueId,
      offset: message.queueOffset,
      reconsume: message.reconsumeTimes,
      tags: message.tags,
      keys: message.keys,
      size: message.body.length,
      intact: message.body.equals(bodyOf(id, message.body.length)),
      msgId: message.msgId,
      born: message.bornTimestamp,
      stored: message.storeTimestamp,
      at: Date.now(),
    });
    return undefined;
  });
  await consumer.ready();
  line('ready', {});
  while (Date.now() - start < timeoutMs && !(seen.size >= count && Date.now() - lastArrival >= quietMs)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  line('done', { distinct: seen.size, duplicates, refused, elapsedMs: Date.now() - start });
  await leave(consumer);
}

const programs: Record<string, () => Promise<void>> = {
  produce,
  push,
  'soak-produce': soakProduce,
  'soak-consume': soakConsume,
};
const program = programs[command ?? ''];
if (program === undefined) throw new Error(`usage: ali-ons-program ${Object.keys(programs).join('|')} key=value ...`);
await program();
