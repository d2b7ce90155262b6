import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { editProperties, PROPERTIES_LIMITS, parseProperties, renderProperty } from '../../config/properties.js';
import { prng } from '../../src/base/prng.js';
import { repositoryRoot } from '../support/repository.js';

const pairs = (text: string): string[][] => parseProperties(text).entries.map(({ key, value }) => [key, value]);

const parse = suite('properties: parse');

parse('takes =, : and blanks as separators, and blanks around them do not count', () => {
  assert.equal(pairs('a=1\nb:2\nc 3\n  d = 4\ne\t:\t5\nf==6\ng'), [
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
    ['d', '4'],
    ['e', '5'],
    ['f', '=6'],
    ['g', ''],
  ]);
});

parse('leaves out comments and empty lines, whatever ends a line', () => {
  assert.equal(pairs('# a=1\r\n  ! b=2\r\n\r\nc=3\rd=4\n'), [
    ['c', '3'],
    ['d', '4'],
  ]);
});

parse('joins a line that ends with an odd number of backslashes with the next one, and knows their lines', () => {
  const { entries } = parseProperties('a=1,\\\n    2,\\\n\t3\nb=x\\\\\nc=4');
  assert.equal(
    entries.map(({ key, value, line, lastLine }) => [key, value, line, lastLine]),
    [
      ['a', '1,2,3', 1, 3],
      ['b', 'x\\', 4, 4],
      ['c', '4', 5, 5],
    ],
  );
});

parse('understands escapes', () => {
  assert.equal(pairs('a\\=b\\ c=\\u00e9\\t\\n\\q\\\\'), [['a=b c', 'é\t\nq\\']]);
});

parse('cuts blanks off the end of a value and says so, but keeps an escaped one', () => {
  const { entries } = parseProperties('a=1  \nb=1\nc=1\\ \t');
  assert.equal(
    entries.map(({ value, trimmed }) => [value, trimmed]),
    [
      ['1', true],
      ['1', false],
      ['1 ', true],
    ],
  );
});

parse('agrees with java.util.Properties on texts that were given to Java 17', () => {
  const path = join(repositoryRoot(), 'test/config/fixtures/java-properties.json');
  const recorded: { text: string; java: Record<string, string> | null }[] = JSON.parse(readFileSync(path, 'utf8'));
  assert.ok(recorded.length > 150);
  const cut = (value: string): string => value.replace(/[ \t\f]+$/, '');
  for (const { text, java } of recorded) {
    const { entries, problems } = parseProperties(text);
    // What Java refuses (a broken \u) or stores without a key is a problem here.
    assert.is(problems.length > 0, java === null || '' in java, JSON.stringify(text));
    if (java === null) continue;
    const mine = Object.fromEntries(entries.map(({ key, value }) => [key, cut(value)]));
    const theirs = Object.fromEntries(
      Object.entries(java)
        .filter(([key]) => key !== '')
        .map(([key, value]) => [key, cut(value)]),
    );
    assert.equal(mine, theirs, JSON.stringify(text));
  }
});

const hostile = suite('properties: hostile texts');

const problemsOf = (text: string): string[] =>
  parseProperties(text).problems.map(({ line, text: what }) => `${line} ${what}`);

hostile('names the line of a broken \\u and of a value without a key, all of them', () => {
  assert.equal(problemsOf('a=1\nb=\\u12g4\n=2\nc=3'), [
    '2 a \\u that is not followed by four hexadecimal digits',
    '3 a value without a key',
  ]);
  assert.equal(pairs('a=1\nb=\\u12g4\n=2\nc=3'), [
    ['a', '1'],
    ['c', '3'],
  ]);
});

hostile('refuses a NUL, a very long line, too many keys and a text beyond the limit', () => {
  assert.equal(problemsOf('a=1\nb=\0'), ['2 a NUL character: not a text file']);
  assert.match(
    problemsOf(`a=1\nb=${'x'.repeat(PROPERTIES_LIMITS.lineCharacters)}`)[0]!,
    /^2 a line of more than 65536/,
  );
  assert.match(problemsOf(`b=${'x'.repeat(10 * 1024 * 1024)}`)[0]!, /^0 larger than 1048576 characters/);
  const many = Array.from({ length: PROPERTIES_LIMITS.entries + 1 }, (_, index) => `k${index}=1`).join('\n');
  assert.equal(problemsOf(many), ['5001 more than 5000 keys: not a configuration file']);
});

hostile('bounds the number of problems that it reports', () => {
  assert.is(parseProperties('=1\n'.repeat(1000)).problems.length, PROPERTIES_LIMITS.problems);
});

hostile('does not count a byte order mark', () => {
  assert.equal(pairs('\ufeffa=1'), [['a', '1']]);
});

const write = suite('properties: write');

write('renders what parses back to the same, for seeded random texts', () => {
  const seed = Number(process.env.SEED ?? 4711);
  const random = prng(seed);
  const alphabet = ['a', 'B', '1', '=', ':', ' ', '#', '!', '\\', '\t', '\n', '\r', '\f', 'é', '\u2028', '😀', 'u0041'];
  const word = (least: number): string =>
    Array.from({ length: least + random.below(8) }, () => random.pick(alphabet)).join('');
  for (let round = 0; round < 2000; round++) {
    const [key, value] = [word(1), word(0)];
    assert.equal(pairs(renderProperty(key, value)), [[key, value]], `SEED=${seed} ${JSON.stringify([key, value])}`);
  }
});

write('changes the line that counts, appends new keys and leaves everything else as it is', () => {
  const text = '# mine\r\na=1\r\nb=2\\\r\n   3\r\n\r\na=4\r\n! end\r\n';
  const changes = new Map([
    ['a', '5'],
    ['b', '6'],
    ['c', 'x y'],
  ]);
  assert.is(editProperties(text, changes), '# mine\na=1\nb=6\n\na=5\n! end\nc=x y\n');
});

parse.run();
hostile.run();
write.run();
