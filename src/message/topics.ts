/** Names of topics and groups: what the system uses and what users may choose. Source: TopicValidator, MixAll (4.9.7). */

export const SystemTopic = {
  /** The template that new topics are created from. */
  AUTO_CREATE: 'TBW102',
  SCHEDULE: 'SCHEDULE_TOPIC_XXXX',
  BENCHMARK: 'BenchmarkTest',
  TRANSACTION_HALF: 'RMQ_SYS_TRANS_HALF_TOPIC',
  TRANSACTION_OP: 'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  TRANSACTION_GIVEN_UP: 'TRANS_CHECK_MAX_TIME_TOPIC',
  TRACE: 'RMQ_SYS_TRACE_TOPIC',
  SELF_TEST: 'SELF_TEST_TOPIC',
  OFFSET_MOVED_EVENT: 'OFFSET_MOVED_EVENT',
} as const;

const SYSTEM_TOPICS: ReadonlySet<string> = new Set(Object.values(SystemTopic));
const SYSTEM_TOPIC_PREFIX = 'rmq_sys_';
/** Topics that clients may not send to. */
const BROKER_ONLY_TOPICS: ReadonlySet<string> = new Set([
  SystemTopic.SCHEDULE,
  SystemTopic.TRANSACTION_HALF,
  SystemTopic.TRANSACTION_OP,
  SystemTopic.TRANSACTION_GIVEN_UP,
  SystemTopic.SELF_TEST,
  SystemTopic.OFFSET_MOVED_EVENT,
]);

export const RETRY_PREFIX = '%RETRY%';
export const DEAD_LETTER_PREFIX = '%DLQ%';
/** Groups of the broker's own, exempt from the user's settings (CID_RMQ_SYS_TRANS and the like). */
export const SYSTEM_GROUP_PREFIX = 'CID_RMQ_SYS_';
export const TOPIC_NAME_CHARS_MAX = 127;
export const GROUP_NAME_CHARS_MAX = 255;

export function isSystemTopic(topic: string): boolean {
  return SYSTEM_TOPICS.has(topic) || topic.startsWith(SYSTEM_TOPIC_PREFIX);
}

export function isBrokerOnlyTopic(topic: string): boolean {
  return BROKER_ONLY_TOPICS.has(topic);
}

export function isSystemGroup(group: string): boolean {
  return group.startsWith(SYSTEM_GROUP_PREFIX);
}

export function retryTopic(group: string): string {
  return RETRY_PREFIX + group;
}

export function deadLetterTopic(group: string): string {
  return DEAD_LETTER_PREFIX + group;
}

export function isRetryTopic(topic: string): boolean {
  return topic.startsWith(RETRY_PREFIX);
}

export function isDeadLetterTopic(topic: string): boolean {
  return topic.startsWith(DEAD_LETTER_PREFIX);
}

/** Name of the topic that answers of request-reply clients go through. */
export function replyTopic(clusterName: string): string {
  return `${clusterName}_REPLY_TOPIC`;
}

const NAME = /^[%|a-zA-Z0-9_-]+$/;

/** What is wrong with a topic name, in Apache's words (clients and tools print them); undefined when nothing is. */
export function topicNameProblem(topic: string): string | undefined {
  if (topic.trim() === '') return 'The specified topic is blank.';
  if (!NAME.test(topic)) return 'The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$';
  if (topic.length > TOPIC_NAME_CHARS_MAX) return 'The specified topic is longer than topic max length.';
  return undefined;
}

/** What is wrong with a group name; undefined when nothing is. */
export function groupNameProblem(group: string): string | undefined {
  if (group.trim() === '') return 'The specified group is blank.';
  if (!NAME.test(group)) return 'The specified group contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$';
  if (group.length > GROUP_NAME_CHARS_MAX) return 'The specified group is longer than group max length 255.';
  return undefined;
}
