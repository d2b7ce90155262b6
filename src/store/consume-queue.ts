/**
 * The consume queue of one message queue: for each queue offset where its message is in the commit log. One writer.
 *
 *     minOffset .......................................... maxOffset
 *               entries in files      | entries held back             20 bytes each, see consume-queue-entry.ts
 *
 * Entries are written behind: appended to a small buffer, read from it, and written out by `flush` (of this queue, or
 * of all through FileCache.writeBehind), when the buffer is full or when too many queues hold some. They can always be
 * built again from the commit log, so losing them costs time only; the checkpoint must not run ahead of `sync`.
 *
 * An idle queue costs a few hundred bytes; `release` gives back the buffer and the file handles.
 * Source: ConsumeQueue.java.
 */
import type { Disk, DiskError } from '../base/disk.js';
import { invariant } from '../base/invariant.js';
import { copyBytes } from '../message/bytes.js';
import { ENTRY, entryEnd, entryOffset, entrySize, isBlankEntry, isValidEntry } from './consume-queue-entry.js';
import { ConsumeQueueFiles } from './consume-queue-files.js';
import type { FileCache } from './file-cache.js';
import { BUFFER_BYTES_MAX, type Buffered } from './write-behind.js';
import { isZero } from './zeros.js';

/** Store time of the record at that place of the commit log, negative when it cannot be read. */
export type StoreTimeOf = (commitLogOffset: number, sizeBytes: number) => number;

/** Recovery looks at this many files, as ConsumeQueue.recover does. */
const RECOVERED_FILES = 3;
/** Recovery's first read of a file: most queues have no more entries than that. */
const FIRST_READ_BYTES = 4_000;

/** The entry that `load` found; shared by all queues of the thread. */
const found = new Uint8Array(ENTRY.bytes);

export class ConsumeQueue implements Buffered {
  newerBuffered: Buffered | undefined = undefined;
  olderBuffered: Buffered | undefined = undefined;

  private buffer: Uint8Array | undefined = undefined;
  private bufferedBytes = 0;
  /** Byte at which the next write goes on. */
  private written: number;
  private firstOffset: number;
  private physicalEnd = -1;
  private isClosed = false;
  /** `recover` found entries behind one that is none, or a file without its end. Ordinary after a crash only. */
  isDamaged = false;

  /**
   * The queue of a directory, which need not exist: it is made when the first entry is written out. What is in the
   * files counts as entries from beginning to end until `recover` has looked. Throws StoreError for files of another size.
   */
  static open(disk: Disk, files: FileCache, directory: string, fileBytes: number): ConsumeQueue {
    invariant(disk === files.disk, 'a consume queue and its file cache are on one disk');
    const wholeEntries = Math.ceil(fileBytes / ENTRY.bytes);
    return new ConsumeQueue(files, new ConsumeQueueFiles(files, directory, wholeEntries * ENTRY.bytes));
  }

  private constructor(
    private readonly cache: FileCache,
    private readonly files: ConsumeQueueFiles,
  ) {
    this.written = files.end;
    this.firstOffset = Math.max(0, files.first) / ENTRY.bytes;
  }

  /** What lies in the directory and is no file of a consume queue. */
  get strays(): readonly string[] {
    return this.files.strays;
  }

  /** Queue offset of the first entry whose message is still there, as far as `correctMinOffset` knows. */
  get minOffset(): number {
    return this.firstOffset;
  }

  /** Queue offset of the next entry. */
  get maxOffset(): number {
    return (this.written + this.bufferedBytes) / ENTRY.bytes;
  }

  /** Commit log offset right behind the last entry's message; -1 without entries. */
  get maxPhysicalOffset(): number {
    return this.physicalEnd;
  }

  get fileCount(): number {
    return this.files.count;
  }

  /** Entries that are not in a file yet. */
  get bufferedEntries(): number {
    return this.bufferedBytes / ENTRY.bytes;
  }

