/**
 * Words of a SQL92 message filter, cut as Apache's generated scanner cuts them: longest match, keywords in any case, ASCII
 * identifiers, two dashes and a line end for a comment. Source: SelectorParser.jj (tokens).
 */

/** Kinds in Apache's order, which is the order of its error messages, with their images there. */
export const TOKEN_IMAGES = {
  end: '<EOF>',
  NOT: '"NOT"',
  AND: '"AND"',
  OR: '"OR"',
  BETWEEN: '"BETWEEN"',
  IN: '"IN"',
  TRUE: '"TRUE"',
  FALSE: '"FALSE"',
  NULL: '"NULL"',
  IS: '"IS"',
  decimal: '<DECIMAL_LITERAL>',
  floating: '<FLOATING_POINT_LITERAL>',
  string: '<STRING_LITERAL>',
  identifier: '<ID>',
  '=': '"="',
  '<>': '"<>"',
  '>': '">"',
  '>=': '">="',
  '<': '"<"',
  '<=': '"<="',
  '(': '"("',
  ',': '","',
  ')': '")"',
  '+': '"+"',
  '-': '"-"',
} as const;

export type TokenKind = keyof typeof TOKEN_IMAGES;

export interface Token {
  readonly kind: TokenKind;
  /** As written; empty at the end. */
  readonly image: string;
  /** Of its first character; at the end, that of the last character of the text. */
  readonly at: number;
  /** Where the next token is looked for. */
  readonly end: number;
}

/** Something that no filter consists of. `message` is what Apache's scanner says. */
export class LexicalError extends Error {
  override readonly name = 'LexicalError';
}

const KEYWORDS = new Set<string>(['NOT', 'AND', 'OR', 'BETWEEN', 'IN', 'TRUE', 'FALSE', 'NULL', 'IS']);
const BLANKS = /(?:[ \t\n\r\f]|--[^\n\r]*[\n\r]|\/\*(?:[^*]|\*+[^*/])*\*+\/)+/y;
const FLOATING = /\d+\.\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+/iy;
const DECIMAL = /0|[1-9]\d*l?/iy;
const STRING = /'(?:''|[^'])*'/y;
const IDENTIFIER = /[a-z_$][a-z0-9_$]*/iy;
const SYMBOL = /<>|>=|<=|[=<>(),+-]/y;

/** The token at or after `from`. Throws LexicalError. */
export function nextToken(text: string, from: number): Token {
  const at = from + match(BLANKS, text, from).length;
  if (at === text.length) return { kind: 'end', image: '', at: Math.max(0, at - 1), end: at };
  const token = (kind: TokenKind, image: string): Token => ({ kind, image, at, end: at + image.length });
  const floating = match(FLOATING, text, at);
  if (floating !== '') return token('floating', floating);
  const decimal = match(DECIMAL, text, at);
  if (decimal !== '') return token('decimal', decimal);
  const string = match(STRING, text, at);
  if (string !== '') return token('string', string);
  const identifier = match(IDENTIFIER, text, at);
  if (identifier !== '') {
    const word = identifier.toUpperCase();
    return token(KEYWORDS.has(word) ? (word as TokenKind) : 'identifier', identifier);
  }
  const symbol = match(SYMBOL, text, at);
  if (symbol !== '') return token(symbol as TokenKind, symbol);
  throw lexicalError(text, at);
}

/** Of a sticky expression at that place; empty when it does not match there. */
function match(expression: RegExp, text: string, at: number): string {
  expression.lastIndex = at;
  return expression.exec(text)?.[0] ?? '';
}

/** Beginnings of tokens that never end: a string, a comment, a number without digits. */
const BEGUN = /'.*|\/\*.*|\/|\./sy;

function lexicalError(text: string, at: number): LexicalError {
  const begun = match(BEGUN, text, at);
  const offending = at + begun.length;
  // Apache's scanner has read one character more: at the end of the text it complains about the end.
  const isEnd = offending + 1 >= text.length;
  const { line, column } = isEnd ? after(text, text.length - 1) : place(text, offending);
  const what = isEnd ? '<EOF> ' : `"${escaped(text[offending]!)}" (${text.charCodeAt(offending)}), `;
  const before = isEnd ? text.slice(at) : begun;
  return new LexicalError(
    `org.apache.rocketmq.filter.parser.TokenMgrError: Lexical error at line ${line}, column ${column}.  Encountered: ${what}after : "${before.length > 1 || !isEnd ? escaped(before) : ''}"`,
  );
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

const TAB = 8;

/** Line and column, from 1, of a character (both 0 in an empty text); a tab goes on to the next column after a multiple of 8. */
export function place(text: string, at: number): Place {
  let line = text === '' ? 0 : 1;
  let column = 0;
  for (let i = 0; i <= at && i < text.length; i++) {
    const before = i === 0 ? '' : text[i - 1]!;
    if (before === '\n' || (before === '\r' && text[i] !== '\n')) {
      line++;
      column = 0;
    }
    column++;
    if (text[i] === '\t') column += (TAB - (column % TAB)) % TAB;
  }
  return { line, column };
}

function after(text: string, at: number): Place {
  const { line, column } = place(text, at);
  return text[at] === '\n' || text[at] === '\r' ? { line: line + 1, column: 0 } : { line, column: column + 1 };
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
  '"': '\\"',
  "'": "\\'",
  '\\': '\\\\',
};

/** As Apache's error messages show it. Source: ParseException.add_escapes. */
export function escaped(text: string): string {
  return text.replace(/[^ !#-&(-[\]-~]/g, (c) => {
    if (c === '\0') return '';
    return ESCAPES[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
