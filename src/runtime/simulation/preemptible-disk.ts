/**
 * A disk whose operations give other threads a chance to run: on a real machine a thread may be held up at any system
 * call, in the middle of its turn, while the others go on.
 */
import type { Disk, DiskFile } from '../../base/disk.js';

export function preemptibleDisk(disk: Disk, yieldNow: () => void): Disk {
  const file = (inner: DiskFile): DiskFile => ({
    path: inner.path,
    size: () => inner.size(),
    read: (target, start, length, position) => {
      yieldNow();
      return inner.read(target, start, length, position);
    },
    readLater: (target, start, length, position, done) => inner.readLater(target, start, length, position, done),
    write: (source, start, length, position) => {
      yieldNow();
      inner.write(source, start, length, position);
      yieldNow();
    },
    truncate: (bytes) => inner.truncate(bytes),
    setModified: (ms) => inner.setModified(ms),
    sync: () => {
      yieldNow();
      inner.sync();
    },
    syncLater: (done) => inner.syncLater(done),
    get lastReadMs() {
      return inner.lastReadMs;
    },
    get usualSyncMs() {
      return inner.usualSyncMs;
    },
    close: () => inner.close(),
  });
  return {
    open: (path, options) => file(disk.open(path, options)),
    readFile: (path) => disk.readFile(path),
    writeFile: (path, content) => disk.writeFile(path, content),
    stat: (path) => disk.stat(path),
    list: (directory) => disk.list(directory),
    makeDirectory: (path) => disk.makeDirectory(path),
    remove: (path) => disk.remove(path),
    removeTree: (path) => disk.removeTree(path),
    rename: (from, to) => {
      yieldNow();
      disk.rename(from, to);
    },
    syncDirectory: (path) => disk.syncDirectory(path),
    usage: (path) => disk.usage(path),
    lock: (path) => disk.lock(path),
  };
}
