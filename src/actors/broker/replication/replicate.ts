/**
 * The follower's side of a broker: appends what its master has, and dispatches what it appended. Also the way of a
 * master back into its own log, for a queue host that fell behind. Both walk the log with the code of recovery.
 */
import { DiskError } from '../../../base/disk.js';
import { withRemedy } from '../../../base/disk-remedy.js';
import { entersConsumeQueue, entersIndex } from '../../../message/system-flags.js';
import { fnv1a } from '../../../remoting/request-scan.js';
import { type LogBytes, LogScanner, type ScannedRecord } from '../../../store/log-scan.js';
import type { ActorId } from '../../../runtime/actor.js';
import { LogReader } from '../../../store/log-reader.js';
import { LogWindow } from '../../../store/log-window.js';
import type { RecoveredStore } from '../../../store/recovery.js';
import { MIB } from '../../../base/units.js';
import { haMessages } from '../../ha/messages.js';
import { beginAnew } from './begin-anew.js';
import { partedProblem } from './master-check.js';
import type { BrokerState } from '../state.js';
import { noteLog } from '../store/store-health.js';
import { putKeys } from '../sends/store-message.js';
import type { BrokerQueue } from '../tables/topic-table.js';

/** Appended and dispatched per turn: client work of the same thread goes on in between. */
const CHUNK_BYTES = MIB;

export class Replication {
  /** How far the log of the master in this process may be read, and how far it is wanted. */
  private offered = 0;
  private target = 0;
  /** The end of the own log is that master's, too: looked at once a connection. */
  private isJoined = false;
  /** Everything before it was dispatched; behind `log.endOffset` while the last record is half there. */
  private dispatched: number;
  /** Store time of the record dispatched last, ms; 0 before the first. */
  private newestTimestamp = 0;
  /** Of the last whole record in the log of a slave; -1 when there is none. */
  lastRecordOffset: number;
  /** Of a master whose log could not be compared with the own one. */
  hasWarned = false;
  private isScheduled = false;
  /** Since the last endOfBatch. */
  private hasAppended = false;
  /** The last piece could not be appended. */
  private hasFailed = false;
  /** What the master sent that is no log: nothing more is taken from it. Empty: nothing. */
  private brokenBy = '';
  /** Why the own log could not be read last; said once as long as it stays the same. */
  private readProblem = '';
  /** Hosts for which the log could not be read just now. */
  private readonly unreadable = new Set<number>();
  /** Hosts without room that a turn is to come for. */
  private readonly awaited = new Set<ActorId>();
  private readonly scanner: LogScanner;
  private readonly ownBytes: LogBytes;
  private readonly master: { readonly window: LogWindow; readonly reader: LogReader } | undefined;
  private readonly chunk: Buffer;

  constructor(
    private readonly state: Pick<BrokerState, 'context' | 'log' | 'reader' | 'settings' | 'options'>,
    { endOffset, lastRecordOffset }: RecoveredStore,
  ) {
    const { context, reader, settings, options } = state;
    this.dispatched = endOffset;
    this.lastRecordOffset = lastRecordOffset;
    this.scanner = new LogScanner({
      fileBytes: settings.mappedFileSizeCommitLog,
      delayLevelsMs: settings.messageDelayLevel,
    });
    this.ownBytes = { read: (offset, length, target, at) => (reader.read(offset, length, target, at) ? length : 0) };
    const { localMaster } = options;
    this.chunk = localMaster === undefined ? Buffer.alloc(0) : Buffer.alloc(CHUNK_BYTES);
    if (localMaster === undefined) return;
    const window = LogWindow.attach(localMaster.window);
    const { directory, fileBytes } = localMaster;
    this.master = { window, reader: new LogReader(context.disk, { directory, fileBytes, window }) };
  }

  /** Everything before it is with the queue hosts. */
  get dispatchedOffset(): number {
    return this.dispatched;
  }

