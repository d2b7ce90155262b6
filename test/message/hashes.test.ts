import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { IndexKeys } from '../../src/message/index-keys.js';
import {
  indexKeyHash,
  indexKeyHashOf,
  indexTopicHash,
  javaHash,
  javaHashOfBytes,
  tagsCode,
} from '../../src/message/java-hash.js';
import { formatProperties, PropertyScan } from '../../src/message/properties.js';
import { apacheStore } from '../store/fixture.js';

const hashes = suite('Java hash of UTF-8 bytes');

hashes('equals String.hashCode of what Java decodes, malformed bytes included', () => {
  for (const [hex, expected] of apacheStore.hashes) {
    const bytes = Buffer.from(`ff${hex}41`, 'hex');
    assert.is(javaHashOfBytes(bytes, 1, bytes.length - 2), expected, hex);
  }
});

hashes('equals the hash of the string', () => {
  for (const text of ['', 'TagA', '标签😀', 'polygenelubricants', 'é'.repeat(100)]) {
    const bytes = Buffer.from(text);
    assert.is(javaHashOfBytes(bytes, 0, bytes.length), javaHash(text));
  }
  assert.is(javaHash('polygenelubricants'), -0x8000_0000);
});

hashes('a tag has a code, no tag has 0', () => {
  const bytes = Buffer.from('TagA');
  assert.is(tagsCode(bytes, 0, 4), javaHash('TagA'));
  assert.is(tagsCode(bytes, -1, 0), 0);
});

hashes('index keys are not negative, and the smallest int is 0', () => {
  const bytes = Buffer.from('orders/key-1');
  const fromBytes = indexKeyHash(indexTopicHash(bytes, 0, 6), bytes, 7, 5);
  assert.is(fromBytes, Math.abs(javaHash('orders#key-1')));
  assert.is(indexKeyHashOf('orders', 'key-1'), fromBytes);
  for (let i = 0; i < 1000; i++) assert.ok(indexKeyHashOf('t', String(i)) >= 0);
  // Its hash is Integer.MIN_VALUE, which has no absolute value.
  const collision = Buffer.from('polygenelubricants');
  assert.is(indexKeyHash(0, collision, 0, collision.length), 0);
});
hashes.run();

const keys = suite('index keys of a record');

function hashesOf(topic: string, properties: readonly (readonly [string, string])[]): number[] {
  const text = formatProperties(properties);
  const bytes = Buffer.from(`${topic}${text}`);
  const scan = new PropertyScan();
  scan.scan(bytes, topic.length, bytes.length - topic.length);
  const walk = new IndexKeys();
  walk.open(bytes, 0, topic.length, scan);
  const found: number[] = [];
  while (walk.next()) found.push(walk.hash);
  return found;
}

keys('are the unique key and each word of KEYS', () => {
  const hash = (key: string): number => indexKeyHashOf('orders', key);
  assert.equal(
    hashesOf('orders', [
      ['KEYS', 'a  bé c '],
      ['UNIQ_KEY', 'U1'],
    ]),
    ['U1', 'a', 'bé', 'c'].map(hash),
  );
  assert.equal(hashesOf('orders', [['UNIQ_KEY', 'U1']]), [hash('U1')]);
  assert.equal(hashesOf('orders', [['KEYS', 'k']]), [hash('k')]);
  assert.equal(hashesOf('orders', [['KEYS', '  ']]), []);
  assert.equal(hashesOf('orders', []), []);
});
keys.run();
