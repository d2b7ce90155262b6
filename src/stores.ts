/**
 * The stores of a cluster's brokers, in directories or in memory: locked against other processes (Apache's brokers too) from start to
 * end, emptied when asked to, brought back to a consistent state before their broker starts.
 */
import type { BrokerSettings } from '../config/schema.js';
import {
  budgetProblem,
  defaultIndexEntries,
  defaultIndexSlots,
  defaultLogFileBytes,
  defaultQueueFileBytes,
} from '../config/store-sizes.js';
import type { Topology } from '../config/topology.js';
import { type Disk, DiskError } from './base/disk.js';
import { StartError } from './base/start-error.js';
import type { JobPool } from './jobs/pool.js';
import type { RecoveryProgress } from './jobs/recovery-progress.js';
import { MemoryStores } from './memory-stores.js';
import type { LogFields } from './runtime/actor.js';
import { NodeDisk } from './runtime/node-disk.js';
import { fileSizesOf, indexSizesOf } from './store/file-sizes.js';
import { makeDurableDirectory } from './store/directories.js';
import { StoreError } from './store/log-files.js';
import { type RecoveredStore, type RecoverOptions, recoverStore } from './store/recovery.js';
import { lockStore, storePath } from './store/store-directory.js';

export interface RecoveryEvents {
  readonly progress: RecoveryProgress;
  readonly say: (level: 'info' | 'warn', text: string, fields: LogFields) => void;
}

export class StoreLocks {
  private readonly locks: { release(): void }[] = [];
  private readonly disk: Disk;

  constructor(readonly memories: MemoryStores) {
    this.disk = memories.mountedOn(new NodeDisk(() => undefined));
  }

  /** Locks the store and makes sure that its log has a place. */
  take(role: string, { storePathRootDir, storePathCommitLog }: BrokerSettings): void {
    try {
      this.locks.push(lockStore(this.disk, storePathRootDir));
    } catch (error) {
      if (error instanceof StoreError) {
        throw new StartError(`${role}: ${error.message}: stop that one, or choose another place with --store`);
      }
      throw unwritable(role, `the store ${storePathRootDir}`, error);
    }
    try {
      makeDurableDirectory(this.disk, storePathCommitLog);
    } catch (error) {
      throw unwritable(role, `the commit log ${storePathCommitLog}`, error);
    }
  }

  /** Recovers a store on a job thread; an empty one costs nothing. */
  async recover(
    role: string,
    settings: BrokerSettings,
    topology: Topology,
    jobs: JobPool,
    events: RecoveryEvents,
  ): Promise<RecoveredStore> {
    const options = { ...recoverOptionsOf(settings), copyDirectory: copyOf(topology, settings) };
    const { progress, say } = events;
    if (this.disk.list(options.commitLogDirectory).length === 0) {
      const empty = recoverStore(this.disk, options);
      for (const { path, text } of empty.problems) say('warn', `store: ${text}`, { path });
      return empty;
    }
    progress.begin(role);
    let recovered: RecoveredStore;
    try {
      const { mounts } = this.memories;
      recovered = await this.memories.lend((who) =>
        jobs.recoverStore(role, options, { mounts, who }, (done, total) => progress.update(role, done, total)),
      );
    } catch (error) {
      progress.fail(role);
      throw error;
    }
    progress.end(role);
    const { abnormal, endOffset: logEnd, scannedBytes, dispatchedRecords } = recovered;
    say('info', abnormal ? 'store recovered after a crash' : 'store opened', {
      logEnd,
      scannedBytes,
      dispatchedRecords,
    });
    for (const { path, offset, text } of recovered.problems) say('warn', `store: ${text}`, { path, offset });
    return recovered;
  }

  emptyAll({ namesrvs, brokers }: Topology): void {
    for (const { name, settings } of brokers) {
      emptying(name, settings.storePathRootDir, () => empty(this.disk, settings));
    }
    for (const { name, settings } of namesrvs) {
      const path = settings.kvConfigPath;
      emptying(name, path, () => {
        for (const file of [path, `${path}.bak`]) this.disk.remove(file);
      });
    }
  }

  release(): void {
    for (const lock of this.locks) lock.release();
    this.locks.length = 0;
  }
}

/** Locks every store before anything is removed: a start that fails leaves all of them as they were. */
export function openStores(topology: Topology, fresh: boolean): StoreLocks {
  const stores = new StoreLocks(new MemoryStores(topology));
  try {
    for (const { name, settings } of topology.brokers) stores.take(name, settings);
    if (fresh) stores.emptyAll(topology);
  } catch (error) {
    stores.release();
    throw error;
  }
  return stores;
}

/**
 * With a byte budget, sizes that no file sets are made for a new store: one that is there keeps what it was made with,
 * and a slave's new store takes its master's. Throws StartError when the budget is too small for them.
 */
