/**
 * What a row of the settings tables is: type, default, range, effect and meaning of one key, and how its text is read and
 * written. The tables (broker-settings.ts, store-settings.ts, ...) are made of the row builders below; types of the loaded
 * settings, the loader, the updater and docs/configuration.md derive from them.
 */
import { isAbsolute, resolve } from 'node:path';
import type { HostFacts } from './facts.js';

export interface Effective {
  readonly kind: 'effective';
}
/** Known, checked, listed at start when set, and nothing else. */
export interface Accepted {
  readonly kind: 'accepted';
  readonly because: string;
}
/** Some values would silently break a promise: the start is refused. `values` names them, `when` recognises them. */
export interface Refused<T> {
  readonly kind: 'refused';
  readonly values: string;
  when(value: T): boolean;
  readonly because: string;
}
/** What setting a key does. */
export type Effect<T> = Effective | Accepted | Refused<T>;

export const effective: Effective = { kind: 'effective' };
/** For good: the reason completes "accepted without effect: ...". */
export const without = (because: string): Accepted => ({ kind: 'accepted', because });
/** For now: replace by `effective` in the commit that makes it true. */
export const later = (what: string): Accepted => ({ kind: 'accepted', because: `comes with ${what}` });
const refuse = <T>(values: string, when: (value: T) => boolean, because: string): Refused<T> => ({
  kind: 'refused',
  values,
  when,
  because,
});
export const refuseTrue = (because: string): Refused<boolean> => refuse('true', (value) => value, because);
export const refuseSet = (because: string): Refused<string> => refuse('any value', (value) => value !== '', because);
export const refuseValue = <T extends string>(refused: T, because: string): Refused<T> =>
  refuse(refused, (value) => value === refused, because);
export const refuseAbove = (most: number, because: string): Refused<number> =>
  refuse(`more than ${most}`, (value) => value > most, because);

/** What relative paths of a text are relative to. */
export type Where = Pick<HostFacts, 'workingDirectory'>;

/** Which file a default is for: some keys of NettyServerConfig differ. */
export type FileKind = 'broker' | 'namesrv';
/** A default that depends on the machine or on other settings. `text` is what the documentation says. */
export interface Computed<T> {
  readonly text: string;
  readonly from: (facts: HostFacts, get: <V>(key: string) => V, kind: FileKind) => T;
}
export const computed = <T>(text: string, from: Computed<T>['from']): Computed<T> => ({ text, from });
export type Default<T> = T | Computed<T>;

export interface Setting<T> {
  /** As the documentation names it: boolean, int, long, size, string, enum, path, ... */
  readonly type: string;
  readonly initial: Computed<T>;
  /** ms, bytes, percent, ...; empty when there is none. */
  readonly unit: string;
  /** Completes "allowed: ..." in a refusal; the unit is not part of it. */
  readonly allowed: string;
  readonly effect: Effect<T>;
  readonly meaning: string;
  /** An update by UPDATE_BROKER_CONFIG applies at once; otherwise at the next start. */
  readonly live: boolean;
  /** Another spelling of the same key. */
  readonly alias: string | undefined;
  /** Apache's first version with the key, where it is later than 4.9.7. */
  readonly since: string;
  /** Never shown to anybody who asks for the configuration. */
  readonly secret: boolean;
  /** The value of a text without surrounding blanks; undefined when it is not allowed. */
  parse(text: string, where: Where): T | undefined;
  /** The inverse of `parse`; an empty text means "as if the key were not there". */
  render(value: T): string;
}

export type SettingTable = { readonly [key: string]: Setting<unknown> };
/** The values of a table: what actors read. */
export type SettingsOf<Table> = { readonly [K in keyof Table]: Table[K] extends Setting<infer T> ? T : never };

export interface Extra {
  readonly unit?: string;
  readonly live?: boolean;
  readonly alias?: string;
  readonly since?: string;
  readonly secret?: boolean;
}
export interface Range extends Extra {
  readonly min?: number;
  readonly max?: number;
}

export const INT_MAX = 2 ** 31 - 1;

function row<T>(
  type: string,
  initial: Default<T>,
  allowed: string,
  effect: Effect<T>,
  meaning: string,
  extra: Extra,
  parse: Setting<T>['parse'],
  render: Setting<T>['render'] = String,
): Setting<T> {
  return {
    type,
    initial: isComputed(initial) ? initial : { text: render(initial), from: () => initial },
    unit: extra.unit ?? '',
    allowed,
    effect,
    meaning,
    live: extra.live ?? false,
    alias: extra.alias,
    since: extra.since ?? '',
    secret: extra.secret ?? false,
    parse,
    render,
  };
}

function isComputed<T>(initial: Default<T>): initial is Computed<T> {
  return typeof initial === 'object' && initial !== null && 'from' in initial;
}

