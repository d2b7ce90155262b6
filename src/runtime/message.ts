/**
 * Message tables: what an actor understands, one row per kind. A row's payload is
 *
 *     fields    fixed binary, little-endian, compiled from the row
 *     bytes     the fields, then bytes that the handler sees as a range of a buffer
 *     msgpack   the fields, then one structured value (control messages only: it allocates)
 *
 * Handlers get one reused object per kind; it and the bytes it points to are valid until the handler returns.
 */
import { Packr } from 'msgpackr';
import { invariant } from '../base/invariant.js';

/** i32: int32. offset: a Number below 2^53 (positions, times, counts). boolean: one byte. */
export type FieldType = 'i32' | 'offset' | 'boolean';
type FieldTable = Readonly<Record<string, FieldType>>;

declare const shapeOf: unique symbol;
/** Type of a msgpack value; no runtime content. */
export interface Shape<T> {
  readonly [shapeOf]?: T;
}
export function shape<T>(): Shape<T> {
  return {};
}

export interface KindRow {
  /** Unique in its table, 1 to 65,535. */
  readonly id: number;
  /**
   * `request` messages wait when the receiver has no room; `reply` messages (answers, acknowledgements, notices) are
   * always taken. Default: request. See lanes in thread-core.ts.
   */
  readonly lane?: Lane;
  readonly fields?: FieldTable;
  readonly bytes?: true;
  readonly msgpack?: Shape<unknown>;
}
export type Lane = 'request' | 'reply';
export type KindTable = Readonly<Record<string, KindRow>>;

type FieldsOf<R extends KindRow> = R['fields'] extends FieldTable
  ? { [K in keyof R['fields']]: R['fields'][K] extends 'boolean' ? boolean : number }
  : unknown;

/** What a sender gives: the fields, and the value of a msgpack kind. Bytes are written in place (Context.begin). */
export type Outgoing<R extends KindRow> = FieldsOf<R> &
  (R['msgpack'] extends Shape<infer T> ? { value: T } : unknown) & { readonly [extra: string]: unknown };

/** A range of a buffer; reused, valid until the handler returns. */
export interface Bytes {
  buffer: Buffer;
  view: DataView;
  start: number;
  end: number;
}

/** What a handler gets. */
export type Incoming<R extends KindRow> = FieldsOf<R> &
  (R['msgpack'] extends Shape<infer T> ? { value: T } : unknown) &
  (R['bytes'] extends true ? Bytes : unknown) & { source: number; key: number };

export type MessageOf<T extends MessageTable, K extends keyof T> = T[K] extends Kind<infer R> ? Incoming<R> : never;

/** A compiled row. */
export interface Kind<R extends KindRow = KindRow> {
  readonly name: string;
  readonly id: number;
  readonly lane: Lane;
  readonly hasBytes: boolean;
  readonly hasValue: boolean;
  readonly fieldBytes: number;
  /** Writes the fields of `message` at `at`. */
  readonly encode: (view: DataView, at: number, message: Outgoing<R>) => void;
  /** Reads the fields at `at` into `message`. */
  readonly decode: (view: DataView, at: number, message: Incoming<R>) => void;
  /** A fresh object of this kind's one shape. */
  readonly create: () => Incoming<R>;
}
// biome-ignore lint/suspicious/noExplicitAny: a table holds kinds of different rows
export type MessageTable = Readonly<Record<string, Kind<any>>>;

const FIELD_BYTES: Readonly<Record<FieldType, number>> = { i32: 4, offset: 8, boolean: 1 };

/** Compiles a table. Field order in memory is by size, so that every access is aligned. */
export function messageTable<T extends KindTable>(rows: T): { readonly [K in keyof T]: Kind<T[K]> } {
  const seen = new Set<number>();
  const compiled = Object.entries(rows).map(([name, row]) => {
    invariant(row.id >= 1 && row.id <= 0xffff && !seen.has(row.id), 'message kind id', name, row.id);
    invariant(!(row.bytes === true && row.msgpack !== undefined), 'either bytes or msgpack', name);
    seen.add(row.id);
    return [name, compileKind(name, row)];
  });
  return Object.fromEntries(compiled) as { readonly [K in keyof T]: Kind<T[K]> };
}

function compileKind(name: string, row: KindRow): Kind {
  const fields = Object.entries(row.fields ?? {}).sort(([, a], [, b]) => FIELD_BYTES[b] - FIELD_BYTES[a]);
  const encodes: string[] = [];
  const decodes: string[] = [];
  const initial: string[] = ['source: 0', 'key: 0'];
  let offset = 0;
  for (const [field, type] of fields) {
    invariant(/^[a-zA-Z]\w*$/.test(field), 'field name', name, field);
    const place = `at + ${offset}`;
    switch (type) {
      case 'i32':
        encodes.push(`view.setInt32(${place}, message.${field}, true);`);
        decodes.push(`message.${field} = view.getInt32(${place}, true);`);
        break;
      case 'offset':
        encodes.push(`view.setFloat64(${place}, message.${field}, true);`);
        decodes.push(`message.${field} = view.getFloat64(${place}, true);`);
        break;
      case 'boolean':
        encodes.push(`view.setUint8(${place}, message.${field} ? 1 : 0);`);
        decodes.push(`message.${field} = view.getUint8(${place}) === 1;`);
        break;
    }
    // 0.5 keeps the field a double from the start, so that the object's shape never changes.
    initial.push(`${field}: ${type === 'boolean' ? 'false' : type === 'offset' ? '0.5' : '0'}`);
    offset += FIELD_BYTES[type];
  }
  if (row.bytes === true) initial.push('buffer: noBytes', 'view: noView', 'start: 0', 'end: 0');
  if (row.msgpack !== undefined) initial.push('value: undefined');
  const noBytes = Buffer.alloc(0);
  const noView = new DataView(noBytes.buffer, 0, 0);
  // One straight-line function per kind: a loop over rows takes about three times as long.
  return {
    name,
    id: row.id,
    lane: row.lane ?? 'request',
    hasBytes: row.bytes === true,
    hasValue: row.msgpack !== undefined,
    fieldBytes: offset,
    encode: new Function('view', 'at', 'message', encodes.join('\n')) as Kind['encode'],
    decode: new Function('view', 'at', 'message', decodes.join('\n')) as Kind['decode'],
    create: new Function('noBytes', 'noView', `return () => ({ ${initial.join(', ')} });`)(
      noBytes,
      noView,
    ) as Kind['create'],
  };
}

// With records objects stay objects and Maps stay Maps. Their structure is part of each message (none is shared), so
// every message is decodable by itself, whatever came before it in the ring.
const packr = new Packr({ useRecords: true });

export function packValue(value: unknown): Buffer {
  return packr.pack(value);
}

export function unpackValue(bytes: Buffer): unknown {
  return packr.unpack(bytes);
}
