/**
 * Bounds of a name server's tables. What would pass one is refused with SYSTEM_ERROR and a remark that names the bound;
 * nothing of the refused request is kept. Sizes are UTF-8 bytes.
 */
import { KIB, MIB } from '../../base/units.js';

export interface Limits {
  readonly topics: number;
  /** Rows of all topics: one per topic and broker name. */
  readonly queueRows: number;
  readonly topicNameBytes: number;
  readonly clusters: number;
  readonly brokersPerCluster: number;
  /** Broker ids, so masters and slaves, of one broker name. */
  readonly addressesPerBroker: number;
  /** Addresses that registered in the last two minutes, of all brokers. */
  readonly liveAddresses: number;
  /** Names of clusters and brokers, and addresses. */
  readonly nameBytes: number;
  readonly filterServersPerBroker: number;
  readonly kvEntries: number;
  /** Namespaces, keys and values together. Brokers get one namespace with each registration. */
  readonly kvBytes: number;
  /** Encoded routes that are kept for the next client; the oldest goes first. */
  readonly routeCacheBytes: number;
  /** Answers with a longer body are refused: clients close the connection at a larger frame. */
  readonly responseBytes: number;
}

export const defaultLimits: Limits = {
  topics: 100_000,
  queueRows: 1_000_000,
  topicNameBytes: 512,
  clusters: 64,
  brokersPerCluster: 1024,
  addressesPerBroker: 64,
  liveAddresses: 16_384,
  nameBytes: 255,
  filterServersPerBroker: 64,
  kvEntries: 65_536,
  kvBytes: 4 * MIB,
  routeCacheBytes: 32 * MIB,
  responseBytes: 16 * MIB - 64 * KIB,
};
