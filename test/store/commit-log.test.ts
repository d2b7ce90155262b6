import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { KIB } from '../../src/base/units.js';
import { BLANK, checkRecord, Magic } from '../../src/message/record.js';
import { CommitLog, NOT_RESERVED } from '../../src/store/commit-log.js';
import { LogReader } from '../../src/store/log-reader.js';
import { LogWindow } from '../../src/store/log-window.js';
import { append, bodyOf, encodeRecord, realDisk, simulatedDisk, sizeOf, type TestMessage } from './support.js';

const DIRECTORY = '/store/commitlog';
const FILE_BYTES = 4 * KIB;

interface Opened {
  readonly log: CommitLog;
  readonly window: LogWindow;
}

function openLog(disk: Disk, options: { directory?: string; startAt?: number; fileBytes?: number } = {}): Opened {
  const window = LogWindow.create(64 * KIB, 8 * KIB, { shared: true });
  const log = CommitLog.open(disk, {
    directory: options.directory ?? DIRECTORY,
    fileBytes: options.fileBytes ?? FILE_BYTES,
    startAt: options.startAt ?? 0,
    window,
  });
  return { log, window };
}

function readBytes(log: CommitLog, offset: number, length: number): Buffer | undefined {
  const target = Buffer.alloc(length);
  return log.read(offset, length, target, 0) ? target : undefined;
}

const message = (seed: number, bodyBytes = 100): TestMessage => ({ body: bodyOf(seed, bodyBytes), queueOffset: seed });

const appending = suite('commit log: append and write out');

appending('puts records one after the other and knows what is written', () => {
  const { log } = openLog(simulatedDisk().disk);
  const bytes = sizeOf(message(1));
  assert.is(append(log, message(1)), 0);
  assert.is(append(log, message(2)), bytes);
  assert.is(log.endOffset, 2 * bytes);
  assert.is(log.writtenOffset, 0);
  assert.ok(log.writeOut());
  assert.is(log.writtenOffset, 2 * bytes);
  assert.is(log.flushedOffset, 0);
  log.noteFlushed(bytes);
  assert.is(log.flushedOffset, bytes);
});

appending('makes full-size files named by their first offset', () => {
  const { disk } = simulatedDisk();
  const { log } = openLog(disk);
  append(log, message(1));
  log.writeOut();
  assert.equal(disk.list(DIRECTORY), ['00000000000000000000']);
  assert.is(disk.stat(`${DIRECTORY}/00000000000000000000`)!.bytes, FILE_BYTES);
});

appending('ends a file with a blank record over the rest, and goes on at the next file', () => {
  const { disk } = simulatedDisk();
  const { log } = openLog(disk);
  append(log, message(1, 3000));
  const blankAt = log.endOffset;
  assert.is(append(log, message(2, 1500)), FILE_BYTES);
  log.writeOut();
  const file = disk.readFile(`${DIRECTORY}/00000000000000000000`)!;
  assert.is(file.readInt32BE(blankAt), FILE_BYTES - blankAt);
  assert.is(file.readInt32BE(blankAt + 4), Magic.BLANK);
  assert.ok(file.subarray(blankAt + BLANK.headBytes).every((byte) => byte === 0));
  const next = disk.readFile(`${DIRECTORY}/00000000000000004096`)!;
  assert.equal(next.subarray(0, sizeOf(message(2, 1500))), encodeRecord(message(2, 1500), FILE_BYTES));
});

appending('leaves room for a blank record of 8 bytes, as Apache does', () => {
  const empty = sizeOf(message(1, 0));
  const fits = openLog(simulatedDisk().disk).log;
  assert.is(append(fits, message(1, FILE_BYTES - 8 - empty)), 0);
  assert.is(fits.endOffset, FILE_BYTES - 8);
  append(fits, message(2, 0));
  fits.writeOut();
  assert.equal(readBytes(fits, FILE_BYTES - 8, 8), Buffer.from('00000008cbd43194', 'hex'));
  const first = openLog(simulatedDisk().disk).log;
  append(first, message(1, 100));
  const left = FILE_BYTES - first.endOffset;
  assert.is(append(first, message(2, left - 7 - empty)), FILE_BYTES);
});

appending('reads the whole log back, over file ends and many turns of the window, with batches of any size', () => {
  const { disk } = simulatedDisk();
  const { log } = openLog(disk, { fileBytes: 48 * KIB });
  const offsets: number[] = [];
  for (let i = 0; i < 400; i++) {
    offsets.push(append(log, message(i, (i * 137) % 4000)));
    if (i % 7 === 3) assert.ok(log.writeOut());
  }
  assert.ok(log.writeOut());
  assert.ok(log.endOffset > 10 * 64 * KIB);
  for (let i = 0; i < 400; i++) {
    const expected = encodeRecord(message(i, (i * 137) % 4000), offsets[i]!);
    assert.equal(readBytes(log, offsets[i]!, expected.length), expected, `record ${i}`);
    const view = new DataView(expected.buffer, expected.byteOffset, expected.length);
    assert.is(checkRecord(expected, view, 0, expected.length, true).status, 'record');
  }
});

