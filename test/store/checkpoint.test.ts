import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { Checkpoint } from '../../src/store/checkpoint.js';
import { realDisk, simulatedDisk } from './support.js';

const test = suite('checkpoint');

function saved(log: number, queues: number, index: number) {
  const simulated = simulatedDisk();
  const checkpoint = Checkpoint.open(simulated.disk, '/checkpoint');
  checkpoint.logTimestamp = log;
  checkpoint.consumeQueueTimestamp = queues;
  checkpoint.indexTimestamp = index;
  checkpoint.save();
  return { ...simulated, checkpoint };
}

test('is 4,096 bytes: three big-endian times and zeros', () => {
  const { disk } = saved(0x1_0000_0001, 2, 1_700_000_000_000);
  const content = disk.readFile('/checkpoint')!;
  assert.is(content.length, 4_096);
  assert.is(content.toString('hex', 0, 24), '00000001000000010000000000000002' + '0000018bcfe56800');
  assert.ok(content.subarray(24).every((byte) => byte === 0));
});

test('reads back what it saved', () => {
  const { disk } = saved(10_000, 20_000, 30_000);
  const again = Checkpoint.open(disk, '/checkpoint');
  assert.equal([again.logTimestamp, again.consumeQueueTimestamp, again.indexTimestamp], [10_000, 20_000, 30_000]);
});

test('the minimum is three seconds before the older one, never negative', () => {
  assert.is(saved(10_000, 20_000, 0).checkpoint.minTimestamp, 7_000);
  assert.is(saved(20_000, 9_000, 0).checkpoint.minTimestamp, 6_000);
  assert.is(saved(20_000, 2_000, 0).checkpoint.minTimestamp, 0);
});

test('without a file, or with nonsense in it, nothing is known', () => {
  const { disk } = simulatedDisk();
  assert.is(Checkpoint.open(disk, '/none').minTimestamp, 0);
  disk.writeFile('/short', 'x');
  assert.is(Checkpoint.open(disk, '/short').logTimestamp, 0);
  disk.writeFile('/wrong', new Uint8Array(4_096).fill(0xff));
  assert.is(Checkpoint.open(disk, '/wrong').logTimestamp, 0);
  disk.writeFile('/far', new Uint8Array(4_096).fill(0x7f));
  assert.is(Checkpoint.open(disk, '/far').logTimestamp, 0);
});

test('what another version keeps behind the times stays', () => {
  const { disk } = simulatedDisk();
  disk.writeFile('/checkpoint', new Uint8Array(4_096).fill(7));
  const checkpoint = Checkpoint.open(disk, '/checkpoint');
  checkpoint.save();
  assert.ok(
    disk
      .readFile('/checkpoint')!
      .subarray(24)
      .every((byte) => byte === 7),
  );
});

test('a power loss leaves the old times or the new ones', () => {
  for (let seed = 0; seed < 50; seed++) {
    const { disk, checkpoint } = saved(1, 1, 1);
    disk.inject({ operation: 'sync', pathPart: 'checkpoint', code: 'EIO', times: 1 });
    checkpoint.logTimestamp = 2;
    checkpoint.consumeQueueTimestamp = 2;
    checkpoint.indexTimestamp = 2;
    assert.throws(() => checkpoint.save(), /EIO/);
    if (seed % 2 === 0) checkpoint.save();
    disk.crash(prng(seed));
    const after = Checkpoint.open(disk, '/checkpoint');
    assert.is(after.logTimestamp, after.consumeQueueTimestamp, `SEED=${seed}`);
    assert.is(after.logTimestamp, after.indexTimestamp, `SEED=${seed}`);
    if (seed % 2 === 0) assert.is(after.logTimestamp, 2, `SEED=${seed}`);
  }
});

test('works on the real disk', () => {
  const { disk, root, dispose } = realDisk();
  try {
    const checkpoint = Checkpoint.open(disk, `${root}/checkpoint`);
    checkpoint.logTimestamp = 5_000;
    checkpoint.save();
    assert.is(Checkpoint.open(disk, `${root}/checkpoint`).logTimestamp, 5_000);
    assert.is(disk.stat(`${root}/checkpoint`)?.bytes, 4_096);
  } finally {
    dispose();
  }
});

test.run();
