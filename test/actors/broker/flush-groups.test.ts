import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FlushGroups } from '../../../src/actors/broker/sends/flush-groups.js';

/** A flusher whose syncs end when the test says so, and a timer that it fires. */
class Bench {
  waiting = 0;
  isInFlight = false;
  syncs: number[] = [];
  heldMs: number[] = [];
  private fire: (() => void) | undefined;
  readonly groups: FlushGroups;

  constructor(readonly usualSyncMs: number) {
    const isInFlight = (): boolean => this.isInFlight;
    const flusher = {
      get isInFlight() {
        return isInFlight();
      },
      usualSyncMs,
      request: () => {
        this.isInFlight = true;
        this.syncs.push(this.waiting);
      },
    };
    const context = {
      after: (ms: number, fire: () => void) => {
        this.heldMs.push(ms);
        this.fire = fire;
        return {
          cancel: () => {
            this.fire = undefined;
          },
        };
      },
    };
    this.groups = new FlushGroups(context as never, flusher as never, () => this.waiting);
  }

  /** So many sends come in one batch. */
  come(count: number): void {
    this.waiting += count;
    this.groups.request();
  }

  /** The sync under way is over; its group is answered. */
  end(): void {
    const group = this.syncs.at(-1)!;
    this.isInFlight = false;
    this.groups.ended();
    this.waiting -= group;
    if (this.waiting > 0) this.groups.request();
  }

  get isHolding(): boolean {
    return this.fire !== undefined;
  }

  passTime(): void {
    const { fire } = this;
    this.fire = undefined;
    fire?.();
  }
}

const groups = suite('SYNC_FLUSH: groups of senders');

groups('a lone sender never waits', () => {
  const bench = new Bench(1);
  for (let i = 0; i < 3; i++) {
    bench.come(1);
    assert.is(bench.isInFlight, true);
    bench.end();
  }
  assert.equal(bench.heldMs, []);
});

groups('two halves become one group', () => {
  const bench = new Bench(1);
  bench.come(32);
  bench.come(32);
  bench.end();
  assert.is(bench.isHolding, true, 'the 32 that have just been answered are on their way');
  bench.come(20);
  assert.is(bench.isHolding, true);
  bench.come(10);
  assert.equal([bench.isHolding, bench.isInFlight], [false, true], 'nine tenths are enough');
  assert.equal(bench.syncs, [32, 62]);
});

groups('who does not come back is not waited for long, and not twice', () => {
  const bench = new Bench(1);
  bench.come(64);
  bench.end();
  bench.come(5);
  assert.equal(bench.heldMs, [0.5]);
  bench.passTime();
  assert.equal(bench.syncs, [64, 5]);
  bench.end();
  bench.come(5);
  assert.equal([bench.isHolding, bench.syncs.length], [false, 3]);
});

groups('never longer than two milliseconds, and not at all while nobody knows how long a sync takes', () => {
  for (const [usualSyncMs, held] of [
    [100, [2]],
    [0, []],
  ] as const) {
    const bench = new Bench(usualSyncMs);
    bench.come(10);
    bench.end();
    bench.come(1);
    assert.equal(bench.heldMs, held);
  }
});
groups.run();
