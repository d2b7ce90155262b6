/**
 * The memory of the roles whose storeKind is memory: one RAM disk each, mounted where their paths point to. It belongs
 * to the cluster: crashes of its actors and threads leave it as it is, and it is gone with the cluster.
 */
import { dirname } from 'node:path';
import { threadId } from 'node:worker_threads';
import { memoryBytesOf } from '../config/memory-store.js';
import type { Topology } from '../config/topology.js';
import { systemClock } from './base/clock.js';
import { type Disk, DiskError } from './base/disk.js';
import { StartError } from './base/start-error.js';
import { MIB } from './base/units.js';
import { MountedDisk } from './runtime/mounted-disk.js';
import { type RamMount, whoOfThread } from './runtime/ram-disk/mounts.js';
import { createRamDisk, RamDisk, type RamDiskOptions } from './runtime/ram-disk/ram-disk.js';

/** KV configuration of a name server, its backup and the next one being written; see limits.ts. */
const NAMESRV_BYTES = 64 * MIB;

/** This thread must hear that the one which has the lock is dead; so it does not wait for it for ever. */
const LOCK_LIMIT_MS = 1_000;
const FORGET_AGAIN_MS = 100;

export class MemoryStores {
  /** For other threads. */
  readonly mounts: readonly RamMount[];
  /** The same disks on this thread. */
  private readonly disks: readonly RamDisk[];
  private lastJob = 0;

  constructor({ brokers, namesrvs }: Topology) {
    const kept = [
      ...namesrvs.map(({ name, settings: { storeKind, kvConfigPath } }) => {
        return { name, storeKind, directory: dirname(kvConfigPath), bytes: NAMESRV_BYTES };
      }),
      ...brokers.map(({ name, settings: { storeKind, storePathRootDir, storeMaxBytes } }) => {
        return { name, storeKind, directory: storePathRootDir, bytes: memoryBytesOf(storeMaxBytes) };
      }),
    ].filter(({ storeKind }) => storeKind === 'memory');
    this.mounts = kept.map(({ name, directory, bytes }) => ({ directory, buffers: memoryFor(name, bytes) }));
    const options: RamDiskOptions = {
      who: whoOfThread(threadId),
      clock: systemClock,
      later: (action) => void setImmediate(action),
      lockLimitMs: LOCK_LIMIT_MS,
    };
    this.disks = this.mounts.map(({ buffers }) => new RamDisk(buffers, options));
    for (const [i, { directory }] of this.mounts.entries()) this.disks[i]!.makeDirectory(directory);
  }

  /** `base` with the memory in its places, for the main thread. */
  mountedOn(base: Disk): Disk {
    if (this.mounts.length === 0) return base;
    return new MountedDisk(
      base,
      this.mounts.map(({ directory }, i) => ({ directory, open: () => this.disks[i]! })),
    );
  }

  /** Runs a job that uses the memory as `who`, and clears up after it, however it ends. */
  async lend<T>(job: (who: number) => Promise<T>): Promise<T> {
    // Threads have positive numbers.
    const who = --this.lastJob;
    try {
      return await job(who);
    } finally {
      this.ended(who);
    }
  }

  /** A thread or job runs no more: what it had open or locked is given back. */
  ended(who: number): void {
    for (const disk of this.disks) this.forget(disk, who);
  }

  private forget(disk: RamDisk, who: number): void {
    try {
      disk.forget(who);
    } catch (error) {
      if (!(error instanceof DiskError && error.code === 'EBUSY')) throw error;
      // Another thread died with the lock, and its end is still to be heard of.
      setTimeout(() => this.forget(disk, who), FORGET_AGAIN_MS).unref();
    }
  }
}

function memoryFor(role: string, bytes: number) {
  try {
    return createRamDisk(bytes, systemClock);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const what = `${Math.ceil(bytes / MIB)} MiB of memory for its store cannot be had (${error.message})`;
    throw new StartError(`${role}: ${what}: lower storeMaxBytes`);
  }
}
