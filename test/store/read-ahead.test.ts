/** A log that is read ahead of recovery: the same is found, and what was damaged is never taken for good. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB, MIB } from '../../src/base/units.js';
import { readAhead } from '../../src/jobs/read-ahead.js';
import { LogFiles } from '../../src/store/log-files.js';
import { type LogBytes, LogScanner } from '../../src/store/log-scan.js';
import { AheadLog, LogReadAhead, readAheadMemory } from '../../src/store/read-ahead.js';
import { recoverStore } from '../../src/store/recovery.js';
import { storePath } from '../../src/store/store-directory.js';
import { encodeRecord, realDisk, sizeOf, simulatedDisk } from './support.js';
import { FILE_BYTES, optionsFor, ROOT, TestStore } from './test-store.js';

const BODY_BYTES = 60 * KIB;

/** A log without end of equal records, or up to a damaged one. */
class EndlessLog implements LogBytes {
  readonly recordBytes: number;
  damagedAt = Number.POSITIVE_INFINITY;
  private readonly record: Buffer;

  constructor(bodyBytes = BODY_BYTES) {
    const message = { body: 'b'.repeat(bodyBytes), queueOffset: 0, storeTimestamp: 1 };
    this.recordBytes = sizeOf(message);
    this.record = encodeRecord(message, 0);
  }

  read(offset: number, length: number, target: Uint8Array, at: number): number {
    for (let done = 0; done < length; ) {
      const inRecord = (offset + done) % this.recordBytes;
      const bytes = Math.min(length - done, this.recordBytes - inRecord);
      target.set(this.record.subarray(inRecord, inRecord + bytes), at + done);
      done += bytes;
    }
    const inRange = this.damagedAt - offset;
    if (inRange >= 0 && inRange < length) target[at + inRange]! ^= 1;
    return length;
  }
}

/** Files so large that none ends. */
const NO_FILE_BYTES = 2 ** 40;

function fixture(log: EndlessLog, to = 2 ** 39) {
  const memory = readAheadMemory(0);
  const reader = new LogReadAhead(log, memory, to, NO_FILE_BYTES);
  const walker = new AheadLog(log, memory);
  const target = Buffer.alloc(MIB);
  const isGood = (offset: number, length = MIB): boolean => {
    assert.is(walker.read(offset, length, target, 0), length);
    return walker.areBodiesGood;
  };
  return { reader, walker, isGood };
}

const ahead = suite('read-ahead');

ahead('what it has looked at need not be checked again, what it has not must', () => {
  const { reader, isGood } = fixture(new EndlessLog());
  assert.not(isGood(0));
  for (let n = 0; n < 3; n++) assert.is(reader.step(), 'more');
  assert.ok(isGood(0));
  assert.ok(isGood(MIB));
  assert.not(isGood(2 * MIB + 512 * KIB));
});

ahead('ends at a body that is damaged, and vouches for nothing from there on', () => {
  const log = new EndlessLog();
  const damaged = 20;
  log.damagedAt = damaged * log.recordBytes + 1_000;
  const { reader, isGood } = fixture(log);
  assert.is(reader.step(), 'more');
  assert.is(reader.step(), 'done');
  assert.ok(isGood((damaged - 1) * log.recordBytes, log.recordBytes));
  assert.not(isGood((damaged - 1) * log.recordBytes, log.recordBytes + 1));
  assert.not(isGood(damaged * log.recordBytes));
});

ahead('goes on where the walker is when that has overtaken it', () => {
  const log = new EndlessLog();
  const { reader, isGood } = fixture(log);
  reader.step();
  const walked = 200 * log.recordBytes;
  assert.not(isGood(walked));
  reader.step();
  reader.step();
  assert.ok(isGood(walked));
});

ahead('stays 64 MiB ahead at most, and ends when the walk does', () => {
  const log = new EndlessLog();
  const { reader, walker, isGood } = fixture(log);
  let steps = 0;
  while (reader.step() === 'more') steps++;
  assert.ok(steps >= 64 && steps <= 80, `${steps}`);
  assert.is(reader.step(), 'far');
  isGood(100 * log.recordBytes);
  assert.is(reader.step(), 'more');
  walker.close();
  assert.is(reader.step(), 'done');
});

ahead('looks at records that are longer than its pieces', () => {
  const log = new EndlessLog(5 * MIB);
  const { reader, isGood } = fixture(log);
  for (let n = 0; n < 5; n++) assert.is(reader.step(), 'more');
  assert.ok(isGood(0));
});

ahead('a recovery finds the same with it, however far it has come', () => {
  for (const damage of [undefined, 100, FILE_BYTES + 700, 2 * FILE_BYTES + 300]) {
    for (let steps = 0; steps < 6; steps++) {
      const [plain, helped] = [false, true].map((isHelped) => {
        const { disk } = simulatedDisk();
        const store = new TestStore(disk);
        for (let i = 0; store.log.files.count < 3; i++) store.put({ queueId: i % 2, body: `message ${i}`.repeat(9) });
        store.writeOut();
        store.kill();
        if (damage !== undefined) {
          const log = LogFiles.open(disk, { directory: storePath.commitLog(ROOT), fileBytes: FILE_BYTES });
          log.write(Buffer.from([0xff]), 0, 1, damage);
          log.close();
        }
        return recoverStore(
          disk,
          optionsFor(ROOT),
          isHelped
            ? {
                readAhead: (log, from, to) => {
                  const memory = readAheadMemory(from);
                  const reader = new LogReadAhead(log, memory, to, FILE_BYTES);
                  const walker = new AheadLog(log, memory);
                  for (let n = 0; n < steps; n++) reader.step();
                  return walker;
                },
              }
            : {},
        );
      });
      assert.equal(withoutTimes(helped!), withoutTimes(plain!));
    }
  }
});

/** Names of what was cut off have the time in them. */
function withoutTimes(recovered: unknown): unknown {
  return JSON.parse(JSON.stringify(recovered).replace(/-cut-\d+/g, '-cut'));
}

ahead('does so on a thread', async () => {
  const real = realDisk();
  try {
    const record = new EndlessLog();
    const directory = `${real.root}/commitlog`;
    const count = Math.ceil((70 * MIB) / record.recordBytes);
    const fileBytes = count * record.recordBytes;
    const bytes = Buffer.alloc(fileBytes);
    record.read(0, fileBytes, bytes, 0);
    real.disk.makeDirectory(directory);
    real.disk.writeFile(`${directory}/${'0'.repeat(20)}`, bytes);
    const log = LogFiles.open(real.disk, { directory, fileBytes });
    assert.is(readAhead(log, 0, 10 * MIB), undefined, 'too little');
    const walker = readAhead(log, 0, fileBytes)!;
    const first = Buffer.alloc(record.recordBytes);
    const sinceMs = performance.now();
    do {
      walker.read(0, first.length, first, 0);
      await new Promise((resolve) => setTimeout(resolve, 5));
    } while (walker.areBodiesGood !== true && performance.now() - sinceMs < 20_000);
    assert.is(walker.areBodiesGood, true);
    let visited = 0;
    const scanner = new LogScanner({ fileBytes, delayLevelsMs: [] });
    assert.is(scanner.scan(walker, 0, fileBytes, true, () => visited++).stop, 'end');
    assert.is(visited, count);
    walker.close();
    log.close();
  } finally {
    real.dispose();
  }
});
ahead.run();
