import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BufferPool, MAX_POOLED_BYTES } from '../../../src/actors/front/buffer-pool.js';

const pool = suite('front: output buffers are used again');

pool('gives a buffer that is large enough, and the same one again', () => {
  const buffers = new BufferPool();
  for (const bytes of [1, 511, 512, 513, 40_000, MAX_POOLED_BYTES]) {
    const first = buffers.take(bytes);
    assert.ok(first.length >= bytes, `${first.length} for ${bytes}`);
    buffers.give(first);
    assert.is(buffers.take(bytes), first);
  }
});

pool('keeps no more than its bound, and nothing larger than its largest size', () => {
  const buffers = new BufferPool();
  const large = buffers.take(MAX_POOLED_BYTES + 1);
  buffers.give(large);
  assert.is.not(buffers.take(MAX_POOLED_BYTES + 1), large);
  const given = Array.from({ length: 20 }, () => buffers.take(MAX_POOLED_BYTES));
  for (const buffer of given) buffers.give(buffer);
  const kept = given.map(() => buffers.take(MAX_POOLED_BYTES)).filter((buffer) => given.includes(buffer));
  assert.is(kept.length, 16);
});

pool.run();
