/**
 * What happened in a simulation: a hash over all of it (equal for equal seeds, or something is not deterministic) and
 * the newest lines in clear, for the dump of a failure.
 */
import { crc32 } from 'node:zlib';

const KEPT_LINES = 400;

interface Line {
  ms: number;
  what: string;
  subject: string;
  value: number;
}

export class Trace {
  private readonly scratch = new DataView(new ArrayBuffer(16));
  private readonly scratchBytes = new Uint8Array(this.scratch.buffer);
  private readonly names = new Map<string, number>();
  private readonly lines: Line[] = [];
  private next = 0;
  private count = 0;
  private low = 0;

  /** Everything so far, as text. */
  get hash(): string {
    return `${this.count}:${this.low.toString(16).padStart(8, '0')}`;
  }

  /** `what` is one of a few words, `subject` a name, `value` a count, an id or a code. */
  note(ms: number, what: string, subject: string, value: number): void {
    this.scratch.setFloat64(0, ms);
    this.scratch.setInt32(8, this.numberOf(what) ^ Math.imul(this.numberOf(subject), 0x9e3779b1));
    this.scratch.setInt32(12, value);
    this.low = crc32(this.scratchBytes, this.low);
    this.count++;
    const line = this.lines[this.next];
    if (line === undefined) this.lines.push({ ms, what, subject, value });
    else {
      line.ms = ms;
      line.what = what;
      line.subject = subject;
      line.value = value;
    }
    this.next = (this.next + 1) % KEPT_LINES;
  }

  /** Content that went over a ring or a connection. */
  bytes(content: Uint8Array): void {
    this.low = crc32(content, this.low);
  }

  /** The newest lines, oldest first. */
  recent(limit: number): string[] {
    const ordered = [...this.lines.slice(this.next), ...this.lines.slice(0, this.next)];
    return ordered
      .slice(-limit)
      .map(({ ms, what, subject, value }) => `${ms.toFixed(3).padStart(12)} ${what} ${subject} ${value}`);
  }

  private numberOf(name: string): number {
    let number = this.names.get(name);
    if (number === undefined) {
      number = crc32(name) | 0;
      this.names.set(name, number);
    }
    return number;
  }
}
