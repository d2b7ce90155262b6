/**
 * Sizes of a store's files when the store has a byte budget (storeMaxBytes) and the file does not set them. Whole files go,
 * so they have to be small beside the budget; without a budget they are Apache's.
 */
import { GIB, KIB, MIB } from '../src/base/units.js';

/** The log consists of about this many files. At least two fit: the one being written, and the one before it. */
const LOG_FILES = 16;
/** Log files of a budget that leaves no other choice. */
export const BUDGET_LOG_FILES_MIN = 2;
const LOG_FILE_BYTES = { min: MIB, max: GIB } as const;
/** What a record needs beside its body at most, and the blank record that ends a file. Source: CommitLog.java. */
export const RECORD_OVERHEAD_BYTES = 64 * KIB + 8;

/** A queue keeps up to this part of the budget in entries whose messages are gone: its last file stays. */
const QUEUE_FILE_PART = 16_384;
const QUEUE_ENTRY_BYTES = 20;
const QUEUE_FILE_BYTES = { min: 4_000, max: 6_000_000 } as const;

/** Up to two index files are kept for messages that are gone. */
const INDEX_FILE_PART = 8;
const INDEX_ENTRIES = { min: 1_000, max: 20_000_000 } as const;
/** As in Apache's defaults: four entries a slot, of 20 bytes each and 4 bytes a slot. */
const INDEX_ENTRIES_PER_SLOT = 4;
const INDEX_BYTES_PER_ENTRY = 21;

const APACHE = { logFileBytes: GIB, queueFileBytes: 6_000_000, indexEntries: 20_000_000 } as const;

/** A power of two: of the budget a sixteenth, but a message of `maxMessageSize` fits into it. */
export function defaultLogFileBytes(storeMaxBytes: number, maxMessageSize: number): number {
  if (storeMaxBytes === 0) return APACHE.logFileBytes;
  const wanted = 2 ** Math.floor(Math.log2(Math.max(1, storeMaxBytes / LOG_FILES)));
  const needed = 2 ** Math.ceil(Math.log2(maxMessageSize + RECORD_OVERHEAD_BYTES));
  return Math.min(LOG_FILE_BYTES.max, Math.max(LOG_FILE_BYTES.min, needed, wanted));
}

export function defaultQueueFileBytes(storeMaxBytes: number): number {
  if (storeMaxBytes === 0) return APACHE.queueFileBytes;
  const { min, max } = QUEUE_FILE_BYTES;
  const bytes = Math.floor(storeMaxBytes / QUEUE_FILE_PART / QUEUE_ENTRY_BYTES) * QUEUE_ENTRY_BYTES;
  return Math.min(max, Math.max(min, bytes));
}

export function defaultIndexEntries(storeMaxBytes: number): number {
  if (storeMaxBytes === 0) return APACHE.indexEntries;
  const { min, max } = INDEX_ENTRIES;
  const slots = Math.floor(storeMaxBytes / INDEX_FILE_PART / INDEX_BYTES_PER_ENTRY / INDEX_ENTRIES_PER_SLOT);
  return Math.min(max, Math.max(min, slots * INDEX_ENTRIES_PER_SLOT));
}

export function defaultIndexSlots(storeMaxBytes: number): number {
  return defaultIndexEntries(storeMaxBytes) / INDEX_ENTRIES_PER_SLOT;
}

/** undefined: the budget can be kept. Otherwise why not, with the keys and the remedy. */
export function budgetProblem(storeMaxBytes: number, logFileBytes: number): string | undefined {
  if (storeMaxBytes === 0 || storeMaxBytes >= BUDGET_LOG_FILES_MIN * logFileBytes) return undefined;
  const least = BUDGET_LOG_FILES_MIN * logFileBytes;
  return (
    `storeMaxBytes=${storeMaxBytes} is less than two commit log files (mappedFileSizeCommitLog=${logFileBytes}), and the newest ` +
    `is never deleted: set storeMaxBytes to at least ${least}, or make the files of a new store smaller ` +
    '(mappedFileSizeCommitLog, and maxMessageSize, which has to fit into one)'
  );
}
