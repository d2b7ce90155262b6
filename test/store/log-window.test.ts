import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB } from '../../src/base/units.js';
import { prng } from '../../src/base/prng.js';
import { LogWindow } from '../../src/store/log-window.js';
import { bodyOf } from './support.js';

const WINDOW = 64 * KIB;
const SEGMENT = WINDOW / 16;
const RECORD_MAX = 8 * KIB;

const create = (): LogWindow => LogWindow.create(WINDOW, RECORD_MAX, { shared: true });

/** What lies at an offset of the log: different in each lap of the window. */
function byteAt(offset: number): number {
  return (offset * 167 + Math.floor(offset / 251) * 13 + Math.floor(offset / WINDOW) * 31) & 0xff;
}

function put(window: LogWindow, offset: number, length: number): number {
  const at = window.reserve(offset, length);
  for (let i = 0; i < length; i++) window.buffer[at + i] = byteAt(offset + i);
  window.commit(offset, length);
  return offset + length;
}

function isIntact(bytes: Uint8Array, offset: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[i] !== byteAt(offset + i)) return false;
  return true;
}

const windows = suite('log window');

windows('is read by whoever attaches to its memory, once the end is published', () => {
  const window = create();
  window.reset(0);
  const end = put(window, 0, 500);
  const reader = LogWindow.attach(window.shared);
  const target = new Uint8Array(600);
  assert.not(reader.copy(0, 500, target, 0));
  assert.ok(window.copyOwn(0, 500, target, 0));
  window.publishEnd(end);
  assert.ok(reader.copy(10, 490, target, 20));
  assert.ok(isIntact(target.subarray(20), 10, 490));
  assert.not(reader.covers(0, 501));
  assert.is(reader.windowBytes, WINDOW);
  assert.is(reader.slackBytes, RECORD_MAX);
});

windows('a range over its end is contiguous for the writer, and is mirrored to its start', () => {
  const window = create();
  const start = WINDOW - 100;
  window.reset(start);
  const at = window.reserve(start, 300);
  bodyOf(1, 300).copy(window.buffer, at);
  window.commit(start, 300);
  window.publishEnd(start + 300);
  assert.is(window.bytesToWrap(start), 100);
  const target = Buffer.alloc(300);
  assert.ok(window.copy(start, 300, target, 0));
  assert.equal(target, bodyOf(1, 300));
  assert.ok(window.copy(WINDOW, 200, target, 0));
  assert.equal(target.subarray(0, 200), bodyOf(1, 300).subarray(100));
});

windows('gives up whole segments, at least one ahead of what is overwritten, and keeps at least 12', () => {
  const window = create();
  window.reset(0);
  let end = 0;
  for (let i = 0; i < 500; i++) {
    end = put(window, end, 1000);
    window.publishEnd(end);
    if (end < WINDOW) continue;
    const oldest = end - WINDOW;
    assert.not(window.covers(oldest + SEGMENT - 1, 1), 'one segment ahead is given up');
    assert.ok(window.covers(oldest + 4 * SEGMENT, 1), 'the rest is there');
  }
});

windows('clears a range over its end', () => {
  const window = create();
  window.reset(0);
  let end = 0;
  while (end < 2 * WINDOW - 5000) end = put(window, end, 1000);
  const from = end;
  window.clear(from, 7000);
  window.publishEnd(from + 7000);
  const target = Buffer.alloc(7000, 1);
  assert.ok(window.copy(from, 7000, target, 0));
  assert.ok(target.every((byte) => byte === 0));
  assert.ok(window.copy(from - 1000, 1000, target, 0));
  assert.ok(isIntact(target, from - 1000, 1000));
});

windows('begins anywhere, and has nothing before the segment it begins in', () => {
  const window = create();
  const start = 123_456_789;
  window.reset(start);
  assert.not(window.covers(window.segmentStart(start) - 1, 1));
  const end = put(window, start, 100);
  window.publishEnd(end);
  assert.ok(window.covers(start, 100));
  // A second life in the same memory, earlier in the log.
  window.reset(1000);
  assert.not(window.covers(start, 100));
  window.publishEnd(put(window, 1000, 50));
  assert.ok(window.covers(1000, 50));
});

windows('segment numbers wrap', () => {
  for (const wrap of [2 ** 31 * SEGMENT, 2 ** 32 * SEGMENT]) {
    const window = create();
    let end = wrap - 2 * WINDOW - 700;
    window.reset(end);
    const target = new Uint8Array(3000);
    for (let i = 0; i < 100; i++) {
      const from = end;
      end = put(window, from, 3000);
      window.publishEnd(end);
      assert.ok(window.copy(from, 3000, target, 0), `around ${wrap}`);
      assert.ok(isIntact(target, from, 3000));
      assert.not(window.covers(end, 1));
      if (i > 30) assert.not(window.covers(end - WINDOW, 1));
    }
  }
});

windows('random writes and reads: what is copied is intact, what must be there is', () => {
  const random = prng(7);
  const window = create();
  let end = random.below(1_000_000_000);
  const first = end;
  window.reset(end);
  const target = new Uint8Array(RECORD_MAX);
  for (let i = 0; i < 3000; i++) {
    end = put(window, end, 1 + random.below(random.chance(0.1) ? RECORD_MAX : 500));
    window.publishEnd(end);
    const length = 1 + random.below(1000);
    const offset = end - random.below(2 * WINDOW);
    if (offset < first) continue;
    const isCopied = window.copy(offset, length, target, 0);
    if (isCopied) assert.ok(isIntact(target, offset, length), `at ${offset}`);
    if (offset + length <= end && offset >= end - WINDOW + 6 * SEGMENT) assert.ok(isCopied);
  }
});

windows('refuses sizes that cannot work', () => {
  assert.throws(() => LogWindow.create(100_000, 1000, { shared: false }), /power of two/);
  assert.throws(() => LogWindow.create(WINDOW, WINDOW / 2, { shared: false }), /record fits the window/);
  const window = create();
  window.reset(0);
  assert.throws(() => window.reserve(0, RECORD_MAX + 1), /fits the slack/);
});
windows.run();
