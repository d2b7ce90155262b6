/**
 * Message properties as stored: `name 0x01 value` joined by 0x02, UTF-8; a trailing 0x02 (written before 4.9.1 and from
 * 5.2 on) is tolerated, items without a name or a value are skipped, the last of equal names wins.
 * Source: MessageDecoder.string2messageProperties, MessageConst.java.
 */

export const NAME_VALUE_SEPARATOR = 0x01;
export const PROPERTY_SEPARATOR = 0x02;
/** Between the words of KEYS. */
export const KEY_SEPARATOR = 0x20;

/** Names that brokers and clients give a meaning. Users may not set them (MessageConst.STRING_HASH_SET). */
export const PropertyName = {
  KEYS: 'KEYS',
  TAGS: 'TAGS',
  WAIT: 'WAIT',
  DELAY: 'DELAY',
  RETRY_TOPIC: 'RETRY_TOPIC',
  REAL_TOPIC: 'REAL_TOPIC',
  REAL_QUEUE_ID: 'REAL_QID',
  TRANSACTION_PREPARED: 'TRAN_MSG',
  PRODUCER_GROUP: 'PGROUP',
  MIN_OFFSET: 'MIN_OFFSET',
  MAX_OFFSET: 'MAX_OFFSET',
  BUYER_ID: 'BUYER_ID',
  ORIGIN_MESSAGE_ID: 'ORIGIN_MESSAGE_ID',
  TRANSFER_FLAG: 'TRANSFER_FLAG',
  CORRECTION_FLAG: 'CORRECTION_FLAG',
  MQ2_FLAG: 'MQ2_FLAG',
  RECONSUME_TIME: 'RECONSUME_TIME',
  MSG_REGION: 'MSG_REGION',
  TRACE_ON: 'TRACE_ON',
  UNIQUE_KEY: 'UNIQ_KEY',
  EXTEND_UNIQUE_INFO: 'EXTEND_UNIQ_INFO',
  MAX_RECONSUME_TIMES: 'MAX_RECONSUME_TIMES',
  CONSUME_START_TIME: 'CONSUME_START_TIME',
  INNER_NUM: 'INNER_NUM',
  INNER_BASE: 'INNER_BASE',
  DUP_INFO: 'DUP_INFO',
  CHECK_IMMUNITY_TIME: 'CHECK_IMMUNITY_TIME_IN_SECONDS',
  TRANSACTION_PREPARED_QUEUE_OFFSET: 'TRAN_PREPARED_QUEUE_OFFSET',
  TRANSACTION_ID: '__transactionId__',
  TRANSACTION_CHECK_TIMES: 'TRANSACTION_CHECK_TIMES',
  INSTANCE_ID: 'INSTANCE_ID',
  CORRELATION_ID: 'CORRELATION_ID',
  REPLY_TO_CLIENT: 'REPLY_TO_CLIENT',
  TTL: 'TTL',
  ARRIVE_TIME: 'ARRIVE_TIME',
  PUSH_REPLY_TIME: 'PUSH_REPLY_TIME',
  CLUSTER: 'CLUSTER',
  MESSAGE_TYPE: 'MSG_TYPE',
  INNER_MULTI_DISPATCH: 'INNER_MULTI_DISPATCH',
  INNER_MULTI_QUEUE_OFFSET: 'INNER_MULTI_QUEUE_OFFSET',
} as const;

/** What a PropertyScan notes, and its index there. Add a row to note another one. */
export const Scanned = {
  TAGS: 0,
  KEYS: 1,
  UNIQUE_KEY: 2,
  DELAY: 3,
  WAIT: 4,
  TRANSACTION_PREPARED: 5,
  PRODUCER_GROUP: 6,
  REAL_TOPIC: 7,
  REAL_QUEUE_ID: 8,
  RETRY_TOPIC: 9,
  ORIGIN_MESSAGE_ID: 10,
  RECONSUME_TIME: 11,
  MAX_RECONSUME_TIMES: 12,
  INNER_NUM: 13,
  INNER_MULTI_DISPATCH: 14,
  INNER_MULTI_QUEUE_OFFSET: 15,
  CLUSTER: 16,
  CHECK_IMMUNITY_TIME: 17,
  TRANSACTION_PREPARED_QUEUE_OFFSET: 18,
  TRANSACTION_CHECK_TIMES: 19,
  TRACE_ON: 20,
  MSG_REGION: 21,
  MESSAGE_TYPE: 22,
} as const satisfies Partial<Record<keyof typeof PropertyName, number>>;

const SCANNED_NAMES: readonly Uint8Array[] = Object.keys(Scanned).map((key) =>
  Buffer.from(PropertyName[key as keyof typeof Scanned], 'latin1'),
);
const SCANNED_COUNT = SCANNED_NAMES.length;