  /**
   * Finds the end: looks at the last three files and stops at the first entry that is none. One that does not go on
   * from its predecessor is none either: a power loss can tear an entry in two. What is behind the end is removed.
   * `afterCrash` false promises that the queue was synced before it was closed: then there is nothing behind the end.
   */
  recover(afterCrash = true): void {
    invariant(this.bufferedBytes === 0, 'recovery comes before appending');
    const files = this.files;
    if (afterCrash) files.distrust();
    if (files.first < 0) return;
    let from = Math.max(files.first, files.last - (RECOVERED_FILES - 1) * files.fileBytes);
    // A power loss may have taken the end of a file before those.
    while (from > files.first && !this.isEntry(from / ENTRY.bytes - 1)) from -= files.fileBytes;
    const end = this.scan(from);
    this.isDamaged ||= files.wasShort;
    if (afterCrash || end < files.last) files.cut(end);
    this.written = end;
    this.firstOffset = files.first / ENTRY.bytes;
    if (this.firstOffset < this.maxOffset && this.load(this.firstOffset) && isBlankEntry(found, 0)) {
      this.firstOffset = this.search(this.firstOffset, this.maxOffset, () => !isBlankEntry(found, 0));
    }
  }

  /**
   * Appends `count` entries from `entries[start..]`, the first of which is for `firstQueueOffset`. Those that the queue
   * has already, by queue offset or by commit log offset, are skipped. An empty queue may begin anywhere, one with
   * entries must go on at maxOffset, or begin anew at 0 with a later message: its topic was deleted and made again.
   * Throws DiskError; what was taken up to then stays, and a repetition is harmless.
   */
  append(entries: Uint8Array, start: number, count: number, firstQueueOffset: number): void {
    invariant(!this.isClosed, 'a closed consume queue takes no entries');
    if (firstQueueOffset === 0 && !this.isEmpty() && entryOffset(entries, start) >= this.physicalEnd) this.destroy();
    const skip = this.alreadyBuilt(entries, start, count, firstQueueOffset);
    if (skip === count) return;
    let at = start + skip * ENTRY.bytes;
    const end = start + count * ENTRY.bytes;
    if (firstQueueOffset + skip !== this.maxOffset) this.beginAt(firstQueueOffset + skip);
    invariant(entryOffset(entries, at) >= this.physicalEnd, 'consume queue entries in log order', this.physicalEnd);
    while (at < end) {
      const bytes = Math.min(end - at, this.makeRoom(end - at));
      copyBytes(entries, at, bytes, this.buffer!, this.bufferedBytes);
      this.bufferedBytes += bytes;
      at += bytes;
      this.physicalEnd = entryEnd(entries, at - ENTRY.bytes);
    }
  }

  /**
   * Copies up to `maxEntries` entries from `queueOffset` on to `target[at..]`, as far as the same file goes (a pull
   * never scans two), with one positional read; returns how many. 0 outside of [minOffset, maxOffset).
   */
  read(queueOffset: number, maxEntries: number, target: Uint8Array, at: number): number {
    if (queueOffset < this.firstOffset || queueOffset >= this.maxOffset) return 0;
    const position = queueOffset * ENTRY.bytes;
    const inFile = this.files.startOf(position) + this.files.fileBytes - position;
    const bytes = Math.min(maxEntries * ENTRY.bytes, inFile, this.written + this.bufferedBytes - position);
    const writtenBytes = Math.min(bytes, Math.max(0, this.written - position));
    if (writtenBytes > 0) {
      // Only a file that was removed under the broker has less: nothing is there, until its messages are gone, too.
      if (this.files.read(target, at, writtenBytes, position) < writtenBytes) return 0;
    }
    const bufferedBytes = bytes - writtenBytes;
    if (bufferedBytes > 0) {
      copyBytes(this.buffer!, position + writtenBytes - this.written, bufferedBytes, target, at + writtenBytes);
    }
    return bytes / ENTRY.bytes;
  }

  /** Queue offset at which the file behind that of `queueOffset` begins. Source: ConsumeQueue.rollNextFile. */
  nextFileOffset(queueOffset: number): number {
    const entriesPerFile = this.files.fileBytes / ENTRY.bytes;
    return queueOffset - (queueOffset % entriesPerFile) + entriesPerFile;
  }

  /**
   * Drops the entries of messages that end behind `physicalOffset`: where the commit log was cut, or, after a crash,
   * from where it is dispatched again. The latter matters: what was not synced may be a mixture of new entries, zeros
   * and entries of before an earlier cut, and only what is gone is built again.
   */
  truncateFrom(physicalOffset: number): void {
    const isDropped = (): boolean => !isValidEntry(found, 0) || entryEnd(found, 0) > physicalOffset;
    const maxOffset = this.search(this.firstOffset, this.maxOffset, isDropped);
    if (maxOffset === this.maxOffset) return;
    const end = maxOffset * ENTRY.bytes;
    if (end > this.written) {
      this.bufferedBytes = end - this.written;
    } else {
      this.dropBuffer();
      if (end < this.written) this.files.cut(end);
      this.written = end;
    }
    this.physicalEnd = maxOffset > this.firstOffset && this.load(maxOffset - 1) ? entryEnd(found, 0) : -1;
  }

