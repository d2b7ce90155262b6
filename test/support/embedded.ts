/** A cluster inside the test process, by the embedding API. */
import { Cluster, type ClusterOptions, readTopology, renderNote } from '../../src/index.js';
import { temporaryDirectory } from './hangar-process.js';

export interface Embedded {
  readonly cluster: Cluster;
  /** Directory of all stores. */
  readonly store: string;
  readonly log: string[];
  /** http://host:port */
  readonly metrics: string;
}

/** In place of a directory: every store is in memory. */
export const MEMORY = 'memory';

export async function embed(
  config: string,
  store: string = temporaryDirectory(),
  more: Partial<ClusterOptions> = {},
): Promise<Embedded> {
  const loaded = readTopology(config, { ephemeral: true, ...(store === MEMORY ? { memory: true } : { store }) });
  if (!loaded.ok) throw new Error(loaded.errors.map(renderNote).join('\n'));
  const log: string[] = [];
  const cluster = await Cluster.start({
    topology: loaded.value,
    log: (level, actor, text) => log.push(`${level} ${actor}: ${text}`),
    onFatal: (reason) => {
      throw new Error(reason);
    },
    ...more,
  });
  return { cluster, store, log, metrics: `http://${cluster.metricsHost}:${cluster.metricsPort}` };
}

/** Stops in order after the test, and ends what does not stop, so that nothing outlives it. */
export async function embedded(
  config: string,
  use: (embedded: Embedded) => Promise<void>,
  more: Partial<ClusterOptions> = {},
  store?: string,
): Promise<void> {
  const one = await embed(config, store, more);
  try {
    await use(one);
    await one.cluster.stop();
  } catch (error) {
    await one.cluster.abandon();
    throw error;
  }
}
