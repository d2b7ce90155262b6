/** SQL92 expressions that nobody would write, by chance: refused in the same words, or let through the same messages. */
import { type Prng, prng } from '../../../src/base/prng.js';
import { pullFields } from '../../support/remoting-client.js';
import { seedOf } from '../../support/seed.js';
import { Code } from './codes.js';
import { subscriptionData } from './heartbeats.js';
import type { Part } from './part.js';
import type { Script } from './script.js';

const TOPIC = 'sql-topic';
const EXPRESSIONS = 300;
/** One in so many has a word too many, too few, or another one. */
const SPOILED = 3;

/** What properties a and b hold, each with the next one. */
const VALUES = [
  '1',
  '-1',
  '0',
  '-0',
  '1.5',
  '1.50',
  '1.',
  '.5',
  '+1',
  ' 1',
  '1 ',
  '1L',
  '1e0',
  '0x1',
  '01',
  '9223372036854775807',
  '9223372036854775808',
  '1e400',
  'NaN',
  'Infinity',
  'true',
  'TRUE',
  'x',
  "it's",
  '\u0663',
  '\u00e4',
];

const NUMBERS = [
  '0',
  '1',
  '-1',
  '1.5',
  '.5',
  '1.',
  '1e0',
  '9223372036854775807',
  '-9223372036854775807',
  '1L',
  '2.50',
  '1e400',
];
const STRINGS = ["'1'", "'x'", "'it''s'", "''", "'true'", "'\u00e4'", "'a'"];
const NAMES = ['a', 'b', 'c', 'A', 'TAGS', 'a$_1'];
const COMPARED = ['=', '<>', '<', '<=', '>', '>='];
const WORDS = [
  ...NUMBERS,
  ...STRINGS,
  ...NAMES,
  ...COMPARED,
  'NOT',
  'AND',
  'OR',
  'BETWEEN',
  'IN',
  'TRUE',
  'FALSE',
  'NULL',
  'IS',
  '(',
  ')',
  ',',
  '+',
  '-',
];
const ODD_WORDS = [
  '!=',
  '==',
  '*',
  '/',
  ';',
  '"x"',
  "'open",
  '1.2.3',
  '0x1',
  '007',
  '#',
  '@a',
  '\u00e4',
  '/* c */',
  '-- c\n',
  'LIKE',
  'is',
  'nOt',
];

class Grammar {
  constructor(private readonly random: Prng) {}

  of<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)]!;
  }

  value(): string {
    return this.of([NUMBERS, NUMBERS, STRINGS, NAMES, ['TRUE', 'FALSE']].map((kind) => this.of(kind)));
  }

  condition(depth: number): string[] {
    const kind = this.random.below(depth > 2 ? 6 : 10);
    const not = this.random.below(3) === 0 ? ['NOT'] : [];
    switch (kind) {
      case 0:
      case 1:
        return [this.of(NAMES), this.of(COMPARED), this.value()];
      case 2:
        return [this.value(), this.of(COMPARED), this.of(NAMES)];
      case 3:
        return [
          this.of(NAMES),
          ...not,
          'BETWEEN',
          this.of([...NUMBERS, ...NAMES]),
          'AND',
          this.of([...NUMBERS, ...STRINGS]),
        ];
      case 4:
        return [
          this.of(NAMES),
          ...not,
          'IN',
          '(',
          this.of(STRINGS),
          ',',
          this.of([...STRINGS, ...STRINGS, ...NUMBERS]),
          ')',
        ];
      case 5:
        return [this.of(NAMES), 'IS', ...not, 'NULL'];
      case 6:
        return ['NOT', ...this.condition(depth + 1)];
      case 7:
        return ['(', ...this.condition(depth + 1), ')'];
      default:
        return [...this.condition(depth + 1), this.of(['AND', 'OR']), ...this.condition(depth + 1)];
    }
  }

  spoiled(words: string[]): string[] {
    const at = this.random.below(words.length);
    const other = this.of([...WORDS, ...ODD_WORDS]);
    const kept = this.random.below(3);
    return [
      ...words.slice(0, at),
      ...(kept === 0 ? [] : [other]),
      ...words.slice(kept === 1 ? at + 1 : at + (kept === 0 ? 1 : 0)),
    ];
  }
}

function expressionsOf(seed: number): string[] {
  const grammar = new Grammar(prng(seed));
  const found = new Set<string>();
  while (found.size < EXPRESSIONS) {
    const words = grammar.condition(0);
    found.add((found.size % SPOILED === 0 ? grammar.spoiled(words) : words).join(' '));
  }
  return [...found];
}

/** Both brokers get the same ones. */
let expressions: readonly string[] | undefined;

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC);
  for (const [n, a] of VALUES.entries()) {
    await script.store(TOPIC, 0, { a, b: VALUES[(n + 1) % VALUES.length]!, ...(n % 3 === 0 ? { TAGS: 'a' } : {}) });
  }
  await script.store(TOPIC, 0);
  await script.holds(TOPIC, 0, VALUES.length + 1);
  expressions ??= expressionsOf(seedOf('SQL92 expressions'));
  for (const sql of expressions) {
    const data = subscriptionData({ topic: TOPIC, subString: sql, expressionType: 'SQL92' });
    const body = { clientId: 'c', group: 'sql-group', subscriptionData: data };
    const { code } = await script.ask(`is it a filter? ${sql}`, Code.CHECK_CLIENT, {}, { body });
    if (code !== 0) continue;
    const fields = pullFields(TOPIC, 0, 0, { subscription: sql, expressionType: 'SQL92' });
    await script.pulls(`what it lets through: ${sql}`, fields);
  }
}

export const sql: Part = { name: 'SQL92 by chance', run, intended: [] };
