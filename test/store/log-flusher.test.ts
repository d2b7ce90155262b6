import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB } from '../../src/base/units.js';
import { CommitLog } from '../../src/store/commit-log.js';
import { type FlushPolicy, LogFlusher } from '../../src/store/log-flusher.js';
import { LogWindow } from '../../src/store/log-window.js';
import { append, type SimulatedDisk, simulatedDisk } from './support.js';

const FILE_BYTES = 64 * KIB;
const SYNC: FlushPolicy = { mode: 'SYNC_FLUSH', intervalMs: 500, leastPages: 4, thoroughIntervalMs: 10_000 };
const ASYNC: FlushPolicy = { ...SYNC, mode: 'ASYNC_FLUSH' };

interface Setup {
  readonly simulated: SimulatedDisk;
  readonly log: CommitLog;
  readonly flusher: LogFlusher;
  readonly flushed: number[];
  readonly failures: string[];
}

function setUp(policy: FlushPolicy, usualSyncMs = 100): Setup {
  const simulated = simulatedDisk({ syncDelayMs: 2, usualSyncMs });
  const window = LogWindow.create(512 * KIB, 32 * KIB, { shared: false });
  const log = CommitLog.open(simulated.disk, { directory: '/log', fileBytes: FILE_BYTES, startAt: 0, window });
  const flushed: number[] = [];
  const failures: string[] = [];
  const flusher = new LogFlusher(log, policy, {
    onFlushed: (offset) => flushed.push(offset),
    onFailed: (error) => failures.push(error.code),
  });
  return { simulated, log, flusher, flushed, failures };
}

function put(log: CommitLog, bytes: number): number {
  append(log, { body: Buffer.alloc(bytes, 1) });
  assert.ok(log.writeOut());
  return log.endOffset;
}

const sync = suite('flusher: SYNC_FLUSH');

sync('one sync covers what was written before it began; the next covers all that came meanwhile', () => {
  const { simulated, log, flusher, flushed } = setUp(SYNC);
  const first = put(log, 100);
  flusher.request();
  assert.ok(flusher.isInFlight);
  for (let i = 0; i < 50; i++) {
    put(log, 100);
    flusher.request();
  }
  simulated.advance(2);
  assert.equal(flushed, [first]);
  assert.is(log.flushedOffset, first);
  simulated.advance(2);
  assert.equal(flushed, [first, log.endOffset]);
  assert.is(flusher.syncs, 2);
  assert.not(flusher.isInFlight);
});

sync('a quick device is waited for in place, across files, and its failure is final, too', () => {
  const { simulated, log, flusher, flushed, failures } = setUp(SYNC, 0.3);
  put(log, 100);
  flusher.request();
  assert.equal(flushed, [log.endOffset]);
  assert.not(flusher.isInFlight);
  for (let i = 0; i < 4; i++) put(log, 20 * KIB);
  flusher.request();
  assert.is(log.flushedOffset, log.endOffset);
  assert.is(flusher.syncs, 3, 'one sync a file');
  flusher.request();
  assert.is(flusher.syncs, 3);
  simulated.disk.inject({ operation: 'sync', pathPart: '/log', code: 'EIO', times: 1 });
  put(log, 100);
  flusher.request();
  assert.equal(failures, ['EIO']);
  flusher.request();
  assert.is(flusher.syncs, 3);
});

sync('ASYNC_FLUSH never waits in place', () => {
  const { log, flusher } = setUp(ASYNC, 0.3);
  put(log, 20 * KIB);
  flusher.tick(0);
  assert.ok(flusher.isInFlight);
});

sync('does nothing without anything new', () => {
  const { simulated, log, flusher, flushed } = setUp(SYNC);
  flusher.request();
  put(log, 10);
  flusher.request();
  simulated.advance(2);
  flusher.request();
  assert.not(flusher.isInFlight);
  assert.is(flushed.length, 1);
  assert.is(flusher.nextTickMs, Number.POSITIVE_INFINITY);
});

