/**
 * Every setting that Hangar knows, by the file that it may stand in. The rows are in *-settings.ts; this file puts them together
 * and derives the types that actors read. docs/configuration.md is generated from `groups`.
 */
import { brokerSettings } from './broker-settings.js';
import { hangarBrokerSettings, hangarCommonSettings, processSettings } from './hangar-settings.js';
import { javaSettings } from './java-settings.js';
import { namesrvSettings } from './namesrv-settings.js';
import { clientSettings, serverSettings } from './network-settings.js';
import { newerBrokerSettings, newerCommonSettings } from './newer-settings.js';
import type { FileKind, SettingsOf, SettingTable } from './setting.js';
import { storeSettings } from './store-settings.js';

/** A broker's file. Keys of several of Apache's classes share one file and one name space. */
export const brokerTable = {
  ...brokerSettings,
  ...storeSettings,
  ...serverSettings,
  ...clientSettings,
  ...hangarCommonSettings,
  ...hangarBrokerSettings,
  ...newerCommonSettings,
  ...newerBrokerSettings,
  ...javaSettings,
} as const satisfies SettingTable;

/** A name server's file. */
export const namesrvTable = {
  ...namesrvSettings,
  ...serverSettings,
  ...hangarCommonSettings,
  ...newerCommonSettings,
  ...javaSettings,
} as const satisfies SettingTable;

/** `hangar.properties` of a topology; the single-role commands take these keys from the role's file. */
export const processTable = processSettings;

/** All settings of one broker: frozen plain data, safe to send to another thread. */
export type BrokerSettings = SettingsOf<typeof brokerTable>;
export type NamesrvSettings = SettingsOf<typeof namesrvTable>;
export type ProcessSettings = SettingsOf<typeof processTable>;

export const tables: { readonly [K in FileKind]: SettingTable } = { broker: brokerTable, namesrv: namesrvTable };

export interface Group {
  readonly title: string;
  /** Where the names and defaults come from. */
  readonly origin: string;
  /** Which files may contain the keys. */
  readonly files: string;
  readonly table: SettingTable;
}

export const groups: readonly Group[] = [
  { title: 'Broker', origin: 'brokerConfig', files: 'brokers', table: brokerSettings },
  { title: 'Store, replication, delay', origin: 'messageStoreConfig', files: 'brokers', table: storeSettings },
  { title: 'Listeners', origin: 'nettyServerConfig', files: 'brokers and name servers', table: serverSettings },
  { title: 'Outgoing connections', origin: 'nettyClientConfig', files: 'brokers', table: clientSettings },
  { title: 'Name server', origin: 'namesrvConfig', files: 'name servers', table: namesrvSettings },
  {
    title: "Hangar's own, per broker",
    origin: 'Hangar',
    files: 'brokers; storeKind name servers, too',
    table: { ...hangarCommonSettings, ...hangarBrokerSettings },
  },
  {
    title: "Hangar's own, per process",
    origin: 'Hangar',
    files: 'hangar.properties of a topology; the file of `hangar broker -c` or `hangar namesrv -c`',
    table: processSettings,
  },
  {
    title: "Later versions of Apache's",
    origin: '4.9.8 and 5.x',
    files: 'brokers; configBlackList name servers, too',
    table: { ...newerCommonSettings, ...newerBrokerSettings },
  },
  { title: 'Java system properties', origin: '-D options', files: 'brokers and name servers', table: javaSettings },
];
