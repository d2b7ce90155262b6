/** The queue actors of a host: started on first use, given back when idle. */
import { ConsumeQueue } from '../../store/consume-queue.js';
import type { HostState } from './host-state.js';
import { queueKey } from './messages.js';
import { Queue } from './queue.js';
import type { Topic } from './replica.js';
import { fnv1a } from '../../remoting/request-scan.js';

export function findQueue(state: HostState, topic: Topic, queueId: number): Queue {
  const key = queueKey(fnv1a(topic.bytes, 0, topic.bytes.length), queueId);
  const queue = findQueueByBytes(state, key, topic.bytes, 0, topic.bytes.length, queueId);
  correct(state, queue);
  return queue;
}

/** HOT. The queue of that topic (UTF-8 in `bytes[start, start + length)`), started if it is not there. */
export function findQueueByBytes(
  state: HostState,
  key: number,
  bytes: Uint8Array,
  start: number,
  length: number,
  queueId: number,
): Queue {
  const queue =
    findStarted(state, key, bytes, start, length, queueId) ??
    startQueue(state, key, Buffer.from(bytes.subarray(start, start + length)), queueId);
  wakeUp(state, queue);
  return queue;
}

/** HOT. The queue is about to use buffers or files; the idle sweep gives them back. */
export function wakeUp(state: HostState, queue: Queue): void {
  if (queue.isAwake) return;
  queue.isAwake = true;
  state.awake.add(queue);
}

/** It has given back what it had. One with held pulls stays awake: their answers read its files. */
export function fallAsleep(state: HostState, queue: Queue): void {
  if (queue.held.size > 0) return;
  queue.forgetHeld();
  queue.isAwake = false;
  state.awake.delete(queue);
}

/** HOT. The same if it is started. */
export function findStarted(
  state: HostState,
  key: number,
  bytes: Uint8Array,
  start: number,
  length: number,
  queueId: number,
): Queue | undefined {
  const candidates = state.queues.get(key);
  if (candidates !== undefined) {
    for (const queue of candidates) if (queue.is(bytes, start, length, queueId)) return queue;
  }
  return undefined;
}

function startQueue(state: HostState, key: number, bytes: Buffer, queueId: number): Queue {
  const { settings } = state.options;
  const name = bytes.toString('utf8');
  // Name and bytes of the topic are shared by its queues.
  const { topic, bytes: topicBytes } = state.replica.topics.get(name) ?? { topic: name, bytes };
  const directory = `${settings.storePathRootDir}/consumequeue/${topic}/${queueId}`;
  const entries = ConsumeQueue.open(state.context.disk, state.files, directory, settings.mappedFileSizeConsumeQueue);
  // What a crash left behind was put right by recovery before this broker started.
  entries.recover(false);
  const queue = new Queue(topic, topicBytes, queueId, key, entries);
  correct(state, queue);
  const candidates = state.queues.get(key);
  if (candidates === undefined) state.queues.set(key, [queue]);
  else candidates.push(queue);
  return queue;
}

/** HOT. The queue begins where the log does, or later. */
export function correct(state: HostState, queue: Queue): void {
  if (queue.logMin === state.logMin) return;
  queue.logMin = state.logMin;
  queue.entries.correctMinOffset(state.logMin);
}

export function* allQueues(state: HostState): Iterable<Queue> {
  for (const candidates of state.queues.values()) yield* candidates;
}

export function forgetQueue(state: HostState, queue: Queue): void {
  const rest = (state.queues.get(queue.key) ?? []).filter((other) => other !== queue);
  if (rest.length === 0) state.queues.delete(queue.key);
  else state.queues.set(queue.key, rest);
  state.dirty.delete(queue);
  state.awake.delete(queue);
}
