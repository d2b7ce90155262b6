/**
 * Slaves of other processes at this master's HA port. Each is sent the log from where it says on, as far ahead of its
 * acknowledgements as a window allows: it is never told to wait, and what the front holds for it is bounded.
 *
 * Source: HAConnection.java. Unlike there, an empty slave gets the whole log (there: its last file), and a slave whose
 * log cannot belong to this one is told so and let go (there: heartbeats without end, or a log that is no copy).
 */
import { DiskError } from '../../base/disk.js';
import { writeInt64 } from '../../base/int64.js';
import { KIB, MIB } from '../../base/units.js';
import type { Context } from '../../runtime/actor.js';
import type { LogReader } from '../../store/log-reader.js';
import { frontMessages } from '../front/messages.js';
import type { HaOptions, StreamSettings } from './options.js';
import { Refusals } from './refusals.js';
import { ReportReader, TRANSFER } from './stream-protocol.js';

/** Sent and not acknowledged: some times what a fast network holds; far below what the front would close it for. */
export const HA_WINDOW_BYTES = 8 * MIB;
/** Sent to one slave in one turn; client work of the same thread goes on in between. */
const TURN_BYTES = 2 * MIB;
/** Frames are this large at most whatever haTransferBatchSize says: a message within the process has to hold one. */
const FRAME_BYTES_MAX = 256 * KIB;

interface StreamSlave {
  readonly connection: number;
  readonly remote: string;
  readonly reports: ReportReader;
  /** Everything before it was sent; -1 until the slave has said where it begins. */
  sent: number;
  /** Everything before it is there: acknowledged, or older than what it asked for. */
  arrived: number;
  lastReadMs: number;
  lastWriteMs: number;
}

export class StreamSlaves {
  private readonly slaves = new Map<number, StreamSlave>();
  private readonly refusals = new Refusals();

  constructor(
    private readonly context: Context,
    private readonly options: HaOptions,
    private readonly stream: StreamSettings,
    private readonly reader: LogReader,
  ) {}

  /** Slaves that follow. */
  get count(): number {
    let count = 0;
    for (const { sent } of this.slaves.values()) if (sent >= 0) count++;
    return count;
  }

  opened(connection: number, remote: string): void {
    const now = this.context.clock.monotonic();
    const reports = new ReportReader();
    const slave = { connection, remote, reports, sent: -1, arrived: -1, lastReadMs: now, lastWriteMs: now };
    this.slaves.set(connection, slave);
  }

  /** The connection is one within the process; false when it is not known. */
  forget(connection: number): boolean {
    return this.slaves.delete(connection);
  }

  closed(connection: number): boolean {
    const slave = this.slaves.get(connection);
    if (slave === undefined) return false;
    this.slaves.delete(connection);
    this.context.log.info('slave disconnected', { slave: slave.remote, arrived: slave.arrived });
    return true;
  }

  /**
   * Takes what a slave says; returns what it has acknowledged, or -1 when that is nothing new. The own log is
   * [minOffset, logEnd).
   */
  received(
    connection: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    minOffset: number,
    logEnd: number,
  ): number {
    const slave = this.slaves.get(connection);
    if (slave === undefined) return -1;
    slave.lastReadMs = this.context.clock.monotonic();
    if (!slave.reports.push(bytes, start, end)) return -1;
    const { offset } = slave.reports;
    if (offset < 0) return -1;
    if (slave.sent < 0) return this.begin(slave, offset, minOffset, logEnd);
    if (offset > slave.sent) {
      this.refuse(slave, `it acknowledges ${offset}, and was sent only what is before ${slave.sent}`);
      return -1;
    }
    if (offset <= slave.arrived) return -1;
    slave.arrived = offset;
    return offset;
  }

  private begin(slave: StreamSlave, offset: number, minOffset: number, logEnd: number): number {
    const refusal = joinProblem(offset, minOffset, logEnd);
    if (refusal !== undefined) {
      this.refuse(slave, refusal);
      return -1;
    }
    slave.sent = offset === 0 ? minOffset : offset;
    slave.arrived = slave.sent;
    this.refusals.forget(slave.remote);
    this.context.log.info('slave connected', { slave: slave.remote, from: slave.sent });
    return offset;
  }

