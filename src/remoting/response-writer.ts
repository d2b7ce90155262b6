/**
 * Writes response frames straight into the buffer that leaves for the front, without allocating:
 *
 *     writer.begin(target, view, at, scan.serialization, ResponseCode.SUCCESS, scan.opaque);
 *     writer.field(QUEUE_ID, 3);
 *     writer.remark('FOUND');
 *     let end = writer.endHeader();
 *     end += copyBody(target, end);                 // the caller appends body bytes itself
 *     const frameBytes = writer.finish(bodyBytes);
 *
 * JSON headers are what fastjson writes for RemotingCommand: keys in alphabetical order, absent ones left out, every ext
 * value a string (C++ clients insist). The binary form is RocketMQSerializable's. Language is JAVA and version 407.
 */
import { invariant } from '../base/invariant.js';
import { FRAME, HEADER_LENGTH_MASK, Serialization } from './frame.js';
import { Language, OUR_VERSION } from './version.js';

/** Longest name that `fieldName` accepts; the protocol's longest is 24. */
const MAX_NAME_BYTES = 40;

/** Bytes of a JSON or binary header besides ext fields and remark, at most (code and opaque with 11 digits each). */
const MAX_FIXED_BYTES = 160;

/** Name, quotes, colon and comma of one ext field, at most. */
const MAX_FIELD_OVERHEAD_BYTES = MAX_NAME_BYTES + 6;

/** Longest text of an integer field: -9007199254740991. */
const MAX_INTEGER_BYTES = 17;

/** A control character in a JSON string: \u0001. */
const MAX_ESCAPED_BYTES = 6;

/** An ext field's name in the forms in which it goes onto the wire; made once per field. */
export class FieldName {
  /** `"queueId":"` */
  readonly json: Uint8Array;
  /** int16 length and name */
  readonly binary: Uint8Array;
  constructor(readonly text: string) {
    invariant(/^[A-Za-z_][A-Za-z0-9_]*$/.test(text) && text.length <= MAX_NAME_BYTES, 'header field name', text);
    this.json = Buffer.from(`"${text}":"`);
    this.binary = Buffer.from(`\0${String.fromCharCode(text.length)}${text}`, 'latin1');
  }
}

/**
 * Room for a response frame: fixed parts, `fieldCount` fields whose values have `valueBytes` bytes together (17 for
 * an integer), the remark and the body. `begin` to `finish` never write more.
 */
export function maxResponseBytes(fieldCount: number, valueBytes: number, remark: string, bodyBytes: number): number {
  return (
    FRAME.header +
    MAX_FIXED_BYTES +
    fieldCount * MAX_FIELD_OVERHEAD_BYTES +
    valueBytes * MAX_ESCAPED_BYTES +
    remark.length * MAX_ESCAPED_BYTES +
    bodyBytes
  );
}

/** `valueBytes` of one integer field for `maxResponseBytes`. */
export const INTEGER_FIELD_BYTES = MAX_INTEGER_BYTES;

const FIXED = {
  code: Buffer.from('{"code":'),
  extFields: Buffer.from(',"extFields":{'),
  flagAndOpaque: Buffer.from(',"flag":1,"language":"JAVA","opaque":'),
  remark: Buffer.from(',"remark":"'),
  tail: Buffer.from(`,"serializeTypeCurrentRPC":"JSON","version":${OUR_VERSION}}`),
} as const;

// Characters. Each hot file has its own: V8 loads an imported constant at every use, which made the scan a tenth slower.
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const CLOSE_BRACE = 0x7d;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const RESPONSE_FLAG = 1;
const HEX_DIGITS = Buffer.from('0123456789ABCDEF');

/** The letter of the two-character escape of a byte below 0x20, `"` or `\`; 0 when it has none. */
const SHORT_ESCAPE = new Uint8Array(256);
for (const [byte, letter] of ['\b b', '\t t', '\n n', '\f f', '\r r', '" "', '\\ \\'].map((pair) =>
  pair.split(' '),
) as [string, string][]) {
  SHORT_ESCAPE[byte.charCodeAt(0)] = letter.charCodeAt(0);
}

