/**
 * The configuration as tools see it: GET_BROKER_CONFIG (26) and GET_NAMESRV_CONFIG (319) return `k=v\n` text,
 * UPDATE_BROKER_CONFIG (25) and UPDATE_NAMESRV_CONFIG (318) bring some. Pure: the actor answers, keeps the new settings and
 * writes the file (`editProperties` of properties.ts).
 */
import { brokerSettings } from './broker-settings.js';
import { hangarBrokerSettings, hangarCommonSettings } from './hangar-settings.js';
import { applyBrokerRules, type Say } from './load.js';
import { Notebook } from './notes.js';
import { namesrvSettings } from './namesrv-settings.js';
import { clientSettings, serverSettings } from './network-settings.js';
import { newerBrokerSettings, newerCommonSettings } from './newer-settings.js';
import { parseProperties, renderProperty } from './properties.js';
import { type OtherTable, readEntries } from './read-entries.js';
import { type BrokerSettings, brokerTable, type NamesrvSettings, namesrvTable, processTable } from './schema.js';
import type { SettingTable, Where } from './setting.js';
import { storeSettings } from './store-settings.js';

/** Groups that tools see; system properties are not part of Apache's answer either. */
const SHOWN_BY_BROKER: readonly SettingTable[] = [
  brokerSettings,
  serverSettings,
  clientSettings,
  storeSettings,
  hangarCommonSettings,
  hangarBrokerSettings,
  newerCommonSettings,
  newerBrokerSettings,
];
const SHOWN_BY_NAME_SERVER: readonly SettingTable[] = [
  namesrvSettings,
  serverSettings,
  hangarCommonSettings,
  newerCommonSettings,
];

/** Values that were updated and hold from the next start on, as text by key. Shown in place of the current ones, as Apache does. */
export type Pending = ReadonlyMap<string, string>;
const NOTHING_PENDING: Pending = new Map();

export function renderBrokerSettings(settings: BrokerSettings, pending: Pending = NOTHING_PENDING): string {
  return render(SHOWN_BY_BROKER, settings, pending);
}

export function renderNamesrvSettings(settings: NamesrvSettings, pending: Pending = NOTHING_PENDING): string {
  return render(SHOWN_BY_NAME_SERVER, settings, pending);
}

function render(
  shown: readonly SettingTable[],
  settings: { readonly [key: string]: unknown },
  pending: Pending,
): string {
  let text = '';
  for (const table of shown) {
    for (const [key, setting] of Object.entries(table)) {
      if (setting.secret) continue;
      const value = pending.get(key) ?? setting.render(settings[key]);
      if (value !== '') text += `${renderProperty(key, value)}\n`;
    }
  }
  return text;
}

export interface Change {
  readonly key: string;
  /** As text of a file. */
  readonly from: string;
  readonly to: string;
  /** In `settings` already; otherwise it holds from the next start on. */
  readonly live: boolean;
}

export type Updated<Settings> =
  | {
      readonly ok: true;
      /** The settings to use from now on: live changes applied. */
      readonly settings: Settings;
      /** In the order of the request, values that stay the same left out. */
      readonly changed: readonly Change[];
      /** Unknown keys: the update succeeds, as Apache's does (observed), and these lines say so in the log. */
      readonly warnings: readonly string[];
    }
  | {
      readonly ok: false;
      /** forbidden: NO_PERMISSION (16); invalid: SYSTEM_ERROR (1). */
      readonly reason: 'forbidden' | 'invalid';
      readonly remark: string;
    };

/** Nothing is changed unless everything is allowed. Relative paths are resolved against `where`, as at start. */
export function updateBrokerSettings(
  settings: BrokerSettings,
  text: string,
  where: Where = HERE,
): Updated<BrokerSettings> {
  return update(brokerTable, settings, text, where, [], applyBrokerRules);
}

export function updateNamesrvSettings(
  settings: NamesrvSettings,
  text: string,
  where: Where = HERE,
): Updated<NamesrvSettings> {
  return update(namesrvTable, settings, text, where, ['kvConfigPath', 'configStorePath'], (candidate) => candidate);
}

/** The process never changes its working directory. */
const HERE: Where = { workingDirectory: process.cwd() };

function update<Settings extends { readonly configBlackList: string }>(
  table: SettingTable,
  settings: Settings,
  text: string,
  where: Where,
  alwaysForbidden: readonly string[],
  applyRules: (candidate: Settings, say: Say) => Settings,
): Updated<Settings> {
  const forbidden = new Set(['rocketmqHome', ...alwaysForbidden, ...settings.configBlackList.split(';')]);
  if (parseProperties(text).entries.some((entry) => forbidden.has(entry.key))) {
    // Apache 4.9.8's words.
    return { ok: false, reason: 'forbidden', remark: 'Can not update config in black list.' };
  }
  const notes = new Notebook('update');
  const given = readEntries(text, [table], [FOR_PROCESS], where, notes);
  const candidate = applyRules({ ...settings, ...given.values }, (kind, key, what) => {
    // An error is the update's doing, whatever key it is about; a warning about another key was said at start.
    if (kind === 'error' || given.lines.has(key)) notes.add(kind, given.lines.get(key) ?? 0, key, what);
  });
  const finished = notes.finish(() => changesOf(table, Object.keys(given.values), settings, candidate));
  if (!finished.ok)
    return { ok: false, reason: 'invalid', remark: finished.errors.map((note) => note.text).join('; ') };
  const changed = finished.value;
  const next: { [key: string]: unknown } = { ...settings };
  for (const { key, live } of changed) if (live) next[key] = valueAt(candidate, key);
  const warnings = finished.notes.map((note) => note.text);
  return { ok: true, settings: Object.freeze(next) as Settings, changed, warnings };
}

const FOR_PROCESS: OtherTable = { table: processTable, belongs: 'belongs to the process' };

function changesOf(table: SettingTable, keys: readonly string[], before: object, after: object): readonly Change[] {
  return keys
    .map((key): Change => {
      const { render, live } = table[key]!;
      return { key, from: render(valueAt(before, key)), to: render(valueAt(after, key)), live };
    })
    .filter((change) => change.from !== change.to);
}

function valueAt(settings: object, key: string): unknown {
  return (settings as { readonly [key: string]: unknown })[key];
}
