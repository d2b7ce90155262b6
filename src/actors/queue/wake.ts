/** HOT. New messages wake the pulls that wait for them: those whose tags and filter one of the messages passes. */
import { DiskError } from '../../base/disk.js';
import { ENTRY, entryOffset, entrySize, entryTagsCode } from '../../store/consume-queue-entry.js';
import type { RecordFilter } from './filters.js';
import type { HostState } from './host-state.js';
import type { Queue } from './queue.js';

/** `count` entries of the queue, at `bytes[entriesAt..]`, are new. What is woken is answered at the end of the batch. */
export function wakeHeld(state: HostState, queue: Queue, bytes: Uint8Array, entriesAt: number, count: number): void {
  const end = entriesAt + count * ENTRY.bytes;
  let hasFilters = false;
  for (const held of queue.held) {
    if (held.isWoken || held.waitsFor === 'bytes' || queue.entries.maxOffset <= held.request.queueOffset) continue;
    const { codes, filter } = held.request;
    if (filter !== undefined) hasFilters = true;
    else if (codes === undefined || hasTag(codes, bytes, entriesAt, end)) held.wake();
  }
  // Each message's properties are read once.
  if (hasFilters) for (let at = entriesAt; at < end; at += ENTRY.bytes) wakeFiltered(state, queue, bytes, at);
}

function hasTag(codes: ReadonlySet<number>, bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at += ENTRY.bytes) if (codes.has(entryTagsCode(bytes, at))) return true;
  return false;
}

function wakeFiltered(state: HostState, queue: Queue, bytes: Uint8Array, at: number): void {
  const isRead = hasProperties(state, entryOffset(bytes, at), entrySize(bytes, at));
  for (const held of queue.held) {
    if (held.isWoken || held.waitsFor === 'bytes' || queue.entries.maxOffset <= held.request.queueOffset) continue;
    const { codes, filter } = held.request;
    if (filter === undefined || (codes !== undefined && !codes.has(entryTagsCode(bytes, at)))) continue;
    if (!isRead || passes(state, filter)) held.wake();
  }
}

function passes({ properties }: HostState, filter: RecordFilter): boolean {
  return filter.passes(properties.bytes, properties.start, properties.length);
}

/** False when they cannot be read now: the pulls are woken and look themselves, which may take them to the disk. */
function hasProperties({ properties, logEnd }: HostState, commitLogOffset: number, sizeBytes: number): boolean {
  try {
    return properties.areInMemory(commitLogOffset, sizeBytes, logEnd) && properties.read(commitLogOffset, sizeBytes);
  } catch (error) {
    // Whoever is woken says so.
    if (error instanceof DiskError) return false;
    throw error;
  }
}
