import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Prng, prng } from '../../src/base/prng.js';
import {
  JsonProblem,
  type JsonValue,
  MAX_JSON_CONTAINERS,
  MAX_JSON_DEPTH,
  readFastjson,
} from '../../src/remoting/fastjson-reader.js';
import { Double, quote, writeFastjson } from '../../src/remoting/fastjson-writer.js';
import { randomText, recordedText } from './support.js';

const SEED = 1202;
const RANDOM_VALUES = 1500;

function read(text: string): JsonValue {
  const value = readFastjson(text);
  if (value instanceof JsonProblem) throw new Error(value.text);
  return value;
}

function problemOf(text: string): string {
  const value = readFastjson(text);
  return value instanceof JsonProblem ? value.text : 'accepted';
}

/** What JSON.parse would give: Maps as objects. */
function plain(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
  return value;
}

const reader = suite('fastjson reader');

reader('reads standard JSON', () => {
  const text = ' {"a":[1,-2.5,1e3,true,false,null,""],"b":{"c":{}},"d":"x\\u00e9\\n\\"\\\\\\/"} \n';
  assert.equal(plain(read(text)), JSON.parse(text));
});

reader('reads numeric and unquoted keys, single quotes, trailing commas and an empty text', () => {
  assert.equal(
    read("{0:'a',-12:'b',name:'c',}"),
    new Map([
      ['0', 'a'],
      ['-12', 'b'],
      ['name', 'c'],
    ]),
  );
  assert.equal(read("['it\\'s',]"), ["it's"]);
  assert.is(read(''), null);
  assert.is(read(' \n'), null);
});

reader('reads object literals as keys', () => {
  const value = read('{"offsetTable":{{"brokerName":"a","queueId":0,"topic":"t"}:123,{"queueId":1}:4}}');
  const table = (value as Map<string, Map<Map<string, JsonValue>, number>>).get('offsetTable')!;
  assert.equal(
    [...table].map(([key, offset]) => [key.get('queueId'), offset]),
    [
      [0, 123],
      [1, 4],
    ],
  );
});

reader('keeps keys that would poison an object', () => {
  assert.equal(
    read('{"__proto__":1,"constructor":2}'),
    new Map([
      ['__proto__', 1],
      ['constructor', 2],
    ]),
  );
});

reader('reads the escapes that fastjson knows', () => {
  assert.is(read('"\\0\\1\\7\\v\\b\\t\\f\\r\\\'\\uD83D\\uDE00"'), "\0\x01\x07\v\b\t\f\r'😀");
});

reader('says what it expected, what it found and where', () => {
  const cases: readonly [string, string][] = [
    ['{"a":}', 'value expected, found "}" at character 5'],
    ['{"a" 1}', 'colon expected, found "1" at character 5'],
    ['{"a":1 "b":2}', 'comma or closing brace expected, found "\\"" at character 7'],
    ['{,}', 'key expected, found "," at character 1'],
    ['[1 2]', 'comma or closing bracket expected, found "2" at character 3'],
    ['[1', 'comma or closing bracket expected, found the end at character 2'],
    ['{"a":tru}', 'value expected, found "t" at character 5'],
    ['"abc', 'string that begins at character 0 is not closed, found the end at character 4'],
    ['"\\q"', 'escape expected behind the backslash, found "\\\\" at character 1'],
    ['"\\u12x4"', 'four hexadecimal digits expected, found "1" at character 3'],
    ['1 2', 'nothing expected behind the value, found "2" at character 2'],
    ['-', 'value expected, found "-" at character 0'],
  ];
  for (const [text, problem] of cases) assert.is(problemOf(text), problem);
});

reader('is bounded in depth, of values and of keys', () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  assert.is(problemOf(nested(MAX_JSON_DEPTH)), 'accepted');
  assert.match(problemOf(nested(MAX_JSON_DEPTH + 1)), /nested deeper than 64/);
  assert.match(problemOf('['.repeat(1_000_000)), /nested deeper/);
  assert.match(problemOf('{'.repeat(1_000_000)), /nested deeper/);
});

reader('is bounded in objects and arrays', () => {
  const flat = (count: number): string => `[${'[],'.repeat(count)}]`;
  assert.is(problemOf(flat(MAX_JSON_CONTAINERS - 1)), 'accepted');
  assert.match(problemOf(flat(MAX_JSON_CONTAINERS)), /more than 300000 objects and arrays/);
});

