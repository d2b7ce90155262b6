/** Heartbeats as clients write them. */

export interface HeartbeatParts {
  readonly clientId?: string;
  readonly consumers?: readonly string[];
  readonly producers?: readonly string[];
  readonly topics?: readonly string[];
  readonly subVersion?: number;
  readonly model?: 'CLUSTERING' | 'BROADCASTING';
  readonly unitMode?: boolean;
  /** SQL92 instead of every tag. */
  readonly sql?: string;
}

/** Java 4.9.7: HeartbeatData through fastjson. */
export function javaHeartbeat(parts: HeartbeatParts): string {
  const { clientId = '10.1.1.1@1', consumers = [], producers = [], topics = ['T'], subVersion = 1 } = parts;
  const subscriptionDataSet = topics.map((topic) => ({
    classFilterMode: false,
    codeSet: [],
    expressionType: parts.sql === undefined ? 'TAG' : 'SQL92',
    subString: parts.sql ?? '*',
    subVersion,
    tagsSet: [],
    topic,
  }));
  return JSON.stringify({
    clientID: clientId,
    consumerDataSet: consumers.map((groupName) => ({
      consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
      consumeType: 'CONSUME_PASSIVELY',
      groupName,
      messageModel: parts.model ?? 'CLUSTERING',
      subscriptionDataSet,
      unitMode: parts.unitMode ?? false,
    })),
    producerDataSet: producers.map((groupName) => ({ groupName })),
  });
}

/** rocketmq-client-go v2: hash codes as texts, versions in nanoseconds, the inner fields of structs in their order. */
export const GO_HEADER = '{"code":34,"language":"GO","version":317,"opaque":7,"flag":0,"remark":"","extFields":{}}';
export const GO_HEARTBEAT =
  '{"clientID":"10.0.0.7@4711","producerDataSet":[{"groupName":"CLIENT_INNER_PRODUCER"}],"consumerDataSet":[' +
  '{"groupName":"GoGroup","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING",' +
  '"consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET","subscriptionDataSet":[' +
  '{"classFilterMode":false,"topic":"%RETRY%GoGroup","subString":"*","tagsSet":[],"codeSet":[],"subVersion":1763732400123456789,"expressionType":"TAG"},' +
  '{"classFilterMode":false,"topic":"T","subString":"TagA || TagB","tagsSet":["TagA","TagB"],"codeSet":["2598919","2598920"],"subVersion":1763732400123456789,"expressionType":"TAG"}' +
  '],"unitMode":false}]}';

/** rocketmq-client-cpp: enums as ordinals, versions as texts, empty sets and expressionType left out, a line feed at the end. */
export const CPP_HEADER =
  '{"code":34,"extFields":{"AccessKey":"","OnsChannel":"","Signature":""},"flag":0,"language":"CPP","opaque":9,"remark":"","version":333}\n';
export const CPP_HEARTBEAT =
  '{"clientID":"10.0.0.8@123@DEFAULT","consumerDataSet":[{"consumeFromWhere":0,"consumeType":1,"groupName":"CppGroup",' +
  '"messageModel":1,"subscriptionDataSet":[{"codeSet":["2598919"],"subString":"TagA","subVersion":"1763732400123","tagsSet":["TagA"],"topic":"T"},' +
  '{"subString":"*","subVersion":"1763732400124","topic":"%RETRY%CppGroup"}]}],"producerDataSet":[{"groupName":"CppProducer"}]}\n';
