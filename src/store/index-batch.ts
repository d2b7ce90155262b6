/**
 * Keys on their way into an index file: their entries as the file will have them, without the link to the entry before
 * them, and the slot of each. Sorted by region of the slot table when they are applied, so that each region is read
 * and written once for all keys that fall into it.
 */
import { invariant } from '../base/invariant.js';
import { writeInt64 } from '../base/int64.js';
import { INDEX_ENTRY } from './index-layout.js';

const KEYS_MIN = 1_024;
const GROWTH = 4;
export const BATCH_KEYS_MAX = 65_536;
/** Stands in an entry's link until it is known. */
const UNLINKED = -1;

export class IndexBatch {
  count = 0;
  /** Entry number of the first key; the others follow. */
  firstEntry = 0;
  /** The file's header after the last key. */
  endTimestamp = 0;
  endOffset = 0;
  /** The entries, one after the other. */
  bytes = new Uint8Array(KEYS_MIN * INDEX_ENTRY.bytes);
  private view = new DataView(this.bytes.buffer);
  private slots = new Int32Array(KEYS_MIN);
  /** Keys by region, in the order they came within one; and for each region where its keys begin in there. */
  private order = new Int32Array(0);
  private regionStarts = new Int32Array(0);

  begin(firstEntry: number): void {
    this.count = 0;
    this.firstEntry = firstEntry;
  }

  get isFull(): boolean {
    return this.count === BATCH_KEYS_MAX;
  }

  put(slot: number, keyHash: number, commitLogOffset: number, seconds: number): void {
    if (this.count === this.slots.length) this.grow();
    const at = this.count * INDEX_ENTRY.bytes;
    this.view.setInt32(at + INDEX_ENTRY.keyHash, keyHash);
    writeInt64(this.view, at + INDEX_ENTRY.commitLogOffset, commitLogOffset);
    this.view.setInt32(at + INDEX_ENTRY.seconds, seconds);
    this.view.setInt32(at + INDEX_ENTRY.previous, UNLINKED);
    this.slots[this.count] = slot;
    this.count++;
  }

  slotOf(key: number): number {
    return this.slots[key]!;
  }

  setPrevious(key: number, entry: number): void {
    this.view.setInt32(key * INDEX_ENTRY.bytes + INDEX_ENTRY.previous, entry);
  }

  isLinked(key: number): boolean {
    return this.previousOf(key) !== UNLINKED;
  }

  previousOf(key: number): number {
    return this.view.getInt32(key * INDEX_ENTRY.bytes + INDEX_ENTRY.previous);
  }

  /** The newest key of that slot in front of `before`, or -1. */
  findSlot(slot: number, before: number): number {
    return before === 0 ? -1 : this.slots.lastIndexOf(slot, before - 1);
  }

  /** Sorts the keys by region of `slotsPerRegion` slots (counting sort: stable, two passes). */
  sortByRegion(regions: number, slotsPerRegion: number): void {
    if (this.regionStarts.length !== regions + 1) this.regionStarts = new Int32Array(regions + 1);
    if (this.order.length < this.slots.length) this.order = new Int32Array(this.slots.length);
    const { regionStarts, order, slots, count } = this;
    regionStarts.fill(0);
    for (let key = 0; key < count; key++) {
      const region = Math.floor(slots[key]! / slotsPerRegion);
      regionStarts[region]!++;
    }
    let end = 0;
    for (let region = 0; region <= regions; region++) {
      end += regionStarts[region]!;
      regionStarts[region] = end;
    }
    // Backwards, each region's end moves down to its start.
    for (let key = count - 1; key >= 0; key--) {
      const region = Math.floor(slots[key]! / slotsPerRegion);
      const place = --regionStarts[region]!;
      order[place] = key;
    }
    invariant(regionStarts[0] === 0 && regionStarts[regions] === count, 'keys sorted by region');
  }

  /** The keys of a region are keyAt(regionStart(region)) to keyAt(regionStart(region + 1) - 1). */
  regionStart(region: number): number {
    return this.regionStarts[region]!;
  }

  keyAt(place: number): number {
    return this.order[place]!;
  }

  private grow(): void {
    const capacity = this.slots.length * GROWTH;
    invariant(capacity <= BATCH_KEYS_MAX, 'a batch of index keys is bounded', capacity);
    const bytes = new Uint8Array(capacity * INDEX_ENTRY.bytes);
    const slots = new Int32Array(capacity);
    bytes.set(this.bytes);
    slots.set(this.slots);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
    this.slots = slots;
  }
}
