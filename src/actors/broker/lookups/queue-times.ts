/**
 * Store times of messages by queue offset, for questions of tools and consumers. The entries belong to the queue actors;
 * this reads what they have written to the consume queue files. An entry that is not written yet is less than the
 * write-behind interval old, so its queue's newest time stands for it.
 */
import { DiskError } from '../../../base/disk.js';
import { readInt64 } from '../../../base/int64.js';
import { RECORD_HEAD_BYTES_MAX, readStoreTimestamp } from '../../../message/record.js';
import { ENTRY, entrySize, isValidEntry } from '../../../store/consume-queue-entry.js';
import { storePath } from '../../../store/store-directory.js';
import type { BrokerState } from '../state.js';
import type { BrokerQueue } from '../tables/topic-table.js';

const FILE_NAME_DIGITS = 20;
const entry = Buffer.alloc(ENTRY.bytes);
const entryView = new DataView(entry.buffer, entry.byteOffset, ENTRY.bytes);
const head = Buffer.alloc(RECORD_HEAD_BYTES_MAX);
const headView = new DataView(head.buffer, head.byteOffset, RECORD_HEAD_BYTES_MAX);

/** Store time of the message there, ms; 0 when there is none. */
export function storeTimeAt(state: BrokerState, queue: BrokerQueue, queueOffset: number): number {
  if (queueOffset < queue.minOffset || queueOffset >= queue.nextOffset) return 0;
  const isNewest = queueOffset === queue.nextOffset - 1;
  if (isNewest && queue.lastStoreTimestamp > 0) return queue.lastStoreTimestamp;
  if (!readEntry(state, queue, queueOffset)) return queue.lastStoreTimestamp;
  const time = storeTimeOfRecord(state, readInt64(entryView, ENTRY.commitLogOffset), entrySize(entry, 0));
  if (isNewest) queue.lastStoreTimestamp = Math.max(0, time);
  return Math.max(0, time);
}

/** Physical offset of the message there; undefined when its entry is not in a file. */
export function physicalOffsetAt(state: BrokerState, queue: BrokerQueue, queueOffset: number): number | undefined {
  return readEntry(state, queue, queueOffset) ? readInt64(entryView, ENTRY.commitLogOffset) : undefined;
}

/** Store time of the record of `sizeBytes` there, or -1. */
export function storeTimeOfRecord(state: BrokerState, physicalOffset: number, sizeBytes: number): number {
  const { log, reader } = state;
  const bytes = Math.min(sizeBytes, RECORD_HEAD_BYTES_MAX);
  if (physicalOffset < log.minOffset || physicalOffset + bytes > log.endOffset) return -1;
  return reader.read(physicalOffset, bytes, head, 0) ? readStoreTimestamp(headView, 0) : -1;
}

/** Reads the entry into `entry`; false when no file holds it. */
function readEntry(state: BrokerState, queue: BrokerQueue, queueOffset: number): boolean {
  const { settings, context } = state;
  const fileBytes = Math.ceil(settings.mappedFileSizeConsumeQueue / ENTRY.bytes) * ENTRY.bytes;
  const position = queueOffset * ENTRY.bytes;
  const inFile = position % fileBytes;
  const name = String(position - inFile).padStart(FILE_NAME_DIGITS, '0');
  const directory = storePath.consumeQueue(settings.storePathRootDir, queue.topic.name, queue.queueId);
  try {
    const file = context.disk.open(`${directory}/${name}`);
    try {
      return file.read(entry, 0, ENTRY.bytes, inFile) === ENTRY.bytes && isValidEntry(entry, 0);
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return false;
    throw error;
  }
}
