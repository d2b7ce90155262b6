/** Directories that a power loss does not take away: the name of each is synced in the directory above it. */
import { type Disk, DiskError } from '../base/disk.js';

/** Levels above an existing directory whose names may not be durable yet: somebody else may just have made them. */
const DISTRUSTED_LEVELS = 2;

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** Makes the directory and its parents, durably, names in it included. Throws DiskError. */
export function makeDurableDirectory(disk: Disk, path: string): void {
  const unsynced = [path];
  let made = 0;
  let at = path;
  for (let level = 0; at !== '/' && (level < DISTRUSTED_LEVELS || disk.stat(at) === undefined); level++) {
    if (disk.stat(at) === undefined) made = level + 1;
    at = parentOf(at);
    unsynced.push(at);
  }
  disk.makeDirectory(path);
  for (let level = unsynced.length - 1; level >= 0; level--) syncNames(disk, unsynced[level]!, level > made);
}

/** A directory above the store that others own may be unreadable to us; then its names are their affair. */
function syncNames(disk: Disk, directory: string, isForeign: boolean): void {
  try {
    disk.syncDirectory(directory);
  } catch (error) {
    if (!(isForeign && error instanceof DiskError && error.code === 'EACCES')) throw error;
  }
}
