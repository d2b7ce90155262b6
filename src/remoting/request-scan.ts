/**
 * Reads the header of a frame in one pass over its bytes, without creating an object: what it finds are ranges of the
 * buffer, kept in arrays that the next frame overwrites. One RequestScan per thread (or per actor) is enough.
 *
 *     if (!scan.scan(ring, view, start, end, serialization)) return close(connection, scan.problem);
 *     const topic = scan.find(KEY_B), queueId = scan.find(KEY_E);
 *     if ((topic | queueId) < 0) return fail(...);              // a missing field is -1, so the sign of the OR tells
 *     const id = scan.int(queueId, 0);
 *     if (scan.fault >= 0) return fail(ResponseCode.SYSTEM_ERROR, scan.faultText());
 *
 * Reads both serializations (frame.ts): JSON as fastjson, jsoncpp, Go and Node write it (white space, any key order,
 * numbers and booleans as ext values) and RocketMQ's binary form. Sources: RemotingCommand.java, RocketMQSerializable.java.
 *
 * Malformed input makes `scan` answer false with a `problem`; it never throws and never reads outside [start, end).
 */
import { invariant } from '../base/invariant.js';
import { Serialization } from './frame.js';
import { ABSENT, ESCAPED, HeaderFields, MAX_EXT_FIELDS, RAW, REMARK_SLOT } from './header-fields.js';
import { closingQuote, endOfLiteral, NULL, skipSpace, skipValue, startsWith } from './json-bytes.js';
import { Language, languageNames } from './version.js';

export { fnv1a, HeaderKey } from './header-fields.js';

// Characters. Each hot file has its own: V8 loads an imported constant at every use, which made the scan a tenth slower.
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;

/** Binary header up to and including the length of the remark. */
const BINARY = {
  code: 0,
  language: 2,
  version: 3,
  opaque: 5,
  flag: 9,
  remarkLength: 13,
  remark: 17,
  bytes: 21,
} as const;

/** Top-level keys that are read; the numbers index KNOWN_KEYS. */
const Known = { CODE: 0, FLAG: 1, OPAQUE: 2, VERSION: 3, LANGUAGE: 4, EXT_FIELDS: 5, REMARK: 6, NONE: 7 } as const;
const KNOWN_KEYS = ['code', 'flag', 'opaque', 'version', 'language', 'extFields', 'remark'].map((key) =>
  Buffer.from(key),
);
/** The bytes of `JAVA` as a word. */
const WORD_JAVA = 0x4a415641;
const LANGUAGE_NAMES = languageNames.map((name) => Buffer.from(name));

export class RequestScan extends HeaderFields {
  code = 0;
  /** The wire's request id, a signed int32 that the response repeats. */
  opaque = 0;
  /** Bit 0: response. Bit 1: one-way. */
  flag = 0;
  /** Code of version.ts `Language`. */
  language = 0;
  version = 0;
  serialization: Serialization = Serialization.JSON;
  /** Why `scan` answered false; empty otherwise. */
  problem = '';
  /** Where in the header that was, in bytes from its start. */
  problemAt = 0;

  private number = 0;
  private start = 0;

  /**
   * Scans the header in [start, end). `view` must cover the same bytes as `buffer`, index for index; both may be backed by a
   * SharedArrayBuffer. What the accessors answer is valid until the next scan or until those bytes change.
   */
  scan(buffer: Buffer, view: DataView, start: number, end: number, serialization: Serialization): boolean {
    if (start < 0 || end < start || end > buffer.length || end > view.byteLength) {
      invariant(false, 'header range outside its buffer', start, end, buffer.length, view.byteLength);
    }
    this.reset(buffer, view);
    this.start = start;
    this.code = 0;
    this.opaque = 0;
    this.flag = 0;
    this.language = Language.JAVA;
    this.version = 0;
    this.serialization = serialization;
    this.problem = '';
    this.problemAt = 0;
    this.valueKind[REMARK_SLOT] = ABSENT;
    return serialization === Serialization.JSON ? this.scanJson(start, end) : this.scanBinary(start, end);
  }

  get isResponse(): boolean {
    return (this.flag & 1) !== 0;
  }

  get isOneWay(): boolean {
    return (this.flag & 2) !== 0;
  }

