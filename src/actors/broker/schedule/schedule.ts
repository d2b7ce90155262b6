/**
 * Delayed messages of a master: each level's queue of SCHEDULE_TOPIC_XXXX is delivered in order, each message when it is
 * due, in portions of a turn so that clients are served in between. The entries come from the queue hosts in batches (see
 * level.ts); one timer waits for whatever is due next, and nothing runs while nothing waits.
 *
 *     stored -> (due soon) -> readEntries to the queue host -> entriesRead -> deliver -> progress (progress.ts)
 *
 * At least once: after a crash everything behind the saved progress is delivered again. Slaves only keep the progress of
 * their master. Source: ScheduleMessageService.java.
 */
import { DiskError } from '../../../base/disk.js';
import { SystemTopic } from '../../../message/topics.js';
import type { Context } from '../../../runtime/actor.js';
import type { MessageOf } from '../../../runtime/message.js';
import type { Timer } from '../../../runtime/timers.js';
import { queueMessages } from '../../queue/messages.js';
import { type brokerMessages, EntryReader } from '../messages.js';
import { storeTimeOfRecord } from '../lookups/queue-times.js';
import type { BrokerState } from '../state.js';
import type { BrokerQueue, BrokerTopic } from '../tables/topic-table.js';
import { ScheduleCounters } from './counters.js';
import { deliver } from './deliver.js';
import { DelayLevel, FETCHED_MAX } from './level.js';
import { DelayProgress } from './progress.js';

/** Most that a turn delivers, of all levels together. */
const TURN_MESSAGES = 512;
const TURN_BYTES = 1024 * 1024;
/** Entries are asked for this long before the first of them is due. */
const LEAD_MS = 100;
/** A message that could not be stored, entries that a queue host did not have yet: tried again after this. */
const RETRY_MS = 100;
/** A record that the disk does not give. */
const UNREADABLE_RETRY_MS = 10_000;
/** The clock is looked at again after this even if nothing is due: somebody may have set it. */
const RECHECK_MS = 1_000;
/** Delay of a queue that messageDelayLevel has no level for. Source: ScheduleMessageService.computeDeliverTimestamp. */
const UNKNOWN_LEVEL_DELAY_MS = 1_000;

const NEVER = Number.POSITIVE_INFINITY;

export class Schedule {
  readonly levels: readonly DelayLevel[];
  private readonly progress: DelayProgress;
  private readonly counters: ScheduleCounters;
  private state: BrokerState | undefined;
  private hasStarted = false;
  private timer: Timer | undefined;
  /** When the timer fires, epoch ms. */
  private timerMs = NEVER;
  private messagesLeft = 0;
  private bytesLeft = 0;
  /** Level that comes first in the next turn: one that has much to do does not hold up the others. */
  private firstIndex = 0;
  private readonly request = { reader: EntryReader.SCHEDULE, queueId: 0, fromOffset: 0.5, maxEntries: FETCHED_MAX };

  /** `delaysMs`: of the levels 1, 2, ...; a changed messageDelayLevel counts from the next start on, as in Apache. */
  constructor(
    private readonly context: Context,
    delaysMs: readonly number[],
  ) {
    this.levels = delaysMs.map((delayMs, index) => new DelayLevel(index + 1, delayMs));
    this.progress = new DelayProgress(context, this.levels);
    this.counters = new ScheduleCounters(context);
  }

  get maxLevel(): number {
    return this.levels.length;
  }

  /** Masters only: takes up the saved progress and delivers from there on. */
  start(state: BrokerState): void {
    this.state = state;
    this.hasStarted = true;
    this.progress.load(state, this.topic(state));
    this.progress.start(state);
    this.counters.start(() => this.updateGauges(state));
    this.run();
  }

  /** Nothing is delivered any more. */
  stop(): void {
    this.state = undefined;
    this.timer?.cancel();
  }

  /** The log is closed and on disk: what was delivered is. A broker that never started keeps the file as it is. */
  close(state: BrokerState): void {
    if (this.hasStarted) this.progress.close(state);
  }

  /** HOT. A message was put into the schedule topic: when it is due, epoch ms, which is its tags code. */
  stored(queueId: number, queueOffset: number, storeTimestamp: number): number {
    const level = this.levels[queueId];
    if (level === undefined) return storeTimestamp + UNKNOWN_LEVEL_DELAY_MS;
    const dueMs = storeTimestamp + level.delayMs;
    if (queueOffset === level.next + level.count) {
      level.firstBeyondMs = dueMs;
      this.wakeAt(dueMs - LEAD_MS);
    }
    return dueMs;
  }

  /** A queue host gives the entries that it was asked for. */
  entriesRead(m: MessageOf<typeof brokerMessages, 'entriesRead'>): void {
    const { state } = this;
    const level = this.levels[m.queueId];
    if (state === undefined || level === undefined) return;
    const nowMs = this.context.clock.now();
    level.isAsked = false;
    // In the next turn: an answer that came within this one would get it a second portion.
    this.wakeAt(nowMs);
    if (m.fromOffset !== level.next + level.count) return;
    if (m.count > 0) {
      const dueOf = (offset: number, bytes: number): number => storeTimeOfRecord(state, offset, bytes) + level.delayMs;
      level.append(m.buffer, m.start, m.count, dueOf);
      level.firstBeyondMs = 0;
    } else if (m.minOffset > m.fromOffset && level.count === 0) {
      const fields = { level: level.level, from: level.next, to: m.minOffset };
      this.context.log.warn('delayed messages were deleted before they were due', fields);
      level.moveTo(m.minOffset);
    } else {
      // The host lags behind: what it lacks is on its way to it.
      level.notBeforeMs = nowMs + RETRY_MS;
    }
  }

