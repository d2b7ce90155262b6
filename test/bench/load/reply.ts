/** The few facts of a response that a load generator needs, read from its bytes without making an object or a string. */
import { OPAQUE_BASE } from './frames.js';

/** Of a frame; see frames.ts. */
const LENGTH_BYTES = 4;
const HEADER_AT = 8;
const HEADER_BYTES_MASK = 0xff_ffff;
const TYPE_BINARY = 1;
const BINARY = { code: 0, opaque: 5, flag: 9, remarkBytes: 13, remark: 17 } as const;
const RESPONSE_FLAG = 1;

const CODE = Buffer.from('"code":');
const OPAQUE = Buffer.from('"opaque":');
const FLAG = Buffer.from('"flag":');

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const MINUS = 0x2d;
const DOUBLE_QUOTE = 0x22;

export const Success = 0;
export const PullNotFound = 19;
export const PullRetryImmediately = 20;

/** A view of one frame, filled again for the next one: valid while its receiver is being called. */
export class Reply {
  bytes: Buffer = Buffer.alloc(0);
  headerAt = 0;
  bodyAt = 0;
  end = 0;
  code = 0;
  /** Whose answer it is: the opaque without its base. */
  slot = 0;
  isResponse = false;
  #isBinary = false;

  /** Reads the frame at `at`; answers false when not all of it lies before `filled`. */
  read(bytes: Buffer, at: number, filled: number): boolean {
    if (filled - at < HEADER_AT) return false;
    const end = at + LENGTH_BYTES + bytes.readInt32BE(at);
    if (end > filled) return false;
    const word = bytes.readUInt32BE(at + LENGTH_BYTES);
    this.bytes = bytes;
    this.headerAt = at + HEADER_AT;
    this.bodyAt = this.headerAt + (word & HEADER_BYTES_MASK);
    this.end = end;
    this.#isBinary = word >>> 24 === TYPE_BINARY;
    if (this.#isBinary) this.#readBinary();
    else this.#readJson();
    return true;
  }

  /** The number that an ext field holds as text, or undefined. `key` is `"name":`. JSON only. */
  field(key: Buffer): number | undefined {
    const at = this.bytes.indexOf(key, this.headerAt);
    return at < 0 || at >= this.bodyAt ? undefined : integer(this.bytes, at + key.length);
  }

  /** For the eyes of whoever reads the report. */
  remark(): string {
    const { bytes, headerAt, bodyAt } = this;
    if (!this.#isBinary) return JSON.parse(bytes.toString('utf8', headerAt, bodyAt)).remark ?? '';
    const remarkAt = headerAt + BINARY.remark;
    return bytes.toString('utf8', remarkAt, remarkAt + bytes.readInt32BE(headerAt + BINARY.remarkBytes));
  }

  #readBinary(): void {
    const { bytes, headerAt } = this;
    this.code = bytes.readInt16BE(headerAt + BINARY.code);
    this.slot = bytes.readInt32BE(headerAt + BINARY.opaque) - OPAQUE_BASE;
    this.isResponse = (bytes.readInt32BE(headerAt + BINARY.flag) & RESPONSE_FLAG) !== 0;
  }

  /** Servers write the keys in alphabetical order, so the code is near the front and the other two near the end. */
  #readJson(): void {
    const { bytes, headerAt, bodyAt } = this;
    this.code = integer(bytes, firstAfter(bytes, CODE, headerAt, bodyAt));
    this.slot = integer(bytes, lastAfter(bytes, OPAQUE, headerAt, bodyAt)) - OPAQUE_BASE;
    this.isResponse = (integer(bytes, lastAfter(bytes, FLAG, headerAt, bodyAt)) & RESPONSE_FLAG) !== 0;
  }
}

function matches(bytes: Buffer, key: Buffer, at: number): boolean {
  for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key[i]) return false;
  return true;
}

function firstAfter(bytes: Buffer, key: Buffer, from: number, to: number): number {
  for (let at = from; at + key.length < to; at++) if (matches(bytes, key, at)) return at + key.length;
  throw new Error(`no ${key} in the header ${bytes.toString('utf8', from, to)}`);
}

function lastAfter(bytes: Buffer, key: Buffer, from: number, to: number): number {
  for (let at = to - key.length - 1; at >= from; at--) if (matches(bytes, key, at)) return at + key.length;
  throw new Error(`no ${key} in the header ${bytes.toString('utf8', from, to)}`);
}

/** The integer at `at`, with or without quotes. */
function integer(bytes: Buffer, at: number): number {
  let i = bytes[at] === DOUBLE_QUOTE ? at + 1 : at;
  const isNegative = bytes[i] === MINUS;
  if (isNegative) i++;
  let value = 0;
  for (; bytes[i]! >= DIGIT_0 && bytes[i]! <= DIGIT_9; i++) value = value * 10 + (bytes[i]! - DIGIT_0);
  return isNegative ? -value : value;
}
