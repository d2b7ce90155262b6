/**
 * Half messages whose producer has said nothing for too long are asked about: every transactionCheckInterval a round over
 * the half queues, in portions of a turn. The producer is shown a copy of the half message, which takes its place at the
 * end of the queue; whichever client of its group is connected may answer with END_TRANSACTION. Masters only.
 * Source: TransactionalMessageCheckService.java, AbstractTransactionalMessageCheckListener.java.
 */
import { DiskError } from '../../../base/disk.js';
import { MIB, MS_PER_SECOND } from '../../../base/units.js';
import { formatMessageId } from '../../../message/message-id.js';
import { recordBytes, writePropertiesLength, writeRecordHead, writeTopicLength } from '../../../message/record.js';
import { bodyCrc } from '../../../message/crc.js';
import { Scanned } from '../../../message/properties.js';
import { SystemTopic } from '../../../message/topics.js';
import { Flag } from '../../../remoting/command.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import type { Context } from '../../../runtime/actor.js';
import type { MessageOf } from '../../../runtime/message.js';
import { ENTRY, entryOffset, entrySize } from '../../../store/consume-queue-entry.js';
import { queueMessages } from '../../queue/messages.js';
import type { Channel } from '../peers/clients.js';
import { type brokerMessages, EntryReader } from '../messages.js';
import { type RecordAt, readRecord } from '../lookups/record-at.js';
import type { BrokerState } from '../state.js';
import type { BrokerQueue } from '../tables/topic-table.js';
import { TransactionCounters } from './counters.js';
import { type CheckPolicy, type HalfFacts, HalfQueue } from './half-queue.js';
import { putCopy, putGivenUp, realPlace } from './records.js';

/** Group under whose name the progress is kept in consumerOffset.json. Source: TransactionalMessageUtil.buildConsumerGroup. */
const PROGRESS_GROUP = 'CID_RMQ_SYS_TRANS';
/** Entries that are asked for at once: what one turn reads. */
const PORTION = 128;
/** And as much of half messages is read, copied and shown to producers in one turn. */
const TURN_BYTES = 4 * MIB;
const RETRY_MS = 200;
const HOUR_MS = 3_600_000;

type Phase = 'idle' | 'ops' | 'halves';

export class TransactionChecks {
  readonly counters: TransactionCounters;
  private readonly queues = new Map<number, HalfQueue>();
  private state: BrokerState | undefined;
  /** Half queues of this round that are still to come. */
  private waiting: number[] = [];
  private current: HalfQueue | undefined;
  private phase: Phase = 'idle';
  private nextProducer = 0;
  private readonly request = { reader: EntryReader.TRANSACTIONS, queueId: 0, fromOffset: 0.5, maxEntries: PORTION };

  constructor(private readonly context: Context) {
    this.counters = new TransactionCounters(context);
  }

  start(state: BrokerState): void {
    this.state = state;
    this.nextRound();
  }

  stop(): void {
    this.state = undefined;
    this.phase = 'idle';
  }

  private nextRound(): void {
    if (this.state === undefined) return;
    this.context.after(this.state.settings.transactionCheckInterval, () => {
      if (this.state === undefined) return;
      const used = this.state.topics.get(SystemTopic.TRANSACTION_HALF)?.usedQueues() ?? [];
      this.waiting = [...used].map(({ queueId }) => queueId);
      this.nextQueue(this.state);
    });
  }

  private nextQueue(state: BrokerState): void {
    const queueId = this.waiting.shift();
    if (queueId === undefined) {
      this.phase = 'idle';
      this.current = undefined;
      this.updateGauge(state);
      return this.nextRound();
    }
    let queue = this.queues.get(queueId);
    if (queue === undefined) {
      queue = new HalfQueue(queueId);
      this.queues.set(queueId, queue);
    }
    this.current = queue;
    const half = queueOf(state, SystemTopic.TRANSACTION_HALF, queueId);
    const op = queueOf(state, SystemTopic.TRANSACTION_OP, queueId);
    queue.begin(progress(state, half), progress(state, op), this.context.clock.now());
    this.phase = 'ops';
    this.ask(state, queue);
  }