  /** Records are whole, and in the files, up to here: a slave's log may end within one. */
  get wholeEnd(): number {
    const { settings, log } = this.state;
    return settings.brokerRole === 'SLAVE' ? this.dispatched : log.writtenOffset;
  }

  /**
   * The master's log may be read up to `end`. `from` is where this slave starts, in the first notice: where its own log
   * ends, or beyond, when the master has no longer what comes next.
   */
  follow(broker: BrokerState, from: number, end: number): void {
    const { log } = this.state;
    if (from > log.endOffset) {
      if (log.endOffset === 0) log.beginAt(from);
      else beginAnew(broker, from);
      this.dispatched = from;
      this.lastRecordOffset = -1;
    }
    this.offered = end;
    if (from >= 0) this.join(broker);
    this.goOn(broker);
  }

  /** Appends what is offered, unless the logs have parted or that is not known yet. */
  private goOn(broker: BrokerState): void {
    this.target = this.isJoined ? this.offered : 0;
    if (!this.isScheduled) this.advance(broker);
  }

  /**
   * A new connection to the master in this process: its log must go on where the own one ends. Acknowledges what is there
   * already. Looks again later while the disk refuses.
   */
  private join(broker: BrokerState): void {
    const { context, log, options } = this.state;
    this.isJoined = false;
    const compare = (): void => {
      this.isJoined = this.endsAsMaster();
    };
    const again = (): void => {
      this.join(broker);
      this.goOn(broker);
    };
    if (!this.reading(compare, again)) return;
    if (this.isJoined) context.send(options.ha, haMessages.appended, { end: log.endOffset });
    else this.appendFailed(partedProblem(this.lastRecordOffset));
  }

  /** Compares the last record and what there is of the next one. What the master has deleted nobody can compare. */
  private endsAsMaster(): boolean {
    const { log } = this.state;
    const begin = this.lastRecordOffset < 0 ? log.minOffset : this.lastRecordOffset;
    const own = Buffer.alloc(Math.min(CHUNK_BYTES, log.endOffset - begin));
    for (let at = begin; at < log.endOffset; at += own.length) {
      const bytes = Math.min(own.length, log.endOffset - at);
      // From the own files: the reader of a slave looks into its master's window.
      const areThere = log.read(at, bytes, own, 0) && this.master!.reader.read(at, bytes, this.chunk, 0);
      if (!areThere) return true;
      if (own.compare(this.chunk, 0, bytes, 0, bytes) !== 0) return false;
    }
    return true;
  }

  /** A piece of the log of a master of another process. */
  append(offset: number, bytes: Buffer, at: number, length: number): void {
    const { log, context } = this.state;
    if (this.brokenBy !== '') return this.appendFailed(this.brokenBy);
    if (log.endOffset === 0 && offset > 0 && log.files.count === 0) {
      log.beginAt(offset);
      this.dispatched = offset;
    }
    // What still comes behind a piece that could not be appended; its connection is closed already.
    if (offset !== log.endOffset)
      return this.hasFailed ? undefined : this.appendFailed(beginProblem(offset, log.endOffset));
    this.hasFailed = false;
    if (!log.appendRaw(bytes, at, length)) return this.appendFailed(log.failure!.message);
    this.hasAppended = true;
    context.touch();
  }

  private appendFailed(why: string): void {
    const { context, options } = this.state;
    const text = Buffer.from(why);
    const place = context.begin(options.ha, haMessages.appendFailed, {}, 0, text.length);
    text.copy(place.buffer, place.at);
    context.end(text.length);
    this.hasFailed = true;
  }

  /** Dispatches and acknowledges what `append` took during the batch. */
  endOfBatch(broker: BrokerState): void {
    if (!this.hasAppended) return;
    this.hasAppended = false;
    if (!this.tryDispatch(broker)) return;
    this.state.context.send(this.state.options.ha, haMessages.appended, { end: this.state.log.endOffset });
  }