appending('reads what is only in the window, and nothing outside the log', () => {
  const { log } = openLog(simulatedDisk().disk);
  append(log, message(1));
  const bytes = log.endOffset;
  assert.equal(readBytes(log, 0, bytes), encodeRecord(message(1), 0));
  assert.is(readBytes(log, 0, bytes + 1), undefined);
  assert.is(readBytes(log, bytes, 1), undefined);
});

appending('goes on after a restart where recovery says, with the window filled', () => {
  const { disk } = simulatedDisk();
  const before = openLog(disk);
  append(before.log, message(1));
  append(before.log, message(2));
  const end = before.log.endOffset;
  before.log.close();
  const { log, window } = openLog(disk, { startAt: end });
  assert.is(log.flushedOffset, end);
  const bytes = sizeOf(message(1));
  const target = Buffer.alloc(bytes);
  assert.ok(window.copy(0, bytes, target, 0));
  assert.equal(target, encodeRecord(message(1), 0));
  assert.is(append(log, message(3)), end);
  log.writeOut();
  assert.equal(readBytes(log, end, bytes), encodeRecord(message(3), end));
});

appending('writes out by itself when a turn is longer than the window', () => {
  const { log } = openLog(simulatedDisk().disk, { fileBytes: 256 * KIB });
  const offsets = Array.from({ length: 200 }, (_, i) => append(log, message(i, 1000)));
  assert.ok(log.writtenOffset > 0);
  log.writeOut();
  offsets.forEach((offset, i) => {
    assert.equal(readBytes(log, offset, sizeOf(message(i, 1000))), encodeRecord(message(i, 1000), offset));
  });
});

appending('reads everything of a turn that is as long as the window, before it is written out', () => {
  const { log } = openLog(simulatedDisk().disk, { fileBytes: 256 * KIB });
  const offsets: number[] = [];
  while (log.endOffset < 64 * KIB) {
    offsets.push(append(log, message(offsets.length, 1000)));
    offsets.forEach((offset, i) => {
      assert.equal(readBytes(log, offset, sizeOf(message(i, 1000))), encodeRecord(message(i, 1000), offset));
    });
  }
});

appending('works on a real disk', () => {
  const real = realDisk();
  try {
    const directory = `${real.root}/commitlog`;
    const { log } = openLog(real.disk, { directory });
    const offsets = Array.from({ length: 30 }, (_, i) => append(log, message(i, 900)));
    log.writeOut();
    assert.is(real.disk.list(directory).length, 8);
    log.close();
    const reader = new LogReader(real.disk, { directory, fileBytes: FILE_BYTES, window: undefined });
    offsets.forEach((offset, i) => {
      const target = Buffer.alloc(sizeOf(message(i, 900)));
      assert.ok(reader.read(offset, target.length, target, 0));
      assert.equal(target, encodeRecord(message(i, 900), offset));
    });
    reader.release();
  } finally {
    real.dispose();
  }
});
appending.run();

const failing = suite('commit log: failures');

failing('refuses after a failed write, keeps the range, and goes on when the write succeeds', () => {
  const { disk } = simulatedDisk();
  const { log } = openLog(disk);
  append(log, message(1));
  log.writeOut();
  const written = log.writtenOffset;
  disk.inject({ operation: 'write', pathPart: 'commitlog', code: 'ENOSPC', times: 1 });
  append(log, message(2));
  assert.not(log.writeOut());
  assert.is(log.failure!.code, 'ENOSPC');
  assert.is(log.writtenOffset, written);
  assert.is(log.reserve(10), NOT_RESERVED);
  assert.ok(log.writeOut());
  assert.is(log.failure, undefined);
  assert.equal(readBytes(log, written, sizeOf(message(2))), encodeRecord(message(2), written));
  assert.ok(append(log, message(3)) > 0);
});

failing('refuses when the next file cannot be made, without a blank record and without a stray file', () => {
  const { disk } = simulatedDisk();
  const { log } = openLog(disk);
  append(log, message(1, 3000));
  log.writeOut();
  const end = log.endOffset;
  disk.inject({ operation: 'sync', pathPart: 'commitlog', code: 'EIO', times: 1 });
  assert.is(append(log, message(2, 1500)), NOT_RESERVED);
  assert.is(log.failure!.code, 'EIO');
  assert.is(log.endOffset, end);
  assert.equal(disk.list(DIRECTORY), ['00000000000000000000']);
  assert.ok(log.writeOut());
  assert.is(append(log, message(2, 1500)), FILE_BYTES);
});

