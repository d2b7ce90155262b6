/** All consume queues of a store while it is recovered: opened, cut, filled from the log and synced. */
import type { Disk } from '../base/disk.js';
import { MIB } from '../base/units.js';
import { bytesEqual } from '../message/bytes.js';
import { javaHashOfBytes } from '../message/java-hash.js';
import { ConsumeQueue } from './consume-queue.js';
import { ENTRY, entryOffset, entrySize, writeEntry } from './consume-queue-entry.js';
import { FileCache } from './file-cache.js';
import type { ScannedRecord } from './log-scan.js';
import { storePath } from './store-directory.js';

const OPEN_FILES_MAX = 512;
/** Entries that are held back while the log is scanned: each of some thousand queues writes seldom. */
const BUFFERED_BYTES_MAX = 64 * MIB;

export interface RecoveredQueue {
  readonly topic: string;
  readonly queueId: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  /** Commit log offset behind its newest message; -1 without entries. */
  readonly physicalEnd: number;
}

interface Slot {
  readonly topic: string;
  readonly topicBytes: Buffer;
  readonly queueId: number;
  readonly queue: ConsumeQueue;
}

export type Dispatched =
  /** Appended, or it was there already. */
  | 'done'
  /** Entries before it are missing. */
  | 'gap';

export class RecoveredQueues {
  /** Paths of what lies there and belongs to no consume queue. */
  readonly strays: string[] = [];
  /** Directories of queues with damaged entries (ConsumeQueue.isDamaged): after a clean stop nothing excuses that. */
  readonly damaged: string[] = [];
  private readonly cache: FileCache;
  private readonly slots: Slot[] = [];
  /** By hash of topic and queue id; the few that collide share a bucket. */
  private readonly buckets = new Map<number, Slot[]>();
  private readonly entry = new Uint8Array(ENTRY.bytes);
  /** Consecutive records often are of the same queue. */
  private latest: Slot | undefined = undefined;

  /** Opens every `consumequeue/<topic>/<number>` and finds its end. */
  constructor(
    private readonly disk: Disk,
    private readonly root: string,
    private readonly fileBytes: number,
    afterCrash: boolean,
  ) {
    this.cache = new FileCache(disk, { openFilesMax: OPEN_FILES_MAX, bufferedBytesMax: BUFFERED_BYTES_MAX });
    const directory = storePath.consumeQueues(root);
    for (const topic of disk.list(directory)) {
      for (const name of disk.list(`${directory}/${topic}`)) {
        const path = `${directory}/${topic}/${name}`;
        if (!/^\d+$/.test(name) || disk.stat(path)?.isDirectory !== true) {
          this.strays.push(path);
          continue;
        }
        const { queue } = this.open(topic, Number(name));
        for (const stray of queue.strays) this.strays.push(`${path}/${stray}`);
        queue.recover(afterCrash);
        if (queue.isDamaged) this.damaged.push(path);
      }
    }
  }

  private open(topic: string, queueId: number): Slot {
    const directory = storePath.consumeQueue(this.root, topic, queueId);
    const slot: Slot = {
      topic,
      topicBytes: Buffer.from(topic, 'utf8'),
      queueId,
      queue: ConsumeQueue.open(this.disk, this.cache, directory, this.fileBytes),
    };
    const key = bucketKey(slot.topicBytes, 0, slot.topicBytes.length, queueId);
    const bucket = this.buckets.get(key);
    if (bucket === undefined) this.buckets.set(key, [slot]);
    else bucket.push(slot);
    this.slots.push(slot);
    return slot;
  }

  get count(): number {
    return this.slots.length;
  }

  /** End of the last message that any queue knows; -1 when none knows one. */
  get maxPhysicalOffset(): number {
    let max = -1;
    for (const { queue } of this.slots) max = Math.max(max, queue.maxPhysicalOffset);
    return max;
  }

  /** The newest message that any queue knows. */
  newestMessage(): { readonly offset: number; readonly bytes: number } | undefined {
    const max = this.maxPhysicalOffset;
    const newest = this.slots.find(({ queue }) => queue.maxPhysicalOffset === max)?.queue;
    if (max < 0 || newest === undefined) return undefined;
    if (newest.read(newest.maxOffset - 1, 1, this.entry, 0) !== 1) return undefined;
    return { offset: entryOffset(this.entry, 0), bytes: entrySize(this.entry, 0) };
  }

  /** Drops what the queues say about the log from `offset` on. */
  truncateFrom(offset: number): void {
    for (const { queue } of this.slots) queue.truncateFrom(offset);
  }

  /** Puts a record into its queue. */
  dispatch(record: ScannedRecord): Dispatched {
    const { queue } = this.find(record);
    if (record.queueOffset > queue.maxOffset && queue.minOffset < queue.maxOffset) return 'gap';
    writeEntry(this.entry, 0, record.offset, record.totalBytes, record.tagsCode);
    queue.append(this.entry, 0, 1, record.queueOffset);
    return 'done';
  }

  /** Forgets the queue of a record: what is before the record cannot be rebuilt. */
  restartQueue(record: ScannedRecord): void {
    this.find(record).queue.destroy();
  }

  private find(record: ScannedRecord): Slot {
    const { buffer, topicAt, topicBytes, queueId } = record;
    const latest = this.latest;
    if (latest !== undefined && isSlotOf(latest, buffer, topicAt, topicBytes, queueId)) return latest;
    this.latest = this.slotOf(buffer, topicAt, topicBytes, queueId) ?? this.named(buffer, topicAt, topicBytes, queueId);
    return this.latest;
  }

  private slotOf(bytes: Buffer, topicAt: number, topicBytes: number, queueId: number): Slot | undefined {
    const bucket = this.buckets.get(bucketKey(bytes, topicAt, topicBytes, queueId));
    return bucket?.find((slot) => isSlotOf(slot, bytes, topicAt, topicBytes, queueId));
  }

  /** Damaged names may be different bytes and the same directory: two queues there would undo each other's work. */
  private named(bytes: Buffer, topicAt: number, topicBytes: number, queueId: number): Slot {
    const topic = bytes.toString('utf8', topicAt, topicAt + topicBytes);
    const name = Buffer.from(topic, 'utf8');
    return this.slotOf(name, 0, name.length, queueId) ?? this.open(topic, queueId);
  }

  /** The log begins at `logMinOffset`: queues forget what is older. */
  correctMinOffsets(logMinOffset: number): void {
    for (const { queue } of this.slots) queue.correctMinOffset(logMinOffset);
  }

  /** Makes everything durable. */
  sync(): void {
    for (const { queue } of this.slots) queue.sync();
    this.cache.syncDirectories();
  }

  /** Closes them without writing anything out. */
  abandon(): void {
    this.cache.discard();
  }

  /** What is in them; they are closed. */
  finish(): RecoveredQueue[] {
    const result = this.slots.map(({ topic, queueId, queue }) => ({
      topic,
      queueId,
      minOffset: queue.minOffset,
      maxOffset: queue.maxOffset,
      physicalEnd: queue.maxPhysicalOffset,
    }));
    for (const { queue } of this.slots) queue.close();
    this.cache.closeAll();
    return result;
  }
}

function bucketKey(bytes: Uint8Array, topicAt: number, topicBytes: number, queueId: number): number {
  return (Math.imul(javaHashOfBytes(bytes, topicAt, topicBytes), 31) + queueId) | 0;
}

function isSlotOf(slot: Slot, bytes: Uint8Array, topicAt: number, topicBytes: number, queueId: number): boolean {
  return slot.queueId === queueId && bytesEqual(bytes, topicAt, topicBytes, slot.topicBytes);
}
