/** Recorded fixtures and generators of random headers, for the tests and the fuzzer of src/remoting. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Prng } from '../../src/base/prng.js';
import { Serialization } from '../../src/remoting/frame.js';
import { RequestScan } from '../../src/remoting/request-scan.js';
import { repositoryRoot } from '../support/repository.js';

/** What RemotingCommand.java read from its own bytes. */
export interface RecordedFrame {
  readonly name: string;
  readonly serialization: keyof typeof Serialization;
  readonly code: number;
  readonly opaque: number;
  readonly flag: number;
  readonly language: string;
  readonly version: number;
  readonly remark: string | null;
  readonly ext: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly hex: string;
}

export interface RecordedBody {
  readonly name: string;
  readonly source: string;
  readonly text?: string;
  readonly hex?: string;
}

function fixture(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(repositoryRoot(), 'test/remoting/fixtures', name), 'utf8'));
}

export function recordedFrames(): readonly RecordedFrame[] {
  return fixture('frames.json').frames as RecordedFrame[];
}

export function recordedFrame(name: string, serialization: keyof typeof Serialization): Buffer {
  const found = recordedFrames().find((frame) => frame.name === name && frame.serialization === serialization);
  if (found === undefined) throw new Error(`no recorded frame ${name} ${serialization}`);
  return Buffer.from(found.hex, 'hex');
}

export function recordedBodies(): readonly RecordedBody[] {
  return fixture('bodies.json').bodies as RecordedBody[];
}

export function recordedText(name: string): string {
  const found = recordedBodies().find((body) => body.name === name)?.text;
  if (found === undefined) throw new Error(`no recorded body ${name}`);
  return found;
}

/** Bytes that surround a header in the tests: quotes, backslashes and braces, which a scan that strays would take for its own. */
const SURROUNDINGS = Buffer.from('"\\u12"}{":,');

/** A header in the middle of shared memory, with misleading bytes around it. */
export class Placed {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;

  constructor(header: Uint8Array) {
    const bytes = SURROUNDINGS.length * 2 + header.length;
    this.buffer = Buffer.from(new SharedArrayBuffer(bytes));
    this.view = new DataView(this.buffer.buffer, this.buffer.byteOffset, bytes);
    this.start = SURROUNDINGS.length;
    this.end = this.start + header.length;
    this.buffer.set(SURROUNDINGS, 0);
    this.buffer.set(header, this.start);
    this.buffer.set(SURROUNDINGS, this.end);
  }

  scanWith(scan: RequestScan, serialization: Serialization): boolean {
    return scan.scan(this.buffer, this.view, this.start, this.end, serialization);
  }
}

/** A JSON header, scanned with a fresh RequestScan that must accept it. */
export function scanned(header: string): RequestScan {
  const scan = new RequestScan();
  if (!new Placed(Buffer.from(header)).scanWith(scan, Serialization.JSON)) throw new Error(scan.problem);
  return scan;
}

/** Why a JSON header is refused; undefined when it is not. */
export function refusalOf(header: string): string | undefined {
  const scan = new RequestScan();
  return new Placed(Buffer.from(header)).scanWith(scan, Serialization.JSON) ? undefined : scan.problem;
}

const TEXT_PIECES = [
  'a',
  'Z',
  '7',
  ' ',
  '"',
  '\\',
  '/',
  '\u0001',
  '\u0002',
  '\n',
  '\u007f',
  'é',
  '中',
  '😀',
  '{',
  '}',
  ',',
];

export function randomText(random: Prng, maxPieces: number): string {
  let text = '';
  for (let piece = random.below(maxPieces + 1); piece > 0; piece--) text += random.pick(TEXT_PIECES);
  return text;
}

export function randomInt32(random: Prng): number {
  const magnitude = random.pick([1, 10, 1000, 0x7fff_ffff, 0x1_0000_0000]);
  return random.chance(0.1) ? -0x8000_0000 : (random.below(magnitude) * (random.chance(0.3) ? -1 : 1)) | 0;
}

