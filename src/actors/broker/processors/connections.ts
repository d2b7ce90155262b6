/** Who is connected, as tools ask for it. Source: AdminBrokerProcessor.java, ProducerManager.getProducerTable. */
import {
  type Connection as ClientConnection,
  consumerConnection,
  producerConnection,
  type ProducerInfo,
  producerTableInfo,
} from '../../../remoting/bodies/clients.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { languageName } from '../../../remoting/version.js';
import type { Channel } from '../peers/clients.js';
import type { BrokerState } from '../state.js';
import { fail, okBody, on, peer } from './answer.js';

export const connectionProcessors = [
  on(requests.getConsumerConnectionList, (state, { consumerGroup }) => {
    const group = state.clients.consumers.get(consumerGroup);
    if (group === undefined) {
      return fail(ResponseCode.CONSUMER_NOT_ONLINE, `the consumer group[${consumerGroup}] not online`);
    }
    return okBody(consumerConnection, {
      connectionSet: connectionsOf(state, group.channels.values()),
      ...group.facts,
      subscriptionTable: group.subscriptions,
    });
  }),

  on(requests.getProducerConnectionList, (state, { producerGroup }) => {
    const channels = state.clients.producers.get(producerGroup);
    return channels === undefined
      ? fail(ResponseCode.SYSTEM_ERROR, `the producer group[${producerGroup}] not exist`)
      : okBody(producerConnection, { connectionSet: connectionsOf(state, channels.values()) });
  }),

  on(requests.getAllProducerInfo, (state) => {
    const data = [...state.clients.producers].map(
      ([group, channels]) => [group, [...channels.values()].map((channel) => producerInfo(state, channel))] as const,
    );
    return okBody(producerTableInfo, { data: new Map(data) });
  }),
] as const;

function addressOf({ connections }: BrokerState, id: number): string {
  const connection = connections.get(id);
  return connection === undefined ? '' : peer(connection);
}

function connectionsOf(state: BrokerState, channels: Iterable<Channel>): ClientConnection[] {
  return [...channels].map(({ connection, clientId, language, version }) => ({
    clientAddr: addressOf(state, connection),
    clientId,
    language: languageName(language),
    version,
  }));
}

function producerInfo(
  state: BrokerState,
  { connection, clientId, language, version, lastSeenMs }: Channel,
): ProducerInfo {
  const { clock } = state.context;
  return {
    clientId,
    language: languageName(language),
    lastUpdateTimestamp: Math.round(clock.now() - (clock.monotonic() - lastSeenMs)),
    remoteIP: addressOf(state, connection),
    version,
  };
}
