/**
 * The stored record: what a commit log consists of and what a pull returns. Big-endian.
 * Sources: CommitLog.java (MessageExtEncoder, calMsgLength, checkMessageAndReturnSize), MessageDecoder.java.
 *
 *     0  totalBytes 4 | magic 4 | bodyCrc 4 | queueId 4 | flag 4
 *    20  queueOffset 8 | physicalOffset 8 | sysFlag 4 | bornTimestamp 8
 *    48  bornHost 8 or 20 | storeTimestamp 8 | storeHost 8 or 20 | reconsumeTimes 4 | preparedTransactionOffset 8
 *    84  bodyBytes 4 | body | topicBytes 1 | topic | propertiesBytes 2 | properties
 *
 * A host is an IP address (4 bytes, 16 with its IPv6 bit in sysFlag) and a 4-byte port. Positions after a host shift
 * by 12 for each IPv6 host; the numbers of the third and fourth line are those of two IPv4 hosts.
 */
import { writeInt64 } from '../base/int64.js';
import { invariant } from '../base/invariant.js';
import { bodyCrc } from './crc.js';
import { bornHostBytes, storeHostBytes } from './system-flags.js';

export const RECORD = {
  totalBytes: 0,
  magic: 4,
  bodyCrc: 8,
  queueId: 12,
  flag: 16,
  queueOffset: 20,
  physicalOffset: 28,
  sysFlag: 36,
  bornTimestamp: 40,
  bornHost: 48,
} as const;

/** Positions counted from the end of the born host. */
const AFTER_BORN_HOST = { storeTimestamp: 0, storeHost: 8 } as const;
/** Positions counted from the end of the store host. */
const AFTER_STORE_HOST = { reconsumeTimes: 0, preparedTransactionOffset: 4, bodyBytes: 12, body: 16 } as const;

/** As int32, the way DataView.getInt32 returns them. */
export const Magic = {
  /** 0xDAA320A7: a record with a 1-byte topic length. */
  RECORD: -626843481,
  /** 0xDAA320AB: a record with a 2-byte topic length; 5.x only, an illegal magic for 4.x and here. */
  RECORD_V2: -626843477,
  /** 0xCBD43194: fills a file to its end. */
  BLANK: -875286124,
} as const;

/** The blank record at the end of a file: its first 8 bytes are {bytes to the file's end, magic}, the rest is arbitrary. */
export const BLANK = { totalBytes: 0, magic: 4, headBytes: 8 } as const;

/** Topic length is a signed byte, properties length a signed short. */
export const TOPIC_BYTES_MAX = 127;
export const PROPERTIES_BYTES_MAX = 32_767;
/** What Apache allows beside the body: a record has at most maxMessageSize + 64 KiB. */
export const RECORD_OVERHEAD_MAX = 64 * 1024;

/** Bytes of a record without body, topic and properties, with two IPv4 hosts: the smallest record there is. */
export const RECORD_BYTES_MIN = 91;
/** Bytes before the body with two IPv6 hosts. */
export const RECORD_HEAD_BYTES_MAX = 112;

/** Bytes before the body (its length field included). */
export function recordHeadBytes(sysFlag: number): number {
  return RECORD.bornHost + bornHostBytes(sysFlag) + 8 + storeHostBytes(sysFlag) + AFTER_STORE_HOST.body;
}

/** Size of a whole record. */
export function recordBytes(bodyBytes: number, topicBytes: number, propertiesBytes: number, sysFlag: number): number {
  return recordHeadBytes(sysFlag) + bodyBytes + 1 + topicBytes + 2 + propertiesBytes;
}

/** Writes the 8 bytes of the record that fills a file from `at` to its end. */
export function writeBlank(view: DataView, at: number, bytesToFileEnd: number): void {
  view.setInt32(at + BLANK.totalBytes, bytesToFileEnd);
  view.setInt32(at + BLANK.magic, Magic.BLANK);
}

/**
 * Writes everything before the body and returns the body's position. The caller then copies the body, and writes
 * topic and properties with writeRecordTail or in place. Hosts are encoded (host.ts) with the lengths that `sysFlag` says.
 */
