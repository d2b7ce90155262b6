/**
 * `hangar store cat`: finds records in a commit log as it lies on the disk, in log order, and goes on behind damage. It
 * needs neither consume queues nor index, and changes nothing, so it also reads a log that was cut off and kept.
 */
import type { Disk } from '../../base/disk.js';
import { bytesEqual } from '../../message/bytes.js';
import { KEY_SEPARATOR, Scanned } from '../../message/properties.js';
import { RECORD_HEAD_BYTES_MAX, readStoreTimestamp, Magic, RECORD } from '../../message/record.js';
import { RemainsFinder } from '../log-remains.js';
import { LogScanner, type ScannedRecord } from '../log-scan.js';
import { walkLog } from './check-log.js';
import { type Finding, Findings } from './findings.js';
import { LogImage } from './log-image.js';

export interface CatFilter {
  readonly topic?: string;
  readonly queueId?: number;
  /** A commit log offset; with `queueId`, an offset in that queue. */
  readonly from?: number;
  /** UNIQ_KEY or one of KEYS. */
  readonly key?: string;
  /** Store time, ms since the epoch. */
  readonly sinceMs?: number;
  readonly limit?: number;
}

export interface CatEvents {
  onRecord(record: ScannedRecord): void;
  /** What was skipped, and why. */
  onDamage(finding: Finding): void;
  /** Bytes of the log looked at, of about so many. */
  onProgress(bytesDone: number, bytesTotal: number): void;
}

export interface CatSummary {
  readonly printed: number;
  readonly records: number;
}

export function catStore(disk: Disk, directory: string, filter: CatFilter, events: CatEvents): CatSummary {
  const image = new LogImage(disk, directory);
  const matches = matcher(filter);
  const limit = filter.limit ?? Number.POSITIVE_INFINITY;
  let printed = 0;
  try {
    const from = Math.max(image.minOffset, startOf(image, filter));
    const scanner = new LogScanner({ fileBytes: image.fileBytes, delayLevelsMs: [] });
    const end = new RemainsFinder(image, scanner).estimateEnd();
    const { records } = walkLog(image, {
      findings: new Findings((finding) => events.onDamage(finding)),
      delayLevelsMs: [],
      isClean: false,
      from,
      onRecord: (record) => {
        if (!matches(record)) return true;
        if (printed < limit) {
          events.onRecord(record);
          printed++;
        }
        return printed < limit;
      },
      onProgress: (offset) => events.onProgress(offset - from, Math.max(end, offset) - from),
    });
    return { printed, records };
  } finally {
    image.close();
  }
}

/** Files that end before the wanted time are not read. */
function startOf(image: LogImage, { from, queueId, sinceMs }: CatFilter): number {
  let start = queueId === undefined ? (from ?? 0) : 0;
  if (sinceMs === undefined) return start;
  const head = Buffer.alloc(RECORD_HEAD_BYTES_MAX);
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  for (const file of image.files) {
    image.read(file.start, head.length, head, 0);
    const isRecord = view.getInt32(RECORD.magic) === Magic.RECORD;
    if (isRecord && readStoreTimestamp(view, 0) < sinceMs) start = Math.max(start, file.start);
  }
  return start;
}

function matcher({ topic, queueId, from, key, sinceMs }: CatFilter): (record: ScannedRecord) => boolean {
  const topicBytes = topic === undefined ? undefined : Buffer.from(topic, 'utf8');
  const keyBytes = key === undefined ? undefined : Buffer.from(key, 'utf8');
  return (record) => {
    if (topicBytes !== undefined && !bytesEqual(record.buffer, record.topicAt, record.topicBytes, topicBytes))
      return false;
    if (queueId !== undefined && record.queueId !== queueId) return false;
    if (from !== undefined && (queueId === undefined ? record.offset : record.queueOffset) < from) return false;
    if (sinceMs !== undefined && record.storeTimestamp < sinceMs) return false;
    return keyBytes === undefined || hasKey(record, keyBytes);
  };
}

function hasKey({ buffer, properties }: ScannedRecord, key: Buffer): boolean {
  const uniqueAt = properties.at(Scanned.UNIQUE_KEY);
  if (uniqueAt >= 0 && bytesEqual(buffer, uniqueAt, properties.length(Scanned.UNIQUE_KEY), key)) return true;
  const end = properties.at(Scanned.KEYS) + properties.length(Scanned.KEYS);
  for (let at = properties.at(Scanned.KEYS); at >= 0 && at < end; ) {
    let wordEnd = at;
    while (wordEnd < end && buffer[wordEnd] !== KEY_SEPARATOR) wordEnd++;
    if (bytesEqual(buffer, at, wordEnd - at, key)) return true;
    at = wordEnd + 1;
  }
  return false;
}
