/**
 * Strategy: valid frames (recorded from the Java client, and random ones in both serializations) are mutated by flipped,
 * inserted, removed, repeated and exchanged bytes, by boundary values in length words and by cuts, then read by everything
 * that reads bytes of a connection: frame check, header scan, every accessor, header tables, bodies.
 *
 * Invariants: nothing throws; nothing takes long; the scan's answer depends only on the bytes of the header (the same header
 * between other bytes gives the same answer); every range it reports lies inside the header; an accepted header that
 * JSON.parse accepts too means the same to both; what is decoded survives encode and decode.
 *
 * FUZZ_SECONDS sets how long (default 2), SEED replays a run: it is printed first.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Prng, prng } from '../../src/base/prng.js';
import { consumerRunningInfo } from '../../src/remoting/bodies/client-requests.js';
import { heartbeatData } from '../../src/remoting/bodies/heartbeat.js';
import { decodeRegisterBroker } from '../../src/remoting/bodies/register-broker.js';
import { topicRouteData } from '../../src/remoting/bodies/routes.js';
import { consumeStats } from '../../src/remoting/bodies/statistics.js';
import { topicConfigTable } from '../../src/remoting/bodies/tables.js';
import { BodyProblem, type Codec, decodeBody, encodeBody } from '../../src/remoting/body-codec.js';
import { decodeCommand, decodeFrame, encodeFrame } from '../../src/remoting/command.js';
import { FRAME, Serialization } from '../../src/remoting/frame.js';
import { decodeHeader } from '../../src/remoting/header-table.js';
import { fnv1a, HeaderKey, RequestScan } from '../../src/remoting/request-scan.js';
import { requestOf, requests } from '../../src/remoting/requests.js';
import {
  Placed,
  randomInt32,
  randomJsonHeader,
  randomText,
  recordedBodies,
  recordedFrames,
} from '../remoting/support.js';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 2) * 1000;
/** No single input of a few KiB may take longer: it would stall every connection of the front. */
const SLOWEST_MS = 500;

const BOUNDARIES = [0, 1, -1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fff_ffff, -0x8000_0000, 0xff_ffff, 0x0100_0000];
const FRAGMENTS = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ':',
  ',',
  'null',
  '\\u',
  '\\ud83d',
  '"a":',
  '{"a":{',
  '-',
  '1e',
  ' ',
  '\0',
];

function mutated(random: Prng, source: Buffer): Buffer {
  let bytes = Buffer.from(source);
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(bytes.length + 1);
    const length = random.below(Math.min(16, bytes.length - at) + 1);
    const before = bytes.subarray(0, at);
    const after = bytes.subarray(at + length);
    switch (random.below(7)) {
      case 0:
        if (at < bytes.length) bytes[at] ^= 1 << random.below(8);
        break;
      case 1:
        bytes = Buffer.concat([before, after]);
        break;
      case 2:
        bytes = Buffer.concat([before, Buffer.from(random.pick(FRAGMENTS)), bytes.subarray(at)]);
        break;
      case 3:
        bytes = Buffer.concat([before, bytes.subarray(at, at + length), bytes.subarray(at)]);
        break;
      case 4:
        if (at + 4 <= bytes.length) bytes.writeInt32BE(random.pick(BOUNDARIES) | 0, at);
        break;
      case 5:
        if (at + 2 <= bytes.length) bytes.writeInt16BE((random.pick(BOUNDARIES) << 16) >> 16, at);
        break;
      default:
        if (random.chance(0.2)) bytes = Buffer.from(before);
        break;
    }
  }
  return bytes;
}

const recordedSources = recordedFrames().map(({ hex }) => Buffer.from(hex, 'hex'));

function randomFrame(random: Prng): Buffer {
  if (random.chance(0.4)) return random.pick(recordedSources);
  const body = Buffer.from(randomText(random, 20));
  if (random.chance(0.5)) {
    const ext: Record<string, string> = {};
    for (let count = random.below(8); count > 0; count--) ext[randomText(random, 4)] = randomText(random, 20);
    const code = random.pick(Object.values(requests)).code;
    return encodeFrame({ code, opaque: randomInt32(random), serialization: Serialization.ROCKETMQ, ext }, body);
  }
  const header = Buffer.from(randomJsonHeader(random));
  const frame = Buffer.alloc(FRAME.header);
  frame.writeInt32BE(4 + header.length + body.length, 0);
  frame.writeInt32BE(header.length, 4);
  return Buffer.concat([frame, header, body]);
}

const scan = new RequestScan();
const otherScan = new RequestScan();
const KEYS = ['topic', 'queueId', 'a', 'é', ''].map((key) => new HeaderKey(key));