/** true or false in any case. Apache reads every other text ("yes", "1") as false. */
export function flag(initial: Default<boolean>, effect: Effect<boolean>, meaning: string, extra: Extra = {}) {
  return row('boolean', initial, 'true or false', effect, meaning, extra, (text) =>
    /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined,
  );
}

function whole(type: string, initial: Default<number>, effect: Effect<number>, meaning: string, range: Range) {
  const min = range.min ?? 0;
  const max = range.max ?? (type === 'long' ? Number.MAX_SAFE_INTEGER : INT_MAX);
  const upTo = max === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : String(max);
  return row(type, initial, `a whole number from ${min} to ${upTo}`, effect, meaning, range, (text) => {
    const value = /^[+-]?\d{1,18}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value + 0 : undefined;
  });
}

/** A Java int. */
export function int(initial: Default<number>, effect: Effect<number>, meaning: string, range: Range = {}) {
  return whole('int', initial, effect, meaning, range);
}

/** A Java long, up to 2^53 - 1. */
export function long(initial: Default<number>, effect: Effect<number>, meaning: string, range: Range = {}) {
  return whole('long', initial, effect, meaning, range);
}

/** A Java int that counts milliseconds. */
export function millis(initial: Default<number>, effect: Effect<number>, meaning: string, range: Range = {}) {
  return whole('int', initial, effect, meaning, { unit: 'ms', min: 1, ...range });
}

/** A Java int that counts bytes. */
export function bytes(initial: Default<number>, effect: Effect<number>, meaning: string, range: Range = {}) {
  return whole('int', initial, effect, meaning, { unit: 'bytes', ...range });
}

export function percent(initial: Default<number>, effect: Effect<number>, meaning: string, range: Range = {}) {
  return whole('int', initial, effect, meaning, { unit: 'percent', max: 100, ...range });
}

