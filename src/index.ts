/** What the package offers to programs: a cluster in their own process. */
export { type Loaded, type Note, renderNote } from '../config/notes.js';
export type { TopologyOverrides } from '../config/placement.js';
export { readPackagedTopology, readTopology, type Topology, type TopologyName } from '../config/topology.js';
export { StartError } from './base/start-error.js';
export { type ActorRow, Cluster, type ClusterOptions, type LogLevel } from './cluster.js';
export { startTestCluster, type TestClusterOptions } from './test-cluster.js';
