/**
 * Which store times are durable: marks of (log end, store time) made as the log grows, read when a flush reports how
 * far it got. The checkpoint must not vouch for a message that was appended while the flush ran.
 */
const MARK_EVERY_MS = 500;
/** While a flush takes this many marks long no further ones are made: the checkpoint stays behind, which is safe. */
const MARKS_MAX = 128;

export class FlushMarks {
  private readonly marks: { readonly end: number; readonly timestamp: number }[] = [];
  private lastTimestamp = 0;

  /** Everything before `end` has a store time of at most `timestamp`. */
  written(end: number, timestamp: number): void {
    if (timestamp - this.lastTimestamp < MARK_EVERY_MS || this.marks.length >= MARKS_MAX) return;
    this.lastTimestamp = timestamp;
    this.marks.push({ end, timestamp });
  }

  /** Everything before `offset` is durable; returns the newest store time that this vouches for, or `known`. */
  flushed(offset: number, known: number): number {
    let timestamp = known;
    while (this.marks.length > 0 && this.marks[0]!.end <= offset) timestamp = this.marks.shift()!.timestamp;
    return timestamp;
  }
}