/** Names by hash; 0 is empty, otherwise index + 1. Collisions go to the next place. */
const HASH_PLACES = 64;
const PLACES = new Uint8Array(HASH_PLACES);
for (let index = 0; index < SCANNED_COUNT; index++) {
  const name = SCANNED_NAMES[index]!;
  let place = nameHash(name, 0, name.length);
  while (PLACES[place] !== 0) place = (place + 1) & (HASH_PLACES - 1);
  PLACES[place] = index + 1;
}

/** Cheap: length, first and last byte. `length` is at least 1. */
function nameHash(bytes: Uint8Array, start: number, length: number): number {
  return (length * 7 + bytes[start]! * 5 + bytes[start + length - 1]! * 3) & (HASH_PLACES - 1);
}

/** Index of a scanned name, or -1. */
function scannedIndex(bytes: Uint8Array, start: number, length: number): number {
  for (let place = nameHash(bytes, start, length); PLACES[place] !== 0; place = (place + 1) & (HASH_PLACES - 1)) {
    const name = SCANNED_NAMES[PLACES[place]! - 1]!;
    if (name.length !== length) continue;
    let same = 0;
    while (same < length && name[same] === bytes[start + same]) same++;
    if (same === length) return PLACES[place]! - 1;
  }
  return -1;
}

/**
 * One pass over the property bytes of a record; afterwards the values of the Scanned names are ranges of the same
 * buffer. One object is reused for all messages.
 */
export class PropertyScan {
  /** Position of each value, or -1. */
  private readonly starts = new Int32Array(SCANNED_COUNT).fill(-1);
  private readonly lengths = new Int32Array(SCANNED_COUNT);

  scan(bytes: Uint8Array, start: number, length: number): void {
    this.starts.fill(-1);
    const end = start + length;
    let item = start;
    let separator = -1;
    for (let at = start; at <= end; at++) {
      const byte = at === end ? PROPERTY_SEPARATOR : bytes[at];
      if (byte === NAME_VALUE_SEPARATOR) {
        if (separator < 0) separator = at;
      } else if (byte === PROPERTY_SEPARATOR) {
        if (separator > item && separator < at - 1) {
          const index = scannedIndex(bytes, item, separator - item);
          if (index >= 0) {
            this.starts[index] = separator + 1;
            this.lengths[index] = at - separator - 1;
          }
        }
        item = at + 1;
        separator = -1;
      }
    }
  }

  has(scanned: number): boolean {
    return this.starts[scanned]! >= 0;
  }

  /** Position of the value in the scanned buffer, or -1. */
  at(scanned: number): number {
    return this.starts[scanned]!;
  }

  /** Bytes of the value; 0 when there is none. */
  length(scanned: number): number {
    return this.starts[scanned]! < 0 ? 0 : this.lengths[scanned]!;
  }

  /** The value as text; undefined when there is none. Allocates: not for every message. */
  text(scanned: number, bytes: Uint8Array): string | undefined {
    const start = this.starts[scanned]!;
    return start < 0 ? undefined : decodeUtf8(bytes, start, this.lengths[scanned]!);
  }
}

/** A value's range, or start -1. Reused by findProperty. */
const found = { start: -1, length: 0 };

/**
 * Finds any property by name (UTF-8 bytes). The result is reused; `start` is -1 when there is none. Meant for filters
 * that look at a few properties of each message.
 */
export function findProperty(
  bytes: Uint8Array,
  start: number,
  length: number,
  name: Uint8Array,
): { readonly start: number; readonly length: number } {
  found.start = -1;
  found.length = 0;
  const end = start + length;
  let item = start;
  while (item < end) {
    let itemEnd = item;
    while (itemEnd < end && bytes[itemEnd] !== PROPERTY_SEPARATOR) itemEnd++;
    const valueAt = item + name.length + 1;
    if (valueAt < itemEnd && name.length > 0 && bytes[valueAt - 1] === NAME_VALUE_SEPARATOR) {
      let same = 0;
      while (same < name.length && bytes[item + same] === name[same]) same++;
      if (same === name.length) {
        found.start = valueAt;
        found.length = itemEnd - valueAt;
      }
    }
    item = itemEnd + 1;
  }
  return found;
}

/** All properties, in stored order. */
export function decodeProperties(bytes: Uint8Array, start = 0, length = bytes.length - start): Map<string, string> {
  return parseProperties(decodeUtf8(bytes, start, length));
}

/** All properties of a property string (a header field of send requests). */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const item of text.split('\u0002')) {
    const separator = item.indexOf('\u0001');
    if (separator > 0 && separator < item.length - 1) {
      properties.set(item.slice(0, separator), item.slice(separator + 1));
    }
  }
  return properties;
}

/** The stored form, without a trailing separator as 4.9.1 and later write it. */
export function formatProperties(properties: Iterable<readonly [string, string]>): string {
  const items: string[] = [];
  for (const [name, value] of properties) items.push(`${name}\u0001${value}`);
  return items.join('\u0002');
}

function decodeUtf8(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('utf8');
}
