/**
 * Content of one simulated file: what programs see (the page cache) and what a device would still have after a power
 * loss, page by page, so that a 1 GiB file costs what was written to it.
 *
 *     page    live     what reads return
 *             device   what survives a power loss; undefined while it equals live
 *             dirty    bit per 512-byte sector: written since, no sync has taken it up yet
 *             syncing  bit per sector: belongs to a sync that has not completed
 *             lost     bit per sector: a sync failed; like Linux, later syncs do not try it again
 *
 * A sector is the unit that a power loss keeps or loses, each on its own, so writes tear and overtake each other. A size
 * that writes made grow is kept, lost, or kept up to some page.
 */
import type { Prng } from '../../base/prng.js';

export const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;
const SECTORS_PER_PAGE = PAGE_BYTES / SECTOR_BYTES;

/** Content of holes; never written to. */
const ZEROS = new Uint8Array(PAGE_BYTES);

interface Page {
  live: Uint8Array;
  device: Uint8Array | undefined;
  dirty: number;
  syncing: number;
  lost: number;
}

/** One fdatasync under way: the sectors that it took up, and the size to be recorded. */
export interface PendingSync {
  readonly sectors: Map<Page, number>;
  bytes: number;
}

export class Inode {
  readonly isDirectory = false;
  bytes = 0;
  modifiedMs: number;
  /** Open handles; with `links` it says when the space is free again. */
  handles = 0;
  /** Live directory entries. */
  links = 0;
  private deviceBytes = 0;
  /** Set by a truncation since the last sync: a size that is kept as a whole. */
  private truncatedTo: number | undefined = undefined;
  private deviceModifiedMs: number;
  private readonly pages = new Map<number, Page>();
  /** Pages with a bit in `dirty`. */
  private readonly dirtyPages = new Set<Page>();
  private readonly pending = new Set<PendingSync>();
  /** Whether the next sector that changes under a sync was written by it before: it may be either way. */
  private isEarly = true;

  constructor(nowMs: number) {
    this.modifiedMs = nowMs;
    this.deviceModifiedMs = nowMs;
  }

  /** Bytes of pages that hold data, holes excluded. */
  allocatedBytes(): number {
    let pages = 0;
    for (const page of this.pages.values()) if (page.live !== ZEROS) pages++;
    return pages * PAGE_BYTES;
  }

