import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { catalog } from '../../metrics/catalog.js';
import { counter, gauge } from '../../metrics/meter.js';
import { Meter, SLAB_BYTES, SlabReader } from '../../src/runtime/slab.js';

const meters = suite('meter');

meters('a counter adds, a gauge is set; the same labels are the same series in any order', () => {
  const slab = new ArrayBuffer(SLAB_BYTES);
  const meter = new Meter(slab);
  counter(meter, catalog.messagesIn, { broker: 'b', topic: 't' }).add(2);
  counter(meter, catalog.messagesIn, { topic: 't', broker: 'b' }).add(3);
  const level = gauge(meter, catalog.connections, { unit: 'u' });
  level.set(10);
  level.add(-4);
  const [, ...series] = new SlabReader(slab).read();
  assert.equal(series, [
    { name: 'hangar_messages_in_total', labels: { broker: 'b', topic: 't' }, value: 5 },
    { name: 'hangar_connections', labels: { unit: 'u' }, value: 6 },
  ]);
});

meters.run();
