/**
 * Strategy. One seed is several lives of one store on the simulated disk. In a life a broker's store classes do what a
 * broker does (crash-store.ts): single messages, batches, parts of transactions, over several topics and queues and tiny
 * files; flushes, deleted topics, retention, a disk that is full for a while, syncs that fail. A life ends in order, or at
 * any call to the disk. Then the process is gone, or the power; recovery may be ended at any call, several times.
 *
 * Invariants after each recovery. Everything that was promised is there: after a kill what was written, after a power
 * loss what was flushed. What is there is a prefix of what was put, byte for byte. Queue offsets are dense, the consume
 * queues equal the log, every key is found in the index. Recovering again changes nothing.
 *
 * The reader of log and queues is the one of test/sim (stored.ts), which shares no code with src/store.
 */
import * as assert from 'uvu/assert';
import type { Clock } from '../../src/base/clock.js';
import { type Disk, DiskError } from '../../src/base/disk.js';
import { type Prng, prng } from '../../src/base/prng.js';
import { KIB } from '../../src/base/units.js';
import { indexKeyHashOf } from '../../src/message/java-hash.js';
import { entersConsumeQueue, entersIndex } from '../../src/message/system-flags.js';
import type { MemoryDisk } from '../../src/runtime/simulation/memory-disk.js';
import { FileCache } from '../../src/store/file-cache.js';
import { checkStore } from '../../src/store/check/check-store.js';
import type { Unindexed } from '../../src/store/index-rebuild.js';
import { IndexService } from '../../src/store/index-service.js';
import { AheadLog, LogReadAhead, readAheadMemory } from '../../src/store/read-ahead.js';
import { type ReadAhead, type RecoveredStore, type RecoverOptions, recoverStore } from '../../src/store/recovery.js';
import { storePath } from '../../src/store/store-directory.js';
import { queueKey, readConsumeQueue, readLog, type StoredLog, type StoredMessage } from '../sim/stored.js';
import { CrashStore, type Promised, type Put } from './crash-store.js';
import { type SimulatedDisk, simulatedDisk } from './support.js';
import { DELAY_LEVELS, optionsFor, ROOT } from './test-store.js';

const TOPICS = ['orders', 'payments', '%RETRY%g', 'SCHEDULE_TOPIC_XXXX'] as const;
/** What a store this size needs at most; capacity is taken away below it. */
const ROOMY_BYTES = 64 * 1024 * KIB;

/** The disk ended: the process died in that call. */
export class Ended extends Error {}

/** Ways of a life to end, and what may happen in it: what a seed draws. */
interface Character {
  readonly flush: 'ASYNC_FLUSH' | 'SYNC_FLUSH';
  readonly isIndexSafe: boolean;
  /** Steps of the index towards its end, a turn. */
  readonly indexSteps: readonly number[];
  readonly lives: number;
  readonly turns: number;
  /** Odds of a life to end at a random call instead of between two turns. */
  readonly endedOdds: number;
  readonly fullOdds: number;
  readonly syncErrorOdds: number;
  readonly retentionOdds: number;
  readonly deleteOdds: number;
}

function drawCharacter(random: Prng): Character {
  return {
    flush: random.pick(['ASYNC_FLUSH', 'SYNC_FLUSH']),
    isIndexSafe: random.chance(0.5),
    indexSteps: random.pick([[0], [0, 1, 3], [1, 50], [1_000]]),
    lives: 2 + random.below(4),
    turns: random.pick([4, 12, 30]),
    endedOdds: random.pick([0, 0.7]),
    fullOdds: random.pick([0, 0, 0.05]),
    syncErrorOdds: random.pick([0, 0, 0.03]),
    retentionOdds: random.pick([0, 0, 0.1]),
    deleteOdds: random.pick([0, 0, 0.05]),
  };
}

