/**
 * The ext fields of a scanned header, as ranges of the scanned buffer, with accessors that convert on demand and allocate only
 * where they say so. Filled by RequestScan (request-scan.ts); what the accessors answer is valid until its next scan or until
 * the buffer's bytes change.
 */
import { invariant } from '../base/invariant.js';
import { startsWith, TRUE, unescapeString } from './json-bytes.js';

/** More ext fields than this are refused; the largest header of the protocol has 17. */
export const MAX_EXT_FIELDS = 64;

/** Slot of the remark behind the ext fields, so that the accessors for text serve it too. */
export const REMARK_SLOT = MAX_EXT_FIELDS;

/** How the bytes of a value are to be read. */
export const RAW = 0;
export const ESCAPED = 1;
/** null in JSON, empty in binary (which Java reads as null): the field counts as absent. */
export const ABSENT = 2;

// Characters. Each hot file has its own: V8 loads an imported constant at every use, which made the scan a tenth slower.
const MINUS = 0x2d;
const PLUS = 0x2b;
const DIGIT_0 = 0x30;

/** Unescaped values up to this length reuse one scratch buffer. */
const SCRATCH_BYTES = 4096;

const TWO_53 = 2 ** 53;
/** A long has at most this many digits; more could only be leading zeros. */
const MAX_LONG_DIGITS = 19;

/** A key to look up with `findKey`, encoded once. */
export class HeaderKey {
  readonly bytes: Uint8Array;
  readonly mark: number;
  constructor(readonly text: string) {
    this.bytes = Buffer.from(text);
    this.mark = markOf(this.bytes, 0, this.bytes.length);
  }
}

/** Length, first and last byte of a key in one word: nearly always enough to tell two keys apart. */
function markOf(bytes: Uint8Array, from: number, to: number): number {
  return from === to ? 0 : (Math.min(to - from, 0x7fff) << 16) | (bytes[from] << 8) | bytes[to - 1];
}

export class HeaderFields {
  /** Number of ext fields. Index i of the accessors is the i-th of them. */
  count = 0;
  /** Index of the first field that an accessor could not read as asked, or -1. */
  fault = -1;

  /** Where the ext fields lie in the scanned buffer. Values of JSON strings exclude the quotes. */
  readonly keyStart = new Int32Array(MAX_EXT_FIELDS);
  readonly keyLength = new Int32Array(MAX_EXT_FIELDS);
  readonly valueStart = new Int32Array(MAX_EXT_FIELDS + 1);
  readonly valueLength = new Int32Array(MAX_EXT_FIELDS + 1);

  protected readonly valueKind = new Uint8Array(MAX_EXT_FIELDS + 1);
  private readonly keyEscaped = new Uint8Array(MAX_EXT_FIELDS);
  private readonly keyMark = new Int32Array(MAX_EXT_FIELDS);
  /** Last field with this one-letter key. Stale entries are told by `keyMark`, so it is never cleared. */
  private readonly letterSlot = new Uint8Array(256);
  private readonly ownScratch = new Uint8Array(SCRATCH_BYTES);
  private scratch = this.ownScratch;
  protected view: DataView = new DataView(new ArrayBuffer(0));
  protected buffer: Buffer = Buffer.alloc(0);
  private faultIsLong = false;

  /** Forgets the fields of the header before. */
  protected reset(buffer: Buffer, view: DataView): void {
    this.buffer = buffer;
    this.view = view;
    this.count = 0;
    this.fault = -1;
    this.scratch = this.ownScratch;
  }

  /** Index of the field with this one-letter key, given as its byte; -1 when absent. The last of duplicates wins, as in Java. */
  find(letter: number): number {
    const slot = this.letterSlot[letter];
    if (slot >= this.count || this.keyMark[slot] !== ((1 << 16) | (letter << 8) | letter)) return -1;
    return this.valueKind[slot] === ABSENT ? -1 : slot;
  }

  /** Index of the field with this key, -1 when absent. The last of duplicates wins. */
  findKey(key: HeaderKey): number {
    for (let index = this.count - 1; index >= 0; index--) {
      if (this.keyMark[index] === key.mark && this.keyIs(index, key)) {
        return this.valueKind[index] === ABSENT ? -1 : index;
      }
    }
    return -1;
  }

