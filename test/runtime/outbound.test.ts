/** One direction between two threads: ring, spill and parts, both ends in this thread. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { KIB } from '../../src/base/units.js';
import type { Place } from '../../src/runtime/actor.js';
import { Inbound } from '../../src/runtime/inbound.js';
import { MAX_MESSAGE_BYTES, Outbound, writeRecordHeader } from '../../src/runtime/outbound.js';
import { RingReader, RingWriter, ringBytes } from '../../src/runtime/ring.js';
import { PART, RECORD } from '../../src/runtime/ring-layout.js';
import { seedOf } from '../support/seed.js';

const CAPACITY = 4096;

class Pair {
  readonly writer: RingWriter;
  readonly reader: RingReader;
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  private readonly place: Place = { buffer: Buffer.alloc(0), view: new DataView(new ArrayBuffer(0)), at: 0 };

  constructor(capacity = CAPACITY) {
    const memory = new ArrayBuffer(ringBytes(capacity));
    this.writer = new RingWriter(memory);
    this.reader = new RingReader(memory);
    this.outbound = new Outbound(this.writer, 'test');
    this.inbound = new Inbound(this.reader, 0, 'request');
  }

  /** Sends a message of `bytes` bytes, all of them the low byte of `key`, having claimed `claimed`. */
  send(bytes: number, key: number, claimed = bytes): void {
    const { place } = this;
    this.outbound.claim(claimed, place);
    writeRecordHeader(place.view, place.at, bytes, 11, 22, 33, PART.whole, 44, key);
    place.buffer.fill(key & 0xff, place.at + RECORD.payload, place.at + RECORD.payload + bytes);
    this.outbound.commit(bytes);
  }

  /** What the sending thread does at the end of a turn. */
  publish(): void {
    this.outbound.flush();
    this.writer.publish();
  }

  /** Reads what was published, gives the room back; the messages as [bytes, key]. */
  receive(limit = Number.MAX_SAFE_INTEGER): [number, number][] {
    const seen: [number, number][] = [];
    this.reader.refresh();
    for (let count = 0; count < limit; count++) {
      const at = this.reader.next();
      if (at < 0) break;
      const isWhole = this.reader.view.getUint16(at + RECORD.part, true) === PART.whole;
      const record = isWhole ? this.reader.buffer.subarray(at) : this.inbound.join(at);
      if (record !== undefined) seen.push(check(record));
      this.reader.skip(at);
    }
    this.reader.release();
    return seen;
  }
}

function check(record: Buffer): [number, number] {
  const bytes = record.readInt32LE(RECORD.length);
  const key = record.readInt32LE(RECORD.key);
  assert.equal(
    [record.readInt32LE(RECORD.target), record.readInt32LE(RECORD.source), record.readUInt16LE(RECORD.kind)],
    [11, 22, 33],
  );
  assert.is(record.readInt32LE(RECORD.epoch), 44);
  assert.is(record.readUInt16LE(RECORD.part), PART.whole);
  assert.ok(record.subarray(RECORD.payload, RECORD.payload + bytes).every((byte) => byte === (key & 0xff)));
  return [bytes, key];
}

const direction = suite('outbound and inbound');

direction('messages of any size arrive whole and in order through a ring much smaller than they are', () => {
  const random = prng(seedOf('outbound'));
  const pair = new Pair();
  const lengths: number[] = [];
  let received = 0;
  while (received < 1500) {
    for (let burst = random.below(6); burst > 0; burst--) {
      const length = random.below(random.pick([8, 460, 520, 4 * KIB, 40 * KIB]));
      pair.send(length, lengths.length, length + random.below(random.pick([1, 40, 2 * KIB])));
      lengths.push(length);
    }
    if (random.chance(0.8)) pair.publish();
    for (const [bytes, key] of pair.receive(random.below(40))) {
      assert.is(key, received);
      assert.is(bytes, lengths[received]);
      received++;
    }
  }
});

