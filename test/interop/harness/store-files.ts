/**
 * Reads the files of a store directory, whichever broker wrote them. Written apart from src/store and src/message on
 * purpose: a mistake there must not look right here. All integers big-endian.
 * Sources: CommitLog.java, ConsumeQueue.java, IndexFile.java, IndexHeader.java, StoreCheckpoint.java.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const RECORD_MAGIC = 0xdaa320a7;
export const BLANK_MAGIC = 0xcbd43194;
const IPV6_BORN_HOST = 0x10;
const IPV6_STORE_HOST = 0x20;
const STAT_BLOCK_BYTES = 512;

export interface StoredRecord {
  readonly totalBytes: number;
  readonly bodyCrc: number;
  readonly queueId: number;
  readonly flag: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  /** IP address in hex, a colon, the port. */
  readonly bornHost: string;
  readonly storeTimestamp: number;
  readonly storeHost: string;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly body: Buffer;
  readonly topic: string;
  /** As stored, separators included. */
  readonly propertyText: string;
  readonly properties: ReadonlyMap<string, string>;
}

/** Takes one field after the other. */
class Cursor {
  constructor(
    private readonly bytes: Buffer,
    public at: number,
  ) {}

  take(count: number): Buffer {
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  byte(): number {
    return this.take(1).readUInt8();
  }

  short(): number {
    return this.take(2).readInt16BE();
  }

  int(): number {
    return this.take(4).readInt32BE();
  }

  long(): number {
    return Number(this.take(8).readBigInt64BE());
  }

  host(isV6: boolean): string {
    const ip = this.take(isV6 ? 16 : 4).toString('hex');
    return `${ip}:${this.int()}`;
  }
}

export function decodeRecord(bytes: Buffer, start: number): StoredRecord {
  const next = new Cursor(bytes, start);
  const totalBytes = next.int();
  const magic = next.int() >>> 0;
  if (magic !== RECORD_MAGIC) throw new Error(`no record at ${start}: magic ${magic.toString(16)}`);
  const [bodyCrc, queueId, flag] = [next.int(), next.int(), next.int()];
  const [queueOffset, physicalOffset] = [next.long(), next.long()];
  const sysFlag = next.int();
  const bornTimestamp = next.long();
  const bornHost = next.host((sysFlag & IPV6_BORN_HOST) !== 0);
  const storeTimestamp = next.long();
  const storeHost = next.host((sysFlag & IPV6_STORE_HOST) !== 0);
  const reconsumeTimes = next.int();
  const preparedTransactionOffset = next.long();
  const body = next.take(next.int());
  const topic = next.take(next.byte()).toString();
  const propertyText = next.take(next.short()).toString();
  if (next.at - start !== totalBytes)
    throw new Error(`record at ${start} has ${next.at - start} bytes, but says ${totalBytes}`);
  const head = { totalBytes, bodyCrc, queueId, flag, queueOffset, physicalOffset, sysFlag, bornTimestamp, bornHost };
  const hosts = { storeTimestamp, storeHost, reconsumeTimes, preparedTransactionOffset };
  return { ...head, ...hosts, body, topic, propertyText, properties: parseProperties(propertyText) };
}

function parseProperties(text: string): Map<string, string> {
  const pairs = text.split('\u0002').filter((item) => item !== '');
  return new Map(pairs.map((item) => item.split('\u0001') as [string, string]));
}

export interface Blank {
  readonly file: string;
  /** Where it begins in the file, the bytes it claims and the bytes to the file's end. */
  readonly at: number;
  readonly claimedBytes: number;
  readonly leftBytes: number;
}

export interface LogContent {
  readonly files: readonly string[];
  readonly records: readonly StoredRecord[];
  readonly blanks: readonly Blank[];
  /** Physical offset behind the last record. */
  readonly endOffset: number;
}

/** Walks over every file: records up to a blank, or to zeros, which only the last file with records may have. */
export function readLog(store: string): LogContent {
  const directory = join(store, 'commitlog');
  const files = readdirSync(directory).sort();
  const records: StoredRecord[] = [];
  const blanks: Blank[] = [];
  let endOffset = 0;
  let hasEnded = false;
  for (const file of files) {
    const bytes = readFileSync(join(directory, file));
    if (hasEnded && bytes.some((byte) => byte !== 0)) throw new Error(`${file}: bytes behind the end of the log`);
    for (let at = 0; !hasEnded; ) {
      const size = bytes.readInt32BE(at);
      const magic = bytes.readUInt32BE(at + 4);
      if (magic === BLANK_MAGIC) {
        blanks.push({ file, at, claimedBytes: size, leftBytes: bytes.length - at });
        break;
      }
      if (size === 0 && magic === 0) {
        hasEnded = true;
        break;
      }
      const record = decodeRecord(bytes, at);
      if (record.physicalOffset !== Number(file) + at) throw new Error(`${file}: record at ${at} says it is elsewhere`);
      records.push(record);
      at += size;
      endOffset = Number(file) + at;
    }
  }
  return { files, records, blanks, endOffset };
}

export interface QueueEntry {
  readonly physicalOffset: number;
  readonly bytes: number;
  readonly tagsCode: bigint;
}

export interface QueueContent {
  readonly files: readonly string[];
  /** Up to the first entry without a size; index is the queue offset when the first file is 0. */
  readonly entries: readonly QueueEntry[];
}

export function readQueueFiles(store: string, topic: string, queueId: number): QueueContent {
  const directory = join(store, 'consumequeue', topic, String(queueId));
  const files = readdirSync(directory).sort();
  const entries: QueueEntry[] = [];
  for (const file of files) {
    const bytes = readFileSync(join(directory, file));
    for (let at = 0; at < bytes.length; at += 20) {
      const size = bytes.readInt32BE(at + 8);
      if (size === 0) return { files, entries };
      const physicalOffset = Number(bytes.readBigInt64BE(at));
      entries.push({ physicalOffset, bytes: size, tagsCode: bytes.readBigInt64BE(at + 12) });
    }
  }
  return { files, entries };
}

/** The records of a queue, by way of its entries. */
export function readQueueRecords(store: string, log: LogContent, topic: string, queueId: number): StoredRecord[] {
  const byOffset = new Map(log.records.map((record) => [record.physicalOffset, record]));
  return readQueueFiles(store, topic, queueId).entries.map(({ physicalOffset, bytes }) => {
    const record = byOffset.get(physicalOffset);
    if (record?.totalBytes !== bytes)
      throw new Error(`${topic} ${queueId}: no record of ${bytes} at ${physicalOffset}`);
    return record;
  });
}

export interface IndexContent {
  readonly name: string;
  readonly header: {
    readonly beginTimestamp: number;
    readonly endTimestamp: number;
    readonly beginOffset: number;
    readonly endOffset: number;
    readonly usedSlots: number;
    /** One more than entries. */
    readonly count: number;
  };
  /** Slots with a chain; the header of a 4.4 broker counts entries instead. */
  readonly usedSlots: number;
  /** Every entry that a chain reaches: slot, hash, offset, and its place. */
  readonly entries: readonly IndexEntry[];
}

export interface IndexEntry {
  readonly number: number;
  readonly slot: number;
  readonly keyHash: number;
  readonly physicalOffset: number;
  readonly seconds: number;
  readonly previous: number;
}

export function readIndexFiles(store: string, slots: number): IndexContent[] {
  const directory = join(store, 'index');
  const names = existsSync(directory) ? readdirSync(directory).sort() : [];
  return names.map((name) => readIndexFile(readFileSync(join(directory, name)), name, slots));
}

function readIndexFile(bytes: Buffer, name: string, slots: number): IndexContent {
  const long = (at: number): number => Number(bytes.readBigInt64BE(at));
  const entries: IndexEntry[] = [];
  let usedSlots = 0;
  for (let slot = 0; slot < slots; slot++) {
    let number = bytes.readInt32BE(40 + slot * 4);
    if (number !== 0) usedSlots++;
    while (number > 0) {
      const at = 40 + slots * 4 + number * 20;
      const previous = bytes.readInt32BE(at + 16);
      const seconds = bytes.readInt32BE(at + 12);
      entries.push({ number, slot, keyHash: bytes.readInt32BE(at), physicalOffset: long(at + 4), seconds, previous });
      if (previous >= number) throw new Error(`${name}: the chain of slot ${slot} goes forward at ${number}`);
      number = previous;
    }
  }
  entries.sort((a, b) => a.number - b.number);
  const header = {
    beginTimestamp: long(0),
    endTimestamp: long(8),
    beginOffset: long(16),
    endOffset: long(24),
    usedSlots: bytes.readInt32BE(32),
    count: bytes.readInt32BE(36),
  };
  return { name, header, usedSlots, entries };
}

/** String.hashCode, then IndexFile.indexKeyHashMethod on `topic#key`. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

export function keyHash(topic: string, key: string): number {
  const hash = Math.abs(javaHash(`${topic}#${key}`));
  return hash > 0x7fff_ffff ? 0 : hash;
}

/** The keys that a record is indexed by, in order. */
export function keysOf(record: StoredRecord): string[] {
  const unique = record.properties.get('UNIQ_KEY');
  const keys = (record.properties.get('KEYS') ?? '').split(' ').filter((key) => key !== '');
  return unique === undefined ? keys : [unique, ...keys];
}

export function readCheckpoint(store: string): { bytes: number; log: number; queues: number; index: number } {
  const bytes = readFileSync(join(store, 'checkpoint'));
  const [log, queues, index] = [0, 8, 16].map((at) => Number(bytes.readBigInt64BE(at)));
  return { bytes: bytes.length, log: log!, queues: queues!, index: index! };
}

export interface FileFacts {
  /** Relative to the store. */
  readonly path: string;
  readonly bytes: number;
  readonly blockBytes: number;
}

/** Every file of the store, by path. */
export function filesOf(store: string): FileFacts[] {
  return readdirSync(store, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => ({ path, facts: statSync(join(store, path)) }))
    .filter(({ facts }) => facts.isFile())
    .map(({ path, facts }) => ({ path, bytes: facts.size, blockBytes: facts.blocks * STAT_BLOCK_BYTES }));
}
