/** Counters in shared memory: what the counting thread and a reader on another thread see. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_SERIES, Meter, SLAB_BYTES, SlabReader } from '../../src/runtime/slab.js';

const slabs = suite('slab');

slabs('a reader sees names, labels and values, also of series made after it', () => {
  const memory = new SharedArrayBuffer(SLAB_BYTES);
  const meter = new Meter(memory);
  const reader = new SlabReader(memory);
  const sent = meter.series('sent', { topic: 'a "b"\nü' });
  meter.values[sent]! += 3;
  assert.equal(reader.read().slice(1), [{ name: 'sent', labels: { topic: 'a "b"\nü' }, value: 3 }]);
  meter.values[meter.series('late', {})] = 0.5;
  meter.values[sent]! += 1;
  assert.equal(
    reader.read().map(({ name, value }) => `${name} ${value}`),
    ['hangar_dropped_series 0', 'sent 4', 'late 0.5'],
  );
});

slabs('the same name and labels are the same series, also for a thread that was restarted', () => {
  const memory = new SharedArrayBuffer(SLAB_BYTES);
  const meter = new Meter(memory);
  const index = meter.series('sent', { topic: 'a' });
  assert.is(meter.series('sent', { topic: 'a' }), index);
  assert.is.not(meter.series('sent', { topic: 'b' }), index);
  meter.values[index] = 7;
  const restarted = new Meter(memory);
  assert.is(restarted.series('sent', { topic: 'a' }), index);
  assert.is(restarted.values[index], 7);
  assert.is(restarted.series('sent', { topic: 'c' }), 3);
});

slabs('when it is full, series 0 takes the rest and the loss is counted', () => {
  const memory = new SharedArrayBuffer(SLAB_BYTES);
  const meter = new Meter(memory);
  for (let i = 1; i < MAX_SERIES; i++) assert.is(meter.series('n', { i: String(i) }), i);
  assert.is(meter.series('one too many', {}), 0);
  assert.is(meter.series('n', { i: '5' }), 5);
  const read = new SlabReader(memory).read();
  assert.is(read.length, MAX_SERIES);
  assert.equal(read[0], { name: 'hangar_dropped_series', labels: {}, value: 1 });
});

slabs('long labels fill the directory before the series run out', () => {
  const memory = new SharedArrayBuffer(SLAB_BYTES);
  const meter = new Meter(memory);
  const long = 'x'.repeat(1024 * 1024);
  assert.is(meter.series('n', { long: `${long}1` }), 1);
  assert.is(meter.series('n', { long: `${long}2` }), 2);
  assert.is(meter.series('n', { long: `${long}3` }), 3);
  assert.is(meter.series('n', { long: `${long}4` }), 0);
  assert.is(meter.series('short', {}), 4);
});

slabs('has a fixed size', () => {
  assert.throws(() => new Meter(new SharedArrayBuffer(SLAB_BYTES - 8)), /slab size/);
});

slabs.run();