  /** Asks for the next entries of the phase, or goes on to what follows it. */
  private ask(state: BrokerState, half: HalfQueue): void {
    const isOps = this.phase === 'ops';
    const topic = isOps ? SystemTopic.TRANSACTION_OP : SystemTopic.TRANSACTION_HALF;
    const queue = queueOf(state, topic, half.queueId);
    const from = isOps ? half.opNext : half.next;
    if (isOps && (from >= queue.nextOffset || half.isFull)) {
      this.phase = 'halves';
      return this.ask(state, half);
    }
    if (from >= queue.nextOffset) return this.endQueue(state, half);
    const { context, request } = this;
    const host = state.options.queueHosts[state.dispatcher.hostOf(queue)]!;
    const mayAsk = context.isOpen(host, 'request') && context.isOpen(state.options.front, 'reply');
    if (!mayAsk) return this.again(RETRY_MS, () => this.ask(state, half));
    const bytes = queue.topic.bytes;
    request.queueId = queue.queueId;
    request.fromOffset = from;
    const place = context.begin(host, queueMessages.readEntries, request as never, queue.key, bytes.length);
    place.buffer.set(bytes, place.at);
    context.end(bytes.length);
  }

  private again(delayMs: number, run: () => void): void {
    const { state } = this;
    this.context.after(delayMs, () => {
      if (this.state === state && state !== undefined) run();
    });
  }

