/** Two readers of one queue, each with one pull in flight: one catches up from offset 0, one waits for what arrives. */
import type { Connection, Receiver } from './connection.js';
import { Failures, Latencies } from './figures.js';
import { heartbeatFrame, maxOffsetFrame, PullFrame } from './frames.js';
import type { LoadOptions } from './options.js';
import { PullNotFound, PullRetryImmediately, type Reply, Success } from './reply.js';
import { isMeasured, type Schedule } from './schedule.js';

export const NEXT_BEGIN_OFFSET = Buffer.from('"nextBeginOffset":');
export const OFFSET = Buffer.from('"offset":');
/** Like a push consumer's. */
export const SUSPEND_MS = 15_000;
/** Of a stored record: its length, and its body behind the body's length, with IPv4 hosts. */
const RECORD = { bytes: 0, body: 88 } as const;

function recordsIn(reply: Reply): number {
  let count = 0;
  for (let at = reply.bodyAt; at < reply.end; at += reply.bytes.readInt32BE(at + RECORD.bytes)) count++;
  return count;
}

/** Reads a queue from its beginning to its end, as fast as answers come. */
export class CatchUpReader implements Receiver {
  messages = 0;
  readonly #pull: PullFrame;
  #finish: () => void = () => {};
  #offset = 0;

  constructor(
    readonly connection: Connection,
    options: LoadOptions,
    queueId: number,
    readonly failures: Failures,
  ) {
    this.#pull = new PullFrame(options.topic, queueId, options.batch, 0);
  }

  /** Resolves at the end of the queue. */
  async run(topic: string): Promise<void> {
    await this.connection.call(heartbeatFrame(topic), () => undefined);
    this.connection.receiver = this;
    await new Promise<void>((resolve) => {
      this.#finish = resolve;
      this.connection.write(this.#pull.at(this.#offset));
    });
    this.connection.close();
  }

  onReply(reply: Reply): void {
    if (reply.code !== Success) {
      const isEnd = reply.code === PullNotFound || reply.code === PullRetryImmediately;
      if (!isEnd) this.failures.add(`code ${reply.code}`, reply.remark());
      this.#finish();
      return;
    }
    this.messages += recordsIn(reply);
    this.#offset = reply.field(NEXT_BEGIN_OFFSET)!;
    this.connection.write(this.#pull.at(this.#offset));
  }

  onRead(): void {}

  onClosed(error: Error | undefined): void {
    this.failures.add('closed', error?.message ?? 'the server closed the connection');
    this.#finish();
  }
}

/** What the held readers of one thread count together. */
export class ReceiveFigures {
  readonly latencies = new Latencies();
  readonly failures = new Failures();
  received = 0;
  /** Of them, those that came in the measured time. */
  measured = 0;
  /** Once the run has begun. */
  schedule: Schedule | undefined;
  #wanted = Number.POSITIVE_INFINITY;
  #arrived: () => void = () => {};

  /** Resolves when so many messages were received. */
  async all(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wanted = count;
      this.#arrived = resolve;
      this.check();
    });
  }

  check(): void {
    if (this.received >= this.#wanted) this.#arrived();
  }

  /** The messages of an answer: each body says when its message was due to be sent. */
  take({ bytes, bodyAt, end }: Reply, atMs: number): void {
    const { schedule } = this;
    for (let at = bodyAt; at < end; at += bytes.readInt32BE(at + RECORD.bytes)) {
      this.received++;
      if (schedule === undefined) continue;
      if (isMeasured(schedule, atMs)) this.measured++;
      const dueMs = bytes.readDoubleBE(at + RECORD.body);
      if (isMeasured(schedule, dueMs)) this.latencies.record(atMs - dueMs);
    }
  }
}

/** Follows the end of a queue with pulls that the broker holds. */
export class HeldReader implements Receiver {
  readonly #pull: PullFrame;
  #offset = 0;

  constructor(
    readonly connection: Connection,
    readonly options: LoadOptions,
    readonly queueId: number,
    readonly figures: ReceiveFigures,
  ) {
    this.#pull = new PullFrame(options.topic, queueId, options.batch, SUSPEND_MS);
  }

  /** Returns when the first pull has left. */
  async start(): Promise<void> {
    const { topic } = this.options;
    await this.connection.call(heartbeatFrame(topic), () => undefined);
    const maxOffset = maxOffsetFrame(topic, this.queueId);
    this.#offset = await this.connection.call(maxOffset, (reply) => reply.field(OFFSET)!);
    this.connection.receiver = this;
    this.connection.write(this.#pull.at(this.#offset));
  }

  onReply(reply: Reply, atMs: number): void {
    if (reply.code === Success) this.figures.take(reply, atMs);
    else if (reply.code !== PullNotFound && reply.code !== PullRetryImmediately) {
      this.figures.failures.add(`pull: code ${reply.code}`, reply.remark());
    }
    const next = reply.field(NEXT_BEGIN_OFFSET);
    // An answer without an offset is an error that would only be repeated: this queue's messages stay unreceived.
    if (next === undefined) return;
    this.#offset = next;
    this.connection.write(this.#pull.at(next));
  }

  onRead(): void {
    this.figures.check();
  }

  onClosed(error: Error | undefined): void {
    this.figures.failures.add('pull: closed', error?.message ?? 'the server closed the connection');
  }
}