export class ResponseWriter {
  private target: Buffer = Buffer.alloc(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private start = 0;
  private at = 0;
  private headerEnd = 0;
  private isJson = true;
  private opaque = 0;
  private fieldCount = 0;
  /** Where binary remark and ext length go: both are known only at `endHeader`. */
  private extStart = 0;
  private remarkText = '';

  /**
   * Starts a frame at `target[at]`. `view` covers the same bytes as `target`, index for index. The caller has reserved
   * `maxResponseBytes`.
   */
  begin(target: Buffer, view: DataView, at: number, serialization: Serialization, code: number, opaque: number): void {
    this.target = target;
    this.view = view;
    this.start = at;
    this.at = at + FRAME.header;
    this.headerEnd = 0;
    this.isJson = serialization === Serialization.JSON;
    this.opaque = opaque;
    this.fieldCount = 0;
    this.remarkText = '';
    if (this.isJson) {
      this.append(FIXED.code);
      this.appendInteger(code);
      return;
    }
    const header = at + FRAME.header;
    view.setInt16(header, code);
    view.setInt8(header + 2, Language.JAVA);
    view.setInt16(header + 3, OUR_VERSION);
    view.setInt32(header + 5, opaque);
    view.setInt32(header + 9, RESPONSE_FLAG);
    view.setInt32(header + 13, 0);
    this.at = header + 21;
    this.extStart = this.at;
  }

  /** An ext field with an integer value: a safe integer. */
  field(name: FieldName, value: number): void {
    const lengthAt = this.openField(name);
    this.appendInteger(value);
    this.closeField(lengthAt);
  }

  /** An ext field with the UTF-8 bytes source[start, start + length), JSON-escaped where needed. */
  fieldBytes(name: FieldName, source: Uint8Array, start: number, length: number): void {
    const lengthAt = this.openField(name);
    const target = this.target;
    const isJson = this.isJson;
    let at = this.at;
    for (let index = start; index < start + length; index++) {
      const byte = source[index];
      if (isJson && (byte < 0x20 || byte === QUOTE || byte === BACKSLASH)) {
        this.at = at;
        this.appendEscape(byte);
        at = this.at;
      } else {
        target[at++] = byte;
      }
    }
    this.at = at;
    this.closeField(lengthAt);
  }

  /** An ext field with a string. */
  fieldText(name: FieldName, value: string): void {
    const lengthAt = this.openField(name);
    this.appendText(value, this.isJson);
    this.closeField(lengthAt);
  }

  /** The remark: at any time before `endHeader`, last one wins, empty means none. */
  remark(text: string): void {
    this.remarkText = text;
  }

  /** Completes the header and answers where the body goes. */
  endHeader(): number {
    if (this.isJson) this.endJson();
    else this.endBinary();
    this.headerEnd = this.at;
    return this.at;
  }

  /** Patches the two length words, after the caller has put `bodyBytes` behind the header; answers the bytes of the frame. */
  finish(bodyBytes: number): number {
    const headerBytes = this.headerEnd - this.start - FRAME.header;
    const end = this.headerEnd + bodyBytes;
    if (this.headerEnd === 0 || headerBytes > HEADER_LENGTH_MASK || end > this.target.length) {
      invariant(false, 'response without endHeader or outside its buffer', this.start, end, this.target.length);
    }
    const type = this.isJson ? Serialization.JSON : Serialization.ROCKETMQ;
    this.view.setInt32(this.start, end - this.start - FRAME.headerWord);
    this.view.setInt32(this.start + FRAME.headerWord, (type << 24) | headerBytes);
    return end - this.start;
  }

  private endJson(): void {
    if (this.fieldCount > 0) this.target[this.at++] = CLOSE_BRACE;
    this.append(FIXED.flagAndOpaque);
    this.appendInteger(this.opaque);
    if (this.remarkText !== '') {
      this.append(FIXED.remark);
      this.appendText(this.remarkText, true);
      this.target[this.at++] = QUOTE;
    }
    this.append(FIXED.tail);
  }

  /** The remark precedes the ext fields, which are written already: they move behind it. */
  private endBinary(): void {
    const extBytes = this.at - this.extStart;
    let extStart = this.extStart;
    if (this.remarkText !== '') {
      const remarkBytes = utf8Length(this.remarkText);
      this.target.copyWithin(extStart + remarkBytes, extStart, this.at);
      this.view.setInt32(extStart - 8, remarkBytes);
      this.at = extStart - 4;
      this.appendText(this.remarkText, false);
      extStart += remarkBytes;
    }
    this.view.setInt32(extStart - 4, extBytes);
    this.at = extStart + extBytes;
  }

  /** Answers where the binary value's length goes. */
  private openField(name: FieldName): number {
    if (this.isJson) {
      if (this.fieldCount === 0) this.append(FIXED.extFields);
      else this.target[this.at++] = COMMA;
      this.append(name.json);
    } else {
      this.append(name.binary);
      this.at += 4;
    }
    this.fieldCount++;
    return this.at - 4;
  }

  private closeField(lengthAt: number): void {
    if (this.isJson) this.target[this.at++] = QUOTE;
    else this.view.setInt32(lengthAt, this.at - lengthAt - 4);
  }

  private append(bytes: Uint8Array): void {
    const target = this.target;
    const at = this.at;
    for (let index = 0; index < bytes.length; index++) target[at + index] = bytes[index];
    this.at = at + bytes.length;
  }

  private appendInteger(value: number): void {
    if (!Number.isSafeInteger(value)) invariant(false, 'header integer', value);
    const target = this.target;
    let rest = value;
    if (rest < 0) {
      target[this.at++] = MINUS;
      rest = 0 - rest;
    }
    let digits = 1;
    for (let bound = 10; rest >= bound; bound *= 10) digits++;
    let at = this.at + digits;
    this.at = at;
    // Beyond 2^31 one digit at a time in doubles, below it in int32 arithmetic, which is several times faster.
    while (rest > 0x7fff_ffff) {
      const quotient = Math.floor(rest / 10);
      target[--at] = DIGIT_0 + (rest - quotient * 10);
      rest = quotient;
    }
    let small = rest | 0;
    do {
      const quotient = (small / 10) | 0;
      target[--at] = DIGIT_0 + (small - quotient * 10);
      small = quotient;
    } while (small !== 0);
  }

  /** The JSON escape of a control character, quote or backslash. */
  private appendEscape(byte: number): void {
    const target = this.target;
    const letter = SHORT_ESCAPE[byte];
    target[this.at++] = BACKSLASH;
    if (letter !== 0) {
      target[this.at++] = letter;
      return;
    }
    target[this.at++] = 0x75;
    target[this.at++] = DIGIT_0;
    target[this.at++] = DIGIT_0;
    target[this.at++] = HEX_DIGITS[byte >> 4];
    target[this.at++] = HEX_DIGITS[byte & 15];
  }

  private appendText(text: string, isEscaped: boolean): void {
    const target = this.target;
    let at = this.at;
    for (let index = 0; index < text.length; index++) {
      let unit = text.charCodeAt(index);
      if (unit < 0x80) {
        if (isEscaped && (unit < 0x20 || unit === QUOTE || unit === BACKSLASH)) {
          this.at = at;
          this.appendEscape(unit);
          at = this.at;
        } else {
          target[at++] = unit;
        }
        continue;
      }
      if (unit < 0x800) {
        target[at++] = 0xc0 | (unit >> 6);
        target[at++] = 0x80 | (unit & 0x3f);
        continue;
      }
      if ((unit & 0xf800) === 0xd800) {
        const low = index + 1 < text.length ? text.charCodeAt(index + 1) : 0;
        if ((unit & 0x400) === 0 && (low & 0xfc00) === 0xdc00) {
          const point = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
          index++;
          target[at++] = 0xf0 | (point >> 18);
          target[at++] = 0x80 | ((point >> 12) & 0x3f);
          target[at++] = 0x80 | ((point >> 6) & 0x3f);
          target[at++] = 0x80 | (point & 0x3f);
          continue;
        }
        unit = 0xfffd;
      }
      target[at++] = 0xe0 | (unit >> 12);
      target[at++] = 0x80 | ((unit >> 6) & 0x3f);
      target[at++] = 0x80 | (unit & 0x3f);
    }
    this.at = at;
  }
}

/** Bytes of a string in UTF-8, half surrogate pairs counted as U+FFFD. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) bytes++;
    else if (unit < 0x800) bytes += 2;
    else if ((unit & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) {
      bytes += 4;
      index++;
    } else bytes += 3;
  }
  return bytes;
}
