/**
 * A remoting client that can also misbehave: pipelined requests, raw bytes, answers left unread. Written apart from
 * src/remoting on purpose: a mistake there must not look right here.
 */
import { connect, type Socket } from 'node:net';
import { decodeBinaryHeader } from './binary-header.js';
import { within } from './within.js';

export const Code = {
  SEND: 310,
  SEND_BATCH: 320,
  PULL: 11,
  MAX_OFFSET: 30,
  MIN_OFFSET: 31,
  CREATE_TOPIC: 17,
  BROKER_RUNTIME_INFO: 28,
  HEARTBEAT: 34,
  ROUTE: 105,
  CLUSTER_INFO: 106,
} as const;

const ANSWER_MS = 10_000;
const IS_RESPONSE = 1;
const IS_ONE_WAY = 2;

export type Fields = Readonly<Record<string, string | number | boolean>>;

export interface Answer {
  readonly code: number;
  readonly remark: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** As it came, to the last field. */
  readonly header: Readonly<Record<string, unknown>>;
  /** 0 is JSON, 1 is ROCKETMQ. */
  readonly serialization: number;
}

/** Total length, header length (its top byte is the serialization), header, body. */
export function frame(header: string | Buffer | object, body: Buffer = Buffer.alloc(0), serialization = 0): Buffer {
  const text = Buffer.isBuffer(header) || typeof header === 'string' ? header : JSON.stringify(header);
  const bytes = Buffer.from(text as string);
  const words = Buffer.alloc(8);
  words.writeInt32BE(4 + bytes.length + body.length, 0);
  words.writeInt32BE((serialization << 24) | bytes.length, 4);
  return Buffer.concat([words, bytes, body]);
}

export function requestHeader(code: number, opaque: number, fields: Fields, flag = 0): object {
  const extFields = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]));
  return { code, extFields, flag, language: 'JAVA', opaque, serializeTypeCurrentRPC: 'JSON', version: 401 };
}

export class RemotingClient {
  /** Why and that the connection is closed. */
  readonly closed: Promise<string>;
  /** Responses that nobody waits for, and requests of the server. */
  readonly unasked: Answer[] = [];
  isClosed = false;
  private readonly waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  private readonly chunks: Buffer[] = [];
  private received = 0;
  private opaque = 0;

  static async connect(address: string, localAddress?: string): Promise<RemotingClient> {
    const colon = address.lastIndexOf(':');
    const target = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    const socket = connect(localAddress === undefined ? target : { ...target, localAddress });
    await within(
      ANSWER_MS,
      `a connection to ${address}`,
      new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject)),
    );
    return new RemotingClient(socket, address);
  }

  private constructor(
    private readonly socket: Socket,
    readonly address: string,
  ) {
    let reason = 'closed by the server';
    socket.setNoDelay(true);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reason = error.code ?? error.message;
    });
    socket.on('data', (chunk) => this.take(chunk));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.isClosed = true;
        for (const { reject } of this.waiting.values()) reject(new Error(`${address}: ${reason}`));
        this.waiting.clear();
        resolve(reason);
      });
    });
  }

  /** Rejects when the connection ends before the answer. */
  call(code: number, fields: Fields, body?: Buffer): Promise<Answer> {
    const opaque = ++this.opaque;
    const answer = this.answerTo(opaque);
    this.write(frame(requestHeader(code, opaque, fields), body));
    return within(ANSWER_MS, `${this.address}: an answer to ${code}`, answer);
  }

  /** The response with that opaque, whatever was sent for it. */
  answerTo(opaque: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) reject(new Error(`${this.address}: closed`));
      else this.waiting.set(opaque, { resolve, reject });
    });
  }

  oneWay(code: number, fields: Fields, body?: Buffer): void {
    this.write(frame(requestHeader(code, ++this.opaque, fields, IS_ONE_WAY), body));
  }

  /** Bytes as they are. Resolves when the kernel has them, with false when the connection went first. */
  write(bytes: Buffer): Promise<boolean> {
    return new Promise((resolve) => {
      this.socket.write(bytes, (error) => resolve(error == null));
    });
  }

  /** Leaves what the server sends in the kernel. */
  stopReading(): void {
    this.socket.pause();
  }

  readOn(): void {
    this.socket.resume();
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.received += chunk.length;
    if (this.chunks[0]!.length < 4 && this.received >= 4) this.join();
    while (this.received >= 4 && this.received >= 4 + this.chunks[0]!.readInt32BE(0)) {
      this.join();
      const bytes = this.chunks[0]!;
      const end = 4 + bytes.readInt32BE(0);
      this.chunks[0] = bytes.subarray(end);
      this.received -= end;
      this.deliver(bytes.subarray(0, end));
      if (this.chunks[0].length < 4) return;
    }
  }

  private join(): void {
    if (this.chunks.length > 1) this.chunks.splice(0, this.chunks.length, Buffer.concat(this.chunks));
  }

  private deliver(bytes: Buffer): void {
    const bodyAt = 8 + (bytes.readInt32BE(4) & 0xffffff);
    const serialization = bytes.readUInt8(4);
    const header =
      serialization === 0
        ? JSON.parse(bytes.toString('utf8', 8, bodyAt))
        : decodeBinaryHeader(bytes.subarray(8, bodyAt));
    const answer: Answer = {
      code: header.code,
      remark: header.remark ?? '',
      fields: header.extFields ?? {},
      body: bytes.subarray(bodyAt),
      header,
      serialization,
    };
    const asked = this.waiting.get(header.opaque);
    if ((header.flag & IS_RESPONSE) === 0 || asked === undefined) {
      this.unasked.push(answer);
      return;
    }
    this.waiting.delete(header.opaque);
    asked.resolve(answer);
  }
}