export function withOwnFileSizes(topology: Topology): Topology {
  const disk = new NodeDisk(() => undefined);
  const brokers = topology.brokers.map((broker) => ({ ...broker, settings: ownFileSizes(disk, broker.settings) }));
  for (const broker of brokers) {
    const { settings } = broker;
    const master = brokers.find((other) => isMasterOf(other.settings, settings))?.settings;
    if (master === undefined || master.mappedFileSizeCommitLog === settings.mappedFileSizeCommitLog) continue;
    if (disk.list(settings.storePathCommitLog).length > 0) {
      const sizes = `${settings.mappedFileSizeCommitLog} and ${master.mappedFileSizeCommitLog} bytes`;
      const why = `its commit log has other files than its master's (${sizes})`;
      throw new StartError(`${broker.name}: ${why}: move ${settings.storePathRootDir} away to copy everything again`);
    }
    broker.settings = Object.freeze({ ...settings, mappedFileSizeCommitLog: master.mappedFileSizeCommitLog });
  }
  for (const { name, settings } of brokers) {
    const problem = budgetProblem(settings.storeMaxBytes, settings.mappedFileSizeCommitLog);
    if (problem !== undefined) throw new StartError(`${name}: ${problem}`);
  }
  return { ...topology, brokers };
}

function isMasterOf(master: BrokerSettings, slave: BrokerSettings): boolean {
  const isPair = master.brokerName === slave.brokerName && master.brokerClusterName === slave.brokerClusterName;
  return isPair && slave.brokerRole === 'SLAVE' && master.brokerRole !== 'SLAVE';
}

function ownFileSizes(disk: NodeDisk, settings: BrokerSettings): BrokerSettings {
  const { storeMaxBytes, maxMessageSize, storePathRootDir, storePathCommitLog } = settings;
  if (storeMaxBytes === 0) return settings;
  const found = fileSizesOf(disk, storePathRootDir, storePathCommitLog);
  const index = found.indexFileBytes === undefined ? undefined : indexSizesOf(found.indexFileBytes);
  /** What a file sets counts, and is checked against the store when that is opened. */
  const own = (set: number, byBudget: number, inStore: number | undefined): number =>
    set === byBudget ? (inStore ?? set) : set;
  const { mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxHashSlotNum, maxIndexNum } = settings;
  return Object.freeze({
    ...settings,
    mappedFileSizeCommitLog: own(
      mappedFileSizeCommitLog,
      defaultLogFileBytes(storeMaxBytes, maxMessageSize),
      found.logFileBytes,
    ),
    mappedFileSizeConsumeQueue: own(
      mappedFileSizeConsumeQueue,
      defaultQueueFileBytes(storeMaxBytes),
      found.queueFileBytes,
    ),
    maxHashSlotNum: own(maxHashSlotNum, defaultIndexSlots(storeMaxBytes), index?.slots),
    maxIndexNum: own(maxIndexNum, defaultIndexEntries(storeMaxBytes), index?.entries),
  });
}

function unwritable(role: string, what: string, error: unknown): unknown {
  if (!(error instanceof DiskError)) return error;
  const remedy = 'make it writable, or choose another place with --store';
  return new StartError(`${role}: ${what} cannot be written (${error.code}): ${remedy}`);
}

function emptying(role: string, path: string, remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new StartError(`${role}: ${path} cannot be emptied (${error.message}): remove it, or start without --fresh`);
  }
}

/** Files that a store consists of, by directory: whatever else lies there is somebody's and stays. */
const LOG_FILE = /^\d{20}$/;
const INDEX_FILE = /^\d{17}$/;
const CONFIG_FILE =
  /^(topics|subscriptionGroup|consumerOffset|delayOffset|consumerFilter|lmqConsumerOffset)\.json(\.\w+)?$/;

/** Removes a broker's store; not the lock file, which is locked, and nothing that no broker put there. */
function empty(disk: Disk, settings: BrokerSettings): void {
  const root = settings.storePathRootDir;
  const removeFiles = (directory: string, name: RegExp): void => {
    for (const file of disk.list(directory)) if (name.test(file)) disk.remove(`${directory}/${file}`);
  };
  removeFiles(settings.storePathCommitLog, LOG_FILE);
  removeFiles(storePath.index(root), INDEX_FILE);
  removeFiles(storePath.config(root), CONFIG_FILE);
  for (const topic of disk.list(storePath.consumeQueues(root))) {
    for (const queueId of disk.list(`${storePath.consumeQueues(root)}/${topic}`)) {
      removeFiles(storePath.consumeQueue(root, topic, Number(queueId)), LOG_FILE);
    }
  }
  disk.remove(storePath.checkpoint(root));
  disk.remove(storePath.abort(root));
}

/** Commit log of the slave that this master has in the same process, if the files are of the same size. */
export function copyOf({ brokers }: Topology, master: BrokerSettings): string | undefined {
  const slave = brokers.find(({ settings }) => isMasterOf(master, settings))?.settings;
  if (slave?.mappedFileSizeCommitLog !== master.mappedFileSizeCommitLog) return undefined;
  return slave.storePathCommitLog;
}

/** What recovery has to know of a broker's settings. */
export function recoverOptionsOf(settings: BrokerSettings): RecoverOptions {
  return {
    rootDirectory: settings.storePathRootDir,
    commitLogDirectory: settings.storePathCommitLog,
    fileBytes: settings.mappedFileSizeCommitLog,
    queueFileBytes: settings.mappedFileSizeConsumeQueue,
    delayLevelsMs: settings.messageDelayLevel,
    checkBodyCrc: settings.checkCRCOnRecover,
    acceptsCut: settings.damagedLogAction === 'cut',
    index: settings.messageIndexEnable
      ? { slots: settings.maxHashSlotNum, entries: settings.maxIndexNum, isSafe: settings.messageIndexSafe }
      : undefined,
  };
}
