/**
 * The body of a batch send (code 320): items of
 *
 *     totalBytes 4 | magic 4 | bodyCrc 4 | flag 4 | bodyBytes 4 | body | propertiesBytes 2 | properties
 *
 * Size, magic and checksum of an item are the client's and unused, as in Apache's broker, which goes by the inner
 * lengths and computes the checksum itself. Source: MessageDecoder.encodeMessage, CommitLog.MessageExtEncoder.
 */

const ITEM = { totalBytes: 0, magic: 4, bodyCrc: 8, flag: 12, bodyBytes: 16, body: 20 } as const;
/** An item without body and properties. */
export const BATCH_ITEM_BYTES_MIN = ITEM.body + 2;

export type BatchProblem = 'item is cut off' | 'negative body length' | 'negative properties length';

/** Walks over the items; reused. Ranges are positions in the buffer given to `open`. */
export class BatchItems {
  flag = 0;
  bodyAt = 0;
  bodyBytes = 0;
  propertiesAt = 0;
  propertiesBytes = 0;
  /** Items passed so far, the current one included. */
  count = 0;
  /** Why `next` ended before the end of the body. */
  problem: BatchProblem | undefined = undefined;

  private view: DataView = new DataView(new ArrayBuffer(0));
  private at = 0;
  private end = 0;

  open(view: DataView, start: number, length: number): void {
    this.view = view;
    this.at = start;
    this.end = start + length;
    this.count = 0;
    this.problem = undefined;
  }

  /** Moves to the next item; false at the end or at a problem. */
  next(): boolean {
    const at = this.at;
    if (at >= this.end || this.problem !== undefined) return false;
    const left = this.end - at;
    if (left < BATCH_ITEM_BYTES_MIN) return this.fail('item is cut off');
    const bodyBytes = this.view.getInt32(at + ITEM.bodyBytes);
    if (bodyBytes < 0) return this.fail('negative body length');
    if (bodyBytes > left - BATCH_ITEM_BYTES_MIN) return this.fail('item is cut off');
    const propertiesLengthAt = at + ITEM.body + bodyBytes;
    const propertiesBytes = this.view.getInt16(propertiesLengthAt);
    if (propertiesBytes < 0) return this.fail('negative properties length');
    if (propertiesBytes > left - BATCH_ITEM_BYTES_MIN - bodyBytes) return this.fail('item is cut off');
    this.flag = this.view.getInt32(at + ITEM.flag);
    this.bodyAt = at + ITEM.body;
    this.bodyBytes = bodyBytes;
    this.propertiesAt = propertiesLengthAt + 2;
    this.propertiesBytes = propertiesBytes;
    this.count++;
    this.at = this.propertiesAt + propertiesBytes;
    return true;
  }

  private fail(problem: BatchProblem): boolean {
    this.problem = problem;
    return false;
  }
}
