/**
 * Custom headers as tables: one row per field says its wire name, its type and whether it must be there. Types, decoder and
 * encoder derive from the table; the decoder is compiled once per table, on first use.
 *
 *     export const getMaxOffset = { topic: need('topic', 'string'), queueId: need('queueId', 'int') } as const satisfies HeaderTable;
 *     const header = decodeHeader(getMaxOffset, scan);
 *     if (header instanceof HeaderProblem) return fail(ResponseCode.SYSTEM_ERROR, header.text);
 *
 * Java logs a missing field and goes on with null, which ends in an exception and code 1 a little later; here the answer is
 * code 1 with a text that names the field. Source: RemotingCommand.decodeCommandCustomHeader.
 */
import { invariant } from '../base/invariant.js';
import { HeaderKey, RequestScan } from './request-scan.js';
import { FieldName } from './response-writer.js';

/** `long` is a safe integer; `time` is a long in ms that saturates at 2^53 - 1, because tools send Long.MAX_VALUE. */
export type FieldType = 'string' | 'int' | 'long' | 'time' | 'boolean';

export interface HeaderField<T extends FieldType = FieldType, Required extends boolean = boolean> {
  readonly wire: string;
  readonly type: T;
  readonly required: Required;
}

export type HeaderTable = Readonly<Record<string, HeaderField>>;

type ValueOf<T extends FieldType> = T extends 'string' ? string : T extends 'boolean' ? boolean : number;

/** The decoded header: every field is set, optional ones possibly to undefined. */
export type HeaderOf<Table extends HeaderTable> = {
  readonly [Name in keyof Table]: Table[Name]['required'] extends true
    ? ValueOf<Table[Name]['type']>
    : ValueOf<Table[Name]['type']> | undefined;
};

type RequiredNames<Table extends HeaderTable> = {
  [Name in keyof Table]: Table[Name]['required'] extends true ? Name : never;
}[keyof Table];

/** What `encodeHeader` takes: optional fields may be left out. */
export type HeaderInput<Table extends HeaderTable> = {
  readonly [Name in RequiredNames<Table>]: ValueOf<Table[Name]['type']>;
} & { readonly [Name in Exclude<keyof Table, RequiredNames<Table>>]?: ValueOf<Table[Name]['type']> | undefined };

/** A field that must be there (Java's CFNotNull). */
export function need<const T extends FieldType>(wire: string, type: T): HeaderField<T, true> {
  return { wire, type, required: true };
}

/** A field that may be absent. */
export function may<const T extends FieldType>(wire: string, type: T): HeaderField<T, false> {
  return { wire, type, required: false };
}

/** Why a header cannot be used: the remark of a response with code 1. */
export class HeaderProblem {
  constructor(readonly text: string) {}
}

/** Ext fields of a frame: still in its buffer, or in a Command. */
export type ExtSource = RequestScan | ReadonlyMap<string, string>;

type Decoder = (source: ExtSource) => unknown;

interface Compiled {
  readonly fromScan: Decoder;
  readonly fromMap: Decoder;
}

const compiledTables = new WeakMap<HeaderTable, Compiled>();

/** Reads the table's fields; what else the frame carries is ignored. */
export function decodeHeader<Table extends HeaderTable>(
  table: Table,
  source: ExtSource,
): HeaderOf<Table> | HeaderProblem {
  let compiled = compiledTables.get(table);
  if (compiled === undefined) {
    compiled = { fromScan: compile(table, 'scan'), fromMap: compile(table, 'map') };
    compiledTables.set(table, compiled);
  }
  const decoder = source instanceof RequestScan ? compiled.fromScan : compiled.fromMap;
  return decoder(source) as HeaderOf<Table> | HeaderProblem;
}

/**
 * Ext fields for `encodeFrame`, in the table's order, absent ones left out. Integers must be safe; the other side reads
 * every value as text.
 */
export function encodeHeader<Table extends HeaderTable>(
  table: Table,
  values: HeaderInput<Table>,
): Record<string, string> {
  const ext: Record<string, string> = {};
  for (const [name, field] of Object.entries(table)) {
    const value = (values as Readonly<Record<string, string | number | boolean | undefined>>)[name];
    if (value === undefined) {
      invariant(!field.required, 'required header field not given', name);
      continue;
    }
    if (typeof value === 'number') invariant(Number.isSafeInteger(value), 'header integer', name, value);
    ext[field.wire] = String(value);
  }
  return ext;
}

