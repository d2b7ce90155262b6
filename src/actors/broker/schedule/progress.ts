/**
 * config/delayOffset.json: by level the queue offset of the next delayed message to deliver. Written every
 * flushDelayOffsetInterval, first after 10 s, and at the end, and only once the copies that it counts as delivered are on
 * disk: a power failure may deliver again, it loses nothing. Source: ScheduleMessageService.load, correctDelayOffset.
 */
import { delayOffsetTable } from '../../../remoting/bodies/tables.js';
import { BodyProblem, decodeText, encodeText } from '../../../remoting/body-codec.js';
import type { Context } from '../../../runtime/actor.js';
import type { BrokerState } from '../state.js';
import type { BrokerTopic } from '../tables/topic-table.js';
import type { DelayLevel } from './level.js';

const FIRST_MS = 10_000;
/** How often it is looked whether the log is flushed up to there. */
const FLUSH_POLL_MS = 100;

export class DelayProgress {
  private isWaiting = false;
  /** Progress of levels that messageDelayLevel does not have now: kept for when it has them again. */
  private readonly orphaned = new Map<number, number>();

  constructor(
    private readonly context: Context,
    private readonly levels: readonly DelayLevel[],
  ) {}

  /** Takes up what the file says, as far as the queues of the schedule topic go. */
  load(state: BrokerState, topic: BrokerTopic): void {
    const { log } = this.context;
    const saved = decodeText(delayOffsetTable, state.files.delayOffsets);
    const offsets = saved instanceof BodyProblem ? new Map<number, number>() : saved.offsetTable;
    for (const level of this.levels) {
      const queue = topic.usedQueue(level.level - 1);
      const offset = offsets.get(level.level);
      const minOffset = queue?.minOffset ?? 0;
      level.isKnown = offset !== undefined;
      level.next = Math.max(minOffset, Math.min(offset ?? 0, queue?.nextOffset ?? 0));
      if (offset === undefined || offset === level.next) continue;
      const fields = { level: level.level, saved: offset, taken: level.next };
      log.warn('the saved progress of delayed messages lies outside their queue', fields);
    }
    for (const { queueId, minOffset, nextOffset } of topic.usedQueues()) {
      const done = Math.max(minOffset, offsets.get(queueId + 1) ?? 0);
      if (queueId < this.levels.length || done >= nextOffset) continue;
      const fields = { level: queueId + 1, messages: nextOffset - done, levels: this.levels.length };
      log.warn('delayed messages of a level that messageDelayLevel does not have wait until it does', fields);
      this.orphaned.set(queueId + 1, done);
    }
    for (const [level, offset] of offsets) if (level > this.levels.length) this.orphaned.set(level, offset);
  }

  start(state: BrokerState): void {
    this.saveLater(state, FIRST_MS);
  }

  /** At the end, when everything that was delivered is on disk. */
  close(state: BrokerState): void {
    state.files.replaceDelayOffsets(this.text());
  }

  private saveLater(state: BrokerState, delayMs: number): void {
    this.context.after(delayMs, () => {
      this.save(state);
      this.saveLater(state, state.settings.flushDelayOffsetInterval);
    });
  }

  private save(state: BrokerState): void {
    const text = this.text();
    if (this.isWaiting || text === state.files.delayOffsets) return;
    this.isWaiting = true;
    this.saveOnceFlushed(state, text, state.log.endOffset);
  }

  private saveOnceFlushed(state: BrokerState, text: string, logEnd: number): void {
    if (state.log.flushedOffset >= logEnd) {
      this.isWaiting = false;
      state.files.replaceDelayOffsets(text);
      return;
    }
    state.flusher.request();
    this.context.after(FLUSH_POLL_MS, () => this.saveOnceFlushed(state, text, logEnd));
  }

  private text(): string {
    const offsetTable = new Map(this.orphaned);
    for (const { level, next, isKnown } of this.levels) if (isKnown) offsetTable.set(level, next);
    return encodeText(delayOffsetTable, { dataVersion: undefined, offsetTable }, 'pretty');
  }
}
