/** What piscina runs: stateless, off the actor threads. A job opens what it needs and leaves nothing open. */
import { fdatasyncSync } from 'node:fs';
import { NodeDisk } from '../runtime/node-disk.js';
import { type RecoverOptions, type RecoveredStore, recoverStore as recover } from '../store/recovery.js';

export function recoverStore(options: RecoverOptions): RecoveredStore {
  return recover(new NodeDisk(syncInPlace), options);
}

/** A job's thread may block. */
function syncInPlace(fd: number, done: (errorCode?: string) => void): void {
  let code: string | undefined;
  try {
    fdatasyncSync(fd);
  } catch (error) {
    code = (error as NodeJS.ErrnoException).code ?? 'EIO';
  }
  done(code);
}
