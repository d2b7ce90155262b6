import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB } from '../../src/base/units.js';
import { Scanned } from '../../src/message/properties.js';
import { javaHash } from '../../src/message/java-hash.js';
import { CommitLog } from '../../src/store/commit-log.js';
import {
  type LogBytes,
  LogScanner,
  parseDelayLevels,
  type ScanResult,
  type ScannedRecord,
} from '../../src/store/log-scan.js';
import { LogWindow } from '../../src/store/log-window.js';
import { append, bodyOf, encodeRecord, simulatedDisk, START_MS, type TestMessage } from './support.js';

const FILE_BYTES = 64 * KIB;
const LEVELS = parseDelayLevels('1s 5s 10s')!;

/** A log in memory: records one after the other from `start` on, then zeros to the end of the last file. */
class Bytes implements LogBytes {
  reads = 0;
  constructor(
    readonly content: Buffer,
    readonly start = 0,
  ) {}
  read(offset: number, length: number, target: Uint8Array, at: number): number {
    this.reads++;
    const from = offset - this.start;
    const part = this.content.subarray(from, from + length);
    target.set(part, at);
    return part.length;
  }
}

function records(
  messages: readonly TestMessage[],
  bytes = FILE_BYTES,
): { content: Buffer; offsets: number[]; end: number } {
  const content = Buffer.alloc(bytes);
  const offsets: number[] = [];
  let end = 0;
  for (const message of messages) {
    const record = encodeRecord(message, end);
    record.copy(content, end);
    offsets.push(end);
    end += record.length;
  }
  return { content, offsets, end };
}

const scannerOf = (blockBytes = 1 * KIB): LogScanner =>
  new LogScanner({ fileBytes: FILE_BYTES, delayLevelsMs: LEVELS, blockBytes });

function scan(
  source: LogBytes,
  to: number,
  scanner = scannerOf(),
  from = 0,
): { offsets: number[]; result: ScanResult } {
  const offsets: number[] = [];
  const result = scanner.scan(source, from, to, true, (record) => void offsets.push(record.offset));
  return { offsets, result };
}

const many = (count: number): TestMessage[] =>
  Array.from({ length: count }, (_, i) => ({ body: bodyOf(i, (i * 53) % 700), queueOffset: i }));

const walking = suite('log scan: walking');

walking('visits every record once, whatever the block size', () => {
  const { content, offsets, end } = records(many(100));
  for (const blockBytes of [224, 300, 511, 1024, 5000, FILE_BYTES]) {
    const { offsets: visited, result } = scan(new Bytes(content), end, scannerOf(blockBytes));
    assert.equal(visited, offsets, `block of ${blockBytes}`);
    assert.is(result.stop, 'end');
    assert.is(result.offset, end);
  }
});

walking('reads a record that is larger than the block, and goes on with blocks', () => {
  const { content, offsets, end } = records([{}, { body: bodyOf(1, 20_000) }, {}, {}]);
  const source = new Bytes(content);
  assert.equal(scan(source, end, scannerOf(1024)).offsets, offsets);
  assert.ok(source.reads <= 4, `${source.reads} reads`);
});

walking('gives fields, ranges and properties of each record', () => {
  const { content, end } = records([
    {
      topic: 'größe',
      queueId: 3,
      queueOffset: 7,
      sysFlag: 0x30,
      properties: [
        ['TAGS', 'TagA'],
        ['KEYS', 'a b'],
      ],
      body: 'some',
    },
  ]);
  let seen = 0;
  scannerOf().scan(new Bytes(content), 0, end, true, (record: ScannedRecord) => {
    seen++;
    const text = (at: number, bytes: number): string => record.buffer.toString('utf8', at, at + bytes);
    assert.is(text(record.topicAt, record.topicBytes), 'größe');
    assert.is(text(record.bodyAt, record.bodyBytes), 'some');
    assert.is(record.queueId, 3);
    assert.is(record.queueOffset, 7);
    assert.is(record.storeTimestamp, START_MS);
    assert.is(record.tagsCode, javaHash('TagA'));
    assert.is(record.properties.text(Scanned.KEYS, record.buffer), 'a b');
    assert.is(record.view.getInt32(record.at), record.totalBytes);
  });
  assert.is(seen, 1);
});

walking('stops when the visitor has enough, before the next record', () => {
  const { content, offsets, end } = records(many(10));
  const result = scannerOf().scan(new Bytes(content), 0, end, true, (record) => record.offset < offsets[3]!);
  assert.is(result.stop, 'stopped');
  assert.is(result.offset, offsets[4]);
});

walking('goes from file to file over blank records', () => {
  const { disk } = simulatedDisk();
  const window = LogWindow.create(64 * KIB, 16 * KIB, { shared: false });
  const log = CommitLog.open(disk, { directory: '/log', fileBytes: 8 * KIB, startAt: 0, window });
  const appended = Array.from({ length: 50 }, (_, i) => append(log, { body: bodyOf(i, 1500) }));
  log.writeOut();
  const scanner = new LogScanner({ fileBytes: 8 * KIB, delayLevelsMs: LEVELS });
  assert.equal(scan(log.files, log.endOffset, scanner).offsets, appended);
  assert.equal(scan(log.files, log.endOffset, scanner, appended[20]!).offsets, appended.slice(20));
  const toEndOfFiles = scan(log.files, log.files.endOfFiles, scanner);
  assert.equal(toEndOfFiles.offsets, appended);
  assert.is(toEndOfFiles.result.stop, 'empty');
  assert.is(toEndOfFiles.result.offset, log.endOffset);
});

