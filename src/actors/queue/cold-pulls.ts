/**
 * Pulls of messages that have left the log's window: the disk may take milliseconds, and this thread has senders to
 * serve. They wait while their bytes are read elsewhere. A reader whose messages lie close together gets whole blocks,
 * and those that it will want next ahead of time; one whose messages lie far apart gets just what it asked for.
 */
import { KIB } from '../../base/units.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import { arrived } from '../../store/cold-reads.js';
import { hasRoomForTags, hold } from './held.js';
import type { HostState } from './host-state.js';
import type { PullRequest } from './pull-request.js';
import type { Queue } from './queue.js';
import { refuseHeld } from './refuse.js';

/** Pulls of a host that wait for bytes. */
export const COLD_PULLS_MAX = 4_096;
/** "Close together": the messages are at least this share of the log between the first and the last of them. */
const DENSE = 1 / 16;
/** Of the log, between what a pull wants and what is read ahead for the next ones. */
const AHEAD_BYTES_MIN = 256 * KIB;
const AHEAD_BYTES_MAX = 2048 * KIB;
/** Messages with no more than this between them are read at once. */
const JOIN_BYTES = 16 * KIB;
const PAGE_BYTES = 4 * KIB;
/** No pull takes more than this share of the memory; it is answered with the messages that fit. */
const SHARE_OF_CACHE = 1 / 4;

/**
 * What `state.selection` holds is to be answered: true when that has to wait for the disk, or was refused because too many
 * wait already.
 */
export function waitsForBytes(state: HostState, queue: Queue, request: PullRequest): boolean {
  const { selection, reader, logEnd } = state;
  // Messages of a queue lie in the log in their order: if the first is recent, all are.
  if (reader.isRecent(selection.starts[0]!, logEnd)) return false;
  if (state.quickReads.mayReadHere(state.context.clock.monotonic())) return false;
  return waitsForBlocks(state, queue, request);
}

/**
 * The same for old messages that a filter is to see, of which many may be read for one that passes: they come in blocks,
 * also when the system still has them.
 */
export function waitsForBlocks(state: HostState, queue: Queue, request: PullRequest): boolean {
  const { selection, reader } = state;
  const count = coldRanges(state);
  const isDense = isCloseTogether(state, count);
  if (isAllThere(state, count)) {
    if (isDense) readAhead(state, count, request.connection);
    return false;
  }
  if (state.coldCount >= COLD_PULLS_MAX || !hasRoomForTags(state, request)) {
    state.flow.count('cold_pulls_full');
    refuseHeld(state, request, ResponseCode.SYSTEM_BUSY, TOO_MANY);
    return true;
  }
  const held = hold(state, queue, request, 'bytes', Number.POSITIVE_INFINITY);
  state.counters.coldPulls.add(1);
  if (isDense) {
    const end = Math.min(endOf(state, count - 1), selection.starts[0]! + capBytes(state));
    reader.cold.load(request.connection, blockStart(state, selection.starts[0]!), blockEnd(state, end), held);
    readAhead(state, count, request.connection);
  } else {
    loadRanges(state, count, request.connection, held);
  }
  arrived(held);
  return true;
}

const TOO_MANY = '[OVERLOAD]system busy, too many pulls wait for the disk: pull again later';

/** How many of the selected ranges begin before what is recent. */
function coldRanges({ selection, reader, logEnd }: HostState): number {
  let count = 1;
  while (count < selection.rangeCount && !reader.isRecent(selection.starts[count]!, logEnd)) count++;
  return count;
}

function endOf({ selection }: HostState, range: number): number {
  return selection.starts[range]! + selection.lengths[range]!;
}

function isCloseTogether(state: HostState, count: number): boolean {
  const { selection } = state;
  let bytes = 0;
  for (let i = 0; i < count; i++) bytes += selection.lengths[i]!;
  return bytes >= (endOf(state, count - 1) - selection.starts[0]!) * DENSE;
}

function isAllThere(state: HostState, count: number): boolean {
  const { blocks } = state.reader.cold;
  for (let i = 0; i < count; i++) if (!blocks.has(state.selection.starts[i]!, endOf(state, i))) return false;
  return true;
}

/** Each message on its own, with its page; neighbours together. */
function loadRanges(state: HostState, count: number, reader: number, held: ReturnType<typeof hold>): void {
  const { starts } = state.selection;
  const { cold } = state.reader;
  let left = capBytes(state);
  for (let i = 0; i < count && left > 0; ) {
    const from = starts[i]!;
    let end = endOf(state, i);
    for (i++; i < count && starts[i]! - end <= JOIN_BYTES; i++) end = endOf(state, i);
    const pageFrom = Math.max(blockStart(state, from), from - (from % PAGE_BYTES));
    const pageEnd = Math.min(blockEnd(state, end), state.logEnd, end + PAGE_BYTES - (end % PAGE_BYTES));
    cold.load(reader, pageFrom, pageEnd, held);
    // What counts is how many blocks it takes.
    left -= blockEnd(state, pageEnd) - blockStart(state, pageFrom);
  }
}

/** What the reader will want when it has what it selected now. */
function readAhead(state: HostState, count: number, reader: number): void {
  const { selection, logEnd } = state;
  const { cold } = state.reader;
  if (cold.isBusy) return;
  const end = endOf(state, count - 1);
  const span = end - selection.starts[0]!;
  const aheadBytes = Math.min(AHEAD_BYTES_MAX, Math.max(AHEAD_BYTES_MIN, 4 * span), capBytes(state));
  const to = Math.min(end + aheadBytes, logEnd);
  for (let start = blockStart(state, end); start < to; start = cold.blocks.endOf(start)) {
    if (state.reader.isRecent(start, logEnd)) return;
    cold.load(reader, start, blockEnd(state, start + 1), undefined);
  }
}

function capBytes(state: HostState): number {
  return state.options.settings.coldReadBytes * SHARE_OF_CACHE;
}

function blockStart({ reader }: HostState, offset: number): number {
  return reader.cold.blocks.startOf(offset);
}

/** The end of the block with the byte before `end`, as far as the log goes. */
function blockEnd({ reader, logEnd }: HostState, end: number): number {
  const { blocks } = reader.cold;
  return Math.min(logEnd, blocks.endOf(blocks.startOf(end - 1)));
}
