/** Heartbeats of simulated clients, as Java's: HeartbeatData.java, ConsumerData.java, SubscriptionData.java. */

export interface Subscription {
  readonly topic: string;
  /** '*', tags joined by ||, or an SQL92 expression. */
  readonly text: string;
  readonly type: 'TAG' | 'SQL92';
  readonly version: number;
}

export interface Membership {
  readonly group: string;
  readonly subscriptions: readonly Subscription[];
}

export function heartbeatBody(
  clientId: string,
  memberships: readonly Membership[],
  producerGroups: readonly string[] = [],
): Buffer {
  const consumerDataSet = memberships.map(({ group, subscriptions }) => ({
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    consumeType: 'CONSUME_PASSIVELY',
    groupName: group,
    messageModel: 'CLUSTERING',
    subscriptionDataSet: subscriptions.map(subscriptionData),
    unitMode: false,
  }));
  const producerDataSet = producerGroups.map((groupName) => ({ groupName }));
  return Buffer.from(JSON.stringify({ clientID: clientId, consumerDataSet, producerDataSet }));
}

function subscriptionData({ topic, text, type, version }: Subscription): object {
  const tagsSet = type === 'SQL92' || text === '*' ? [] : text.split('||').map((tag) => tag.trim());
  return {
    classFilterMode: false,
    codeSet: tagsSet.map(javaHash),
    expressionType: type,
    subString: text,
    subVersion: version,
    tagsSet,
    topic,
  };
}

/** String.hashCode. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}
