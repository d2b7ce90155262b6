/**
 * Writes JSON as fastjson 1.2 does by default, byte for byte: keys of beans in alphabetical order, nulls left out, no white
 * space, numeric keys unquoted, object keys as object literals. Two variants: `standard` is what name servers send to clients
 * since 4.9.4 (SerializerFeature.BrowserCompatible, QuoteFieldNames, MapSortField), `pretty` is the form of config/*.json.
 * Source: com.alibaba.fastjson.serializer.SerializeWriter, MapSerializer, JavaBeanSerializer.
 *
 * | JavaScript | JSON |
 * |---|---|
 * | plain object | bean: keys sorted, null and undefined left out |
 * | Map | map in its own order; keys may be strings, integers, or objects (MessageQueue) |
 * | array, Set | array |
 * | Int32Array | int[]: an array on one line, in every style |
 * | Double | a Java double, so that 0 is written `0.0` |
 * | bigint | a long beyond 2^53 |
 */
import { invariant } from '../base/invariant.js';

export type JsonStyle = 'plain' | 'standard' | 'pretty';

/** A number that Java holds as double. */
export class Double {
  constructor(readonly value: number) {}
}

/** Throws InvariantError for what has no JSON form (functions, numbers that are not finite): a bug of the caller. */
export function writeFastjson(value: unknown, style: JsonStyle = 'plain'): string {
  return write(value, style, '\n');
}

/** `newline` is a line feed and the indentation of the container that is being written. */
function write(value: unknown, style: JsonStyle, newline: string): string {
  if (value === null || value === undefined) return 'null';
  switch (typeof value) {
    case 'string':
      return quote(value, style);
    case 'number':
      invariant(Number.isSafeInteger(value), 'not an integer, wrap it in Double', value);
      return String(value);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'object':
      break;
    default:
      invariant(false, 'no JSON form', typeof value);
  }
  if (value instanceof Double) return javaDouble(value.value);
  if (value instanceof Map) return writeMap(value, style, newline);
  if (Array.isArray(value)) return writeArray(value, style, newline);
  if (value instanceof Int32Array) return `[${value.join(',')}]`;
  if (value instanceof Set) return writeArray([...value], style, newline);
  return writeBean(value as Record<string, unknown>, style, newline);
}

function writeBean(bean: Readonly<Record<string, unknown>>, style: JsonStyle, newline: string): string {
  const inner = style === 'pretty' ? `${newline}\t` : '';
  const fields: string[] = [];
  for (const key of Object.keys(bean).sort()) {
    const value = bean[key];
    if (value === null || value === undefined) continue;
    fields.push(`${inner}${quote(key, style)}:${write(value, style, inner)}`);
  }
  if (fields.length === 0) return '{}';
  return `{${fields.join(',')}${style === 'pretty' ? newline : ''}}`;
}

function writeMap(map: ReadonlyMap<unknown, unknown>, style: JsonStyle, newline: string): string {
  const inner = style === 'pretty' ? `${newline}\t` : '';
  const fields: string[] = [];
  for (const [key, value] of style === 'standard' ? sorted(map) : map) {
    if (value === null || value === undefined) continue;
    if (typeof key === 'string') {
      fields.push(`${inner}${quote(key, style)}:${write(value, style, inner)}`);
    } else {
      // fastjson starts a new line only in front of string keys.
      const text = write(key, style, inner);
      const isQuoted = style === 'standard' && typeof key === 'number';
      fields.push(`${isQuoted ? `"${text}"` : text}:${write(value, style, inner)}`);
    }
  }
  if (fields.length === 0) return '{}';
  return `{${fields.join(',')}${style === 'pretty' ? newline : ''}}`;
}

/** As a Java TreeMap holds them: strings by UTF-16 unit, numbers by value. Maps with object keys keep their order. */
function sorted(map: ReadonlyMap<unknown, unknown>): readonly (readonly [unknown, unknown])[] {
  const entries = [...map];
  if (entries.some(([key]) => typeof key === 'object')) return entries;
  return entries.sort(([a], [b]) => {
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    return String(a) < String(b) ? -1 : 1;
  });
}

function writeArray(items: readonly unknown[], style: JsonStyle, newline: string): string {
  if (items.length === 0) return '[]';
  const inner = style === 'pretty' ? `${newline}\t` : '';
  const texts = items.map((item) => `${inner}${write(item, style, inner)}`);
  return `[${texts.join(',')}${style === 'pretty' ? newline : ''}]`;
}

/** What fastjson escapes by default. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const PLAIN_ESCAPED = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
/** With BrowserCompatible: everything but ASCII, and the slash. */
const STANDARD_ESCAPED = /[^\u0020-\u007e]|["\\/]/g;

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '/': '\\/',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
};

/** A JSON string, quotes included. */
export function quote(text: string, style: JsonStyle = 'plain'): string {
  return `"${text.replace(style === 'standard' ? STANDARD_ESCAPED : PLAIN_ESCAPED, escapeUnit)}"`;
}

function escapeUnit(unit: string): string {
  return SHORT_ESCAPES[unit] ?? `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** As Java's Double.toString: `0.0`, `12.5`, `1.0E20`. */
function javaDouble(value: number): string {
  invariant(Number.isFinite(value), 'double without a JSON form', value);
  const magnitude = Math.abs(value);
  if (magnitude === 0) return '0.0';
  if (magnitude >= 1e-3 && magnitude < 1e7) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`;
}