/** A disk that ends after a number of calls. Reading the size of an open file is no call. */
export function endingAfter(disk: Disk, calls: number): Disk {
  let left = calls;
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const member = Reflect.get(object, name) as unknown;
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (left-- <= 0) throw new Ended();
          const result = member.apply(object, args) as unknown;
          return name === 'open' ? wrap(result as object) : result;
        };
      },
    });
  return wrap(disk);
}

export interface CampaignReport {
  lives: number;
  messages: number;
  /** Messages that a power loss took, none of them promised. */
  lost: number;
  powerLosses: number;
  recoveriesEnded: number;
  refused: number;
  syncErrors: number;
  /** Lives that ended before the index was complete. */
  behind: number;
}

export function emptyReport(): CampaignReport {
  return { lives: 0, messages: 0, lost: 0, powerLosses: 0, recoveriesEnded: 0, refused: 0, syncErrors: 0, behind: 0 };
}

/** Runs one seed; throws what it finds. */
export function crashSeed(seed: number, report: CampaignReport = emptyReport()): CampaignReport {
  new Campaign(seed, report).run();
  return report;
}

/** These take longer than the recovery: of so many stores one is looked at. */
const OFFLINE_CHECK_EVERY = 16;
const UNSAFE_INDEX_EVERY = 4;

class Campaign {
  private readonly random: Prng;
  private readonly character: Character;
  private readonly simulated: SimulatedDisk;
  private readonly disk: MemoryDisk;
  private readonly clock: Clock;
  private readonly recoverOptions: RecoverOptions;
  /** In log order: everything that was put and not lost. */
  private puts: Put[] = [];
  private readonly promised: Promised = { written: 0, flushed: 0 };
  private nextId = 0;
  /** End of the log when the topic was deleted: what it had before need not come back. */
  private readonly deletedAt = new Map<string, number>();

  constructor(
    private readonly seed: number,
    private readonly report: CampaignReport,
  ) {
    this.random = prng(seed);
    this.character = drawCharacter(this.random);
    this.simulated = simulatedDisk({ syncDelayMs: this.random.pick([0, 1, 400]), capacityBytes: ROOMY_BYTES });
    this.disk = this.simulated.disk;
    this.clock = this.simulated.clock;
    this.recoverOptions = optionsFor(ROOT, {
      index: { slots: 7, entries: 200, isSafe: this.character.isIndexSafe },
    });
  }

  run(): void {
    let recovered: RecoveredStore | undefined;
    for (let life = 0; life < this.character.lives; life++) {
      this.report.lives++;
      this.live(recovered);
      const durable = this.goDown();
      recovered = this.comeBack(durable, `SEED=${this.seed} life ${life}`);
    }
  }

  // ---- a life

  private live(recovered: RecoveredStore | undefined): void {
    const { random, character } = this;
    const calls = random.chance(character.endedOdds) ? random.below(random.pick([50, 600])) : Number.POSITIVE_INFINITY;
    const disk = endingAfter(this.disk, calls);
    try {
      const options = { recover: this.recoverOptions, flush: character.flush };
      const store = new CrashStore(disk, this.clock, recovered, options, this.promised);
      const turns = random.below(character.turns);
      for (let turn = 0; turn < turns; turn++) this.turn(store);
      if (store.isIndexComplete && this.seed % UNSAFE_INDEX_EVERY === 0) this.checkKeys(store);
      else if (!store.isIndexComplete) this.report.behind++;
      if (random.chance(0.3)) store.close();
    } catch (error) {
      // A refusal that reaches the queue host or the start takes its broker down, which is a kill.
      if (!(error instanceof Ended || error instanceof DiskError)) throw error;
    }
  }