/** Connects, calls `use`, and closes. */
export async function withClient<T>(address: string, use: (client: RemotingClient) => Promise<T>): Promise<T> {
  const client = await RemotingClient.connect(address);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Header fields of SEND_MESSAGE_V2; `properties` in stored form (name \u0001 value \u0002). */
export function sendFields(topic: string, queueId: number, properties = '', more: Fields = {}): Fields {
  const producer = { a: 'test-producer', b: topic, c: 'TBW102', d: 4, e: queueId, f: 0, g: Date.now(), h: 0 };
  return { ...producer, i: properties, j: 0, k: false, m: false, ...more };
}

export const PullFlag = { suspend: 2, subscription: 4 } as const;

/** Header fields of a pull that brings its subscription along, so that it needs no heartbeat. */
export function pullFields(topic: string, queueId: number, queueOffset: number, more: Fields = {}): Fields {
  return {
    consumerGroup: 'test-consumer',
    topic,
    queueId,
    queueOffset,
    maxMsgNums: 32,
    sysFlag: PullFlag.subscription,
    commitOffset: 0,
    suspendTimeoutMillis: 0,
    subscription: '*',
    subVersion: 0,
    ...more,
  };
}

export interface PulledMessage {
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly body: Buffer;
}

/** Stored record with IPv4 hosts, big-endian. Source: CommitLog.java, MessageDecoder.java. */
const RECORD = { queueId: 12, queueOffset: 20, physicalOffset: 28, bodyLength: 84, body: 88 } as const;

/** The messages of a pull's body. */
export function messagesOf(body: Buffer): PulledMessage[] {
  const messages: PulledMessage[] = [];
  for (let at = 0; at < body.length; at += body.readInt32BE(at)) {
    const bodyAt = at + RECORD.body;
    messages.push({
      queueId: body.readInt32BE(at + RECORD.queueId),
      queueOffset: Number(body.readBigInt64BE(at + RECORD.queueOffset)),
      physicalOffset: Number(body.readBigInt64BE(at + RECORD.physicalOffset)),
      body: body.subarray(bodyAt, bodyAt + body.readInt32BE(at + RECORD.bodyLength)),
    });
  }
  return messages;
}

/** Every message of a queue, from the first offset to the last. */
export async function readQueue(client: RemotingClient, topic: string, queueId: number): Promise<PulledMessage[]> {
  const found: PulledMessage[] = [];
  for (let offset = 0; ; offset = found.at(-1)!.queueOffset + 1) {
    const answer = await client.call(Code.PULL, pullFields(topic, queueId, offset, { maxMsgNums: 1000 }));
    if (answer.code === 19 || (answer.code === 21 && Number(answer.fields.maxOffset) === 0)) return found;
    if (answer.code !== 0) throw new Error(`pull of ${topic} ${queueId} at ${offset}: ${answer.code} ${answer.remark}`);
    found.push(...messagesOf(answer.body));
  }
}
