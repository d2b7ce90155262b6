/**
 * HOT. Room for the consume queue entries that a message queue gets during one batch. A queue has it from its first
 * entry to the end of the batch only: what 10,000 queues cost does not depend on their largest batches. Rooms are kept
 * for the next batch, so that a busy broker allocates none.
 */
import { ENTRY } from '../../../store/consume-queue-entry.js';

const FIRST_BYTES = 8 * ENTRY.bytes;
/** Of rooms that nobody uses, per broker; 26,214 entries. */
export const FREE_BYTES_MAX = 512 * 1024;

export class PendingEntries {
  /** The layout of the consume queue: 20 bytes an entry. */
  bytes = Buffer.alloc(FIRST_BYTES);
  view = new DataView(this.bytes.buffer, this.bytes.byteOffset, FIRST_BYTES);

  /** Position for one more entry behind `count`. */
  room(count: number): number {
    const at = count * ENTRY.bytes;
    if (at === this.bytes.length) {
      const larger = Buffer.alloc(at * 2);
      this.bytes.copy(larger);
      this.bytes = larger;
      this.view = new DataView(larger.buffer, larger.byteOffset, larger.length);
    }
    return at;
  }
}

export class PendingPool {
  private readonly free: PendingEntries[] = [];
  /** Of the rooms in `free`. */
  freeBytes = 0;

  take(): PendingEntries {
    const pending = this.free.pop();
    if (pending === undefined) return new PendingEntries();
    this.freeBytes -= pending.bytes.length;
    return pending;
  }

  /** Beyond the bound it is forgotten: a batch that large is rare. */
  giveBack(pending: PendingEntries): void {
    const { length } = pending.bytes;
    if (this.freeBytes + length > FREE_BYTES_MAX) return;
    this.freeBytes += length;
    this.free.push(pending);
  }
}
