/**
 * BODYCRC of a stored record: CRC-32 of the body as stored, without the sign bit. Source: UtilAll.crc32.
 * zlib is faster from about 300 bytes on; below that its call costs more than these tables (Node 20, 64 bytes:
 * 54 ns here, 263 ns with zlib and its view; 1 KiB: 778 and 421).
 */
import { crc32 } from 'node:zlib';

const TABLE_BYTES_MAX = 320;
const POLYNOMIAL = 0xedb88320;

const [T0, T1, T2, T3, T4, T5, T6, T7] = tables();

function tables(): readonly [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
] {
  const base = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    let remainder = i;
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder & 1) === 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
    }
    base[i] = remainder;
  }
  const next = (previous: Int32Array): Int32Array =>
    previous.map((remainder) => (remainder >>> 8) ^ base[remainder & 0xff]!);
  const t1 = next(base);
  const t2 = next(t1);
  const t3 = next(t2);
  const t4 = next(t3);
  const t5 = next(t4);
  const t6 = next(t5);
  return [base, t1, t2, t3, t4, t5, t6, next(t6)];
}

/** CRC-32 & 0x7fffffff of `bytes[start, start + length)`. */
export function bodyCrc(bytes: Uint8Array, start: number, length: number): number {
  return length > TABLE_BYTES_MAX
    ? crc32(bytes.subarray(start, start + length)) & 0x7fffffff
    : tableCrc(bytes, start, length) & 0x7fffffff;
}

/** Eight bytes a step ("slicing by 8"). */
function tableCrc(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  const blocksEnd = start + (length & ~7);
  let crc = -1;
  let at = start;
  for (; at < blocksEnd; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      T7[crc & 0xff]! ^
      T6[(crc >>> 8) & 0xff]! ^
      T5[(crc >>> 16) & 0xff]! ^
      T4[crc >>> 24]! ^
      T3[bytes[at + 4]!]! ^
      T2[bytes[at + 5]!]! ^
      T1[bytes[at + 6]!]! ^
      T0[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc;
}
