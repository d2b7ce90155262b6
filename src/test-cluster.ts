/**
 * A cluster for one test, or one test run: in memory, on free ports, quiet. Nothing is read from or written to the
 * working directory, and several of them do not see each other.
 *
 *     const cluster = await startTestCluster();
 *     const producer = new Producer({ nameServer: cluster.nameServers.join(';') });
 *     ...
 *     await cluster.stop();
 */
import { renderNote } from '../config/notes.js';
import type { TopologyOverrides } from '../config/placement.js';
import { readPackagedTopology, readTopology, type TopologyName } from '../config/topology.js';
import { StartError } from './base/start-error.js';
import { Cluster, type ClusterOptions } from './cluster.js';

export interface TestClusterOptions extends Omit<ClusterOptions, 'topology' | 'fresh'> {
  /** A topology of the package, or a directory of .properties files; `single` if not given. */
  readonly topology?: TopologyName | { readonly directory: string };
  /** Most bytes that each broker keeps; 256 MiB if not given. */
  readonly storeMaxBytes?: number;
}

/** Resolves when clients can be started. Throws StartError. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<Cluster> {
  const { topology = 'single', storeMaxBytes, ...others } = options;
  const overrides: TopologyOverrides = {
    ephemeral: true,
    memory: true,
    ...(storeMaxBytes === undefined ? {} : { storeMaxBytes }),
  };
  const loaded =
    typeof topology === 'string'
      ? readPackagedTopology(topology, overrides)
      : readTopology(topology.directory, overrides);
  if (!loaded.ok) throw new StartError(loaded.errors.map(renderNote).join('\n'));
  return await Cluster.start({ topology: loaded.value, ...others });
}
