/**
 * Apache's replication stream, big-endian, without handshake. Source: HAConnection.java, HAService.HAClient.
 *
 *     slave -> master   int64 end of the slave's log                            the first one says where to begin
 *     master -> slave   int64 commit log offset, int32 bytes, the bytes         0 bytes: a heartbeat, with the next offset
 *
 * A piece of the log is cut anywhere, but never goes beyond the end of a log file: Java's slave would lose it.
 */
import { readInt64 } from '../../base/int64.js';
import { copyBytes } from '../../message/bytes.js';

export const REPORT_BYTES = 8;
export const TRANSFER = { offset: 0, bytes: 8, head: 12 } as const;

/** What no log can reach is no offset. */
const OFFSET_HIGH_WORD_MAX = 0x1f_ffff;

function offsetAt(view: DataView, at: number): number {
  const high = view.getInt32(at);
  return high < 0 || high > OFFSET_HIGH_WORD_MAX ? -1 : readInt64(view, at);
}

/** Finds the newest whole report in the bytes that a slave sends; those before it say nothing more. */
export class ReportReader {
  /** The newest whole one; -1 before the first, and for values that are no offset. */
  offset = -1;
  private readonly held = new Uint8Array(REPORT_BYTES);
  private readonly view = new DataView(this.held.buffer);
  private heldBytes = 0;

  /** Takes bytes of the stream; true when a report is complete now. */
  push(bytes: Uint8Array, start: number, end: number): boolean {
    const before = this.heldBytes;
    const total = before + end - start;
    const rest = total % REPORT_BYTES;
    const isWhole = total >= REPORT_BYTES;
    if (isWhole) {
      // The last 8 bytes before the rest; some of them may be held already.
      const from = total - rest - REPORT_BYTES;
      if (from >= before) copyBytes(bytes, start + from - before, REPORT_BYTES, this.held, 0);
      else copyBytes(bytes, start, REPORT_BYTES - before, this.held, before);
      this.offset = offsetAt(this.view, 0);
      this.heldBytes = 0;
    }
    const more = isWhole ? rest : end - start;
    copyBytes(bytes, end - more, more, this.held, this.heldBytes);
    this.heldBytes += more;
    return isWhole;
  }
}

/** Cuts what a master sends into heads and pieces of bodies; pieces are handed on as they come, never kept. */
export class TransferReader {
  private readonly head = new Uint8Array(TRANSFER.head);
  private readonly view = new DataView(this.head.buffer);
  private headBytes = 0;
  /** Bytes of the current body that have not come yet. */
  private bodyLeft = 0;

  reset(): void {
    this.headBytes = 0;
    this.bodyLeft = 0;
  }

  /**
   * Takes bytes of the stream. `onHead` says whether to go on; after false the reader has to be reset.
   */
  push(
    bytes: Uint8Array,
    start: number,
    end: number,
    onHead: (offset: number, bodyBytes: number) => boolean,
    onBody: (at: number, bytes: number) => void,
  ): void {
    let at = start;
    while (at < end) {
      if (this.bodyLeft > 0) {
        const piece = Math.min(this.bodyLeft, end - at);
        onBody(at, piece);
        this.bodyLeft -= piece;
        at += piece;
        continue;
      }
      const piece = Math.min(TRANSFER.head - this.headBytes, end - at);
      copyBytes(bytes, at, piece, this.head, this.headBytes);
      this.headBytes += piece;
      at += piece;
      if (this.headBytes < TRANSFER.head) return;
      this.headBytes = 0;
      const offset = offsetAt(this.view, TRANSFER.offset);
      const bodyBytes = this.view.getInt32(TRANSFER.bytes);
      if (!onHead(offset, bodyBytes)) return;
      this.bodyLeft = bodyBytes;
    }
  }
}
