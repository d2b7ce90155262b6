/**
 * JSON at byte level, for header scanning: where a value ends, and what its escapes mean. Nothing here allocates,
 * throws or reads outside [from, end). Scanners answer the index behind what they accepted, or 0 for malformed input
 * (no value can end at index 0).
 *
 * The dialect is fastjson's reading of standard JSON: control characters may stand unescaped in strings, and the
 * escapes \0 to \7, \v and \' are known beside those of RFC 8259. Source: fastjson 1.2 JSONLexerBase.scanString.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DIGIT_0 = 0x30;
const LETTER_U = 0x75;

/** Value of a hexadecimal digit, -1 for any other byte. */
const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/** The byte that a backslash and this byte stand for, -1 when the pair means nothing. */
const ESCAPED = new Int8Array(256).fill(-1);
for (const [letter, byte] of [
  ['"', QUOTE],
  ["'", 0x27],
  ['\\', BACKSLASH],
  ['/', 0x2f],
  ['b', 8],
  ['t', 9],
  ['n', 10],
  ['v', 11],
  ['f', 12],
  ['r', 13],
] as const) {
  ESCAPED[letter.charCodeAt(0)] = byte;
}
for (let byte = 0; byte < 8; byte++) ESCAPED[DIGIT_0 + byte] = byte;

/** Index of the first byte at or after `from` that is not white space; `end` when there is none. */
export function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at] === 0x20 || (bytes[at] <= 13 && bytes[at] >= 9))) at++;
  return at;
}

/** The four digits of \u0001 and \u0002, which separate the properties of every message. */
const DIGITS_0001 = 0x30303031;
const DIGITS_0002 = 0x30303032;

/**
 * Finds the quote that closes the string whose first byte behind the opening quote is at `from`. Answers its index,
 * negated when the string holds escapes, or 0 when it never closes or an escape is malformed. `view` covers the same
 * bytes as `bytes`.
 */
export function closingQuote(bytes: Uint8Array, view: DataView, from: number, end: number): number {
  let sign = 1;
  let at = from;
  for (;;) {
    let byte = 0;
    if (at + 4 <= end) {
      // Four bytes at a time: the usual test for a zero byte in a word, on the word with the wanted byte xor-ed away. It may
      // also mark bytes behind a match, so the lowest mark (little-endian: the first byte) is the one that counts.
      const word = view.getInt32(at, true);
      const quote = word ^ 0x22222222;
      const backslash = word ^ 0x5c5c5c5c;
      const marks = (((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash)) & 0x80808080;
      if (marks === 0) {
        at += 4;
        continue;
      }
      at += (31 - Math.clz32(marks & -marks)) >> 3;
      byte = bytes[at];
    } else {
      while (at < end) {
        byte = bytes[at];
        if (byte === QUOTE || byte === BACKSLASH) break;
        at++;
      }
      if (at >= end) return 0;
    }
    if (byte === QUOTE) return sign * at;
    sign = -1;
    if (at + 1 >= end) return 0;
    const letter = bytes[at + 1];
    if (letter !== LETTER_U) {
      if (ESCAPED[letter] < 0) return 0;
      at += 2;
      continue;
    }
    if (at + 6 > end) return 0;
    const digits = view.getInt32(at + 2);
    if (digits !== DIGITS_0001 && digits !== DIGITS_0002 && codeUnit(bytes, at + 2) < 0) return 0;
    at += 6;
  }
}

/** The UTF-16 unit of four hexadecimal digits, negative when one of them is none. */
function codeUnit(bytes: Uint8Array, at: number): number {
  return (HEX[bytes[at]] << 12) | (HEX[bytes[at + 1]] << 8) | (HEX[bytes[at + 2]] << 4) | HEX[bytes[at + 3]];
}

/**
 * Writes the UTF-8 bytes that the string content [from, to), accepted by `closingQuote`, stands for; answers how many.
 * They are never more than to - from. Half a surrogate pair becomes U+FFFD, as everywhere in Node.
 */
export function unescapeString(
  bytes: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  targetStart: number,
): number {
  let written = targetStart;
  let at = from;
  for (;;) {
    let byte = 0;
    while (at < to) {
      byte = bytes[at];
      if (byte === BACKSLASH) break;
      target[written++] = byte;
      at++;
    }
    if (at >= to) return written - targetStart;
    const letter = bytes[at + 1];
    if (letter !== LETTER_U) {
      target[written++] = ESCAPED[letter];
      at += 2;
      continue;
    }
    let unit = codeUnit(bytes, at + 2);
    at += 6;
    if (unit < 0x80) {
      target[written++] = unit;
    } else if (unit < 0x800) {
      target[written++] = 0xc0 | (unit >> 6);
      target[written++] = 0x80 | (unit & 0x3f);
    } else {
      if ((unit & 0xf800) === 0xd800) {
        const low = at + 6 <= to && bytes[at] === BACKSLASH && bytes[at + 1] === LETTER_U ? codeUnit(bytes, at + 2) : 0;
        if ((unit & 0x0400) === 0 && (low & 0xfc00) === 0xdc00) {
          const point = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
          at += 6;
          target[written++] = 0xf0 | (point >> 18);
          target[written++] = 0x80 | ((point >> 12) & 0x3f);
          target[written++] = 0x80 | ((point >> 6) & 0x3f);
          target[written++] = 0x80 | (point & 0x3f);
          continue;
        }
        unit = 0xfffd;
      }
      target[written++] = 0xe0 | (unit >> 12);
      target[written++] = 0x80 | ((unit >> 6) & 0x3f);
      target[written++] = 0x80 | (unit & 0x3f);
    }
  }
}

function skipDigits(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] >= DIGIT_0 && bytes[at] <= DIGIT_0 + 9) at++;
  return at;
}

