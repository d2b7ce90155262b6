/** Property values that are meant to keep a broker busy: long, and no numbers. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileFilter } from '../../src/filter/compile.js';

const LONGEST_PROPERTY = 32_000;
/** A thousand times what it takes; a backtracking expression takes seconds. */
const SLOWEST_MS = 1_000;

const numbers = suite('filter: values that are no numbers');

for (const [what, value] of [
  ['digits and a letter', `${'1'.repeat(1_000)}x`],
  ['very many digits', '1'.repeat(LONGEST_PROPERTY)],
  ['very many zeros', `${'0'.repeat(LONGEST_PROPERTY)}1`],
  ['very many digits and a letter', `${'1'.repeat(LONGEST_PROPERTY)}x`],
  ['blanks', ' '.repeat(LONGEST_PROPERTY)],
] as const) {
  numbers(`${what}: no match, at once`, () => {
    const begin = performance.now();
    for (const comparison of ['a > 1', 'a > 1.5', 'a > 3000000000', 'a > b']) {
      const filter = compileFilter(`${comparison}${` OR ${comparison}`.repeat(1_000)}`);
      assert.is(filter.matches([value, '1']), false);
    }
    assert.ok(performance.now() - begin < SLOWEST_MS);
  });
}

numbers.run();
