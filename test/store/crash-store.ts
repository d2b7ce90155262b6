/**
 * The store as a broker and its queue hosts drive it, in one object: log, flusher, consume queues, index and checkpoint,
 * over a disk that may refuse, or end, at any call. What it promises is told in `promised` at the moment a broker would
 * have answered.
 */
import type { Clock } from '../../src/base/clock.js';
import { type Disk, DiskError } from '../../src/base/disk.js';
import { KIB } from '../../src/base/units.js';
import { FlushMarks } from '../../src/actors/broker/store/flush-marks.js';
import { IndexKeys } from '../../src/message/index-keys.js';
import { PropertyScan } from '../../src/message/properties.js';
import { RecordFields } from '../../src/message/record.js';
import { entersConsumeQueue, entersIndex } from '../../src/message/system-flags.js';
import { Checkpoint } from '../../src/store/checkpoint.js';
import { CommitLog } from '../../src/store/commit-log.js';
import { ConsumeQueue } from '../../src/store/consume-queue.js';
import { ENTRY, writeEntry } from '../../src/store/consume-queue-entry.js';
import { FileCache } from '../../src/store/file-cache.js';
import { IndexRebuild, stopUnindexed } from '../../src/store/index-rebuild.js';
import { IndexService } from '../../src/store/index-service.js';
import { entryTagsCodeOf } from '../../src/store/log-scan.js';
import { LogFlusher } from '../../src/store/log-flusher.js';
import { LogWindow } from '../../src/store/log-window.js';
import type { RecoveredStore, RecoverOptions } from '../../src/store/recovery.js';
import { createAbortFile, removeAbortFile, storePath } from '../../src/store/store-directory.js';
import { markUnsynced } from '../../src/store/unsynced-mark.js';
import { encodeRecord, sizeOf, type TestMessage } from './support.js';
import { stepOf } from './test-store.js';

/** What a flush mode makes of an answer. */
export interface Promised {
  /** Answered in ASYNC_FLUSH: a kill of the process keeps it. */
  written: number;
  /** Answered in SYNC_FLUSH, or flushed by ASYNC_FLUSH: a power loss keeps it. */
  flushed: number;
}

export interface Put {
  readonly key: string;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly sysFlag: number;
  readonly body: string;
  readonly offset: number;
  readonly end: number;
  readonly storeTimestamp: number;
}

export interface CrashStoreOptions {
  readonly recover: RecoverOptions;
  readonly flush: 'ASYNC_FLUSH' | 'SYNC_FLUSH';
}

interface Queue {
  readonly entries: ConsumeQueue;
  nextOffset: number;
}

interface Entry {
  readonly queue: Queue;
  readonly queueOffset: number;
  readonly offset: number;
  readonly bytes: number;
  readonly tagsCode: number;
}

const THOROUGH_MS = 10_000;
const INTERVAL_MS = 500;

export class CrashStore {
  readonly log: CommitLog;
  readonly flusher: LogFlusher;
  readonly index: IndexService;
  /** Until the index is complete: keys of new messages wait. */
  private rebuild: IndexRebuild | undefined = undefined;
  private readonly checkpoint: Checkpoint;
  private readonly marks = new FlushMarks();
  private readonly cache: FileCache;
  private readonly queues = new Map<string, Queue>();
  private readonly keys = new IndexKeys();
  private undispatched: Entry[] = [];
  private storeTimestamp: number;
  /** Of the message dispatched last. */
  private dispatchedTimestamp = 0;
  /** A queue could not be synced: the checkpoint of the queues stays where it is. */
  private hasLostSync = false;
  private queuesSyncing = 0;
  /** Entries of messages before this offset are durable. */
  private queuesSyncedTo = 0;

