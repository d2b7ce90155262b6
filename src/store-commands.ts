/** What `hangar store check` and `hangar store cat` do: read a store directory, print, set the exit code. */
import { existsSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inflateSync } from 'node:zlib';
import { readBrokerConfig } from '../config/load.js';
import { renderNote } from '../config/notes.js';
import { DiskError } from './base/disk.js';
import { MIB, MS_PER_SECOND } from './base/units.js';
import { hostText } from './message/host.js';
import { decodeProperties } from './message/properties.js';
import { SystemFlag } from './message/system-flags.js';
import { NodeDisk } from './runtime/node-disk.js';
import { catStore, type CatFilter } from './store/check/cat-store.js';
import { type CheckOptions, checkStore } from './store/check/check-store.js';
import type { Finding } from './store/check/findings.js';
import { parseDelayLevels, type ScannedRecord } from './store/log-scan.js';
import { lockForReading, storePath } from './store/store-directory.js';
import { logFileStart, StoreError } from './store/log-files.js';

const DEFAULT_DELAY_LEVELS = '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h';

/** docs/operations.md. */
export const CheckExit = { CLEAN: 0, DAMAGE: 1, USAGE: 2 } as const;

export interface CheckArguments {
  readonly config?: string;
  readonly json?: boolean;
}

export interface CatArguments extends CatFilter {
  readonly json?: boolean;
  readonly body?: boolean;
}

export function check(directory: string, { config, json }: CheckArguments): void {
  const root = storeRoot(directory);
  const options = optionsOf(root, config);
  if (!existsSync(options.commitLogDirectory ?? storePath.commitLog(root)) && !isStore(root)) return noStore(root);
  const disk = new NodeDisk(() => undefined);
  const print = printer(json === true);
  const progress = progressLines();
  try {
    const lock = lockForReading(disk, root);
    const startMs = performance.now();
    const summary = checkStore(disk, options, {
      onFinding: (finding) => print({ kind: 'finding', ...finding }, findingLine(finding)),
      onProgress: progress.update,
    });
    progress.end();
    const seconds = Math.round(performance.now() - startMs) / MS_PER_SECOND;
    print({ kind: 'summary', ...summary, seconds }, summaryLines(summary, seconds));
    lock.release();
    process.exitCode = summary.damage > 0 ? CheckExit.DAMAGE : CheckExit.CLEAN;
  } catch (error) {
    fail(error);
  }
}

export function cat(directory: string, { json, body, ...filter }: CatArguments): void {
  const path = storeRoot(directory);
  // A log that was cut off and kept has the files in the directory itself.
  const commitLog = existsSync(storePath.commitLog(path)) ? storePath.commitLog(path) : path;
  if (commitLog === path && !isStore(path) && !readdirSync(path).some((name) => logFileStart(name) >= 0)) {
    return noStore(path);
  }
  const print = printer(json === true);
  const progress = progressLines();
  let printedAtMs = Number.NEGATIVE_INFINITY;
  try {
    catStore(new NodeDisk(() => undefined), commitLog, filter, {
      onRecord: (record) => {
        const facts = factsOf(record, body === true);
        print({ kind: 'record', ...facts }, recordLine(facts));
        printedAtMs = performance.now();
      },
      // Records that come say enough.
      onProgress: (done, total) => {
        if (performance.now() - printedAtMs >= MS_PER_SECOND) progress.update(done, total);
      },
      onDamage: (finding) => {
        if (json === true) print({ kind: 'skipped', ...finding }, '');
        else console.error(findingLine(finding));
      },
    });
    progress.end();
  } catch (error) {
    fail(error);
  }
}

/** The directory as an absolute path; ends the process when there is none. */
function storeRoot(directory: string): string {
  const root = resolve(directory);
  if (existsSync(root) && statSync(root).isDirectory()) return root;
  console.error(`hangar: ${root} is no directory`);
  return process.exit(CheckExit.USAGE);
}

function isStore(root: string): boolean {
  return [storePath.commitLog, storePath.consumeQueues, storePath.index].some((path) => existsSync(path(root)));
}

