import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { decodeCommand } from '../../src/remoting/command.js';
import { Serialization } from '../../src/remoting/frame.js';
import { MAX_EXT_FIELDS } from '../../src/remoting/header-fields.js';
import { fnv1a, HeaderKey, RequestScan } from '../../src/remoting/request-scan.js';
import { Language } from '../../src/remoting/version.js';
import { Placed, randomJsonHeader, refusalOf, scanned } from './support.js';

const SEED = 20240117;
const RANDOM_HEADERS = 3000;

const json = suite('request scan: JSON headers');

json('reads the fixed fields, whatever the order and white space', () => {
  const scan = scanned(
    ' {\r\n"version" : 317 ,"opaque":-7,\t"language":"GO","code":11,"flag":2,"serializeTypeCurrentRPC":"JSON"} \n',
  );
  assert.is(scan.code, 11);
  assert.is(scan.opaque, -7);
  assert.is(scan.flag, 2);
  assert.is(scan.version, 317);
  assert.is(scan.language, Language.GO);
  assert.is(scan.isOneWay, true);
  assert.is(scan.isResponse, false);
  assert.is(scan.remark(), undefined);
  assert.is(scan.count, 0);
});

json('forgets the header before', () => {
  const scan = scanned('{"code":1,"opaque":2,"flag":3,"version":4,"language":"GO","remark":"r","extFields":{"a":"x"}}');
  assert.is(scan.int(scan.find(0x61), 0), 0);
  assert.is.not(scan.fault, -1);
  assert.ok(new Placed(Buffer.from('{}')).scanWith(scan, Serialization.JSON));
  assert.equal(
    [scan.code, scan.opaque, scan.flag, scan.version, scan.language, scan.count, scan.fault, scan.find(0x61)],
    [0, 0, 0, 0, Language.JAVA, 0, -1, -1],
  );
  assert.is(scan.remark(), undefined);
});

json('takes fixed fields as fastjson casts them: digits in a string, null, language by ordinal', () => {
  const scan = scanned('{"code":"310","opaque":null,"flag":-2147483648,"language":9,"version":2147483647}');
  assert.equal([scan.code, scan.opaque, scan.flag, scan.language], [310, 0, -2147483648, Language.GO]);
  assert.is(scan.version, 2147483647);
  assert.is(scanned('{"language":"COBOL"}').language, Language.OTHER);
});

json('skips unknown keys, also those that only begin like known ones', () => {
  const scan = scanned(
    '{"codes":7,"flagship":[1,{"a":[]}],"extFieldsX":{"b":"{"},"opaq":"\\"}","remar":{},"code":5,"\\u0066lag":9}',
  );
  assert.equal([scan.code, scan.flag, scan.opaque, scan.count], [5, 0, 0, 0]);
});

json('keeps string, number and boolean ext values and takes null for absent', () => {
  const scan = scanned('{"extFields":{"a":"text","b":17,"c":true,"d":null,"e":"","f":-1.5e3}}');
  assert.is(scan.string(scan.find(0x61)), 'text');
  assert.is(scan.int(scan.find(0x62), 0), 17);
  assert.is(scan.boolean(scan.find(0x63), false), true);
  assert.is(scan.find(0x64), -1);
  assert.is(scan.string(scan.find(0x65)), '');
  assert.is(scan.string(scan.find(0x66)), '-1.5e3');
  assert.is(scan.string(scan.find(0x7a)), '');
  assert.is(scan.fault, -1);
});

json('finds keys of any length, written plainly or with escapes; the last of duplicates wins', () => {
  const scan = scanned('{"extFields":{"topic":"one","t\\u006fpic":"two","a":"1","\\u0061":"2","tokic":"x"}}');
  assert.is(scan.string(scan.findKey(new HeaderKey('topic'))), 'two');
  assert.is(scan.string(scan.find(0x61)), '2');
  assert.is(scan.string(scan.findKey(new HeaderKey('a'))), '2');
  assert.is(scan.findKey(new HeaderKey('tonic')), -1);
  assert.is(scan.findKey(new HeaderKey('')), -1);
  assert.is(scan.key(1), 'topic');
  assert.is(scanned('{"extFields":{"a":"1","a":null}}').find(0x61), -1);
});

