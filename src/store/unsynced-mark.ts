/**
 * After a failed fdatasync the system holds pages that it takes for written: programs read them, no later sync writes
 * them, and a power loss takes them away, from in front of messages that were synced since. So the broker leaves a mark,
 * which has to outlive its process only, and the next recovery writes those pages again before it syncs and builds on
 * them. The mark is the content of the abort file, of which Apache's broker looks only whether it is there.
 */
import type { Disk } from '../base/disk.js';
import { KIB } from '../base/units.js';
import type { LogFiles } from './log-files.js';
import { storePath } from './store-directory.js';
import { isZero } from './zeros.js';

const MARK = /^unsynced (\d+)$/;
const PAGE_BYTES = 4 * KIB;
const CHUNK_BYTES = 64 * KIB;

/** Nothing is known to be on the device from `offset` of the log on. Throws DiskError. */
export function markUnsynced(disk: Disk, root: string, offset: number): void {
  disk.writeFile(storePath.abort(root), `unsynced ${offset}`);
}

/** Writes again, and syncs, what a mark says; the mark goes. Throws DiskError, and the mark stays. */
export function writeUnsyncedAgain(disk: Disk, root: string, log: LogFiles): void {
  const mark = MARK.exec(disk.readFile(storePath.abort(root))?.toString('latin1') ?? '');
  if (mark === null) return;
  const offset = Math.max(log.minOffset, Number(mark[1]));
  const from = offset - ((offset - log.fileStart(offset)) % PAGE_BYTES);
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let at = from; at < log.endOfFiles; ) {
    const wanted = Math.min(CHUNK_BYTES, log.fileStart(at) + log.fileBytes - at);
    const bytes = log.read(at, wanted, chunk, 0);
    // Files are sparse: what was never written is not written now.
    if (bytes > 0 && !isZero(chunk, 0, bytes)) log.write(chunk, 0, bytes, at);
    at += wanted;
  }
  log.sync(from, log.endOfFiles);
  disk.writeFile(storePath.abort(root), '');
}
