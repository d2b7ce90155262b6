/** One ring, both ends in this thread: layout, wrap-around, fullness, and what a new end on used memory sees. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { RingReader, RingWriter, ringBytes } from '../../src/runtime/ring.js';
import { CONTROL, RECORD, recordBytes, UNIT_BYTES } from '../../src/runtime/ring-layout.js';
import { seedOf } from '../support/seed.js';

const CAPACITY = 4096;

function memoryAt(cursor = 0, capacity = CAPACITY): ArrayBuffer {
  const memory = new ArrayBuffer(ringBytes(capacity));
  const control = new Int32Array(memory, 0, CONTROL.bytes / 4);
  control[CONTROL.head] = cursor;
  control[CONTROL.tail] = cursor;
  return memory;
}

/** Writes one record whose payload is the low bytes of `value`; false when there is no room. */
function write(writer: RingWriter, payloadBytes: number, value: number): boolean {
  const at = writer.claim(payloadBytes);
  if (at < 0) return false;
  writer.view.setInt32(at + RECORD.length, payloadBytes, true);
  writer.view.setInt32(at + RECORD.key, value, true);
  writer.buffer.fill(value & 0xff, at + RECORD.payload, at + RECORD.payload + payloadBytes);
  writer.commit(payloadBytes);
  return true;
}

interface Seen {
  readonly key: number;
  readonly bytes: Buffer;
}

function readAll(reader: RingReader): Seen[] {
  const seen: Seen[] = [];
  reader.refresh();
  for (let at = reader.next(); at >= 0; at = reader.next()) {
    const length = reader.view.getInt32(at + RECORD.length, true);
    const from = at + RECORD.payload;
    seen.push({
      key: reader.view.getInt32(at + RECORD.key, true),
      bytes: Buffer.from(reader.buffer.subarray(from, from + length)),
    });
    reader.skip(at);
  }
  return seen;
}

const order = suite('ring: order and content');

for (const [name, cursor] of [
  ['from 0', 0],
  ['over the largest int32', 0x7fff_ffff - 300],
  ['over 2^32', -300],
] as const) {
  order(`records of any size come out as they went in, cursors running ${name}`, () => {
    const seed = seedOf(`ring ${name}`);
    const random = prng(seed);
    const memory = memoryAt(cursor);
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    const longest = writer.maxPayloadBytes;
    const lengths: number[] = [];
    let written = 0;
    let read = 0;
    while (read < 5000) {
      for (let burst = random.below(12); burst > 0; burst--) {
        const length = random.chance(0.2) ? longest : random.below(longest + 1);
        if (!write(writer, length, written)) break;
        lengths.push(length);
        written++;
      }
      if (random.chance(0.7)) writer.publish();
      if (random.chance(0.7)) {
        for (const { key, bytes } of readAll(reader)) {
          assert.is(key, read);
          assert.is(bytes.length, lengths[read]);
          assert.ok(bytes.every((byte) => byte === (read & 0xff)));
          read++;
        }
      }
      if (random.chance(0.7)) reader.release();
    }
  });
}

order('a record is visible after publish, and its room free after release', () => {
  const memory = memoryAt();
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  write(writer, 8, 1);
  assert.not.ok(reader.refresh());
  assert.not.ok(reader.hasMore());
  assert.ok(writer.publish());
  assert.not.ok(writer.publish(), 'nothing new');
  assert.ok(reader.hasMore());
  assert.is(readAll(reader).length, 1);
  assert.is(reader.usedBytes(), recordBytes(8));
  reader.release();
  assert.is(writer.usedBytes(), 0);
});

order('a reader takes what was published before it looked, and no more', () => {
  const memory = memoryAt();
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  write(writer, 8, 1);
  writer.publish();
  reader.refresh();
  write(writer, 8, 2);
  writer.publish();
  const first = reader.next();
  assert.is(first, 0);
  reader.skip(first);
  assert.is(reader.next(), -1);
  assert.ok(reader.hasMore());
});

order('a record that is shorter than its claim leaves no gap', () => {
  const memory = memoryAt();
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  const at = writer.claim(400);
  writer.view.setInt32(at + RECORD.length, 16, true);
  writer.commit(16);
  assert.is(writer.claim(8), at + recordBytes(16));
  write(writer, 8, 7);
  writer.publish();
  assert.equal(
    readAll(reader).map(({ bytes }) => bytes.length),
    [16, 8],
  );
});

order.run();

const fullness = suite('ring: full');

fullness('takes exactly its capacity, then refuses until room is given back', () => {
  const memory = memoryAt();
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  const payload = 128 - RECORD.payload;
  for (let i = 0; i < CAPACITY / 128; i++) assert.ok(write(writer, payload, i));
  assert.not.ok(write(writer, 0, 99));
  writer.publish();
  assert.is(writer.usedBytes(), CAPACITY);
  reader.refresh();
  reader.skip(reader.next());
  assert.not.ok(write(writer, payload, 99), 'read, but not released');
  reader.release();
  assert.ok(write(writer, payload, 32));
  assert.not.ok(write(writer, 0, 99));
  writer.publish();
  assert.equal(
    readAll(reader).map(({ key }) => key),
    Array.from({ length: 32 }, (_, i) => i + 1),
  );
});

fullness(
  'a record that does not fit before the end starts at 0, behind a filler, and the filler counts as used',
  () => {
    const memory = memoryAt((CAPACITY - 64) / UNIT_BYTES);
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    assert.is(writer.claim(100), 0);
    write(writer, 100, 5);
    writer.publish();
    assert.is(writer.usedBytes(), 64 + recordBytes(100));
    assert.equal(
      readAll(reader).map(({ key }) => key),
      [5],
    );
    reader.release();
    assert.is(writer.usedBytes(), 0);
  },
);