  constructor(
    private readonly disk: Disk,
    private readonly clock: Clock,
    recovered: RecoveredStore | undefined,
    private readonly options: CrashStoreOptions,
    private readonly promised: Promised,
  ) {
    const { recover, flush } = options;
    this.cache = new FileCache(disk, { openFilesMax: 3, bufferedBytesMax: 41 * KIB });
    this.storeTimestamp = recovered?.lastStoreTimestamp ?? 0;
    for (const { topic, queueId, maxOffset } of recovered?.queues ?? []) {
      const queue = this.queue(topic, queueId);
      queue.entries.recover(false);
      queue.nextOffset = maxOffset;
    }
    const { commitLogDirectory, fileBytes, rootDirectory } = recover;
    this.log = CommitLog.open(disk, {
      directory: commitLogDirectory,
      fileBytes,
      startAt: recovered?.endOffset ?? 0,
      window: LogWindow.create(64 * KIB, 8 * KIB, { shared: false }),
      openFilesMax: 2,
    });
    this.flusher = new LogFlusher(
      this.log,
      { mode: flush, intervalMs: INTERVAL_MS, leastPages: 4, thoroughIntervalMs: THOROUGH_MS },
      {
        onFlushed: (offset) => {
          promised.flushed = offset;
          this.checkpoint.logTimestamp = this.marks.flushed(offset, this.checkpoint.logTimestamp);
        },
        onFailed: () => this.leaveMark(),
      },
    );
    this.checkpoint = Checkpoint.open(disk, storePath.checkpoint(rootDirectory));
    const { slots, entries } = recover.index!;
    this.index = IndexService.open(new FileCache(disk), {
      directory: storePath.index(rootDirectory),
      clock,
      slots,
      entries,
      onFileSynced: (endTimestamp, error) => {
        if (error === undefined) this.checkpoint.indexTimestamp = endTimestamp;
      },
    });
    const { unindexed } = recovered ?? {};
    if (unindexed !== undefined) this.rebuild = new IndexRebuild(this.index, fileBytes, unindexed, () => {});
    promised.written = this.log.writtenOffset;
    promised.flushed = this.log.flushedOffset;
    createAbortFile(disk, rootDirectory);
  }

  private queue(topic: string, queueId: number): Queue {
    const key = `${topic}/${queueId}`;
    let queue = this.queues.get(key);
    if (queue === undefined) {
      const { rootDirectory, queueFileBytes } = this.options.recover;
      const directory = storePath.consumeQueue(rootDirectory, topic, queueId);
      queue = { entries: ConsumeQueue.open(this.disk, this.cache, directory, queueFileBytes), nextOffset: 0 };
      this.queues.set(key, queue);
    }
    return queue;
  }

  /** One message, or a batch: all of them in one file, or nothing (an empty array) when the log refuses. */
  put(messages: readonly (TestMessage & { topic: string; queueId: number; sysFlag: number; key: string })[]): Put[] {
    this.storeTimestamp = Math.max(this.storeTimestamp, this.clock.now());
    const { storeTimestamp } = this;
    const { log } = this;
    let at = log.reserve(messages.reduce((sum, one) => sum + sizeOf(one), 0));
    if (at < 0) return [];
    const puts: Put[] = [];
    for (const message of messages) {
      const queue = this.queue(message.topic, message.queueId);
      const takesOffset = entersConsumeQueue(message.sysFlag);
      const queueOffset = takesOffset ? queue.nextOffset : 0;
      const offset = log.endOffset;
      const record = encodeRecord({ ...message, queueOffset, storeTimestamp }, offset);
      log.buffer.set(record, at);
      log.commit(record.length);
      at += record.length;
      const { topic, queueId, sysFlag, key } = message;
      const body = String(message.body);
      const end = log.endOffset;
      puts.push({ key, topic, queueId, queueOffset, sysFlag, body, offset, end, storeTimestamp });
      this.note(record, queue, queueOffset, offset, takesOffset, entersIndex(sysFlag));
    }
    return puts;
  }

  private note(
    record: Buffer,
    queue: Queue,
    queueOffset: number,
    offset: number,
    takesOffset: boolean,
    isIndexed: boolean,
  ): void {
    const view = new DataView(record.buffer, record.byteOffset, record.length);
    const fields = new RecordFields();
    const properties = new PropertyScan();
    fields.read(view, 0);
    properties.scan(record, fields.propertiesAt, fields.propertiesBytes);
    const { topicAt, topicBytes, storeTimestamp } = fields;
    if (takesOffset) {
      queue.nextOffset = queueOffset + 1;
      const levels = this.options.recover.delayLevelsMs;
      const tagsCode = entryTagsCodeOf(record, topicAt, topicBytes, properties, storeTimestamp, levels);
      this.undispatched.push({ queue, queueOffset, offset, bytes: record.length, tagsCode });
    }
    if (!isIndexed || this.rebuild !== undefined) return;
    this.keys.open(record, topicAt, topicBytes, properties);
    while (this.keys.next()) this.index.put(this.keys.hash, offset, storeTimestamp);
  }