  private turn(store: CrashStore): void {
    const { random, character, disk } = this;
    if (random.chance(character.fullOdds)) disk.setCapacity(disk.usage('/').usedBytes + random.below(8) * 4 * KIB);
    else if (random.chance(0.5)) disk.setCapacity(ROOMY_BYTES);
    if (random.chance(character.syncErrorOdds)) {
      this.report.syncErrors++;
      const pathPart = random.pick(['commitlog', 'consumequeue', 'index']);
      disk.inject({ operation: 'sync', pathPart, code: 'EIO', times: 1 });
    }
    for (let count = random.below(5); count > 0; count--) {
      const batch = random.chance(0.2) ? 2 + random.below(4) : 1;
      this.put(store, batch);
    }
    store.endOfTurn();
    if (random.chance(0.2)) store.writeQueues();
    if (random.chance(0.1)) store.syncQueues();
    if (random.chance(character.deleteOdds)) {
      const topic = random.pick(TOPICS);
      this.deletedAt.set(topic, store.log.endOffset);
      store.deleteTopic(topic);
    }
    if (random.chance(character.retentionOdds)) store.deleteOldest();
    if (random.chance(0.2)) disk.writeBack(random);
    this.simulated.advance(random.pick([1, 1, 10, 700, 4_000]));
    store.tick(random.pick(character.indexSteps));
  }

  private put(store: CrashStore, count: number): void {
    const { random } = this;
    const topic = random.pick(TOPICS);
    const queueId = random.below(3);
    const sysFlag = count > 1 ? 0 : random.pick([0, 0, 0, 4, 8, 12, 0x30]);
    const messages = Array.from({ length: count }, () => {
      const key = `K${this.nextId++}`;
      const bytes = random.pick([0, 10, 10, 10, 300, count > 1 ? 500 : 1500]);
      const properties: (readonly [string, string])[] = [
        ['UNIQ_KEY', key],
        ['TAGS', 'a'],
        ['KEYS', `${key}a ${key}b`],
        ['DELAY', '3'],
        // A sector of properties may be missing, and no checksum covers them.
        ['long', 'p'.repeat(count > 1 ? 1 : random.pick([1, 1, 1, 1200]))],
      ];
      return {
        topic,
        queueId,
        sysFlag,
        key,
        properties,
        body: String.fromCharCode(97 + random.below(26)).repeat(bytes),
      };
    });
    const puts = store.put(messages);
    if (puts.length === 0) this.report.refused++;
    this.puts.push(...puts);
    this.report.messages += puts.length;
  }

  // ---- down and back

  /** Kill or power loss; the offset up to which everything must be there. */
  private goDown(): number {
    const { random, disk, promised } = this;
    disk.setCapacity(ROOMY_BYTES);
    disk.clearFaults();
    if (random.chance(0.5)) return this.loseProcess(promised.written);
    return this.losePower();
  }

  private loseProcess(durable: number): number {
    this.disk.processKill();
    return durable;
  }

  private losePower(): number {
    this.report.powerLosses++;
    if (this.random.chance(0.5)) this.disk.writeBack(this.random);
    this.disk.crash(this.random);
    return this.promised.flushed;
  }

  private comeBack(promisedEnd: number, what: string): RecoveredStore {
    const { random, disk, promised } = this;
    let durable = promisedEnd;
    // Recoveries take about 50 to 500 calls.
    for (let calls = random.below(300); random.chance(0.5); calls = random.below(300)) {
      try {
        this.recover(endingAfter(disk, calls));
      } catch (error) {
        if (!(error instanceof Ended)) throw error;
        this.report.recoveriesEnded++;
      }
      durable = random.chance(0.5) ? Math.min(durable, this.losePower()) : this.loseProcess(durable);
    }
    const recovered = this.recover(disk);
    this.check(recovered, durable, what);
    if (random.chance(0.3)) disk.crash(random);
    const again = this.recover(disk);
    assert.is(again.endOffset, recovered.endOffset, `${what}: the end after recovering again`);
    assert.is(again.minOffset, recovered.minOffset, `${what}: the begin after recovering again`);
    assert.equal(this.queuesOf(again), this.queuesOf(recovered), `${what}: queues after recovering again`);
    this.check(again, durable, `${what}, recovered again`);
    const kept = this.puts.filter(({ end }) => end <= recovered.endOffset);
    this.report.lost += this.puts.length - kept.length;
    this.puts = kept;
    promised.written = recovered.endOffset;
    promised.flushed = recovered.endOffset;
    return again;
  }

