import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { type RecoveredStore, recoverStore } from '../../src/store/recovery.js';
import { storePath } from '../../src/store/store-directory.js';
import { simulatedDisk } from './support.js';
import { checkStore, optionsFor, TestStore } from './test-store.js';

const MASTER = '/master';
const SLAVE = '/slave';
const BODY = 'x'.repeat(700);

/** A store whose process was killed, with the messages 0 to `count` - 1; four or five fill a file. */
function killed(disk: Disk, root: string, count: number, body = BODY): TestStore {
  const store = new TestStore(disk, undefined, { root });
  for (let n = 0; n < count; n++) store.put({ body: `${n}${body}`, queueId: n % 2 });
  store.writeOut();
  store.kill();
  return store;
}

function recoverMaster(disk: Disk): RecoveredStore {
  return recoverStore(disk, optionsFor(MASTER, { copyDirectory: storePath.commitLog(SLAVE) }));
}

const tail = suite('the end that a crash took from a master is taken from its slave');

tail('over several files, and put into the queues', () => {
  const { disk } = simulatedDisk();
  killed(disk, MASTER, 3);
  const slave = killed(disk, SLAVE, 14);
  const recovered = recoverMaster(disk);
  assert.is(recovered.endOffset, slave.log.endOffset);
  assert.is(checkStore(disk, recovered, MASTER).bodies.size, 14);
  assert.match(recovered.problems[0]!.text, /were lost here, and taken back/);
  assert.equal(recoverMaster(disk).problems, [], 'once');
});

tail('all of it, when nothing was left in the first file', () => {
  const { disk } = simulatedDisk();
  killed(disk, MASTER, 1);
  const file = disk.open(`${storePath.commitLog(MASTER)}/${'0'.repeat(20)}`);
  const bytes = file.size();
  file.truncate(0);
  file.truncate(bytes);
  file.close();
  killed(disk, SLAVE, 6);
  assert.is(checkStore(disk, recoverMaster(disk), MASTER).bodies.size, 6);
});

tail('up to the first thing that is no record', () => {
  const { disk } = simulatedDisk();
  killed(disk, MASTER, 2);
  const slave = killed(disk, SLAVE, 4);
  const file = disk.open(`${storePath.commitLog(SLAVE)}/${'0'.repeat(20)}`);
  file.write(Buffer.from('torn'), 0, 4, slave.log.endOffset - 400);
  file.close();
  const recovered = recoverMaster(disk);
  assert.is(checkStore(disk, recovered, MASTER).bodies.size, 3);
});

tail('not from a log of another history', () => {
  const { disk } = simulatedDisk();
  const { log } = killed(disk, MASTER, 3);
  killed(disk, SLAVE, 14, 'y'.repeat(700));
  const recovered = recoverMaster(disk);
  assert.is(recovered.endOffset, log.endOffset);
  assert.equal(recovered.problems, []);
});

tail('not into a log that was emptied, and not after an orderly stop', () => {
  const { disk } = simulatedDisk();
  killed(disk, SLAVE, 5);
  assert.is(recoverMaster(disk).endOffset, 0);
  const master = new TestStore(disk, undefined, { root: MASTER });
  master.put({ body: `0${BODY}`, queueId: 0 });
  const end = master.log.endOffset;
  master.close();
  assert.is(recoverMaster(disk).endOffset, end);
});

tail('not from where there is nothing', () => {
  const { disk } = simulatedDisk();
  const { log } = killed(disk, MASTER, 3);
  assert.is(recoverMaster(disk).endOffset, log.endOffset);
});

tail.run();