json('does not mistake a key of 65537 letters for a one-letter key', () => {
  assert.is(scanned(`{"extFields":{"${'a'.repeat(65_537)}":"1"}}`).find(0x61), -1);
});

json('undoes escapes into the target: separators, short forms, surrogate pairs', () => {
  const text = 'KEYS\u0001k1\u0002U\u0001Grüße "q" \\ /\b\t\n\f\r 😀';
  const escaped = JSON.stringify(text).replace('😀', '\\uD83D\\uDE00').replace('ü', '\\u00fc').replace('/', '\\/');
  const scan = scanned(`{"extFields":{"i":${escaped}}}`);
  const target = Buffer.alloc(200, 0xff);
  const written = scan.copyTo(scan.find(0x69), target, 10);
  assert.is(target.toString('utf8', 10, 10 + written), text);
  assert.is(target[9], 0xff);
  assert.is(target[10 + written], 0xff);
  assert.ok(written <= scan.unescapedLength(scan.find(0x69)));
  assert.is(scan.string(scan.find(0x69)), text);
  assert.ok(scan.equals(scan.find(0x69), Buffer.from(text)));
  assert.not(scan.equals(scan.find(0x69), Buffer.from(`${text}!`)));
  assert.is(scan.hash(scan.find(0x69)), fnv1a(Buffer.from(text), 0, Buffer.byteLength(text)));
});

json('writes U+FFFD for half a surrogate pair and keeps what follows', () => {
  const scan = scanned('{"extFields":{"a":"\\ud83dx","b":"\\ude00\\ud83d","c":"\\ud83d\\u0041"}}');
  assert.is(scan.string(scan.find(0x61)), '\ufffdx');
  assert.is(scan.string(scan.find(0x62)), '\ufffd\ufffd');
  assert.is(scan.string(scan.find(0x63)), '\ufffdA');
});

json('copies plain values exactly and refuses a target that is too small', () => {
  const scan = scanned('{"extFields":{"b":"TopicTest"}}');
  const target = Buffer.alloc(9);
  assert.is(scan.copyTo(scan.find(0x62), target, 0), 9);
  assert.is(target.toString(), 'TopicTest');
  assert.is(scan.copyTo(-1, target, 0), 0);
  assert.throws(() => scan.copyTo(scan.find(0x62), target, 1), /no room/);
});

json('hashes with FNV-1a 32', () => {
  const scan = scanned('{"extFields":{"a":"foobar"}}');
  assert.is(scan.hash(scan.find(0x61)) >>> 0, 0xbf9cf968); // published test vector
});

json('holds 64 ext fields and refuses 65', () => {
  const header = (count: number): string =>
    `{"extFields":{${Array.from({ length: count }, (_, index) => `"k${index}":"${index}"`).join(',')}}}`;
  const scan = scanned(header(MAX_EXT_FIELDS));
  assert.is(scan.int(scan.findKey(new HeaderKey('k63')), 0), 63);
  assert.match(refusalOf(header(MAX_EXT_FIELDS + 1))!, /too many ext fields/);
});

