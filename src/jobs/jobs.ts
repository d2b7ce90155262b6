/** What piscina runs: stateless, off the actor threads. A job opens what it needs and leaves nothing open. */
import { DiskError } from '../base/disk.js';
import { NodeDisk } from '../runtime/node-disk.js';
import { StoreError } from '../store/log-files.js';
import { type RecoverOptions, type RecoveredStore, recoverStore as recover } from '../store/recovery.js';

/** Why a store cannot be opened, as a value: an error that travels between threads loses its class. */
export interface Unusable {
  readonly unusable: string;
}

export function recoverStore(options: RecoverOptions): RecoveredStore | Unusable {
  try {
    // A job may block: its syncs are done in place, so nobody has to call back.
    return recover(new NodeDisk(() => undefined), options);
  } catch (error) {
    if (error instanceof StoreError || error instanceof DiskError) return { unusable: error.message };
    throw error;
  }
}
