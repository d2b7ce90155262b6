/** What piscina runs: stateless, off the actor threads. A job opens what it needs and leaves nothing open. */
import type { MessagePort } from 'node:worker_threads';
import { type Disk, DiskError } from '../base/disk.js';
import { isPassing, withRemedy } from '../base/disk-remedy.js';
import { NodeDisk } from '../runtime/node-disk.js';
import { mountRamDisks, type RamMount } from '../runtime/ram-disk/mounts.js';
import { StoreError } from '../store/log-files.js';
import { readAhead } from './read-ahead.js';
import { type RecoverOptions, type RecoveredStore, recoverStore as recover } from '../store/recovery.js';

/** Why a store cannot be opened, as a value: an error that travels between threads loses its class. */
export interface Unusable {
  readonly unusable: string;
  /** It may be usable later: see NotNowError. */
  readonly isPassing: boolean;
}

/** RAM disks that the job sees, as `who`; the caller clears up after it. */
export interface JobMemory {
  readonly mounts: readonly RamMount[];
  readonly who: number;
}

export interface RecoverJob {
  readonly options: RecoverOptions;
  readonly memory: JobMemory;
  /** Takes ProgressMessages while the job runs. */
  readonly progress: MessagePort;
  /** On a thread of its own. */
  readonly readsAhead: boolean;
}

export interface ProgressMessage {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

const PROGRESS_MS = 200;

export function recoverStore({ options, memory, progress, readsAhead }: RecoverJob): RecoveredStore | Unusable {
  let toldAtMs = performance.now();
  const onProgress = (bytesDone: number, bytesTotal: number): void => {
    const nowMs = performance.now();
    if (nowMs - toldAtMs < PROGRESS_MS) return;
    toldAtMs = nowMs;
    progress.postMessage({ bytesDone, bytesTotal } satisfies ProgressMessage);
  };
  try {
    return recover(diskWith(memory), options, { onProgress, ...(readsAhead ? { readAhead } : {}) });
  } catch (error) {
    if (error instanceof StoreError) return { unusable: error.message, isPassing: false };
    if (error instanceof DiskError) return { unusable: withRemedy(error), isPassing: isPassing(error.code) };
    throw error;
  } finally {
    progress.close();
  }
}

/** A job may block: its syncs are done in place, so nobody has to call back. */
function diskWith({ mounts, who }: JobMemory): Disk {
  const nobody = (): void => undefined;
  return mountRamDisks(new NodeDisk(nobody), mounts, nobody, who);
}
