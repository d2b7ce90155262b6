/** The timer heap against a sorted list. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { Timers } from '../../src/runtime/timers.js';
import { seedOf } from '../support/seed.js';

/** Fires everything that is due, as a turn does. */
function turn(timers: Timers, nowMs: number): void {
  const mark = timers.mark();
  for (let due = timers.takeDue(nowMs, mark); due !== undefined; due = timers.takeDue(nowMs, mark)) due.fire();
}

const heap = suite('timers');

heap('fire by due time, ties in the order in which they were set', () => {
  const random = prng(seedOf('timers'));
  const timers = new Timers();
  const expected: { readonly dueMs: number; readonly id: number }[] = [];
  const fired: number[] = [];
  for (let id = 0; id < 2000; id++) {
    const dueMs = random.below(300);
    const timer = timers.set(dueMs, 0, () => fired.push(id));
    if (random.chance(0.3)) timer.cancel();
    else expected.push({ dueMs, id });
  }
  for (let nowMs = 0; nowMs < 300; nowMs += random.below(20)) turn(timers, nowMs);
  turn(timers, 300);
  expected.sort((a, b) => a.dueMs - b.dueMs || a.id - b.id);
  assert.equal(
    fired,
    expected.map(({ id }) => id),
  );
  assert.is(timers.nextDueMs(), undefined);
});

heap('are not early, and the next due time leaves out cancelled ones', () => {
  const timers = new Timers();
  const first = timers.set(10, 0, () => assert.unreachable('cancelled'));
  let fired = 0;
  timers.set(20, 0, () => fired++);
  assert.is(timers.nextDueMs(), 10);
  first.cancel();
  assert.is(timers.nextDueMs(), 20);
  turn(timers, 19.999);
  assert.is(fired, 0);
  turn(timers, 20);
  assert.is(fired, 1);
});

heap('a timer that sets itself again with no delay fires once per turn', () => {
  const timers = new Timers();
  let fired = 0;
  const again = (): void => {
    fired++;
    timers.set(5, 0, again);
  };
  timers.set(5, 0, again);
  turn(timers, 5);
  assert.is(fired, 1);
  turn(timers, 5);
  assert.is(fired, 2);
});

heap('cancelled ones do not pile up, however late they would have been', () => {
  const random = prng(seedOf('cancelled timers'));
  const timers = new Timers();
  const fired: number[] = [];
  const expected: number[] = [];
  for (let id = 0; id < 20_000; id++) {
    const dueMs = random.below(1_000_000);
    const timer = timers.set(dueMs, 0, () => fired.push(dueMs));
    if (id % 200 === 0) expected.push(dueMs);
    else timer.cancel();
    assert.ok(timers.size <= 2 * expected.length + 200, `${timers.size} entries`);
  }
  turn(timers, 1_000_000);
  assert.equal(
    fired,
    expected.sort((a, b) => a - b),
  );
  assert.is(timers.size, 0);
});

heap('of an owner that is dropped never fire, those of others do', () => {
  const timers = new Timers();
  const fired: number[] = [];
  for (const owner of [1, 2, 1, 3]) timers.set(1, owner, () => fired.push(owner));
  timers.dropOwner(1);
  turn(timers, 1);
  assert.equal(fired, [2, 3]);
});

heap.run();
