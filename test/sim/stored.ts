/**
 * What lies in the stores, read from the simulated disk by code of its own: a mistake of src/store must not look right
 * here. Layouts: CommitLog.java, ConsumeQueue.java of Apache RocketMQ.
 */
import type { Disk } from '../../src/base/disk.js';

const RECORD = {
  totalBytes: 0,
  magic: 4,
  queueId: 12,
  queueOffset: 20,
  physicalOffset: 28,
  sysFlag: 36,
  bornTimestamp: 40,
  /** Behind a host with an IPv4 address, as all that follows. */
  storeTimestamp: 56,
  reconsumeTimes: 72,
  /** Behind two hosts with IPv4 addresses. */
  bodyBytes: 84,
} as const;
const MAGIC = { record: 0xdaa320a7 | 0, blank: 0xcbd43194 | 0 } as const;
/** Born host and store host have IPv6 addresses: 12 bytes more each. */
const IPV6 = { born: 0x10, store: 0x20, moreBytes: 12 } as const;
const RECORD_BYTES_MIN = 88;

export interface StoredMessage {
  readonly physicalOffset: number;
  readonly sizeBytes: number;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly storeTimestamp: number;
  readonly reconsumeTimes: number;
  readonly body: Buffer;
  readonly properties: string;
}

export interface LogPlace {
  readonly directory: string;
  readonly fileBytes: number;
}

export const queueKey = (topic: string, queueId: number): string => `${topic}-${queueId}`;

function numberOf(name: string): number {
  return Number(name);
}

/** Bytes [from, to) of a log, zeros where no file is. */
export function logBytes(disk: Disk, { directory, fileBytes }: LogPlace, from: number, to: number): Buffer {
  const bytes = Buffer.alloc(to - from);
  for (let at = from; at < to; ) {
    const start = at - (at % fileBytes);
    const length = Math.min(to, start + fileBytes) - at;
    const path = `${directory}/${String(start).padStart(20, '0')}`;
    if (disk.stat(path) !== undefined) {
      const file = disk.open(path);
      file.read(bytes, at - from, length, at - start);
      file.close();
    }
    at += length;
  }
  return bytes;
}

/** The record at that offset; undefined when there is none. */
export function messageAt(disk: Disk, place: LogPlace, offset: number): StoredMessage | undefined {
  const inFile = place.fileBytes - (offset % place.fileBytes);
  const sizeBytes = inFile < RECORD_BYTES_MIN ? 0 : logBytes(disk, place, offset, offset + 4).readInt32BE(0);
  if (sizeBytes < RECORD_BYTES_MIN || sizeBytes > inFile) return undefined;
  return parse(logBytes(disk, place, offset, offset + sizeBytes), offset);
}

function parse(bytes: Buffer, offset: number): StoredMessage | undefined {
  if (bytes.readInt32BE(RECORD.magic) !== MAGIC.record) return undefined;
  const sysFlag = bytes.readInt32BE(RECORD.sysFlag);
  const longHosts = Number((sysFlag & IPV6.born) !== 0) + Number((sysFlag & IPV6.store) !== 0);
  const bornMore = (sysFlag & IPV6.born) === 0 ? 0 : IPV6.moreBytes;
  const bodyBytesAt = RECORD.bodyBytes + longHosts * IPV6.moreBytes;
  const bodyEnd = bodyBytesAt + 4 + bytes.readInt32BE(bodyBytesAt);
  const topicEnd = bodyEnd + 1 + bytes.readUInt8(bodyEnd);
  const propertiesAt = topicEnd + 2;
  const propertiesEnd = propertiesAt + bytes.readInt16BE(topicEnd);
  if (propertiesEnd !== bytes.length) throw new Error(`lengths of the record at ${offset}`);
  const physicalOffset = Number(bytes.readBigInt64BE(RECORD.physicalOffset));
  if (physicalOffset !== offset) throw new Error(`record at ${offset} says it lies at ${physicalOffset}`);
  return {
    physicalOffset,
    sizeBytes: bytes.length,
    topic: bytes.toString('latin1', bodyEnd + 1, topicEnd),
    queueId: bytes.readInt32BE(RECORD.queueId),
    queueOffset: Number(bytes.readBigInt64BE(RECORD.queueOffset)),
    sysFlag,
    bornTimestamp: Number(bytes.readBigInt64BE(RECORD.bornTimestamp)),
    storeTimestamp: Number(bytes.readBigInt64BE(RECORD.storeTimestamp + bornMore)),
    reconsumeTimes: bytes.readInt32BE(RECORD.reconsumeTimes + longHosts * IPV6.moreBytes),
    body: bytes.subarray(bodyBytesAt + 4, bodyEnd),
    properties: bytes.toString('latin1', propertiesAt, propertiesEnd),
  };
}

