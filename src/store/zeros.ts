/** Whether bytes are all zero, by comparing memory: files are sparse, and a loop would take seconds for a gigabyte. */
import { MIB } from '../base/units.js';

const ZEROS = Buffer.alloc(MIB);

export function isZero(bytes: Uint8Array, start: number, length: number): boolean {
  for (let done = 0; done < length; done += ZEROS.length) {
    const count = Math.min(ZEROS.length, length - done);
    if (ZEROS.compare(bytes, start + done, start + done + count, 0, count) !== 0) return false;
  }
  return true;
}
