import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bloomFilter, bloomPositions } from '../../src/filter/bloom.js';
import { compileFilter } from '../../src/filter/compile.js';
import { FilterError } from '../../src/filter/expression.js';
import { StoredPropertiesFilter } from '../../src/filter/stored-properties.js';
import { repositoryRoot } from '../support/repository.js';

type Message = Readonly<Record<string, string>>;

interface Recorded {
  readonly messages: readonly Message[];
  readonly cases: readonly { readonly text: string; readonly outcomes?: string; readonly error?: string }[];
}

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(join(repositoryRoot(), 'test/filter/fixtures', name), 'utf8')) as T;
}

/** Outcomes of Apache's evaluation as letters; only "true" passes. */
function passes(text: string, messages: readonly Message[]): string {
  const filter = compileFilter(text);
  return messages.map((one) => (filter.matches(filter.names.map((name) => one[name])) ? 'T' : '.')).join('');
}

function refusal(text: string): string {
  try {
    compileFilter(text);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

const recorded = fixture<Recorded>('apache-4.9.7-filters.json');
const filters = suite('filter: what Apache 4.9.7 does with the same expressions');

filters('passes and stops the same messages', () => {
  const valid = recorded.cases.filter((one) => one.outcomes !== undefined);
  assert.ok(valid.length > 100, `${valid.length} cases`);
  for (const { text, outcomes } of valid) {
    assert.is(passes(text, recorded.messages), outcomes!.replace(/[^T]/g, '.'), text);
  }
});

filters('refuses the same expressions in the same words', () => {
  const invalid = recorded.cases.filter((one) => one.error !== undefined);
  assert.ok(invalid.length > 100, `${invalid.length} cases`);
  for (const { text, error } of invalid) assert.is(refusal(text), error, text);
});
filters('a plus before nothing that could follow it is itself what nobody expected', () => {
  for (const [text, column] of [
    ['+ IS NULL', 1],
    ['0 < +', 5],
    ['a = + ( + )', 5],
  ] as const) {
    assert.match(refusal(text), new RegExp(`Encountered " "\\+" "\\+ "" at line 1, column ${column}\\.`), text);
  }
  assert.is(passes('a = + + 1', [{ a: '1' }, { a: '-1' }]), 'T.');
});

filters('a text beside a number of BETWEEN is read as one before it is refused', () => {
  assert.is(
    refusal("a BETWEEN 1 AND 'x'"),
    'java.lang.RuntimeException: java.lang.NumberFormatException: For input string: "x"',
  );
  assert.match(
    refusal("a BETWEEN 2 AND '1'"),
    /Illegal values of between, left value\(2\) must less than or equal to right value\(1\)/,
  );
  assert.is(refusal("a BETWEEN 1 AND '2'"), "java.lang.RuntimeException: Value ''2'' cannot be compared.");
});
filters.run();

const bounds = suite('filter: expressions without end');

bounds('long chains are no deeper than short ones', () => {
  const chain = Array.from({ length: 20_000 }, (_, i) => `a = ${i}`).join(' OR ');
  assert.is(passes(chain, [{ a: '19999' }, { a: '20000' }, {}]), 'T..');
});

bounds('nesting is bounded, and said so', () => {
  for (const [open, close] of [
    ['(', ')'],
    ['NOT ', ''],
    ['-', ''],
    ['+', ''],
  ] as const) {
    assert.throws(
      () => compileFilter(`${open.repeat(100_000)}a${close.repeat(100_000)} = 1`),
      (error: Error) => error instanceof FilterError && /simplify the filter/.test(error.message),
    );
  }
  assert.is(passes(`${'('.repeat(200)}a = 1${')'.repeat(200)}`, [{ a: '1' }]), 'T');
});

bounds('a comparison of a comparison of a comparison: bounded, too', () => {
  for (const more of [' = TRUE', ' <> FALSE', ' IS NULL', ' IS NOT NULL']) {
    assert.throws(() => compileFilter(`a${more.repeat(30_000)}`), /comparisons in a row: simplify the filter/);
  }
  assert.is(passes(`a = 1${' = TRUE'.repeat(200)}`, [{ a: '1' }]), 'T');
});

bounds('text that nearly is a comment, a string or a number is read in linear time', () => {
  for (const text of [
    `/*${'*'.repeat(200_000)}`,
    `'${"''".repeat(100_000)}`,
    '1'.repeat(200_000),
    `a = ${' '.repeat(200_000)}#`,
  ]) {
    assert.throws(() => compileFilter(text));
  }
});
bounds.run();

const stored = suite('filter: properties as they are stored');

const SEPARATORS: Readonly<Record<string, string>> = { '=': '\u0001', ';': '\u0002' };

/** `a=1;b=2` as stored, with other bytes around it. */
function storedPasses(text: string, properties: string): boolean {
  const bytes = Buffer.from(`a=9;${properties};a=9`.replace(/[=;]/g, (c) => SEPARATORS[c]!));
  const before = 4;
  return new StoredPropertiesFilter(compileFilter(text)).passes(bytes, before, bytes.length - before - 4);
}

stored('are found wherever they stand; what has no name or no value is none; the last of equal ones counts', () => {
  assert.ok(storedPasses('a = 1', 'a=1'));
  assert.ok(storedPasses("a = 1 AND b = 'x'", 'aa=3;b=x;c=;a=1'));
  assert.ok(storedPasses('a = 2', 'a=1;a=2;a=;=a;'));
  assert.ok(storedPasses('a IS NULL', 'b=1;ab=2;a;a='));
  assert.ok(storedPasses('a IS NULL', ''));
  assert.ok(storedPasses("a = 'ü€😀'", 'a=ü€😀'));
  assert.not(storedPasses('a = 1', 'b=1'), 'nothing of the message before');
});

stored('one filter sees each message as it is, also with more names than are compared one by one', () => {
  const names = Array.from({ length: 40 }, (_, i) => `n${i}`);
  const filter = new StoredPropertiesFilter(compileFilter(names.map((name) => `${name} = 1`).join(' OR ')));
  const passesOne = (text: string): boolean => {
    const bytes = Buffer.from(text.replace(/[=;]/g, (c) => SEPARATORS[c]!));
    return filter.passes(bytes, 0, bytes.length);
  };
  assert.ok(passesOne('x=1;n39=1'));
  assert.not(passesOne('x=1;n40=1'));
  assert.not(passesOne('n38=2'));
});
stored.run();

const bloom = suite('filter: bloom filter');

bloom('gives the size and the positions that Apache gives', () => {
  interface Case {
    readonly error: number;
    readonly expected: number;
    readonly key: string;
    readonly bits: number;
    readonly positions: readonly number[];
  }
  const cases = fixture<Case[]>('apache-4.9.7-bloom.json');
  assert.ok(cases.length >= 20);
  for (const { error, expected, key, bits, positions } of cases) {
    const filter = bloomFilter(error, expected);
    assert.is(filter.bitCount, bits);
    assert.equal(bloomPositions(filter, key), positions, `${error} ${expected} ${key}`);
  }
});
bloom.run();