  /** The remark, undefined when absent. Allocates. */
  remark(): string | undefined {
    return this.isPresent(REMARK_SLOT) ? this.string(REMARK_SLOT) : undefined;
  }

  private refuse(problem: string, at: number): false {
    this.problem = problem;
    this.problemAt = at - this.start;
    this.count = 0;
    return false;
  }

  private scanJson(start: number, end: number): boolean {
    const bytes = this.buffer;
    const view = this.view;
    let at = skipSpace(bytes, start, end);
    if (at >= end || bytes[at] !== OPEN_BRACE) return this.refuse('header is not a JSON object', at);
    at = skipSpace(bytes, at + 1, end);
    let isFirst = true;
    for (;;) {
      if (at >= end) return this.refuse('JSON header ends early', at);
      if (bytes[at] === CLOSE_BRACE && isFirst) break;
      isFirst = false;
      if (bytes[at] !== QUOTE) return this.refuse('key expected in JSON header', at);
      const known = this.knownKey(at + 1, end);
      const quote = known === Known.NONE ? closingQuote(bytes, view, at + 1, end) : at + 1 + KNOWN_KEYS[known].length;
      if (quote === 0) return this.refuse('malformed key in JSON header', at);
      at = (quote < 0 ? -quote : quote) + 1;
      if (at < end && bytes[at] !== COLON) at = skipSpace(bytes, at, end);
      if (at >= end || bytes[at] !== COLON) return this.refuse('colon expected in JSON header', at);
      at++;
      if (at < end && bytes[at] <= 0x20) at = skipSpace(bytes, at, end);
      if (at >= end) return this.refuse('JSON header ends early', at);
      at = this.scanTopLevel(known, at, end);
      if (at === 0) return false;
      if (at < end && bytes[at] !== COMMA) at = skipSpace(bytes, at, end);
      if (at < end && bytes[at] === COMMA) {
        at++;
        if (at < end && bytes[at] !== QUOTE) at = skipSpace(bytes, at, end);
        continue;
      }
      if (at < end && bytes[at] === CLOSE_BRACE) break;
      return this.refuse('comma or closing brace expected in JSON header', at);
    }
    at = skipSpace(bytes, at + 1, end);
    return at === end || this.refuse('bytes behind the JSON header', at);
  }

  /**
   * Which of KNOWN_KEYS begins at `at` and ends with a quote, or NONE. A known key written with escapes is not recognised,
   * which makes it one of the unknown keys that are skipped.
   */
  private knownKey(at: number, end: number): number {
    if (at + 4 >= end) return Known.NONE;
    let known: number = Known.NONE;
    switch (this.view.getInt32(at)) {
      case 0x636f6465: // code
        known = Known.CODE;
        break;
      case 0x666c6167: // flag
        known = Known.FLAG;
        break;
      case 0x6f706171: // opaq
        known = Known.OPAQUE;
        break;
      case 0x76657273: // vers
        known = Known.VERSION;
        break;
      case 0x6c616e67: // lang
        known = Known.LANGUAGE;
        break;
      case 0x65787446: // extF
        known = Known.EXT_FIELDS;
        break;
      case 0x72656d61: // rema
        known = Known.REMARK;
        break;
      default:
        return Known.NONE;
    }
    const key = KNOWN_KEYS[known];
    const quote = at + key.length;
    if (quote >= end || this.buffer[quote] !== QUOTE) return Known.NONE;
    for (let index = 4; index < key.length; index++) {
      if (this.buffer[at + index] !== key[index]) return Known.NONE;
    }
    return known;
  }

  /** Takes the value at `at` of a top-level key; answers the index behind it, 0 after refusing. */
  private scanTopLevel(known: number, at: number, end: number): number {
    let next = 0;
    switch (known) {
      case Known.CODE:
        next = this.scanInt(at, end);
        this.code = this.number;
        return next;
      case Known.FLAG:
        next = this.scanInt(at, end);
        this.flag = this.number;
        return next;
      case Known.OPAQUE:
        next = this.scanInt(at, end);
        this.opaque = this.number;
        return next;
      case Known.VERSION:
        next = this.scanInt(at, end);
        this.version = this.number;
        return next;
      case Known.LANGUAGE:
        return this.scanLanguage(at, end);
      case Known.EXT_FIELDS:
        return this.scanExt(at, end);
      case Known.REMARK:
        return this.scanRemark(at, end);
      default:
        next = skipValue(this.buffer, this.view, at, end);
        if (next === 0) this.refuse('malformed or too deeply nested value in JSON header', at);
        return next;
    }
  }

