/**
 * How far the parts of a store are durable, by store time of messages: where recovery after a crash begins.
 *
 *     bytes 0-7 log | 8-15 consume queues | 16-23 index | zeros up to 4,096        ms since the epoch, big-endian
 *
 * The owner sets a time only after it has synced what that time vouches for (commit log flushed, queues of every
 * thread synced, an index file full and synced), then calls `save`. The three fit into one sector, so a power loss
 * leaves the old ones or the new ones. Source: StoreCheckpoint.java.
 */
import type { Disk } from '../base/disk.js';
import { writeInt64 } from '../base/int64.js';
import { MS_PER_SECOND } from '../base/units.js';

const LAYOUT = { log: 0, consumeQueues: 8, index: 16, bytes: 24, fileBytes: 4_096 } as const;
/** Times lag behind what is durable by less than this, as in Apache's broker. */
const MARGIN_MS = 3 * MS_PER_SECOND;

export class Checkpoint {
  /** Store time of the newest message whose record is durable; 0 when none is known (physicMsgTimestamp). */
  logTimestamp = 0;
  /** The same for consume queue entries (logicsMsgTimestamp). */
  consumeQueueTimestamp = 0;
  /** Store time of the last key in the newest index file that is full and durable (indexMsgTimestamp). */
  indexTimestamp = 0;

  /** A missing file, and a time that cannot be one, count as 0: recovery then looks at everything. */
  static open(disk: Disk, path: string): Checkpoint {
    return new Checkpoint(disk, path);
  }

  private constructor(
    private readonly disk: Disk,
    private readonly path: string,
  ) {
    const content = disk.readFile(path);
    if (content === undefined || content.length < LAYOUT.bytes) return;
    this.logTimestamp = timeAt(content, LAYOUT.log);
    this.consumeQueueTimestamp = timeAt(content, LAYOUT.consumeQueues);
    this.indexTimestamp = timeAt(content, LAYOUT.index);
  }

  /** Messages stored before this are durable and dispatched to durable consume queues. */
  get minTimestamp(): number {
    return Math.max(0, Math.min(this.logTimestamp, this.consumeQueueTimestamp) - MARGIN_MS);
  }

  /** Writes and syncs; what a later version of Apache's broker keeps behind the three times stays. Throws DiskError. */
  save(): void {
    const bytes = new Uint8Array(LAYOUT.bytes);
    const view = new DataView(bytes.buffer);
    writeInt64(view, LAYOUT.log, this.logTimestamp);
    writeInt64(view, LAYOUT.consumeQueues, this.consumeQueueTimestamp);
    writeInt64(view, LAYOUT.index, this.indexTimestamp);
    const file = this.disk.open(this.path, { create: true });
    try {
      const isNew = file.size() < LAYOUT.fileBytes;
      if (isNew) file.truncate(LAYOUT.fileBytes);
      file.write(bytes, 0, LAYOUT.bytes, 0);
      file.sync();
      if (isNew) this.disk.syncDirectory(this.path.slice(0, this.path.lastIndexOf('/')) || '/');
    } finally {
      file.close();
    }
  }
}

function timeAt(content: Buffer, at: number): number {
  const time = Number(content.readBigInt64BE(at));
  return time > 0 && Number.isSafeInteger(time) ? time : 0;
}
