/**
 * A message with a delay level is first stored in SCHEDULE_TOPIC_XXXX: queue = level - 1, the properties REAL_TOPIC and
 * REAL_QID say where it goes when its time has come, and DELAY stays with it. A level above the highest is the highest.
 * Source: CommitLog.asyncPutMessage.
 */
import { parseDecimal } from '../../../message/bytes.js';
import { PropertyName, type PropertyScan, Scanned } from '../../../message/properties.js';
import { appendProperty, copyWithout } from '../../../message/property-edit.js';
import { PROPERTIES_BYTES_MAX } from '../../../message/record.js';
import { entersConsumeQueue } from '../../../message/system-flags.js';
import { SystemTopic } from '../../../message/topics.js';
import type { BrokerState } from '../state.js';
import type { NewMessage } from '../sends/store-message.js';

export const DELAY = Buffer.from(PropertyName.DELAY);
const REAL_TOPIC = Buffer.from(PropertyName.REAL_TOPIC);
const REAL_QUEUE_ID = Buffer.from(PropertyName.REAL_QUEUE_ID);
const DROPPED = [REAL_TOPIC, REAL_QUEUE_ID];
const DROPPED_WITH_LEVEL = [...DROPPED, DELAY];

/** What is added is a topic name and two numbers. */
const ADDED_BYTES_MAX = 512;
const diverted = Buffer.alloc(PROPERTIES_BYTES_MAX + ADDED_BYTES_MAX);

/** Level that the properties in `bytes` ask for: 0 none, NaN when DELAY is no number. `scan` has scanned them. */
export function delayLevelOf(bytes: Uint8Array, scan: PropertyScan): number {
  return scan.has(Scanned.DELAY) ? parseDecimal(bytes, scan.at(Scanned.DELAY), scan.length(Scanned.DELAY)) : 0;
}

/**
 * Turns a message with a delay level into the one that waits; the others stay what they are, as do the two kinds that no
 * consumer gets (prepared, rolled back). Its properties may be too long then: the caller looks.
 */
export function divertDelayed(state: BrokerState, message: NewMessage, scan: PropertyScan): void {
  const wanted = delayLevelOf(message.properties, scan);
  if (!(wanted > 0) || !entersConsumeQueue(message.sysFlag) || message.propertiesBytes > PROPERTIES_BYTES_MAX) return;
  const level = Math.min(wanted, state.schedule.maxLevel);
  const dropped = level === wanted ? DROPPED : DROPPED_WITH_LEVEL;
  let end = copyWithout(message.properties, 0, message.propertiesBytes, dropped, diverted, 0);
  if (level !== wanted) end = appendProperty(diverted, 0, end, DELAY, Buffer.from(String(level)));
  end = appendProperty(diverted, 0, end, REAL_TOPIC, message.topic!.bytes);
  end = appendProperty(diverted, 0, end, REAL_QUEUE_ID, Buffer.from(String(message.queueId)));
  message.properties = diverted;
  message.propertiesBytes = end;
  message.topic = state.topics.ensure(SystemTopic.SCHEDULE);
  message.queueId = level - 1;
  scan.scan(diverted, 0, end);
}
