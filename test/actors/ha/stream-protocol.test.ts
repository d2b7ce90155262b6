import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReportReader, TransferReader } from '../../../src/actors/ha/stream-protocol.js';
import type { Prng } from '../../../src/base/prng.js';
import { prng } from '../../../src/base/prng.js';
import { withSeeds } from '../../support/seed.js';
import { frameOf, int64, logBytes } from './driver.js';

const ROUNDS = 200;

/** Pieces of 1 byte and more, each inside a larger buffer. */
function cut(bytes: Buffer, random: Prng, use: (buffer: Buffer, start: number, end: number) => void): void {
  const most = random.pick([1, 3, 8, 13, 40, bytes.length]);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random.below(most));
    const before = random.below(5);
    const place = Buffer.alloc(before + end - at + 5, 0xee);
    bytes.copy(place, before, at, end);
    use(place, before, before + end - at);
    at = end;
  }
}

const reports = suite('replication stream: reports');

reports('the newest whole one counts, wherever the bytes are cut', () =>
  withSeeds('reports', 1, async (seed) => {
    const random = prng(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const values = Array.from({ length: 1 + random.below(6) }, () => random.below(2 ** 31) * random.pick([1, 4096]));
      const reader = new ReportReader();
      let arrived = 0;
      cut(Buffer.concat(values.map(int64)), random, (bytes, start, end) => {
        const wholeBefore = Math.floor(arrived / 8);
        arrived += end - start;
        const whole = Math.floor(arrived / 8);
        assert.is(reader.push(bytes, start, end), whole > wholeBefore);
        assert.is(reader.offset, whole === 0 ? -1 : values[whole - 1]);
      });
    }
  }),
);

for (const [what, value] of [
  ['-1', -1n],
  ['the smallest', -(2n ** 63n)],
  ['the largest', 2n ** 63n - 1n],
  ['2^53', 2n ** 53n],
] as const) {
  reports(`${what} is no offset`, () => {
    const reader = new ReportReader();
    assert.ok(reader.push(int64(value), 0, 8));
    assert.is(reader.offset, -1);
  });
}

reports.run();

const transfers = suite('replication stream: transfers');

transfers('heads and bodies come out, wherever the bytes are cut', () =>
  withSeeds('transfers', 1, async (seed) => {
    const random = prng(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const bodies = Array.from({ length: 1 + random.below(6) }, () => random.pick([0, 1, 12, 100]));
      let offset = random.below(2 ** 40);
      const stream: Buffer[] = [];
      const heads: [number, number][] = [];
      for (const length of bodies) {
        stream.push(frameOf(offset, logBytes(offset, offset + length)));
        heads.push([offset, length]);
        offset += length;
      }
      const reader = new TransferReader();
      const seenHeads: [number, number][] = [];
      const seen: Buffer[] = [];
      cut(Buffer.concat(stream), random, (bytes, start, end) =>
        reader.push(
          bytes,
          start,
          end,
          (at, length) => seenHeads.push([at, length]) > 0,
          (at, length) => seen.push(Buffer.from(bytes.subarray(at, at + length))),
        ),
      );
      assert.equal(seenHeads, heads);
      assert.ok(Buffer.concat(seen).equals(logBytes(heads[0]![0], offset)));
    }
  }),
);

transfers('nothing comes out behind a head that was not accepted', () => {
  const reader = new TransferReader();
  const bytes = Buffer.concat([frameOf(5, logBytes(5, 9)), frameOf(9, logBytes(9, 12))]);
  let heads = 0;
  reader.push(
    bytes,
    0,
    bytes.length,
    () => ++heads < 1,
    () => assert.unreachable(),
  );
  assert.is(heads, 1);
});

transfers.run();
