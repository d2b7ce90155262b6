import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { decodeFrame, encodeFrame, Flag } from '../../src/remoting/command.js';
import { Serialization } from '../../src/remoting/frame.js';
import { RequestScan } from '../../src/remoting/request-scan.js';
import {
  FieldName,
  INTEGER_FIELD_BYTES,
  maxResponseBytes,
  ResponseWriter,
} from '../../src/remoting/response-writer.js';
import { randomInt32, randomText, recordedFrame } from './support.js';

const SEED = 99;
const RANDOM_RESPONSES = 2000;

const writer = suite('response writer');

const target = Buffer.from(new SharedArrayBuffer(8192));
const view = new DataView(target.buffer);

/** Writes a frame at byte 100 and answers a copy of it. */
function written(serialization: Serialization, fill: (writer: ResponseWriter) => void, code = 0, opaque = 1): Buffer {
  const response = new ResponseWriter();
  response.begin(target, view, 100, serialization, code, opaque);
  fill(response);
  response.endHeader();
  return Buffer.from(target.subarray(100, 100 + response.finish(0)));
}

writer('writes the bytes that the Java broker writes', () => {
  for (const form of ['JSON', 'ROCKETMQ'] as const) {
    const expected = recordedFrame('response PULL_MESSAGE', form);
    const { command, body } = decodeFrame(new RequestScan(), expected) as { command: { opaque: number }; body: Buffer };
    const response = new ResponseWriter();
    response.begin(target, view, 0, Serialization[form], 0, command.opaque);
    response.field(new FieldName('suggestWhichBrokerId'), 1);
    response.field(new FieldName('nextBeginOffset'), 9007199254740991);
    // Java's own field order differs between the two forms.
    for (const name of form === 'JSON' ? ['maxOffset', 'minOffset'] : ['minOffset', 'maxOffset']) {
      response.field(new FieldName(name), name === 'maxOffset' ? 100 : 0);
    }
    response.remark('FOUND');
    target.set(body, response.endHeader());
    assert.is(target.toString('hex', 0, response.finish(body.length)), expected.toString('hex'));
  }
});

writer('escapes what JSON wants escaped and leaves the binary form as it is', () => {
  const text = 'a"\\/\b\t\n\f\r\u0001\u001fGrüße 中 😀';
  for (const serialization of [Serialization.JSON, Serialization.ROCKETMQ]) {
    const frame = written(serialization, (response) => {
      const bytes = Buffer.from(`__${text}__`);
      response.fieldBytes(new FieldName('bytes'), bytes, 2, bytes.length - 4);
      response.fieldText(new FieldName('text'), text);
      response.remark(text);
    });
    const expected = encodeFrame(
      { code: 0, opaque: 1, flag: Flag.RESPONSE, serialization, remark: text, ext: { bytes: text, text } },
      Buffer.alloc(0),
    );
    assert.is(frame.toString('utf8'), expected.toString('utf8'));
    assert.ok(frame.equals(expected));
  }
});

writer('writes half a surrogate pair as U+FFFD', () => {
  const frame = written(Serialization.ROCKETMQ, (response) => {
    response.fieldText(new FieldName('a'), 'x\ud83d');
    response.remark('\ude00y');
  });
  const result = decodeFrame(new RequestScan(), frame);
  if (result.problem !== undefined) throw new Error(result.problem);
  assert.is(result.command.ext.get('a'), 'x\ufffd');
  assert.is(result.command.remark, '\ufffdy');
});

writer('writes every integer as JavaScript does', () => {
  const values = [0, 1, 9, 10, 99, 100, 2147483647, 2147483648, 4294967296, 9999999999, 123456789012345];
  const NAME = new FieldName('n');
  for (const value of [
    ...values,
    ...values.map((positive) => -positive),
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ]) {
    const frame = written(Serialization.JSON, (response) => response.field(NAME, value));
    assert.is(JSON.parse(frame.toString('utf8', 8)).extFields.n, String(value === 0 ? 0 : value));
  }
  assert.throws(() => written(Serialization.JSON, (response) => response.field(NAME, 0.5)), /header integer/);
  assert.throws(() => written(Serialization.JSON, (response) => response.field(NAME, 2 ** 53)), /header integer/);
});

writer('equals encodeFrame for random responses, in the room that maxResponseBytes promises', () => {
  const random = prng(SEED);
  const response = new ResponseWriter();
  for (let round = 0; round < RANDOM_RESPONSES; round++) {
    const context = `SEED=${SEED} round ${round}`;
    const serialization = random.pick([Serialization.JSON, Serialization.ROCKETMQ]);
    const code = random.below(300);
    const opaque = randomInt32(random);
    const remark = random.chance(0.4) ? randomText(random, 30) : '';
    const body = Buffer.from(randomText(random, 20));
    const ext = new Map<string, string>();
    let valueBytes = 0;
    target.fill(0xee);
    const at = random.below(64);
    response.begin(target, view, at, serialization, code, opaque);
    for (let index = random.below(8); index > 0; index--) {
      const name = new FieldName(`f${index}_${'x'.repeat(random.below(30))}`);
      if (random.chance(0.5)) {
        const value = randomInt32(random) * (random.chance(0.3) ? 4_000_000 : 1);
        response.field(name, value);
        ext.set(name.text, String(value));
        valueBytes += INTEGER_FIELD_BYTES;
      } else {
        const text = randomText(random, 20);
        if (random.chance(0.5)) response.fieldText(name, text);
        else response.fieldBytes(name, Buffer.from(text), 0, Buffer.byteLength(text));
        ext.set(name.text, text);
        valueBytes += Buffer.byteLength(text);
      }
      if (random.chance(0.2)) response.remark('replaced later');
    }
    response.remark(remark);
    target.set(body, response.endHeader());
    const bytes = response.finish(body.length);
    const expected = encodeFrame(
      { code, opaque, flag: Flag.RESPONSE, serialization, remark: remark === '' ? undefined : remark, ext },
      body,
    );
    // The two differ only in U+007F, which fastjson escapes and the writer need not.
    const same = decodeFrame(new RequestScan(), Buffer.from(target.subarray(at, at + bytes)));
    assert.equal(same, decodeFrame(new RequestScan(), expected), context);
    assert.ok(bytes <= maxResponseBytes(ext.size, valueBytes, remark, body.length), context);
    assert.is(target[at + bytes], 0xee, context);
    if (at > 0) assert.is(target[at - 1], 0xee, context);
  }
});

writer('a frame that was not ended, or that left its buffer, is a bug of the caller', () => {
  const response = new ResponseWriter();
  response.begin(target, view, 0, Serialization.JSON, 0, 1);
  assert.throws(() => response.finish(0), /without endHeader/);
  response.begin(target, view, target.length - 20, Serialization.JSON, 0, 1);
  response.endHeader();
  assert.throws(() => response.finish(0), /outside its buffer/);
});

writer('field names are identifiers of at most 40 letters', () => {
  assert.throws(() => new FieldName('a"b'), /header field name/);
  assert.throws(() => new FieldName(''), /header field name/);
  assert.throws(() => new FieldName('a'.repeat(41)), /header field name/);
  assert.is(new FieldName('_UNIQUE_KEY_QUERY').text, '_UNIQUE_KEY_QUERY');
});

writer.run();