json('refuses malformed headers with a reason', () => {
  const cases: readonly [string, RegExp][] = [
    ['', /not a JSON object/],
    ['[]', /not a JSON object/],
    ['{', /ends early/],
    ['{"code"', /colon expected/],
    ['{"code":', /ends early/],
    ['{"code":1', /comma or closing brace/],
    ['{"code":1,}', /key expected/],
    ['{"code":1}x', /bytes behind/],
    ['{code:1}', /key expected/],
    ['{"code":1.5}', /comma or closing brace/],
    ['{"code":"1x"}', /int expected/],
    ['{"code":true}', /int expected/],
    ['{"opaque":2147483648}', /int expected/],
    ['{"opaque":-2147483649}', /int expected/],
    ['{"opaque":99999999999999999999999999}', /int expected/],
    ['{"opaque":-}', /int expected/],
    ['{"remark":5}', /malformed remark/],
    ['{"language":"GO}', /malformed language/],
    ['{"extFields":[]}', /not an object/],
    ['{"extFields":{"a":{}}}', /neither string, number/],
    ['{"extFields":{"a":"x}}', /malformed string/],
    ['{"extFields":{"a":"\\x"}}', /malformed string/],
    ['{"extFields":{"a":"\\u12g4"}}', /malformed string/],
    ['{"extFields":{"a":"\\u12"}}', /malformed string/],
    ['{"extFields":{"a" "b"}}', /colon expected/],
    ['{"extFields":{"a":"b" "c":"d"}}', /comma or closing brace/],
    ['{"extFields":{"a":"b",}}', /key expected/],
    ['{"extFields":{"a', /malformed key/],
    ['{"x":[1,2}', /malformed or too deeply/],
    ['{"x":tru}', /malformed or too deeply/],
    [`{"x":${'['.repeat(31)}${']'.repeat(31)}}`, /malformed or too deeply/],
  ];
  for (const [header, reason] of cases) assert.match(refusalOf(header) ?? 'accepted', reason, header);
});

json('says where in the header it stopped', () => {
  const scan = new RequestScan();
  assert.not(new Placed(Buffer.from('{"code":1,"flag":x}')).scanWith(scan, Serialization.JSON));
  assert.is(scan.problemAt, 17);
});

json('agrees with JSON.parse on random headers', () => {
  const random = prng(SEED);
  const scan = new RequestScan();
  for (let round = 0; round < RANDOM_HEADERS; round++) {
    const header = randomJsonHeader(random);
    const context = `SEED=${SEED} round ${round}: ${header}`;
    const expected = JSON.parse(header);
    assert.ok(new Placed(Buffer.from(header)).scanWith(scan, Serialization.JSON), `${scan.problem} ${context}`);
    const command = decodeCommand(scan);
    assert.is(command.code, expected.code ?? 0, context);
    assert.is(command.opaque, expected.opaque ?? 0, context);
    assert.is(command.flag, expected.flag ?? 0, context);
    assert.is(command.version, expected.version ?? 0, context);
    assert.is(command.remark, expected.remark ?? undefined, context);
    const ext = Object.entries((expected.extFields ?? {}) as Record<string, unknown>).filter(
      ([, value]) => value !== null,
    );
    assert.equal(
      Object.fromEntries(command.ext),
      Object.fromEntries(ext.map(([key, value]) => [key, String(value)])),
      context,
    );
    for (const [key, value] of ext) {
      const index = scan.findKey(new HeaderKey(key));
      const bytes = Buffer.from(String(value));
      assert.ok(scan.equals(index, bytes), context);
      assert.is(scan.hash(index), fnv1a(bytes, 0, bytes.length), context);
      if (Buffer.byteLength(key) === 1) assert.is(scan.find(key.charCodeAt(0)), index, context);
    }
  }
});

json.run();

const accessors = suite('request scan: numbers and booleans');

accessors('reads ints as Integer.parseInt does and sets the fault otherwise', () => {
  const good: readonly [string, number][] = [
    ['0', 0],
    ['-0', 0],
    ['+5', 5],
    ['007', 7],
    ['2147483647', 2147483647],
    ['-2147483648', -2147483648],
    ['\\u0031\\u0032', 12],
  ];
  for (const [text, value] of good) {
    const scan = scanned(`{"extFields":{"e":"${text}"}}`);
    assert.is(scan.int(scan.find(0x65), -1), value);
    assert.is(scan.fault, -1, text);
  }
  for (const text of ['', '-', '+', ' 1', '1 ', '1.0', '0x10', '2147483648', '-2147483649', '1e3', 'ten']) {
    const scan = scanned(`{"extFields":{"e":"${text}"}}`);
    assert.is(scan.int(scan.find(0x65), -1), 0);
    assert.is(scan.fault, 0, text);
    assert.is(scan.faultText(), `the header field <e> is not an int: "${text}"`);
  }
});

