/**
 * Sizes of the files that a store consists of, read from the files themselves: a store keeps the sizes that it was made
 * with, whatever a byte budget would choose for a new one.
 */
import type { Disk } from '../base/disk.js';
import { HEADER_BYTES, INDEX_ENTRY, type IndexSizes, SLOT_BYTES } from './index-layout.js';
import { logFileStart } from './log-files.js';
import { storePath } from './store-directory.js';

/** undefined: there is no such file. */
export interface FileSizes {
  readonly logFileBytes: number | undefined;
  readonly queueFileBytes: number | undefined;
  readonly indexFileBytes: number | undefined;
}

const INDEX_NAME = /^\d{17}$/;

export function fileSizesOf(disk: Disk, rootDirectory: string, commitLogDirectory: string): FileSizes {
  const isLogFile = (name: string): boolean => logFileStart(name) >= 0;
  return {
    logFileBytes: firstSize(disk, commitLogDirectory, isLogFile),
    queueFileBytes: queueFileSize(disk, storePath.consumeQueues(rootDirectory), isLogFile),
    indexFileBytes: firstSize(disk, storePath.index(rootDirectory), (name) => INDEX_NAME.test(name)),
  };
}

function queueFileSize(disk: Disk, directory: string, isFile: (name: string) => boolean): number | undefined {
  for (const topic of disk.list(directory)) {
    for (const queueId of disk.list(`${directory}/${topic}`)) {
      const bytes = firstSize(disk, `${directory}/${topic}/${queueId}`, isFile);
      if (bytes !== undefined) return bytes;
    }
  }
  return undefined;
}

/** Of the oldest file that has a size: the newest may have been cut short by a crash. */
function firstSize(disk: Disk, directory: string, isFile: (name: string) => boolean): number | undefined {
  for (const name of disk.list(directory)) {
    const bytes = isFile(name) ? disk.stat(`${directory}/${name}`)?.bytes : undefined;
    if (bytes !== undefined && bytes > 0) return bytes;
  }
  return undefined;
}

const ENTRIES_PER_SLOT = 4;

/** Of an index file with four entries a slot, as Apache's defaults and those of a budget have them; undefined for others. */
export function indexSizesOf(bytes: number): IndexSizes | undefined {
  const slots = (bytes - HEADER_BYTES) / (SLOT_BYTES + ENTRIES_PER_SLOT * INDEX_ENTRY.bytes);
  return Number.isInteger(slots) ? { slots, entries: slots * ENTRIES_PER_SLOT } : undefined;
}
