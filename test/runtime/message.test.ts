/** Message tables: what is encoded is decoded, for tables and values drawn from a seed. */
import { Packr } from 'msgpackr';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import {
  type FieldType,
  type KindRow,
  messageTable,
  packValue,
  shape,
  unpackValue,
} from '../../src/runtime/message.js';
import { seedOf } from '../support/seed.js';

const tables = suite('message tables');

tables('fields of any table come back as they were, and nothing is written beside them', () => {
  const random = prng(seedOf('message tables'));
  for (let round = 0; round < 300; round++) {
    const types: Record<string, FieldType> = {};
    for (let i = random.below(12); i >= 0; i--) types[`f${i}`] = random.pick(['i32', 'offset', 'boolean']);
    const { kind } = messageTable({ kind: { id: 1 + random.below(65_535), fields: types } satisfies KindRow });
    const message: Record<string, number | boolean> = {};
    for (const [name, type] of Object.entries(types)) {
      message[name] =
        type === 'boolean'
          ? random.chance(0.5)
          : type === 'i32'
            ? random.pick([0, -1, 0x7fff_ffff, -0x8000_0000, random.below(2 ** 31)])
            : random.pick([
                0,
                -1,
                Number.MAX_SAFE_INTEGER,
                Number.MIN_SAFE_INTEGER,
                Math.floor(random.unit() * 2 ** 53),
              ]);
    }
    const at = random.below(16);
    const bytes = Buffer.alloc(at + kind.fieldBytes + 8, 0xa5);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    kind.encode(view, at, message as never);
    const decoded = kind.create();
    kind.decode(view, at, decoded);
    assert.equal({ ...decoded }, { source: 0, key: 0, ...message });
    assert.ok(bytes.subarray(0, at).every((byte) => byte === 0xa5));
    assert.ok(bytes.subarray(at + kind.fieldBytes).every((byte) => byte === 0xa5));
  }
});

tables('the reused object has all its properties from the start', () => {
  const { all } = messageTable({
    all: { id: 3, fields: { flag: 'boolean', count: 'i32', position: 'offset' }, bytes: true },
  });
  assert.is(all.fieldBytes, 13);
  const fresh = Object.keys(all.create()).sort();
  assert.equal(fresh, ['buffer', 'count', 'end', 'flag', 'key', 'position', 'source', 'start', 'view']);
});

tables('refuse ids that are out of range or taken, and bytes beside msgpack', () => {
  assert.throws(() => messageTable({ a: { id: 0 } }), /message kind id/);
  assert.throws(() => messageTable({ a: { id: 65_536 } }), /message kind id/);
  assert.throws(() => messageTable({ a: { id: 1 }, b: { id: 1 } }), /message kind id: b, 1/);
  assert.throws(() => messageTable({ a: { id: 1, bytes: true, msgpack: shape<string>() } }), /either bytes or msgpack/);
  assert.throws(() => messageTable({ a: { id: 1, fields: { 'x; evil': 'i32' } } }), /field name/);
});

tables('a kind is a request unless it says otherwise', () => {
  const { asks, answers } = messageTable({ asks: { id: 1 }, answers: { id: 2, lane: 'reply' } });
  assert.is(asks.lane, 'request');
  assert.is(answers.lane, 'reply');
});

tables('structured values come back equal, each decodable by itself', () => {
  const value = { text: 'ü', list: [1, 2 ** 40, -1.5], nested: { none: null, yes: true }, map: new Map([['k', 1]]) };
  packValue(value);
  const second = packValue(value);
  const otherThread = new Packr({ useRecords: true });
  assert.equal(otherThread.unpack(second), value);
  assert.equal(unpackValue(second), value);
  assert.instance((unpackValue(second) as typeof value).map, Map);
});

tables.run();
