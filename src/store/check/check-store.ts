/**
 * `hangar store check`: verifies a store directory that no broker has open, and changes nothing. Linear in what it reads,
 * with bounded memory: per queue some 200 bytes, for the index one slot table (20 MB).
 */
import type { Disk } from '../../base/disk.js';
import { entersConsumeQueue, entersIndex } from '../../message/system-flags.js';
import { RemainsFinder } from '../log-remains.js';
import { LogScanner } from '../log-scan.js';
import { hasAbortFile, storePath } from '../store-directory.js';
import { checkCheckpoint, checkConfig } from './check-config.js';
import { IndexCheck } from './check-index.js';
import { checkLogFiles, walkLog } from './check-log.js';
import { QueuesCheck } from './check-queues.js';
import { type Finding, Findings } from './findings.js';
import { LogImage } from './log-image.js';

export interface CheckOptions {
  readonly root: string;
  /** Default `<root>/commitlog`. */
  readonly commitLogDirectory?: string;
  /** What the broker's file says; undefined: what the files say, and Apache's defaults. */
  readonly fileBytes?: number;
  readonly queueFileBytes?: number;
  readonly indexSlots?: number;
  readonly delayLevelsMs: readonly number[];
}

export interface CheckEvents {
  onFinding(finding: Finding): void;
  onProgress(bytesDone: number, bytesTotal: number): void;
}

export interface CheckSummary {
  readonly logFiles: number;
  readonly minOffset: number;
  /** Behind the last good record. */
  readonly endOffset: number;
  readonly records: number;
  readonly queues: number;
  readonly entries: number;
  readonly indexFiles: number;
  readonly keys: number;
  readonly damage: number;
  readonly notices: number;
  /** Findings that were counted and not told, because there were too many of their kind. */
  readonly untold: number;
}

/** Throws DiskError when something cannot be read at all. */
export function checkStore(disk: Disk, options: CheckOptions, events: CheckEvents): CheckSummary {
  const { root, delayLevelsMs } = options;
  const findings = new Findings((finding) => events.onFinding(finding));
  const isClean = !hasAbortFile(disk, root);
  if (!isClean) {
    findings.add(
      'notice',
      'store',
      storePath.abort(root),
      undefined,
      'the store was not closed in order: a start recovers it',
    );
  }
  const image = new LogImage(disk, options.commitLogDirectory ?? storePath.commitLog(root), options.fileBytes);
  try {
    checkLogFiles(image, findings);
    checkCheckpoint(disk, root, findings);
    const topics = checkConfig(disk, root, findings);
    const queues = new QueuesCheck(disk, root, findings, { fileBytes: options.queueFileBytes, isClean });
    queues.open(image.minOffset);
    const index = new IndexCheck(disk, root, findings, { slots: options.indexSlots, isClean });
    index.open(image.minOffset);
    const scanner = new LogScanner({ fileBytes: image.fileBytes, delayLevelsMs });
    const total = new RemainsFinder(image, scanner).estimateEnd() - image.minOffset;
    const log = walkLog(image, {
      findings,
      delayLevelsMs,
      isClean,
      onRecord: (record) => {
        if (entersConsumeQueue(record.sysFlag)) queues.record(record);
        index.record(record, entersIndex(record.sysFlag));
      },
      onProgress: (offset) => events.onProgress(offset - image.minOffset, Math.max(total, offset - image.minOffset)),
    });
    if (image.count === 0 && queues.facts.entries > 0) {
      findings.add('damage', 'log', image.directory, undefined, 'there are no commit log files, but consume queues');
    }
    queues.finish(log.end, topics);
    index.finish();
    return {
      logFiles: image.count,
      minOffset: image.minOffset,
      endOffset: log.end,
      records: log.records,
      ...queues.facts,
      ...index.facts,
      damage: findings.damage,
      notices: findings.notices,
      untold: findings.untold,
    };
  } finally {
    image.close();
  }
}