  /**
   * The commit log now begins at `logMinOffset`: leading files whose last entry is older go, never the last file, and
   * minOffset becomes the first entry that is not older; without one it stays, as in Apache's broker.
   */
  correctMinOffset(logMinOffset: number): void {
    const files = this.files;
    const isKept = (): boolean => entryOffset(found, 0) >= logMinOffset && !isBlankEntry(found, 0);
    while (files.first < files.last) {
      const entriesEnd = (files.first + files.fileBytes) / ENTRY.bytes;
      if (this.load(entriesEnd - 1) && isKept()) break;
      files.removeFirst();
    }
    this.firstOffset = Math.max(this.firstOffset, files.first / ENTRY.bytes);
    const kept = this.search(this.firstOffset, this.maxOffset, isKept);
    if (kept < this.maxOffset) this.firstOffset = kept;
  }

  /**
   * The queue offset for a time: an exact hit, or of its neighbours the nearer one, the earlier if both are as near.
   * Apache searches in the first file modified at or after that time; the store time of a file's last entry says the
   * same and survives copies of the directory. 0 when a record's time cannot be read, minOffset without entries.
   */
  offsetByTime(timestamp: number, storeTimeOf: StoreTimeOf): number {
    const timeAt = (queueOffset: number): number => {
      // Only a file that was removed under the broker has less.
      if (!this.load(queueOffset)) return -1;
      return storeTimeOf(entryOffset(found, 0), entrySize(found, 0));
    };
    const entriesPerFile = this.files.fileBytes / ENTRY.bytes;
    let low = this.firstOffset;
    let fileEnd = low - (low % entriesPerFile) + entriesPerFile;
    while (fileEnd < this.maxOffset && timeAt(fileEnd - 1) < timestamp) {
      low = fileEnd;
      fileEnd += entriesPerFile;
    }
    let high = Math.min(fileEnd, this.maxOffset) - 1;
    if (low > high) return this.firstOffset;
    let earlier = -1;
    let earlierTime = -1;
    let later = -1;
    let laterTime = -1;
    while (low <= high) {
      const middle = Math.floor((low + high) / 2);
      const time = timeAt(middle);
      if (time < 0) return 0;
      if (time === timestamp) return middle;
      if (time > timestamp) {
        high = middle - 1;
        later = middle;
        laterTime = time;
      } else {
        low = middle + 1;
        earlier = middle;
        earlierTime = time;
      }
    }
    if (earlier < 0) return later;
    if (later < 0) return earlier;
    return timestamp - earlierTime > laterTime - timestamp ? later : earlier;
  }

  /** Writes out what is held back and gives the buffer back. Throws DiskError and keeps what was not written. */
  flush(): void {
    const buffer = this.buffer;
    if (buffer === undefined) return;
    let done = 0;
    try {
      while (done < this.bufferedBytes) {
        const inFile = this.files.startOf(this.written) + this.files.fileBytes - this.written;
        const bytes = Math.min(this.bufferedBytes - done, inFile);
        this.files.write(buffer, done, bytes, this.written);
        this.written += bytes;
        done += bytes;
      }
    } finally {
      this.bufferedBytes -= done;
      if (this.bufferedBytes > 0) buffer.copyWithin(0, done, done + this.bufferedBytes);
    }
    this.dropBuffer();
  }

  /** Everything appended survives a power loss. Throws DiskError; once a sync has failed, every later one does. */
  sync(): void {
    this.flush();
    this.files.sync();
  }

  /** The same, waiting for the device elsewhere. `done` is called at once when nothing was unsynced. */
  syncLater(done: (error: DiskError | undefined) => void): void {
    this.flush();
    this.files.syncLater(done);
  }

  /** For a queue that goes to sleep: writes out, gives back the buffer and the file handles. It can be used again. */
  release(): void {
    this.flush();
    this.files.release();
  }

  /** Writes out and ends; does not sync. */
  close(): void {
    this.release();
    this.isClosed = true;
  }

  /** For the queue of an actor that crashed: forgets what is held back, so that it is never written. */
  discard(): void {
    this.dropBuffer();
    this.files.release();
    this.isClosed = true;
  }

  /** Removes the files: the topic is gone, or the queue has to be built again. It is then as new. */
  destroy(): void {
    this.dropBuffer();
    this.files.destroy();
    this.written = 0;
    this.firstOffset = 0;
    this.physicalEnd = -1;
  }

