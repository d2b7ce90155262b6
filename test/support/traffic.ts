/** Sends as fast as answers come, and knows exactly what was acknowledged, so that a test can look for it later. */
import * as assert from 'uvu/assert';
import { until } from '../interop/harness/process.js';
import { Code, type PulledMessage, RemotingClient, readQueue, sendFields } from './remoting-client.js';

const BODY_BYTES = 300;

/** A message whose send was answered. */
export interface Acknowledged {
  readonly body: string;
  readonly queueId: number;
  readonly queueOffset: number;
}

export interface TrafficOptions {
  readonly topic: string;
  readonly queues: number;
  readonly connections?: number;
  readonly inFlight?: number;
  /** Begins every body, so that they differ from those of others. */
  readonly name?: string;
  /** Fields of every send, beside the usual ones. */
  readonly properties?: string;
}

/** Goes on until it is ended or the connections are. */
export class Traffic {
  readonly acknowledged: Acknowledged[] = [];
  /** Codes of answers, with how many of each came. */
  readonly codes = new Map<number, number>();
  private isEnded = false;
  private readonly clients: RemotingClient[];
  private readonly loops: Promise<void>[] = [];

  static async start(address: string, options: TrafficOptions): Promise<Traffic> {
    const { connections = 4, inFlight = 16 } = options;
    const clients = await Promise.all(Array.from({ length: connections }, () => RemotingClient.connect(address)));
    const traffic = new Traffic(clients, options);
    for (const [index, client] of clients.entries()) {
      for (let lane = 0; lane < inFlight; lane++) traffic.loops.push(traffic.run(client, `${index}-${lane}`));
    }
    return traffic;
  }

  private constructor(
    clients: RemotingClient[],
    private readonly options: TrafficOptions,
  ) {
    this.clients = clients;
  }

  /** Resolves when that many messages were acknowledged since the call. */
  async more(count: number): Promise<void> {
    const target = this.acknowledged.length + count;
    const wanted = async () => (this.acknowledged.length >= target ? true : undefined);
    await until(`${count} more acknowledged messages`, 20_000, wanted);
  }

  /** Resolves when every connection was closed by the other side. */
  async broken(): Promise<void> {
    await Promise.all(this.loops);
  }

  /** Sends nothing more, and resolves when everything in flight is answered. */
  async end(): Promise<void> {
    this.isEnded = true;
    await Promise.all(this.loops);
    for (const client of this.clients) client.close();
  }

  private async run(client: RemotingClient, name: string): Promise<void> {
    const { topic, queues, name: prefix = '', properties = '' } = this.options;
    for (let n = 0; !this.isEnded; n++) {
      const queueId = n % queues;
      const body = `${prefix}${name}-${n}`.padEnd(BODY_BYTES, '.');
      let answer: Awaited<ReturnType<RemotingClient['call']>>;
      try {
        answer = await client.call(Code.SEND, sendFields(topic, queueId, properties), Buffer.from(body));
      } catch (error) {
        if (client.isClosed) return;
        throw error;
      }
      this.codes.set(answer.code, (this.codes.get(answer.code) ?? 0) + 1);
      if (answer.code !== 0) continue;
      this.acknowledged.push({ body, queueId, queueOffset: Number(answer.fields.queueOffset) });
    }
  }
}

/** Every acknowledged message is where its answer said, and the offsets of every queue are 0, 1, 2, ... */
export async function assertStored(
  address: string,
  topic: string,
  queues: number,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  const client = await RemotingClient.connect(address);
  try {
    const stored: PulledMessage[][] = [];
    for (let queueId = 0; queueId < queues; queueId++) {
      const messages = await readQueue(client, topic, queueId);
      for (const [index, message] of messages.entries()) {
        if (message.queueOffset !== index) assert.is(message.queueOffset, index, `gap in queue ${queueId}`);
      }
      stored.push(messages);
    }
    for (const { body, queueId, queueOffset } of acknowledged) {
      const found = stored[queueId]![queueOffset]?.body.toString();
      if (found !== body) assert.is(found, body, `queue ${queueId}, offset ${queueOffset}`);
    }
  } finally {
    client.close();
  }
}
