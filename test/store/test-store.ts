/** A store as a broker drives it: puts into the log, dispatches to consume queues, flushes, and may be killed. */
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { KIB } from '../../src/base/units.js';
import { PropertyScan, Scanned } from '../../src/message/properties.js';
import { RecordFields } from '../../src/message/record.js';
import { entersConsumeQueue } from '../../src/message/system-flags.js';
import { Checkpoint } from '../../src/store/checkpoint.js';
import { CommitLog } from '../../src/store/commit-log.js';
import { ConsumeQueue } from '../../src/store/consume-queue.js';
import { ENTRY, entryOffset, entrySize, entryTagsCode, writeEntry } from '../../src/store/consume-queue-entry.js';
import { FileCache } from '../../src/store/file-cache.js';
import { IndexRebuild } from '../../src/store/index-rebuild.js';
import { IndexService } from '../../src/store/index-service.js';
import { LogFiles } from '../../src/store/log-files.js';
import { entryTagsCodeOf, LogScanner, parseDelayLevels } from '../../src/store/log-scan.js';
import { LogWindow } from '../../src/store/log-window.js';
import {
  createAbortFile,
  type RecoveredStore,
  type RecoverOptions,
  recoverStore,
  removeAbortFile,
} from '../../src/store/recovery.js';
import { storePath } from '../../src/store/store-directory.js';
import { encodeRecord, START_MS, sizeOf, type TestMessage } from './support.js';

export const ROOT = '/store';
export const FILE_BYTES = 4 * KIB;
/** Eight entries. */
export const QUEUE_FILE_BYTES = 160;
export const DELAY_LEVELS = parseDelayLevels('1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h')!;

export function optionsFor(root: string, changes: Partial<RecoverOptions> = {}): RecoverOptions {
  return {
    rootDirectory: root,
    commitLogDirectory: storePath.commitLog(root),
    fileBytes: FILE_BYTES,
    queueFileBytes: QUEUE_FILE_BYTES,
    delayLevelsMs: DELAY_LEVELS,
    checkBodyCrc: true,
    index: { slots: 7, entries: 50, isSafe: false },
    ...changes,
  };
}

export function recover(disk: Disk, changes: Partial<RecoverOptions> = {}): RecoveredStore {
  return recoverStore(disk, optionsFor(ROOT, changes));
}

/** The same, and the index is completed, in pieces of some hundred bytes, as a broker does it once it serves. */
export function recoverAll(disk: Disk, changes: Partial<RecoverOptions> = {}): RecoveredStore {
  const options = optionsFor(ROOT, changes);
  const recovered = recoverStore(disk, options);
  completeIndex(disk, options, recovered);
  return recovered;
}

const PIECE_BYTES = 300;

export function completeIndex(disk: Disk, options: RecoverOptions, { unindexed, endOffset }: RecoveredStore): void {
  if (unindexed === undefined) return;
  const { rootDirectory, commitLogDirectory, fileBytes } = options;
  const checkpoint = Checkpoint.open(disk, storePath.checkpoint(rootDirectory));
  const index = IndexService.open(new FileCache(disk), {
    ...options.index!,
    directory: storePath.index(rootDirectory),
    clock: { now: () => START_MS, monotonic: () => 0, localHour: () => 0 },
    onFileSynced: (endTimestamp) => {
      checkpoint.indexTimestamp = endTimestamp;
    },
  });
  const log = LogFiles.open(disk, { directory: commitLogDirectory, fileBytes });
  const rebuild = new IndexRebuild(index, fileBytes, unindexed, () => {});
  while (rebuild.position < endOffset) stepOf(rebuild, log, endOffset);
  index.sync();
  index.close();
  log.close();
  checkpoint.save();
}

/** A piece of what a broker's catch-up does. */
export function stepOf(rebuild: IndexRebuild, log: LogFiles, end: number): void {
  const { position: from, wantedBytes } = rebuild;
  if (log.indexOf(from) < 0) {
    let at = 0;
    while (at < log.count && log.startAt(at) < from) at++;
    return rebuild.skipTo(at < log.count ? log.startAt(at) : end);
  }
  const toFileEnd = log.fileStart(from) + log.fileBytes - from;
  const buffer = Buffer.alloc(Math.min(Math.max(PIECE_BYTES, wantedBytes), end - from, toFileEnd));
  assert.is(log.read(from, buffer.length, buffer, 0), buffer.length);
  rebuild.put(buffer, buffer.length, end);
}

