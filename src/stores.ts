/**
 * The store directories of a cluster's brokers: locked against other processes (Apache's brokers too) from start to
 * end, emptied when asked to, brought back to a consistent state before their broker starts.
 */
import type { BrokerSettings } from '../config/schema.js';
import type { Topology } from '../config/topology.js';
import { DiskError } from './base/disk.js';
import { StartError } from './base/start-error.js';
import type { JobPool } from './jobs/pool.js';
import type { LogFields } from './runtime/actor.js';
import { NodeDisk } from './runtime/node-disk.js';
import { isEmptyStore, type RecoveredStore, recoverOptionsOf } from './store/recovery.js';

/** Kept by `--fresh`: the lock file itself. */
const LOCK_FILE = 'lock';

export class StoreLocks {
  private readonly locks: { release(): void }[] = [];

  constructor(private readonly disk: NodeDisk) {}

  take(role: string, directory: string): void {
    try {
      this.disk.makeDirectory(directory);
      this.locks.push(this.disk.lock(`${directory}/${LOCK_FILE}`));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (error.code === 'EAGAIN') {
        throw new StartError(
          `${role}: the store ${directory} is in use by another broker: stop that one, or choose another place with --store`,
        );
      }
      throw new StartError(
        `${role}: the store ${directory} cannot be written (${error.code}): make it writable, or choose another place with --store`,
      );
    }
  }

  /** Recovers a store on a job thread; an empty one costs nothing. */
  async recover(
    settings: BrokerSettings,
    jobs: JobPool,
    say: (text: string, fields: LogFields) => void,
  ): Promise<RecoveredStore> {
    const options = recoverOptionsOf(settings);
    const empty = isEmptyStore(this.disk, options);
    if (empty !== undefined) return empty;
    const recovered = await jobs.recoverStore(options);
    say(recovered.abnormal ? 'store recovered after a crash' : 'store opened', { logEnd: recovered.endOffset });
    for (const problem of recovered.problems) say(`store: ${problem}`, {});
    return recovered;
  }

  release(): void {
    for (const lock of this.locks) lock.release();
    this.locks.length = 0;
  }
}

export function openStores(topology: Topology, fresh: boolean): StoreLocks {
  const disk = new NodeDisk(() => undefined);
  const stores = new StoreLocks(disk);
  try {
    for (const { name, settings } of topology.brokers) {
      stores.take(name, settings.storePathRootDir);
      if (fresh) empty(disk, settings);
    }
  } catch (error) {
    stores.release();
    throw error;
  }
  return stores;
}

function empty(disk: NodeDisk, settings: BrokerSettings): void {
  const root = settings.storePathRootDir;
  disk.removeTree(settings.storePathCommitLog);
  for (const name of disk.list(root)) {
    if (name !== LOCK_FILE) disk.removeTree(`${root}/${name}`);
  }
}
