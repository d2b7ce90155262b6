/** The thread that reads a log ahead of a recovery: ends with the log's first oddity, or with the recovery. */
import { workerData } from 'node:worker_threads';
import { DiskError } from '../base/disk.js';
import { NodeDisk } from '../runtime/node-disk.js';
import { LogReader } from '../store/log-reader.js';
import { LogReadAhead } from '../store/read-ahead.js';
import type { ReadAheadData } from './read-ahead.js';

/** The recovery may be gone. */
const LOOK_AGAIN_MS = 1_000;

const { directory, fileBytes, memory, to } = workerData as ReadAheadData;
const reader = new LogReader(new NodeDisk(() => undefined), { directory, fileBytes, window: undefined });
const log = {
  read: (offset: number, length: number, target: Uint8Array, at: number) =>
    reader.read(offset, length, target, at) ? length : 0,
};
try {
  new LogReadAhead(log, memory, to, fileBytes).run((words, word, value) => {
    Atomics.wait(words, word, value, LOOK_AGAIN_MS);
  });
} catch (error) {
  // Recovery meets it, too, and says it with path and remedy.
  if (!(error instanceof DiskError)) throw error;
} finally {
  reader.release();
}
