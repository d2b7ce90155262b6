import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BatchItems } from '../../src/message/batch.js';
import { apacheStore } from '../store/fixture.js';

const body = Buffer.from(apacheStore.batch.body, 'hex');

interface Item {
  readonly flag: number;
  readonly body: string;
  readonly properties: string;
}

function itemsOf(bytes: Buffer, start = 0, length = bytes.length): { items: Item[]; problem: string | undefined } {
  const walk = new BatchItems();
  walk.open(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), start, length);
  const items: Item[] = [];
  while (walk.next()) {
    items.push({
      flag: walk.flag,
      body: bytes.toString('utf8', walk.bodyAt, walk.bodyAt + walk.bodyBytes),
      properties: bytes.toString('utf8', walk.propertiesAt, walk.propertiesAt + walk.propertiesBytes),
    });
    assert.is(walk.count, items.length);
  }
  return { items, problem: walk.problem };
}

const batch = suite('batch body');

batch('is what the Java client encodes', () => {
  const { items, problem } = itemsOf(body);
  assert.is(problem, undefined);
  assert.is(items.length, 3);
  items.forEach((item, i) => {
    assert.is(item.flag, i);
    assert.is(item.body, `batch body ${i}`);
    assert.match(item.properties, `KEYS\u0001batch${i}`);
  });
});

batch('may lie anywhere in a buffer and may be empty', () => {
  const shifted = Buffer.concat([Buffer.alloc(7), body, Buffer.alloc(9)]);
  assert.equal(itemsOf(shifted, 7, body.length), itemsOf(body));
  assert.equal(itemsOf(body, 0, 0), { items: [], problem: undefined });
});

batch('cut anywhere gives the items before the cut and a problem', () => {
  const ends = [0];
  for (let length = 1; length < body.length; length++) {
    const { items, problem } = itemsOf(body, 0, length);
    if (problem === undefined) ends.push(length);
    else assert.is(problem, 'item is cut off');
    assert.is(items.length, ends.length - 1);
  }
  assert.is(ends.length, 3);
});

batch('with negative lengths gives a problem', () => {
  const negativeBody = Buffer.from(body);
  negativeBody.writeInt32BE(-1, 16);
  assert.is(itemsOf(negativeBody).problem, 'negative body length');
  const hugeBody = Buffer.from(body);
  hugeBody.writeInt32BE(0x7fffffff, 16);
  assert.is(itemsOf(hugeBody).problem, 'item is cut off');
  const negativeProperties = Buffer.from(body);
  negativeProperties.writeInt16BE(-1, 20 + 'batch body 0'.length);
  assert.is(itemsOf(negativeProperties).problem, 'negative properties length');
});
batch.run();
