import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Counters } from '../../../src/actors/broker/statistics/counters.js';
import { ItemStatistics } from '../../../src/actors/broker/statistics/item-statistics.js';
import { PutTimes } from '../../../src/actors/broker/statistics/put-times.js';
import { BrokerStats } from '../../../src/actors/broker/statistics/stats.js';
import { MS_PER_DAY, MS_PER_MINUTE } from '../../../src/base/units.js';
import type { Context } from '../../../src/runtime/actor.js';
import { Meter, SLAB_BYTES } from '../../../src/runtime/slab.js';

/** Statistics that sample whenever the test lets time pass. */
function statistics() {
  let nowMs = 1.7e12;
  let sample = (): void => undefined;
  const context = {
    clock: { now: () => nowMs, monotonic: () => nowMs, localHour: () => 0 },
    after: (_delayMs: number, fire: () => void) => {
      sample = fire;
    },
  } as unknown as Context;
  const meter = new Meter(new SharedArrayBuffer(SLAB_BYTES));
  const counters = new Counters(meter, 'broker-a', new ItemStatistics(context), 'cluster');
  const stats = new BrokerStats(context, counters);
  const pass = (ms: number): void => {
    nowMs += ms;
    sample();
  };
  return { stats, counters, pass };
}

const totals = suite('broker statistics: totals');

totals('are split at local midnight', () => {
  const { stats, counters, pass } = statistics();
  counters.putMessages = 10;
  stats.pulled(1, 0, 4);
  pass(MS_PER_DAY);
  assert.equal([stats.putYesterdayMorning, stats.putTodayMorning], [0, 10]);
  counters.putMessages = 15;
  pass(1_000);
  assert.equal([stats.putYesterdayMorning, stats.putTodayMorning], [0, 10]);
  pass(MS_PER_DAY);
  assert.equal([stats.putYesterdayMorning, stats.putTodayMorning], [10, 15]);
  assert.equal([stats.gotYesterdayMorning, stats.gotTodayMorning], [4, 4]);
});

totals('rates are of the time that passed, not of the number of samples', () => {
  const { stats, counters, pass } = statistics();
  for (let i = 0; i < 10; i++) {
    counters.putMessages += 100;
    pass(2_000);
  }
  assert.is(stats.putTps, '50.0  ');
});

totals('ten minutes of samples are kept and no more', () => {
  const { stats, counters, pass } = statistics();
  for (let second = 0; second < 1_300; second++) {
    counters.putMessages += second < 700 ? 6 : 0;
    pass(1_000);
  }
  assert.is(stats.putTps, '0.0 0.0 0.0');
  counters.putMessages += 60;
  pass(1_000);
  assert.is(stats.putTps, '6.0 1.0 0.1');
});

totals.run();

const times = suite('broker statistics: how long puts took');

times('are told of the last full minute, interpolated within a bucket', () => {
  const putTimes = new PutTimes(0);
  for (let i = 0; i < 98; i++) putTimes.add(0);
  putTimes.add(35);
  putTimes.add(900);
  assert.match(putTimes.distribution(), '[<=0ms]:0 ');
  putTimes.rollOver(MS_PER_MINUTE - 1);
  assert.is(putTimes.percentile(0.99), 0);
  putTimes.rollOver(MS_PER_MINUTE);
  assert.is(
    putTimes.distribution(),
    '[<=0ms]:98 [0~10ms]:0 [10~50ms]:1 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 [500ms~1s]:1 ' +
      '[1~2s]:0 [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:0 ',
  );
  // The bucket of 35 ms ends at 36 and begins at 34; the one of 900 ms spans 800 to 900.
  assert.is(putTimes.percentile(0.99), 36);
  assert.is(putTimes.percentile(0.999), 900);
  putTimes.rollOver(3 * MS_PER_MINUTE);
  assert.is(putTimes.percentile(0.99), 0);
  assert.is(putTimes.maxMs, 900);
});

times('every time has its bucket', () => {
  const putTimes = new PutTimes(0);
  const shown = [-1, 0, 0.2, 9.9, 10, 50, 100, 200, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 10_000, 1e9];
  for (const ms of shown) putTimes.add(ms);
  putTimes.rollOver(MS_PER_MINUTE);
  const counts = [...putTimes.distribution().matchAll(/:(\d+)/g)].map(([, count]) => Number(count));
  assert.equal(counts, [2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
  assert.is(putTimes.percentile(1), 10_000, 'beyond the last bucket');
});

times.run();