  /** Sets physicalEnd and returns the byte behind the last entry. */
  private scan(from: number): number {
    const files = this.files;
    const chunk = this.cache.scratch();
    let isPadding = from === files.first;
    let readBytes = FIRST_READ_BYTES;
    let position = from;
    this.physicalEnd = from > files.first && this.load(from / ENTRY.bytes - 1) ? entryEnd(found, 0) : -1;
    while (position < files.end) {
      const inFile = files.startOf(position) + files.fileBytes - position;
      const bytes = files.read(chunk, 0, Math.min(readBytes, inFile, chunk.length), position);
      for (let at = 0; at + ENTRY.bytes <= bytes; at += ENTRY.bytes, position += ENTRY.bytes) {
        isPadding &&= isBlankEntry(chunk, at);
        if (isPadding) continue;
        if (!isValidEntry(chunk, at) || entryOffset(chunk, at) < this.physicalEnd) {
          this.isDamaged = this.goesOnBehind(chunk, at, bytes);
          return position;
        }
        this.physicalEnd = entryEnd(chunk, at);
      }
      invariant(bytes >= ENTRY.bytes, 'a consume queue file has its full size', position, bytes);
      readBytes *= 4;
    }
    return position;
  }

  /** What ends the queue is neither the zeros behind its last entry nor what Apache's broker leaves there when it cuts. */
  private goesOnBehind(chunk: Uint8Array, end: number, bytes: number): boolean {
    if (!isValidEntry(chunk, end) && !isZero(chunk, end, ENTRY.bytes)) return true;
    for (let at = end + ENTRY.bytes; at + ENTRY.bytes <= bytes; at += ENTRY.bytes) {
      if (isValidEntry(chunk, at) && entryOffset(chunk, at) >= Math.max(0, this.physicalEnd)) return true;
    }
    return false;
  }

  /** How many leading entries the queue has already. One without entries has none, whatever its offsets. */
  private alreadyBuilt(entries: Uint8Array, start: number, count: number, firstQueueOffset: number): number {
    if (this.isEmpty()) return 0;
    let skip = Math.min(count, Math.max(0, this.maxOffset - firstQueueOffset));
    while (skip < count && entryEnd(entries, start + skip * ENTRY.bytes) <= this.physicalEnd) skip++;
    return skip;
  }

  private isEmpty(): boolean {
    return this.firstOffset === this.maxOffset;
  }

  /** An empty queue begins in the middle; the file up to there is filled with blanks when it is made. */
  private beginAt(queueOffset: number): void {
    invariant(this.isEmpty(), 'gap in a consume queue', this.maxOffset, queueOffset);
    this.destroy();
    this.written = queueOffset * ENTRY.bytes;
    this.firstOffset = queueOffset;
  }

  /** Bytes that fit into the buffer now, at least one entry; `wantedBytes` if a buffer can be that large. */
  private makeRoom(wantedBytes: number): number {
    const writeBehind = this.cache.writeBehind;
    if (this.buffer !== undefined && this.bufferedBytes === this.buffer.length) {
      const larger = writeBehind.grow(this.buffer);
      if (larger === undefined) this.flush();
      else this.buffer = larger;
    }
    this.buffer ??= writeBehind.take(this, Math.min(wantedBytes, BUFFER_BYTES_MAX));
    return this.buffer.length - this.bufferedBytes;
  }

  private dropBuffer(): void {
    this.bufferedBytes = 0;
    if (this.buffer === undefined) return;
    const buffer = this.buffer;
    this.buffer = undefined;
    this.cache.writeBehind.giveBack(this, buffer);
  }

  /** Loads an entry into `found`; false when there is none at that offset. */
  private load(queueOffset: number): boolean {
    const position = queueOffset * ENTRY.bytes;
    if (position >= this.written + this.bufferedBytes) return false;
    if (position >= this.written) {
      copyBytes(this.buffer!, position - this.written, ENTRY.bytes, found, 0);
      return true;
    }
    return this.files.read(found, 0, ENTRY.bytes, position) === ENTRY.bytes;
  }

  private isEntry(queueOffset: number): boolean {
    return this.load(queueOffset) && isValidEntry(found, 0);
  }

  /** The first queue offset in [from, to) whose entry, in `found`, passes; `to` when none does. Those behind pass too. */
  private search(from: number, to: number, passes: () => boolean): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      // What was removed under the broker is as good as deleted.
      if (this.load(middle) && passes()) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
