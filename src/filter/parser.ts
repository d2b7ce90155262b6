/**
 * SQL92 message filters, from text to tree. Grammar, precedence and messages are Apache's; what follows a complete
 * expression is not looked at, as there. Source: SelectorParser.jj, ParseException.java.
 *
 *     or          and (OR and)*
 *     and         equality (AND equality)*
 *     equality    comparison ("=" comparison | "<>" comparison | IS [NOT] NULL)*
 *     comparison  unary ((">" | ">=" | "<" | "<=") unary | [NOT] BETWEEN unary AND unary | [NOT] IN (string, ...))*
 *     unary       ("+" | "-" | NOT) unary | literal | property | "(" or ")"
 */
import {
  among,
  asCondition,
  between,
  type Constant,
  type Expression,
  equal,
  FilterError,
  isNull,
  logic,
  NULL,
  not,
  notBetween,
  order,
} from './expression.js';
import { doubleText, fitsInt, LONG_MAX } from './java-numbers.js';
import { escaped, nextToken, place, type Token, TOKEN_IMAGES, type TokenKind } from './tokens.js';

/** Parentheses, NOT and signs within each other; comparisons in a row, which are within each other, too. */
const DEPTH_MAX = 256;
const KINDS = Object.keys(TOKEN_IMAGES) as TokenKind[];
const OPERAND = ['TRUE', 'FALSE', 'NULL', 'decimal', 'floating', 'string', 'identifier', '('] as const;
const UNARY = ['NOT', ...OPERAND, '-'] as const;
const COMPARISON = ['NOT', 'BETWEEN', 'IN', '>', '>=', '<', '<='] as const;
const DOUBLE_MIN = 5e-324;

export interface ParsedFilter {
  readonly root: Expression;
  /** Names of the properties that it looks at, by index. */
  readonly names: readonly string[];
}

/** Throws FilterError or LexicalError. */
export function parseFilter(text: string): ParsedFilter {
  return new Parser(text).parse();
}

/** A word that nobody expected. */
class SyntaxProblem extends FilterError {}

class Parser {
  /** The next one, once it was looked at: what follows a complete filter may be anything. */
  private looked: Token | undefined = undefined;
  /** Where it is looked for. */
  private next = 0;
  /** Kinds that were looked for there. */
  private readonly expected = new Set<TokenKind>();
  /** Properties and their places. */
  private readonly indexes = new Map<string, number>();
  private depth = 0;

  constructor(private readonly text: string) {}

  parse(): ParsedFilter {
    const root = asCondition(this.or());
    return { root, names: [...this.indexes.keys()] };
  }

  private or(): Expression {
    let left = this.and();
    while (this.take('OR')) left = logic('||', left, this.and());
    return left;
  }

  private and(): Expression {
    let left = this.equality();
    while (this.take('AND')) left = logic('&&', left, this.equality());
    return left;
  }

  private equality(): Expression {
    let left = this.comparison();
    for (let depth = 0; ; depth++) {
      if (depth > DEPTH_MAX) throw new FilterError(`more than ${DEPTH_MAX} comparisons in a row: simplify the filter`);
      if (this.take('=')) left = equal(left, this.comparison());
      else if (this.take('<>')) left = not(equal(left, this.comparison()));
      else if (this.take('IS')) left = this.isNullOrNot(left);
      else return left;
    }
  }

  private isNullOrNot(left: Expression): Expression {
    if (this.token.kind === 'NULL') {
      this.advance();
      return isNull(left);
    }
    this.need('NOT');
    this.need('NULL');
    return not(isNull(left));
  }

  private comparison(): Expression {
    let left = this.unary();
    for (;;) {
      if (this.token.kind === 'NOT') this.mustNegate();
      const sign = this.takeOneOf(COMPARISON);
      switch (sign) {
        case undefined:
          return left;
        case 'BETWEEN':
          left = between(left, ...this.bounds());
          break;
        case 'IN':
          left = among(left, this.words(), false);
          break;
        case 'NOT':
          left = this.take('BETWEEN') ? notBetween(left, ...this.bounds()) : among(left, this.wordsAfterIn(), true);
          break;
        default:
          left = order(sign, left, this.unary());
      }
    }
  }

  /** A NOT behind an operand belongs to BETWEEN or IN; otherwise it is what nobody expected. */
  private mustNegate(): void {
    const { kind } = nextToken(this.text, this.token.end);
    if (kind === 'BETWEEN' || kind === 'IN') return;
    for (const one of COMPARISON) if (one !== 'NOT') this.expected.add(one);
    this.fail();
  }

  private wordsAfterIn(): string[] {
    this.need('IN');
    return this.words();
  }

  private bounds(): [Expression, Expression] {
    const low = this.unary();
    this.need('AND');
    return [low, this.unary()];
  }

