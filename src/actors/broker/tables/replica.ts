/**
 * What the queue hosts are told of the broker's tables: the part that pulls look at. Every change is pushed; nothing is
 * asked for.
 */
import { type BrokerReplica, type GroupReplica, queueMessages } from '../../queue/messages.js';
import type { BrokerState } from '../state.js';
import type { BrokerTopic } from './topic-table.js';

/** The whole replica: at start. */
export function pushAll(state: BrokerState): void {
  pushBroker(state);
  for (const topic of state.topics.all()) pushTopic(state, topic);
  const names = new Set(state.clients.consumers.keys());
  for (const { groupName } of state.groups.all()) names.add(groupName);
  for (const name of names) pushGroup(state, name);
}

/** The broker's own settings that pulls look at. */
export function pushBroker(state: BrokerState): void {
  const { settings } = state;
  const value: BrokerReplica = {
    brokerPermission: settings.brokerPermission,
    longPollingEnable: settings.longPollingEnable,
    shortPollingTimeMills: settings.shortPollingTimeMills,
    slaveReadEnable: settings.slaveReadEnable,
    accessMessageInMemoryMaxRatio: settings.accessMessageInMemoryMaxRatio,
    maxTransferBytesOnMessageInMemory: settings.maxTransferBytesOnMessageInMemory,
    maxTransferCountOnMessageInMemory: settings.maxTransferCountOnMessageInMemory,
    maxTransferBytesOnMessageInDisk: settings.maxTransferBytesOnMessageInDisk,
    maxTransferCountOnMessageInDisk: settings.maxTransferCountOnMessageInDisk,
    offsetCheckInSlave: settings.offsetCheckInSlave,
    enablePropertyFilter: settings.enablePropertyFilter,
    filterSupportRetry: settings.filterSupportRetry,
    brokerFastFailureEnable: settings.brokerFastFailureEnable,
    waitTimeMillsInSendQueue: settings.waitTimeMillsInSendQueue,
    waitTimeMillsInPullQueue: settings.waitTimeMillsInPullQueue,
    waitTimeMillsInHeartbeatQueue: settings.waitTimeMillsInHeartbeatQueue,
    waitTimeMillsInTransactionQueue: settings.waitTimeMillsInTransactionQueue,
    osPageCacheBusyTimeOutMills: settings.osPageCacheBusyTimeOutMills,
  };
  for (const host of state.options.queueHosts) state.context.send(host, queueMessages.broker, { value });
}

export function pushTopic(state: BrokerState, topic: BrokerTopic): void {
  if (topic.config === undefined) return;
  const { readQueueNums, perm } = topic.config;
  const value = { topic: topic.name, readQueueNums, perm };
  for (const host of state.options.queueHosts) state.context.send(host, queueMessages.topic, { value });
}

/** The hosts close the topic's queues and remove their files. */
export function pushTopicDeleted(state: BrokerState, topic: string): void {
  const value = { topic, end: state.log.endOffset };
  for (const host of state.options.queueHosts) state.context.send(host, queueMessages.topicDeleted, { value });
}

/** Settings and subscriptions of a group; a group that has neither (any more) is forgotten. */
export function pushGroup(state: BrokerState, group: string): void {
  const value = groupReplica(state, group);
  for (const host of state.options.queueHosts) state.context.send(host, queueMessages.group, { value });
}

function groupReplica(state: BrokerState, group: string): GroupReplica {
  const config = state.groups.get(group);
  const consumers = state.clients.consumers.get(group);
  return {
    group,
    settings: config && {
      consumeEnable: config.consumeEnable,
      consumeBroadcastEnable: config.consumeBroadcastEnable,
      brokerId: config.brokerId,
      whichBrokerWhenConsumeSlowly: config.whichBrokerWhenConsumeSlowly,
    },
    consumers: consumers && {
      messageModel: consumers.facts.messageModel ?? 'CLUSTERING',
      subscriptions: [...consumers.subscriptions.values()].map((one) => ({
        topic: one.topic,
        subString: one.subString,
        subVersion: one.subVersion,
        expressionType: one.expressionType,
        codeSet: one.codeSet,
        classFilterMode: one.classFilterMode,
      })),
    },
    filters: [...state.filters.ofGroup(group)].map(({ topic, expressionType, expression, clientVersion }) => ({
      topic,
      expressionType,
      expression,
      clientVersion,
    })),
  };
}
