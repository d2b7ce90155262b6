/**
 * HOT. Puts one message into the commit log: encodes the record straight into the log's window, assigns its queue
 * offset, notes its consume queue entry and its index keys. Sends, batches and the broker's own messages end here.
 *
 *     putMessage     what is new: one with a delay level goes to the schedule topic first (CommitLog.asyncPutMessage)
 *     storeMessage   one record, where the message says
 *     encode         one record of several in a reservation (batches)
 */
import { DiskError } from '../../../base/disk.js';
import { diskErrorFacts } from '../../../base/disk-remedy.js';
import { bodyCrc } from '../../../message/crc.js';
import { IndexKeys } from '../../../message/index-keys.js';
import { indexTopicHash, tagsCode } from '../../../message/java-hash.js';
import { PROPERTY_SEPARATOR, type PropertyScan, Scanned } from '../../../message/properties.js';
import {
  PROPERTIES_BYTES_MAX,
  recordBytes,
  writePropertiesLength,
  writeRecordHead,
  writeTopicLength,
} from '../../../message/record.js';
import { entersConsumeQueue, entersIndex, SystemFlag } from '../../../message/system-flags.js';
import { NOT_RESERVED } from '../../../store/commit-log.js';
import { divertDelayed } from '../schedule/divert.js';
import type { BrokerState } from '../state.js';
import type { BrokerTopic } from '../tables/topic-table.js';

/** What is to be stored; one reused object per broker. Ranges are valid until the call returns. */
export class NewMessage {
  topic: BrokerTopic | undefined = undefined;
  queueId = 0;
  flag = 0;
  sysFlag = 0;
  bornTimestamp = 0.5;
  bornHost: Uint8Array = new Uint8Array(8);
  /** Of the record that this one is a copy of; undefined: the broker's own. Forgotten once it is stored. */
  storeHost: Uint8Array | undefined = undefined;
  reconsumeTimes = 0;
  preparedTransactionOffset = 0;
  body: Buffer = Buffer.alloc(0);
  bodyAt = 0;
  bodyBytes = 0;
  /** Stored form, complete; already scanned into `scan`. */
  properties: Buffer = Buffer.alloc(0);
  propertiesBytes = 0;

  // ---- where it went
  physicalOffset = 0.5;
  queueOffset = 0.5;
}

/** Size that the record of `message` will have. */
export function recordBytesOf(message: NewMessage): number {
  const sysFlag = message.sysFlag;
  return recordBytes(message.bodyBytes, message.topic!.bytes.length, message.propertiesBytes, sysFlag);
}

/** `illegal`: its properties or the whole record are too long. `failed`: see storeMessage. */
export type Put = 'stored' | 'illegal' | 'failed';

/**
 * Stores a new message: in its topic, or in the schedule topic when it has a delay level (then `message` says where, and
 * `scan` has scanned its new properties). What storeMessage requires of its properties and flags holds here, too.
 */
export function putMessage(state: BrokerState, message: NewMessage, scan: PropertyScan): Put {
  if (scan.has(Scanned.DELAY)) divertDelayed(state, message, scan);
  const isTooLong = message.propertiesBytes > PROPERTIES_BYTES_MAX;
  const bytes = recordBytesOf(message);
  if (isTooLong || bytes > state.log.maxReserveBytes) {
    message.storeHost = undefined;
    return 'illegal';
  }
  if (!storeMessage(state, message, scan)) return 'failed';
  state.counters.stored(message.topic!, 1, bytes);
  return 'stored';
}

/**
 * Stores it; false when the log has failed (state.log.failure says why). The record must fit (settings.maxMessageSize
 * was checked), its sysFlag must say how long its hosts are (withHosts) and `scan` must hold its properties.
 */
export function storeMessage(state: BrokerState, message: NewMessage, scan: PropertyScan): boolean {
  const { log } = state;
  const totalBytes = recordBytesOf(message);
  const at = log.reserve(totalBytes);
  if (at !== NOT_RESERVED) {
    encode(state, message, scan, at, totalBytes);
    log.commit(totalBytes);
  }
  message.storeHost = undefined;
  return at !== NOT_RESERVED;
}

