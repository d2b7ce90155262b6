/** Starts a thread that reads a log ahead of a recovery. */
import { Worker } from 'node:worker_threads';
import { MIB } from '../base/units.js';
import { AheadLog, type ReadAheadMemory, readAheadMemory } from '../store/read-ahead.js';
import type { ReadAhead } from '../store/recovery.js';

/** What takes a tenth of a second anyway is read without a second thread. */
const LEAST_BYTES = 64 * MIB;

export interface ReadAheadData {
  readonly directory: string;
  readonly fileBytes: number;
  readonly memory: ReadAheadMemory;
  readonly to: number;
}

export const readAhead: ReadAhead = (log, from, to) => {
  if (to - from < LEAST_BYTES) return undefined;
  const { directory, fileBytes } = log;
  const memory = readAheadMemory(from);
  const workerData: ReadAheadData = { directory, fileBytes, memory, to };
  const thread = new Worker(new URL('./read-ahead-thread.js', import.meta.url), { workerData, name: 'read-ahead' });
  thread.unref();
  // The walk reads for itself then: it is slower, and nothing else.
  thread.once('error', (error) => process.emitWarning(error));
  return new AheadLog(log, memory);
};
