/** Registrations as tests need them: only what a test is about is written out. */
import type { Registration, TopicEntry } from '../../../src/actors/namesrv/registration.js';

export function topicEntry(topicName: string, changes: Partial<TopicEntry> = {}): TopicEntry {
  return { topicName, readQueueNums: 4, writeQueueNums: 4, perm: 6, topicSysFlag: 0, ...changes };
}

export interface Changes extends Partial<Omit<Registration, 'topics'>> {
  readonly topics?: readonly TopicEntry[];
}

/** broker-a of cluster C, brokerId 0, registered by connection 1 with data version 1. */
export function registration(changes: Changes = {}): Registration {
  const { topics = [topicEntry('T')], ...rest } = changes;
  return {
    clusterName: 'C',
    brokerName: 'broker-a',
    brokerAddr: '10.0.0.1:10911',
    brokerId: 0,
    haServerAddr: '10.0.0.1:10912',
    connection: 1,
    bodyDigest: 'one',
    dataVersion: { counter: 1, timestamp: 1 },
    topics: new Map(topics.map((entry) => [entry.topicName, entry])),
    filterServers: [],
    ...rest,
  };
}