/** JSON text of a string, with more escapes than necessary: surrogate pairs are escaped as a whole or not at all. */
export function escapedText(random: Prng, text: string): string {
  let escaped = '';
  for (const character of text) {
    const mustEscape = character === '"' || character === '\\' || character < ' ';
    if (!mustEscape && !random.chance(0.1)) {
      escaped += character;
      continue;
    }
    for (let index = 0; index < character.length; index++) {
      escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
    }
  }
  return `"${escaped}"`;
}

function space(random: Prng): string {
  return random.chance(0.15) ? random.pick([' ', '\n', '\t', '\r\n  ']) : '';
}

function shuffled<T>(random: Prng, items: readonly T[]): T[] {
  const rest = [...items];
  return items.map(() => rest.splice(random.below(rest.length), 1)[0]!);
}

function joined(random: Prng, open: string, fields: readonly string[], close: string): string {
  const spaced = fields.map((field) => `${space(random)}${field}${space(random)}`);
  return `${open}${spaced.join(',')}${fields.length === 0 ? space(random) : ''}${close}`;
}

function field(random: Prng, key: string, valueText: string): string {
  return `${JSON.stringify(key)}${space(random)}:${space(random)}${valueText}`;
}

function randomUnknownValue(random: Prng, depth: number): string {
  switch (random.below(depth > 4 ? 4 : 6)) {
    case 0:
      return String(randomInt32(random));
    case 1:
      return random.pick(['true', 'false', 'null', '-0.5', '1e9', '[]', '{}']);
    case 2:
    case 3:
      return escapedText(random, randomText(random, 6));
    case 4: {
      const items = Array.from({ length: random.below(4) }, () => randomUnknownValue(random, depth + 1));
      return joined(random, '[', items, ']');
    }
    default: {
      const fields = Array.from({ length: random.below(4) }, (_, index) =>
        field(random, `${randomText(random, 3)}${index}`, randomUnknownValue(random, depth + 1)),
      );
      return joined(random, '{', fields, '}');
    }
  }
}

const KEYS = ['a', 'b', 'i', 'topic', 'queueId', 'queueOffset', 'é', 'with "quote"', '', 'code', 'remark', 'TRACE_ON'];

/** Text of a valid JSON header: random key order, white space, escapes, ext value types, unknown and repeated keys. */
export function randomJsonHeader(random: Prng): string {
  const fields: string[] = [];
  for (const key of ['code', 'flag', 'opaque', 'version']) {
    if (random.chance(0.9)) fields.push(field(random, key, String(randomInt32(random))));
  }
  if (random.chance(0.8)) fields.push(field(random, 'language', `"${random.pick(['JAVA', 'GO', 'CPP', 'COBOL'])}"`));
  if (random.chance(0.5)) {
    fields.push(field(random, 'remark', random.chance(0.2) ? 'null' : escapedText(random, randomText(random, 12))));
  }
  if (random.chance(0.9)) {
    const ext = Array.from({ length: random.below(14) }, () => {
      const key = random.pick(KEYS);
      const value = random.chance(0.7)
        ? escapedText(random, randomText(random, 20))
        : random.pick(['0', '-17', '1234567890123', '12.5', 'true', 'false', 'null']);
      return `${random.chance(0.1) ? escapedText(random, key) : JSON.stringify(key)}${space(random)}:${space(random)}${value}`;
    });
    fields.push(field(random, 'extFields', joined(random, '{', ext, '}')));
  }
  for (let count = random.below(4); count > 0; count--) {
    fields.push(
      field(random, random.pick(['x', 'serializeTypeCurrentRPC', 'codes', 'q"']), randomUnknownValue(random, 0)),
    );
  }
  return joined(random, `${space(random)}{`, shuffled(random, fields), `}${space(random)}`);
}