export function writeRecordHead(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  totalBytes: number,
  crc: number,
  queueId: number,
  flag: number,
  queueOffset: number,
  physicalOffset: number,
  sysFlag: number,
  bornTimestamp: number,
  bornHost: Uint8Array,
  storeTimestamp: number,
  storeHost: Uint8Array,
  reconsumeTimes: number,
  preparedTransactionOffset: number,
  bodyBytes: number,
): number {
  invariant(bornHost.length === bornHostBytes(sysFlag), 'born host and sysFlag disagree', bornHost.length, sysFlag);
  invariant(storeHost.length === storeHostBytes(sysFlag), 'store host and sysFlag disagree', storeHost.length, sysFlag);
  view.setInt32(at + RECORD.totalBytes, totalBytes);
  view.setInt32(at + RECORD.magic, Magic.RECORD);
  view.setInt32(at + RECORD.bodyCrc, crc);
  view.setInt32(at + RECORD.queueId, queueId);
  view.setInt32(at + RECORD.flag, flag);
  writeInt64(view, at + RECORD.queueOffset, queueOffset);
  writeInt64(view, at + RECORD.physicalOffset, physicalOffset);
  view.setInt32(at + RECORD.sysFlag, sysFlag);
  writeInt64(view, at + RECORD.bornTimestamp, bornTimestamp);
  let next = at + RECORD.bornHost;
  for (let i = 0; i < bornHost.length; i++) bytes[next++] = bornHost[i]!;
  writeInt64(view, next + AFTER_BORN_HOST.storeTimestamp, storeTimestamp);
  next += AFTER_BORN_HOST.storeHost;
  for (let i = 0; i < storeHost.length; i++) bytes[next++] = storeHost[i]!;
  view.setInt32(next + AFTER_STORE_HOST.reconsumeTimes, reconsumeTimes);
  writeInt64(view, next + AFTER_STORE_HOST.preparedTransactionOffset, preparedTransactionOffset);
  view.setInt32(next + AFTER_STORE_HOST.bodyBytes, bodyBytes);
  return next + AFTER_STORE_HOST.body;
}

/** Writes the topic's length at `at` (the end of the body); the topic follows at the returned position. */
export function writeTopicLength(view: DataView, at: number, topicBytes: number): number {
  view.setInt8(at, topicBytes);
  return at + 1;
}

/** Writes the properties' length at `at` (the end of the topic); the properties follow at the returned position. */
export function writePropertiesLength(view: DataView, at: number, propertiesBytes: number): number {
  view.setInt16(at, propertiesBytes);
  return at + 2;
}

const TWO_32 = 0x1_0000_0000;

/**
 * An int64 as a Number, rounded beyond 2^53: what a client puts into a born timestamp, or a bad disk into anything,
 * must not stop a reader.
 */
function readRounded(view: DataView, at: number): number {
  return view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
}

/**
 * The fields of one record, read into a reused object. Ranges are positions in the buffer that was read. Offsets and
 * times are exact when checkRecord accepted the record.
 */
export class RecordFields {
  totalBytes = 0;
  magic = 0;
  bodyCrc = 0;
  queueId = 0;
  flag = 0;
  // 0.5 keeps a field a double from the start, so that the object's shape never changes.
  queueOffset = 0.5;
  physicalOffset = 0.5;
  sysFlag = 0;
  bornTimestamp = 0.5;
  bornHostAt = 0;
  bornHostBytes = 0;
  storeTimestamp = 0.5;
  storeHostAt = 0;
  storeHostBytes = 0;
  reconsumeTimes = 0;
  preparedTransactionOffset = 0.5;
  bodyAt = 0;
  bodyBytes = 0;
  topicAt = 0;
  topicBytes = 0;
  propertiesAt = 0;
  propertiesBytes = 0;

  /** Reads the record at `at`, which must be whole and of a known shape (checkRecord, or written by this process). */
  read(view: DataView, at: number): void {
    this.totalBytes = view.getInt32(at + RECORD.totalBytes);
    this.magic = view.getInt32(at + RECORD.magic);
    this.bodyCrc = view.getInt32(at + RECORD.bodyCrc);
    this.queueId = view.getInt32(at + RECORD.queueId);
    this.flag = view.getInt32(at + RECORD.flag);
    this.queueOffset = readRounded(view, at + RECORD.queueOffset);
    this.physicalOffset = readRounded(view, at + RECORD.physicalOffset);
    const sysFlag = view.getInt32(at + RECORD.sysFlag);
    this.sysFlag = sysFlag;
    this.bornTimestamp = readRounded(view, at + RECORD.bornTimestamp);
    this.bornHostAt = at + RECORD.bornHost;
    this.bornHostBytes = bornHostBytes(sysFlag);
    const afterBornHost = this.bornHostAt + this.bornHostBytes;
    this.storeTimestamp = readRounded(view, afterBornHost + AFTER_BORN_HOST.storeTimestamp);
    this.storeHostAt = afterBornHost + AFTER_BORN_HOST.storeHost;
    this.storeHostBytes = storeHostBytes(sysFlag);
    const afterStoreHost = this.storeHostAt + this.storeHostBytes;
    this.reconsumeTimes = view.getInt32(afterStoreHost + AFTER_STORE_HOST.reconsumeTimes);
    this.preparedTransactionOffset = readRounded(view, afterStoreHost + AFTER_STORE_HOST.preparedTransactionOffset);
    // Lengths below zero count as zero, as Apache's calMsgLength has it for body and properties.
    const bodyBytes = Math.max(0, view.getInt32(afterStoreHost + AFTER_STORE_HOST.bodyBytes));
    this.bodyAt = afterStoreHost + AFTER_STORE_HOST.body;
    this.bodyBytes = bodyBytes;
    const afterBody = this.bodyAt + bodyBytes;
    this.topicAt = afterBody + 1;
    this.topicBytes = view.getInt8(afterBody);
    const afterTopic = this.topicAt + this.topicBytes;
    this.propertiesAt = afterTopic + 2;
    this.propertiesBytes = Math.max(0, view.getInt16(afterTopic));
  }
}

