/**
 * Strategy: a store is written on the simulated disk in random turns, synced now and then, and stopped in one of three
 * ways: in order, by a kill of the process, by a power loss that keeps, loses and tears what was not synced. Recovery
 * itself is interrupted at random points and started again. Several such lives follow each other in one directory.
 *
 * Invariants after each recovery: everything synced is there (after a kill: everything written); what is there is a
 * prefix of what was put, byte for byte; queue offsets are dense and the queues equal the log.
 *
 * SEED=n replays one run, RUNS=n does more of them.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { type Prng, prng } from '../../src/base/prng.js';
import { Checkpoint } from '../../src/store/checkpoint.js';
import type { RecoveredStore } from '../../src/store/recovery.js';
import { simulatedDisk } from './support.js';
import { checkStore, recover, ROOT, TestStore } from './test-store.js';

const RUNS = Number(process.env.RUNS ?? 40);
const LIVES = 4;

interface Put {
  readonly offset: number;
  readonly end: number;
  readonly body: string;
  readonly key: string;
}

class Interrupted extends Error {}

/** A disk that stops working after a number of calls, as if the process had died there. */
function interruptedAfter(disk: Disk, calls: number): Disk {
  let left = calls;
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const member = Reflect.get(object, name) as unknown;
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (left-- <= 0) throw new Interrupted();
          const result = member.apply(object, args) as unknown;
          return name === 'open' ? wrap(result as object) : result;
        };
      },
    });
  return wrap(disk);
}

function live(disk: Disk, random: Prng, recovered: RecoveredStore | undefined, puts: Put[]): TestStore {
  const store = new TestStore(disk, recovered);
  const turns = random.below(25);
  for (let turn = 0; turn < turns; turn++) {
    const count = random.below(6);
    for (let i = 0; i < count; i++) {
      const key = `K${puts.length}-${random.below(1_000_000)}`;
      const body = String.fromCharCode(97 + random.below(26)).repeat(random.pick([0, 10, 10, 10, 300, 1500]));
      const offset = store.put({
        topic: random.pick(['orders', 'payments', 'SCHEDULE_TOPIC_XXXX']),
        queueId: random.below(3),
        sysFlag: random.pick([0, 0, 0, 4, 8, 12, 0x30]),
        properties: [
          ['UNIQ_KEY', key],
          ['TAGS', 'a'],
          ['DELAY', '3'],
        ],
        body,
      });
      puts.push({ offset, end: store.log.endOffset, body, key });
    }
    assert.ok(store.writeOut());
    if (random.chance(0.2)) store.flushQueues();
    if (random.chance(0.1)) store.syncAll();
    if (random.chance(0.1)) {
      store.syncAll();
      const checkpoint = Checkpoint.open(disk, `${ROOT}/checkpoint`);
      checkpoint.logTimestamp = store.storeTimestamp;
      checkpoint.consumeQueueTimestamp = store.storeTimestamp;
      checkpoint.save();
    }
  }
  return store;
}

function run(seed: number): void {
  const random = prng(seed);
  const { disk } = simulatedDisk();
  const puts: Put[] = [];
  let recovered: RecoveredStore | undefined;
  for (let life = 0; life < LIVES; life++) {
    const store = live(disk, random, recovered, puts);
    const stop = random.pick(['clean', 'kill', 'power']);
    if (stop === 'clean') store.close();
    const flushed = store.log.flushedOffset;
    let durable = stop === 'power' ? flushed : store.log.writtenOffset;
    if (random.chance(0.5)) disk.writeBack(random);
    if (stop === 'power') disk.crash(random);
    else disk.processKill();
    // Sizes of the recovery are about 50 to 500 calls.
    for (let calls = random.below(300); random.chance(0.6); calls = random.below(300)) {
      try {
        recover(interruptedAfter(disk, calls));
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
      }
      if (random.chance(0.5)) {
        disk.crash(random);
        durable = flushed;
      } else {
        disk.processKill();
      }
    }
    recovered = recover(disk);
    check(disk, recovered, puts, durable, `SEED=${seed} life ${life} after ${stop}`);
    const end = recovered.endOffset;
    puts.splice(puts.findIndex((put) => put.end > end) >>> 0);
    const again = recover(disk);
    assert.is(again.endOffset, end, `SEED=${seed}: recovery again`);
    assert.equal(
      new Set(again.queues.map((q) => JSON.stringify(q))),
      new Set(recovered.queues.map((q) => JSON.stringify(q))),
    );
  }
}

function check(disk: Disk, recovered: RecoveredStore, puts: readonly Put[], durable: number, what: string): void {
  assert.ok(recovered.endOffset >= durable, `${what}: ${recovered.endOffset} of ${durable} durable bytes`);
  const content = checkStore(disk, recovered);
  const there = puts.filter((put) => put.end <= recovered.endOffset);
  assert.equal(
    [...content.bodies.keys()],
    there.map(({ offset }) => offset),
    what,
  );
  for (const put of there) assert.is(content.bodies.get(put.offset), put.body, what);
  assert.equal(
    content.keys,
    there.map(({ key }) => key),
    what,
  );
}

const crashes = suite('crash and recovery');
crashes(`${RUNS} random lives keep what was promised`, () => {
  const fixed = process.env.SEED;
  const first = fixed === undefined ? 1 : Number(fixed);
  const runs = fixed === undefined ? RUNS : 1;
  for (let seed = first; seed < first + runs; seed++) {
    try {
      run(seed);
    } catch (error) {
      console.error(`SEED=${seed}`);
      throw error;
    }
  }
});
crashes.run();