export class TestStore {
  readonly log: CommitLog;
  /** Of the message put last. */
  storeTimestamp: number;
  private readonly root: string;
  private readonly cache: FileCache;
  private readonly queues = new Map<string, ConsumeQueue>();
  private readonly next = new Map<string, number>();
  /** Appended, not yet written out, so not yet dispatched. */
  private readonly undispatched: {
    key: string;
    offset: number;
    bytes: number;
    queueOffset: number;
    tagsCode: number;
  }[] = [];

  constructor(
    private readonly disk: Disk,
    recovered?: RecoveredStore,
    options: { readonly root?: string; readonly isFollower?: boolean } = {},
  ) {
    this.root = options.root ?? ROOT;
    this.cache = new FileCache(disk);
    this.storeTimestamp = recovered?.lastStoreTimestamp ?? START_MS;
    for (const { topic, queueId, maxOffset } of recovered?.queues ?? []) {
      this.queue(`${topic}-${queueId}`).recover(false);
      this.next.set(`${topic}-${queueId}`, maxOffset);
    }
    this.log = CommitLog.open(disk, {
      directory: storePath.commitLog(this.root),
      fileBytes: FILE_BYTES,
      startAt: recovered?.endOffset ?? 0,
      ...(options.isFollower === true ? {} : { window: LogWindow.create(64 * KIB, 8 * KIB, { shared: false }) }),
    });
    // The recovery of an empty store makes it; only its owner removes it.
    disk.makeDirectory(storePath.index(this.root));
    createAbortFile(disk, this.root);
  }

  private queue(key: string): ConsumeQueue {
    let queue = this.queues.get(key);
    if (queue === undefined) {
      const dash = key.lastIndexOf('-');
      const directory = storePath.consumeQueue(this.root, key.slice(0, dash), Number(key.slice(dash + 1)));
      queue = ConsumeQueue.open(this.disk, this.cache, directory, QUEUE_FILE_BYTES);
      this.queues.set(key, queue);
    }
    return queue;
  }

  /** Appends, a millisecond after the message before; the physical offset. */
  put(message: TestMessage): number {
    this.storeTimestamp++;
    const key = `${message.topic ?? 'orders'}-${message.queueId ?? 0}`;
    const enters = entersConsumeQueue(message.sysFlag ?? 0);
    const queueOffset = enters ? (this.next.get(key) ?? 0) : 0;
    const whole = { ...message, queueOffset, storeTimestamp: this.storeTimestamp };
    const bytes = sizeOf(whole);
    const at = this.log.reserve(bytes);
    if (at < 0) return -1;
    const offset = this.log.endOffset;
    const record = encodeRecord(whole, offset);
    this.log.buffer.set(record, at);
    this.log.commit(bytes);
    if (!enters) return offset;
    this.next.set(key, queueOffset + 1);
    this.undispatched.push({ key, offset, bytes, queueOffset, tagsCode: tagsCodeOf(record) });
    return offset;
  }

  /** The end of a turn; false when the disk refused. */
  writeOut(): boolean {
    if (!this.log.writeOut()) return false;
    const entry = new Uint8Array(ENTRY.bytes);
    for (const { key, offset, bytes, queueOffset, tagsCode } of this.undispatched.splice(0)) {
      writeEntry(entry, 0, offset, bytes, tagsCode);
      this.queue(key).append(entry, 0, 1, queueOffset);
    }
    return true;
  }

  /** Its queues go; numbering begins anew. */
  deleteTopic(topic: string): void {
    for (const [key, queue] of this.queues) {
      if (!key.startsWith(`${topic}-`)) continue;
      queue.destroy();
      this.queues.delete(key);
      this.next.delete(key);
    }
  }

  flushQueues(): void {
    for (const queue of this.queues.values()) queue.flush();
  }

