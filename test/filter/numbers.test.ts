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

numbers('integers in the digits of any script are some, floating-point numbers are not', () => {
  assert.is(compileFilter('a = 13').matches(['\u0661\u0663']), true);
  assert.is(compileFilter('a = 30000000013').matches(['\uff13000000001\u0663']), true);
  assert.is(compileFilter('a = 1.0 OR a <> 1.0').matches(['\u0661']), false);
  assert.is(compileFilter('a = 1 OR a <> 1').matches(['\u{1d7cf}']), false, 'beyond 16 bits');
});

numbers.run();
