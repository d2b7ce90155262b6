/**
 * What the unfinished large frames of one unit's connections may take in memory. A connection reserves the whole frame
 * when it begins, so whoever has begun can finish, and gives it back when the frame has been handed on; connections that
 * find no room wait in turn and are not read meanwhile.
 */
import type { Connection } from './connection.js';

/** Shorter frames need no reservation: they are bounded by the number of connections. */
export const LARGE_FRAME_BYTES = 256 * 1024;

export class InputBudget {
  private reservedBytes = 0;
  private readonly waiting: Connection[] = [];

  constructor(
    private readonly limitBytes: number,
    /** A waiting connection has got its room; called from inside of `release`, so what follows has to wait for a later turn. */
    private readonly granted: (connection: Connection) => void,
  ) {}

  /** False: no room; the connection waits now and `granted` is called when there is. */
  reserve(connection: Connection, bytes: number): boolean {
    if (this.waiting.length === 0 && this.reservedBytes + bytes <= this.limitBytes) {
      this.reservedBytes += bytes;
      connection.reservedBytes = bytes;
      return true;
    }
    connection.awaitedBytes = bytes;
    this.waiting.push(connection);
    return false;
  }

  /** Gives back what the connection has reserved or waits for. */
  release(connection: Connection): void {
    if (connection.awaitedBytes > 0) {
      connection.awaitedBytes = 0;
      this.waiting.splice(this.waiting.indexOf(connection), 1);
    }
    this.reservedBytes -= connection.reservedBytes;
    connection.reservedBytes = 0;
    while (this.waiting.length > 0 && this.reservedBytes + this.waiting[0].awaitedBytes <= this.limitBytes) {
      const next = this.waiting.shift()!;
      this.reservedBytes += next.awaitedBytes;
      next.reservedBytes = next.awaitedBytes;
      next.awaitedBytes = 0;
      this.granted(next);
    }
  }
}
