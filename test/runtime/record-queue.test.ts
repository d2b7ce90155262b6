/** Records in ordinary memory: order over growth, the limit, and memory given back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { KIB, MIB } from '../../src/base/units.js';
import { RecordQueue } from '../../src/runtime/record-queue.js';
import { RECORD, recordBytes } from '../../src/runtime/ring-layout.js';
import { seedOf } from '../support/seed.js';

function append(queue: RecordQueue, payloadBytes: number, key: number): void {
  const at = queue.claim(payloadBytes);
  queue.view.setInt32(at + RECORD.length, payloadBytes, true);
  queue.view.setInt32(at + RECORD.key, key, true);
  queue.buffer.fill(key & 0xff, at + RECORD.payload, at + RECORD.payload + payloadBytes);
  queue.commit(payloadBytes);
}

const queues = suite('record queue');

queues('keeps order and content over growth and partial reads', () => {
  const random = prng(seedOf('record queue'));
  const queue = new RecordQueue('test', 64 * MIB);
  const lengths: number[] = [];
  let read = 0;
  while (read < 3000) {
    for (let burst = random.below(40); burst > 0; burst--) {
      const length = random.below(random.pick([8, 100, 8 * KIB]));
      append(queue, length, lengths.length);
      lengths.push(length);
    }
    for (let burst = random.below(40); burst > 0 && !queue.isEmpty; burst--) {
      const at = queue.next();
      const length = queue.view.getInt32(at + RECORD.length, true);
      assert.is(length, lengths[read]);
      assert.is(queue.view.getInt32(at + RECORD.key, true), read);
      const from = at + RECORD.payload;
      assert.ok(queue.buffer.subarray(from, from + length).every((byte) => byte === (read & 0xff)));
      queue.skip(at);
      read++;
    }
    if (queue.isEmpty && random.chance(0.5)) queue.reset();
  }
});

queues('leaves the bytes of a record alone that is being handled while others are appended', () => {
  const queue = new RecordQueue('test', 64 * MIB);
  append(queue, 100, 7);
  const { buffer } = queue;
  const at = queue.next();
  append(queue, MIB, 8);
  assert.is.not(queue.buffer, buffer, 'it has grown');
  assert.ok(buffer.subarray(at + RECORD.payload, at + RECORD.payload + 100).every((byte) => byte === 7));
});

queues('refuses what goes beyond its limit, whatever the size of its memory', () => {
  const limit = 4 * recordBytes(1000);
  const queue = new RecordQueue('answers', limit);
  for (let i = 0; i < 4; i++) append(queue, 1000, i);
  assert.is(queue.usedBytes, limit);
  assert.throws(() => queue.claim(0), /answers: more waiting than its limit/);
  queue.skip(queue.next());
  append(queue, 1000, 4);
});

queues('gives large memory back when drained, keeps small memory, and is not reset with records in it', () => {
  const queue = new RecordQueue('test', 64 * MIB);
  append(queue, 10, 1);
  assert.throws(() => queue.reset(), /reset of a queue with records/);
  queue.skip(queue.next());
  const small = queue.buffer;
  queue.reset();
  assert.is(queue.buffer, small);
  append(queue, 2 * MIB, 2);
  queue.skip(queue.next());
  queue.reset();
  assert.is(queue.buffer.length, 0);
  append(queue, 10, 3);
  assert.is(queue.next(), 0);
});

queues.run();
