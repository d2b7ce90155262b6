/**
 * What happens when consumers come and go: the other members of the group are told to rebalance, the queue hosts are
 * told who subscribes to what. Source: ConsumerManager.java, DefaultConsumerIdsChangeListener.java,
 * ClientHousekeepingService.java.
 */
import { Flag } from '../../../remoting/command.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { frontMessages } from '../../front/messages.js';
import { CHANNEL_EXPIRES_MS, type ConsumerGroup } from './clients.js';
import { pushGroup } from '../tables/replica.js';
import type { BrokerState } from '../state.js';

const NO_BODY = Buffer.alloc(0);

/**
 * Tells every member of the group that the set of members or topics changed, unless that is switched off. Broadcasting
 * members own every queue in any case, so they are not told, as by Apache's 5.x: a Java client that hears it while it
 * sends its first heartbeats gives its subscription a newer version than the second broker learns of, and that one
 * refuses its pulls (SUBSCRIPTION_NOT_LATEST) until the next heartbeat, 30 s later.
 */
export function notifyMembers(state: BrokerState, group: ConsumerGroup | undefined): void {
  if (group === undefined || !state.settings.notifyConsumerIdsChangedEnable) return;
  if (group.facts.messageModel === 'BROADCASTING') return;
  if (state.groups.get(group.name)?.notifyConsumerIdsChangedEnable === false) return;
  const { code, header } = requests.notifyConsumerIdsChanged;
  const parts = { code, flag: Flag.ONE_WAY, ext: encodeHeader(header, { consumerGroup: group.name }) };
  for (const connection of group.channels.keys()) state.remote.tell(connection, parts, NO_BODY);
}

/** A member of the consumer group is gone. */
export function memberLeft(state: BrokerState, name: string): void {
  const group = state.clients.consumers.get(name);
  notifyMembers(state, group);
  if (group === undefined) state.filters.unregister(name, state.context.clock.now());
  // While somebody is left the subscriptions are what they were.
  if (group === undefined) pushGroup(state, name);
}

/** A client's connection is gone, and all that it was a member of. */
export function onConnectionClosed(state: BrokerState, connection: number): void {
  for (const name of state.clients.connectionClosed(connection)) memberLeft(state, name);
}

/** Closes the connections that have not sent a heartbeat for two minutes. */
export function scanExpired(state: BrokerState): void {
  const { context, clients, options } = state;
  const nowMs = context.clock.monotonic();
  for (const connection of clients.expired(nowMs)) {
    const { address, port } = state.connections.get(connection) ?? { address: '', port: 0 };
    context.log.warn('client without heartbeat dropped', { client: `${address}:${port}`, afterMs: CHANNEL_EXPIRES_MS });
    context.send(options.front, frontMessages.close, { connection });
    onConnectionClosed(state, connection);
  }
}
