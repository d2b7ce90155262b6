/** RAM disks in a thread's view of the file system. */
import { threadId } from 'node:worker_threads';
import { systemClock } from '../../base/clock.js';
import type { Disk } from '../../base/disk.js';
import { MountedDisk } from '../mounted-disk.js';
import type { RamBuffers } from './memory.js';
import { RamDisk } from './ram-disk.js';

/** What a thread is told of a RAM disk. */
export interface RamMount {
  /** Absolute; everything below it is in this memory. */
  readonly directory: string;
  readonly buffers: RamBuffers;
}

/**
 * The base disk with the RAM disks in their places. `later` runs an action in a later turn of this thread; `who` tells
 * this thread from the others, see RamDiskOptions.
 */
export function mountRamDisks(
  base: Disk,
  mounts: readonly RamMount[],
  later: (action: () => void) => void,
  who: number = whoOfThread(threadId),
): Disk {
  if (mounts.length === 0) return base;
  return new MountedDisk(
    base,
    mounts.map(({ directory, buffers }) => ({
      directory,
      open: () => {
        const disk = new RamDisk(buffers, { who, clock: systemClock, later });
        disk.makeDirectory(directory);
        return disk;
      },
    })),
  );
}

/** Node numbers threads through and never takes a number again; the main thread is 0. */
export function whoOfThread(id: number): number {
  return id + 1;
}
