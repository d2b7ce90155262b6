/**
 * Topics come and go: created by a send or a heartbeat, by tools, at start. Every change ends in the same four places:
 * the file, the name servers, the queue hosts, the data version.
 * Source: TopicConfigManager.java.
 */
import { isBrokerOnlyTopic, isRetryTopic, replyTopic, SystemTopic, topicNameProblem } from '../../../message/topics.js';
import { firstVersion, nextVersion } from './data-version.js';
import { dropQueuesOf } from '../store/drop-queues.js';
import { pushTopic, pushTopicDeleted } from './replica.js';
import type { BrokerState } from '../state.js';
import { type BrokerTopic, Perm, type TopicConfig } from './topic-table.js';

/** Beyond this no topic is made: their table must fit into one frame (GET_ALL_TOPIC_CONFIG, registration). */
export const TOPICS_MAX = 50_000;
/** Of one topic: GET_TOPIC_STATS_INFO names every queue in one frame. */
export const QUEUES_PER_TOPIC_MAX = 65_536;

/** Source: TopicSysFlag.java. */
export const TopicFlag = { UNIT: 1, UNIT_SUBSCRIPTION: 2 } as const;

const READ_WRITE = Perm.READ | Perm.WRITE;
const SCHEDULE_QUEUES = 18;
const BENCHMARK_QUEUES = 1024;
const DEFAULT_QUEUES = 16;

function topicConfig(topicName: string, queueNums: number, perm: number = READ_WRITE, topicSysFlag = 0): TopicConfig {
  return {
    order: false,
    perm,
    readQueueNums: queueNums,
    topicFilterType: 'SINGLE_TAG',
    topicName,
    topicSysFlag,
    writeQueueNums: queueNums,
  };
}

/**
 * The topic that a send asks for, made from the template that its producer names (TBW102 as a rule); `isUnit`: that
 * producer is in unit mode. A retry topic needs no template. Undefined when nothing allows to create it (clients make no
 * topics of the broker's own), or when there are too many topics.
 */
export function createTopicOnSend(
  state: BrokerState,
  name: string,
  template: string,
  queueNums: number,
  isUnit: boolean,
): BrokerTopic | undefined {
  const known = state.topics.get(name);
  if (known?.config !== undefined) return known;
  if (topicNameProblem(name) !== undefined || isBrokerOnlyTopic(name)) return undefined;
  const flag = !isUnit ? 0 : isRetryTopic(name) ? TopicFlag.UNIT_SUBSCRIPTION : TopicFlag.UNIT;
  const parent = inheritable(state, template);
  if (parent !== undefined) {
    const count = Math.max(0, Math.min(queueNums, parent.writeQueueNums));
    const config = topicConfig(name, count, parent.perm & ~Perm.INHERIT, flag);
    return create(state, { ...config, topicFilterType: parent.topicFilterType });
  }
  return isRetryTopic(name) ? create(state, topicConfig(name, 1, READ_WRITE, flag)) : undefined;
}

/** The topic of that name, made with these queues and permissions when there is none (%RETRY%, %DLQ%). */
export function ensureTopic(
  state: BrokerState,
  name: string,
  queueNums: number,
  perm: number = READ_WRITE,
  topicSysFlag = 0,
): BrokerTopic | undefined {
  const known = state.topics.get(name);
  if (known?.config !== undefined) return known;
  return topicNameProblem(name) === undefined
    ? create(state, topicConfig(name, Math.min(queueNums, QUEUES_PER_TOPIC_MAX), perm, topicSysFlag))
    : undefined;
}

function inheritable(state: BrokerState, template: string): TopicConfig | undefined {
  const config = state.topics.get(template)?.config;
  if (config === undefined || (config.perm & Perm.INHERIT) === 0) return undefined;
  if (template !== SystemTopic.AUTO_CREATE || state.settings.autoCreateTopicEnable) return config;
  // A TBW102 of earlier days, when autoCreateTopicEnable was true: it is no template any more.
  saveTopic(state, { ...config, perm: READ_WRITE });
  return undefined;
}