  /** The end of a broker's batch, and the turn of its queue hosts. False when the disk refused. */
  endOfTurn(): boolean {
    const { log } = this;
    if (!log.writeOut()) return false;
    this.promised.written = log.writtenOffset;
    this.marks.written(log.writtenOffset, this.storeTimestamp);
    if (this.options.flush === 'SYNC_FLUSH') this.flusher.request();
    const entry = new Uint8Array(ENTRY.bytes);
    for (const { queue, queueOffset, offset, bytes, tagsCode } of this.undispatched.splice(0)) {
      writeEntry(entry, 0, offset, bytes, tagsCode);
      queue.entries.append(entry, 0, 1, queueOffset);
    }
    this.dispatchedTimestamp = this.storeTimestamp;
    return true;
  }

  /** Timers that are due, and so many steps towards a complete index. */
  tick(steps: number): void {
    this.flusher.tick(this.clock.monotonic());
    while (this.index.tick());
    for (let step = 0; step < steps; step++) this.catchUp();
  }

  /** Every message has its keys in the index. */
  get isIndexComplete(): boolean {
    return this.rebuild === undefined;
  }

  private catchUp(): void {
    const { log, rebuild } = this;
    if (rebuild === undefined) return;
    if (rebuild.position < log.writtenOffset) stepOf(rebuild, log.files, log.writtenOffset);
    else if (log.writtenOffset === log.endOffset) this.rebuild = undefined;
  }

  writeQueues(): void {
    for (const { entries } of this.queues.values()) entries.flush();
  }

  /** The thorough flush of the queue hosts, and then the checkpoint. Some queues may be left for the next one. */
  syncQueues(): void {
    if (this.queuesSyncing > 0) return;
    const vouched = this.dispatchedTimestamp;
    const to = this.undispatched[0]?.offset ?? this.log.endOffset;
    this.queuesSyncing = this.queues.size;
    if (this.queuesSyncing === 0) return;
    const done = (error: DiskError | undefined): void => {
      if (error !== undefined) this.hasLostSync = true;
      if (--this.queuesSyncing > 0 || this.hasLostSync) return;
      this.checkpoint.consumeQueueTimestamp = Math.max(this.checkpoint.consumeQueueTimestamp, vouched);
      this.checkpoint.save();
      this.queuesSyncedTo = to;
    };
    for (const { entries } of [...this.queues.values()]) entries.syncLater(done);
  }

  /** Its queues go; numbering begins anew. */
  deleteTopic(topic: string): void {
    for (const [key, queue] of this.queues) {
      if (!key.startsWith(`${topic}/`)) continue;
      queue.entries.destroy();
      this.queues.delete(key);
    }
    this.undispatched = this.undispatched.filter(({ queue }) => [...this.queues.values()].includes(queue));
  }

  /** Retention: the oldest file of the log goes, and what the queues and the index say of it. */
  deleteOldest(): boolean {
    const { files, flushedOffset, fileBytes } = this.log;
    // What is not flushed is still in use, and lost queue entries are built again from the log.
    const isDurable = files.minOffset + fileBytes <= Math.min(flushedOffset, this.queuesSyncedTo);
    if (!isDurable || !files.deleteOldest()) return false;
    for (const { entries } of this.queues.values()) entries.correctMinOffset(this.log.minOffset);
    this.index.deleteBefore(this.log.minOffset);
    return true;
  }

  /** An orderly stop; after a DiskError the store is recovered at the next start. */
  close(): void {
    try {
      this.closeInOrder();
    } catch (error) {
      if (error instanceof DiskError) this.leaveMark();
      throw error;
    }
  }

  private leaveMark(): void {
    markUnsynced(this.disk, this.options.recover.rootDirectory, this.log.flushedOffset);
  }

  private closeInOrder(): void {
    this.endOfTurn();
    for (const { entries } of this.queues.values()) entries.sync();
    this.cache.syncDirectories();
    this.flusher.close();
    this.log.close();
    this.promised.flushed = this.log.writtenOffset;
    this.index.sync();
    this.index.close();
    for (const { entries } of this.queues.values()) entries.close();
    this.cache.closeAll();
    this.checkpoint.logTimestamp = this.storeTimestamp;
    if (!this.hasLostSync) this.checkpoint.consumeQueueTimestamp = this.storeTimestamp;
    this.checkpoint.save();
    const { rootDirectory } = this.options.recover;
    if (this.rebuild === undefined) removeAbortFile(this.disk, rootDirectory);
    else stopUnindexed(this.disk, rootDirectory, this.checkpoint, this.index, this.log.endOffset);
  }
}
