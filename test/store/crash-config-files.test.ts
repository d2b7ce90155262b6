/**
 * Strategy: topics, groups and offsets change and are written as a broker does it, over a disk that ends at any call or
 * refuses; then the process or the power is gone, and the next broker loads what is there.
 *
 * Invariant: every file is as it was at some moment, whole; topics not older than the last write, offsets after a kill not
 * older than what was in place.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConfigFiles } from '../../src/actors/broker/tables/config-files.js';
import { StoreFaults } from '../../src/actors/broker/store/store-faults.js';
import { Meter, SLAB_BYTES } from '../../src/runtime/slab.js';
import { FilterTable } from '../../src/actors/broker/tables/filter-table.js';
import { GroupTable } from '../../src/actors/broker/tables/group-table.js';
import { OffsetTable } from '../../src/actors/broker/tables/offset-table.js';
import type { BrokerState } from '../../src/actors/broker/state.js';
import { TopicTable } from '../../src/actors/broker/tables/topic-table.js';
import { type Disk, DiskError } from '../../src/base/disk.js';
import { prng } from '../../src/base/prng.js';
import { MS_PER_HOUR } from '../../src/base/units.js';
import { bloomFilter } from '../../src/filter/bloom.js';
import type { Context } from '../../src/runtime/actor.js';
import { Ended, endingAfter } from './crash-campaign.js';
import { type SimulatedDisk, simulatedDisk } from './support.js';

const SEEDS = Number(process.env.RUNS ?? 300);
const CONFIG = '/store/config';
const INTERVAL_MS = 5_000;

/** Tables of a broker, and its files; time is moved by the test. */
class Broker {
  readonly state: BrokerState;
  readonly files: ConfigFiles;
  private readonly timers: { at: number; run: () => void }[] = [];

  constructor(
    disk: Disk,
    private readonly simulated: SimulatedDisk,
  ) {
    const { clock } = simulated;
    const log = { error: () => undefined, warn: () => undefined };
    const context = {
      name: 'broker-a',
      disk,
      clock,
      log,
      meter: new Meter(new SharedArrayBuffer(SLAB_BYTES)),
      touch: () => undefined,
      after: (ms: number, run: () => void) => this.timers.push({ at: clock.monotonic() + ms, run }),
    } as unknown as Context;
    this.files = new ConfigFiles(context, CONFIG, new StoreFaults(context, 'broker-a'));
    this.state = {
      topics: new TopicTable(),
      groups: new GroupTable(0),
      offsets: new OffsetTable(),
      filters: new FilterTable(bloomFilter(20, 32), () => undefined),
      settings: { filterDataCleanTimeSpan: MS_PER_HOUR, flushConsumerOffsetInterval: INTERVAL_MS },
    } as unknown as BrokerState;
    this.files.load(this.state);
  }

  advance(ms: number): void {
    this.simulated.advance(ms);
    const now = this.simulated.clock.monotonic();
    for (const timer of this.timers.filter(({ at }) => at <= now)) {
      this.timers.splice(this.timers.indexOf(timer), 1);
      timer.run();
    }
  }

  get topicCount(): number {
    return [...this.state.topics.all()].filter(({ config }) => config !== undefined).length;
  }

  get offset(): number {
    return this.state.offsets.get('G', 'T', 0) ?? 0;
  }

  addTopic(): void {
    const name = `topic-${this.topicCount}`;
    const queues = { readQueueNums: 4, writeQueueNums: 4 };
    const more = { perm: 6, order: false, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0 } as const;
    this.state.topics.ensure(name).config = { topicName: name, ...queues, ...more };
    this.files.topicsChanged();
    this.files.flush(this.state);
  }
}

function run(seed: number): void {
  const random = prng(seed);
  const simulated = simulatedDisk({ syncDelayMs: random.pick([0, 3, 700]) });
  const { disk } = simulated;
  let topics = 0;
  let offset = 0;
  /** A power loss since the last load: names of offset files were not synced. */
  let hasLostPower = false;
  for (let life = 0; life < 4; life++) {
    const calls = random.chance(0.6) ? 12 + random.below(60) : Number.POSITIVE_INFINITY;
    let broker: Broker | undefined;
    try {
      broker = new Broker(endingAfter(disk, calls), simulated);
      assert.ok(broker.topicCount >= topics, `SEED=${seed}: ${broker.topicCount} topics, ${topics} were written`);
      if (!hasLostPower)
        assert.ok(broker.offset >= offset, `SEED=${seed}: offset ${broker.offset}, ${offset} was written`);
      topics = broker.topicCount;
      offset = broker.offset;
      hasLostPower = false;
      for (let step = random.below(20); step > 0; step--) {
        if (random.chance(0.3)) {
          broker.addTopic();
          topics = broker.topicCount;
        }
        broker.state.offsets.commit('G', 'T', 0, broker.offset + 1);
        const atStart = broker.offset;
        broker.advance(INTERVAL_MS);
        broker.advance(random.pick([0, 1, 1_000]));
        if (disk.readFile(`${CONFIG}/consumerOffset.json`)?.includes(`{0:${atStart}`) === true) offset = atStart;
      }
      if (random.chance(0.2)) {
        broker.files.close(broker.state);
        offset = broker.offset;
      }
    } catch (error) {
      if (!(error instanceof Ended || error instanceof DiskError)) throw error;
    }
    if (random.chance(0.5)) {
      hasLostPower = true;
      disk.crash(random);
    } else {
      disk.processKill();
    }
  }
}

const config = suite('crash and config files');
config(`${SEEDS} brokers find whole files`, () => {
  const first = Number(process.env.SEED ?? 1);
  for (let seed = first; seed < first + (process.env.SEED === undefined ? SEEDS : 1); seed++) {
    try {
      run(seed);
    } catch (error) {
      console.error(`SEED=${seed}`);
      throw error;
    }
  }
});
config.run();