function create(state: BrokerState, config: TopicConfig): BrokerTopic | undefined {
  const refusal = topicsRefusal(state, config.topicName);
  if (refusal === undefined) return saveTopic(state, config);
  state.context.log.warn('topic not created', { topic: config.topicName, because: refusal });
  return undefined;
}

/** Why a topic of that name cannot be added; undefined when it can, or is there. */
export function topicsRefusal({ topics }: BrokerState, name: string): string | undefined {
  if (topics.size < TOPICS_MAX || topics.get(name) !== undefined) return undefined;
  return `the broker has ${TOPICS_MAX} topics and takes no more: delete unused ones`;
}

/** Takes the configuration over as a whole; file, name servers and queue hosts follow. */
export function saveTopic(state: BrokerState, config: TopicConfig): BrokerTopic {
  const { context, topics } = state;
  const topic = topics.ensure(config.topicName);
  const isNew = topic.config === undefined;
  topic.config = config;
  topicsChanged(state);
  pushTopic(state, topic);
  const { topicName, readQueueNums, writeQueueNums, perm } = config;
  context.log.info(isNew ? 'topic created' : 'topic changed', {
    topic: topicName,
    readQueueNums,
    writeQueueNums,
    perm,
  });
  return topic;
}

/** Forgets the topic, its messages (their queues; the commit log keeps them until it is cleaned) and its offsets. */
export function deleteTopic(state: BrokerState, name: string): void {
  const topic = state.topics.delete(name);
  if (topic === undefined) return;
  dropQueuesOf(state, topic);
  state.offsets.removeTopic(name);
  if (state.settings.autoDeleteUnusedStats) {
    state.items.topicDeleted(name);
    topic.counters = undefined;
  }
  topicsChanged(state);
  pushTopicDeleted(state, name);
  state.context.log.info('topic deleted', { topic: name });
}

/** The table is another one now. */
export function topicsChanged(state: BrokerState): void {
  state.topics.version = nextVersion(state.topics.version, state.context.clock.now());
  state.files.topicsChanged();
  state.registration.topicsChanged();
}

/**
 * Topics that every broker has: eight on a fresh one, as with Apache's 4.9.7 (asked of one), whose transaction topics
 * come on demand. What topics.json says of them wins. Called after the files were read; makes no new data version.
 */
export function startTopics(state: BrokerState): void {
  const { topics, settings, context } = state;
  if (topics.version.timestamp === 0) topics.version = firstVersion(context.clock.now());
  for (const config of systemTopics(settings)) {
    const topic = topics.ensure(config.topicName);
    topic.config ??= config;
  }
}

function systemTopics(settings: BrokerState['settings']): TopicConfig[] {
  const { brokerClusterName, brokerName, defaultTopicQueueNums } = settings;
  const named = (isEnabled: boolean): number => Perm.INHERIT | (isEnabled ? READ_WRITE : 0);
  return [
    topicConfig(SystemTopic.SELF_TEST, 1),
    ...(settings.autoCreateTopicEnable
      ? [topicConfig(SystemTopic.AUTO_CREATE, defaultTopicQueueNums, Perm.INHERIT | READ_WRITE)]
      : []),
    topicConfig(SystemTopic.BENCHMARK, BENCHMARK_QUEUES),
    topicConfig(brokerClusterName, DEFAULT_QUEUES, named(settings.clusterTopicEnable)),
    topicConfig(brokerName, 1, named(settings.brokerTopicEnable)),
    topicConfig(SystemTopic.OFFSET_MOVED_EVENT, 1),
    topicConfig(SystemTopic.SCHEDULE, SCHEDULE_QUEUES),
    ...(settings.traceTopicEnable ? [topicConfig(settings.msgTraceTopicName, 1)] : []),
    topicConfig(replyTopic(brokerClusterName), 1),
  ];
}

/** Names that tools may neither create nor delete: fixed ones, and those that this broker's settings make. */
export function systemTopicNames(settings: BrokerState['settings']): Set<string> {
  const names = new Set<string>(Object.values(SystemTopic));
  for (const { topicName } of systemTopics(settings)) names.add(topicName);
  return names;
}
