/** The body of HEART_BEAT: which producer and consumer groups a client process holds, and what they subscribe to. */
import {
  bean,
  bool,
  defaulting,
  enumOf,
  int,
  list,
  optional,
  required,
  roundedLong,
  text,
  type ValueOf,
} from '../body-codec.js';

/** Source: ConsumeType.java. */
export const consumeType = enumOf(['CONSUME_ACTIVELY', 'CONSUME_PASSIVELY']);
/** Source: MessageModel.java. */
export const messageModel = enumOf(['BROADCASTING', 'CLUSTERING']);
/** In the order of ConsumeFromWhere.java, because C++ sends ordinals: 0, 4 and 5 are in use. */
export const consumeFromWhere = enumOf([
  'CONSUME_FROM_LAST_OFFSET',
  'CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST',
  'CONSUME_FROM_MIN_OFFSET',
  'CONSUME_FROM_MAX_OFFSET',
  'CONSUME_FROM_FIRST_OFFSET',
  'CONSUME_FROM_TIMESTAMP',
]);

/**
 * One subscription. C++ sends subVersion as text and leaves empty sets out; Go sends the hash codes as texts and
 * subVersion in nanoseconds.
 * Source: SubscriptionData.java.
 */
export const subscriptionData = bean({
  classFilterMode: defaulting(bool, () => false),
  codeSet: defaulting(list(int), () => []), // Java hash codes of the tags
  expressionType: defaulting(text, () => 'TAG'), // TAG or SQL92
  subString: defaulting(text, () => ''),
  subVersion: defaulting(roundedLong, () => 0), // ms since epoch, the subscriber's clock; only to be compared
  tagsSet: defaulting(list(text), () => []),
  topic: required(text),
});
export type SubscriptionData = ValueOf<typeof subscriptionData>;

/** Source: ProducerData.java. */
export const producerData = bean({ groupName: required(text) });
export type ProducerData = ValueOf<typeof producerData>;

/** Only the name is needed. Source: ConsumerData.java. */
export const consumerData = bean({
  consumeFromWhere: optional(consumeFromWhere),
  consumeType: optional(consumeType),
  groupName: required(text),
  messageModel: optional(messageModel),
  subscriptionDataSet: defaulting(list(subscriptionData), () => []),
  unitMode: defaulting(bool, () => false),
});
export type ConsumerData = ValueOf<typeof consumerData>;

/** The body of HEART_BEAT. Source: HeartbeatData.java. */
export const heartbeatData = bean({
  clientID: required(text),
  consumerDataSet: defaulting(list(consumerData), () => []),
  producerDataSet: defaulting(list(producerData), () => []),
});
export type HeartbeatData = ValueOf<typeof heartbeatData>;
