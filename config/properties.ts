/**
 * Java's .properties format. Source: the documentation of java.util.Properties.load.
 *
 *     # comment   ! comment
 *     key=value   key : value   key value      blanks around the separator do not count
 *     key=a\                                   a backslash at the end of a line joins the next one,
 *         b                                    without its leading blanks: key is "ab"
 *     key=\u00e9 \t \n \\ \=                   any other escaped character stands for itself
 *
 * Apache keeps blanks at the end of a value, fails to parse `brokerId=1 ` and silently uses the default. Here they are cut off and
 * the entry is marked, so that the loader can say so. Nothing is interpreted beyond that: keys may be unknown or repeated.
 */

export interface PropertyEntry {
  readonly key: string;
  readonly value: string;
  /** Natural lines that the entry stands on, from 1, both included. */
  readonly line: number;
  readonly lastLine: number;
  /** Blanks at the end of the value were cut off. */
  readonly trimmed: boolean;
}

export interface PropertyProblem {
  readonly line: number;
  readonly text: string;
}

export interface ParsedProperties {
  /** In the order of the file. */
  readonly entries: readonly PropertyEntry[];
  /** What makes it no .properties text; parsing stops at the first hopeless one. */
  readonly problems: readonly PropertyProblem[];
}

/** A configuration file of a role has some hundred lines at most; beyond these limits it is something else. */
export const PROPERTIES_LIMITS = {
  characters: 1024 * 1024,
  lineCharacters: 64 * 1024,
  entries: 5000,
  problems: 20,
} as const;

const BLANKS = ' \t\f';
const BYTE_ORDER_MARK = '\ufeff';

export function parseProperties(text: string): ParsedProperties {
  const entries: PropertyEntry[] = [];
  const problems: PropertyProblem[] = [];
  const { characters, lineCharacters } = PROPERTIES_LIMITS;
  if (text.length > characters) {
    return { entries, problems: [{ line: 0, text: `larger than ${characters} characters: not a configuration file` }] };
  }
  const lines = splitLines(text);
  for (let at = 0; at < lines.length; at++) {
    const first = at;
    let logical = withoutLeadingBlanks(lines[at]!);
    // A line of nothing but a backslash joins nothing to the next one, which may then be a comment.
    if (logical === '' || logical === '\\' || logical[0] === '#' || logical[0] === '!') continue;
    const parts = [];
    while (continues(logical) && at + 1 < lines.length) {
      parts.push(logical.slice(0, -1));
      logical = withoutLeadingBlanks(lines[++at]!);
    }
    parts.push(continues(logical) ? logical.slice(0, -1) : logical);
    const whole = parts.join('');
    const problem =
      whole.length > lineCharacters
        ? `a line of more than ${lineCharacters} characters: not a configuration file`
        : whole.includes('\0')
          ? 'a NUL character: not a text file'
          : entries.length >= PROPERTIES_LIMITS.entries
            ? `more than ${PROPERTIES_LIMITS.entries} keys: not a configuration file`
            : undefined;
    if (problem !== undefined) return { entries, problems: [...problems, { line: first + 1, text: problem }] };
    const entry = parseEntry(whole, first + 1, at + 1);
    if (typeof entry !== 'string') entries.push(entry);
    else if (problems.length < PROPERTIES_LIMITS.problems) problems.push({ line: first + 1, text: entry });
  }
  return { entries, problems };
}

/** Natural lines, ended by CR, LF or CRLF; a byte order mark at the beginning does not count. */
function splitLines(text: string): string[] {
  return (text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text).split(/\r\n|\r|\n/);
}

function withoutLeadingBlanks(line: string): string {
  let start = 0;
  while (start < line.length && BLANKS.includes(line[start]!)) start++;
  return line.slice(start);
}

/** An odd number of backslashes at the end. */
function continues(line: string): boolean {
  let backslashes = 0;
  while (backslashes < line.length && line[line.length - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}

/** Splits a logical line at the first separator that is not escaped; a string says what is wrong with it. */
function parseEntry(logical: string, line: number, lastLine: number): PropertyEntry | string {
  let end = 0;
  while (end < logical.length && !`=:${BLANKS}`.includes(logical[end]!)) end += logical[end] === '\\' ? 2 : 1;
  const rest = withoutLeadingBlanks(logical.slice(end));
  const raw = rest[0] === '=' || rest[0] === ':' ? withoutLeadingBlanks(rest.slice(1)) : rest;
  const key = unescaped(logical.slice(0, end));
  const value = unescaped(cutTrailingBlanks(raw));
  if (key === undefined || value === undefined) return 'a \\u that is not followed by four hexadecimal digits';
  if (key === '') return 'a value without a key';
  return { key, value, line, lastLine, trimmed: cutTrailingBlanks(raw) !== raw };
}

/** A blank after an odd number of backslashes is escaped and stays. */
function cutTrailingBlanks(raw: string): string {
  let end = raw.length;
  while (end > 0 && BLANKS.includes(raw[end - 1]!)) end--;
  return end < raw.length && continues(raw.slice(0, end)) ? raw.slice(0, end + 1) : raw.slice(0, end);
}

const ESCAPES: { readonly [letter: string]: string } = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescaped(raw: string): string | undefined {
  if (!raw.includes('\\')) return raw;
  let result = '';
  for (let at = 0; at < raw.length; at++) {
    if (raw[at] !== '\\') {
      result += raw[at];
      continue;
    }
    const letter = raw[++at] ?? '';
    if (letter !== 'u') {
      result += ESCAPES[letter] ?? letter;
      continue;
    }
    const digits = raw.slice(at + 1, at + 5);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) return undefined;
    result += String.fromCharCode(Number.parseInt(digits, 16));
    at += 4;
  }
  return result;
}

/** One `key=value` line without its end, escaped so that Java and `parseProperties` read the same back. */
export function renderProperty(key: string, value: string): string {
  return `${escaped(key).replace(/[=: #!]/g, '\\$&')}=${escaped(value).replace(/^ | $/g, '\\ ')}`;
}

function escaped(text: string): string {
  return text.replace(/[\\\t\n\r\f]|[^ -~]/g, (character) => {
    const letter = Object.keys(ESCAPES).find((name) => ESCAPES[name] === character);
    if (character === '\\') return '\\\\';
    return letter === undefined ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : `\\${letter}`;
  });
}

/**
 * The text with some keys changed: the last line of a key that is there (the one that counts) is replaced, other keys are
 * appended. Comments and everything else stay. What updateBrokerConfig leaves in the -c file.
 */
export function editProperties(text: string, changes: ReadonlyMap<string, string>): string {
  const lines = splitLines(text);
  const last = new Map(parseProperties(text).entries.map((entry) => [entry.key, entry]));
  const appended: string[] = [];
  for (const [key, value] of changes) {
    const entry = last.get(key);
    if (entry === undefined) {
      appended.push(renderProperty(key, value));
      continue;
    }
    lines[entry.line - 1] = renderProperty(key, value);
    for (let line = entry.line; line < entry.lastLine; line++) lines[line] = DELETED;
  }
  const kept = lines.filter((line) => line !== DELETED);
  if (kept.at(-1) === '') kept.pop();
  return `${[...kept, ...appended].join('\n')}\n`;
}

/** Stands for a line that goes; no line can contain a line feed. */
const DELETED = '\n';