accessors('reads longs below 2^53 exactly and sets the fault beyond', () => {
  const scan = scanned(
    '{"extFields":{"a":"9007199254740991","b":-9007199254740991,"c":"9007199254740992","d":"9223372036854775807"}}',
  );
  assert.is(scan.long(scan.find(0x61), 0), Number.MAX_SAFE_INTEGER);
  assert.is(scan.long(scan.find(0x62), 0), -Number.MAX_SAFE_INTEGER);
  assert.is(scan.fault, -1);
  assert.is(scan.long(scan.find(0x63), 0), 0);
  assert.is(scan.fault, 2);
  assert.is(scan.long(scan.find(0x64), 0), 0);
  assert.is(scan.fault, 2); // the first one stays
  assert.match(scan.faultText(), /<c> is not a long below 2\^53: "9007199254740992"/);
});

accessors('saturates times, so that Long.MAX_VALUE means for ever', () => {
  const scan = scanned(
    '{"extFields":{"a":"9223372036854775807","b":"-9223372036854775808","c":"1706700000000","d":"x"}}',
  );
  assert.is(scan.time(scan.find(0x61), 0), Number.MAX_SAFE_INTEGER);
  assert.is(scan.time(scan.find(0x62), 0), -Number.MAX_SAFE_INTEGER);
  assert.is(scan.time(scan.find(0x63), 0), 1706700000000);
  assert.is(scan.fault, -1);
  assert.is(scan.time(scan.find(0x64), 0), 0);
  assert.is(scan.fault, 3);
});

accessors('rounds a version in nanoseconds to the Number that a body has for it', () => {
  let seen = 1763732400123456789n;
  for (let i = 0; i < 1000; i++, seen += 7_919_000_000_017n) {
    const scan = scanned(`{"extFields":{"a":"${seen}"}}`);
    assert.is(scan.roundedLong(scan.find(0x61), 0), Number(seen));
    assert.is(scan.fault, -1);
  }
  const scan = scanned('{"extFields":{"a":"1706700000123","b":"x"}}');
  assert.is(scan.roundedLong(scan.find(0x61), 0), 1706700000123);
  assert.is(scan.roundedLong(scan.find(0x62), 0), 0);
  assert.is(scan.fault, 1);
});

accessors('answers the given value for an absent field, without a fault', () => {
  const scan = scanned('{}');
  assert.is(scan.int(scan.find(0x65), -3), -3);
  assert.is(scan.long(-1, 8), 8);
  assert.is(scan.time(-1, 9), 9);
  assert.is(scan.roundedLong(-1, 7), 7);
  assert.is(scan.boolean(-1, true), true);
  assert.is(scan.fault, -1);
});

accessors('reads booleans as Boolean.parseBoolean does', () => {
  for (const [text, value] of [
    ['"true"', true],
    ['"TRUE"', true],
    ['"\\u0054rue"', true],
    ['true', true],
    ['"false"', false],
    ['"1"', false],
    ['1', false],
    ['"truer"', false],
    ['""', false],
  ] as const) {
    const scan = scanned(`{"extFields":{"m":${text}}}`);
    assert.is(scan.boolean(scan.find(0x6d), !value), value, text);
  }
});

accessors.run();

const binary = suite('request scan: binary headers');

function binaryHeader(remark: string, ext: Buffer): Buffer {
  const remarkBytes = Buffer.from(remark);
  const header = Buffer.alloc(21 + remarkBytes.length + ext.length);
  header.writeInt16BE(310, 0);
  header.writeInt8(9, 2);
  header.writeInt16BE(317, 3);
  header.writeInt32BE(-5, 5);
  header.writeInt32BE(1, 9);
  header.writeInt32BE(remarkBytes.length, 13);
  header.set(remarkBytes, 17);
  header.writeInt32BE(ext.length, 17 + remarkBytes.length);
  header.set(ext, 21 + remarkBytes.length);
  return header;
}

