/**
 * What an HA actor does for the slaves of its broker: tells them how far the log goes, and the broker how far they have
 * it. Slaves of this process read the log themselves; those of others get its bytes (stream-slaves.ts).
 */
import type { ActorId, Context } from '../../runtime/actor.js';
import { LogReader } from '../../store/log-reader.js';
import { LogWindow } from '../../store/log-window.js';
import { brokerMessages } from '../broker/messages.js';
import { frontMessages } from '../front/messages.js';
import { haMessages } from './messages.js';
import type { HaOptions, StreamSettings } from './options.js';
import { joinProblem, StreamSlaves } from './stream-slaves.js';

/** A slave of this process that follows this master. */
interface LocalSlave {
  readonly actor: ActorId;
  /** It has compared the logs and says how far it is; before that it counts for nothing. */
  hasJoined: boolean;
  /** End that it was told last. */
  told: number;
}

interface EarlyHello {
  readonly slave: ActorId;
  readonly end: number;
  readonly sinceMs: number;
}

/** A hello whose connection was not announced by then came after its end. */
const ANNOUNCED_WITHIN_MS = 20_000;

export class MasterSide {
  private minOffset = 0;
  private end = 0;
  /** By this side's connection id. */
  private readonly local = new Map<number, LocalSlave>();
  /** Hellos that have overtaken the front's word of their connection, or came after its end. */
  private readonly early = new Map<number, EarlyHello>();
  private readonly streams: StreamSlaves;
  /** Highest offset ever acknowledged: it does not drop when that slave leaves (HAService.push2SlaveMaxOffset). */
  private acknowledged = 0;
  /** What the broker was told last. */
  private toldSlaves = 0;
  private toldOffset = 0;
  private isFeedScheduled = false;

  constructor(
    private readonly context: Context,
    private readonly options: HaOptions,
    stream: StreamSettings,
  ) {
    const { storePathCommitLog: directory, mappedFileSizeCommitLog: fileBytes } = options.settings;
    const window = options.window === undefined ? undefined : LogWindow.attach(options.window);
    this.streams = new StreamSlaves(
      context,
      options,
      stream,
      new LogReader(context.disk, { directory, fileBytes, window }),
    );
  }

  logWritten(minOffset: number, end: number): void {
    this.minOffset = minOffset;
    this.end = end;
  }

  // ---- slaves of this process

  /**
   * The front announces this connection as any other, on a ring of its own: the hello may be here first, or after the
   * connection's end. Whoever is not announced is no slave.
   */
  localHello(slave: ActorId, connection: number, end: number): void {
    if (!this.streams.forget(connection) && !this.local.has(connection)) {
      this.early.set(connection, { slave, end, sinceMs: this.context.clock.monotonic() });
      return;
    }
    // What a slave of this process misses may have been deleted: it then begins where this log does (begin-anew.ts).
    const from = Math.max(end, this.minOffset);
    const problem = joinProblem(from, this.minOffset, this.end);
    if (problem !== undefined) {
      this.context.log.error(`slave refused: ${problem}`);
      this.tellRefused(slave, problem);
      this.context.send(this.options.front, frontMessages.close, { connection });
      return;
    }
    const hasJoined = this.local.get(connection)?.hasJoined === true;
    this.local.set(connection, { actor: slave, hasJoined, told: this.end });
    this.context.send(slave, haMessages.localRange, { from, end: this.end });
  }

  private tellRefused(slave: ActorId, why: string): void {
    const text = Buffer.from(why);
    const place = this.context.begin(slave, haMessages.localRefused, {}, 0, text.length);
    text.copy(place.buffer, place.at);
    this.context.end(text.length);
  }

  localAck(connection: number, end: number): void {
    const slave = this.local.get(connection);
    if (slave === undefined) return;
    slave.hasJoined = true;
    this.raise(end);
  }

  /** Slaves that follow. */
  private get count(): number {
    let { count } = this.streams;
    for (const { hasJoined } of this.local.values()) if (hasJoined) count++;
    return count;
  }

  // ---- slaves of other processes

  opened(connection: number, remote: string): void {
    this.streams.opened(connection, remote);
    const hello = this.early.get(connection);
    if (hello === undefined) return;
    this.early.delete(connection);
    this.localHello(hello.slave, connection, hello.end);
  }

  received(connection: number, bytes: Uint8Array, start: number, end: number): void {
    this.raise(this.streams.received(connection, bytes, start, end, this.minOffset, this.end));
  }

  tick(): void {
    this.streams.tick();
    const announcedSinceMs = this.context.clock.monotonic() - ANNOUNCED_WITHIN_MS;
    for (const [connection, { sinceMs }] of this.early) if (sinceMs < announcedSinceMs) this.early.delete(connection);
    // What it has dropped is told to the broker.
    this.context.touch();
  }

  // ---- all of them

  private raise(acknowledged: number): void {
    if (acknowledged > this.acknowledged) this.acknowledged = acknowledged;
  }

  /** True when the connection was a slave's. */
  closed(connection: number): boolean {
    return this.local.delete(connection) || this.streams.closed(connection);
  }

  /** A turn comes when the front has room. */
  private feedAgain(): void {
    if (this.isFeedScheduled) return;
    this.isFeedScheduled = true;
    this.context.onceOpen(this.options.front, 'reply', () => {
      this.isFeedScheduled = false;
      this.context.touch();
    });
  }

  endOfBatch(): void {
    for (const slave of this.local.values()) {
      if (slave.told >= this.end) continue;
      slave.told = this.end;
      this.context.send(slave.actor, haMessages.localRange, { from: -1, end: this.end });
    }
    if (this.streams.feed(this.end)) this.feedAgain();
    const slaves = this.count;
    if (slaves === this.toldSlaves && this.acknowledged === this.toldOffset) return;
    this.toldSlaves = slaves;
    this.toldOffset = this.acknowledged;
    this.context.send(this.options.broker, brokerMessages.replicated, { offset: this.acknowledged, slaves });
  }
}
