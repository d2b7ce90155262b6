/**
 * Who is connected: producers and consumers by group and connection, with what consumers subscribe to.
 * Source: ProducerManager.java, ConsumerManager.java, ConsumerGroupInfo.java.
 */
import { MIB } from '../../../base/units.js';
import type { ConsumerData, SubscriptionData } from '../../../remoting/bodies/heartbeat.js';

export interface Channel {
  readonly connection: number;
  readonly clientId: string;
  readonly language: number;
  readonly version: number;
  /** Monotonic ms of its last heartbeat. */
  lastSeenMs: number;
}

export type ConsumerFacts = Pick<ConsumerData, 'consumeType' | 'messageModel' | 'consumeFromWhere'>;

export class ConsumerGroup {
  facts: ConsumerFacts;
  readonly channels = new Map<number, Channel>();
  readonly subscriptions = new Map<string, SubscriptionData>();

  constructor(
    readonly name: string,
    facts: ConsumerFacts,
  ) {
    this.facts = facts;
  }

  /** Distinct ids, in order of arrival: one client may have two connections (see observed facts). */
  clientIds(): string[] {
    return [...new Set([...this.channels.values()].map(({ clientId }) => clientId))];
  }
}

/** What a change of the registry means for others. */
export interface Change {
  /** Members came or went, or the set of topics changed: the others must rebalance. */
  readonly membersChanged: boolean;
  /** Pulls of the group see something new. */
  readonly subscriptionsChanged: boolean;
}

export const CHANNEL_EXPIRES_MS = 120_000;
/** Bounds: beyond them a heartbeat is refused. */
export const GROUPS_MAX = 100_000;
export const SUBSCRIPTIONS_PER_GROUP_MAX = 10_000;
/** Newest heartbeats of all connections together: what is remembered of them is a few times as much. */
export const HEARTBEAT_BYTES_MAX = 128 * MIB;

export class ClientRegistry {
  readonly producers = new Map<string, Map<number, Channel>>();
  readonly consumers = new Map<string, ConsumerGroup>();
  /** Connections of producers by client id, the newest one each, and the other way round. */
  private readonly producerConnections = new Map<string, number>();
  private readonly producerIds = new Map<number, string>();
  /** Length of the newest heartbeat, by connection. */
  private readonly heartbeats = new Map<number, number>();
  private heartbeatBytes = 0;
  /** Monotonic ms before which no connection expires. */
  private nextExpiryMs = 0;

  /** Of every heartbeat, before it is taken; false when there is no room for what it says. */
  hasRoom(connection: number, bytes: number): boolean {
    const more = bytes - (this.heartbeats.get(connection) ?? 0);
    if (more > 0 && this.heartbeatBytes + more > HEARTBEAT_BYTES_MAX) return false;
    this.heartbeats.set(connection, bytes);
    this.heartbeatBytes += more;
    return true;
  }

  registerProducer(group: string, channel: Channel): void {
    this.producerConnections.set(channel.clientId, channel.connection);
    this.producerIds.set(channel.connection, channel.clientId);
    let channels = this.producers.get(group);
    if (channels === undefined) {
      channels = new Map();
      this.producers.set(group, channels);
    }
    const known = channels.get(channel.connection);
    if (known !== undefined && known.clientId === channel.clientId) known.lastSeenMs = channel.lastSeenMs;
    else channels.set(channel.connection, channel);
  }

  /** Where the producer with that client id can be reached; undefined when it is not connected. */
  producerConnection(clientId: string): number | undefined {
    return this.producerConnections.get(clientId);
  }

  registerConsumer(
    name: string,
    channel: Channel,
    facts: ConsumerFacts,
    subscriptions: readonly SubscriptionData[],
  ): Change {
    let group = this.consumers.get(name);
    const isNewGroup = group === undefined;
    if (group === undefined) {
      group = new ConsumerGroup(name, facts);
      this.consumers.set(name, group);
    }
    const modelChanged = group.facts.messageModel !== facts.messageModel;
    group.facts = facts;
    const known = group.channels.get(channel.connection);
    const isNewChannel = known === undefined || known.clientId !== channel.clientId;
    if (known !== undefined && !isNewChannel) known.lastSeenMs = channel.lastSeenMs;
    else group.channels.set(channel.connection, channel);
    const { topicsChanged, versionsChanged } = updateSubscriptions(group, subscriptions);
    return {
      membersChanged: isNewChannel || topicsChanged,
      subscriptionsChanged: isNewGroup || topicsChanged || versionsChanged || modelChanged,
    };
  }

  unregisterProducer(group: string, connection: number): void {
    const channels = this.producers.get(group);
    channels?.delete(connection);
    if (channels?.size === 0) this.producers.delete(group);
  }

  /** True when the connection was a member. */
  unregisterConsumer(name: string, connection: number): boolean {
    const group = this.consumers.get(name);
    if (group === undefined || !group.channels.delete(connection)) return false;
    if (group.channels.size === 0) this.consumers.delete(name);
    return true;
  }

  /** Takes a closed connection out everywhere; returns the consumer groups that lost a member. */
  connectionClosed(connection: number): string[] {
    this.heartbeatBytes -= this.heartbeats.get(connection) ?? 0;
    this.heartbeats.delete(connection);
    for (const group of [...this.producers.keys()]) this.unregisterProducer(group, connection);
    const clientId = this.producerIds.get(connection);
    this.producerIds.delete(connection);
    if (clientId !== undefined && this.producerConnections.get(clientId) === connection) {
      this.producerConnections.delete(clientId);
    }
    return [...this.consumers.keys()].filter((name) => this.unregisterConsumer(name, connection));
  }

  /** Connections that have not sent a heartbeat for two minutes. Looks at them only when one of them can have expired. */
  expired(nowMs: number): number[] {
    if (nowMs <= this.nextExpiryMs) return [];
    const connections = new Set<number>();
    // One that comes after this look expires later.
    let oldestMs = nowMs;
    const look = (channels: ReadonlyMap<number, Channel>): void => {
      for (const { connection, lastSeenMs } of channels.values()) {
        if (nowMs - lastSeenMs > CHANNEL_EXPIRES_MS) connections.add(connection);
        else oldestMs = Math.min(oldestMs, lastSeenMs);
      }
    };
    for (const channels of this.producers.values()) look(channels);
    for (const group of this.consumers.values()) look(group.channels);
    this.nextExpiryMs = oldestMs + CHANNEL_EXPIRES_MS;
    return [...connections];
  }
}

function updateSubscriptions(
  group: ConsumerGroup,
  subscriptions: readonly SubscriptionData[],
): { topicsChanged: boolean; versionsChanged: boolean } {
  let topicsChanged = false;
  let versionsChanged = false;
  for (const one of subscriptions) {
    const known = group.subscriptions.get(one.topic);
    if (known === undefined) topicsChanged = true;
    else if (one.subVersion <= known.subVersion) continue;
    else versionsChanged = true;
    group.subscriptions.set(one.topic, one);
  }
  const topics = new Set(subscriptions.map(({ topic }) => topic));
  for (const topic of [...group.subscriptions.keys()]) {
    if (topics.has(topic)) continue;
    group.subscriptions.delete(topic);
    topicsChanged = true;
  }
  return { topicsChanged, versionsChanged };
}
