/**
 * Single messages, by their place in the log or by key. Source: QueryMessageProcessor.java, DefaultMessageStore.queryMessage.
 */
import { MIB } from '../../../base/units.js';
import { indexKeyHashOf } from '../../../message/java-hash.js';
import { parseMessageId } from '../../../message/message-id.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { findRecord } from '../lookups/record-at.js';
import type { BrokerState } from '../state.js';
import { type Answer, answerLater, fail, LATER, OK, on } from './answer.js';
import { handOn } from './client-calls.js';

/** Of messages found by key: a client closes the connection at a frame of 16 MiB. */
const FOUND_BYTES_MAX = 12 * MIB;

export const queryProcessors = [
  on(requests.viewMessageById, (state, { offset }) => {
    const message = messageAt(state, offset);
    return message === undefined
      ? fail(ResponseCode.SYSTEM_ERROR, `can not find message by the offset, ${offset}`)
      : { ...OK, body: message };
  }),

  on(requests.queryMessage, (state, { topic, key, maxNum, beginTimestamp, endTimestamp, isUniqueKey }, request) => {
    const { index, settings } = state;
    if (index === undefined) return found(state, []);
    const wanted = Math.min(isUniqueKey === true ? settings.defaultQueryMaxNum : maxNum, settings.maxMsgsNumBatch);
    const search = index.search(indexKeyHashOf(topic, key), beginTimestamp, endTimestamp, wanted);
    const answered = answerLater(state, request.connection);
    const isTaken = state.keySearches.run(search, (error) => {
      answered(error === undefined ? found(state, search.offsets) : fail(ResponseCode.SYSTEM_ERROR, error.message));
    });
    return isTaken ? LATER : fail(ResponseCode.SYSTEM_BUSY, 'too many queries at a time: ask again later');
  }),

  on(requests.consumeMessageDirectly, (state, { consumerGroup, clientId, msgId }, request) => {
    const id = parseMessageId(msgId ?? '');
    const message = id === undefined ? undefined : messageAt(state, id.commitLogOffset);
    if (message === undefined) {
      const text = `no message with the id ${msgId} in this broker: the id that says where it is stored is needed (offsetMsgId)`;
      return fail(ResponseCode.SYSTEM_ERROR, text);
    }
    return handOn(state, request, consumerGroup, clientId, { brokerName: state.settings.brokerName }, message);
  }),
] as const;

/** The messages that a search of the index came upon. */
function found(state: BrokerState, offsets: readonly number[]): Answer {
  // How far the index goes is told only with a hit. Source: DefaultMessageStore.queryMessage.
  const index = offsets.length === 0 ? undefined : state.index;
  const ext = encodeHeader(requests.queryMessage.response, {
    indexLastUpdateTimestamp: index?.endTimestamp ?? 0,
    indexLastUpdatePhyoffset: index?.endPhysicalOffset ?? 0,
  });
  const body = messagesAt(state, offsets);
  if (body.length > 0) return { ...OK, ext, body };
  const notice = state.indexCatchUp.notice(state);
  const why = notice === undefined ? '' : `; ${notice}`;
  return { ...fail(ResponseCode.QUERY_NOT_FOUND, `can not find message, maybe time range not correct${why}`), ext };
}

/** The stored bytes of the message there; undefined when there is none. */
function messageAt(state: BrokerState, offset: number): Buffer | undefined {
  const found = findRecord(state, offset);
  return found === undefined ? undefined : Buffer.from(found.buffer.subarray(0, found.totalBytes));
}

/** In the order of the log, as many as fit an answer; those of deleted files are left out. */
function messagesAt(state: BrokerState, offsets: readonly number[]): Buffer {
  const found: Buffer[] = [];
  let bytes = 0;
  for (const offset of [...offsets].sort((a, b) => a - b)) {
    const message = messageAt(state, offset);
    if (message === undefined) continue;
    bytes += message.length;
    if (bytes > FOUND_BYTES_MAX && found.length > 0) break;
    found.push(message);
  }
  return Buffer.concat(found);
}
