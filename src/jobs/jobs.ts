/** What piscina runs: stateless, off the actor threads. A job opens what it needs and leaves nothing open. */
import type { MessagePort } from 'node:worker_threads';
import { DiskError } from '../base/disk.js';
import { NodeDisk } from '../runtime/node-disk.js';
import { StoreError } from '../store/log-files.js';
import { type RecoverOptions, type RecoveredStore, recoverStore as recover } from '../store/recovery.js';

/** Why a store cannot be opened, as a value: an error that travels between threads loses its class. */
export interface Unusable {
  readonly unusable: string;
}

export interface RecoverJob {
  readonly options: RecoverOptions;
  /** Takes ProgressMessages while the job runs. */
  readonly progress: MessagePort;
}

export interface ProgressMessage {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

const PROGRESS_MS = 200;

export function recoverStore({ options, progress }: RecoverJob): RecoveredStore | Unusable {
  let toldAtMs = performance.now();
  const onProgress = (bytesDone: number, bytesTotal: number): void => {
    const nowMs = performance.now();
    if (nowMs - toldAtMs < PROGRESS_MS) return;
    toldAtMs = nowMs;
    progress.postMessage({ bytesDone, bytesTotal } satisfies ProgressMessage);
  };
  try {
    // A job may block: its syncs are done in place, so nobody has to call back.
    return recover(new NodeDisk(() => undefined), options, { onProgress });
  } catch (error) {
    if (error instanceof StoreError || error instanceof DiskError) return { unusable: error.message };
    throw error;
  } finally {
    progress.close();
  }
}
