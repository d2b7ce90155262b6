/**
 * Reads JSON as fastjson 1.2 does, which is what RocketMQ bodies and config files are written in: beside standard JSON
 * there are unquoted and numeric keys, single quotes, trailing commas, and object literals as keys:
 *
 *     {"offsetTable":{{"brokerName":"a","queueId":0,"topic":"t"}:123}}
 *
 * Objects become Maps (no prototype to poison, order kept). A numeric key becomes its text, an object key stays a Map.
 * Integers beyond 2^53 lose digits; who cannot live with that checks Number.isSafeInteger. Depth and number of containers are
 * bounded, because input may be hostile. Source: com.alibaba.fastjson.parser.DefaultJSONParser, JSONLexerBase.
 */
export type JsonKey = string | JsonMap;
export interface JsonMap extends Map<JsonKey, JsonValue> {}
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonMap;

export const MAX_JSON_DEPTH = 64;

/** Objects and arrays in one text: an empty Map costs about 200 bytes, so hostile text may cost 60 MiB. */
export const MAX_JSON_CONTAINERS = 300_000;

/** Why a text is not JSON, and the index of the character where that was noticed. */
export class JsonProblem {
  constructor(
    readonly text: string,
    readonly at: number,
  ) {}
}

/** The value of the text, surrounded by white space at most; null for an empty text, as fastjson answers. */
export function readFastjson(text: string): JsonValue | JsonProblem {
  const reader = new Reader(text);
  return reader.readAll();
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  F: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  0: '\0',
  1: '\x01',
  2: '\x02',
  3: '\x03',
  4: '\x04',
  5: '\x05',
  6: '\x06',
  7: '\x07',
};

const NUMBER = /-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?/y;
const INTEGER = /-?[0-9]+/y;
const IDENTIFIER = /[A-Za-z_$][A-Za-z0-9_$]*/y;
const HEX4 = /[0-9a-fA-F]{4}/y;

/** Recursive descent. A method that fails records the problem and answers undefined; everyone above passes that on. */
class Reader {
  private at = 0;
  private depth = 0;
  private containers = 0;
  private problem: JsonProblem | undefined = undefined;

  constructor(private readonly text: string) {}

  readAll(): JsonValue | JsonProblem {
    this.skipSpace();
    if (this.at === this.text.length) return null;
    const value = this.readValue();
    if (value !== undefined) {
      this.skipSpace();
      if (this.at < this.text.length) this.fail('nothing expected behind the value');
    }
    return this.problem ?? (value as JsonValue);
  }

  private fail(what: string): undefined {
    const found = this.at < this.text.length ? `found ${JSON.stringify(this.text[this.at])}` : 'found the end';
    this.problem ??= new JsonProblem(`${what}, ${found} at character ${this.at}`, this.at);
    return undefined;
  }

  private skipSpace(): void {
    for (;;) {
      const unit = this.text.charCodeAt(this.at);
      if (unit === 0x20 || (unit >= 8 && unit <= 13)) this.at++;
      else return;
    }
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private readValue(): JsonValue | undefined {
    this.skipSpace();
    switch (this.text[this.at]) {
      case '{':
        return this.readObject();
      case '[':
        return this.readArray();
      case '"':
      case "'":
        return this.readString();
      default:
        return this.readLiteral();
    }
  }

  private enter(): boolean {
    if (this.depth === MAX_JSON_DEPTH) this.fail(`nested deeper than ${MAX_JSON_DEPTH}`);
    else if (this.containers === MAX_JSON_CONTAINERS) this.fail(`more than ${MAX_JSON_CONTAINERS} objects and arrays`);
    else {
      this.depth++;
      this.containers++;
      this.at++;
      return true;
    }
    return false;
  }

  private readObject(): JsonMap | undefined {
    if (!this.enter()) return undefined;
    const map: JsonMap = new Map();
    for (;;) {
      this.skipSpace();
      if (this.text[this.at] === '}') break;
      const key = this.readKey();
      if (key === undefined) return undefined;
      this.skipSpace();
      if (this.text[this.at] !== ':') return this.fail('colon expected');
      this.at++;
      const value = this.readValue();
      if (value === undefined) return undefined;
      map.set(key, value);
      this.skipSpace();
      if (this.text[this.at] === ',') this.at++;
      else if (this.text[this.at] !== '}') return this.fail('comma or closing brace expected');
    }
    this.at++;
    this.depth--;
    return map;
  }

  private readKey(): JsonKey | undefined {
    switch (this.text[this.at]) {
      case '"':
      case "'":
        return this.readString();
      case '{':
        return this.readObject();
      default:
        return this.match(INTEGER) ?? this.match(IDENTIFIER) ?? this.fail('key expected');
    }
  }

  private readArray(): JsonValue[] | undefined {
    if (!this.enter()) return undefined;
    const items: JsonValue[] = [];
    for (;;) {
      this.skipSpace();
      if (this.text[this.at] === ']') break;
      const item = this.readValue();
      if (item === undefined) return undefined;
      items.push(item);
      this.skipSpace();
      if (this.text[this.at] === ',') this.at++;
      else if (this.text[this.at] !== ']') return this.fail('comma or closing bracket expected');
    }
    this.at++;
    this.depth--;
    return items;
  }

  private readLiteral(): JsonValue | undefined {
    const number = this.match(NUMBER);
    if (number !== undefined) return Number(number);
    const start = this.at;
    switch (this.match(IDENTIFIER)) {
      case 'true':
        return true;
      case 'false':
        return false;
      case 'null':
        return null;
      default:
        this.at = start;
        return this.fail('value expected');
    }
  }

  private readString(): string | undefined {
    const quote = this.text[this.at];
    const start = this.at + 1;
    let from = start;
    let result = '';
    this.at = start;
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined) {
        return this.fail(`string that begins at character ${start - 1} is not closed`);
      }
      if (char === quote) {
        result = from === start ? this.text.slice(start, this.at) : result + this.text.slice(from, this.at);
        this.at++;
        return result;
      }
      if (char !== '\\') {
        this.at++;
        continue;
      }
      result += this.text.slice(from, this.at);
      const unescaped = this.readEscape();
      if (unescaped === undefined) return undefined;
      result += unescaped;
      from = this.at;
    }
  }

  private readEscape(): string | undefined {
    const letter = this.text[this.at + 1];
    if (letter !== 'u') {
      const simple = letter === undefined ? undefined : SIMPLE_ESCAPES[letter];
      if (simple === undefined) return this.fail('escape expected behind the backslash');
      this.at += 2;
      return simple;
    }
    this.at += 2;
    const digits = this.match(HEX4);
    return digits === undefined
      ? this.fail('four hexadecimal digits expected')
      : String.fromCharCode(Number.parseInt(digits, 16));
  }
}