/** A good store is not what was found: for the one who gave the directory above the stores of all roles. */
function noStore(root: string): void {
  const stores = readdirSync(root).filter((name) => isStore(join(root, name)));
  const hint = stores.length === 0 ? '' : `; its ${stores.join(', ')} ${stores.length === 1 ? 'is one' : 'are'}`;
  console.error(`hangar: ${root} is no store: it has no commitlog, consumequeue or index${hint}`);
  process.exitCode = CheckExit.USAGE;
}

function optionsOf(root: string, config: string | undefined): CheckOptions {
  if (config === undefined) return { root, delayLevelsMs: parseDelayLevels(DEFAULT_DELAY_LEVELS)! };
  const loaded = readBrokerConfig(config);
  if (!loaded.ok) {
    for (const error of loaded.errors) console.error(`hangar: ${renderNote(error)}`);
    return process.exit(CheckExit.USAGE);
  }
  const { settings, given } = loaded.value;
  // Only what the file says. Its defaults are those of a new store, and the directory may be elsewhere (`--store`).
  return {
    root,
    ...(given.has('storePathCommitLog') ? { commitLogDirectory: settings.storePathCommitLog } : {}),
    ...(given.has('mappedFileSizeCommitLog') ? { fileBytes: settings.mappedFileSizeCommitLog } : {}),
    ...(given.has('mappedFileSizeConsumeQueue') ? { queueFileBytes: settings.mappedFileSizeConsumeQueue } : {}),
    ...(given.has('maxHashSlotNum') ? { indexSlots: settings.maxHashSlotNum } : {}),
    delayLevelsMs: settings.messageDelayLevel,
  };
}

function fail(error: unknown): void {
  // Whoever reads our output has seen enough: `| head`.
  if (error instanceof OutputClosed) return;
  if (!(error instanceof DiskError || error instanceof StoreError)) throw error;
  console.error(`hangar: ${error.message}`);
  process.exitCode = CheckExit.USAGE;
}

// Output.

class OutputClosed extends Error {}

const RETRY_MS = 5;

/** Writes lines at once, so that a slow reader slows us down and memory stays bounded. */
function printer(isJson: boolean): (value: object, line: string) => void {
  const wait = new Int32Array(new SharedArrayBuffer(4));
  return (value, line) => {
    const bytes = Buffer.from(`${isJson ? JSON.stringify(value) : line}\n`);
    for (let done = 0; done < bytes.length; ) {
      try {
        done += writeSync(1, bytes, done);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EPIPE') throw new OutputClosed();
        if (code !== 'EAGAIN') throw error;
        Atomics.wait(wait, 0, 0, RETRY_MS);
      }
    }
  };
}

/** On standard error, once a second: rewritten in place on a terminal. */
function progressLines(): { update: (done: number, total: number) => void; end: () => void } {
  const startMs = performance.now();
  const isTerminal = process.stderr.isTTY === true;
  let toldAtMs = startMs;
  let hasLine = false;
  const update = (done: number, total: number): void => {
    const nowMs = performance.now();
    if (nowMs - toldAtMs < MS_PER_SECOND) return;
    toldAtMs = nowMs;
    const perSecond = done / ((nowMs - startMs) / MS_PER_SECOND);
    const left = Math.ceil(Math.max(0, total - done) / Math.max(1, perSecond));
    const [doneMib, totalMib, rate] = [done, total, perSecond].map((bytes) => Math.round(bytes / MIB));
    const line = `${doneMib} of ${totalMib} MiB, ${rate} MiB/s, ${left} s left`;
    writeSync(2, isTerminal ? `\r${line}\u001b[K` : `${line}\n`);
    hasLine = isTerminal;
  };
  const end = (): void => {
    if (hasLine) writeSync(2, '\r\u001b[K');
  };
  return { update, end };
}

function findingLine({ severity, part, path, offset, text }: Finding): string {
  const where = offset === undefined ? '' : ` (commit log offset ${offset})`;
  return `${severity.padEnd(6)}  ${part.padEnd(10)}  ${path}${where}: ${text}`;
}