walking('looks at bytes in memory without copying them', () => {
  const { content, offsets, end } = records(many(20));
  const shifted = Buffer.concat([Buffer.alloc(77), content.subarray(0, end), Buffer.alloc(5, 0xff)]);
  const base = 3 * FILE_BYTES;
  const visited: number[] = [];
  const result = scannerOf().scanBuffer(shifted, 77, end, base, true, (record) => {
    assert.is(record.buffer, shifted);
    visited.push(record.offset);
  });
  assert.equal(
    visited,
    offsets.map((offset) => base + offset),
  );
  assert.is(result.stop, 'end');
  // The scanner has its own block back.
  assert.equal(scan(new Bytes(content), end, scannerOf()).offsets, offsets);
});
walking.run();

const stopping = suite('log scan: where it stops');

stopping('a range that is cut within a record, at every byte', () => {
  const { content, offsets, end } = records(many(3));
  const last = offsets[2]!;
  for (let to = last + 1; to < end; to++) {
    for (const source of [new Bytes(content), new Bytes(content.subarray(0, to))]) {
      const { result } = scan(source, to);
      assert.is(result.stop, 'cut', `cut at ${to - last} of ${end - last}`);
      assert.is(result.offset, last);
    }
    const inMemory = scannerOf().scanBuffer(content, 0, to, 0, true, () => {});
    assert.is(inMemory.stop, 'cut');
    assert.is(inMemory.offset, last);
  }
});

stopping('a range that is cut within the blank end of a file', () => {
  const { content, end } = records(many(3));
  content.writeInt32BE(FILE_BYTES - end, end);
  content.write('cbd43194', end + 4, 'hex');
  assert.is(scan(new Bytes(content), end + 4).result.stop, 'cut');
  const { result } = scan(new Bytes(content), end + 100);
  assert.is(result.stop, 'cut');
  assert.is(result.offset, end);
  const whole = scan(new Bytes(content), FILE_BYTES).result;
  assert.equal([whole.stop, whole.offset, whole.fileStart], ['end', FILE_BYTES, -1]);
});

stopping('zeros, noise, and a record that is none', () => {
  const { content, offsets, end } = records(many(4));
  assert.equal(pick(scan(new Bytes(content), FILE_BYTES).result), ['empty', end, undefined, -1]);
  const noise = Buffer.from(content);
  noise.fill(0xee, end);
  assert.equal(pick(scan(new Bytes(noise), FILE_BYTES).result), ['bad', end, 'illegal magic', -1]);
  const flipped = Buffer.from(content);
  flipped[offsets[2]! + 95]! ^= 1;
  assert.equal(pick(scan(new Bytes(flipped), FILE_BYTES).result), ['bad', offsets[2], 'body checksum', -1]);
  const wrongSize = Buffer.from(content);
  wrongSize.writeInt32BE(content.readInt32BE(offsets[1]!) + 8, offsets[1]!);
  const result = scan(new Bytes(wrongSize), FILE_BYTES).result;
  assert.equal(pick(result), ['bad', offsets[1], 'total size', content.readInt32BE(offsets[1]!) + 8]);
});

function pick({ stop, offset, problem, claimedBytes }: ScanResult): unknown[] {
  return [stop, offset, problem, claimedBytes];
}

stopping('a garbage length asks for no huge block', () => {
  const { content, end } = records(many(2));
  const evil = Buffer.from(content);
  encodeRecord({}, end).copy(evil, end);
  evil.writeInt32BE(0x7fff_ff00, end);
  const source = new Bytes(evil);
  assert.is(scan(source, FILE_BYTES).result.stop, 'bad');
  assert.ok(source.reads < 10);
});

stopping('bytes that are missing', () => {
  const { content, offsets } = records(many(5));
  for (const length of [offsets[3]! + 3, offsets[3]! + 60, offsets[3]! + 95]) {
    const { offsets: visited, result } = scan(new Bytes(content.subarray(0, length)), FILE_BYTES);
    assert.equal([result.stop, result.offset], ['missing', offsets[3]], `${length}`);
    assert.equal(visited, offsets.slice(0, 3));
  }
});
stopping.run();

const delays = suite('log scan: tags codes of delayed messages');

function tagsCodeOf(message: TestMessage): number {
  const { content, end } = records([message]);
  let code = Number.NaN;
  scannerOf().scan(new Bytes(content), 0, end, true, (record) => {
    code = record.tagsCode;
  });
  return code;
}

delays('are the delivery time in SCHEDULE_TOPIC_XXXX only', () => {
  const delayed = (level: string, topic = 'SCHEDULE_TOPIC_XXXX'): number =>
    tagsCodeOf({
      topic,
      properties: [
        ['TAGS', 'a'],
        ['DELAY', level],
      ],
    });
  assert.is(delayed('2'), START_MS + 5000);
  assert.is(delayed('99'), START_MS + 10_000);
  assert.is(delayed('2', 'orders'), javaHash('a'));
  assert.is(delayed('0'), javaHash('a'));
  assert.is(delayed('-1'), javaHash('a'));
  assert.is(delayed('x'), javaHash('a'));
  assert.is(tagsCodeOf({ topic: 'SCHEDULE_TOPIC_XXXX' }), 0);
});

delays('levels are text', () => {
  assert.equal(parseDelayLevels('1s 5m 2h 1d'), [1000, 300_000, 7_200_000, 86_400_000]);
  for (const text of ['', '1', '1x', '1s  2s', 's']) assert.is(parseDelayLevels(text), undefined, text);
});
delays.run();
