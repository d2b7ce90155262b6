/**
 * Checks the key index: the chains of every file by building its slot table again, and its entries against the log. Both
 * are in log order, so one walk over the log meets every entry beside its record.
 */
import type { Disk, DiskFile } from '../../base/disk.js';
import { readInt64OrNone } from '../../base/int64.js';
import { IndexKeys } from '../../message/index-keys.js';
import {
  entryAt,
  HEADER_BYTES,
  INDEX_ENTRY,
  IndexHeader,
  type IndexSizes,
  SLOT_BYTES,
  slotAt,
} from '../index-layout.js';
import { indexSizesOf } from '../file-sizes.js';
import type { ScannedRecord } from '../log-scan.js';
import { storePath } from '../store-directory.js';
import type { Findings, Severity } from './findings.js';

const SLOTS_DEFAULT = 5_000_000;
const CHUNK_ENTRIES = 3_200;
const SLOT_CHUNK = 16_384;
const NAME = /^\d{17}$/;
/** Stands for "no entry is left". */
const NONE = Number.MAX_SAFE_INTEGER;

interface IndexImage {
  readonly path: string;
  readonly sizes: IndexSizes;
  readonly header: IndexHeader;
}

export interface IndexFacts {
  readonly indexFiles: number;
  readonly keys: number;
}

export class IndexCheck {
  private readonly files: IndexImage[] = [];
  private readonly recordKeys = new IndexKeys();
  private readonly hashes: number[] = [];
  private readonly isSeen: boolean[] = [];
  private keys = 0;
  /** Entries that lead to no record, to a record without that key; records with a key that is not in the index. */
  private dangling = 0;
  private danglingAt = -1;
  private wrong = 0;
  private wrongAt = -1;
  private unindexed = 0;
  private unindexedAt = -1;

  // The cursor: the next entry.
  private fileAt = 0;
  private entry = 1;
  private chunkFrom = 0;
  private chunkCount = 0;
  private readonly chunk = new Uint8Array(CHUNK_ENTRIES * INDEX_ENTRY.bytes);
  private readonly view = new DataView(this.chunk.buffer);
  private cursorOffset = NONE;
  private cursorHash = 0;

  constructor(
    private readonly disk: Disk,
    private readonly root: string,
    private readonly findings: Findings,
    private readonly options: { readonly slots: number | undefined; readonly isClean: boolean },
  ) {}

  /** Reads every file; then the cursor stands at the first entry of a message that is still in the log. */
  open(logMinOffset: number): void {
    const directory = storePath.index(this.root);
    const names = this.disk.list(directory);
    for (const name of names) {
      if (!NAME.test(name)) this.findings.add('notice', 'index', `${directory}/${name}`, undefined, 'is no index file');
    }
    const found = names.filter((name) => NAME.test(name)).flatMap((name) => this.openFile(`${directory}/${name}`));
    // By name they are in the order of the local clock, which goes back when summer time ends.
    found.sort((a, b) => a.header.beginOffset - b.header.beginOffset);
    for (const [n, image] of found.entries()) {
      // After a crash the last file is put right by recovery.
      const severity = n === found.length - 1 && !this.options.isClean ? 'notice' : 'damage';
      if (this.checkChains(image, severity)) this.files.push(image);
    }
    this.next();
    while (this.cursorOffset < logMinOffset) this.next();
  }

  get facts(): IndexFacts {
    return { indexFiles: this.files.length, keys: this.keys };
  }

  /** Any record: in log order, with its properties scanned. `hasKeys`: it is one that is indexed. */
  record(record: ScannedRecord, hasKeys: boolean): void {
    while (this.cursorOffset < record.offset) {
      if (this.dangling === 0) this.danglingAt = this.cursorOffset;
      this.dangling++;
      this.next();
    }
    const { hashes, isSeen, recordKeys } = this;
    hashes.length = 0;
    if (hasKeys) {
      recordKeys.open(record.buffer, record.topicAt, record.topicBytes, record.properties);
      while (recordKeys.next()) hashes.push(recordKeys.hash);
    }
    isSeen.length = hashes.length;
    isSeen.fill(false);
    while (this.cursorOffset === record.offset) {
      const key = hashes.indexOf(this.cursorHash);
      if (key < 0) {
        if (this.wrong === 0) this.wrongAt = record.offset;
        this.wrong++;
      } else {
        // A word may stand in KEYS twice; and a recovery of Apache's indexes the last message once more.
        for (let at = key; at >= 0; at = hashes.indexOf(this.cursorHash, at + 1)) isSeen[at] = true;
      }
      this.next();
    }
    if (!isSeen.every((seen) => seen)) {
      if (this.unindexed === 0) this.unindexedAt = record.offset;
      this.unindexed++;
    }
  }

  finish(): void {
    const directory = storePath.index(this.root);
    const add = (severity: Severity, offset: number, text: string): void =>
      this.findings.add(severity, 'index', directory, offset, text);
    if (this.cursorOffset !== NONE) {
      add(this.options.isClean ? 'damage' : 'notice', this.cursorOffset, 'entries lead behind the end of the log');
    }
    if (this.dangling > 0) add('damage', this.danglingAt, `${this.dangling} entries lead to no message`);
    if (this.wrong > 0) add('damage', this.wrongAt, `${this.wrong} entries have the hash of no key of their message`);
    if (this.unindexed > 0 && this.files.length > 0) {
      add('notice', this.unindexedAt, `${this.unindexed} messages have keys that are not in the index`);
    }
  }

