/**
 * Keeps what recovery cuts off a commit log, so that nothing is destroyed that somebody may still want:
 *
 *     commitlog/00000000001073741824                      cut at its byte 5000
 *     commitlog-cut-20261121150008114/00000000001073741824    the same file with zeros before that byte
 *     commitlog-cut-20261121150008114/00000000002147483648    the file behind it, moved
 *
 * Names and positions stay, so `hangar store cat` reads such a directory as a log. Nobody deletes it but its owner.
 */
import { type Disk, DiskError } from '../base/disk.js';
import { MIB } from '../base/units.js';
import { makeDurableDirectory } from './directories.js';
import { localTimeName } from './index-service.js';
import type { LogFiles } from './log-files.js';
import { isZero } from './zeros.js';

const BLOCK_BYTES = MIB;

/** Copies the rest of the file that holds `from`, moves the files behind it, durably; the directory. Throws DiskError. */
export function keepCut(disk: Disk, log: LogFiles, from: number, nowMs: number): string {
  let directory = `${log.directory}-cut-${localTimeName(nowMs)}`;
  for (let n = 1; disk.stat(directory) !== undefined; n++) {
    directory = `${log.directory}-cut-${localTimeName(nowMs + n)}`;
  }
  makeDurableDirectory(disk, directory);
  const start = log.fileStart(from);
  const nameOf = (path: string): string => `${directory}${path.slice(log.directory.length)}`;
  // The file itself stays, as the place where the log goes on.
  if (log.indexOf(start) >= 0) copyTail(disk, log, from, nameOf(log.path(start)));
  for (let i = log.count - 1; i >= 0 && log.startAt(i) > start; i--) {
    const path = log.path(log.startAt(i));
    try {
      log.moveLast(nameOf(path));
    } catch (error) {
      // The log's directory is a mount point of its own.
      if (!(error instanceof DiskError && error.code === 'EXDEV')) throw error;
      copyTail(disk, log, log.startAt(i), nameOf(path));
    }
  }
  disk.syncDirectory(directory);
  return directory;
}

/** A full-size file that holds what is not zero from `from` to the end of its file. */
function copyTail(disk: Disk, log: LogFiles, from: number, path: string): void {
  const start = log.fileStart(from);
  const end = start + log.fileBytes;
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  const file = disk.open(path, { create: true });
  try {
    file.truncate(log.fileBytes);
    for (let offset = from; offset < end; ) {
      const got = log.read(offset, Math.min(BLOCK_BYTES, end - offset), block, 0);
      if (got === 0) break;
      if (!isZero(block, 0, got)) file.write(block, 0, got, offset - start);
      offset += got;
    }
    file.sync();
  } finally {
    file.close();
  }
}
