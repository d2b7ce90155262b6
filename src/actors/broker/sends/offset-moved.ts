/**
 * The message that says that a consumer asked for an offset outside its queue, and where it was sent instead: one in
 * OFFSET_MOVED_EVENT per such pull. Source: PullMessageProcessor.generateOffsetMovedEvent, OffsetMovedEvent.java.
 */
import { formatProperties, PropertyName } from '../../../message/properties.js';
import { SystemTopic } from '../../../message/topics.js';
import { bean, encodeBody, long, required, text } from '../../../remoting/body-codec.js';
import { messageQueue } from '../../../remoting/bodies/message-queue.js';
import type { OffsetMoved } from '../messages.js';
import type { BrokerState } from '../state.js';
import { writeRefusal } from '../store/store-health.js';
import { ownMessage, putMessage } from './store-message.js';

const offsetMovedEvent = bean({
  consumerGroup: required(text),
  messageQueue: required(messageQueue),
  offsetNew: required(long),
  offsetRequest: required(long),
});

/** Stores the event; one that cannot be stored (slave, full disk, absurd group name) is counted as a failed put. */
export function writeOffsetMovedEvent(state: BrokerState, event: OffsetMoved): void {
  const { group, topic, queueId, requestedOffset, newOffset } = event;
  const { settings, counters, message, properties, context } = state;
  context.log.debug('offset moved', { group, topic, queueId, requestedOffset, newOffset });
  if (state.isSlave) return;
  const body = encodeBody(offsetMovedEvent, {
    consumerGroup: group,
    messageQueue: { brokerName: settings.brokerName, queueId, topic },
    offsetNew: newOffset,
    offsetRequest: requestedOffset,
  });
  const stored = Buffer.from(
    formatProperties([
      [PropertyName.TAGS, group],
      [PropertyName.DELAY, '0'],
      [PropertyName.KEYS, group],
    ]),
  );
  const eventTopic = state.topics.get(SystemTopic.OFFSET_MOVED_EVENT);
  if (eventTopic === undefined || writeRefusal(state) !== undefined) {
    counters.failedPuts++;
    return;
  }
  ownMessage(state, eventTopic, 0, body);
  message.properties = stored;
  message.propertiesBytes = stored.length;
  properties.scan(stored, 0, stored.length);
  if (putMessage(state, message, properties) !== 'stored') counters.failedPuts++;
}
