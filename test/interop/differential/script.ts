/** One part's requests to the servers of one maker, and what came back, in order. */
import { type BinaryHeader, encodeBinaryHeader } from '../../support/binary-header.js';
import {
  type Answer,
  type Fields,
  frame,
  messagesOf,
  RemotingClient,
  requestHeader,
  sendFields,
} from '../../support/remoting-client.js';
import { within } from '../../support/within.js';
import { until } from '../harness/process.js';
import { propertyText } from '../harness/store-filling.js';
import { Code } from './codes.js';
import type { Json } from './fastjson.js';
import { type NormalAnswer, normalAnswer, normalBody, normalText } from './normal.js';

export interface Servers {
  readonly namesrv: string;
  readonly broker: string;
  /** The port that serves everything but pulls. */
  readonly vip: string;
  /** Of that broker, where there is one. */
  readonly slave?: string;
}

export interface Outcome {
  readonly what: string;
  readonly value: NormalAnswer | Json;
}

export interface Asked {
  /** Another connection than the script's own to the broker. */
  readonly from?: RemotingClient;
  readonly body?: Buffer | string | object;
  readonly version?: number;
  readonly language?: string;
  /** With the ROCKETMQ serialization. */
  readonly binary?: boolean;
  /** More bits of the header's flag. */
  readonly flag?: number;
  /** What of a JSON body is compared; the rest is of other parts, or changes by itself. */
  readonly pick?: (json: Json) => Json;
}

const PULL_RETRY_IMMEDIATELY = 20;
const IS_RESPONSE = 1;
const ONE_WAY = 2;
const JAVA = 0;
const VERSION = 401;
/** Far from the numbers that RemotingClient gives itself. */
const FIRST_OPAQUE = 1_000_000;
/** On a busy machine. */
const ARRIVED_MS = 30_000;
/** Whoever answers at all has answered by then, if it is not busy. */
const SILENCE_MS = 400;

export class Script {
  readonly outcomes: Outcome[] = [];
  private readonly clients: RemotingClient[] = [];
  private opaque = FIRST_OPAQUE;

  private constructor(
    readonly servers: Servers,
    readonly own: RemotingClient,
  ) {
    this.clients.push(own);
  }

  static async open(servers: Servers): Promise<Script> {
    return new Script(servers, await RemotingClient.connect(servers.broker));
  }