  private recover(disk: Disk): RecoveredStore {
    const steps = this.seed % 4;
    const readAhead: ReadAhead = (log, from, to) => {
      const memory = readAheadMemory(from);
      const reader = new LogReadAhead(log, memory, to, log.fileBytes);
      for (let step = 0; step < steps; step++) reader.step();
      return new AheadLog(log, memory);
    };
    return recoverStore(disk, this.recoverOptions, { clock: this.clock, ...(steps > 0 ? { readAhead } : {}) });
  }

  // ---- what must hold

  private check(recovered: RecoveredStore, durable: number, what: string): void {
    const { endOffset, minOffset, problems } = recovered;
    assert.ok(endOffset >= durable, `${what}: the log ends at ${endOffset}, up to ${durable} was promised`);
    const { commitLogDirectory: directory, fileBytes } = this.recoverOptions;
    const log = readLog(this.disk, { directory, fileBytes }, minOffset);
    assert.is(log.end, endOffset, `${what}: the end of the log (${JSON.stringify(problems)})`);
    this.checkMessages(log, minOffset, what);
    this.checkQueues(log, recovered, what);
    const checksIndex = this.character.isIndexSafe ? this.random.chance(0.5) : this.seed % UNSAFE_INDEX_EVERY === 0;
    if (checksIndex) this.checkIndex(log, recovered.unindexed, what);
    if (this.seed % OFFLINE_CHECK_EVERY === 0) this.checkOffline(what);
  }

  private checkMessages(log: StoredLog, minOffset: number, what: string): void {
    const expected = this.puts.filter(({ offset, end }) => offset >= minOffset && end <= log.end);
    assert.is(log.messages.length, expected.length, `${what}: messages in the log`);
    for (const [index, put] of expected.entries()) {
      const message = log.messages[index]!;
      const isSame =
        message.physicalOffset === put.offset &&
        message.topic === put.topic &&
        message.queueId === put.queueId &&
        message.queueOffset === put.queueOffset &&
        message.body.toString('latin1') === put.body &&
        message.properties.startsWith(`UNIQ_KEY\u0001${put.key}\u0002`) &&
        !message.properties.includes('\0');
      assert.ok(isSame, `${what}: ${put.key} at ${put.offset} is another message`);
    }
  }

  private checkQueues(log: StoredLog, recovered: RecoveredStore, what: string): void {
    const queues = new Map<string, StoredMessage[]>();
    for (const message of log.messages) {
      if (!entersConsumeQueue(message.sysFlag)) continue;
      const key = queueKey(message.topic, message.queueId);
      // Its topic was deleted and made again: numbering began anew.
      if (message.queueOffset === 0 || !queues.has(key)) queues.set(key, []);
      const queue = queues.get(key)!;
      const last = queue.at(-1)?.queueOffset ?? message.queueOffset - 1;
      assert.is(message.queueOffset, last + 1, `${what}: queue offsets of ${key}`);
      queue.push(message);
    }
    const isForgotten = ({ topic, physicalOffset }: StoredMessage): boolean =>
      physicalOffset < (this.deletedAt.get(topic) ?? 0);
    for (const { topic, queueId, minOffset, maxOffset } of recovered.queues) {
      const key = queueKey(topic, queueId);
      const all = queues.get(key) ?? [];
      queues.delete(key);
      const isThere = ({ queueOffset }: StoredMessage): boolean => queueOffset >= minOffset && queueOffset < maxOffset;
      const messages = all.filter((one) => isThere(one) || !isForgotten(one));
      const first = messages[0]?.queueOffset ?? maxOffset;
      const isWhole = maxOffset === first + messages.length && (messages.length === 0 || minOffset === first);
      assert.ok(
        isWhole,
        `${what}: ${key} is [${minOffset}, ${maxOffset}), the log has ${messages.length} from ${first}`,
      );
      this.checkEntries(topic, queueId, messages, what);
    }
    for (const [key, messages] of queues) assert.ok(messages.every(isForgotten), `${what}: ${key} is not there`);
  }