  /** Messages of a level that wait. */
  pending(state: BrokerState, level: DelayLevel): number {
    return Math.max(0, this.endOf(state, level) - level.next);
  }

  /** Queue offset behind the newest message of a level. */
  endOf(state: BrokerState, level: DelayLevel): number {
    return this.topic(state).usedQueue(level.level - 1)?.nextOffset ?? 0;
  }

  private topic(state: BrokerState): BrokerTopic {
    return state.topics.ensure(SystemTopic.SCHEDULE);
  }

  /** Delivers what is due, as much as a turn takes: called once in a turn. */
  private run(): void {
    const { state, levels } = this;
    if (state === undefined) return;
    const nowMs = this.context.clock.now();
    const topic = this.topic(state);
    this.messagesLeft = TURN_MESSAGES;
    this.bytesLeft = TURN_BYTES;
    let wakeMs = NEVER;
    for (let i = 0; i < levels.length; i++) {
      const level = levels[(this.firstIndex + i) % levels.length]!;
      const queue = topic.usedQueue(level.level - 1);
      if (queue === undefined || level.next >= queue.nextOffset) continue;
      wakeMs = Math.min(wakeMs, this.runLevel(state, level, queue, nowMs));
    }
    this.firstIndex = (this.firstIndex + 1) % levels.length;
    // The messages are written, told and answered for at the end of this batch.
    this.context.touch();
    this.wakeAt(wakeMs);
  }

  /** Epoch ms at which there is something to do again; NEVER while the queue host is to answer first. */
  private runLevel(state: BrokerState, level: DelayLevel, queue: BrokerQueue, nowMs: number): number {
    const waitMs = level.notBeforeMs - nowMs;
    // Longer only when the clock was set back.
    if (waitMs > 0 && waitMs <= UNREADABLE_RETRY_MS) return level.notBeforeMs;
    while (level.count > 0 && level.headDueMs(nowMs) <= nowMs) {
      if (this.messagesLeft === 0 || this.bytesLeft <= 0) return nowMs;
      if (!this.deliverHead(state, level, nowMs)) return level.notBeforeMs;
    }
    const fetchMs = this.fetch(state, level, queue, nowMs);
    return level.count > 0 ? Math.min(level.headDueMs(nowMs), fetchMs) : fetchMs;
  }

  /** False: to be tried again at notBeforeMs. */
  private deliverHead(state: BrokerState, level: DelayLevel, nowMs: number): boolean {
    const { headOffset, headBytes } = level;
    let delivery: ReturnType<typeof deliver>;
    try {
      delivery = deliver(state, headOffset, headBytes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.context.log.error(`a delayed message cannot be read, its level waits: ${error.message}`, {
        level: level.level,
        physicalOffset: headOffset,
      });
      level.notBeforeMs = nowMs + UNREADABLE_RETRY_MS;
      return false;
    }
    if (delivery === 'failed') {
      level.notBeforeMs = nowMs + RETRY_MS;
      return false;
    }
    if (delivery === 'skipped') {
      this.counters.skipped.add(1);
      this.context.log.warn('a delayed message is skipped: its record is gone or cannot be delivered', {
        level: level.level,
        queueOffset: level.next,
        physicalOffset: headOffset,
      });
    } else {
      this.counters.delivered(level).add(1);
    }
    level.shift();
    this.messagesLeft--;
    this.bytesLeft -= headBytes;
    return true;
  }

  /** Asks the queue host for more when few entries are here and the next is due soon. When to look again, epoch ms. */
  private fetch(state: BrokerState, level: DelayLevel, queue: BrokerQueue, nowMs: number): number {
    const from = level.next + level.count;
    if (level.isAsked || !level.isShort || from >= queue.nextOffset) return NEVER;
    const fetchMs = level.beyondDueMs(nowMs) - LEAD_MS;
    if (fetchMs > nowMs) return fetchMs;
    const { context, request } = this;
    const host = state.options.queueHosts[state.dispatcher.hostOf(queue)]!;
    if (!context.isOpen(host, 'request')) return nowMs + RETRY_MS;
    const topic = queue.topic.bytes;
    request.queueId = queue.queueId;
    request.fromOffset = from;
    const place = context.begin(host, queueMessages.readEntries, request as never, queue.key, topic.length);
    place.buffer.set(topic, place.at);
    context.end(topic.length);
    level.isAsked = true;
    return NEVER;
  }

  private wakeAt(atMs: number): void {
    if (this.state === undefined || atMs >= this.timerMs) return;
    this.timer?.cancel();
    const nowMs = this.context.clock.now();
    const delayMs = Math.min(Math.max(0, atMs - nowMs), RECHECK_MS);
    this.timerMs = nowMs + delayMs;
    this.timer = this.context.after(delayMs, () => {
      this.timerMs = NEVER;
      this.run();
    });
  }

  private updateGauges(state: BrokerState): void {
    const nowMs = this.context.clock.now();
    for (const level of this.levels) {
      const pending = this.pending(state, level);
      const dueMs = level.count > 0 ? level.headDueMs(nowMs) : level.beyondDueMs(nowMs);
      // 0: the queue host has not told yet when it is due.
      const lateMs = pending === 0 || dueMs === 0 ? 0 : Math.max(0, nowMs - dueMs);
      this.counters.update(level, pending, lateMs);
    }
  }
}
