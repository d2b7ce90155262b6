/** Which actor runs where: a pure function, so that the same host and configuration give the same table. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { type PlacementWish, place } from '../../src/runtime/placement.js';
import { seedOf } from '../support/seed.js';

const placement = suite('placement');

placement('keeps groups together, puts pinned actors where they are pinned, and uses only threads that exist', () => {
  const random = prng(seedOf('placement'));
  for (let round = 0; round < 500; round++) {
    const threads = 1 + random.below(8);
    const wishes: PlacementWish[] = Array.from({ length: random.below(30) }, (_, index) => ({
      actor: `actor-${index}`,
      weight: random.below(10),
      ...(random.chance(0.5) ? { together: `group-${random.below(5)}` } : {}),
      ...(random.chance(0.5) ? { apart: `rivals-${random.below(3)}` } : {}),
      ...(random.chance(0.1) ? { thread: random.below(threads) } : {}),
    }));
    const placed = place(threads, wishes);
    assert.equal([...placed], [...place(threads, wishes)]);
    assert.is(placed.size, wishes.length);
    const groups = new Map<string, number>();
    for (const wish of wishes) {
      const thread = placed.get(wish.actor)!;
      assert.ok(Number.isInteger(thread) && thread >= 0 && thread < threads);
      if (wish.together !== undefined) {
        assert.is(groups.get(wish.together) ?? thread, thread);
        groups.set(wish.together, thread);
      } else if (wish.thread !== undefined) {
        assert.is(thread, wish.thread);
      }
    }
  }
});

placement('spreads rivals over the threads, then evens out the load', () => {
  const master = (name: string): PlacementWish => ({ actor: name, weight: 4, apart: 'masters', together: name });
  const slave = (of: string): PlacementWish => ({ actor: `${of}-slave`, weight: 1, together: of });
  const wishes = [master('a'), slave('a'), master('b'), slave('b'), { actor: 'namesrv', weight: 1 }];
  const two = place(2, wishes);
  assert.is.not(two.get('a'), two.get('b'));
  assert.is(two.get('a-slave'), two.get('a'));
  const one = place(1, wishes);
  assert.equal(new Set(one.values()), new Set([0]));
  const three = place(3, wishes);
  assert.is(new Set([three.get('a'), three.get('b'), three.get('namesrv')]).size, 3);
});

placement('refuses no threads and pins outside of them', () => {
  assert.throws(() => place(0, []), /worker threads/);
  assert.throws(() => place(2, [{ actor: 'a', weight: 1, thread: 2 }]), /pinned thread: a, 2/);
});

placement.run();