const SIZE_UNITS: { readonly [letter: string]: number } = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes of a key of Hangar's own: digits, or digits with k, m, g or t (powers of 1,024). Apache's keys take digits only. */
export function size(
  initial: Default<number>,
  effect: Effect<number>,
  meaning: string,
  range: Range & { readonly powerOfTwo?: boolean },
) {
  const min = range.min ?? 0;
  const max = range.max ?? Number.MAX_SAFE_INTEGER;
  const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${renderSize(max)}`;
  const what = range.powerOfTwo ? 'a power of two' : 'a size';
  const allowed = `${what} from ${renderSize(min)}${upTo}, as digits with or without k, m, g or t (64m)`;
  const parse = (text: string): number | undefined => {
    const match = /^(\d{1,15})([kmgt]?)$/i.exec(text);
    if (match === null) return undefined;
    const value = Number(match[1]) * SIZE_UNITS[match[2]!.toLowerCase()]!;
    const fits = value >= min && value <= max && (!range.powerOfTwo || Number.isInteger(Math.log2(value)));
    return fits ? value : undefined;
  };
  return row('size', initial, allowed, effect, meaning, { unit: 'bytes', ...range }, parse, renderSize);
}

function renderSize(value: number): string {
  const letter = ['t', 'g', 'm', 'k'].find((unit) => value !== 0 && value % SIZE_UNITS[unit]! === 0);
  return letter === undefined ? String(value) : `${value / SIZE_UNITS[letter]!}${letter}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it keeps out
const CONTROL = /[\u0000-\u001f\u007f]/;
export const TEXT_MAX = 1024;

export function text(initial: Default<string>, effect: Effect<string>, meaning: string, extra: Extra = {}) {
  const allowed = `up to ${TEXT_MAX} characters without control characters`;
  return row('string', initial, allowed, effect, meaning, extra, (value) =>
    value.length <= TEXT_MAX && !CONTROL.test(value) ? value : undefined,
  );
}

/** A name that also becomes a topic's: at most 127 bytes, not empty. Source: TopicValidator.TOPIC_MAX_LENGTH. */
export function name(initial: Default<string>, effect: Effect<string>, meaning: string, extra: Extra = {}) {
  return row('string', initial, '1 to 127 bytes without control characters', effect, meaning, extra, (value) =>
    value !== '' && Buffer.byteLength(value) <= 127 && !CONTROL.test(value) ? value : undefined,
  );
}

export function oneOf<const T extends string>(
  values: readonly T[],
  initial: NoInfer<T>,
  effect: Effect<NoInfer<T>>,
  meaning: string,
  extra: Extra = {},
): Setting<T> {
  const allowed = `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
  return row<T>('enum', initial, allowed, effect, meaning, extra, (value) => values.find((known) => known === value));
}

/** A file or directory; relative ones are resolved against the working directory, as Java does. Settings hold absolute paths. */
export function path(initial: Default<string>, effect: Effect<string>, meaning: string, extra: Extra = {}) {
  return row('path', initial, 'one path, not a list', effect, meaning, extra, (value, where) => {
    if (value === '' || value.length > 4096 || value.includes(',') || CONTROL.test(value)) return undefined;
    return isAbsolute(value) ? value : resolve(where.workingDirectory, value);
  });
}

/** `host:port` pairs joined by `;`, or nothing. The value is the list; IPv6 hosts may stand in brackets. */
export function addresses(initial: Default<string>, effect: Effect<string>, meaning: string, extra: Extra = {}) {
  return row('addresses', initial, 'host:port or host:port;host:port', effect, meaning, extra, (value) =>
    splitAddresses(value).every((address) => parseAddress(address) !== undefined) ? value : undefined,
  );
}

/** The addresses of an `a;b` list; empty items (a trailing `;`) do not count. */
export function splitAddresses(list: string): string[] {
  return list
    .split(';')
    .map((address) => address.trim())
    .filter((address) => address !== '');
}

/** Splits `host:port` at the last colon, as RemotingUtil.string2SocketAddress does; undefined when it is not an address. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  const colon = address.lastIndexOf(':');
  const host = unbracketed(address.slice(0, colon));
  const port = address.slice(colon + 1);
  const isAddress =
    colon > 0 && HOST.test(host) && /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535;
  return isAddress ? { host, port: Number(port) } : undefined;
}

/** A name, an IPv4 or an IPv6 address with an optional zone; resolving it is the network's business. */
const HOST = /^[\w.:%-]{1,255}$/;

/** One address without a port. */
export function host(initial: Default<string>, effect: Effect<string>, meaning: string, extra: Extra = {}) {
  return row('host', initial, 'a host name or an IP address without a port', effect, meaning, extra, (value) =>
    isHost(value) ? value : undefined,
  );
}

/** A host name or an IP address, IPv6 with or without brackets, without a port. */
export function isHost(value: string): boolean {
  return HOST.test(unbracketed(value)) && !/^[^:]+:\d*$/.test(value);
}

/** IPv6 as sockets take it. */
export function unbracketed(value: string): string {
  return value.replace(/^\[(.*)\]$/, '$1');
}

/** A port that is only opened when it is set; 0 is any free port. */
export function optionalPort(effect: Effect<number | undefined>, meaning: string, extra: Extra = {}) {
  const initial: Computed<number | undefined> = { text: 'not set', from: () => undefined };
  const allowed = 'a port from 1 to 65535, or 0 for any free one';
  return row<number | undefined>(
    'port',
    initial,
    allowed,
    effect,
    meaning,
    extra,
    (value) => (/^\d{1,5}$/.test(value) && Number(value) <= 65535 ? Number(value) : undefined),
    (value) => (value === undefined ? '' : String(value)),
  );
}

/** Hours of the day joined by `;`, as in deleteWhen=04;16. */
export function hours(
  initial: readonly number[],
  effect: Effect<readonly number[]>,
  meaning: string,
  extra: Extra = {},
) {
  return row<readonly number[]>(
    'hours',
    Object.freeze(initial),
    'hours from 00 to 23 joined by ;, such as 04 or 04;16',
    effect,
    meaning,
    extra,
    (value) => {
      const parts = value.split(';').map((part) => part.trim());
      return parts.every((part) => /^\d{1,2}$/.test(part) && Number(part) <= 23)
        ? Object.freeze(parts.map(Number))
        : undefined;
    },
    (value) => value.map((hour) => String(hour).padStart(2, '0')).join(';'),
  );
}

const DELAY_UNITS: { readonly [letter: string]: number } = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
export const DELAY_LEVELS_MAX = 100;

/** Delays of the levels 1, 2, ... in ms; in the file `1s 5s 10m 2h`. Source: ScheduleMessageService.parseDelayLevel. */
export function delayLevels(initial: string, effect: Effect<readonly number[]>, meaning: string, extra: Extra = {}) {
  const allowed = `1 to ${DELAY_LEVELS_MAX} delays such as 1s, 5m, 2h or 1d, separated by blanks`;
  return row('delay levels', parseDelays(initial)!, allowed, effect, meaning, extra, parseDelays, renderDelays);
}

function parseDelays(text: string): readonly number[] | undefined {
  const parts = text.split(/ +/);
  if (parts.length > DELAY_LEVELS_MAX || !parts.every((part) => /^\d{1,6}[smhd]$/.test(part))) return undefined;
  return Object.freeze(parts.map((part) => Number(part.slice(0, -1)) * DELAY_UNITS[part.at(-1)!]!));
}

function renderDelays(delays: readonly number[]): string {
  return delays
    .map((ms) => {
      const letter = ['d', 'h', 'm'].find((unit) => ms !== 0 && ms % DELAY_UNITS[unit]! === 0) ?? 's';
      return `${ms / DELAY_UNITS[letter]!}${letter}`;
    })
    .join(' ');
}
