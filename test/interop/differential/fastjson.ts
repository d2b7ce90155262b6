/**
 * Reads the JSON dialect of fastjson so that nothing of it is lost: a key that is a bare number becomes `#0`, one that is an
 * object becomes its text with sorted keys, and a blank between tokens is told as well, since Go's client reads some bodies
 * as text.
 */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Parsed {
  readonly value: Json;
  readonly hasBlanks: boolean;
}

const BLANK = /\s/;
const BARE = /[-+\w.]/;

/** Throws a SyntaxError for anything else. */
export function parseDialect(text: string): Parsed {
  const reader = new Reader(text);
  const value = reader.value();
  reader.end();
  return { value, hasBlanks: reader.hasBlanks };
}

class Reader {
  hasBlanks = false;
  private at = 0;

  constructor(private readonly text: string) {}

  value(): Json {
    const start = this.peek();
    if (start === '{') return this.object();
    if (start === '[') return this.array();
    if (start === '"') return this.string();
    return JSON.parse(this.bare());
  }

  end(): void {
    if (this.peek() !== undefined) throw this.problem('the end');
  }

  private object(): Json {
    const found: { [key: string]: Json } = {};
    this.take('{');
    while (this.peek() !== '}') {
      if (Object.keys(found).length > 0) this.take(',');
      const key = this.key();
      this.take(':');
      found[key] = this.value();
    }
    this.take('}');
    return found;
  }

  private key(): string {
    const start = this.peek();
    if (start === '"') return this.string();
    return start === '{' ? canonical(this.object()) : `#${this.bare()}`;
  }

  private array(): Json[] {
    const found: Json[] = [];
    this.take('[');
    while (this.peek() !== ']') {
      if (found.length > 0) this.take(',');
      found.push(this.value());
    }
    this.take(']');
    return found;
  }

  private string(): string {
    this.peek();
    const start = this.at;
    for (this.at++; this.text[this.at] !== '"'; this.at++) {
      if (this.at >= this.text.length) throw this.problem('a closing quote');
      if (this.text[this.at] === '\\') this.at++;
    }
    this.at++;
    return JSON.parse(this.text.slice(start, this.at));
  }

  private bare(): string {
    this.peek();
    const start = this.at;
    while (this.at < this.text.length && BARE.test(this.text[this.at]!)) this.at++;
    if (this.at === start) throw this.problem('a value');
    return this.text.slice(start, this.at);
  }

  private take(sign: string): void {
    if (this.peek() !== sign) throw this.problem(sign);
    this.at++;
  }

  private peek(): string | undefined {
    for (; this.at < this.text.length && BLANK.test(this.text[this.at]!); this.at++) this.hasBlanks = true;
    return this.text[this.at];
  }

  private problem(wanted: string): SyntaxError {
    return new SyntaxError(`${wanted} wanted at ${this.at} of ${this.text.slice(0, 200)}`);
  }
}

/** The same text for the same value, whatever the order of keys. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${canonical(value[key]!)}`).join(',')}}`;
}
