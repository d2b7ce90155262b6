/**
 * 64-bit integers on the wire and on disk are big-endian and signed; in Hangar offsets and times are Numbers
 * below 2^53, asserted on decode. Nothing here allocates (no BigInt), so hot paths may use it.
 */
import { InvariantError } from './invariant.js';

const TWO_32 = 0x1_0000_0000;

/** Reads a big-endian int64 that must be a safe integer; throws InvariantError otherwise. */
export function readInt64(view: DataView, at: number): number {
  const value = view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
  if (!Number.isSafeInteger(value)) throw new InvariantError(`int64 beyond 2^53 at byte ${at}: ${value}`);
  return value;
}

/** The same for bytes that a damaged disk may have changed: -1 for what no offset or time can be. */
export function readInt64OrNone(view: DataView, at: number): number {
  const value = view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
  return Number.isSafeInteger(value) ? value : -1;
}

/** Writes a safe integer as big-endian int64. */
export function writeInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value >>> 0);
}
