import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeProperties,
  findProperty,
  formatProperties,
  PropertyName,
  PropertyScan,
  parseProperties,
  Scanned,
} from '../../src/message/properties.js';
import { apacheStore } from '../store/fixture.js';

const scanning = suite('properties: one-pass scan');

function scanned(text: string): Record<string, string> {
  const prefix = 'xx';
  const bytes = Buffer.from(`${prefix}${text}TAGS\u0001beyond`);
  const scan = new PropertyScan();
  scan.scan(bytes, prefix.length, Buffer.byteLength(text));
  const found: Record<string, string> = {};
  for (const [name, index] of Object.entries(Scanned)) {
    const value = scan.text(index, bytes);
    assert.is(scan.has(index), value !== undefined);
    if (value === undefined) {
      assert.is(scan.at(index), -1);
      assert.is(scan.length(index), 0);
    } else found[name] = value;
  }
  return found;
}

scanning('finds every name that it knows', () => {
  const names = Object.keys(Scanned) as (keyof typeof Scanned)[];
  const text = formatProperties(names.map((name) => [PropertyName[name], `value of ${name}`]));
  assert.equal(scanned(text), Object.fromEntries(names.map((name) => [name, `value of ${name}`])));
});

scanning('passes over other names, among them longer and shorter ones', () => {
  assert.equal(scanned('TAG\u0001a\u0002TAGSS\u0001b\u0002SGAT\u0001c\u0002tags\u0001d\u0002KEYS\u0001k'), {
    KEYS: 'k',
  });
});

scanning('tolerates a trailing separator, empty items, names without value and values without name', () => {
  assert.equal(scanned('TAGS\u0001a\u0002'), { TAGS: 'a' });
  assert.equal(scanned('\u0002\u0002TAGS\u0001a\u0002\u0002KEYS\u0001b\u0002\u0002'), { TAGS: 'a', KEYS: 'b' });
  assert.equal(scanned('TAGS\u0001\u0002KEYS\u0002\u0001value\u0002DELAY\u00013'), { DELAY: '3' });
  assert.equal(scanned(''), {});
  assert.equal(scanned('\u0001'), {});
  assert.equal(scanned('TAGS'), {});
});

scanning('takes a second name-value separator as part of the value, and the last of equal names', () => {
  assert.equal(scanned('TAGS\u0001a\u0001b\u0002KEYS\u00011\u0002KEYS\u00012'), { TAGS: 'a\u0001b', KEYS: '2' });
});

scanning('agrees with the cold decoder on what Apache stored', () => {
  for (const put of apacheStore.puts) {
    const cold = parseProperties(put.properties);
    const expected = Object.fromEntries(
      Object.keys(Scanned)
        .map((name) => [name, cold.get(PropertyName[name as keyof typeof Scanned])])
        .filter(([, value]) => value !== undefined),
    );
    assert.equal(scanned(put.properties), expected);
  }
});

scanning('forgets the record before', () => {
  const scan = new PropertyScan();
  const bytes = Buffer.from('TAGS\u0001a');
  scan.scan(bytes, 0, bytes.length);
  assert.ok(scan.has(Scanned.TAGS));
  scan.scan(bytes, 0, 0);
  assert.not(scan.has(Scanned.TAGS));
});
scanning.run();

const finding = suite('properties: find by name');
finding('gives the range of any property', () => {
  const bytes = Buffer.from('..a\u00011\u0002ab\u000122\u0002c\u0001\u0002größe\u0001L\u0002..');
  const find = (name: string): string | undefined => {
    const { start, length } = findProperty(bytes, 2, bytes.length - 4, Buffer.from(name));
    return start < 0 ? undefined : bytes.toString('utf8', start, start + length);
  };
  assert.is(find('a'), '1');
  assert.is(find('ab'), '22');
  assert.is(find('größe'), 'L');
  assert.is(find('c'), undefined);
  assert.is(find('b'), undefined);
  assert.is(find(''), undefined);
});
finding.run();

const codec = suite('properties: cold codec');
codec('formats and parses', () => {
  const properties = new Map([
    ['a', '1'],
    ['Größe', '标签'],
  ]);
  const text = formatProperties(properties);
  assert.is(text, 'a\u00011\u0002Größe\u0001标签');
  assert.equal(decodeProperties(Buffer.from(text)), properties);
  assert.equal(decodeProperties(Buffer.from(`${text}\u0002`)), properties);
  assert.equal(parseProperties('x\u0002\u0001y\u0002z\u0001'), new Map());
});
codec.run();
