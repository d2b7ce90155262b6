import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { KIB } from '../../src/base/units.js';
import { LogFiles, logFileName, logFileStart, StoreError } from '../../src/store/log-files.js';
import { LogReader } from '../../src/store/log-reader.js';
import { LogWindow } from '../../src/store/log-window.js';
import { bodyOf, realDisk, simulatedDisk } from './support.js';

const FILE_BYTES = 4 * KIB;

const disks: Record<string, () => { disk: Disk; directory: string; dispose(): void }> = {
  simulated: () => ({ disk: simulatedDisk().disk, directory: '/a/b/log', dispose: () => {} }),
  real: () => {
    const real = realDisk();
    return { disk: real.disk, directory: `${real.root}/a/b/log`, dispose: real.dispose };
  },
};

for (const [kind, make] of Object.entries(disks)) {
  const files = suite(`log files on a ${kind} disk`);
  const within = (test: (disk: Disk, directory: string) => void) => () => {
    const { disk, directory, dispose } = make();
    try {
      test(disk, directory);
    } finally {
      dispose();
    }
  };
  const open = (disk: Disk, directory: string, openFilesMax = 16): LogFiles =>
    LogFiles.open(disk, { directory, fileBytes: FILE_BYTES, openFilesMax });

  files(
    'reads and writes across files, with fewer descriptors than files',
    within((disk, directory) => {
      const log = open(disk, directory, 2);
      for (let i = 0; i < 5; i++) log.create(i * FILE_BYTES);
      const content = bodyOf(1, 5 * FILE_BYTES);
      log.write(content, 0, content.length, 0);
      const back = Buffer.alloc(content.length);
      assert.is(log.read(0, content.length, back, 0), content.length);
      assert.equal(back, content);
      assert.is(log.read(FILE_BYTES - 10, 20, back, 5), 20);
      assert.equal(back.subarray(5, 25), content.subarray(FILE_BYTES - 10, FILE_BYTES + 10));
      assert.is(log.read(5 * FILE_BYTES - 10, 20, back, 0), 10);
      assert.is(log.read(7 * FILE_BYTES, 20, back, 0), 0);
      log.close();
      const again = open(disk, directory);
      assert.is(again.count, 5);
      assert.is(again.minOffset, 0);
      assert.is(again.endOfFiles, 5 * FILE_BYTES);
      again.close();
    }),
  );

  files(
    'deletes from both ends, never the newest from the front',
    within((disk, directory) => {
      const log = open(disk, directory);
      for (let i = 3; i < 7; i++) log.create(i * FILE_BYTES);
      assert.ok(log.deleteOldest());
      assert.is(log.minOffset, 4 * FILE_BYTES);
      assert.is(log.deleteAfter(5 * FILE_BYTES + 1), 1);
      assert.is(log.endOfFiles, 6 * FILE_BYTES);
      assert.is(log.deleteAfter(5 * FILE_BYTES), 0);
      assert.ok(log.deleteOldest());
      assert.not(log.deleteOldest());
      assert.equal(disk.list(directory), [logFileName(5 * FILE_BYTES)]);
      log.close();
    }),
  );

  files(
    'zeroes what is behind an offset, up to the end of its file',
    within((disk, directory) => {
      const log = open(disk, directory);
      log.create(0);
      log.create(FILE_BYTES);
      const content = bodyOf(2, 2 * FILE_BYTES);
      log.write(content, 0, content.length, 0);
      log.clearTail(1000);
      const back = Buffer.alloc(2 * FILE_BYTES);
      log.read(0, back.length, back, 0);
      assert.equal(back.subarray(0, 1000), content.subarray(0, 1000));
      assert.ok(back.subarray(1000, FILE_BYTES).every((byte) => byte === 0));
      assert.equal(back.subarray(FILE_BYTES), content.subarray(FILE_BYTES));
      assert.is(disk.stat(log.path(0))!.bytes, FILE_BYTES);
      log.close();
    }),
  );

  files(
    'an interrupted clearing is completed when it is known of',
    within((disk, directory) => {
      const log = open(disk, directory);
      log.create(0);
      log.create(FILE_BYTES);
      log.close();
      const last = disk.open(`${directory}/${logFileName(FILE_BYTES)}`);
      last.truncate(100);
      last.close();
      assert.throws(() => open(disk, directory), /has 100 bytes/);
      LogFiles.open(disk, { directory, fileBytes: FILE_BYTES, isTailCut: true }).close();
      assert.is(disk.stat(`${directory}/${logFileName(FILE_BYTES)}`)!.bytes, FILE_BYTES);
      open(disk, directory).close();
    }),
  );

  files(
    'a reader needs no list, and sees what is gone',
    within((disk, directory) => {
      const log = open(disk, directory);
      for (let i = 0; i < 3; i++) log.create(i * FILE_BYTES);
      const content = bodyOf(3, 3 * FILE_BYTES);
      log.write(content, 0, content.length, 0);
      const reader = new LogReader(disk, { directory, fileBytes: FILE_BYTES, window: undefined, openFilesMax: 1 });
      const back = Buffer.alloc(2 * FILE_BYTES);
      assert.ok(reader.read(100, 2 * FILE_BYTES, back, 0));
      assert.equal(back, content.subarray(100, 100 + 2 * FILE_BYTES));
      assert.not(reader.read(3 * FILE_BYTES - 1, 2, back, 0));
      log.deleteOldest();
      reader.forgetBefore(log.minOffset);
      assert.not(reader.read(100, 10, back, 0));
      reader.release();
      log.close();
    }),
  );

  files(
    'other sizes and names are refused with path and remedy',
    within((disk, directory) => {
      const log = open(disk, directory);
      log.create(0);
      log.create(FILE_BYTES);
      log.close();
      assert.throws(
        () => LogFiles.open(disk, { directory, fileBytes: 2 * FILE_BYTES }),
        (error: Error) =>
          error instanceof StoreError && error.message.includes(`${directory}/${logFileName(0)} has 4096`),
      );
      disk.rename(`${directory}/${logFileName(FILE_BYTES)}`, `${directory}/${logFileName(FILE_BYTES + 1)}`);
      assert.throws(() => open(disk, directory), /no multiple/);
    }),
  );
  files.run();
}

const names = suite('log file names');
names('are 20 digits', () => {
  assert.is(logFileName(1_073_741_824), '00000000001073741824');
  assert.is(logFileStart('00000000001073741824'), 1_073_741_824);
  for (const name of ['', '0', '0000000000107374182x', '99999999999999999999', '.DS_Store']) {
    assert.is(logFileStart(name), -1, name);
  }
});
names.run();

const reading = suite('log reader with a window');
reading('reads the window first and counts where reads went', () => {
  const { disk } = simulatedDisk();
  const window = LogWindow.create(64 * KIB, 8 * KIB, { shared: true });
  const log = LogFiles.open(disk, { directory: '/log', fileBytes: FILE_BYTES });
  log.create(0);
  window.reset(0);
  const at = window.reserve(0, 100);
  bodyOf(1, 100).copy(window.buffer, at);
  window.commit(0, 100);
  window.publishEnd(100);
  const reader = new LogReader(disk, {
    directory: '/log',
    fileBytes: FILE_BYTES,
    window: LogWindow.attach(window.shared),
  });
  const back = Buffer.alloc(100);
  assert.ok(reader.read(0, 100, back, 0));
  assert.equal(back, bodyOf(1, 100));
  assert.ok(reader.read(50, 100, back, 0));
  assert.equal([reader.windowReads, reader.fileReads], [1, 1]);
});
reading.run();
