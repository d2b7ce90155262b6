/**
 * Compares the consume queues of a store with its log, in both directions and in one pass over each: every entry is read
 * once before the log (`open`), and looked up by its record while the log is walked (`record`). A queue whose entries
 * were all looked up leads nowhere else.
 */
import type { Disk } from '../../base/disk.js';
import { bytesEqual } from '../../message/bytes.js';
import { javaHashOfBytes } from '../../message/java-hash.js';
import { SystemTopic } from '../../message/topics.js';
import {
  ENTRY,
  entryEnd,
  entryOffset,
  entrySize,
  entryTagsCode,
  isBlankEntry,
  isValidEntry,
} from '../consume-queue-entry.js';
import { logFileStart } from '../log-files.js';
import type { ScannedRecord } from '../log-scan.js';
import { storePath } from '../store-directory.js';
import type { Findings } from './findings.js';
import { usualSize } from './log-image.js';

const FILE_BYTES_DEFAULT = 6_000_000;
/** Most queues have no more entries than the first read takes. */
const FIRST_READ_BYTES = 4_000;
const READ_BYTES = 64_000;
/** Entries around the one looked up last, of the queues looked at last. */
const WINDOW_BYTES = 400 * ENTRY.bytes;
const WINDOWS_MAX = 1_024;

interface Queue {
  readonly topic: string;
  readonly topicBytes: Buffer;
  readonly queueId: number;
  readonly directory: string;
  /** There is a directory. */
  readonly exists: boolean;
  /** First byte of its first file. */
  firstByte: number;
  /** Queue offsets of the first entry and behind the last. */
  first: number;
  max: number;
  /** Entries of messages that are still in the log, and how many of them a record has claimed. */
  entriesInLog: number;
  claimed: number;
  /** Commit log offset behind the last entry's message. */
  physicalEnd: number;
  /** Queue offset that its next record should have; -1 before the first. */
  next: number;
  /** Records without their entry: behind the last, in front of the first; others, the first of which is at `strayAt`. */
  undispatched: number;
  early: number;
  strays: number;
  strayAt: number;
}

interface Window {
  position: number;
  bytes: number;
  readonly buffer: Uint8Array;
}

export interface QueueFacts {
  readonly queues: number;
  readonly entries: number;
}

export class QueuesCheck {
  private readonly buckets = new Map<number, Queue[]>();
  private readonly queues: Queue[] = [];
  private readonly windows = new Map<Queue, Window>();
  private readonly chunk = new Uint8Array(READ_BYTES);
  private latest: Queue | undefined = undefined;
  private readonly fileBytes: number;
  private entries = 0;

  constructor(
    private readonly disk: Disk,
    private readonly root: string,
    private readonly findings: Findings,
    private readonly options: { readonly fileBytes: number | undefined; readonly isClean: boolean },
  ) {
    const found = this.directories();
    this.fileBytes = options.fileBytes ?? this.usualFileSize(found) ?? FILE_BYTES_DEFAULT;
    for (const { topic, queueId } of found) this.add(topic, queueId, true);
  }

  /** Reads every entry. */
  open(logMinOffset: number): void {
    for (const queue of this.queues) this.readQueue(queue, logMinOffset);
  }

  get facts(): QueueFacts {
    return { queues: this.queues.filter(({ exists }) => exists).length, entries: this.entries };
  }

  /** A record that belongs into a consume queue. */
  record(record: ScannedRecord): void {
    const queue = this.find(record);
    const { queueOffset } = record;
    if (queue.next >= 0 && queueOffset !== queue.next) {
      // Its topic was deleted and made again: what was before has no entries any more.
      if (queueOffset === 0) {
        queue.strays = 0;
        queue.early = 0;
        queue.undispatched = 0;
      } else this.say(queue, record.offset, `queue offsets go from ${queue.next - 1} to ${queueOffset}`);
    }
    queue.next = queueOffset + 1;
    if (queueOffset >= queue.max) {
      queue.undispatched++;
      return;
    }
    if (queueOffset < queue.first) {
      queue.early++;
      return;
    }
    if (!this.matches(queue, record)) {
      if (queue.strays === 0) queue.strayAt = record.offset;
      queue.strays++;
      return;
    }
    queue.claimed++;
  }