/** Lookup keys of a table for RequestScan.findKey, for handlers that read a header without decoding all of it. */
export function headerKeys<Table extends HeaderTable>(table: Table): { readonly [Name in keyof Table]: HeaderKey } {
  return mapFields(table, (field) => new HeaderKey(field.wire));
}

/** Names of a table for ResponseWriter. */
export function fieldNames<Table extends HeaderTable>(table: Table): { readonly [Name in keyof Table]: FieldName } {
  return mapFields(table, (field) => new FieldName(field.wire));
}

function mapFields<Table extends HeaderTable, T>(
  table: Table,
  make: (field: HeaderField) => T,
): Record<keyof Table, T> {
  return Object.fromEntries(Object.entries(table).map(([name, field]) => [name, make(field)])) as Record<
    keyof Table,
    T
  >;
}

/**
 * Builds the decoder's source: a straight line without a loop over rows, and one object literal, so that all headers of a
 * table share a shape. Only names of our own tables get into the source.
 */
function compile(table: HeaderTable, from: 'scan' | 'map'): Decoder {
  const fields = Object.entries(table);
  const keys = fields.map(([, field]) => (from === 'scan' ? new HeaderKey(field.wire) : field.wire));
  const lines: string[] = [];
  for (const [index, [name, field]] of fields.entries()) {
    invariant(/^[A-Za-z]\w*$/.test(name) && /^\w+$/.test(field.wire), 'header field name', name, field.wire);
    const at = `i${index}`;
    const isAbsent = from === 'scan' ? `${at} < 0` : `${at} === undefined`;
    lines.push(
      from === 'scan' ? `const ${at} = source.findKey(keys[${index}]);` : `const ${at} = source.get(keys[${index}]);`,
    );
    if (field.required) lines.push(`if (${isAbsent}) return missing('${field.wire}', '${name}');`);
    const value = from === 'scan' ? scanExpression(field.type, at) : `parsers.${field.type}(${at})`;
    lines.push(`const ${name}_ = ${isAbsent} ? undefined : ${value};`);
    if (from === 'scan' && field.type !== 'string' && field.type !== 'boolean') {
      lines.push('if (source.fault >= 0) return new HeaderProblem(source.faultText());');
    }
    if (from === 'map' && field.type !== 'string') {
      lines.push(
        `if (${at} !== undefined && ${name}_ === undefined) return malformed('${field.wire}', '${field.type}', ${at});`,
      );
    }
  }
  const body = [
    ...(from === 'scan' ? ['source.fault = -1;'] : []),
    ...lines,
    `return { ${fields.map(([name]) => `${name}: ${name}_`).join(', ')} };`,
  ].join('\n');
  const make = new Function(
    'keys',
    'parsers',
    'HeaderProblem',
    'missing',
    'malformed',
    `return (source) => {${body}};`,
  );
  return make(keys, PARSERS, HeaderProblem, missing, malformed) as Decoder;
}

function scanExpression(type: FieldType, at: string): string {
  switch (type) {
    case 'string':
      return `source.string(${at})`;
    case 'boolean':
      return `source.boolean(${at}, false)`;
    default:
      return `source.${type}(${at}, 0)`;
  }
}

function missing(wire: string, name: string): HeaderProblem {
  return new HeaderProblem(`the header field <${wire}>${wire === name ? '' : ` (${name})`} is missing`);
}

function malformed(wire: string, type: FieldType, value: string): HeaderProblem {
  const wanted = type === 'int' ? 'an int' : 'a long below 2^53';
  return new HeaderProblem(`the header field <${wire}> is not ${wanted}: "${value.slice(0, 64)}"`);
}

/** The accessors of RequestScan for text; undefined is a fault. */
const PARSERS = {
  string: (text: string): string => text,
  int: (text: string): number | undefined => integerWithin(text, -0x8000_0000, 0x7fff_ffff),
  long: (text: string): number | undefined => integerWithin(text, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  time: (text: string): number | undefined => {
    const value = integerWithin(text, -1e19, 1e19);
    if (value === undefined) return undefined;
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  },
  boolean: (text: string): boolean => text.toLowerCase() === 'true',
} as const;

function integerWithin(text: string, low: number, high: number): number | undefined {
  if (!/^[+-]?[0-9]{1,19}$/.test(text)) return undefined;
  const value = Number(text);
  if (value < low || value > high) return undefined;
  return value === 0 ? 0 : value; // "-0" is 0 in Java
}
