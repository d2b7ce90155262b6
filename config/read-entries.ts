/**
 * From the text of a file to the values that it sets, with everything there is to say about it: unknown keys, wrong values,
 * repeated keys, refused values, keys without effect. Knows tables, not files or roles.
 */
import { nearest } from './nearest.js';
import { type Notebook, shown } from './notes.js';
import { type ParsedProperties, type PropertyEntry, parseProperties } from './properties.js';
import type { Setting, SettingTable, Where } from './setting.js';

/** Where a key belongs that is known but has no place in this file; it completes "... and is ignored here". */
export interface OtherTable {
  readonly table: SettingTable;
  readonly belongs: string;
}

/** What a file sets: values by key (never by alias), and the line of each. */
export interface Given {
  readonly values: { readonly [key: string]: unknown };
  readonly lines: ReadonlyMap<string, number>;
}

export function readEntries(
  text: string,
  tables: readonly SettingTable[],
  others: readonly OtherTable[],
  where: Where,
  notes: Notebook,
): Given {
  const parsed: ParsedProperties = parseProperties(text);
  for (const problem of parsed.problems) notes.add('error', problem.line, '', problem.text);
  if (text.startsWith('\ufeff')) {
    notes.add('warning', 1, '', 'begins with a byte order mark: Apache would take it for a part of the first key');
  }
  const values: { [key: string]: unknown } = {};
  const lines = new Map<string, number>();
  for (const entry of lastOfEach(parsed.entries, notes)) {
    const found = find(tables, entry.key);
    if (found === undefined) {
      noteUnknown(entry, tables, others, notes);
      continue;
    }
    const [key, setting] = found;
    if (key !== entry.key && isShadowed(key, entry, parsed.entries, notes)) continue;
    const value = readValue(entry, setting, where, notes);
    if (value === undefined) continue;
    values[key] = value;
    lines.set(key, entry.line);
  }
  return { values, lines };
}

/** As in Java, the last line of a key counts. */
function lastOfEach(entries: readonly PropertyEntry[], notes: Notebook): PropertyEntry[] {
  const last = new Map<string, PropertyEntry>();
  for (const entry of entries) {
    const earlier = last.get(entry.key);
    if (earlier !== undefined) {
      notes.add(
        'warning',
        entry.line,
        entry.key,
        `${shown(entry.key)} repeats line ${earlier.line}, which does not count`,
      );
    }
    last.set(entry.key, entry);
  }
  return [...last.values()];
}

/** The row of a key or of its alias. */
function find(tables: readonly SettingTable[], key: string): [string, Setting<unknown>] | undefined {
  for (const table of tables) {
    if (Object.hasOwn(table, key)) return [key, table[key]!];
    const canonical = aliasesOf(table).get(key);
    if (canonical !== undefined) return [canonical, table[canonical]!];
  }
  return undefined;
}

const aliases = new WeakMap<SettingTable, ReadonlyMap<string, string>>();

function aliasesOf(table: SettingTable): ReadonlyMap<string, string> {
  let known = aliases.get(table);
  if (known === undefined) {
    known = new Map(Object.entries(table).flatMap(([key, row]) => (row.alias === undefined ? [] : [[row.alias, key]])));
    aliases.set(table, known);
  }
  return known;
}

/** An alias beside its key gives way. 4.9.7 ignores the alias, so using it is worth a warning in any case. */
function isShadowed(key: string, entry: PropertyEntry, entries: readonly PropertyEntry[], notes: Notebook): boolean {
  const canonical = entries.findLast((candidate) => candidate.key === key);
  if (canonical === undefined) {
    const text = `${entry.key} is taken as ${key}; Apache since 4.5.2 ignores this spelling and uses its default`;
    notes.add('warning', entry.line, entry.key, text);
    return false;
  }
  if (canonical.value !== entry.value) {
    const pair = `${entry.key}=${shown(entry.value)} and ${key}=${shown(canonical.value)} (line ${canonical.line})`;
    notes.add('warning', entry.line, entry.key, `${pair} name the same setting and differ: ${key} counts`);
  }
  return true;
}

function noteUnknown(
  entry: PropertyEntry,
  tables: readonly SettingTable[],
  others: readonly OtherTable[],
  notes: Notebook,
): void {
  const key = shown(entry.key);
  for (const other of others) {
    if (find([other.table], entry.key) === undefined) continue;
    notes.add('warning', entry.line, entry.key, `${key} ${other.belongs} and is ignored here`);
    return;
  }
  // The search for a similar key is the expensive part: not for a file that is full of unknown ones.
  const similar = notes.isFull ? undefined : nearest(entry.key, tables.flatMap(Object.keys));
  const guess = similar === undefined ? '' : `; did you mean ${similar}?`;
  notes.add('warning', entry.line, entry.key, `unknown key ${key}${guess}`);
}

/** The value of an entry; undefined when it is wrong or refused, which the notes then say. */
function readValue(entry: PropertyEntry, setting: Setting<unknown>, where: Where, notes: Notebook): unknown {
  const assignment = `${entry.key}=${setting.secret ? '***' : shown(entry.value)}`;
  const value = setting.parse(entry.value, where);
  if (value === undefined) {
    const unit = setting.unit === '' ? '' : ` (${setting.unit})`;
    notes.add('error', entry.line, entry.key, `${assignment}: allowed: ${setting.allowed}${unit}`);
    return undefined;
  }
  const { effect } = setting;
  if (effect.kind === 'refused' && effect.when(value)) {
    notes.add('error', entry.line, entry.key, `${assignment} is refused: ${effect.because}`);
    return undefined;
  }
  if (effect.kind === 'accepted') {
    notes.add('without effect', entry.line, entry.key, `${assignment} is accepted without effect: ${effect.because}`);
  }
  if (entry.trimmed) {
    const text = `${assignment}: blanks at the end are left out; Apache keeps them and takes no number with them`;
    notes.add('warning', entry.line, entry.key, text);
  }
  return value;
}

/** A complete set of values: what is given, else the defaults, which may depend on other values. */
export function resolveTable(
  table: SettingTable,
  given: { readonly [key: string]: unknown },
  defaultOf: (setting: Setting<unknown>, get: <V>(key: string) => V) => unknown,
): { [key: string]: unknown } {
  const values: { [key: string]: unknown } = {};
  const get = <V>(key: string): V => {
    if (!Object.hasOwn(values, key)) values[key] = given[key] ?? defaultOf(table[key]!, get);
    return values[key] as V;
  };
  for (const key of Object.keys(table)) get(key);
  return values;
}
