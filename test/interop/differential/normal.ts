/**
 * An answer without what differs from run to run: addresses, times, places in the log. Everything else stays: which
 * header keys there are, every field and its text, the body as JSON with its dialect or as stored messages.
 */
import type { Answer } from '../../support/remoting-client.js';
import { decodeRecord, RECORD_MAGIC } from '../harness/store-files.js';
import { canonical, type Json, parseDialect } from './fastjson.js';

/** From 2017 to 2033 in epoch milliseconds, as a number and as text. */
const TIME_MS = {
  from: 1.5e12,
  to: 2e12,
  text: /\b1[5-9]\d{11}\b|\b20\d\d-\d\d-\d\d[#T ]\d\d:\d\d:\d\d[:.,]?\d*/g,
} as const;
/** Paths of stores. */
const PATH = /(\/tmp\/)?hangar-[a-z]+-\w{6}/g;
const ADDRESS = /\/?127\.0\.0\.1:\d+/g;
const MESSAGE_ID = /7F000001[0-9A-F]{24}/g;
/** Fields and keys of JSON bodies whose values are places and lengths in the log. */
const PLACES = new Set(['physicOffset', 'physicSize', 'indexLastUpdatePhyoffset', 'commitLogOffset']);
/** Of remarks that say where nothing was found. */
const PLACE_IN_REMARK = /(by the offset|by offset failed), \d+/;
/** Lists whose order means something; the others are sets in Java. */
const ORDERED = new Set(['queueData']);
/** Longer values are told by their length. */
const TEXT_MAX = 1_000;

export interface NormalAnswer {
  readonly code: number;
  readonly remark: string | undefined;
  readonly fields: Readonly<Record<string, string>> | undefined;
  readonly body: Json;
  readonly header: Json;
}

export function normalAnswer(answer: Answer): NormalAnswer {
  const { code, header, serialization } = answer;
  const {
    remark,
    extFields,
    opaque: _opaque,
    code: _code,
    ...rest
  } = header as {
    remark?: string;
    extFields?: Record<string, string>;
    opaque: number;
    code: number;
  };
  return {
    code,
    remark: remark === undefined ? undefined : normalText(remark.replace(PLACE_IN_REMARK, '$1, PLACE')),
    // An answer that has a header of its own without fields says {} and nobody tells that from nothing.
    fields:
      extFields === undefined || Object.keys(extFields).length === 0
        ? undefined
        : Object.fromEntries(
            Object.entries(extFields).map(([name, value]) => [name, normalJson(name, value) as string]),
          ),
    body: normalBody(answer.body),
    header: { ...(rest as Record<string, Json>), serialization },
  };
}

export function normalText(text: string): string {
  const found = text
    .replace(ADDRESS, 'ADDR')
    .replace(MESSAGE_ID, 'ID')
    .replace(TIME_MS.text, 'TIME')
    .replace(PATH, 'DIRECTORY');
  return found.length <= TEXT_MAX ? found : `${found.slice(0, TEXT_MAX)}... of ${found.length}`;
}

export function normalBody(body: Buffer): Json {
  if (body.length === 0) return null;
  if (body.length > 8 && body.readUInt32BE(4) === RECORD_MAGIC) return normalRecords(body);
  const text = body.toString();
  if (!/^[[{]/.test(text)) return normalText(text);
  const { value, hasBlanks } = parseDialect(text);
  return { hasBlanks, json: normalJson('', value) };
}

function normalRecords(body: Buffer): Json {
  const found: Json[] = [];
  for (let at = 0; at < body.length; at += body.readInt32BE(at)) found.push(normalRecord(body, at));
  return found;
}

/**
 * Times of producers are the script's own. Apache's broker decodes the properties of what it is sent and writes them anew, ours
 * keeps the text: neither an item without a name or a value nor the order of the others means anything to who reads them.
 * So records need not have the same length, nor be at the same place in the log.
 */
function normalRecord(bytes: Buffer, at: number): Json {
  const record = decodeRecord(bytes, at);
  const { bornHost, storeHost, storeTimestamp: _stored, body, propertyText, properties: _parsed, ...same } = record;
  const { physicalOffset: _place, totalBytes: _bytes, preparedTransactionOffset, ...kept } = same;
  return {
    ...kept,
    bornTimestamp: normalJson('', kept.bornTimestamp),
    hasPreparedOffset: preparedTransactionOffset !== 0,
    hosts: [bornHost, storeHost].map((host) => host.split(':')[0]!),
    body: normalText(body.toString()),
    properties: Object.fromEntries(propertiesOf(propertyText)),
  };
}

/** As clients read them: the last of a name counts, what lacks a name or a value does not. Source: MessageDecoder.java. */
function propertiesOf(text: string): [string, string][] {
  return text.split('\u0002').flatMap((item) => {
    const end = item.indexOf('\u0001');
    return end > 0 && end < item.length - 1 ? [[item.slice(0, end), normalText(item.slice(end + 1))]] : [];
  });
}

function sortedProperties(text: string): string {
  return text.split('\u0002').sort().join('\u0002');
}

export function normalJson(key: string, value: Json): Json {
  if (PLACES.has(key) && value !== 0 && value !== '0') return 'PLACE';
  if (typeof value === 'string') return normalText(key === 'properties' ? sortedProperties(value) : value);
  if (typeof value === 'number') return value >= TIME_MS.from && value < TIME_MS.to ? 'TIME' : value;
  if (Array.isArray(value)) {
    const items = value.map((item) => normalJson('', item));
    return ORDERED.has(key) ? items : items.sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1));
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [normalText(name), normalJson(name, item)]));
}