sync('goes file by file', () => {
  const { simulated, log, flusher, flushed } = setUp(SYNC);
  for (let i = 0; i < 5; i++) put(log, 30_000);
  flusher.request();
  for (let i = 0; i < 3; i++) simulated.advance(2);
  assert.equal(flushed, [FILE_BYTES, 2 * FILE_BYTES, log.endOffset]);
});

sync('what it says to be flushed survives a power loss', () => {
  const { simulated, log, flusher, flushed } = setUp(SYNC);
  put(log, 3000);
  flusher.request();
  simulated.advance(2);
  const path = '/log/00000000000000000000';
  const before = Buffer.from(simulated.disk.readFile(path)!.subarray(0, flushed[0]));
  put(log, 3000);
  simulated.disk.crash({
    below: () => 0,
    unit: () => 0,
    chance: () => false,
    pick: (from) => from[0]!,
    fork: () => never(),
  });
  assert.equal(simulated.disk.readFile(path)!.subarray(0, flushed[0]), before);
});

function never(): never {
  throw new Error('not used');
}

sync('a failed sync is final', () => {
  const { simulated, log, flusher, flushed, failures } = setUp(SYNC);
  const first = put(log, 100);
  flusher.request();
  simulated.advance(2);
  simulated.disk.inject({ operation: 'sync', pathPart: '/log/', code: 'EIO', times: 1 });
  put(log, 100);
  flusher.request();
  simulated.advance(2);
  assert.equal(failures, ['EIO']);
  assert.is(log.failure!.code, 'EIO');
  flusher.request();
  simulated.advance(2);
  simulated.advance(2);
  assert.equal(flushed, [first]);
  assert.is(log.flushedOffset, first);
  assert.not(log.writeOut());
});

sync('says nothing after close', () => {
  const { simulated, log, flusher, flushed } = setUp(SYNC);
  put(log, 100);
  flusher.request();
  flusher.close();
  simulated.advance(2);
  assert.equal(flushed, []);
  log.close();
  assert.is(log.flushedOffset, log.endOffset);
});
sync.run();

const async = suite('flusher: ASYNC_FLUSH');

async('leaves less than the least pages for the thorough interval', () => {
  const { simulated, log, flusher, flushed } = setUp(ASYNC);
  flusher.tick(0);
  put(log, 1000);
  flusher.tick(500);
  assert.not(flusher.isInFlight);
  put(log, 16 * KIB);
  flusher.tick(1000);
  simulated.advance(2);
  assert.equal(flushed, [log.endOffset]);
  put(log, 10);
  for (let now = 1500; now < 10_000; now += 500) flusher.tick(now);
  assert.is(flushed.length, 1);
  flusher.tick(10_000);
  simulated.advance(2);
  assert.equal(flushed[1], log.endOffset);
});

async('looks once in an interval, and says when the next look is due', () => {
  const { log, flusher } = setUp(ASYNC);
  flusher.tick(100);
  assert.is(flusher.nextTickMs, 600);
  put(log, 20 * KIB);
  flusher.tick(599);
  assert.not(flusher.isInFlight);
  flusher.tick(600);
  assert.ok(flusher.isInFlight);
});

async('a full file is worth it whatever the pages say', () => {
  const { simulated, log, flusher, flushed } = setUp({ ...ASYNC, leastPages: 1000 });
  flusher.tick(0);
  for (let i = 0; i < 3; i++) put(log, 30_000);
  flusher.tick(500);
  simulated.advance(2);
  simulated.advance(2);
  assert.is(flushed.at(-1), log.endOffset);
});

async('with no least pages any byte is worth it', () => {
  const { log, flusher } = setUp({ ...ASYNC, leastPages: 0 });
  flusher.tick(0);
  put(log, 1);
  flusher.tick(500);
  assert.ok(flusher.isInFlight);
});

async('can be asked to sync at once', () => {
  const { simulated, log, flusher, flushed } = setUp(ASYNC);
  put(log, 1);
  flusher.request();
  simulated.advance(2);
  assert.equal(flushed, [log.endOffset]);
});
async.run();
