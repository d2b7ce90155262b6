/** What the programs on ali-ons, the Node client, share: its types, their options, their lines and bodies. */
import { createRequire } from 'node:module';

export interface Message {
  topic: string;
  body: Buffer;
  tags: string;
  keys: string | string[];
  delayTimeLevel: number;
  readonly properties: Record<string, string>;
  readonly msgId: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly reconsumeTimes: number;
  readonly bornTimestamp: number;
  readonly storeTimestamp: number;
}
export interface SendResult {
  readonly sendStatus: string;
  readonly messageQueue: { brokerName: string; queueId: number };
  readonly queueOffset: number;
  readonly msgId: string;
}
export interface Producer {
  ready(): Promise<void>;
  send(message: Message): Promise<SendResult>;
  close(): Promise<void>;
  on(event: 'error', handler: (error: Error) => void): void;
}
export interface Consumer {
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

export const { Producer, Consumer, Message } = createRequire(import.meta.url)('ali-ons') as AliOns;

const silent = { info() {}, debug() {}, warn() {}, error: console.error };
const [command, ...pairs] = process.argv.slice(2);
const given = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
const asked = new Set<string>();

export { command };

export function text(key: string, byDefault?: string): string {
  asked.add(key);
  const value = given.get(key) ?? byDefault;
  if (value === undefined) throw new Error(`option ${key} is required`);
  return value;
}

export function number(key: string, byDefault: number): number {
  return Number(text(key, String(byDefault)));
}

export function refuseUnused(): void {
  const unused = [...given.keys()].filter((key) => !asked.has(key));
  if (unused.length > 0) throw new Error(`options that this program does not have: ${unused}`);
}

export function line(event: string, values: Record<string, unknown>): void {
  const fields = Object.entries(values).map(([key, value]) => ` ${key}=${encodeURIComponent(String(value ?? ''))}`);
  process.stdout.write(`${event}${fields.join('')}\n`);
}

/** The id, then (when a size is asked for) a colon and filler drawn from the id, as in the Java programs. */
export function bodyOf(id: string, sizeBytes: number): Buffer {
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

export function idOf(body: Buffer): string {
  return body.toString().split(':', 1)[0]!;
}

export function common() {
  return {
    // An address server (httpclient) is asked for only when nameSrv is absent, but the option must be there.
    httpclient: {},
    logger: silent,
    nameSrv: text('namesrv').split(';'),
  };
}

/**
 * close() stores offsets and unregisters, but an inner producer that every client shares is never closed and the
 * timers go on for up to 30 s; so the process ends by itself.
 */
export async function leave(...clients: readonly (Producer | Consumer)[]): Promise<never> {
  for (const client of clients) await client.close();
  process.exit(0);
}
