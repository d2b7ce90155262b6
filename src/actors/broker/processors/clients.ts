/** Clients come, stay and go. Source: ClientManageProcessor.java, ConsumerManageProcessor.java. */
import { FILTER_CHARS_MAX, isTagType, NoFilter, readFilter } from '../../../filter/subscription.js';
import { GROUP_NAME_CHARS_MAX, groupNameProblem, retryTopic } from '../../../message/topics.js';
import { checkClientRequest, consumerIdList } from '../../../remoting/bodies/clients.js';
import { type ConsumerData, type HeartbeatData, heartbeatData } from '../../../remoting/bodies/heartbeat.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { memberLeft, notifyMembers } from '../peers/client-events.js';
import { type Channel, GROUPS_MAX, HEARTBEAT_BYTES_MAX, SUBSCRIPTIONS_PER_GROUP_MAX } from '../peers/clients.js';
import { ensureTopic, TopicFlag } from '../tables/create-topic.js';
import { findOrCreateGroup } from '../tables/groups.js';
import { pushGroup } from '../tables/replica.js';
import type { BrokerState } from '../state.js';
import { Perm } from '../tables/topic-table.js';
import { fail, OK, okBody, on, onBody, peer, type Request } from './answer.js';

/** Groups that one client process may be in. */
export const GROUPS_PER_CLIENT_MAX = 4_096;
/** Of the filters that one client brings along: reading them takes the broker's thread some milliseconds for every KiB. */
const HEARTBEAT_FILTER_CHARS_MAX = 2 * FILTER_CHARS_MAX;

export const clientProcessors = [
  onBody(requests.heartBeat, heartbeatData, (state, data, request) => {
    const refusal = heartbeatRefusal(state, data);
    if (refusal !== undefined) return fail(ResponseCode.SYSTEM_ERROR, refusal);
    if (!state.clients.hasRoom(request.connection.id, request.body.length)) {
      const text = `the heartbeats of all clients have ${HEARTBEAT_BYTES_MAX} bytes, and no more are kept: use fewer groups, subscriptions or clients`;
      return fail(ResponseCode.SYSTEM_ERROR, text);
    }
    const channel = channelOf(state, data.clientID, request);
    for (const consumer of data.consumerDataSet) onConsumer(state, consumer, channel, request);
    for (const { groupName } of data.producerDataSet) state.clients.registerProducer(groupName, { ...channel });
    return OK;
  }),

  on(requests.unregisterClient, (state, { producerGroup, consumerGroup }, { connection }) => {
    const { clients } = state;
    if (producerGroup !== undefined) clients.unregisterProducer(producerGroup, connection.id);
    if (consumerGroup !== undefined) {
      findOrCreateGroup(state, consumerGroup);
      if (clients.unregisterConsumer(consumerGroup, connection.id)) memberLeft(state, consumerGroup);
    }
    return OK;
  }),

  on(requests.getConsumerListByGroup, ({ clients }, { consumerGroup }) => {
    const ids = clients.consumers.get(consumerGroup)?.clientIds() ?? [];
    return ids.length > 0
      ? okBody(consumerIdList, { consumerIdList: ids })
      : fail(ResponseCode.SYSTEM_ERROR, `no consumer for this group, ${consumerGroup}`);
  }),

  onBody(requests.checkClientConfig, checkClientRequest, ({ settings }, { subscriptionData }) => {
    if (subscriptionData === undefined) return OK;
    const { expressionType, subString } = subscriptionData;
    if (isTagType(expressionType)) return OK;
    if (!settings.enablePropertyFilter) {
      const text = `The broker does not support consumer to filter message by ${expressionType}`;
      return fail(ResponseCode.SYSTEM_ERROR, text);
    }
    const filter = readFilter(expressionType, subString);
    return filter instanceof NoFilter ? fail(ResponseCode.SUBSCRIPTION_PARSE_FAILED, filter.reason) : OK;
  }),
] as const;

function channelOf(state: BrokerState, clientId: string, { connection }: Request): Channel {
  const { language, version } = state.scan;
  return { connection: connection.id, clientId, language, version, lastSeenMs: state.context.clock.monotonic() };
}

function onConsumer(state: BrokerState, data: ConsumerData, channel: Channel, { connection }: Request): void {
  const { clients, context } = state;
  const { groupName, consumeType, messageModel, consumeFromWhere, subscriptionDataSet, unitMode } = data;
  const settings = findOrCreateGroup(state, groupName);
  // A slave gets the topic from its master.
  if (settings !== undefined && !state.isSlave) {
    const flag = unitMode === true ? TopicFlag.UNIT_SUBSCRIPTION : 0;
    ensureTopic(state, retryTopic(groupName), settings.retryQueueNums, Perm.READ | Perm.WRITE, flag);
  }
  const facts = { consumeType, messageModel, consumeFromWhere };
  const change = clients.registerConsumer(groupName, { ...channel }, facts, subscriptionDataSet);
  const filtersChanged = state.filters.register(groupName, subscriptionDataSet, context.clock.now());
  if (change.subscriptionsChanged || filtersChanged) pushGroup(state, groupName);
  if (!change.membersChanged) return;
  context.log.info('consumer registered', { group: groupName, clientId: channel.clientId, client: peer(connection) });
  notifyMembers(state, clients.consumers.get(groupName));
}

/** Why a heartbeat is refused as a whole; undefined when it fits. */
function heartbeatRefusal({ clients }: BrokerState, data: HeartbeatData): string | undefined {
  const { consumerDataSet, producerDataSet } = data;
  if (consumerDataSet.length + producerDataSet.length > GROUPS_PER_CLIENT_MAX) {
    return `a client may be in ${GROUPS_PER_CLIENT_MAX} groups, this one is in ${consumerDataSet.length + producerDataSet.length}`;
  }
  let added = 0;
  let filterChars = 0;
  for (const { groupName, subscriptionDataSet } of consumerDataSet) {
    const problem = groupNameProblem(groupName);
    if (problem !== undefined) return problem;
    if (subscriptionDataSet.length > SUBSCRIPTIONS_PER_GROUP_MAX) {
      return `a group may subscribe to ${SUBSCRIPTIONS_PER_GROUP_MAX} topics, ${groupName} asks for ${subscriptionDataSet.length}`;
    }
    if (!clients.consumers.has(groupName)) added++;
    for (const { expressionType, subString } of subscriptionDataSet) {
      if (!isTagType(expressionType)) filterChars += subString.length;
    }
  }
  if (filterChars > HEARTBEAT_FILTER_CHARS_MAX) {
    return `the filters of a client may have ${HEARTBEAT_FILTER_CHARS_MAX} characters, these have ${filterChars}: simplify them`;
  }
  for (const { groupName } of producerDataSet) {
    if (groupName.length > GROUP_NAME_CHARS_MAX)
      return `a group name is longer than ${GROUP_NAME_CHARS_MAX} characters`;
    if (!clients.producers.has(groupName)) added++;
  }
  if (added === 0 || clients.producers.size + clients.consumers.size + added <= GROUPS_MAX) return undefined;
  return `the broker has ${GROUPS_MAX} groups with clients and takes no more: use fewer groups`;
}
