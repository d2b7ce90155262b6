/**
 * What lies in a store directory beside the log: paths, the lock that keeps a second broker out, and the marker that
 * tells a crash from a clean stop. Source: StorePathConfigHelper.java, DefaultMessageStore.java.
 */
import { type Disk, DiskError, replaceFile } from '../base/disk.js';
import { makeDurableDirectory } from './directories.js';
import { StoreError } from './log-files.js';

const LOCK_CONTENT = 'lock';

export const storePath = {
  /** Where the commit log is unless storePathCommitLog says otherwise. */
  commitLog: (root: string): string => `${root}/commitlog`,
  consumeQueues: (root: string): string => `${root}/consumequeue`,
  consumeQueue: (root: string, topic: string, queueId: number): string => `${root}/consumequeue/${topic}/${queueId}`,
  index: (root: string): string => `${root}/index`,
  config: (root: string): string => `${root}/config`,
  checkpoint: (root: string): string => `${root}/checkpoint`,
  abort: (root: string): string => `${root}/abort`,
  lock: (root: string): string => `${root}/lock`,
} as const;

/**
 * Takes the store for this process: the same OS lock as Apache's broker, so that neither opens what the other has.
 * Throws StoreError when somebody has it, DiskError when the directory cannot be written.
 */
export function lockStore(disk: Disk, root: string): { release(): void } {
  makeDurableDirectory(disk, root);
  const path = storePath.lock(root);
  // Before locking: where locks belong to the process, closing another descriptor of the file would give it up.
  if (disk.readFile(path)?.toString('latin1') !== LOCK_CONTENT) disk.writeFile(path, LOCK_CONTENT);
  try {
    return disk.lock(path);
  } catch (error) {
    if (!(error instanceof DiskError && error.code === 'EAGAIN')) throw error;
    throw new StoreError(`${root} is in use by another broker (its lock file ${path} is locked)`);
  }
}

/**
 * Keeps brokers out while a store is only looked at, and changes nothing: without a lock file there is no broker, and
 * where it may not be written none can start. Throws StoreError when a broker has the store.
 */
export function lockForReading(disk: Disk, root: string): { release(): void } {
  const path = storePath.lock(root);
  const nothing = { release: () => undefined };
  if (disk.stat(path) === undefined) return nothing;
  try {
    return disk.lock(path);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    if (error.code === 'EACCES' || error.code === 'EROFS' || error.code === 'EPERM') return nothing;
    if (error.code !== 'EAGAIN') throw error;
    throw new StoreError(`${root} is in use by a broker (its lock file ${path} is locked): stop that one first`);
  }
}

/** From now on a stop is a crash, until removeAbortFile. Durable. */
export function createAbortFile(disk: Disk, root: string): void {
  if (hasAbortFile(disk, root)) return;
  disk.writeFile(storePath.abort(root), '');
  disk.syncDirectory(root);
}

/** Says in the abort file, durably, that a recovery works on a log that had been synced to its end; see isLogSynced. */
export function createRecoveringFile(disk: Disk, root: string): void {
  if (hasAbortFile(disk, root) && unindexedEnd(disk, root) === undefined) return;
  replaceFile(disk, storePath.abort(root), SYNCED);
}

/** The recovery is done: from now on the log is one that is written to. */
export function endRecovering(disk: Disk, root: string): void {
  if (abortContent(disk, root) === SYNCED) disk.writeFile(storePath.abort(root), '');
  if (unindexedEnd(disk, root) !== undefined) replaceFile(disk, storePath.abort(root), '');
}

/** The last broker stopped in order, and whoever recovers the store since then has not changed the log. */
export function isLogSynced(disk: Disk, root: string): boolean {
  return !hasAbortFile(disk, root) || abortContent(disk, root) === SYNCED || unindexedEnd(disk, root) !== undefined;
}

/**
 * The store was closed in order, but for the index, which misses keys of a log that ends at `logEnd`. Apache's broker
 * takes this for a crash, goes back as far as the checkpoint says, and so finds them. Durable.
 */
export function leaveUnindexed(disk: Disk, root: string, logEnd: number): void {
  replaceFile(disk, storePath.abort(root), `${UNINDEXED}${logEnd}`);
}

/**
 * Where the log ended when `leaveUnindexed` was called; else undefined. Apache's broker leaves the abort file as it found it
 * when it crashes: if the log has another end, or the queues another last message, it was there in between.
 */
export function unindexedEnd(disk: Disk, root: string): number | undefined {
  const content = abortContent(disk, root);
  return content?.startsWith(UNINDEXED) === true ? Number(content.slice(UNINDEXED.length)) : undefined;
}

/** The store was closed in order: log and queues are synced, everything is dispatched. Durable. */
export function removeAbortFile(disk: Disk, root: string): void {
  disk.remove(storePath.abort(root));
  disk.syncDirectory(root);
}

/**
 * Apache looks only whether the abort file is there; its content tells our next recovery what the interrupted one did:
 * the last log file may be short; the log was synced to its end. Or what an orderly stop left to do.
 */
const CUTTING = 'cutting';
const SYNCED = 'synced';
const UNINDEXED = 'unindexed ';

/** Runs what leaves the last log file short for a moment. A crash meanwhile can be told by isTailCut. */
export function cutting(disk: Disk, root: string, cut: () => void): void {
  replaceFile(disk, storePath.abort(root), CUTTING);
  cut();
  disk.writeFile(storePath.abort(root), '');
}

/** The last recovery was interrupted within `cutting`, or may have been. */
export function isTailCut(disk: Disk, root: string): boolean {
  return abortContent(disk, root) === CUTTING;
}

function abortContent(disk: Disk, root: string): string | undefined {
  return disk.readFile(storePath.abort(root))?.toString('latin1');
}

export function hasAbortFile(disk: Disk, root: string): boolean {
  return disk.stat(storePath.abort(root)) !== undefined;
}