  private checkEntries(topic: string, queueId: number, messages: readonly StoredMessage[], what: string): void {
    const { first, entries } = readConsumeQueue(this.disk, ROOT, topic, queueId);
    for (const { queueOffset, physicalOffset, sizeBytes } of messages) {
      const entry = entries[queueOffset - first];
      assert.is(
        entry,
        `${physicalOffset}:${sizeBytes}`,
        `${what}: entry ${queueOffset} of ${queueKey(topic, queueId)}`,
      );
    }
    const last = messages.at(-1)?.queueOffset;
    if (last !== undefined)
      assert.is(first + entries.length, last + 1, `${what}: entries of ${queueKey(topic, queueId)}`);
  }

  /** `hangar store check` finds nothing either. */
  private checkOffline(what: string): void {
    const findings: string[] = [];
    checkStore(
      this.disk,
      {
        root: ROOT,
        delayLevelsMs: DELAY_LEVELS,
        indexSlots: this.recoverOptions.index!.slots,
        fileBytes: this.recoverOptions.fileBytes,
        queueFileBytes: this.recoverOptions.queueFileBytes,
      },
      {
        onFinding: ({ severity, path, text }) => {
          if (severity === 'damage') findings.push(`${path}: ${text}`);
        },
        onProgress: () => undefined,
      },
    );
    assert.equal(findings, [], what);
  }

  private checkIndex(log: StoredLog, unindexed: Unindexed | undefined, what: string): void {
    const { slots, entries } = this.recoverOptions.index!;
    const directory = storePath.index(ROOT);
    const files = new FileCache(this.disk);
    const index = IndexService.open(files, {
      directory,
      slots,
      entries,
      clock: this.clock,
      onFileSynced: () => undefined,
    });
    if (unindexed !== undefined) {
      // Otherwise keys that are to be put would be taken for old ones, and skipped.
      assert.ok(
        index.endPhysicalOffset <= unindexed.indexedTo + 1,
        `${what}: the index ends behind what is said of it`,
      );
    }
    for (const { topic, properties, physicalOffset, sysFlag } of log.messages) {
      if (unindexed !== undefined && physicalOffset >= unindexed.from && physicalOffset > unindexed.indexedTo) continue;
      const key = properties.slice('UNIQ_KEY\u0001'.length, properties.indexOf('\u0002'));
      if (entersIndex(sysFlag)) this.checkKey(index, topic, key, physicalOffset, what);
    }
    index.discard();
    files.closeAll();
  }

  /** Of a store that runs, and has caught up with what recovery left. */
  private checkKeys({ index, log }: CrashStore): void {
    for (const { topic, key, offset, sysFlag } of this.puts) {
      if (offset >= log.minOffset && entersIndex(sysFlag)) {
        this.checkKey(index, topic, key, offset, `SEED=${this.seed}, before the end of a life`);
      }
    }
  }

  private checkKey(index: IndexService, topic: string, key: string, offset: number, what: string): void {
    for (const one of [key, `${key}a`, `${key}b`]) {
      const found = index.search(indexKeyHashOf(topic, one), 0, Number.MAX_SAFE_INTEGER, 100).finish();
      // Perhaps twice, as in Apache's: the message with which an index file became full is indexed again.
      assert.ok(found.includes(offset), `${what}: ${one} of ${offset} is not found`);
    }
  }

  /** Without those that may be there or not: queues that never had an entry, and queues of topics that were deleted. */
  private queuesOf({ queues }: RecoveredStore): string[] {
    const kept = queues.filter(({ topic, maxOffset }) => maxOffset > 0 && !this.deletedAt.has(topic));
    return kept.map((queue) => JSON.stringify(queue)).sort();
  }
}
