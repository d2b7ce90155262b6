/** REGISTER_BROKER as brokers send it: headers and both forms of the body. */
import { deflateSync } from 'node:zlib';
import { bodyCrc } from '../../../src/message/crc.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import type { Answered, AskOptions, NameServerDriver } from './driver.js';

export interface TopicConfig {
  readonly readQueueNums?: number;
  readonly writeQueueNums?: number;
  readonly perm?: number;
  readonly topicSysFlag?: number;
}

export interface BrokerFacts {
  readonly clusterName: string;
  readonly brokerName: string;
  readonly brokerAddr: string;
  readonly brokerId: number;
  readonly haServerAddr: string;
}

export const brokerA: BrokerFacts = {
  clusterName: 'C',
  brokerName: 'broker-a',
  brokerAddr: '10.0.0.1:10911',
  brokerId: 0,
  haServerAddr: '10.0.0.1:10912',
};
export const slaveOfA: BrokerFacts = {
  ...brokerA,
  brokerAddr: '10.0.0.2:10911',
  brokerId: 1,
  haServerAddr: '10.0.0.2:10912',
};
export const brokerB: BrokerFacts = {
  ...brokerA,
  brokerName: 'broker-b',
  brokerAddr: '10.0.0.3:10911',
  haServerAddr: '10.0.0.3:10912',
};

export interface RegisterOptions extends AskOptions {
  readonly counter?: number;
  readonly topics?: Readonly<Record<string, TopicConfig>>;
  readonly filterServers?: readonly string[];
  readonly compressed?: boolean;
  /** Without the level around the wrapper, as before 3.0.11. */
  readonly bare?: boolean;
}

/** The header as text, with the right CRC unless `crc` says otherwise. */
export function registerHeader(facts: BrokerFacts, body: Uint8Array, compressed: boolean): Record<string, string> {
  return {
    clusterName: facts.clusterName,
    brokerName: facts.brokerName,
    brokerAddr: facts.brokerAddr,
    brokerId: String(facts.brokerId),
    haServerAddr: facts.haServerAddr,
    compressed: String(compressed),
    bodyCrc32: String(bodyCrc(body, 0, body.length)),
  };
}

export function registerBody(options: RegisterOptions): Buffer {
  const { counter = 1, topics = { T: {} }, filterServers = [] } = options;
  const dataVersion = { counter, timestamp: 1_700_000_000_000 };
  if (options.compressed === true) return compressedBody(dataVersion, topics, filterServers);
  const table = Object.fromEntries(
    Object.entries(topics).map(([topicName, config]) => {
      const { readQueueNums = 4, writeQueueNums = 4, perm = 6, topicSysFlag = 0 } = config;
      const rest = { readQueueNums, topicFilterType: 'SINGLE_TAG', topicName, topicSysFlag, writeQueueNums };
      return [topicName, { order: false, perm, ...rest }];
    }),
  );
  const wrapper = { dataVersion, topicConfigTable: table };
  const body =
    options.bare === true ? wrapper : { filterServerList: filterServers, topicConfigSerializeWrapper: wrapper };
  return Buffer.from(JSON.stringify(body));
}

function compressedBody(
  dataVersion: object,
  topics: Readonly<Record<string, TopicConfig>>,
  filterServers: readonly string[],
): Buffer {
  const count = Buffer.alloc(4);
  count.writeInt32BE(Object.keys(topics).length);
  const entries = Object.entries(topics).map(([name, { readQueueNums = 4, writeQueueNums = 4, perm = 6 }]) =>
    withLength(`${name} ${readQueueNums} ${writeQueueNums} ${perm} SINGLE_TAG`),
  );
  return deflateSync(
    Buffer.concat([
      withLength(JSON.stringify(dataVersion)),
      count,
      ...entries,
      withLength(JSON.stringify(filterServers)),
    ]),
    { level: 9 },
  );
}

export function withLength(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

export function register(server: NameServerDriver, facts: BrokerFacts, options: RegisterOptions = {}): Answered {
  const body = registerBody(options);
  const header = registerHeader(facts, body, options.compressed === true);
  return server.ask(RequestCode.REGISTER_BROKER, header, { ...options, body });
}
