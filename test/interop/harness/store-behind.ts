/** What an orderly stop of Hangar's leaves when its key index is still being completed, made of a store that was closed in order. */
import { systemClock } from '../../../src/base/clock.js';
import { NodeDisk } from '../../../src/runtime/node-disk.js';
import { Checkpoint } from '../../../src/store/checkpoint.js';
import { FileCache } from '../../../src/store/file-cache.js';
import { stopUnindexed } from '../../../src/store/index-rebuild.js';
import { IndexService } from '../../../src/store/index-service.js';
import { storePath } from '../../../src/store/store-directory.js';
import { readLog } from './store-files.js';
import { SIZES } from './store-home.js';

/** The index ends in the middle of the log. */
export function leaveIndexBehind(store: string): void {
  const { records } = readLog(store);
  const last = records.at(-1)!;
  const disk = new NodeDisk(() => undefined);
  const files = new FileCache(disk);
  const index = IndexService.open(files, {
    directory: storePath.index(store),
    slots: SIZES.indexSlots,
    entries: SIZES.indexEntries,
    clock: systemClock,
    onFileSynced: () => undefined,
  });
  index.repairUnsafe(0, records[records.length >> 1]!.physicalOffset);
  index.sync();
  const checkpoint = Checkpoint.open(disk, storePath.checkpoint(store));
  stopUnindexed(disk, store, checkpoint, index, last.physicalOffset + last.totalBytes);
  index.close();
  files.closeAll();
}
