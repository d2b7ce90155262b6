/**
 * Consume queues follow the commit log: after its oldest files are gone, every queue host is asked, queue by queue, to
 * forget the entries of those messages, and says where the queue begins now. A few at a time, so that tens of thousands
 * of queues hold nobody up. Source: DefaultMessageStore.CleanConsumeQueueService.
 */
import { queueMessages } from '../../queue/messages.js';
import type { BrokerState } from '../state.js';
import type { BrokerQueue } from '../tables/topic-table.js';

/** Questions under way. */
const ASKED_MAX = 16;

export class QueueSweep {
  /** Still to be asked about, the next one last. */
  private rest: BrokerQueue[] = [];
  private asked = 0;
  private isWaiting = false;
  private filesRemoved = 0;

  /** `done` is called when every queue begins where the log does, or later; `pauseMs` after each that lost files. */
  constructor(
    private readonly pauseMs: (state: BrokerState) => number,
    private readonly done: (state: BrokerState, filesRemoved: number) => void,
  ) {}

  get isRunning(): boolean {
    return this.asked > 0 || this.rest.length > 0;
  }

  start(state: BrokerState): void {
    this.filesRemoved = 0;
    for (const topic of state.topics.all()) this.rest.push(...topic.usedQueues());
    this.ask(state);
  }

  /** A host has answered. */
  cleaned(state: BrokerState, topic: string, queueId: number, minOffset: number, filesRemoved: number): void {
    this.asked--;
    this.filesRemoved += filesRemoved;
    const queue = state.topics.get(topic)?.usedQueue(queueId);
    if (queue !== undefined && minOffset > queue.minOffset) queue.minOffset = minOffset;
    const pauseMs = this.pauseMs(state);
    if (filesRemoved === 0 || pauseMs === 0 || this.rest.length === 0) return this.ask(state);
    if (this.isWaiting) return;
    this.isWaiting = true;
    state.context.after(pauseMs, () => this.goOn(state));
  }

  private goOn(state: BrokerState): void {
    this.isWaiting = false;
    this.ask(state);
  }

  private ask(state: BrokerState): void {
    const { context, options, dispatcher, log } = state;
    while (!this.isWaiting && this.asked < ASKED_MAX) {
      const queue = this.rest.pop();
      if (queue === undefined) break;
      // It was deleted meanwhile, or holds nothing that could be too old.
      if (!isThere(state, queue) || queue.minOffset >= queue.nextOffset) continue;
      const host = options.queueHosts[dispatcher.hostOf(queue)]!;
      if (!context.isOpen(host, 'request')) {
        this.rest.push(queue);
        this.isWaiting = true;
        context.onceOpen(host, 'request', () => this.goOn(state));
        return;
      }
      this.asked++;
      const topic = queue.topic.bytes;
      const message = { queueId: queue.queueId, logMinOffset: log.minOffset };
      const place = context.begin(host, queueMessages.cleanQueue, message, queue.key, topic.length);
      place.buffer.set(topic, place.at);
      context.end(topic.length);
    }
    if (!this.isRunning) this.done(state, this.filesRemoved);
  }
}

function isThere(state: BrokerState, queue: BrokerQueue): boolean {
  const { topic, queueId } = queue;
  return state.topics.get(topic.name) === topic && topic.usedQueue(queueId) === queue;
}