failing('refuses while the disk is full, loses nothing, and goes on when there is space', () => {
  const { disk } = simulatedDisk({ capacityBytes: 128 * KIB });
  const { log } = openLog(disk, { fileBytes: 64 * KIB });
  const offsets: number[] = [];
  for (;;) {
    const offset = append(log, message(offsets.length, 3000));
    if (offset < 0) break;
    offsets.push(offset);
    log.writeOut();
  }
  assert.is(log.failure!.code, 'ENOSPC');
  assert.not(log.writeOut());
  // What is in no file yet can still be read, though nobody was promised anything.
  assert.ok(log.writtenOffset < log.endOffset);
  disk.setCapacity(256 * KIB);
  assert.ok(log.writeOut());
  for (let i = 0; i < 10; i++) {
    offsets.push(append(log, message(offsets.length, 3000)));
    assert.ok(log.writeOut());
  }
  offsets.forEach((offset, i) => {
    assert.equal(
      readBytes(log, offset, sizeOf(message(i, 3000))),
      encodeRecord(message(i, 3000), offset),
      `record ${i}`,
    );
  });
});

failing('stays failed after a failed fsync', () => {
  const { disk } = simulatedDisk();
  const { log } = openLog(disk);
  append(log, message(1));
  disk.inject({ operation: 'sync', pathPart: 'commitlog', code: 'EIO', times: 1 });
  let failure: Error | undefined;
  try {
    log.files.sync(0, 10);
  } catch (error) {
    failure = error as Error;
  }
  log.fail(failure as never);
  assert.not(log.writeOut());
  assert.is(log.reserve(10), NOT_RESERVED);
});
failing.run();

const following = suite('commit log: a follower');

function follower(disk: Disk): CommitLog {
  return CommitLog.open(disk, { directory: '/slave/commitlog', fileBytes: FILE_BYTES, startAt: 0 });
}

following('equals its master byte for byte when it copies from the window', () => {
  const { disk } = simulatedDisk();
  const { log, window } = openLog(disk);
  const slave = follower(disk);
  for (let i = 0; i < 100; i++) {
    append(log, message(i, (i * 211) % 3000));
    log.writeOut();
    if (i % 3 === 0) assert.is(slave.appendFromWindow(window, log.endOffset), 'appended');
  }
  assert.is(slave.appendFromWindow(window, log.endOffset), 'appended');
  assert.is(slave.endOffset, log.endOffset);
  for (const name of disk.list(DIRECTORY)) {
    assert.equal(disk.readFile(`/slave/commitlog/${name}`), disk.readFile(`${DIRECTORY}/${name}`), name);
  }
});

following('takes bytes cut anywhere', () => {
  const { disk } = simulatedDisk();
  const { log } = openLog(disk);
  const slave = follower(disk);
  for (let i = 0; i < 40; i++) append(log, message(i, 700));
  log.writeOut();
  const bytes = readBytes(log, 0, log.endOffset)!;
  for (let at = 0; at < bytes.length; at += 777) {
    assert.ok(slave.appendRaw(bytes, at, Math.min(777, bytes.length - at)));
  }
  assert.equal(readBytes(slave, 0, bytes.length), bytes);
});

following('is told when the window has moved on', () => {
  const { disk } = simulatedDisk();
  const { log, window } = openLog(disk);
  const slave = follower(disk);
  for (let i = 0; i < 200; i++) {
    append(log, message(i, 1000));
    log.writeOut();
  }
  assert.is(slave.appendFromWindow(window, log.endOffset), 'gone');
  assert.is(slave.endOffset, 0);
});

following('can begin where its master begins', () => {
  const slave = follower(simulatedDisk().disk);
  slave.beginAt(3 * FILE_BYTES);
  assert.is(slave.minOffset, 3 * FILE_BYTES);
  assert.ok(slave.appendRaw(bodyOf(1, 100), 0, 100));
  assert.is(slave.minOffset, 3 * FILE_BYTES);
  assert.is(slave.endOffset, 3 * FILE_BYTES + 100);
  assert.equal(readBytes(slave, 3 * FILE_BYTES, 100), bodyOf(1, 100));
});

following('does not count a failed append', () => {
  const { disk } = simulatedDisk();
  const slave = follower(disk);
  assert.ok(slave.appendRaw(bodyOf(1, 100), 0, 100));
  disk.inject({ operation: 'write', pathPart: 'slave', code: 'EIO', times: 1 });
  assert.not(slave.appendRaw(bodyOf(2, 50), 0, 50));
  assert.is(slave.endOffset, 100);
  assert.is(slave.failure!.code, 'EIO');
  assert.ok(slave.appendRaw(bodyOf(2, 50), 0, 50));
  assert.is(slave.failure, undefined);
});
following.run();

const hole = suite('commit log: a missing file right before its end');

hole('refuses to open, with the file and what to do', () => {
  const { disk } = simulatedDisk();
  const { log } = openLog(disk, { fileBytes: 1 * KIB });
  while (log.files.count < 3) append(log, message(1));
  log.writeOut();
  disk.remove(`${DIRECTORY}/00000000000000001024`);
  assert.throws(
    () => openLog(disk, { fileBytes: 1 * KIB, startAt: log.endOffset }),
    (error: Error) => error.name === 'StartError' && /00000000000000001024 is missing.*put it back/.test(error.message),
  );
});

hole.run();