  private words(): string[] {
    this.need('(');
    const words = [this.string()];
    while (this.take(',')) words.push(this.string());
    this.need(')');
    return words;
  }

  private string(): string {
    return contentOf(this.need('string'));
  }

  private unary(): Expression {
    if (++this.depth > DEPTH_MAX) {
      throw new FilterError(
        `more than ${DEPTH_MAX} parentheses, signs and NOTs within each other: simplify the filter`,
      );
    }
    const expression = this.unaryOrOperand();
    this.depth--;
    return expression;
  }

  private unaryOrOperand(): Expression {
    const signed = this.signed();
    if (signed !== undefined) return signed;
    const { image } = this.token;
    const kind = this.takeOneOf(UNARY);
    switch (kind) {
      case undefined:
        return this.fail();
      case '-':
        return { kind: 'negate', operand: this.unary() };
      case 'NOT':
        return not(this.unary());
      case '(': {
        const inner = this.or();
        this.need(')');
        return inner;
      }
      case 'identifier':
        return { kind: 'property', name: image, index: this.indexOf(image) };
      default:
        return literal(kind, image);
    }
  }

  /** Behind a plus; undefined when nothing follows that could: then the plus itself is what nobody expected. */
  private signed(): Expression | undefined {
    const plus = this.token;
    if (plus.kind !== '+') return undefined;
    const { depth } = this;
    const expected = [...this.expected];
    this.advance();
    try {
      return this.unary();
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error;
      this.depth = depth;
      this.looked = plus;
      this.next = plus.at;
      this.expected.clear();
      for (const kind of expected) this.expected.add(kind);
      return undefined;
    }
  }

  private indexOf(name: string): number {
    const index = this.indexes.get(name) ?? this.indexes.size;
    this.indexes.set(name, index);
    return index;
  }

  // ---- tokens

  private get token(): Token {
    this.looked ??= nextToken(this.text, this.next);
    return this.looked;
  }

  private takeOneOf<K extends TokenKind>(kinds: readonly K[]): K | undefined {
    const found = kinds.find((kind) => kind === this.token.kind);
    if (found !== undefined) this.advance();
    else for (const kind of kinds) this.expected.add(kind);
    return found;
  }

  private take(kind: TokenKind): boolean {
    return this.takeOneOf([kind]) !== undefined;
  }

  /** Consumes a token of that kind and returns its image. */
  private need(kind: TokenKind): string {
    const { image } = this.token;
    return this.take(kind) ? image : this.fail();
  }

  private advance(): void {
    this.next = this.token.end;
    this.looked = undefined;
    this.expected.clear();
  }

  private fail(): never {
    const { kind, image, at } = this.token;
    const { line, column } = place(this.text, at);
    const found = kind === 'end' ? TOKEN_IMAGES.end : ` ${TOKEN_IMAGES[kind]} "${escaped(image)} "`;
    const expected = KINDS.filter((one) => this.expected.has(one)).map((one) => `${TOKEN_IMAGES[one]} ...\n    `);
    const wanted = `Was expecting${expected.length === 1 ? '' : ' one of'}:\n    ${expected.join('')}`;
    throw new SyntaxProblem(
      `org.apache.rocketmq.filter.parser.ParseException: Encountered "${found}" at line ${line}, column ${column}.\n${wanted}`,
    );
  }
}

/** What stands between the quotes. */
function contentOf(image: string): string {
  return image.slice(1, -1).replaceAll("''", "'");
}

function literal(kind: 'TRUE' | 'FALSE' | 'NULL' | 'decimal' | 'floating' | 'string', image: string): Constant {
  switch (kind) {
    case 'TRUE':
      return { kind: 'constant', type: 'boolean', value: true };
    case 'FALSE':
      return { kind: 'constant', type: 'boolean', value: false };
    case 'NULL':
      return NULL;
    case 'string':
      return { kind: 'constant', type: 'string', value: contentOf(image) };
    case 'decimal':
      return decimal(image.replace(/l$/i, ''));
    case 'floating':
      return floating(image);
  }
}

function decimal(text: string): Constant {
  const value = BigInt(text);
  if (value > LONG_MAX) throw new FilterError(`java.lang.NumberFormatException: For input string: "${text}"`);
  return fitsInt(value)
    ? { kind: 'constant', type: 'int', value: Number(value) }
    : { kind: 'constant', type: 'long', value };
}

function floating(text: string): Constant {
  const value = Number(text);
  const max = doubleText(Number.MAX_VALUE);
  if (value > Number.MAX_VALUE) throw new FilterError(`java.lang.RuntimeException: ${text} is greater than ${max}`);
  if (value < DOUBLE_MIN) throw new FilterError(`java.lang.RuntimeException: ${text} is less than 4.9E-324`);
  return { kind: 'constant', type: 'double', value };
}
