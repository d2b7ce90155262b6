/**
 * The only member of a consumer group, as push consumers are: one connection to a broker, a pull in flight for each of
 * its queues, the subscription in the heartbeat, and every pull commits the offset that it has reached.
 */
import type { Connection, Receiver } from './connection.js';
import { heartbeatFrame, maxOffsetFrame, PullFrame } from './frames.js';
import type { LoadOptions } from './options.js';
import { NEXT_BEGIN_OFFSET, OFFSET, type ReceiveFigures, SUSPEND_MS } from './readers.js';
import { PullNotFound, PullRetryImmediately, type Reply, Success } from './reply.js';

export class GroupReader implements Receiver {
  /** By queue id, which is the slot of its pull. */
  readonly #pulls: PullFrame[] = [];

  constructor(
    readonly connection: Connection,
    readonly options: LoadOptions,
    readonly group: string,
    readonly brokerIndex: number,
    readonly figures: ReceiveFigures,
  ) {}

  /** Returns when the first pulls have left. */
  async start(): Promise<void> {
    const { connection, group } = this;
    const { topic, queues, batch } = this.options;
    await connection.call(heartbeatFrame(topic, group), () => undefined);
    const offsets: number[] = [];
    for (let queueId = 0; queueId < queues; queueId++) {
      offsets.push(await connection.call(maxOffsetFrame(topic, queueId), (reply) => reply.field(OFFSET)!));
      this.#pulls.push(new PullFrame(topic, queueId, batch, SUSPEND_MS, { group, slot: queueId }));
    }
    connection.receiver = this;
    for (const [queueId, offset] of offsets.entries()) this.#pull(queueId, offset);
  }

  onReply(reply: Reply, atMs: number): void {
    if (reply.code === Success) this.figures.take(reply, atMs);
    else if (reply.code !== PullNotFound && reply.code !== PullRetryImmediately) {
      this.figures.failures.add(`pull: code ${reply.code}`, reply.remark());
    }
    const next = reply.field(NEXT_BEGIN_OFFSET);
    // An answer without an offset is an error that would only be repeated: this queue's messages stay unreceived.
    if (next !== undefined) this.#pull(reply.slot, next);
  }

  onRead(): void {
    this.figures.check();
  }

  onClosed(error: Error | undefined): void {
    this.figures.failures.add('pull: closed', error?.message ?? 'the server closed the connection');
  }

  #pull(queueId: number, offset: number): void {
    this.connection.write(this.#pulls[queueId]!.at(offset, offset));
  }
}