  /** Pages that a write of this range would have to allocate. */
  missingPages(length: number, position: number): number {
    let missing = 0;
    for (let index = Math.floor(position / PAGE_BYTES); index * PAGE_BYTES < position + length; index++) {
      const page = this.pages.get(index);
      if (page === undefined || page.live === ZEROS) missing++;
    }
    return missing;
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.bytes - position));
    for (let done = 0; done < count; ) {
      const within = (position + done) % PAGE_BYTES;
      const step = Math.min(PAGE_BYTES - within, count - done);
      const live = this.pages.get(Math.floor((position + done) / PAGE_BYTES))?.live ?? ZEROS;
      target.set(live.subarray(within, within + step), start + done);
      done += step;
    }
    return count;
  }

  write(source: Uint8Array, start: number, length: number, position: number, nowMs: number): void {
    for (let done = 0; done < length; ) {
      const within = (position + done) % PAGE_BYTES;
      const step = Math.min(PAGE_BYTES - within, length - done);
      const page = this.touch(Math.floor((position + done) / PAGE_BYTES), within, step);
      if (page.live === ZEROS) page.live = new Uint8Array(PAGE_BYTES);
      page.live.set(source.subarray(start + done, start + done + step), within);
      done += step;
    }
    if (length > 0) this.bytes = Math.max(this.bytes, position + length);
    this.modifiedMs = nowMs;
  }

  truncate(bytes: number, nowMs: number): void {
    if (bytes < this.bytes) {
      for (const [index, page] of this.pages) {
        const from = Math.max(0, bytes - index * PAGE_BYTES);
        if (from >= PAGE_BYTES || page.live === ZEROS) continue;
        this.touch(index, from, PAGE_BYTES - from);
        if (from === 0) page.live = ZEROS;
        else page.live.fill(0, from);
      }
      for (const sync of this.pending) sync.bytes = Math.min(sync.bytes, bytes);
    }
    this.bytes = bytes;
    this.truncatedTo = bytes;
    this.modifiedMs = nowMs;
  }

  /** Takes up everything that is dirty now; what is written afterwards waits for the next sync. */
  beginSync(): PendingSync {
    const sync: PendingSync = { sectors: new Map(), bytes: this.bytes };
    for (const page of this.dirtyPages) {
      sync.sectors.set(page, page.dirty);
      page.syncing |= page.dirty;
      page.dirty = 0;
    }
    this.dirtyPages.clear();
    this.pending.add(sync);
    return sync;
  }

  endSync(sync: PendingSync, outcome: 'durable' | 'failed' | 'abandoned'): void {
    this.pending.delete(sync);
    for (const [page, sectors] of sync.sectors) {
      page.syncing &= ~sectors;
      if (outcome === 'durable') {
        page.dirty &= ~sectors;
        harden(page, sectors);
      } else if (outcome === 'failed') {
        page.lost |= sectors & ~page.dirty;
      } else {
        page.dirty |= sectors;
        if (sectors !== 0) this.dirtyPages.add(page);
      }
    }
    if (outcome !== 'durable') return;
    this.deviceBytes = sync.bytes;
    if (sync.bytes === this.bytes) this.truncatedTo = undefined;
    this.deviceModifiedMs = this.modifiedMs;
    // Syncs may complete in another order than they began; the size never goes back to an older one.
    for (const other of this.pending) other.bytes = Math.max(other.bytes, sync.bytes);
    this.dropCleanHoles(sync.sectors.keys());
  }

  /** Everything written so far is durable, syncs under way included (a failed one is not made good). */
  syncNow(): void {
    const inFlight = [...this.pending];
    this.endSync(this.beginSync(), 'durable');
    for (const sync of inFlight) {
      for (const [page, sectors] of sync.sectors) {
        page.syncing &= ~sectors;
        harden(page, sectors);
      }
      sync.sectors.clear();
      sync.bytes = this.bytes;
    }
  }

  /** The process is gone: nobody will complete its syncs, their sectors are ordinary dirty ones again. */
  abandonSyncs(): void {
    for (const sync of [...this.pending]) this.endSync(sync, 'abandoned');
  }

  /** The kernel writes back some dirty sectors on its own, as it may at any time. */
  writeBack(random: Prng): void {
    for (const page of [...this.dirtyPages]) {
      const sectors = page.dirty & random.below(1 << SECTORS_PER_PAGE);
      page.dirty &= ~sectors;
      harden(page, sectors);
      if (page.dirty === 0) this.dirtyPages.delete(page);
    }
  }

  /** Power loss: the seed decides which unsynced sectors, and which size, reached the device. */
  crash(random: Prng): void {
    this.abandonSyncs();
    const keepOdds = random.pick([0, 1, random.unit()]);
    const bytes = this.sizeAfterCrash(random, Math.max(keepOdds, 0.25));
    const keepsSize = bytes === this.bytes;
    for (const [index, page] of [...this.pages].sort(([a], [b]) => a - b)) {
      for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
        const bit = 1 << sector;
        if ((page.dirty & bit) === 0) continue;
        // A truncation that is lost takes its zeros with it.
        const wasCutOff = bytes > this.bytes && index * PAGE_BYTES + (sector + 1) * SECTOR_BYTES > this.bytes;
        if (random.chance(keepOdds) && !wasCutOff) harden(page, bit);
      }
      if (page.device !== undefined) page.live = page.device;
      page.device = undefined;
      page.dirty = 0;
      page.lost = 0;
    }
    this.dirtyPages.clear();
    if (!keepsSize) this.modifiedMs = this.deviceModifiedMs;
    this.bytes = bytes;
    this.cutBeyond(bytes);
    this.deviceBytes = bytes;
    this.truncatedTo = undefined;
    this.deviceModifiedMs = this.modifiedMs;
  }

  private sizeAfterCrash(random: Prng, keepOdds: number): number {
    if (random.chance(keepOdds)) return this.bytes;
    // A size that writes have made grows page by page as they are written back; one that was set comes as a whole.
    const from = this.truncatedTo ?? this.deviceBytes;
    const pages = Math.ceil((this.bytes - from) / PAGE_BYTES);
    if (pages < 2 || random.chance(0.5)) return this.deviceBytes;
    const firstPage = Math.floor(from / PAGE_BYTES) + 1;
    return Math.min(this.bytes, (firstPage + random.below(pages)) * PAGE_BYTES);
  }

  /** Pages that a failed sync gave up leave the page cache, as clean ones may: reads give what the device has. */
  evictLost(): void {
    for (const page of this.pages.values()) {
      if (page.lost === 0 || page.device === undefined) continue;
      const live = page.device === ZEROS ? new Uint8Array(PAGE_BYTES) : page.device.slice();
      const kept = page.dirty | page.syncing;
      for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
        const from = sector * SECTOR_BYTES;
        if ((kept & (1 << sector)) !== 0) live.set(page.live.subarray(from, from + SECTOR_BYTES), from);
      }
      page.live = live;
      page.lost = 0;
      if (kept === 0) page.device = undefined;
    }
  }

  /** The page at `index`, its device copy taken and its sectors in [within, within + length) marked dirty. */
  private touch(index: number, within: number, length: number): Page {
    let page = this.pages.get(index);
    if (page === undefined) {
      page = { live: ZEROS, device: undefined, dirty: 0, syncing: 0, lost: 0 };
      this.pages.set(index, page);
    }
    const first = Math.floor(within / SECTOR_BYTES);
    const last = Math.floor((within + length - 1) / SECTOR_BYTES);
    const sectors = (1 << (last + 1)) - (1 << first);
    if ((page.syncing & sectors) !== 0) {
      if (this.isEarly) this.completeEarly(page, sectors);
      this.isEarly = !this.isEarly;
    }
    page.device ??= page.live === ZEROS ? ZEROS : page.live.slice();
    page.dirty |= sectors;
    page.lost &= ~sectors;
    this.dirtyPages.add(page);
    return page;
  }

  /** A sector that changes under a sync which has just written it: its turn is over. Otherwise it writes the new content. */
  private completeEarly(page: Page, sectors: number): void {
    for (const sync of this.pending) {
      const taken = (sync.sectors.get(page) ?? 0) & sectors;
      if (taken === 0) continue;
      harden(page, taken);
      page.syncing &= ~taken;
      sync.sectors.set(page, sync.sectors.get(page)! & ~taken);
    }
  }

  private cutBeyond(bytes: number): void {
    for (const [index, page] of this.pages) {
      const from = Math.max(0, bytes - index * PAGE_BYTES);
      if (from === 0) this.pages.delete(index);
      else if (from < PAGE_BYTES && page.live !== ZEROS) page.live = page.live.slice().fill(0, from);
    }
  }

  private dropCleanHoles(touched: Iterable<Page>): void {
    let holes = 0;
    for (const page of touched) if (page.live === ZEROS && page.device === undefined) holes++;
    if (holes === 0) return;
    for (const [index, page] of this.pages) {
      if (page.live === ZEROS && page.device === undefined) this.pages.delete(index);
    }
  }
}

/** Copies sectors to the device copy, or drops that copy when nothing else differs. */
function harden(page: Page, sectors: number): void {
  if (page.device === undefined || sectors === 0) return;
  if (((page.dirty | page.syncing | page.lost) & ~sectors) === 0) {
    page.device = undefined;
    return;
  }
  if (page.device === ZEROS) page.device = new Uint8Array(PAGE_BYTES);
  for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
    if ((sectors & (1 << sector)) === 0) continue;
    const from = sector * SECTOR_BYTES;
    page.device.set(page.live.subarray(from, from + SECTOR_BYTES), from);
  }
}
