/**
 * Which actor gets a frame. By the connection alone where there is nothing to choose; a broker's frames with one of
 * the queue codes go to one of its queue hosts, which takes a look at the header:
 *
 *     {"code":11,...        JSON as every known client writes it: the code stands first (sorted keys)
 *     00 0b ...             binary: the code is the first int16
 *
 * Anything else is scanned as a whole. Topic and queue id are scanned only when there are several hosts to choose from.
 */
import type { ActorId } from '../../runtime/actor.js';
import { FRAME, headerBytes, headerSerialization, Serialization } from '../../remoting/frame.js';
import { RequestCode } from '../../remoting/request-codes.js';
import { HeaderKey, RequestScan } from '../../remoting/request-scan.js';
import { PORT_KIND } from './connection-messages.js';
import type { Connection } from './connection.js';
import { queueHostIndex } from './options.js';
import type { Unit } from './unit.js';

/** The header cannot be read; `problem` says why. */
export const UNREADABLE = -1;

/** `peekCode` cannot tell. */
const UNKNOWN = -1;
/** Binary header, see request-scan.ts. */
const BINARY = { code: 0, flag: 9, bytes: 21 } as const;
const IS_RESPONSE = 1;
/** The ASCII bytes of `{"co` and `de":`, big-endian. */
const BRACE_QUOTE_CO = 0x7b22_636f;
const DE_QUOTE_COLON = 0x6465_223a;
const MAX_CODE_DIGITS = 6;
/** Headers up to this length that lie across chunks are joined in one buffer that is used again. */
const SCRATCH_BYTES = 64 * 1024;

const TOPIC = new HeaderKey('topic');
const QUEUE_ID = new HeaderKey('queueId');

export class Router {
  /** Why the last answer was UNREADABLE. */
  problem = '';
  private readonly scan = new RequestScan();
  private readonly scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** The buffer that `view` shows. */
  private viewed: Buffer = Buffer.alloc(0);
  private view: DataView = new DataView(new ArrayBuffer(0));

  /** The receiver of the whole frame that comes next in the connection's input, or UNREADABLE. */
  receiverOf(connection: Connection): ActorId {
    const { unit, hosts } = connection;
    if (unit === undefined || hosts.length === 0) return connection.owner;
    const { input } = connection;
    const headerWord = input.int32(FRAME.headerWord);
    const length = headerBytes(headerWord);
    let buffer = input.current;
    let start = input.at + FRAME.header;
    if (start + length > buffer.length) {
      buffer = length <= SCRATCH_BYTES ? this.scratch : Buffer.allocUnsafe(length);
      input.copy(FRAME.header, length, buffer, 0);
      start = 0;
    }
    return headerSerialization(headerWord) === Serialization.JSON
      ? this.byJson(connection, unit, buffer, start, start + length)
      : this.byBinary(connection, unit, buffer, start, start + length);
  }

  private byJson(connection: Connection, unit: Unit, buffer: Buffer, start: number, end: number): ActorId {
    let code = peekJsonCode(buffer, start, end);
    if (code === UNKNOWN) {
      if (!this.scanHeader(buffer, start, end, Serialization.JSON)) return UNREADABLE;
      if (this.scan.isResponse) return connection.owner;
      code = this.scan.code;
    }
    if (!isForHosts(connection, unit, code)) return connection.owner;
    // Of a response with such a code a single host gets to know; it takes requests only.
    return unit.hosts.length === 1 ? unit.hosts[0] : this.byQueue(connection, unit, buffer, start, end, 0);
  }

  private byBinary(connection: Connection, unit: Unit, buffer: Buffer, start: number, end: number): ActorId {
    // Too short to be read: the unit's actor says so.
    if (end - start < BINARY.bytes) return connection.owner;
    if (!isForHosts(connection, unit, buffer.readInt16BE(start + BINARY.code))) return connection.owner;
    if ((buffer.readInt32BE(start + BINARY.flag) & IS_RESPONSE) !== 0) return connection.owner;
    return unit.hosts.length === 1 ? unit.hosts[0] : this.byQueue(connection, unit, buffer, start, end, 1);
  }

  private byQueue(
    connection: Connection,
    unit: Unit,
    buffer: Buffer,
    start: number,
    end: number,
    serialization: Serialization,
  ): ActorId {
    const { scan } = this;
    if (!this.scanHeader(buffer, start, end, serialization)) return UNREADABLE;
    if (scan.isResponse) return connection.owner;
    // What is missing or no number is refused by whichever host gets it.
    const topic = scan.findKey(TOPIC);
    const topicHash = topic < 0 ? 0 : scan.hash(topic);
    const queueId = scan.int(scan.findKey(QUEUE_ID), 0);
    return unit.hosts[queueHostIndex(topicHash, queueId, unit.hosts.length)];
  }

  private scanHeader(buffer: Buffer, start: number, end: number, serialization: Serialization): boolean {
    if (this.viewed !== buffer) {
      this.viewed = buffer;
      this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    }
    if (this.scan.scan(buffer, this.view, start, end, serialization)) return true;
    this.problem = `${this.scan.problem}, at byte ${this.scan.problemAt} of the header`;
    return false;
  }
}

/** Apache's server on the VIP port does not know pulls: the unit's actor refuses them. Source: BrokerController.java. */
function isForHosts(connection: Connection, unit: Unit, code: number): boolean {
  if (!unit.isQueueCode(code)) return false;
  return code !== RequestCode.PULL_MESSAGE || connection.portKind !== PORT_KIND.vip;
}

/** The code of a JSON header that starts with it, else UNKNOWN. */
export function peekJsonCode(bytes: Buffer, start: number, end: number): number {
  const digits = start + 8;
  if (digits >= end || int32(bytes, start) !== BRACE_QUOTE_CO || int32(bytes, start + 4) !== DE_QUOTE_COLON) {
    return UNKNOWN;
  }
  let code = 0;
  const last = Math.min(end, digits + MAX_CODE_DIGITS + 1);
  for (let at = digits; at < last; at++) {
    const byte = bytes[at];
    if (byte >= 0x30 && byte <= 0x39) code = code * 10 + byte - 0x30;
    else return at > digits && (byte === 0x2c || byte === 0x7d) ? code : UNKNOWN;
  }
  return UNKNOWN;
}

function int32(bytes: Buffer, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}
