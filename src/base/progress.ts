/** How far something is that reads bytes: for lines that an operator reads. */
import { GIB, MS_PER_SECOND } from './units.js';

const BYTES_PER_MB = 1_000_000;

/** `1.2 of 4.0 GiB, 650 MB/s, 5 s left`; rate and estimate once `bytes` of it were done in `ms`. */
export function progressText(done: number, total: number, bytes: number, ms: number): string {
  const text = `${gib(done)} of ${gib(total)} GiB`;
  if (ms <= 0 || bytes <= 0) return text;
  const seconds = ms / MS_PER_SECOND;
  const left = Math.ceil((Math.max(0, total - done) / bytes) * seconds);
  return `${text}, ${Math.round(bytes / BYTES_PER_MB / seconds)} MB/s, ${left} s left`;
}

export function gib(bytes: number): string {
  return (bytes / GIB).toFixed(1);
}
