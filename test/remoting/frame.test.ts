import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  checkFrame,
  checkLength,
  FrameProblem,
  frameProblemText,
  headerBytes,
  headerSerialization,
  MAX_FRAME_BYTES,
  Serialization,
} from '../../src/remoting/frame.js';

const frame = suite('frame: the first eight bytes');

frame('answers the bytes of the whole frame', () => {
  assert.is(checkFrame(4, 0), 8);
  assert.is(checkFrame(100, 96), 104);
  assert.is(checkFrame(100, (1 << 24) | 96), 104);
  assert.is(checkLength(100), 104);
});

frame('reads header length and serialization from one word', () => {
  assert.is(headerBytes((1 << 24) | 0xabcdef), 0xabcdef);
  assert.is(headerSerialization((1 << 24) | 5), Serialization.ROCKETMQ);
  assert.is(headerSerialization(5), Serialization.JSON);
});

frame('takes 16 MiB and not a byte more', () => {
  assert.is(checkFrame(MAX_FRAME_BYTES - 4, 0), MAX_FRAME_BYTES);
  assert.is(checkFrame(MAX_FRAME_BYTES - 3, 0), FrameProblem.OVERSIZED);
  assert.is(checkLength(0x7fff_ffff), FrameProblem.OVERSIZED);
});

frame('names what is wrong, with the numbers', () => {
  const cases: readonly [number, number, number, RegExp][] = [
    [-1, 0, FrameProblem.NEGATIVE_LENGTH, /length -1 is negative/],
    [3, 0, FrameProblem.TOO_SHORT, /length 3 leaves no room/],
    [MAX_FRAME_BYTES, 0, FrameProblem.OVERSIZED, /16777220 bytes is over the limit of 16777216/],
    [20, 17, FrameProblem.HEADER_LONGER_THAN_FRAME, /header of 17 bytes does not fit into a frame of 24/],
    [20, 0x0200_0001, FrameProblem.UNKNOWN_SERIALIZATION, /unknown serialization type 2/],
    [20, -1, FrameProblem.UNKNOWN_SERIALIZATION, /unknown serialization type 255/],
  ];
  for (const [lengthWord, headerWord, problem, text] of cases) {
    assert.is(checkFrame(lengthWord, headerWord), problem);
    assert.match(frameProblemText(problem, lengthWord, headerWord), text);
  }
});

frame.run();
