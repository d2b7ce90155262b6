/**
 * END_TRANSACTION: a producer says what became of a half message, by itself or because it was asked. Commit stores the
 * message that consumers get and then notes that the half message is done; rollback only notes it; unknown says nothing,
 * and the producer is asked later. Source: EndTransactionProcessor.java.
 */
import { Scanned } from '../../../message/properties.js';
import { parseMessageId } from '../../../message/message-id.js';
import { SystemTopic } from '../../../message/topics.js';
import { TransactionType } from '../../../message/system-flags.js';
import type { HeaderOf } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { type Answer, fail, LATER, OK, on, type Request } from '../processors/answer.js';
import { findRecord, type RecordAt } from '../lookups/record-at.js';
import { answerWritten } from '../sends/send-back.js';
import type { BrokerState } from '../state.js';
import { writeRefusal } from '../store/store-health.js';
import { putCopy, putFinal, putOp } from './records.js';

type EndTransaction = HeaderOf<typeof requests.endTransaction.header>;

const NOT_FOUND = 'Find prepared transaction message failed';
const HALF_TOPICS: readonly Buffer[] = [Buffer.from(SystemTopic.TRANSACTION_HALF)];
const GIVEN_UP_TOPICS: readonly Buffer[] = [Buffer.from(SystemTopic.TRANSACTION_GIVEN_UP)];

export const transactionProcessors = [
  on(requests.endTransaction, onEndTransaction),

  on(requests.resumeCheckHalfMessage, (state, { msgId }) => {
    const id = parseMessageId(msgId ?? '');
    const record = id === undefined ? undefined : findRecord(state, id.commitLogOffset);
    const isFound =
      record !== undefined &&
      isOf(record, GIVEN_UP_TOPICS) &&
      isPlaceOf(state, record, SystemTopic.TRANSACTION_GIVEN_UP);
    if (!isFound) {
      return fail(
        ResponseCode.SYSTEM_ERROR,
        `no message with the id ${msgId ?? ''} in ${SystemTopic.TRANSACTION_GIVEN_UP}`,
      );
    }
    if (refusal(state) !== undefined) return refusal(state)!;
    return putCopy(state, record, { checkTimes: 0, preparedQueueOffset: undefined }) ? OK : unavailable();
  }),
] as const;

function onEndTransaction(state: BrokerState, header: EndTransaction, { connection }: Request): Answer | typeof LATER {
  if (state.isSlave) return fail(ResponseCode.SLAVE_NOT_AVAILABLE, 'this broker is a slave');
  const { commitOrRollback: word } = header;
  // The producer does not know it either: nobody is answered, as with Apache.
  if (word === TransactionType.NONE) {
    state.transactions.counters.ended('unknown');
    return LATER;
  }
  if (word !== TransactionType.COMMIT && word !== TransactionType.ROLLBACK) {
    return fail(ResponseCode.SYSTEM_ERROR, `commitOrRollback=${word}: allowed: 0 (unknown), 8 (commit), 12 (rollback)`);
  }
  const half = findRecord(state, header.commitLogOffset);
  const refused = refusal(state);
  // A half message that the disk has refused so far is not found either, and may be there later.
  if (half === undefined) return refused ?? fail(ResponseCode.SYSTEM_ERROR, NOT_FOUND);
  const problem = problemOf(state, half, header);
  if (problem !== undefined) return fail(ResponseCode.SYSTEM_ERROR, problem);
  if (refused !== undefined) return refused;
  if (state.written.isFull) {
    state.flow.count('waiting_answers_full');
    return fail(ResponseCode.SYSTEM_BUSY, 'too many answers wait for the disk: try again');
  }
  const { queueId, queueOffset } = half;
  if (word === TransactionType.COMMIT) {
    const put = putFinal(state, half);
    if (put === 'illegal') return fail(ResponseCode.MESSAGE_ILLEGAL, 'the half message does not say where it goes');
    if (put === 'failed') return unavailable();
  }
  // One that is not noted is asked about again.
  putOp(state, queueId, queueOffset);
  state.transactions.counters.ended(word === TransactionType.COMMIT ? 'commit' : 'rollback');
  answerWritten(state, connection);
  return LATER;
}

/** Why the record is not the half message that the producer speaks of. */
function problemOf(state: BrokerState, half: RecordAt, header: EndTransaction): string | undefined {
  if (!isOf(half, HALF_TOPICS) || !isPlaceOf(state, half, SystemTopic.TRANSACTION_HALF)) return NOT_FOUND;
  if (half.properties.text(Scanned.PRODUCER_GROUP, half.buffer) !== header.producerGroup) {
    return 'The producer group wrong';
  }
  if (half.queueOffset !== header.tranStateTableOffset) return 'The transaction state table offset wrong';
  return undefined;
}

/** Whoever sends a message may put something into its body that looks like a record: its queue has to know of it. */
function isPlaceOf({ topics }: BrokerState, { queueId, queueOffset }: RecordAt, topic: string): boolean {
  const queue = topics.get(topic)?.usedQueue(queueId);
  return queue !== undefined && queueOffset >= queue.minOffset && queueOffset < queue.nextOffset;
}

function isOf({ buffer, topicAt, topicBytes }: RecordAt, topics: readonly Buffer[]): boolean {
  return topics.some((topic) => topic.compare(buffer, topicAt, topicAt + topicBytes) === 0);
}

function refusal(state: BrokerState): Answer | undefined {
  return writeRefusal(state) === undefined ? undefined : unavailable();
}

function unavailable(): Answer {
  return fail(ResponseCode.SERVICE_NOT_AVAILABLE, 'Service not available now.');
}