/** Encodes the record at `at` of the log's window; its physical offset is `log.endOffset + ahead`. */
export function encode(
  state: BrokerState,
  message: NewMessage,
  scan: PropertyScan,
  at: number,
  totalBytes: number,
  ahead = 0,
): void {
  const { log } = state;
  const topic = message.topic!;
  const queue = topic.queue(message.queueId);
  const physicalOffset = log.endOffset + ahead;
  const storeTimestamp = state.storeTimestamp();
  const takesOffset = entersConsumeQueue(message.sysFlag);
  const queueOffset = takesOffset ? queue.nextOffset : 0;
  const { body, bodyAt, bodyBytes, properties, propertiesBytes } = message;
  const buffer = log.buffer;
  const view = log.view;
  let next = writeRecordHead(
    view,
    buffer,
    at,
    totalBytes,
    bodyBytes === 0 ? 0 : bodyCrc(body, bodyAt, bodyBytes),
    message.queueId,
    message.flag,
    queueOffset,
    physicalOffset,
    message.sysFlag,
    message.bornTimestamp,
    message.bornHost,
    storeTimestamp,
    message.storeHost ?? state.storeHost,
    message.reconsumeTimes,
    message.preparedTransactionOffset,
    bodyBytes,
  );
  body.copy(buffer, next, bodyAt, bodyAt + bodyBytes);
  next = writeTopicLength(view, next + bodyBytes, topic.bytes.length);
  buffer.set(topic.bytes, next);
  next = writePropertiesLength(view, next + topic.bytes.length, propertiesBytes);
  for (let i = 0; i < propertiesBytes; i++) buffer[next + i] = properties[i]!;

  message.physicalOffset = physicalOffset;
  message.queueOffset = queueOffset;
  if (takesOffset) {
    queue.nextOffset = queueOffset + 1;
    queue.physicalEnd = physicalOffset + totalBytes;
    queue.lastStoreTimestamp = storeTimestamp;
    const code = topic.isSchedule
      ? state.schedule.stored(message.queueId, queueOffset, storeTimestamp)
      : scan.has(Scanned.TAGS)
        ? tagsCode(properties, scan.at(Scanned.TAGS), scan.length(Scanned.TAGS))
        : 0;
    state.dispatcher.add(queue, queueOffset, physicalOffset, totalBytes, code, storeTimestamp);
  }
  if (entersIndex(message.sysFlag)) putKeys(state, topic, properties, scan, physicalOffset, storeTimestamp);
}

const keys = new IndexKeys();

/** UNIQ_KEY and each word of KEYS go into the index, unless older ones have to go in before. `properties` has scanned `bytes`. */
export function putKeys(
  state: BrokerState,
  topic: BrokerTopic,
  bytes: Uint8Array,
  properties: PropertyScan,
  physicalOffset: number,
  storeTimestamp: number,
): void {
  const { index, indexCatchUp } = state;
  if (index === undefined || indexCatchUp.isBehind) return;
  if (!(properties.has(Scanned.UNIQUE_KEY) || properties.has(Scanned.KEYS))) return;
  if (topic.indexHash === 0) topic.indexHash = indexTopicHash(topic.bytes, 0, topic.bytes.length);
  keys.openHashed(topic.indexHash, bytes, properties);
  let keysPut = 0;
  try {
    for (; keys.next(); keysPut++) index.put(keys.hash, physicalOffset, storeTimestamp);
  } catch (error) {
    // The message is stored and will be delivered; only queries by its key miss it for a while.
    if (!(error instanceof DiskError)) throw error;
    state.faults.failed('index', diskErrorFacts(error));
    indexCatchUp.fallBehind(state, physicalOffset, keysPut);
  }
}

/** Makes `state.message` a message of the broker's own, but for its properties. */
export function ownMessage(state: BrokerState, topic: BrokerTopic, queueId: number, body: Buffer): void {
  const { message, context, storeHost } = state;
  message.topic = topic;
  message.queueId = queueId;
  message.flag = 0;
  message.sysFlag = withHosts(0, storeHost, storeHost);
  message.bornTimestamp = context.clock.now();
  message.bornHost = storeHost;
  message.reconsumeTimes = 0;
  message.preparedTransactionOffset = 0;
  message.body = body;
  message.bodyAt = 0;
  message.bodyBytes = body.length;
}

/** The flag with the bits that say how long the two hosts are. */
export function withHosts(sysFlag: number, bornHost: Uint8Array, storeHost: Uint8Array): number {
  const cleared = sysFlag & ~(SystemFlag.BORN_HOST_V6 | SystemFlag.STORE_HOST_V6);
  const born = bornHost.length === 8 ? 0 : SystemFlag.BORN_HOST_V6;
  return cleared | born | (storeHost.length === 8 ? 0 : SystemFlag.STORE_HOST_V6);
}

/**
 * Copies property bytes to `target[at..]` without the item in [skipFrom, skipTo) (WAIT is not stored) and returns the
 * position behind them.
 */
export function copyProperties(
  source: Uint8Array,
  start: number,
  length: number,
  skipFrom: number,
  skipTo: number,
  target: Uint8Array,
  at: number,
): number {
  let next = at;
  const end = start + length;
  for (let i = start; i < end; i++) {
    if (i === skipFrom) i = skipTo;
    if (i < end) target[next++] = source[i]!;
  }
  // No separator at the end, whichever item was taken out.
  while (next > at && target[next - 1] === PROPERTY_SEPARATOR) next--;
  return next;
}