/** Position of the store timestamp of a record. */
export function storeTimestampAt(at: number, sysFlag: number): number {
  return at + RECORD.bornHost + bornHostBytes(sysFlag) + AFTER_BORN_HOST.storeTimestamp;
}

/** Store timestamp of the record at `at`: for searches by time, which look at one field of many records. */
export function readStoreTimestamp(view: DataView, at: number): number {
  return readRounded(view, storeTimestampAt(at, view.getInt32(at + RECORD.sysFlag)));
}

export type RecordProblem =
  | 'too short'
  | 'illegal magic'
  | 'impossible length'
  | 'body checksum'
  | 'total size'
  | 'zeros in topic or properties'
  | 'impossible topic or queue'
  | 'offset or time out of range';

/** What checkRecord found. Reused: read it before the next call. */
export interface RecordCheck {
  status: 'record' | 'blank' | 'bad';
  /**
   * record: its bytes. blank: the bytes that it claims to fill. bad: the size that it claims when everything but that
   * is in order ('total size'), else -1.
   */
  size: number;
  /** Set when bad. */
  reason: RecordProblem | undefined;
}

/** What the name of a directory cannot hold or be. */
const SLASH = 0x2f;
const DOT = 0x2e;

const check: RecordCheck = { status: 'bad', size: -1, reason: undefined };

function bad(reason: RecordProblem, size = -1): RecordCheck {
  check.status = 'bad';
  check.size = size;
  check.reason = reason;
  return check;
}

/**
 * Looks at the record at `at`, of which at most `available` bytes are there (to the end of its file). Decides as
 * CommitLog.checkMessageAndReturnSize does, and also refuses what no Number can hold, and topics and queues that no
 * directory can be named after; the physical offset is not compared with the position. The result is reused.
 */
export function checkRecord(
  buffer: Uint8Array,
  view: DataView,
  at: number,
  available: number,
  checkBodyCrc: boolean,
): RecordCheck {
  if (available < BLANK.headBytes) return bad('too short');
  const totalBytes = view.getInt32(at + RECORD.totalBytes);
  const magic = view.getInt32(at + RECORD.magic);
  if (magic === Magic.BLANK) {
    check.status = 'blank';
    check.size = totalBytes;
    check.reason = undefined;
    return check;
  }
  if (magic !== Magic.RECORD) return bad('illegal magic');
  if (available < RECORD_BYTES_MIN) return bad('too short');
  const sysFlag = view.getInt32(at + RECORD.sysFlag);
  const headBytes = recordHeadBytes(sysFlag);
  // The shortest tail is a topic length and a properties length.
  if (available < headBytes + 3) return bad('too short');
  const bodyAt = at + headBytes;
  const bodyBytes = Math.max(0, view.getInt32(bodyAt - 4));
  if (bodyBytes > available - headBytes - 3) return bad('impossible length');
  if (checkBodyCrc && bodyBytes > 0) {
    if (bodyCrc(buffer, bodyAt, bodyBytes) !== view.getInt32(at + RECORD.bodyCrc)) return bad('body checksum');
  }
  const topicBytes = view.getInt8(bodyAt + bodyBytes);
  if (topicBytes < 0 || headBytes + bodyBytes + 3 + topicBytes > available) return bad('impossible length');
  const propertiesBytes = Math.max(0, view.getInt16(bodyAt + bodyBytes + 1 + topicBytes));
  const size = headBytes + bodyBytes + 3 + topicBytes + propertiesBytes;
  if (size > available) return bad('impossible length');
  if (size !== totalBytes) return bad('total size', totalBytes > 0 ? totalBytes : -1);
  // No checksum covers the topic; a write that was cut off leaves zeros.
  const topicAt = bodyAt + bodyBytes + 1;
  for (let i = 0; i < topicBytes; i++) {
    const byte = buffer[topicAt + i];
    if (byte === 0) return bad('zeros in topic or properties');
    if (byte === SLASH) return bad('impossible topic or queue');
  }
  const isDots = topicBytes <= 2 && buffer[topicAt] === DOT && buffer[topicAt + topicBytes - 1] === DOT;
  if (topicBytes === 0 || isDots || view.getInt32(at + RECORD.queueId) < 0) return bad('impossible topic or queue');
  const afterBornHost = at + RECORD.bornHost + bornHostBytes(sysFlag);
  if (
    !isOffset(readRounded(view, at + RECORD.queueOffset)) ||
    !isOffset(readRounded(view, at + RECORD.physicalOffset)) ||
    !Number.isSafeInteger(readRounded(view, afterBornHost + AFTER_BORN_HOST.storeTimestamp))
  ) {
    return bad('offset or time out of range');
  }
  check.status = 'record';
  check.size = size;
  check.reason = undefined;
  return check;
}

function isOffset(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}
