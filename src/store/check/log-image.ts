/**
 * The files of a commit log as they are, for looking only: nothing is created, completed or refused. The file size is
 * taken from the files; what a file lacks reads as zeros.
 */
import type { Disk, DiskFile } from '../../base/disk.js';
import { logFileStart } from '../log-files.js';
import type { SearchedLog } from '../log-remains.js';

const OPEN_FILES_MAX = 4;

export interface ImageFile {
  readonly start: number;
  readonly path: string;
  readonly bytes: number;
}

export class LogImage implements SearchedLog {
  readonly fileBytes: number;
  readonly files: readonly ImageFile[];
  /** Directory entries that are no log files. */
  readonly strays: readonly string[];
  private readonly byStart: ReadonlyMap<number, ImageFile>;
  /** The latest last. */
  private readonly open = new Map<number, DiskFile>();

  /** `fileBytes` undefined: most files have it. */
  constructor(
    private readonly disk: Disk,
    readonly directory: string,
    fileBytes?: number,
  ) {
    const names = disk.list(directory);
    this.strays = names.filter((name) => logFileStart(name) < 0);
    this.files = names
      .filter((name) => logFileStart(name) >= 0)
      .map((name) => {
        const path = `${directory}/${name}`;
        return { start: logFileStart(name), path, bytes: disk.stat(path)?.bytes ?? 0 };
      });
    this.byStart = new Map(this.files.map((file) => [file.start, file]));
    this.fileBytes = fileBytes ?? usualSize(this.files.map(({ bytes }) => bytes));
  }

  get count(): number {
    return this.files.length;
  }

  get minOffset(): number {
    return this.files[0]?.start ?? 0;
  }

  get endOfFiles(): number {
    const last = this.files.at(-1);
    return last === undefined ? 0 : last.start + this.fileBytes;
  }

  startAt(index: number): number {
    return this.files[index]!.start;
  }

  fileStart(offset: number): number {
    return offset - (offset % this.fileBytes);
  }

  pathAt(offset: number): string {
    return this.byStart.get(this.fileStart(offset))?.path ?? this.directory;
  }

  read(offset: number, length: number, target: Uint8Array, at: number): number {
    let done = 0;
    while (done < length) {
      const start = this.fileStart(offset + done);
      const file = this.byStart.get(start);
      if (file === undefined) break;
      const inFile = offset + done - start;
      const wanted = Math.min(length - done, this.fileBytes - inFile);
      const got = this.opened(file).read(target, at + done, wanted, inFile);
      target.fill(0, at + done + got, at + done + wanted);
      done += wanted;
    }
    return done;
  }

  close(): void {
    for (const file of this.open.values()) file.close();
    this.open.clear();
  }

  private opened({ start, path }: ImageFile): DiskFile {
    let file = this.open.get(start);
    if (file !== undefined) return file;
    for (const [other, old] of this.open) {
      if (this.open.size < OPEN_FILES_MAX) break;
      old.close();
      this.open.delete(other);
    }
    file = this.disk.open(path, { readOnly: true });
    this.open.set(start, file);
    return file;
  }
}

/** The size that most have; of several the largest. 1 without files. */
export function usualSize(sizes: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const size of sizes) counts.set(size, (counts.get(size) ?? 0) + 1);
  let usual = 1;
  let most = 0;
  for (const [size, count] of counts) {
    if (size > 0 && (count > most || (count === most && size > usual))) {
      usual = size;
      most = count;
    }
  }
  return usual;
}