  /** After the last record. `topics`: those in config/topics.json; undefined when it cannot be read. */
  finish(logEnd: number, topics: ReadonlySet<string> | undefined): void {
    const missing = this.options.isClean ? 'damage' : 'notice';
    if (this.queues.length > 0 && this.queues.every(({ exists }) => !exists)) {
      const path = storePath.consumeQueues(this.root);
      this.findings.add(
        missing,
        'queue',
        path,
        undefined,
        'there are no consume queues; a start builds all of them again',
      );
      return;
    }
    for (const queue of this.queues) {
      const { directory, undispatched, strays, strayAt, entriesInLog, claimed, physicalEnd, max } = queue;
      if (!queue.exists) {
        const isWanted = topics?.has(queue.topic) === true;
        const why = isWanted
          ? '; without the whole consumequeue directory a start builds it again'
          : ' (a deleted topic?)';
        const text = `the queue is missing, ${undispatched} messages in the log belong to it${why}`;
        this.findings.add(isWanted ? missing : 'notice', 'queue', directory, undefined, text);
        continue;
      }
      if (undispatched > 0) {
        const text = `${undispatched} messages from queue offset ${max} on have no entry`;
        this.findings.add(missing, 'queue', directory, undefined, text);
      }
      if (queue.early > 0) {
        const isWanted = topics?.has(queue.topic) === true;
        const text = `${queue.early} messages in the log are in front of its first entry, queue offset ${queue.first}`;
        this.findings.add(isWanted ? 'damage' : 'notice', 'queue', directory, undefined, text);
      }
      if (strays > 0) {
        this.findings.add('damage', 'queue', directory, strayAt, `${strays} messages have no entry that leads to them`);
      }
      const unclaimed = entriesInLog - claimed;
      if (unclaimed > 0 && physicalEnd > logEnd) {
        const text = `entries lead behind the end of the log, up to ${physicalEnd}`;
        this.findings.add(missing, 'queue', directory, logEnd, text);
      } else if (unclaimed > 0) {
        this.findings.add('damage', 'queue', directory, undefined, `${unclaimed} entries lead to no message`);
      }
    }
  }

  private say(queue: Queue, offset: number, text: string): void {
    this.findings.add('damage', 'queue', queue.directory, offset, text);
  }

  private directories(): { topic: string; queueId: number }[] {
    const found: { topic: string; queueId: number }[] = [];
    const directory = storePath.consumeQueues(this.root);
    for (const topic of this.disk.list(directory)) {
      for (const name of this.disk.list(`${directory}/${topic}`)) {
        const path = `${directory}/${topic}/${name}`;
        if (/^\d+$/.test(name) && this.disk.stat(path)?.isDirectory === true)
          found.push({ topic, queueId: Number(name) });
        else this.findings.add('notice', 'queue', path, undefined, 'is no consume queue');
      }
    }
    return found;
  }

  /** From some of the queues. */
  private usualFileSize(found: readonly { topic: string; queueId: number }[]): number | undefined {
    const sizes = found.slice(0, 64).flatMap(({ topic, queueId }) => {
      const directory = storePath.consumeQueue(this.root, topic, queueId);
      return this.disk.list(directory).map((name) => this.disk.stat(`${directory}/${name}`)?.bytes ?? 0);
    });
    return sizes.length === 0 ? undefined : usualSize(sizes);
  }

  private add(topic: string, queueId: number, exists: boolean): Queue {
    const queue: Queue = {
      topic,
      topicBytes: Buffer.from(topic, 'utf8'),
      queueId,
      directory: storePath.consumeQueue(this.root, topic, queueId),
      exists,
      firstByte: 0,
      first: 0,
      max: 0,
      entriesInLog: 0,
      claimed: 0,
      physicalEnd: -1,
      next: -1,
      undispatched: 0,
      early: 0,
      strays: 0,
      strayAt: -1,
    };
    this.queues.push(queue);
    const key = bucketKey(queue.topicBytes, 0, queue.topicBytes.length, queueId);
    const bucket = this.buckets.get(key);
    if (bucket === undefined) this.buckets.set(key, [queue]);
    else bucket.push(queue);
    return queue;
  }

  private find({ buffer, topicAt, topicBytes, queueId }: ScannedRecord): Queue {
    const isOf = (queue: Queue): boolean =>
      queue.queueId === queueId && bytesEqual(buffer, topicAt, topicBytes, queue.topicBytes);
    if (this.latest !== undefined && isOf(this.latest)) return this.latest;
    const found = this.buckets.get(bucketKey(buffer, topicAt, topicBytes, queueId))?.find(isOf);
    this.latest = found ?? this.add(buffer.toString('utf8', topicAt, topicAt + topicBytes), queueId, false);
    return this.latest;
  }

  // Entries.

