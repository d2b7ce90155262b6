/** Numbers as Java reads, orders and prints them: property values are strings that a comparison turns into numbers. */

/** A string is not what a comparison needs: the whole filter then does not match. */
export class NotComparable extends Error {
  override readonly name = 'NotComparable';
}

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;
export const LONG_MIN = -(2n ** 63n);
export const LONG_MAX = 2n ** 63n - 1n;

/** No number that anybody means is longer; Java reads those as well. What looking at a message takes is bounded so. */
const NUMBER_CHARS_MAX = 1_024;

export function fitsInt(value: bigint): boolean {
  return value >= INT_MIN && value <= INT_MAX;
}

/** Source: Integer.valueOf(String). */
export function parseInt32(text: string): number {
  mustBeShort(text);
  const digits = asciiDigits(text);
  const value = Number(digits);
  if (!/^[+-]?\d+$/.test(digits) || value < INT_MIN || value > INT_MAX) throw new NotComparable(text);
  return value;
}

/** Source: Long.valueOf(String). */
export function parseInt64(text: string): bigint {
  mustBeShort(text);
  const digits = asciiDigits(text);
  // 19 digits at most, but any number of leading zeros.
  if (!/^[+-]?0*\d{1,19}$/.test(digits)) throw new NotComparable(text);
  const value = digits[0] === '-' ? -BigInt(digits.slice(1)) : BigInt(digits[0] === '+' ? digits.slice(1) : digits);
  if (value < LONG_MIN || value > LONG_MAX) throw new NotComparable(text);
  return value;
}

/** Integers may be written in the digits of any script. Source: Character.digit(char). */
function asciiDigits(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  return /^[\u0000-\u007f]*$/.test(text) ? text : text.replace(/\p{Nd}/gu, asciiDigit);
}

/** Digits of a script follow each other, from its zero on. Those beyond 16 bits are none to Java. */
function asciiDigit(digit: string): string {
  if (digit.length > 1) return digit;
  const code = digit.charCodeAt(0);
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCharCode(zero - 1))) zero--;
  return String(code - zero);
}

const DOUBLE = /^([+-]?)(?:(NaN|Infinity)|((?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)[fd]?)$/i;

/** Source: Double.valueOf(String), without its hexadecimal form. */
export function parseDouble(text: string): number {
  mustBeShort(text);
  const found = DOUBLE.exec(trimmed(text));
  // Only suffix and exponent may be written in either case.
  if (found === null || (found[2] !== undefined && !/NaN|Infinity/.test(found[2]))) throw new NotComparable(text);
  const value = Number(found[2] ?? found[3]);
  return found[1] === '-' ? -value : value;
}

function mustBeShort(text: string): void {
  if (text.length > NUMBER_CHARS_MAX) throw new NotComparable(text);
}

/** Source: String.trim: everything up to the blank goes. */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text[start]! <= ' ') start++;
  while (end > start && text[end - 1]! <= ' ') end--;
  return text.slice(start, end);
}

/** Source: Double.compare: -0.0 before 0.0, NaN equal to itself and after everything. */
export function compareDoubles(left: number, right: number): number {
  if (left < right) return -1;
  if (left > right) return 1;
  return rank(left) - rank(right);
}

/** Among values that are neither less nor greater. */
function rank(value: number): number {
  if (Number.isNaN(value)) return 2;
  return Object.is(value, -0) ? -1 : 0;
}

/** Source: Double.toString. */
export function doubleText(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  if (size >= 1e-3 && size < 1e7) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits, exponent] = value.toExponential().split('e');
  return `${digits!.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`;
}