function summaryLines(summary: ReturnType<typeof checkStore>, seconds: number): string {
  const { logFiles, minOffset, endOffset, records, queues, entries, indexFiles, keys, damage, notices, untold } =
    summary;
  const rest = untold === 0 ? '' : ` (${untold} of them not shown)`;
  return [
    `commit log      ${logFiles} files, offsets ${minOffset} to ${endOffset}, ${records} messages`,
    `consume queues  ${queues} queues, ${entries} entries`,
    `key index       ${indexFiles} files, ${keys} keys`,
    `${damage === 0 ? 'no damage' : `${damage} damaged places`}, ${notices} notices${rest}, in ${seconds} s`,
  ].join('\n');
}

// Records.

const ZLIB_TYPE = 0x300;

interface RecordFacts {
  readonly offset: number;
  readonly storeTime: string;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly bytes: number;
  readonly sysFlag: number;
  readonly flag: number;
  readonly bornTimestamp: number;
  readonly bornHost: string;
  readonly storeTimestamp: number;
  readonly storeHost: string;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly bodyCrc: number;
  readonly bodyBytes: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bodyEncoding?: 'utf8' | 'base64';
}

function factsOf(record: ScannedRecord, withBody: boolean): RecordFacts {
  const { buffer, storeTimestamp, topicAt, topicBytes, propertiesAt, propertiesBytes } = record;
  const part = (at: number, length: number): Buffer => buffer.subarray(at, at + length);
  return {
    offset: record.offset,
    storeTime: isoTime(storeTimestamp),
    topic: buffer.toString('utf8', topicAt, topicAt + topicBytes),
    queueId: record.queueId,
    queueOffset: record.queueOffset,
    bytes: record.totalBytes,
    sysFlag: record.sysFlag,
    flag: record.flag,
    bornTimestamp: record.bornTimestamp,
    bornHost: hostText(buffer, record.bornHostAt, record.bornHostBytes),
    storeTimestamp,
    storeHost: hostText(buffer, record.storeHostAt, record.storeHostBytes),
    reconsumeTimes: record.reconsumeTimes,
    preparedTransactionOffset: record.preparedTransactionOffset,
    bodyCrc: record.bodyCrc,
    bodyBytes: record.bodyBytes,
    properties: Object.fromEntries(decodeProperties(part(propertiesAt, propertiesBytes))),
    ...(withBody ? bodyOf(record) : {}),
  };
}

/** Times far outside of what a date holds are shown as they are. */
function isoTime(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString();
}

/** Text when it is some; unpacked when it was packed with zlib, as most clients do. */
function bodyOf(record: ScannedRecord): { body: string; bodyEncoding: 'utf8' | 'base64' } {
  const stored = record.buffer.subarray(record.bodyAt, record.bodyAt + record.bodyBytes);
  const bytes = isDeflated(record.sysFlag) ? inflated(stored) : stored;
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes);
  return isText ? { body: text, bodyEncoding: 'utf8' } : { body: bytes.toString('base64'), bodyEncoding: 'base64' };
}

function isDeflated(sysFlag: number): boolean {
  const type = sysFlag & SystemFlag.COMPRESSION_TYPE_MASK;
  return (sysFlag & SystemFlag.COMPRESSED) !== 0 && (type === 0 || type === ZLIB_TYPE);
}

/** A client may say that a body is packed when it is not: then it is shown as it is. */
function inflated(stored: Buffer): Buffer {
  try {
    return inflateSync(stored);
  } catch (error) {
    if (!String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error;
    return stored;
  }
}

function recordLine(facts: RecordFacts): string {
  const { offset, storeTime, topic, queueId, queueOffset, bytes, properties, body, bodyEncoding } = facts;
  const line = `${offset}  ${storeTime}  ${topic}-${queueId}@${queueOffset}  ${bytes} bytes`;
  const shown = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  const withProperties = shown.length === 0 ? line : `${line}  ${shown.join(' ')}`;
  if (body === undefined) return withProperties;
  return `${withProperties}\n${bodyEncoding === 'base64' ? 'base64:' : ''}${body}`;
}