/** Index behind the number that starts at `from` (leading zeros are let through), or 0. */
function endOfNumber(bytes: Uint8Array, from: number, end: number): number {
  const digits = from < end && bytes[from] === MINUS ? from + 1 : from;
  let at = skipDigits(bytes, digits, end);
  if (at === digits) return 0;
  if (at < end && bytes[at] === 0x2e) {
    const fraction = at + 1;
    at = skipDigits(bytes, fraction, end);
    if (at === fraction) return 0;
  }
  if (at < end && (bytes[at] | 0x20) === 0x65) {
    let exponent = at + 1;
    if (exponent < end && (bytes[exponent] === PLUS || bytes[exponent] === MINUS)) exponent++;
    at = skipDigits(bytes, exponent, end);
    if (at === exponent) return 0;
  }
  return at;
}

/** True when the bytes at `from` are those of `word`, all of them before `end`. */
export function startsWith(bytes: Uint8Array, from: number, end: number, word: Uint8Array): boolean {
  if (from + word.length > end) return false;
  for (let at = 0; at < word.length; at++) {
    if (bytes[from + at] !== word[at]) return false;
  }
  return true;
}

export const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
export const NULL = Buffer.from('null');

/** Index behind the number, `true`, `false` or `null` at `from`, or 0. */
export function endOfLiteral(bytes: Uint8Array, from: number, end: number): number {
  if (startsWith(bytes, from, end, TRUE)) return from + 4;
  if (startsWith(bytes, from, end, FALSE)) return from + 5;
  if (startsWith(bytes, from, end, NULL)) return from + 4;
  return endOfNumber(bytes, from, end);
}

/** Deepest nesting that `skipValue` follows: one bit per level in an int32. */
const MAX_DEPTH = 30;

/** Index behind the value that starts at `from`, whatever it is, or 0 when it is malformed or nested too deeply. */
export function skipValue(bytes: Uint8Array, view: DataView, from: number, end: number): number {
  if (from < end && bytes[from] === QUOTE) {
    const quote = closingQuote(bytes, view, from + 1, end);
    return quote === 0 ? 0 : Math.abs(quote) + 1;
  }
  /** Bit `level` is 1 when that level is an object. */
  let kinds = 0;
  let depth = 0;
  let at = from;
  for (;;) {
    // Here a value begins.
    at = skipSpace(bytes, at, end);
    if (at >= end) return 0;
    const first = bytes[at];
    if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      if (depth === MAX_DEPTH) return 0;
      const isObject = first === OPEN_BRACE;
      kinds = isObject ? kinds | (1 << depth) : kinds & ~(1 << depth);
      depth++;
      at = skipSpace(bytes, at + 1, end);
      if (at < end && bytes[at] === (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
        depth--;
        at++;
      } else {
        if (isObject) {
          at = behindKey(bytes, view, at, end);
          if (at === 0) return 0;
        }
        continue;
      }
    } else if (first === QUOTE) {
      const quote = closingQuote(bytes, view, at + 1, end);
      if (quote === 0) return 0;
      at = Math.abs(quote) + 1;
    } else {
      at = endOfLiteral(bytes, at, end);
      if (at === 0) return 0;
    }
    // Here a value has ended: close what closes, then go on behind the next comma.
    for (;;) {
      if (depth === 0) return at;
      const isObject = ((kinds >> (depth - 1)) & 1) === 1;
      at = skipSpace(bytes, at, end);
      if (at >= end) return 0;
      if (bytes[at] === COMMA) {
        at = isObject ? behindKey(bytes, view, skipSpace(bytes, at + 1, end), end) : at + 1;
        if (at === 0) return 0;
        break;
      }
      if (bytes[at] !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) return 0;
      depth--;
      at++;
    }
  }
}

/** Index behind the key at `from` and its colon, or 0. */
function behindKey(bytes: Uint8Array, view: DataView, from: number, end: number): number {
  if (from >= end || bytes[from] !== QUOTE) return 0;
  const quote = closingQuote(bytes, view, from + 1, end);
  if (quote === 0) return 0;
  const colon = skipSpace(bytes, Math.abs(quote) + 1, end);
  return colon < end && bytes[colon] === COLON ? colon + 1 : 0;
}