function extField(key: string, value: string): Buffer {
  const keyBytes = Buffer.from(key);
  const valueBytes = Buffer.from(value);
  const bytes = Buffer.alloc(6 + keyBytes.length + valueBytes.length);
  bytes.writeInt16BE(keyBytes.length, 0);
  bytes.set(keyBytes, 2);
  bytes.writeInt32BE(valueBytes.length, 2 + keyBytes.length);
  bytes.set(valueBytes, 6 + keyBytes.length);
  return bytes;
}

function scanBinary(header: Buffer): RequestScan {
  const scan = new RequestScan();
  new Placed(header).scanWith(scan, Serialization.ROCKETMQ);
  return scan;
}

binary('reads all fields; bytes that are escapes in JSON are themselves here', () => {
  const ext = Buffer.concat([extField('b', 'a\\u0041"'), extField('queueId', '3'), extField('i', 'k\u0001v\u0002')]);
  const scan = scanBinary(binaryHeader('rémark', ext));
  assert.is(scan.problem, '');
  assert.equal([scan.code, scan.language, scan.version, scan.opaque, scan.flag], [310, 9, 317, -5, 1]);
  assert.is(scan.remark(), 'rémark');
  assert.is(scan.string(scan.find(0x62)), 'a\\u0041"');
  assert.is(scan.int(scan.findKey(new HeaderKey('queueId')), 0), 3);
  assert.is(scan.string(scan.find(0x69)), 'k\u0001v\u0002');
  assert.is(scan.isResponse, true);
});

binary('takes an empty value and an empty remark for absent, as Java since 4.9', () => {
  const scan = scanBinary(binaryHeader('', extField('a', '')));
  assert.is(scan.problem, '');
  assert.is(scan.count, 1);
  assert.is(scan.find(0x61), -1);
  assert.is(scan.remark(), undefined);
});

binary('refuses lengths that leave the header, at every cut and for every length word', () => {
  const ext = Buffer.concat([extField('a', 'x'), extField('topic', 'TopicTest')]);
  const header = binaryHeader('remark', ext);
  assert.is(scanBinary(header).problem, '');
  for (let end = 0; end < header.length; end++) {
    assert.is.not(scanBinary(header.subarray(0, end)).problem, '', `cut at ${end}`);
  }
  // Of the remark, of all ext fields (behind 6 bytes of remark), of the first value (behind its one-letter key).
  const lengthWords = [13, 23, 30];
  for (const at of lengthWords) {
    for (const wrong of [-1, -0x8000_0000, 0x7fff_ffff, header.length]) {
      const broken = Buffer.from(header);
      broken.writeInt32BE(wrong, at);
      assert.is.not(scanBinary(broken).problem, '', `${wrong} at ${at}`);
    }
  }
});

binary('refuses 65 fields and bytes behind the ext fields', () => {
  const fields = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => extField('a', 'x')));
  assert.is(scanBinary(binaryHeader('', fields(MAX_EXT_FIELDS))).count, MAX_EXT_FIELDS);
  assert.match(scanBinary(binaryHeader('', fields(MAX_EXT_FIELDS + 1))).problem, /too many ext fields/);
  assert.match(scanBinary(Buffer.concat([binaryHeader('', fields(1)), Buffer.from('x')])).problem, /do not fill/);
});

binary.run();

const contract = suite('request scan: contract with the caller');

contract('a range outside the buffer is a bug of the caller', () => {
  const scan = new RequestScan();
  const buffer = Buffer.from('{}');
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  for (const [start, end] of [
    [-1, 2],
    [0, 3],
    [2, 1],
  ] as const) {
    assert.throws(() => scan.scan(buffer, view, start, end, Serialization.JSON), /outside its buffer/);
  }
});

contract.run();