  /** What a thorough flush of the broker does, without waiting. */
  syncAll(): void {
    this.log.files.sync(this.log.flushedOffset, this.log.writtenOffset);
    this.log.noteFlushed(this.log.writtenOffset);
    for (const queue of this.queues.values()) queue.sync();
    this.cache.syncDirectories();
  }

  maxOffsets(): Map<string, number> {
    return new Map(this.next);
  }

  /** The process dies: page cache intact, nothing tidied up. */
  kill(): void {
    this.log.files.close();
    this.cache.discard();
  }

  close(): void {
    this.writeOut();
    this.syncAll();
    this.log.close();
    this.cache.closeAll();
    removeAbortFile(this.disk, this.root);
  }
}

function tagsCodeOf(record: Buffer): number {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const fields = new RecordFields();
  const properties = new PropertyScan();
  fields.read(view, 0);
  properties.scan(record, fields.propertiesAt, fields.propertiesBytes);
  return entryTagsCodeOf(record, fields.topicAt, fields.topicBytes, properties, fields.storeTimestamp, DELAY_LEVELS);
}

/** What a reader of a recovered store finds: every message of the log, once, in its queue; nothing else. */
export interface StoreContent {
  /** Bodies in log order, by physical offset. */
  readonly bodies: Map<number, string>;
  /** UNIQ_KEYs in log order. */
  readonly keys: string[];
}

/** Checks log, queues and what recovery said about them against each other. */
export function checkStore(disk: Disk, recovered: RecoveredStore, root = ROOT): StoreContent {
  const log = LogFiles.open(disk, { directory: storePath.commitLog(root), fileBytes: FILE_BYTES });
  const cache = new FileCache(disk);
  const queues = new Map<string, { queue: ConsumeQueue; next: number; maxOffset: number; minOffset: number }>();
  for (const { topic, queueId, minOffset, maxOffset } of recovered.queues) {
    const queue = ConsumeQueue.open(disk, cache, storePath.consumeQueue(root, topic, queueId), QUEUE_FILE_BYTES);
    queue.recover(false);
    assert.is(queue.maxOffset, maxOffset, `max offset of ${topic}-${queueId}`);
    queues.set(`${topic}-${queueId}`, { queue, next: -1, maxOffset, minOffset });
  }
  const content: StoreContent = { bodies: new Map(), keys: [] };
  const entry = new Uint8Array(ENTRY.bytes);
  const scanner = new LogScanner({ fileBytes: FILE_BYTES, delayLevelsMs: DELAY_LEVELS });
  const result = scanner.scan(log, recovered.minOffset, recovered.endOffset, true, (record) => {
    const topic = record.buffer.toString('utf8', record.topicAt, record.topicAt + record.topicBytes);
    assert.is(record.physicalOffset, record.offset);
    content.bodies.set(
      record.offset,
      record.buffer.toString('latin1', record.bodyAt, record.bodyAt + record.bodyBytes),
    );
    const key = record.properties.text(Scanned.UNIQUE_KEY, record.buffer);
    if (key !== undefined) content.keys.push(key);
    if (!entersConsumeQueue(record.sysFlag)) return;
    const state = queues.get(`${topic}-${record.queueId}`);
    if (state === undefined) throw new Error(`${topic}-${record.queueId} was not recovered`);
    if (state.next < 0) assert.is(record.queueOffset, state.minOffset, `first message of ${topic}`);
    else assert.is(record.queueOffset, state.next, `queue offsets of ${topic}-${record.queueId} are dense`);
    state.next = record.queueOffset + 1;
    assert.is(state.queue.read(record.queueOffset, 1, entry, 0), 1);
    assert.is(entryOffset(entry, 0), record.offset);
    assert.is(entrySize(entry, 0), record.totalBytes);
    assert.is(entryTagsCode(entry, 0), record.tagsCode);
  });
  assert.is(result.stop, 'end');
  for (const [name, { next, maxOffset }] of queues) {
    if (next >= 0) assert.is(next, maxOffset, `${name} has no entries beyond the log`);
  }
  cache.closeAll();
  log.close();
  return content;
}
