/**
 * Bytes of a ring: one writer thread, one reader thread, over a SharedArrayBuffer (or an ArrayBuffer in the simulation).
 *
 *     0        64       128      192      256                                    256 + capacity
 *     | HEAD   | TAIL   | WAIT   | STALLS | record | record | ... | filler | ... |
 *
 * Control words are int32, one per cache line. HEAD and TAIL count units of 8 bytes and wrap around at 2^32; the
 * distance (HEAD - TAIL) | 0 is exact because the capacity is far below 2^31 units.
 *
 * Record, little-endian (host order of every supported machine), 8-byte aligned, never split at the end of the buffer
 * (a filler of length -1 says "go on at 0"; so may a writer that finds everything read):
 *
 *     0 length i32   payload bytes
 *     4 target i32   actor id
 *     8 source i32   actor id
 *    12 kind   u16   message kind of the target's table
 *    14 part   u16   whole, first, more or last (see PART)
 *    16 epoch  i32   of the target's unit, as the sender knows it
 *    20 key    i32   free for the message kind (queue actors are found by it)
 *    24 payload
 */
export const CONTROL = { head: 0, tail: 16, writerWaits: 32, stalls: 48, bytes: 256 } as const;

export const RECORD = { length: 0, target: 4, source: 8, kind: 12, part: 14, epoch: 16, key: 20, payload: 24 } as const;

/** Messages longer than an eighth of their ring travel as one first, any number of more, and one last record. */
export const PART = { whole: 0, first: 1, more: 2, last: 3 } as const;

export const UNIT_BYTES = 8;
export const FILLER = -1;

/** Bytes that a record with this payload takes in a ring. */
export function recordBytes(payloadBytes: number): number {
  return (RECORD.payload + payloadBytes + UNIT_BYTES - 1) & -UNIT_BYTES;
}
