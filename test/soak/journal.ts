/**
 * One file that every client process and the soak itself append to, so that the whole history has one order. A record is
 * one write of a file opened for appending, which a SIGKILL does not take back:
 *
 *     \n<event> <key>=<value> ... .\n
 *
 * The line break in front ends a record that a killed process left unfinished; the dot says that this one is whole.
 * Values are percent-encoded. Events and who writes them:
 *
 *     tried     id                             a producer, before it sends
 *     sent      id status [b q o]              a producer, when the send was answered: broker, queue, offset if they say it
 *     failed    id why                         a producer, when it gave up: stored or not, nobody knows
 *     rolled    id status                      a producer whose transaction was rolled back
 *     got       g m id b q o r [retry] [bad]   a consumer, before it acknowledges: group, member, place, times consumed again;
 *                                              whether the place is one of the retry topic, whether the body is damaged
 *     refused   the same                       a consumer that hands it back, or suspends its queue
 *     struck    target how ms, mended target   the soak
 *     ended     client code                    the soak: a client that ended by itself, and is started again
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

const CHUNK_BYTES = 1024 * 1024;
const LINE_END = '\n'.charCodeAt(0);
const END = ' .';

export interface JournalRecord {
  readonly event: string;
  readonly fields: Readonly<Record<string, string>>;
}

export function appendTo(file: number, event: string, fields: Readonly<Record<string, string | number>>): void {
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${encodeURIComponent(value)}`);
  writeSync(file, `\n${event}${pairs.join('')}${END}\n`);
}

/** The record of a line; undefined for one that was not finished. */
export function parseRecord(line: string): JournalRecord | undefined {
  if (!line.endsWith(END)) return undefined;
  const [event, ...pairs] = line.slice(0, -END.length).split(' ') as [string, ...string[]];
  const fields: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const value = pair.slice(equals + 1);
    fields[pair.slice(0, equals)] = value.includes('%') ? decodeURIComponent(value) : value;
  }
  return { event, fields };
}

/** Reads what others append. */
export class JournalReader {
  /** Records that a killed process did not finish. */
  torn = 0;
  private readonly file: number;
  private readonly chunk = Buffer.alloc(CHUNK_BYTES);
  private at = 0;
  private rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.file = openSync(path, 'r');
  }

  /** Hands over the records that were finished since the last call; gives their number. */
  read(take: (record: JournalRecord) => void): number {
    let count = 0;
    const end = fstatSync(this.file).size;
    while (this.at < end) {
      const bytes = readSync(this.file, this.chunk, 0, Math.min(CHUNK_BYTES, end - this.at), this.at);
      this.at += bytes;
      const text = Buffer.concat([this.rest, this.chunk.subarray(0, bytes)]);
      const whole = text.lastIndexOf(LINE_END) + 1;
      this.rest = text.subarray(whole);
      for (const line of text.toString('utf8', 0, whole).split('\n')) {
        if (line === '') continue;
        const record = parseRecord(line);
        if (record === undefined) this.torn++;
        else {
          take(record);
          count++;
        }
      }
    }
    return count;
  }

  close(): void {
    closeSync(this.file);
  }
}