  /** Reads an int32 into `number`: a JSON number, a string of digits, or null, which is 0. */
  private scanInt(from: number, end: number): number {
    const bytes = this.buffer;
    const isQuoted = bytes[from] === QUOTE;
    let at = isQuoted ? from + 1 : from;
    const isNegative = at < end && bytes[at] === MINUS;
    if (isNegative) at++;
    const digits = at;
    let value = 0;
    while (at < end) {
      const digit = bytes[at] - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      if (value > 0x8000_0000) break;
      at++;
    }
    if (isNegative) value = 0 - value;
    const isInt = at > digits && value === (value | 0);
    this.number = isInt ? value | 0 : 0;
    if (isInt && isQuoted) {
      if (at < end && bytes[at] === QUOTE) return at + 1;
    } else if (isInt) {
      return at;
    } else if (startsWith(bytes, from, end, NULL)) {
      return from + NULL.length;
    }
    this.refuse('int expected in JSON header', from);
    return 0;
  }

  /** A name, or its ordinal as fastjson also accepts; a name that is not in the table is OTHER. */
  private scanLanguage(from: number, end: number): number {
    const bytes = this.buffer;
    if (bytes[from] !== QUOTE) {
      const next = this.scanInt(from, end);
      this.language = this.number;
      return next;
    }
    if (from + 5 < end && this.view.getInt32(from + 1) === WORD_JAVA && bytes[from + 5] === QUOTE) {
      this.language = Language.JAVA;
      return from + 6;
    }
    const quote = closingQuote(bytes, this.view, from + 1, end);
    if (quote === 0) {
      this.refuse('malformed language in JSON header', from);
      return 0;
    }
    const nameEnd = quote < 0 ? -quote : quote;
    const length = nameEnd - from - 1;
    this.language = Language.OTHER;
    for (let code = 0; code < LANGUAGE_NAMES.length; code++) {
      const name = LANGUAGE_NAMES[code];
      if (length === name.length && startsWith(bytes, from + 1, nameEnd, name)) this.language = code;
    }
    return nameEnd + 1;
  }

  private scanRemark(from: number, end: number): number {
    const bytes = this.buffer;
    if (bytes[from] === QUOTE) {
      const quote = closingQuote(bytes, this.view, from + 1, end);
      if (quote !== 0) {
        const textEnd = quote < 0 ? -quote : quote;
        this.valueStart[REMARK_SLOT] = from + 1;
        this.valueLength[REMARK_SLOT] = textEnd - from - 1;
        this.valueKind[REMARK_SLOT] = quote < 0 ? ESCAPED : RAW;
        return textEnd + 1;
      }
    } else if (startsWith(bytes, from, end, NULL)) {
      this.valueKind[REMARK_SLOT] = ABSENT;
      return from + NULL.length;
    }
    this.refuse('malformed remark in JSON header', from);
    return 0;
  }