  entriesRead(m: MessageOf<typeof brokerMessages, 'entriesRead'>): void {
    const { state, current } = this;
    if (state === undefined || current === undefined || current.queueId !== m.queueId) return;
    const isOps = this.phase === 'ops';
    if (m.fromOffset !== (isOps ? current.opNext : current.next)) return;
    if (m.count === 0 && m.minOffset > m.fromOffset) {
      // What was there is deleted.
      if (isOps) current.begin(current.next, m.minOffset, current.startMs);
      else current.next = m.minOffset;
    } else if (m.count === 0) {
      // The host lags behind: in the next round.
      return this.endQueue(state, current);
    }
    try {
      let bytesLeft = TURN_BYTES;
      for (let i = 0; i < m.count && bytesLeft > 0; i++) {
        const at = m.start + i * ENTRY.bytes;
        const offset = entryOffset(m.buffer, at);
        const size = entrySize(m.buffer, at);
        bytesLeft -= size;
        if (isOps) current.takeOp(halfOffsetsOf(readRecord(state, offset, size)));
        else if (!this.look(state, current, offset, size)) return this.endQueue(state, current);
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.context.log.error(`half messages cannot be read: ${error.message}`);
      return this.endQueue(state, current);
    }
    this.again(0, () => this.ask(state, current));
  }

  /** The half message at `next`; false when the round ends here for its queue. */
  private look(state: BrokerState, queue: HalfQueue, offset: number, size: number): boolean {
    const half = queue.isDone ? undefined : readRecord(state, offset, size);
    // Done, or gone.
    if (half === undefined) {
      queue.pass();
      return true;
    }
    const facts = factsOf(half);
    switch (queue.judge(facts, this.context.clock.now(), policyOf(state))) {
      case 'wait':
        return false;
      case 'done':
        break;
      case 'give up':
        if (!putGivenUp(state, half)) return false;
        this.counters.givenUp.add(1);
        this.context.log.warn('a transaction was given up', {
          queueOffset: half.queueOffset,
          checks: facts.checkTimes,
        });
        break;
      case 'postpone': {
        const original = facts.preparedQueueOffset ?? half.queueOffset;
        if (!putCopy(state, half, { checkTimes: facts.checkTimes + 1, preparedQueueOffset: original })) return false;
        queue.postponed(original);
        break;
      }
      case 'ask':
        if (!this.askProducer(state, half, facts)) return false;
    }
    queue.pass();
    this.context.touch();
    return true;
  }

  private askProducer(state: BrokerState, half: RecordAt, { checkTimes, preparedQueueOffset }: HalfFacts): boolean {
    const place = realPlace(state, half);
    if (!putCopy(state, half, { checkTimes: checkTimes + 1, preparedQueueOffset })) return false;
    if (place === undefined) return true;
    const group = half.properties.text(Scanned.PRODUCER_GROUP, half.buffer) ?? '';
    const channel = this.producerOf(state, group);
    if (channel === undefined) {
      this.context.log.debug('no producer to ask about a transaction', { group });
      return true;
    }
    const { physicalOffset, queueOffset } = state.message;
    const uniqueKey = half.properties.text(Scanned.UNIQUE_KEY, half.buffer);
    const ext = encodeHeader(requests.checkTransactionState.header, {
      tranStateTableOffset: queueOffset,
      commitLogOffset: physicalOffset,
      msgId: uniqueKey,
      transactionId: uniqueKey,
      offsetMsgId: formatMessageId({ storeHost: half.storeHost, commitLogOffset: physicalOffset }),
    });
    const { code } = requests.checkTransactionState;
    const body = encodeShown(state, half, place.topic.bytes, place.queueId);
    state.remote.tell(channel.connection, { code, flag: Flag.ONE_WAY, ext }, body);
    this.counters.checked.add(1);
    return true;
  }

  /** In turn, so that one that does not answer does not get all questions. */
  private producerOf({ clients }: BrokerState, group: string): Channel | undefined {
    const channels = [...(clients.producers.get(group)?.values() ?? [])];
    this.nextProducer = (this.nextProducer + 1) % 0x7fff_ffff;
    return channels[this.nextProducer % Math.max(1, channels.length)];
  }

  private endQueue(state: BrokerState, queue: HalfQueue): void {
    const { queueId } = queue;
    state.offsets.commit(PROGRESS_GROUP, SystemTopic.TRANSACTION_HALF, queueId, queue.next);
    state.offsets.commit(PROGRESS_GROUP, SystemTopic.TRANSACTION_OP, queueId, queue.opProgress);
    this.again(0, () => this.nextQueue(state));
  }

  private updateGauge(state: BrokerState): void {
    let open = 0;
    for (const half of state.topics.get(SystemTopic.TRANSACTION_HALF)?.usedQueues() ?? []) {
      open += half.nextOffset - progress(state, half);
    }
    this.counters.open.set(open);
  }
}

function queueOf(state: BrokerState, topic: string, queueId: number): BrokerQueue {
  return state.topics.ensure(topic).queue(queueId);
}

function progress({ offsets }: BrokerState, queue: BrokerQueue): number {
  return Math.max(queue.minOffset, offsets.get(PROGRESS_GROUP, queue.topic.name, queue.queueId) ?? 0);
}

function policyOf({ settings }: BrokerState): CheckPolicy {
  return {
    timeoutMs: settings.transactionTimeOut,
    checkMax: settings.transactionCheckMax,
    reservedMs: settings.fileReservedTime * HOUR_MS,
  };
}

/** What an op message says: a queue offset, or several joined by commas, as 5.x writes them. */
function halfOffsetsOf(op: RecordAt | undefined): number[] {
  if (op === undefined) return [];
  const text = op.buffer.toString('latin1', op.bodyAt, op.bodyAt + op.bodyBytes);
  return text
    .split(',')
    .map(Number)
    .filter((offset) => Number.isSafeInteger(offset) && offset >= 0);
}

function factsOf(half: RecordAt): HalfFacts {
  const numberOf = (scanned: number): number | undefined => {
    const { properties, buffer } = half;
    if (!properties.has(scanned)) return undefined;
    return Number(properties.text(scanned, buffer));
  };
  const immunitySeconds = numberOf(Scanned.CHECK_IMMUNITY_TIME);
  const prepared = numberOf(Scanned.TRANSACTION_PREPARED_QUEUE_OFFSET);
  return {
    bornTimestamp: half.bornTimestamp,
    storeTimestamp: half.storeTimestamp,
    checkTimes: numberOf(Scanned.TRANSACTION_CHECK_TIMES) || 0,
    // -1 stands for the general time, as in Apache.
    immunityMs: immunitySeconds === -1 ? Number.NaN : immunitySeconds && immunitySeconds * MS_PER_SECOND,
    preparedQueueOffset: prepared !== undefined && prepared >= 0 ? prepared : undefined,
  };
}

/** The stored form of the copy, addressed to where it goes when it is committed. */
function encodeShown(state: BrokerState, half: RecordAt, topic: Uint8Array, queueId: number): Buffer {
  const { message } = state;
  const bytes = recordBytes(half.bodyBytes, topic.length, message.propertiesBytes, half.sysFlag);
  const buffer = Buffer.alloc(bytes);
  const view = new DataView(buffer.buffer, buffer.byteOffset, bytes);
  let next = writeRecordHead(
    view,
    buffer,
    0,
    bytes,
    half.bodyBytes === 0 ? 0 : bodyCrc(half.buffer, half.bodyAt, half.bodyBytes),
    queueId,
    half.flag,
    message.queueOffset,
    message.physicalOffset,
    half.sysFlag,
    half.bornTimestamp,
    half.bornHost,
    half.storeTimestamp,
    half.storeHost,
    half.reconsumeTimes,
    half.preparedTransactionOffset,
    half.bodyBytes,
  );
  half.buffer.copy(buffer, next, half.bodyAt, half.bodyAt + half.bodyBytes);
  next = writeTopicLength(view, next + half.bodyBytes, topic.length);
  buffer.set(topic, next);
  next = writePropertiesLength(view, next + topic.length, message.propertiesBytes);
  message.properties.copy(buffer, next, 0, message.propertiesBytes);
  return buffer;
}