  /** False when the own log cannot be read now: it is tried again. */
  private tryDispatch(broker: BrokerState): boolean {
    return this.reading(
      () => this.dispatchAppended(broker),
      () => {
        this.hasAppended = true;
      },
    );
  }

  /** Runs what reads the own log; false, and `again` once in a while, when the disk refuses. */
  private reading(work: () => void, again: () => void): boolean {
    const { context } = this.state;
    try {
      work();
      this.readProblem = '';
      return true;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      const problem = withRemedy(error);
      if (problem !== this.readProblem) context.log.error(`the commit log cannot be read: ${problem}`);
      this.readProblem = problem;
      context.after(RETRY_MS, () => {
        again();
        context.touch();
      });
      return false;
    }
  }

  /** Appends and dispatches a chunk; comes back in the next turn while there is more. */
  advance(broker: BrokerState): void {
    const { log, context, options } = this.state;
    if (this.target <= log.endOffset) return;
    const isAppended = this.appendChunk(Math.min(this.target, log.endOffset + CHUNK_BYTES));
    noteLog(broker);
    if (isAppended && this.tryDispatch(broker)) {
      context.send(options.ha, haMessages.appended, { end: log.endOffset });
    }
    if (this.target > log.endOffset) this.schedule(broker, isAppended ? 0 : RETRY_MS);
  }

  private schedule(broker: BrokerState, delayMs: number): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.state.context.after(delayMs, () => {
      this.isScheduled = false;
      this.advance(broker);
    });
  }

  private appendChunk(to: number): boolean {
    const { log, context, options } = this.state;
    const master = this.master!;
    const result = log.appendFromWindow(master.window, to);
    if (result === 'appended') return true;
    const from = log.endOffset;
    // What the slave is past the master need not keep for it.
    master.reader.forgetBefore(from);
    const isRead = result === 'gone' && master.reader.read(from, to - from, this.chunk, 0);
    if (isRead && log.appendRaw(this.chunk, 0, to - from)) return true;
    // Otherwise its disk refuses, and the master says where its log begins now.
    if (!isRead && result !== 'failed') {
      context.send(options.ha, haMessages.rejoin, {});
    }
    return false;
  }

  /** Dispatches whole records up to the end of the log. */
  private dispatchAppended(broker: BrokerState): void {
    const { log, settings } = this.state;
    let hasNew = false;
    const result = this.scanner.scan(this.ownBytes, this.dispatched, log.endOffset, false, (record) => {
      this.dateFinished(record);
      dispatchRecord(broker, record, undefined);
      this.lastRecordOffset = record.offset;
      hasNew = true;
    });
    if (result.stop === 'bad') this.noLog(`no record at ${result.offset}: ${result.problem}`);
    this.dispatched = result.offset;
    if (hasNew) broker.flushMarks.written(log.writtenOffset, this.newestTimestamp);
    if (settings.flushDiskType === 'SYNC_FLUSH') broker.flusher.request();
  }

  /** What is behind the last record goes with the next start. */
  private noLog(problem: string): void {
    if (this.master !== undefined) throw new Error(`replicated log has ${problem}`);
    this.appendFailed(
      `what the master sends is no log: ${problem}. Check its store with hangar store check, then start this slave again`,
    );
    this.brokenBy = 'the master sent what is no log: start this slave again';
  }

  /**
   * Retention goes by the modification time of a file: one that was copied is as old as its newest message, not as the
   * copy. Called with every record; the first of a file finishes the file before.
   */
  private dateFinished({ offset, storeTimestamp }: ScannedRecord): void {
    const { files, fileBytes } = this.state.log;
    const isFirst = offset % fileBytes === 0 && offset >= fileBytes;
    if (isFirst && this.newestTimestamp > 0 && files.indexOf(offset - fileBytes) >= 0) {
      files.fileAt(offset - fileBytes).setModified(this.newestTimestamp);
    }
    this.newestTimestamp = storeTimestamp;
  }

  /** Sends a host that fell behind the entries that it missed, a chunk at a time. */
  catchUp(broker: BrokerState): void {
    const { dispatcher, context, options } = broker;
    const { wholeEnd } = this;
    for (const { host, from } of [...dispatcher.behind()]) {
      if (dispatcher.isLeftAlone(host, context.clock.monotonic())) continue;
      if (!context.isOpen(options.queueHosts[host]!, 'request')) {
        this.awaitRoom(options.queueHosts[host]!);
        continue;
      }
      if (this.unreadable.has(host)) continue;
      const to = Math.min(wholeEnd, from + CHUNK_BYTES);
      dispatcher.caughtUp(host);
      let reached = from;
      const isRead = this.reading(
        () => {
          const visit = (record: ScannedRecord): void => dispatchRecord(broker, record, host);
          reached = this.scanner.scan(this.ownBytes, from, to, false, visit).offset;
          // The record there is longer than a chunk.
          if (reached === from) reached = this.visitOne(from, wholeEnd, visit);
        },
        () => this.unreadable.delete(host),
      );
      if (!isRead) this.unreadable.add(host);
      dispatcher.flush();
      if (reached < wholeEnd) {
        dispatcher.fallBehindAt(host, reached);
        if (isRead) context.after(0, () => context.touch());
      }
      if (!dispatcher.isBehind(host)) dispatcher.lagOver(host);
    }
  }

  /** Where the record at `from` ends, however long it is. */
  private visitOne(from: number, to: number, visit: (record: ScannedRecord) => void): number {
    const visitFirst = (record: ScannedRecord): boolean => {
      visit(record);
      return false;
    };
    return this.scanner.scan(this.ownBytes, from, to, false, visitFirst).offset;
  }

  /** A turn comes when that host has room again. */
  private awaitRoom(host: ActorId): void {
    const { context } = this.state;
    if (this.awaited.has(host)) return;
    this.awaited.add(host);
    context.onceOpen(host, 'request', () => {
      this.awaited.delete(host);
      context.touch();
    });
  }
}