direction('a message at the border between one record and parts arrives', () => {
  const pair = new Pair();
  const longest = pair.writer.maxPayloadBytes;
  for (const [key, bytes] of [longest - 1, longest, longest + 1, 2 * longest - 8, 2 * longest - 7].entries()) {
    pair.send(bytes, key);
    pair.publish();
    assert.equal(pair.receive(), [[bytes, key]]);
  }
});

direction('a short message whose sender had claimed room for a long one arrives', () => {
  const pair = new Pair();
  for (const bytes of [0, 1, 200, pair.writer.maxPayloadBytes]) pair.send(bytes, bytes, 100 * KIB);
  pair.publish();
  assert.equal(
    pair.receive().map(([bytes]) => bytes),
    [0, 1, 200, pair.writer.maxPayloadBytes],
  );
});

direction('the largest frame passes, and what is larger is refused', () => {
  const pair = new Pair(64 * KIB);
  pair.send(MAX_MESSAGE_BYTES, 9);
  const received: [number, number][] = [];
  for (let turns = 0; received.length === 0 && turns < 1000; turns++) {
    pair.publish();
    received.push(...pair.receive());
  }
  assert.equal(received, [[MAX_MESSAGE_BYTES, 9]]);
  assert.throws(() => pair.send(MAX_MESSAGE_BYTES + 1, 10), /message too large/);
});

direction('is closed while anything waits, keeps the order behind it, and tells once when it is open again', () => {
  const pair = new Pair();
  for (let key = 0; key < 10; key++) pair.send(480, key);
  assert.not.ok(pair.outbound.isOpen);
  assert.is(pair.writer.stalls(), 1);
  let opened = 0;
  pair.outbound.onceOpen(() => opened++);
  pair.publish();
  pair.send(8, 10);
  assert.is(opened, 0);
  const first = pair.receive();
  assert.ok(first.length < 10);
  pair.send(8, 11);
  pair.publish();
  assert.is(opened, 1);
  assert.ok(pair.outbound.isOpen);
  assert.equal(
    [...first, ...pair.receive()].map(([, key]) => key),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  );
  pair.publish();
  assert.is(opened, 1);
  assert.is(pair.writer.stalls(), 1);
});

direction('a writer that goes to sleep with something waiting is woken by the release that makes room', () => {
  const pair = new Pair();
  for (let key = 0; key < 10; key++) pair.send(480, key);
  pair.publish();
  // Too little room for the next record, and the answer to the flag comes before the writer has armed its doorbell.
  pair.reader.refresh();
  pair.reader.skip(pair.reader.next());
  assert.ok(pair.reader.release());
  pair.publish();
  pair.reader.skip(pair.reader.next());
  assert.ok(pair.reader.release(), 'the flush that found too little room has asked again');
  assert.ok(pair.outbound.canFlush(), 'the last look finds the room');
  pair.publish();
  assert.not.ok(pair.outbound.canFlush());
  pair.reader.refresh();
  pair.reader.skip(pair.reader.next());
  assert.ok(pair.reader.release(), 'the last look has asked too');
});

direction('a first part forgets what a crashed writer had sent before it', () => {
  const pair = new Pair(64 * KIB);
  const crashed = new Pair(64 * KIB);
  crashed.send(20 * KIB, 1);
  crashed.publish();
  crashed.reader.refresh();
  const at = crashed.reader.next();
  const length = crashed.reader.view.getInt32(at + RECORD.length, true);
  const to = pair.writer.claim(length);
  crashed.reader.buffer.copy(pair.writer.buffer, to, at, at + RECORD.payload + length);
  pair.writer.commit(length);
  pair.send(20 * KIB, 2);
  pair.publish();
  assert.equal(pair.receive(), [[20 * KIB, 2]]);
});

direction('later parts without a first one are passed over', () => {
  const pair = new Pair();
  for (const part of [PART.more, PART.last]) {
    const at = pair.writer.claim(16);
    writeRecordHeader(pair.writer.view, at, 16, 11, 22, 33, part, 44, 1);
    pair.writer.commit(16);
  }
  pair.send(8, 3);
  pair.publish();
  assert.equal(pair.receive(), [[8, 3]]);
});

direction.run();