  private keyIs(index: number, key: HeaderKey): boolean {
    const from = this.keyStart[index];
    const length = this.keyLength[index];
    if (this.keyEscaped[index] === 0) {
      return length === key.bytes.length && startsWith(this.buffer, from, from + length, key.bytes);
    }
    const unescapedLength = this.unescapeToScratch(from, length);
    return unescapedLength === key.bytes.length && startsWith(this.scratch, 0, unescapedLength, key.bytes);
  }

  /**
   * The field as int32, `absent` when index is negative. A value that Java's Integer.parseInt would refuse sets `fault`
   * and reads as 0.
   */
  int(index: number, absent: number): number {
    if (index < 0) return absent;
    const value = this.integer(index);
    if (value === (value | 0)) return value;
    return this.setFault(index, false);
  }

  /** The field as a safe integer, `absent` when index is negative; anything else sets `fault` and reads as 0. */
  long(index: number, absent: number): number {
    if (index < 0) return absent;
    const value = this.integer(index);
    if (value > -TWO_53 && value < TWO_53) return value;
    return this.setFault(index, true);
  }

  /**
   * The field as a time in ms: as `long`, but up to 19 digits beyond 2^53 count as "for ever" and read as
   * Number.MAX_SAFE_INTEGER or its negative (tools send Long.MAX_VALUE as the end of a range).
   */
  time(index: number, absent: number): number {
    if (index < 0) return absent;
    const value = this.integer(index);
    if (Number.isNaN(value)) return this.setFault(index, true);
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  /**
   * The field as a long that is only compared: as `long`, but beyond 2^53 rounded to the nearest Number, as in bodies (Go
   * counts versions in nanoseconds). Allocates for such a value.
   */
  roundedLong(index: number, absent: number): number {
    if (index < 0) return absent;
    const value = this.integer(index);
    if (Number.isNaN(value)) return this.setFault(index, true);
    // `integer` rounds once per digit, which may end beside what a body's reader gives.
    return Number.isSafeInteger(value) ? value : Number(this.string(index));
  }

  /** The field as Java's Boolean.parseBoolean reads it: true in any case is true, everything else false. */
  boolean(index: number, absent: boolean): boolean {
    if (index < 0) return absent;
    let bytes: Uint8Array = this.buffer;
    let from = this.valueStart[index];
    let length = this.valueLength[index];
    if (this.valueKind[index] === ESCAPED) {
      length = this.unescapeToScratch(from, length);
      bytes = this.scratch;
      from = 0;
    }
    if (length !== TRUE.length) return false;
    for (let at = 0; at < TRUE.length; at++) {
      if ((bytes[from + at] | 0x20) !== TRUE[at]) return false;
    }
    return true;
  }

  /** The field as a string, empty for a negative index. Allocates: for paths that are not walked per message. */
  string(index: number): string {
    if (index < 0) return '';
    const from = this.valueStart[index];
    const length = this.valueLength[index];
    if (this.valueKind[index] !== ESCAPED) return this.buffer.toString('utf8', from, from + length);
    const unescapedLength = this.unescapeToScratch(from, length);
    return Buffer.from(this.scratch.buffer, 0, unescapedLength).toString('utf8');
  }

  /** The key of the field as a string. Allocates. */
  key(index: number): string {
    const from = this.keyStart[index];
    const length = this.keyLength[index];
    if (this.keyEscaped[index] === 0) return this.buffer.toString('utf8', from, from + length);
    const unescapedLength = this.unescapeToScratch(from, length);
    return Buffer.from(this.scratch.buffer, 0, unescapedLength).toString('utf8');
  }

  /** False for a field that is null in JSON or empty in the binary form. */
  isPresent(index: number): boolean {
    return this.valueKind[index] !== ABSENT;
  }

  /** Bytes that `copyTo` writes at most: exact unless the value holds JSON escapes. 0 for a negative index. */
  unescapedLength(index: number): number {
    return index < 0 ? 0 : this.valueLength[index];
  }

  /**
   * Writes the value's bytes, JSON escapes undone, at `target[at..]` and answers how many; 0 for a negative index. The
   * caller has reserved `unescapedLength(index)` bytes.
   */
  copyTo(index: number, target: Uint8Array, at: number): number {
    if (index < 0) return 0;
    const from = this.valueStart[index];
    const length = this.valueLength[index];
    if (at + length > target.length) invariant(false, 'no room for a header value', at, length, target.length);
    if (this.valueKind[index] === ESCAPED) return unescapeString(this.buffer, from, from + length, target, at);
    const bytes = this.buffer;
    for (let offset = 0; offset < length; offset++) target[at + offset] = bytes[from + offset];
    return length;
  }

  /** True when the value, escapes undone, is exactly these bytes. */
  equals(index: number, expected: Uint8Array): boolean {
    if (index < 0) return false;
    const from = this.valueStart[index];
    const length = this.valueLength[index];
    if (this.valueKind[index] !== ESCAPED) {
      return length === expected.length && startsWith(this.buffer, from, from + length, expected);
    }
    const unescapedLength = this.unescapeToScratch(from, length);
    return unescapedLength === expected.length && startsWith(this.scratch, 0, unescapedLength, expected);
  }

  /** FNV-1a 32 over the value's bytes, escapes undone, as int32. The same as `fnv1a` of those bytes. */
  hash(index: number): number {
    const from = this.valueStart[index];
    const length = this.valueLength[index];
    if (this.valueKind[index] !== ESCAPED) return fnv1a(this.buffer, from, from + length);
    return fnv1a(this.scratch, 0, this.unescapeToScratch(from, length));
  }

  /** What `fault` is about, for the remark of the response. Allocates. */
  faultText(): string {
    if (this.fault < 0) return '';
    const wanted = this.faultIsLong ? 'a long below 2^53' : 'an int';
    return `the header field <${this.key(this.fault)}> is not ${wanted}: "${this.string(this.fault).slice(0, 64)}"`;
  }

  private setFault(index: number, isLong: boolean): number {
    if (this.fault < 0) {
      this.fault = index;
      this.faultIsLong = isLong;
    }
    return 0;
  }

  /** The value as an integer, NaN unless it is an optional sign and 1 to 19 digits. */
  private integer(index: number): number {
    let bytes: Uint8Array = this.buffer;
    let from = this.valueStart[index];
    let to = from + this.valueLength[index];
    if (this.valueKind[index] === ESCAPED) {
      to = this.unescapeToScratch(from, to - from);
      bytes = this.scratch;
      from = 0;
    }
    if (from === to) return Number.NaN;
    const sign = bytes[from];
    if (sign === MINUS || sign === PLUS) from++;
    const digitCount = to - from;
    if (digitCount === 0 || digitCount > MAX_LONG_DIGITS) return Number.NaN;
    let value = 0;
    for (let at = from; at < to; at++) {
      const digit = bytes[at] - DIGIT_0;
      if (digit < 0 || digit > 9) return Number.NaN;
      value = value * 10 + digit;
    }
    return sign === MINUS ? 0 - value : value;
  }

  private unescapeToScratch(from: number, length: number): number {
    if (length > this.scratch.length) this.scratch = new Uint8Array(length);
    return unescapeString(this.buffer, from, from + length, this.scratch, 0);
  }

  /** Notes the key of field `index`; its value is for the caller to note. */
  protected putKey(index: number, start: number, length: number, isEscaped: boolean): void {
    this.keyStart[index] = start;
    this.keyLength[index] = length;
    let mark = 0;
    if (isEscaped) {
      this.keyEscaped[index] = 1;
      mark = markOf(this.scratch, 0, this.unescapeToScratch(start, length));
    } else {
      this.keyEscaped[index] = 0;
      mark = markOf(this.buffer, start, start + length);
    }
    this.keyMark[index] = mark;
    // The low byte is the last byte of the key: for a one-letter key the letter, for others an entry that `find` sees through.
    if (mark >> 16 === 1) this.letterSlot[mark & 0xff] = index;
  }
}

/** FNV-1a 32 over bytes [from, to), as int32. */
export function fnv1a(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  return hash;
}
