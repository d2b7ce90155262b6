/** A seed names a plan, and a plan leaves what it strikes time to come back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CLIENT_KINDS } from './groups.js';
import { drawPlan, type Strike } from './plan.js';
import { targetsOf } from './targets.js';

const LENGTH_MS = 30 * 60_000;
const SEEDS = [1, 2, 3];
const targets = targetsOf(CLIENT_KINDS, LENGTH_MS);
const byName = new Map(targets.map((target) => [target.name, target]));
const planOf = (seed: number): Strike[] => drawPlan({ seed, targets, lengthMs: LENGTH_MS, everyMs: 3_000 });

const plan = suite('soak: plan');

plan('a seed gives the same plan again, another seed another one', () => {
  assert.equal(planOf(1), planOf(1));
  assert.not.equal(planOf(1), planOf(2));
});

plan('in time everything is struck in every way, and mended before the end', () => {
  const strikes = planOf(4);
  const struck = new Set(strikes.map(({ target, how }) => `${target} ${how}`));
  for (const { name, hows } of targets) {
    for (const how of hows) assert.ok(struck.has(`${name} ${how}`), `${how} ${name}`);
  }
  for (const { atMs, forMs } of strikes) assert.ok(atMs + forMs <= LENGTH_MS);
});

plan('nothing is struck before it has rested, nor what is in a process that rests', () => {
  for (const seed of SEEDS) {
    const freeAtMs = new Map<string, number>();
    for (const { target, atMs, forMs } of planOf(seed)) {
      const { within, restMs } = byName.get(target)!;
      assert.ok(atMs >= (freeAtMs.get(target) ?? 0), `${target} at ${atMs}`);
      assert.ok(within === undefined || atMs >= (freeAtMs.get(within) ?? 0), `${target} in ${within} at ${atMs}`);
      freeAtMs.set(target, atMs + forMs + restMs);
    }
  }
});

plan('threads do not die twice within a minute, roles not six times: that would end the process, on purpose', () => {
  for (const seed of SEEDS) {
    const strikes = planOf(seed);
    const threads = strikes.filter(({ how }) => how === 'thread').map(({ atMs }) => atMs);
    for (const [index, atMs] of threads.entries()) assert.ok(index === 0 || atMs - threads[index - 1]! > 60_000);
    // A thread takes the roles that it hosts along.
    for (const { target, how, atMs } of strikes) {
      if (how !== 'crash') continue;
      const within = strikes.filter(
        (other) =>
          (other.target === target || other.how === 'thread') && other.atMs >= atMs && other.atMs < atMs + 60_000,
      );
      assert.ok(within.length <= 5, `${target} at ${atMs}: ${within.length} restarts within a minute`);
    }
  }
});

plan('master and slave are struck together now and then', () => {
  const strikes = planOf(5);
  assert.ok(
    strikes.some(
      (one, index) =>
        one.target === 'broker-c' &&
        strikes[index + 1]?.target === 'broker-c-s' &&
        strikes[index + 1]!.atMs === one.atMs,
    ),
  );
});

plan.run();
