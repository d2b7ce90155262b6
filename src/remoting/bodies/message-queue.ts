import { bean, int, required, text, type ValueOf } from '../body-codec.js';

/** One queue of a topic, as it is named in bodies: often as the key of a map. Source: MessageQueue.java. */
export const messageQueue = bean({
  brokerName: required(text),
  queueId: required(int),
  topic: required(text),
});
export type MessageQueue = ValueOf<typeof messageQueue>;