const RETRY_MS = 1_000;

function beginProblem(offset: number, end: number): string {
  return end === 0
    ? `the master's log begins at ${offset}, and there are files in the own log's directory: remove them`
    : `the master sends its log from ${offset}, the own one ends at ${end}`;
}

/**
 * Notes the entry of a record that is in the log already, and its keys. With `host`: only for queues of that host, and
 * without keys and offsets, which were noted the first time.
 */
function dispatchRecord(state: BrokerState, record: ScannedRecord, host: number | undefined): void {
  const { topics, dispatcher } = state;
  const { buffer, topicAt, topicBytes } = record;
  const hash = fnv1a(buffer, topicAt, topicAt + topicBytes);
  const topic =
    topics.find(buffer, topicAt, topicBytes, hash) ??
    topics.ensure(buffer.toString('utf8', topicAt, topicAt + topicBytes));
  if (entersConsumeQueue(record.sysFlag)) {
    const queue = topic.queue(record.queueId);
    if (host === undefined || dispatcher.hostOf(queue) === host) note(state, queue, record, host === undefined);
  }
  if (host !== undefined || !entersIndex(record.sysFlag)) return;
  putKeys(state, topic, buffer, record.properties, record.offset, record.storeTimestamp);
}

function note(state: BrokerState, queue: BrokerQueue, record: ScannedRecord, isNew: boolean): void {
  const { queueOffset, offset, totalBytes, tagsCode, storeTimestamp } = record;
  state.dispatcher.add(queue, queueOffset, offset, totalBytes, tagsCode, storeTimestamp);
  if (!isNew) return;
  // A copy may begin in the middle of a queue, and a topic that was made anew begins at 0.
  if (queueOffset < queue.minOffset || queue.minOffset >= queue.nextOffset) queue.minOffset = queueOffset;
  queue.nextOffset = queueOffset + 1;
  queue.physicalEnd = offset + totalBytes;
  queue.lastStoreTimestamp = storeTimestamp;
  state.counters.replicated(1, totalBytes);
}