/** Everything a handler may ask of a scanned header; answers what was seen, for comparison. */
function useEverything(subject: RequestScan, start: number): unknown[] {
  const seen: unknown[] = [
    subject.code,
    subject.opaque,
    subject.flag,
    subject.language,
    subject.version,
    subject.count,
  ];
  const target = Buffer.alloc(64 * 1024);
  for (let index = 0; index < subject.count; index++) {
    const written = subject.copyTo(index, target, 1);
    assert.ok(written <= subject.unescapedLength(index), 'copyTo wrote more than unescapedLength');
    assert.is(target[0], 0);
    assert.is(target[1 + written] ?? 0, 0, 'copyTo wrote behind its answer');
    assert.is(subject.hash(index), fnv1a(target, 1, 1 + written));
    assert.ok(subject.equals(index, target.subarray(1, 1 + written)));
    seen.push(subject.key(index), target.toString('hex', 1, 1 + written), subject.isPresent(index));
    seen.push(subject.int(index, 0), subject.long(index, 0), subject.time(index, 0), subject.boolean(index, false));
    seen.push(subject.roundedLong(index, 0), subject.keyStart[index]! - start, subject.valueStart[index]! - start);
    target.fill(0, 0, written + 2);
  }
  for (const key of KEYS) seen.push(subject.findKey(key));
  for (let letter = 0; letter < 256; letter++) seen.push(subject.find(letter));
  seen.push(subject.fault, subject.faultText(), subject.remark());
  const spec = requestOf(subject.code);
  if (spec !== undefined) {
    const fromScan = decodeHeader(spec.header, subject);
    const fromMap = decodeHeader(spec.header, decodeCommand(subject).ext);
    assert.equal(fromScan, fromMap);
    seen.push(fromScan);
  }
  return seen;
}

function rangesInside(subject: RequestScan, start: number, end: number): boolean {
  for (let index = 0; index < subject.count; index++) {
    const keyAt = subject.keyStart[index]!;
    const valueAt = subject.valueStart[index]!;
    if (keyAt < start || keyAt + subject.keyLength[index]! > end) return false;
    if (valueAt < start || valueAt + subject.valueLength[index]! > end) return false;
  }
  return true;
}

/** JSON.parse's reading, where it has one that the scan should share. */
function agreesWithJsonParse(header: Buffer): void {
  let expected: Record<string, unknown>;
  try {
    expected = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch {
    return; // not JSON in the strict sense; the scan is more lenient, as fastjson is
  }
  for (const key of ['code', 'opaque', 'flag', 'version'] as const) {
    if (!header.includes('\\')) assert.is(scan[key], Number(expected[key] ?? 0));
  }
}

function checkHeader(header: Buffer, serialization: Serialization): void {
  const placed = new Placed(header);
  const isAccepted = placed.scanWith(scan, serialization);
  const alone = Buffer.from(header);
  const view = new DataView(alone.buffer, alone.byteOffset, alone.length);
  assert.is(otherScan.scan(alone, view, 0, alone.length, serialization), isAccepted, 'surroundings matter');
  assert.is(scan.problem === '', isAccepted);
  assert.is(scan.problem, otherScan.problem);
  assert.is(scan.problemAt, otherScan.problemAt);
  assert.ok(rangesInside(scan, placed.start, placed.end), 'range outside the header');
  assert.equal(useEverything(scan, placed.start), useEverything(otherScan, 0));
  if (!isAccepted) return;
  if (serialization === Serialization.JSON) agreesWithJsonParse(header);
  const command = decodeCommand(scan);
  const again = decodeFrame(otherScan, encodeFrame(command));
  if (again.problem !== undefined) throw new Error(`own frame refused: ${again.problem}`);
  assert.equal(withoutHalves(again.command), withoutHalves(command));
}

/** Invalid UTF-8 was replaced when it was first read; text compares equal from then on. */
function withoutHalves(command: { readonly ext: ReadonlyMap<string, string> }): unknown {
  return { ...command, ext: [...command.ext].filter(([, value]) => value !== '').sort() };
}

const BODY_CODECS: readonly Codec<unknown>[] = [
  heartbeatData,
  topicRouteData,
  topicConfigTable,
  consumeStats,
  consumerRunningInfo,
];
const bodySources = recordedBodies().map(({ text, hex }) =>
  text === undefined ? Buffer.from(hex!, 'hex') : Buffer.from(text),
);

function checkBody(body: Buffer): void {
  for (const codec of BODY_CODECS) {
    const value = decodeBody(codec, body);
    if (value instanceof BodyProblem) {
      assert.is.not(value.text, '');
      continue;
    }
    // Half a surrogate pair becomes U+FFFD when it is first written; from then on nothing changes.
    const once = decodeBody(codec, encodeBody(codec, value));
    if (once instanceof BodyProblem) throw new Error(`own body refused: ${once.text}`);
    assert.equal(decodeBody(codec, encodeBody(codec, once)), once, 'a body changes when it is written and read');
  }
  for (const compressed of [false, true]) decodeRegisterBroker(body, { compressed, bodyCrc32: 0, version: 407 });
}

const fuzz = suite('fuzz: remoting');

fuzz('mutated frames and bodies never throw, hang, or mean two things', () => {
  console.log(`SEED=${SEED}`);
  const random = prng(SEED);
  const deadline = performance.now() + FUZZ_MS;
  let round = 0;
  for (; performance.now() < deadline; round++) {
    const frame = mutated(random, randomFrame(random));
    const body = mutated(random, random.pick(bodySources));
    const startedMs = performance.now();
    try {
      decodeFrame(scan, frame);
      const header = frame.subarray(
        Math.min(FRAME.header, frame.length),
        Math.max(FRAME.header, frame.length - random.below(3)),
      );
      checkHeader(header, Serialization.JSON);
      checkHeader(header, Serialization.ROCKETMQ);
      checkBody(body);
    } catch (error) {
      const inputs = `frame ${frame.toString('hex')}, body ${body.toString('hex')}`;
      throw new Error(`SEED=${SEED} round ${round}: ${(error as Error).message}; ${inputs}`, { cause: error });
    }
    assert.ok(performance.now() - startedMs < SLOWEST_MS, `SEED=${SEED} round ${round} took too long`);
  }
  console.log(`${round} rounds`);
  assert.ok(round > 10);
});

fuzz.run();
