/** Queues lose what the commit log has lost, or go as a whole. What the broker asks for, see queue-sweep.ts and drop-queues.ts. */
import { DiskError } from '../../base/disk.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import type { MessageOf } from '../../runtime/message.js';
import { storePath } from '../../store/store-directory.js';
import { brokerMessages } from '../broker/messages.js';
import { attempt, tryHeld } from './disk-trouble.js';
import { type HeldPull, release } from './held.js';
import type { HostState } from './host-state.js';
import type { queueMessages } from './messages.js';
import type { Queue } from './queue.js';
import { refuseHeld } from './refuse.js';
import { correct, findQueueByBytes, findStarted, forgetQueue } from './queues.js';

type Message<K extends keyof typeof queueMessages> = MessageOf<typeof queueMessages, K>;

/** The broker deleted log files: readers let go of them. Queues are corrected when they are next used, or swept. */
export function onLogRange(state: HostState, { minOffset, endOffset }: Message<'logRange'>): void {
  state.logEnd = endOffset;
  if (minOffset === state.logMin) return;
  state.logMin = minOffset;
  state.reader.forgetBefore(minOffset);
}

/** Drops what is older than the log, and says where the queue begins: what a disk does not let go stays for another time. */
export function onCleanQueue(state: HostState, m: Message<'cleanQueue'>): void {
  const topicBytes = m.end - m.start;
  const answer = { queueId: m.queueId, minOffset: 0, filesRemoved: 0 };
  if (m.logMinOffset > state.logMin) state.logMin = m.logMinOffset;
  attempt(state, () => {
    const queue = findQueueByBytes(state, m.key, m.buffer, m.start, topicBytes, m.queueId);
    clean(state, queue, answer);
  });
  const place = state.context.begin(state.options.broker, brokerMessages.queueCleaned, answer, 0, topicBytes);
  m.buffer.copy(place.buffer, place.at, m.start, m.end);
  state.context.end(topicBytes);
}

/** Throws DiskError; `answer` says then what had been done. */
function clean(state: HostState, queue: Queue, answer: { minOffset: number; filesRemoved: number }): void {
  const { entries } = queue;
  writeOut(state, queue);
  const filesBefore = entries.fileCount;
  try {
    correct(state, queue);
  } finally {
    answer.minOffset = entries.minOffset;
    answer.filesRemoved = filesBefore - entries.fileCount;
  }
}

/**
 * Entries that are held back may be too old as well, and what is written later is not looked at again: Apache's broker
 * expects a queue's first file to have an entry that is not older than the log (ConsumeQueue.correctMinOffset).
 */
function writeOut({ context }: HostState, queue: Queue): void {
  try {
    queue.entries.flush();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    // A full disk is what files are deleted for; the next write-behind tries again.
    context.log.warn(`consume queue ${queue.topic}-${queue.queueId} cannot be written: ${error.message}`);
  }
}

export function onQueueGone(state: HostState, m: Message<'queueGone'>): void {
  const length = m.end - m.start;
  const queue = findStarted(state, m.key, m.buffer, m.start, length, m.queueId);
  if (queue !== undefined) {
    destroy(state, queue);
    return;
  }
  const topic = m.buffer.toString('utf8', m.start, m.end);
  const directory = storePath.consumeQueue(state.options.settings.storePathRootDir, topic, m.queueId);
  attempt(state, () => state.files.removeTree(directory));
}

/**
 * Pulls that wait for it are answered, with a refusal when the front has enough to send; its files go. Those that cannot
 * be removed end with the log's messages.
 */
export function destroy(state: HostState, queue: Queue): void {
  const { context, options } = state;
  for (const held of [...queue.held]) {
    if (context.isOpen(options.front, 'reply')) tryHeld(state, held);
    else refuseAnswer(state, held);
  }
  attempt(state, () => queue.entries.destroy());
  forgetQueue(state, queue);
}

function refuseAnswer(state: HostState, held: HeldPull): void {
  release(state, held);
  refuseHeld(state, held.request, ResponseCode.SYSTEM_BUSY, '[OVERLOAD]the queue was just removed: pull again later');
}
