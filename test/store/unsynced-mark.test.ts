import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { storePath } from '../../src/store/store-directory.js';
import { markUnsynced } from '../../src/store/unsynced-mark.js';
import { simulatedDisk } from './support.js';
import { checkStore, recover, ROOT, TestStore } from './test-store.js';

const BODY = 'x'.repeat(900);

/** A sync fails, the process is restarted and writes and syncs on, the power goes; the messages that are left. */
function leftAfterFailedSync(seed: number, leavesMark: boolean): number {
  const { disk } = simulatedDisk();
  const before = new TestStore(disk);
  before.put({ body: BODY });
  before.writeOut();
  before.syncAll();
  for (let n = 0; n < 2; n++) before.put({ body: BODY });
  before.writeOut();
  disk.inject({ operation: 'sync', pathPart: 'commitlog', code: 'EIO', times: 1 });
  assert.throws(() => before.syncAll(), /EIO/);
  if (leavesMark) markUnsynced(disk, ROOT, before.log.flushedOffset);
  disk.processKill();
  const after = new TestStore(disk, recover(disk));
  after.put({ body: BODY });
  after.writeOut();
  after.syncAll();
  disk.crash(prng(seed));
  return checkStore(disk, recover(disk)).bodies.size;
}

const mark = suite('what a failed sync gave up');

mark('is written again by the next start, under what is synced after it', () => {
  for (let seed = 1; seed <= 50; seed++) assert.is(leftAfterFailedSync(seed, true), 4, `SEED=${seed}`);
});

mark('would be missing in front of it', () => {
  const left = Array.from({ length: 50 }, (_, seed) => leftAfterFailedSync(seed, false));
  assert.ok(left.some((count) => count < 4));
});

mark('is marked until it is on the device', () => {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  store.put({ body: BODY });
  store.writeOut();
  markUnsynced(disk, ROOT, 0);
  disk.processKill();
  disk.inject({ operation: 'sync', pathPart: 'commitlog/', code: 'EIO', times: 1 });
  assert.throws(() => recover(disk), /EIO/);
  assert.is(disk.readFile(storePath.abort(ROOT))?.toString(), 'unsynced 0');
  recover(disk);
  assert.is(disk.readFile(storePath.abort(ROOT))?.toString(), '');
});

mark.run();
