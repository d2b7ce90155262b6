/** Bodies of heartbeats. Source: HeartbeatData.java, ConsumerData.java, SubscriptionData.java. */

export interface Subscribed {
  readonly topic: string;
  readonly subString?: string;
  readonly subVersion?: number;
  readonly expressionType?: string;
}

export interface Member {
  readonly groupName: string;
  readonly subscriptions?: readonly Subscribed[];
  readonly messageModel?: string;
  readonly consumeType?: string;
  readonly consumeFromWhere?: string;
  readonly unitMode?: boolean;
}

export function heartbeat(clientID: string, consumers: readonly Member[], producers: readonly string[] = []): object {
  return {
    clientID,
    producerDataSet: producers.map((groupName) => ({ groupName })),
    consumerDataSet: consumers.map(consumerData),
  };
}

function consumerData(member: Member): object {
  const { groupName, subscriptions = [], messageModel = 'CLUSTERING', consumeType = 'CONSUME_PASSIVELY' } = member;
  const { consumeFromWhere = 'CONSUME_FROM_LAST_OFFSET', unitMode = false } = member;
  return {
    groupName,
    consumeType,
    messageModel,
    consumeFromWhere,
    unitMode,
    subscriptionDataSet: subscriptions.map(subscriptionData),
  };
}

export function subscriptionData({
  topic,
  subString = '*',
  subVersion = 1,
  expressionType = 'TAG',
}: Subscribed): object {
  return {
    classFilterMode: false,
    topic,
    subString,
    tagsSet: subString === '*' || expressionType !== 'TAG' ? [] : subString.split('||').map((tag) => tag.trim()),
    codeSet: [],
    subVersion,
    expressionType,
  };
}