export interface StoredLog {
  readonly messages: readonly StoredMessage[];
  readonly end: number;
}

/** The records of a pull's body. */
export function recordsIn(body: Buffer): StoredMessage[] {
  const records: StoredMessage[] = [];
  for (let at = 0; at < body.length; ) {
    const bytes = body.subarray(at, at + body.readInt32BE(at));
    const record = parse(bytes, Number(bytes.readBigInt64BE(RECORD.physicalOffset)));
    if (record === undefined) throw new Error(`no record at ${at} of a pull's body`);
    records.push(record);
    at += bytes.length;
  }
  return records;
}

/** By name. */
export function propertiesIn({ properties }: Pick<StoredMessage, 'properties'>): Map<string, string> {
  const pairs = properties.split('\u0002').filter((pair) => pair !== '');
  return new Map(pairs.map((pair) => pair.split('\u0001', 2) as [string, string]));
}

/** Every record of a log, from `from` (where one begins) to the first place where nothing was written. */
export function readLog(disk: Disk, place: LogPlace, from = 0): StoredLog {
  const messages: StoredMessage[] = [];
  const { fileBytes } = place;
  let offset = from;
  for (;;) {
    const message = messageAt(disk, place, offset);
    if (message !== undefined) {
      messages.push(message);
      offset += message.sizeBytes;
      continue;
    }
    const left = fileBytes - (offset % fileBytes);
    const head = logBytes(disk, place, offset, offset + Math.min(8, left));
    const isBlank = left >= 8 && head.readInt32BE(4) === MAGIC.blank && head.readInt32BE(0) === left;
    if (!isBlank) {
      if (head.some((byte) => byte !== 0)) throw new Error(`${place.directory}: no record at ${offset}`);
      return { messages, end: offset };
    }
    offset += left;
  }
}

export interface StoredQueue {
  /** Queue offset of the first entry that has a file. */
  readonly first: number;
  /** As `physicalOffset:sizeBytes`, up to the first one that was not written. */
  readonly entries: readonly string[];
}

export function readConsumeQueue(disk: Disk, root: string, topic: string, queueId: number): StoredQueue {
  const directory = `${root}/consumequeue/${topic}/${queueId}`;
  const names = disk.list(directory).sort((a, b) => numberOf(a) - numberOf(b));
  const first = names.length === 0 ? 0 : numberOf(names[0]!) / 20;
  const entries: string[] = [];
  for (const name of names) {
    if (numberOf(name) !== (first + entries.length) * 20)
      throw new Error(`${directory}/${name} follows ${entries.length} entries from ${first}`);
    const bytes = disk.readFile(`${directory}/${name}`)!;
    for (let at = 0; at + 20 <= bytes.length; at += 20) {
      const sizeBytes = bytes.readInt32BE(at + 8);
      if (sizeBytes === 0) return { first, entries };
      entries.push(`${bytes.readBigInt64BE(at)}:${sizeBytes}`);
    }
  }
  return { first, entries };
}

export interface IndexEntry {
  readonly keyHash: number;
  readonly offset: number;
}

/** Entries of all index files of a store, file after file. */
export function readIndex(disk: Disk, root: string, slots: number): IndexEntry[] {
  const entries: IndexEntry[] = [];
  for (const name of disk.list(`${root}/index`)) {
    const file = disk.open(`${root}/index/${name}`, { readOnly: true });
    const header = Buffer.alloc(40);
    file.read(header, 0, 40, 0);
    const count = Math.max(0, header.readInt32BE(36) - 1);
    const bytes = Buffer.alloc(count * 20);
    file.read(bytes, 0, bytes.length, 40 + slots * 4 + 20);
    for (let at = 0; at < bytes.length; at += 20) {
      entries.push({ keyHash: bytes.readInt32BE(at), offset: Number(bytes.readBigInt64BE(at + 4)) });
    }
    file.close();
  }
  return entries;
}

/** Queues that have a directory, as `topic-queueId`. */
export function storedQueues(disk: Disk, root: string): string[] {
  const directory = `${root}/consumequeue`;
  return disk
    .list(directory)
    .flatMap((topic) => disk.list(`${directory}/${topic}`).map((queueId) => queueKey(topic, Number(queueId))));
}