reader.run();

const writer = suite('fastjson writer');

writer('sorts the keys of beans, keeps the order of Maps, leaves out null and undefined', () => {
  assert.is(writeFastjson({ b: 1, a: [null, 'x'], d: undefined, c: null }), '{"a":[null,"x"],"b":1}');
  assert.is(
    writeFastjson(
      new Map<string, unknown>([
        ['b', 1],
        ['a', null],
        ['c', true],
      ]),
    ),
    '{"b":1,"c":true}',
  );
  assert.is(writeFastjson(new Set(['x', 'y'])), '["x","y"]');
});

writer('writes numeric and object keys without quotes, quoted and sorted in the standard form', () => {
  const addresses = new Map([
    [10, 'c'],
    [0, 'a'],
    [2, 'b'],
  ]);
  assert.is(writeFastjson(addresses), '{10:"c",0:"a",2:"b"}');
  assert.is(writeFastjson(addresses, 'standard'), '{"0":"a","2":"b","10":"c"}');
  assert.is(
    writeFastjson(
      new Map([
        ['b', 1],
        ['B', 2],
        ['a', 3],
      ]),
      'standard',
    ),
    '{"B":2,"a":3,"b":1}',
  );
  assert.is(writeFastjson(new Map([[{ topic: 't', queueId: 0 }, 7]])), '{{"queueId":0,"topic":"t"}:7}');
});

writer('escapes exactly the characters that fastjson escapes', () => {
  const all = JSON.parse(recordedText('escapes')) as string;
  assert.is(quote(all), recordedText('escapes'));
  assert.is(quote(all, 'standard'), recordedText('escapes standard'));
});

writer('indents as SerializerFeature.PrettyFormat does', () => {
  const odd = new Map<string, unknown>([
    ['list', []],
    ['nested', [[1, 2], {}]],
    ['empty', new Map()],
    ['d', new Double(1e20)],
    ['d2', new Double(0.1 + 0.20000000149011612)],
    ['n', null],
  ]);
  assert.is(writeFastjson(odd, 'pretty'), recordedText('pretty odd'));
  assert.is(writeFastjson(odd), recordedText('plain odd'));
});

writer('writes doubles as Java does', () => {
  const cases: readonly [number, string][] = [
    [0, '0.0'],
    [-0, '0.0'],
    [12.5, '12.5'],
    [3, '3.0'],
    [-1234567, '-1234567.0'],
    [1e7, '1.0E7'],
    [12345678.9, '1.23456789E7'],
    [0.001, '0.001'],
    [0.00099, '9.9E-4'],
  ];
  for (const [value, text] of cases) assert.is(writeFastjson(new Double(value)), text);
});

writer('longs beyond 2^53 are written as such', () => {
  assert.is(writeFastjson({ a: 2n ** 62n }), '{"a":4611686018427387904}');
});

writer('what has no JSON form is a bug of the caller', () => {
  for (const value of [0.5, Number.NaN, 2 ** 60, () => 1, new Double(Number.NaN)]) {
    assert.throws(() => writeFastjson(value), /not an integer|no JSON form|without a JSON form/);
  }
});

writer.run();

const roundTrip = suite('fastjson: reader and writer');

function randomJson(random: Prng, depth: number): JsonValue {
  switch (random.below(depth > 4 ? 4 : 6)) {
    case 0:
      return random.below(1_000_000) - 500_000;
    case 1:
      return random.pick([true, false]);
    case 2:
    case 3:
      return randomText(random, 12);
    case 4:
      return Array.from({ length: random.below(5) }, () => randomJson(random, depth + 1));
    default:
      return new Map(
        Array.from({ length: random.below(5) }, (_, index): [string, JsonValue] => [
          `${randomText(random, 4)}${index}`,
          randomJson(random, depth + 1),
        ]),
      );
  }
}

roundTrip('gives random values back in every style, and agrees with JSON.parse', () => {
  const random = prng(SEED);
  for (let round = 0; round < RANDOM_VALUES; round++) {
    const value = randomJson(random, 0);
    const context = `SEED=${SEED} round ${round}`;
    for (const style of ['plain', 'standard', 'pretty'] as const) {
      const text = writeFastjson(value, style);
      assert.equal(read(text), value, context);
      assert.equal(JSON.parse(text), plain(value), context);
    }
  }
});

roundTrip.run();