  private refuse({ connection, remote }: StreamSlave, why: string): void {
    if (this.refusals.isNew(remote, why)) this.context.log.error(`slave refused: ${why}`, { slave: remote });
    this.drop(connection);
  }

  /** It is no slave any more, whatever still comes from it. */
  private drop(connection: number): void {
    this.slaves.delete(connection);
    this.context.send(this.options.front, frontMessages.close, { connection });
  }

  /** Sends what there is and the windows allow; true when there is more to send in the next turn. */
  feed(end: number): boolean {
    let hasMore = false;
    for (const slave of this.slaves.values()) {
      if (slave.sent >= 0 && slave.sent < end && this.feedOne(slave, end)) hasMore = true;
    }
    return hasMore;
  }

  private feedOne(slave: StreamSlave, end: number): boolean {
    const { settings, front } = this.options;
    const fileBytes = settings.mappedFileSizeCommitLog;
    const batchBytes = Math.min(this.stream.batchBytes, FRAME_BYTES_MAX);
    const allowed = Math.min(end, slave.arrived + HA_WINDOW_BYTES);
    const limit = Math.min(allowed, slave.sent + TURN_BYTES);
    while (slave.sent < limit && this.context.isOpen(front, 'reply')) {
      const bytes = Math.min(batchBytes, limit - slave.sent, fileBytes - (slave.sent % fileBytes));
      if (!this.transfer(slave, bytes)) return false;
    }
    return slave.sent < allowed;
  }

  private transfer(slave: StreamSlave, bytes: number): boolean {
    const { context, reader } = this;
    target.connection = slave.connection;
    const place = context.begin(this.options.front, frontMessages.write, target, 0, TRANSFER.head + bytes);
    const problem = read(reader, slave.sent, bytes, place.buffer, place.at + TRANSFER.head);
    if (problem !== undefined) {
      context.end(0);
      this.refuse(slave, problem);
      return false;
    }
    writeHead(place.view, place.at, slave.sent, bytes);
    context.end(TRANSFER.head + bytes);
    slave.sent += bytes;
    slave.lastWriteMs = context.clock.monotonic();
    return true;
  }

  /** Heartbeats, and the end of connections that are silent; to be called about twice a second. */
  tick(): void {
    const { context } = this;
    const { heartbeatMs, housekeepingMs } = this.stream;
    const now = context.clock.monotonic();
    for (const slave of this.slaves.values()) {
      const silentMs = now - slave.lastReadMs;
      if (silentMs > housekeepingMs) {
        context.log.warn('slave dropped: it has said nothing for too long', { slave: slave.remote, silentMs });
        this.drop(slave.connection);
      } else if (slave.sent >= 0 && now - slave.lastWriteMs >= heartbeatMs) {
        this.heartbeat(slave, now);
      }
    }
  }

  private heartbeat(slave: StreamSlave, now: number): void {
    target.connection = slave.connection;
    const place = this.context.begin(this.options.front, frontMessages.write, target, 0, TRANSFER.head);
    writeHead(place.view, place.at, slave.sent, 0);
    this.context.end(TRANSFER.head);
    slave.lastWriteMs = now;
  }
}

const target = { connection: 0 };

function writeHead(view: DataView, at: number, offset: number, bytes: number): void {
  writeInt64(view, at + TRANSFER.offset, offset);
  view.setInt32(at + TRANSFER.bytes, bytes);
}

/** Why the range cannot be read; undefined when it was. */
function read(reader: LogReader, offset: number, bytes: number, to: Buffer, at: number): string | undefined {
  try {
    return reader.read(offset, bytes, to, at)
      ? undefined
      : `the log at ${offset}, which it needs, was deleted meanwhile`;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return `the log at ${offset} cannot be read: ${error.message}`;
  }
}

/** Why a slave whose log ends at `offset` cannot follow a log of [minOffset, end); undefined when it can. */
export function joinProblem(offset: number, minOffset: number, end: number): string | undefined {
  const remedy = "move the slave's store away to copy everything again";
  if (offset > end) {
    return `the slave's log ends at ${offset}, behind its master's end ${end}: its store belongs to another master or this master lost its tail; ${remedy}`;
  }
  if (offset > 0 && offset < minOffset) {
    return `the slave's log ends at ${offset}, its master's begins at ${minOffset} already: ${remedy}`;
  }
  return undefined;
}
