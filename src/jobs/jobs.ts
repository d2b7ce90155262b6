/** What piscina runs: stateless, off the actor threads. A job opens what it needs and leaves nothing open. */
import { NodeDisk } from '../runtime/node-disk.js';
import { type RecoverOptions, type RecoveredStore, recoverStore as recover } from '../store/recovery.js';

export function recoverStore(options: RecoverOptions): RecoveredStore {
  // A job may block: its syncs are done in place, so nobody has to call back.
  return recover(new NodeDisk(() => undefined), options);
}
