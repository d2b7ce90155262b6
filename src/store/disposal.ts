/**
 * Gives the bytes of unlinked files back in pieces: the system frees a large file in one call, for which its thread waits
 * (57 ms for 1 GiB in the page cache), and the files of a budget under load would hold up every send.
 */
import { type DiskFile, DiskError } from '../base/disk.js';
import { MIB } from '../base/units.js';

const PIECE_BYTES = 64 * MIB;

export class Disposal {
  private readonly files: { readonly file: DiskFile; bytes: number }[] = [];

  /** Takes over a file of that size that has no name any more. */
  add(file: DiskFile, bytes: number): void {
    this.files.push({ file, bytes });
  }

  /** Not given back yet. */
  get pendingBytes(): number {
    let bytes = 0;
    for (const one of this.files) bytes += one.bytes;
    return bytes;
  }

  /** Gives a piece back; true when there is more. What cannot be cut is freed as a whole by its close. */
  step(): boolean {
    const oldest = this.files[0];
    if (oldest === undefined) return false;
    oldest.bytes = Math.max(0, oldest.bytes - PIECE_BYTES);
    if (oldest.bytes === 0 || !cut(oldest.file, oldest.bytes)) {
      oldest.file.close();
      this.files.shift();
    }
    return this.files.length > 0;
  }

  /** At the end: everything at once. */
  close(): void {
    for (const { file } of this.files) file.close();
    this.files.length = 0;
  }
}

function cut(file: DiskFile, bytes: number): boolean {
  try {
    file.truncate(bytes);
    return true;
  } catch (error) {
    if (error instanceof DiskError) return false;
    throw error;
  }
}