fullness('a claim that finds no room at the start of the buffer takes nothing', () => {
  const memory = memoryAt((CAPACITY - 64) / UNIT_BYTES);
  const control = new Int32Array(memory, 0, CONTROL.bytes / 4);
  control[CONTROL.tail] = 0;
  const writer = new RingWriter(memory);
  assert.is(writer.claim(100), -1);
  assert.not.ok(writer.publish());
  assert.is(writer.claim(64 - RECORD.payload), CAPACITY - 64);
});

fullness('the reader is told once that the writer waits for room', () => {
  const memory = memoryAt();
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  for (let i = 0; i < 3; i++) write(writer, 8, i);
  writer.publish();
  reader.refresh();
  reader.skip(reader.next());
  assert.not.ok(reader.release(), 'nobody waits');
  writer.awaitRoom();
  assert.not.ok(reader.release(), 'no room was given back');
  reader.skip(reader.next());
  assert.ok(reader.release());
  reader.skip(reader.next());
  assert.not.ok(reader.release(), 'told before');
});

fullness('stalls are counted where both ends see them', () => {
  const memory = memoryAt();
  const writer = new RingWriter(memory);
  writer.countStall();
  writer.countStall();
  assert.is(new RingReader(memory).stalls(), 2);
});

fullness('capacities are powers of two from 4 KiB to 1 GiB', () => {
  for (const capacity of [0, 2048, 4097, 6144, 2 ** 31]) assert.throws(() => ringBytes(capacity), /ring capacity/);
  assert.is(ringBytes(2 ** 30), 2 ** 30 + CONTROL.bytes);
});

fullness.run();

const attaching = suite('ring: a new end on used memory');

attaching('a writer goes on after the last published record; what was not published is gone', () => {
  const memory = memoryAt();
  const crashed = new RingWriter(memory);
  write(crashed, 8, 1);
  crashed.publish();
  write(crashed, 200, 2);
  const writer = new RingWriter(memory);
  write(writer, 8, 3);
  writer.publish();
  assert.equal(
    readAll(new RingReader(memory)).map(({ key }) => key),
    [1, 3],
  );
});

attaching('a reader goes on after the last released record; what was only read comes again', () => {
  const memory = memoryAt();
  const writer = new RingWriter(memory);
  for (let i = 0; i < 4; i++) write(writer, 8, i);
  writer.publish();
  const crashed = new RingReader(memory);
  crashed.refresh();
  crashed.skip(crashed.next());
  crashed.release();
  crashed.skip(crashed.next());
  assert.equal(
    readAll(new RingReader(memory)).map(({ key }) => key),
    [1, 2, 3],
  );
});

attaching.run();

const returning = suite('ring: a writer that finds everything read');
const LARGE = 8 * 1024 * 1024;

/** Writes and reads one record after the other; how far into the buffer they got. */
function highest(memory: ArrayBuffer, records: number, payloadBytes: number): number {
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  let end = 0;
  for (let n = 0; n < records; n++) {
    assert.ok(write(writer, payloadBytes, n));
    writer.publish();
    reader.refresh();
    const at = reader.next();
    end = Math.max(end, at + recordBytes(payloadBytes));
    assert.is(reader.view.getInt32(at + RECORD.key, true), n);
    reader.skip(at);
    assert.is(reader.next(), -1);
    reader.release();
  }
  return end;
}

returning('goes back to the beginning after a quarter of a ring of 8 MiB, so that no more becomes resident', () => {
  const reached = highest(memoryAt(0, LARGE), 1_000, 10_000);
  assert.ok(reached > LARGE / 4 - 20_000 && reached <= LARGE / 4 + recordBytes(10_000), `${reached}`);
});

returning('goes round in a ring of 1 MiB', () => {
  assert.ok(highest(memoryAt(0, LARGE / 8), 1_000, 10_000) > LARGE / 8 - recordBytes(10_000) * 2);
});

returning(
  'has at least that quarter for records that are not read; when that is too little it uses all of the ring',
  () => {
    const memory = memoryAt(LARGE / 4 / UNIT_BYTES, LARGE);
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    const payloadBytes = 1_000;
    const fill = (from: number): number => {
      let n = from;
      while (write(writer, payloadBytes, n)) n++;
      writer.publish();
      return n;
    };
    const first = fill(0);
    assert.is(first, Math.floor(LARGE / 4 / recordBytes(payloadBytes)));
    assert.equal(
      readAll(reader).map(({ key }) => key),
      Array.from({ length: first }, (_, n) => n),
    );
    reader.release();
    const second = fill(first) - first;
    assert.ok(second >= (LARGE - LARGE / 8) / recordBytes(payloadBytes), `${second} records`);
    assert.is(readAll(reader).length, second);
  },
);

returning('goes on behind what is unread, or not even published', () => {
  const unpublished = new RingWriter(memoryAt(LARGE / 4 / UNIT_BYTES - recordBytes(8) / UNIT_BYTES, LARGE));
  write(unpublished, 8, 1);
  assert.is(unpublished.claim(8), LARGE / 4);
  unpublished.publish();
  assert.is(unpublished.claim(8), LARGE / 4);
  const unread = memoryAt(LARGE / 4 / UNIT_BYTES, LARGE);
  new Int32Array(unread, 0, CONTROL.bytes / 4)[CONTROL.tail] = LARGE / 4 / UNIT_BYTES - 8;
  assert.is(new RingWriter(unread).claim(8), LARGE / 4);
});

returning.run();
