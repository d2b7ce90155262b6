import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { type Command, decodeFrame, encodeFrame, Flag } from '../../src/remoting/command.js';
import { Serialization } from '../../src/remoting/frame.js';
import { RequestScan } from '../../src/remoting/request-scan.js';
import { Language, OUR_VERSION } from '../../src/remoting/version.js';
import { randomInt32, randomText, recordedFrames } from './support.js';

const SEED = 4711;
const RANDOM_COMMANDS = 2000;

function decoded(frame: Buffer): { command: Command; body: Buffer } {
  const result = decodeFrame(new RequestScan(), frame);
  if (result.problem !== undefined) throw new Error(result.problem);
  return result;
}

function problemOf(frame: Buffer): string {
  return decodeFrame(new RequestScan(), frame).problem ?? 'accepted';
}

const recorded = suite('command: frames recorded from the Java client');

for (const frame of recordedFrames()) {
  const bytes = Buffer.from(frame.hex, 'hex');

  recorded(`${frame.name} ${frame.serialization} decodes as Java reads it`, () => {
    const { command, body } = decoded(bytes);
    assert.is(command.code, frame.code);
    assert.is(command.opaque, frame.opaque);
    assert.is(command.flag, frame.flag);
    assert.is(command.language, Language[frame.language as keyof typeof Language]);
    assert.is(command.version, frame.version);
    assert.is(command.remark, frame.remark ?? undefined);
    assert.is(command.serialization, Serialization[frame.serialization]);
    assert.equal(Object.fromEntries(command.ext), { ...frame.ext });
    assert.is(body.length, frame.bodyBytes);
  });

  recorded(`${frame.name} ${frame.serialization} is what we would send, byte for byte`, () => {
    const { command, body } = decoded(bytes);
    assert.is(encodeFrame(command, body).toString('hex'), frame.hex);
  });
}

recorded.run();

const roundTrip = suite('command: encode and decode');

roundTrip('gives random commands back, in both serializations', () => {
  const random = prng(SEED);
  for (let round = 0; round < RANDOM_COMMANDS; round++) {
    const serialization = random.pick([Serialization.JSON, Serialization.ROCKETMQ]);
    const isBinary = serialization === Serialization.ROCKETMQ;
    const ext = new Map<string, string>();
    for (let count = random.below(12); count > 0; count--) {
      const value = randomText(random, 30);
      // An empty value reads as absent in the binary form.
      if (!isBinary || value !== '') ext.set(`${randomText(random, 5)}k`, value);
    }
    const remark = random.chance(0.5) ? `${randomText(random, 20)}.` : undefined;
    const command: Command = {
      code: isBinary ? (randomInt32(random) << 16) >> 16 : randomInt32(random),
      opaque: randomInt32(random),
      flag: random.below(4),
      language: random.below(14),
      version: random.below(600),
      serialization,
      remark,
      ext,
    };
    const body = Buffer.from(randomText(random, 40));
    const result = decoded(encodeFrame(command, body));
    assert.equal(result.command, command, `SEED=${SEED} round ${round}`);
    assert.ok(result.body.equals(body), `SEED=${SEED} round ${round}`);
  }
});

roundTrip('says JAVA and 4.9.7 unless told otherwise, and leaves absent parts out', () => {
  const frame = encodeFrame({ code: 0, opaque: 9, flag: Flag.RESPONSE, ext: { a: undefined } });
  const { command, body } = decoded(frame);
  assert.is(command.language, Language.JAVA);
  assert.is(command.version, OUR_VERSION);
  assert.is(command.remark, undefined);
  assert.is(command.ext.size, 0);
  assert.is(body.length, 0);
  assert.is(
    frame.toString('utf8', 8),
    '{"code":0,"flag":1,"language":"JAVA","opaque":9,"serializeTypeCurrentRPC":"JSON","version":407}',
  );
});

roundTrip('a code that does not fit 16 bits has no binary form', () => {
  assert.throws(
    () => encodeFrame({ code: 200_050, opaque: 1, serialization: Serialization.ROCKETMQ }),
    /no frame can hold it/,
  );
});

roundTrip('refuses to build a frame over the limit', () => {
  assert.throws(() => encodeFrame({ code: 10, opaque: 1 }, Buffer.alloc(16 * 1024 * 1024)), /no frame can hold it/);
});

roundTrip.run();

const damaged = suite('command: frames that cannot be read');

damaged('are a problem with a text, never an exception', () => {
  const frame = encodeFrame({ code: 105, opaque: 1, ext: { topic: 'T' } }, Buffer.from('body'));
  assert.match(problemOf(frame.subarray(0, 7)), /at least 8 expected/);
  assert.match(problemOf(frame.subarray(0, frame.length - 1)), /frame says \d+ bytes and has \d+/);
  const unknown = Buffer.from(frame);
  unknown[4] = 9;
  assert.match(problemOf(unknown), /unknown serialization type 9/);
  const broken = Buffer.from(frame);
  broken[8] = 0x5b;
  assert.match(problemOf(broken), /not a JSON object \(header byte 0\)/);
});

damaged.run();
