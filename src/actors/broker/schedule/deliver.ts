/**
 * HOT. One delayed message whose time has come: a copy of its record goes to the topic and queue that REAL_TOPIC and
 * REAL_QID name, with everything but queue, times and offsets as it was. The stored properties keep DELAY, REAL_TOPIC and
 * REAL_QID. A topic that was deleted meanwhile gets its message all the same; it can be read when the topic is back.
 * Source: ScheduleMessageService.messageTimeup, DeliverDelayedMessageTimerTask.executeOnTimeup.
 */
import { bytesEqual, parseDecimal } from '../../../message/bytes.js';
import { PropertyScan, Scanned } from '../../../message/properties.js';
import { copyWithout } from '../../../message/property-edit.js';
import { PROPERTIES_BYTES_MAX, TOPIC_BYTES_MAX } from '../../../message/record.js';
import { SystemTopic } from '../../../message/topics.js';
import { fnv1a } from '../../../remoting/request-scan.js';
import { QUEUES_PER_TOPIC_MAX } from '../tables/create-topic.js';
import { messageOf, type RecordAt, readRecord } from '../lookups/record-at.js';
import type { BrokerState } from '../state.js';
import { writeRefusal } from '../store/store-health.js';
import { recordBytesOf, storeMessage } from '../sends/store-message.js';
import type { BrokerTopic } from '../tables/topic-table.js';

/** `skipped`: it can never be delivered. `failed`: the log takes nothing now. */
export type Delivery = 'delivered' | 'skipped' | 'failed';

const HALF_TOPIC = Buffer.from(SystemTopic.TRANSACTION_HALF);
const NOTHING: readonly Uint8Array[] = [];
const stored = Buffer.alloc(PROPERTIES_BYTES_MAX);
const scan = new PropertyScan();

/** Delivers the message that an entry of the schedule topic points to. Throws DiskError when it cannot be read. */
export function deliver(state: BrokerState, physicalOffset: number, sizeBytes: number): Delivery {
  const { message, log } = state;
  if (writeRefusal(state) !== undefined) return 'failed';
  const record = readRecord(state, physicalOffset, sizeBytes);
  const topic = record === undefined ? undefined : realTopic(state, record);
  if (record === undefined || topic === undefined) return 'skipped';
  const queueIdAt = record.properties.at(Scanned.REAL_QUEUE_ID);
  const queueId = parseDecimal(record.buffer, queueIdAt, record.properties.length(Scanned.REAL_QUEUE_ID));
  if (!(queueId >= 0 && queueId < QUEUES_PER_TOPIC_MAX)) return 'skipped';
  messageOf(record, message);
  message.topic = topic;
  message.queueId = queueId;
  message.properties = stored;
  message.propertiesBytes = copyWithout(record.buffer, record.propertiesAt, record.propertiesBytes, NOTHING, stored, 0);
  scan.scan(stored, 0, message.propertiesBytes);
  const bytes = recordBytesOf(message);
  if (bytes > log.maxReserveBytes) {
    message.storeHost = undefined;
    return 'skipped';
  }
  if (!storeMessage(state, message, scan)) return 'failed';
  state.counters.stored(topic, 1, bytes);
  return 'delivered';
}

/** Where the message goes; undefined when its record does not say it, or says what no delayed message may. */
function realTopic(state: BrokerState, record: RecordAt): BrokerTopic | undefined {
  const { buffer, properties } = record;
  const at = properties.at(Scanned.REAL_TOPIC);
  const bytes = properties.length(Scanned.REAL_TOPIC);
  if (at < 0 || bytes > TOPIC_BYTES_MAX || bytesEqual(buffer, at, bytes, HALF_TOPIC)) return undefined;
  const known = state.topics.find(buffer, at, bytes, fnv1a(buffer, at, at + bytes));
  const topic = known ?? state.topics.ensure(buffer.toString('utf8', at, at + bytes));
  // One that waits again would wait for ever.
  return topic.isSchedule ? undefined : topic;
}
