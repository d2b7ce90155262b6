/**
 * Programs on ali-ons, the Node client, of the same shape as the Java and Go ones: ali-ons-program.js COMMAND key=value ...
 * A process of its own, because ali-ons cannot be closed completely (see `leave`).
 */
import { createRequire } from 'node:module';

interface Message {
  topic: string;
  body: Buffer;
  tags: string;
  keys: string | string[];
  delayTimeLevel: number;
  readonly msgId: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly reconsumeTimes: number;
  readonly bornTimestamp: number;
  readonly storeTimestamp: number;
}
interface SendResult {
  readonly sendStatus: string;
  readonly messageQueue: { brokerName: string; queueId: number };
  readonly queueOffset: number;
  readonly msgId: string;
}
interface Producer {
  ready(): Promise<void>;
  send(message: Message): Promise<SendResult>;
  close(): Promise<void>;
  on(event: 'error', handler: (error: Error) => void): void;
}
interface Consumer {
  ready(): Promise<void>;
  subscribe(
    topic: string,
    tags: string,
    // A message of the retry topic comes without its queue.
    handler: (message: Message, queue?: { brokerName: string }) => Promise<unknown>,
  ): void;
  close(): Promise<void>;
  on(event: 'error', handler: (error: Error) => void): void;
}
/** ali-ons has no types of its own. */
interface AliOns {
  Producer: new (options: object) => Producer;
  Consumer: { new (options: object): Consumer; readonly ACTION_RETRY: symbol };
  Message: new (topic: string, tags: string, body: string | Buffer) => Message;
}

const { Producer, Consumer, Message } = createRequire(import.meta.url)('ali-ons') as AliOns;

const silent = { info() {}, debug() {}, warn() {}, error: console.error };
const [command, ...pairs] = process.argv.slice(2);
const given = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
const asked = new Set<string>();

function text(key: string, byDefault?: string): string {
  asked.add(key);
  const value = given.get(key) ?? byDefault;
  if (value === undefined) throw new Error(`option ${key} is required`);
  return value;
}

function number(key: string, byDefault: number): number {
  return Number(text(key, String(byDefault)));
}

function refuseUnused(): void {
  const unused = [...given.keys()].filter((key) => !asked.has(key));
  if (unused.length > 0) throw new Error(`options that this program does not have: ${unused}`);
}

function line(event: string, values: Record<string, unknown>): void {
  const fields = Object.entries(values).map(([key, value]) => ` ${key}=${encodeURIComponent(String(value ?? ''))}`);
  process.stdout.write(`${event}${fields.join('')}\n`);
}

/** The id, then (when a size is asked for) a colon and filler drawn from the id, as in the Java programs. */
function bodyOf(id: string, sizeBytes: number): Buffer {
  const text = Buffer.from(id);
  if (sizeBytes <= text.length) return text;
  const body = Buffer.alloc(sizeBytes);
  text.copy(body);
  body[text.length] = ':'.charCodeAt(0);
  let seed = 7;
  for (const byte of text) seed = (Math.imul(seed, 31) + byte) | 0;
  for (let i = text.length + 1; i < sizeBytes; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) | 0;
    body[i] = '0'.charCodeAt(0) + ((seed >>> 16) & 63);
  }
  return body;
}

function idOf(body: Buffer): string {
  return body.toString().split(':', 1)[0]!;
}

function common() {
  return {
    // An address server (httpclient) is asked for only when nameSrv is absent, but the option must be there.
    httpclient: {},
    logger: silent,
    nameSrv: text('namesrv').split(';'),
  };
}

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

/**
 * close() stores offsets and unregisters, but an inner producer that every client shares is never closed and the
 * timers go on for up to 30 s; so the process ends by itself.
 */
async function leave(client: Producer | Consumer): Promise<never> {
  await client.close();
  process.exit(0);
}

const programs: Record<string, () => Promise<void>> = { produce, push };
const program = programs[command ?? ''];
if (program === undefined) throw new Error(`usage: ali-ons-program ${Object.keys(programs).join('|')} key=value ...`);
await program();