  async connect(address: string = this.servers.broker): Promise<RemotingClient> {
    const client = await RemotingClient.connect(address);
    this.clients.push(client);
    return client;
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  /** A case: the request and its answer are compared. */
  async ask(what: string, code: number, fields: Fields = {}, asked: Asked = {}): Promise<Answer> {
    const answer = await within(ARRIVED_MS, `an answer to "${what}"`, this.send(code, fields, asked));
    const found = normalAnswer(answer);
    this.note(what, asked.pick === undefined ? found : { ...found, body: picked(found.body, asked.pick) });
    return answer;
  }

  /** Not a case, but has to succeed. */
  async must(code: number, fields: Fields = {}, asked: Asked = {}): Promise<Answer> {
    const answer = await within(ARRIVED_MS, `an answer to ${code}`, this.send(code, fields, asked));
    if (answer.code !== 0) {
      throw new Error(`${this.servers.broker}: ${answer.code} to ${code} ${JSON.stringify(fields)}: ${answer.remark}`);
    }
    return answer;
  }

  /** A case: the queue offsets of the messages that a pull gets. */
  async pulls(what: string, fields: Fields): Promise<void> {
    const answer = await within(ARRIVED_MS, `an answer to "${what}"`, this.send(Code.PULL, fields, {}));
    const isNothing = answer.code === PULL_RETRY_IMMEDIATELY;
    if (answer.code !== 0 && !isNothing)
      throw new Error(`${this.servers.broker}: ${what}: ${answer.code} ${answer.remark}`);
    this.note(what, isNothing ? [] : messagesOf(answer.body).map(({ queueOffset }) => queueOffset));
  }

  /** A case: what comes of a request that may not be answered, or cost the connection. */
  async mayAsk(what: string, code: number, fields: Fields = {}, asked: Asked = {}): Promise<void> {
    const answered = this.send(code, fields, asked).catch(() => 'closed' as const);
    const outcome = await Promise.race([answered, this.silence(asked.from ?? this.own)]);
    this.note(what, typeof outcome === 'string' ? outcome : normalAnswer(outcome));
  }

  /** Later than answers that come at all: two other requests are answered, with a while between them. */
  private async silence(from: RemotingClient): Promise<'silence'> {
    const isOver = async (): Promise<unknown> =>
      await this.send(Code.MAX_OFFSET, { topic: 'TBW102', queueId: 0 }, { from }).catch(() => undefined);
    await isOver();
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    await isOver();
    return 'silence';
  }

  note(what: string, value: NormalAnswer | Json): void {
    if (this.outcomes.some((outcome) => outcome.what === what)) throw new Error(`two cases: ${what}`);
    this.outcomes.push({ what, value });
  }

  /** A case: the next request that the servers send over the connection. */
  async pushed(what: string, client: RemotingClient): Promise<Answer> {
    const push = await until(`${what}: a request of the broker`, ARRIVED_MS, async () => client.unasked.shift());
    this.note(what, normalAnswer(push));
    return push;
  }

  /** A case: the next request that the servers send over the connection, which is answered. */
  async pushedAndAnswered(
    what: string,
    client: RemotingClient,
    code: number,
    fields: Fields = {},
    body = '',
  ): Promise<void> {
    const { header } = await this.pushed(what, client);
    const answer = requestHeader(code, Number(header.opaque), fields, IS_RESPONSE);
    client.write(frame({ ...answer, remark: 'said by the client' }, Buffer.from(body)));
  }

  /** A case: which requests the servers sent over the connection because of what was answered until now. */
  async heard(what: string, client: RemotingClient): Promise<void> {
    // Written behind them.
    await this.must(Code.MAX_OFFSET, { topic: 'TBW102', queueId: 0 }, { from: client });
    this.note(
      what,
      client.unasked.splice(0).map(({ code, fields, body }) => {
        const texts = Object.entries(fields).map(([name, value]) => [name, normalText(value)] as const);
        return { code, fields: Object.fromEntries(texts), body: normalBody(body) };
      }),
    );
  }

  /** Waits until the queue has so many messages: Apache's broker dispatches behind its answers. */
  async holds(topic: string, queueId: number, count: number): Promise<void> {
    await until(`${topic} ${queueId} holds ${count} messages`, ARRIVED_MS, async () => {
      const { fields } = await this.must(Code.MAX_OFFSET, { topic, queueId });
      return Number(fields.offset) >= count ? true : undefined;
    });
  }

  async createTopic(topic: string, queues = 1, more: Fields = {}): Promise<void> {
    await this.must(Code.CREATE_TOPIC, { ...topicFields(topic, queues), ...more });
  }

  async createGroup(groupName: string, more: object = {}): Promise<void> {
    await this.must(Code.UPDATE_GROUP, {}, { body: { ...groupSettings(groupName), ...more } });
  }

  /** Sends one message that has to be stored. */
  async store(
    topic: string,
    queueId: number,
    properties: Record<string, string> = {},
    more: Fields = {},
  ): Promise<Answer> {
    const fields = sendFields(topic, queueId, propertyText(properties), { g: 1234, ...more });
    return await this.must(Code.SEND, fields, { body: 'hello' });
  }

  private send(code: number, fields: Fields, asked: Asked): Promise<Answer> {
    const { from = this.own, body, version = VERSION, language = 'JAVA', binary = false, flag = 0 } = asked;
    const opaque = ++this.opaque;
    const json = { ...requestHeader(code, opaque, fields, flag), version, language };
    const answer = from.answerTo(opaque);
    const bytes =
      body === undefined || Buffer.isBuffer(body)
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const isOneWay = (flag & ONE_WAY) !== 0;
    if (binary) {
      const header: BinaryHeader = { ...(json as unknown as BinaryHeader), language: JAVA };
      from.write(frame(encodeBinaryHeader(header), bytes, 1));
    } else {
      from.write(frame(json, bytes));
    }
    if (isOneWay) answer.catch(() => undefined);
    return answer;
  }
}

function picked(body: Json, pick: (json: Json) => Json): Json {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return body;
  return { ...body, json: pick(body.json!) };
}

/** Of an object, or of the table that it has under a name, the entries whose names have the text. */
export function onlyWith(text: string, table?: string): (json: Json) => Json {
  return (json) => {
    const object = json as { [key: string]: Json };
    if (table !== undefined) return onlyWith(text)(object[table] ?? {});
    return Object.fromEntries(Object.entries(object).filter(([name]) => name.includes(text)));
  };
}

/** Which keys and types, not which values. */
export function shapeOf(json: Json): Json {
  if (Array.isArray(json)) return json.map(shapeOf);
  if (json === null || typeof json !== 'object') return typeof json;
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, shapeOf(value)]));
}

export function topicFields(topic: string, queues: number): Fields {
  const counts = { readQueueNums: queues, writeQueueNums: queues, perm: 6 };
  return { topic, defaultTopic: 'TBW102', ...counts, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false };
}

/** With Java's defaults. Source: SubscriptionGroupConfig.java. */
export function groupSettings(groupName: string): object {
  return {
    groupName,
    consumeEnable: true,
    consumeFromMinEnable: true,
    consumeBroadcastEnable: true,
    retryQueueNums: 1,
    retryMaxTimes: 16,
    brokerId: 0,
    whichBrokerWhenConsumeSlowly: 1,
    notifyConsumerIdsChangedEnable: true,
  };
}