  private readQueue(queue: Queue, logMinOffset: number): void {
    const starts = this.filesOf(queue);
    if (starts.length === 0) return;
    queue.firstByte = starts[0]!;
    queue.first = queue.firstByte / ENTRY.bytes;
    queue.max = queue.first;
    let isPadding = true;
    let hasEnded = false;
    for (const start of starts) {
      for (
        let position = start, readBytes = FIRST_READ_BYTES;
        position < start + this.fileBytes;
        readBytes = READ_BYTES
      ) {
        const wanted = Math.min(readBytes, start + this.fileBytes - position);
        const got = this.read(queue, position, wanted, this.chunk);
        for (let at = 0; at + ENTRY.bytes <= got; at += ENTRY.bytes) {
          const index = (position + at) / ENTRY.bytes;
          isPadding &&= isBlankEntry(this.chunk, at);
          if (isPadding) {
            queue.first = index + 1;
            queue.max = index + 1;
          } else if (!isValidEntry(this.chunk, at)) {
            hasEnded = true;
          } else if (hasEnded) {
            this.say(
              queue,
              entryOffset(this.chunk, at),
              `entries are missing from queue offset ${queue.max} to ${index}`,
            );
            hasEnded = false;
            this.onEntry(queue, this.chunk, at, index, logMinOffset);
          } else {
            this.onEntry(queue, this.chunk, at, index, logMinOffset);
          }
        }
        position += got;
        // A hole is seen within a chunk, or when the next file goes on; the rest of a file is not read for nothing.
        if (hasEnded || got < ENTRY.bytes) break;
      }
    }
  }

  private onEntry(queue: Queue, bytes: Uint8Array, at: number, index: number, logMinOffset: number): void {
    const offset = entryOffset(bytes, at);
    if (offset < queue.physicalEnd) {
      this.say(queue, offset, `the entry at queue offset ${index} leads back, in front of its predecessor`);
    }
    if (offset >= logMinOffset) queue.entriesInLog++;
    queue.physicalEnd = entryEnd(bytes, at);
    queue.max = index + 1;
    this.entries++;
  }

  /** First bytes of its files, as far as they are contiguous. */
  private filesOf(queue: Queue): number[] {
    const starts: number[] = [];
    for (const name of this.disk.list(queue.directory)) {
      const path = `${queue.directory}/${name}`;
      const start = logFileStart(name);
      const bytes = this.disk.stat(path)?.bytes ?? 0;
      if (start < 0 || start % this.fileBytes !== 0) {
        this.findings.add(
          'damage',
          'queue',
          path,
          undefined,
          `is no file of a consume queue with ${this.fileBytes} bytes a file`,
        );
        continue;
      }
      if (bytes !== this.fileBytes) {
        this.findings.add(
          'damage',
          'queue',
          path,
          undefined,
          `has ${bytes} bytes, files of the queue have ${this.fileBytes}`,
        );
      }
      const expected = starts.length === 0 ? start : starts.at(-1)! + this.fileBytes;
      if (start !== expected) {
        this.findings.add('damage', 'queue', queue.directory, undefined, `a file is missing before ${name}`);
      }
      starts.push(start);
    }
    return starts;
  }

  private matches(queue: Queue, record: ScannedRecord): boolean {
    const position = record.queueOffset * ENTRY.bytes;
    const window = this.windowAt(queue, position);
    const at = position - window.position;
    if (at < 0 || at + ENTRY.bytes > window.bytes) return false;
    if (entryOffset(window.buffer, at) !== record.offset) return false;
    if (entrySize(window.buffer, at) !== record.totalBytes) {
      this.say(
        queue,
        record.offset,
        `the entry at queue offset ${record.queueOffset} has another size than its record`,
      );
    } else if (entryTagsCode(window.buffer, at) !== record.tagsCode) {
      // The delay levels may have been others when it was dispatched.
      const severity = queue.topic === SystemTopic.SCHEDULE ? 'notice' : 'damage';
      const text = `the entry at queue offset ${record.queueOffset} has another tags code than its record`;
      this.findings.add(severity, 'queue', queue.directory, record.offset, text);
    }
    return true;
  }

  private windowAt(queue: Queue, position: number): Window {
    let window = this.windows.get(queue);
    if (window !== undefined && position >= window.position && position < window.position + window.bytes) return window;
    if (window === undefined && this.windows.size >= WINDOWS_MAX) {
      const [oldest, reused] = this.windows.entries().next().value!;
      this.windows.delete(oldest);
      window = reused;
    }
    window ??= { position: 0, bytes: 0, buffer: new Uint8Array(WINDOW_BYTES) };
    const inFile = this.fileBytes - (position % this.fileBytes);
    window.position = position;
    window.bytes = this.read(queue, position, Math.min(WINDOW_BYTES, inFile), window.buffer);
    this.windows.delete(queue);
    this.windows.set(queue, window);
    return window;
  }

  private read(queue: Queue, position: number, length: number, target: Uint8Array): number {
    const start = position - (position % this.fileBytes);
    const path = `${queue.directory}/${String(start).padStart(20, '0')}`;
    if (this.disk.stat(path) === undefined) return 0;
    const file = this.disk.open(path, { readOnly: true });
    try {
      return file.read(target, 0, length, position - start);
    } finally {
      file.close();
    }
  }
}

function bucketKey(bytes: Uint8Array, topicAt: number, topicBytes: number, queueId: number): number {
  return (Math.imul(javaHashOfBytes(bytes, topicAt, topicBytes), 31) + queueId) | 0;
}