  private scanExt(from: number, end: number): number {
    const bytes = this.buffer;
    const view = this.view;
    const valueStarts = this.valueStart;
    const valueLengths = this.valueLength;
    const valueKinds = this.valueKind;
    this.count = 0;
    if (startsWith(bytes, from, end, NULL)) return from + NULL.length;
    if (bytes[from] !== OPEN_BRACE) {
      this.refuse('extFields is not an object', from);
      return 0;
    }
    let at = skipSpace(bytes, from + 1, end);
    if (at < end && bytes[at] === CLOSE_BRACE) return at + 1;
    let count = 0;
    let problem = '';
    for (;;) {
      if (count === MAX_EXT_FIELDS) {
        problem = 'too many ext fields';
        break;
      }
      if (at >= end || bytes[at] !== QUOTE) {
        problem = 'key expected in extFields';
        break;
      }
      const keyStart = at + 1;
      // Most keys are one letter.
      const isLetter =
        keyStart + 1 < end &&
        bytes[keyStart + 1] === QUOTE &&
        bytes[keyStart] !== BACKSLASH &&
        bytes[keyStart] !== QUOTE;
      let quote = isLetter ? keyStart + 1 : closingQuote(bytes, view, keyStart, end);
      if (quote === 0) {
        problem = 'malformed key in extFields';
        break;
      }
      const keyEnd = quote < 0 ? -quote : quote;
      this.putKey(count, keyStart, keyEnd - keyStart, quote < 0);
      at = keyEnd + 1;
      if (at < end && bytes[at] !== COLON) at = skipSpace(bytes, at, end);
      if (at >= end || bytes[at] !== COLON) {
        problem = 'colon expected in extFields';
        break;
      }
      at++;
      if (at < end && bytes[at] <= 0x20) at = skipSpace(bytes, at, end);
      if (at < end && bytes[at] === QUOTE) {
        const valueStart = at + 1;
        quote = closingQuote(bytes, view, valueStart, end);
        if (quote === 0) {
          problem = 'malformed string in extFields';
          break;
        }
        const valueEnd = quote < 0 ? -quote : quote;
        valueStarts[count] = valueStart;
        valueLengths[count] = valueEnd - valueStart;
        valueKinds[count] = quote < 0 ? ESCAPED : RAW;
        at = valueEnd + 1;
      } else {
        const literalEnd = endOfLiteral(bytes, at, end);
        if (literalEnd === 0) {
          problem = 'ext value is neither string, number, boolean nor null';
          break;
        }
        valueStarts[count] = at;
        valueLengths[count] = literalEnd - at;
        valueKinds[count] = startsWith(bytes, at, end, NULL) ? ABSENT : RAW;
        at = literalEnd;
      }
      count++;
      if (at < end && bytes[at] !== COMMA) at = skipSpace(bytes, at, end);
      if (at < end && bytes[at] === COMMA) {
        at++;
        if (at < end && bytes[at] !== QUOTE) at = skipSpace(bytes, at, end);
        continue;
      }
      if (at < end && bytes[at] === CLOSE_BRACE) {
        this.count = count;
        return at + 1;
      }
      problem = 'comma or closing brace expected in extFields';
      break;
    }
    this.refuse(problem, at);
    return 0;
  }

  private scanBinary(start: number, end: number): boolean {
    if (end - start < BINARY.bytes) return this.refuse('binary header is shorter than 21 bytes', end);
    const view = this.view;
    this.code = view.getInt16(start + BINARY.code);
    this.language = view.getInt8(start + BINARY.language);
    this.version = view.getInt16(start + BINARY.version);
    this.opaque = view.getInt32(start + BINARY.opaque);
    this.flag = view.getInt32(start + BINARY.flag);
    const remarkLength = view.getInt32(start + BINARY.remarkLength);
    let at = start + BINARY.remark;
    if (remarkLength < 0 || remarkLength > end - at - 4) return this.refuse('remark leaves the binary header', at);
    if (remarkLength > 0) {
      this.valueStart[REMARK_SLOT] = at;
      this.valueLength[REMARK_SLOT] = remarkLength;
      this.valueKind[REMARK_SLOT] = RAW;
      at += remarkLength;
    }
    const extLength = view.getInt32(at);
    at += 4;
    if (extLength !== end - at) return this.refuse('ext fields do not fill the binary header', at);
    let count = 0;
    while (at < end) {
      if (count === MAX_EXT_FIELDS) return this.refuse('too many ext fields', at);
      const keyLength = end - at < 2 ? -1 : view.getInt16(at);
      at += 2;
      if (keyLength < 0 || keyLength > end - at - 4) return this.refuse('ext key leaves the binary header', at);
      this.putKey(count, at, keyLength, false);
      at += keyLength;
      const valueLength = view.getInt32(at);
      at += 4;
      if (valueLength < 0 || valueLength > end - at) return this.refuse('ext value leaves the binary header', at);
      this.valueStart[count] = at;
      this.valueLength[count] = valueLength;
      this.valueKind[count] = valueLength === 0 ? ABSENT : RAW;
      at += valueLength;
      count++;
    }
    this.count = count;
    return true;
  }
}
