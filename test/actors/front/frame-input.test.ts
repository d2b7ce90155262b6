import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FrameInput } from '../../../src/actors/front/frame-input.js';
import { prng } from '../../../src/base/prng.js';
import { FrameProblem, MAX_FRAME_BYTES } from '../../../src/remoting/frame.js';
import { seedOf } from '../../support/seed.js';
import { request } from './driver.js';

/** Takes the next whole frame, or undefined. */
function take(input: FrameInput): Buffer | undefined {
  const bytes = input.nextFrameBytes();
  if (bytes <= 0 || bytes > input.bytes) return undefined;
  const whole = Buffer.alloc(bytes);
  input.copy(0, bytes, whole, 0);
  input.skip(bytes);
  return whole;
}

const splitting = suite('frame input: frames in chunks');

splitting('two frames split at every byte boundary', () => {
  const first = request(1, 20);
  const second = request(2, 5);
  const stream = Buffer.concat([first, second]);
  for (let cut = 1; cut < stream.length; cut++) {
    const input = new FrameInput();
    const taken: Buffer[] = [];
    for (const chunk of [stream.subarray(0, cut), stream.subarray(cut)]) {
      input.push(chunk);
      for (let one = take(input); one !== undefined; one = take(input)) taken.push(one);
    }
    assert.equal(Buffer.concat(taken), stream, `cut at ${cut}`);
    assert.is(taken.length, 2);
    assert.is(input.bytes, 0);
  }
});

splitting('one byte at a time', () => {
  const stream = Buffer.concat([request(1, 3000), request(2, 0), request(3, 70)]);
  const input = new FrameInput();
  const taken: Buffer[] = [];
  for (const byte of stream) {
    input.push(Buffer.from([byte]));
    const whole = take(input);
    if (whole !== undefined) taken.push(whole);
  }
  assert.equal(Buffer.concat(taken), stream);
});

splitting('random chunks, read late, empty ones among them', () => {
  const random = prng(seedOf('frame input'));
  for (let round = 0; round < 200; round++) {
    const frames = Array.from({ length: 1 + random.below(20) }, (_, i) => request(i, random.below(3000)));
    const stream = Buffer.concat(frames);
    const input = new FrameInput();
    const taken: Buffer[] = [];
    for (let at = 0; at < stream.length; ) {
      const length = Math.min(stream.length - at, random.chance(0.5) ? random.below(40) : random.below(5000));
      input.push(Buffer.from(stream.subarray(at, at + length)));
      at += length;
      if (random.chance(0.5)) continue;
      for (let one = take(input); one !== undefined; one = take(input)) taken.push(one);
    }
    for (let one = take(input); one !== undefined; one = take(input)) taken.push(one);
    assert.equal(Buffer.concat(taken), stream, `round ${round}`);
    assert.is(taken.length, frames.length);
  }
});

splitting('a range across chunks is copied whole and leaves the input as it was', () => {
  const stream = request(7, 100);
  const input = new FrameInput();
  for (let at = 0; at < stream.length; at += 7) input.push(stream.subarray(at, at + 7));
  for (let from = 0; from < stream.length; from += 5) {
    const target = Buffer.alloc(stream.length - from);
    input.copy(from, target.length, target, 0);
    assert.equal(target, stream.subarray(from));
  }
  assert.throws(() => input.copy(1, stream.length, Buffer.alloc(stream.length), 0), /more bytes asked for/);
});

splitting('a large frame in pieces of one byte takes memory of the order of its size', () => {
  const bytes = 300_000;
  const input = new FrameInput();
  input.push(request(1, 2 * bytes).subarray(0, 100));
  for (let i = 0; i < bytes; i++) input.push(Buffer.from([i]));
  const chunks = (input as unknown as { rest: Buffer[] }).rest.length;
  assert.ok(chunks < 32 + bytes / 4096, `${chunks} chunks`);
  assert.is(input.bytes, 100 + bytes);
  const copied = Buffer.alloc(bytes);
  input.copy(100, bytes, copied, 0);
  for (let i = 0; i < bytes; i++) if (copied[i] !== (i & 0xff)) assert.unreachable(`byte ${i}`);
});

splitting.run();

const judging = suite('frame input: malformed frames');

const words = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeInt32BE(value | 0, i * 4);
  return bytes;
};

judging('a length that cannot be is told from its four bytes alone', () => {
  for (const [length, problem] of [
    [-1, FrameProblem.NEGATIVE_LENGTH],
    [3, FrameProblem.TOO_SHORT],
    [MAX_FRAME_BYTES - 3, FrameProblem.OVERSIZED],
  ] as const) {
    const input = new FrameInput();
    const bytes = words(length);
    for (const byte of bytes.subarray(0, 3)) {
      input.push(Buffer.from([byte]));
      assert.is(input.nextFrameBytes(), 0);
    }
    input.push(bytes.subarray(3));
    assert.is(input.nextFrameBytes(), problem);
  }
});

judging('the largest frame is one of 16 MiB', () => {
  const input = new FrameInput();
  input.push(words(MAX_FRAME_BYTES - 4, 10));
  assert.is(input.nextFrameBytes(), MAX_FRAME_BYTES);
});

judging('a header longer than its frame and an unknown serialization', () => {
  const long = new FrameInput();
  long.push(words(20, 17));
  assert.is(long.nextFrameBytes(), FrameProblem.HEADER_LONGER_THAN_FRAME);
  const unknown = new FrameInput();
  unknown.push(words(20, 0x0200_0004));
  assert.is(unknown.nextFrameBytes(), FrameProblem.UNKNOWN_SERIALIZATION);
});

judging.run();