  private openFile(path: string): IndexImage[] {
    const bytes = this.disk.stat(path)?.bytes ?? 0;
    const slots = this.options.slots ?? indexSizesOf(bytes)?.slots ?? SLOTS_DEFAULT;
    const entries = (bytes - slotAt(slots)) / INDEX_ENTRY.bytes;
    const header = new IndexHeader();
    if (bytes >= HEADER_BYTES) {
      this.reading(path, (file) => file.read(this.chunk, 0, HEADER_BYTES, 0));
      header.read(this.view);
    }
    if (!Number.isInteger(entries) || entries < 2) {
      const text = `has ${bytes} bytes, which do not go with maxHashSlotNum=${slots}: give the broker's file with --config`;
      this.findings.add(this.options.slots === undefined ? 'notice' : 'damage', 'index', path, undefined, text);
      return [];
    }
    const sizes = { slots, entries };
    if (!header.isSound(sizes)) {
      this.findings.add('damage', 'index', path, undefined, 'its header is damaged; a start builds it again');
      return [];
    }
    return [{ path, sizes, header }];
  }

  /** Builds the links again; false when the entries are not in log order, so that they cannot be compared with it. */
  private checkChains({ path, sizes, header }: IndexImage, severity: Severity): boolean {
    const slots = new Int32Array(sizes.slots);
    let previousOffset = header.beginOffset;
    let wrongLinks = 0;
    let isOrdered = true;
    this.reading(path, (file) => {
      for (let entry = 1; entry < header.entries && isOrdered; entry += CHUNK_ENTRIES) {
        const count = Math.min(CHUNK_ENTRIES, header.entries - entry);
        file.read(this.chunk, 0, count * INDEX_ENTRY.bytes, entryAt(sizes, entry));
        for (let n = 0; n < count; n++) {
          const at = n * INDEX_ENTRY.bytes;
          const offset = readInt64OrNone(this.view, at + INDEX_ENTRY.commitLogOffset);
          const hash = this.view.getInt32(at + INDEX_ENTRY.keyHash);
          if (offset < previousOffset || hash < 0) {
            const text = `entry ${entry + n} is none: its message is at ${offset}, behind one at ${previousOffset}`;
            this.findings.add(severity, 'index', path, offset, text);
            isOrdered = false;
            break;
          }
          previousOffset = offset;
          const slot = hash % sizes.slots;
          if (this.view.getInt32(at + INDEX_ENTRY.previous) !== slots[slot]) wrongLinks++;
          slots[slot] = entry + n;
          this.keys++;
        }
      }
      if (isOrdered) wrongLinks += this.wrongSlots(file, sizes, slots);
    });
    if (wrongLinks > 0)
      this.findings.add(severity, 'index', path, undefined, `${wrongLinks} links of its chains are wrong`);
    return isOrdered;
  }

  private wrongSlots(file: DiskFile, { slots }: IndexSizes, built: Int32Array): number {
    let wrong = 0;
    const bytes = new Uint8Array(SLOT_CHUNK * SLOT_BYTES);
    const view = new DataView(bytes.buffer);
    for (let slot = 0; slot < slots; slot += SLOT_CHUNK) {
      const count = Math.min(SLOT_CHUNK, slots - slot);
      file.read(bytes, 0, count * SLOT_BYTES, slotAt(slot));
      for (let n = 0; n < count; n++) if (view.getInt32(n * SLOT_BYTES) !== built[slot + n]) wrong++;
    }
    return wrong;
  }

  /** Moves the cursor to the next entry. */
  private next(): void {
    for (;;) {
      const image = this.files[this.fileAt];
      if (image === undefined) {
        this.cursorOffset = NONE;
        return;
      }
      if (this.entry >= image.header.entries) {
        this.fileAt++;
        this.entry = 1;
        this.chunkCount = 0;
        continue;
      }
      if (this.entry >= this.chunkFrom + this.chunkCount || this.chunkCount === 0) this.load(image);
      const at = (this.entry - this.chunkFrom) * INDEX_ENTRY.bytes;
      this.cursorHash = this.view.getInt32(at + INDEX_ENTRY.keyHash);
      this.cursorOffset = readInt64OrNone(this.view, at + INDEX_ENTRY.commitLogOffset);
      this.entry++;
      return;
    }
  }

  private load({ path, sizes, header }: IndexImage): void {
    this.chunkFrom = this.entry;
    this.chunkCount = Math.min(CHUNK_ENTRIES, header.entries - this.entry);
    this.reading(path, (file) =>
      file.read(this.chunk, 0, this.chunkCount * INDEX_ENTRY.bytes, entryAt(sizes, this.entry)),
    );
  }

  private reading(path: string, use: (file: DiskFile) => unknown): void {
    const file = this.disk.open(path, { readOnly: true });
    try {
      use(file);
    } finally {
      file.close();
    }
  }
}
