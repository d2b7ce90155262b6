/**
 * One stored record by its physical offset: for delayed messages that are due, for messages that consumers send back,
 * for whatever else is written anew. An offset may come from anybody: what is no whole record there is not found.
 */
import { MIB } from '../../../base/units.js';
import { PropertyScan } from '../../../message/properties.js';
import {
  checkRecord,
  Magic,
  RECORD,
  RECORD_BYTES_MIN,
  RECORD_HEAD_BYTES_MAX,
  RecordFields,
} from '../../../message/record.js';
import type { BrokerState } from '../state.js';
import type { NewMessage } from '../sends/store-message.js';

/** A larger record gets a buffer of its own. */
const KEPT_BYTES = MIB;
const FIRST_BYTES = 64 * 1024;
/** Of a record, beside its body. */
const BESIDE_BODY_BYTES_MAX = 64 * 1024;

/** The record that was read last; ranges are positions in `buffer`. Reused: use it up before the next read. */
export class RecordAt extends RecordFields {
  buffer = Buffer.alloc(FIRST_BYTES);
  view = viewOf(this.buffer);
  readonly properties = new PropertyScan();
  private readonly v4 = [new Uint8Array(8), new Uint8Array(8)] as const;
  private readonly v6 = [new Uint8Array(20), new Uint8Array(20)] as const;

  makeRoom(bytes: number): void {
    const { length } = this.buffer;
    if (bytes <= length && (length <= KEPT_BYTES || bytes > KEPT_BYTES)) return;
    this.buffer = Buffer.alloc(Math.max(FIRST_BYTES, bytes));
    this.view = viewOf(this.buffer);
  }

  get bornHost(): Uint8Array {
    return this.host(0, this.bornHostAt, this.bornHostBytes);
  }

  get storeHost(): Uint8Array {
    return this.host(1, this.storeHostAt, this.storeHostBytes);
  }

  private host(which: 0 | 1, at: number, bytes: number): Uint8Array {
    const host = bytes === 8 ? this.v4[which] : this.v6[which];
    for (let i = 0; i < bytes; i++) host[i] = this.buffer[at + i]!;
    return host;
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}

const record = new RecordAt();

/**
 * The record that an entry of a consume queue points to; undefined when it is gone, is none, or is larger than what this
 * broker takes (maxMessageSize). Throws DiskError.
 */
export function readRecord(state: BrokerState, offset: number, sizeBytes: number): RecordAt | undefined {
  const { log, reader } = state;
  const isInside = offset >= log.minOffset && sizeBytes >= RECORD_BYTES_MIN && offset + sizeBytes <= log.writtenOffset;
  // What a body says of its own making must not make this broker take gigabytes for it.
  if (!isInside || sizeBytes > state.settings.maxMessageSize + BESIDE_BODY_BYTES_MAX) return undefined;
  record.makeRoom(sizeBytes);
  if (!reader.read(offset, sizeBytes, record.buffer, 0)) return undefined;
  const { status, size } = checkRecord(record.buffer, record.view, 0, sizeBytes, false);
  if (status !== 'record' || size !== sizeBytes) return undefined;
  record.read(record.view, 0);
  record.properties.scan(record.buffer, record.propertiesAt, record.propertiesBytes);
  return record;
}

/** The same for an offset that somebody says is one: the record must say so, too. Throws DiskError. */
export function findRecord(state: BrokerState, offset: number): RecordAt | undefined {
  const { log, reader } = state;
  if (!Number.isSafeInteger(offset) || offset < log.minOffset || offset + RECORD_BYTES_MIN > log.writtenOffset) {
    return undefined;
  }
  record.makeRoom(RECORD_HEAD_BYTES_MAX);
  if (!reader.read(offset, RECORD_BYTES_MIN, record.buffer, 0)) return undefined;
  if (record.view.getInt32(RECORD.magic) !== Magic.RECORD) return undefined;
  const found = readRecord(state, offset, record.view.getInt32(RECORD.totalBytes));
  return found?.physicalOffset === offset ? found : undefined;
}

/**
 * Makes `message` a new message with the body, flags, times and hosts of the record; topic, queue and properties are the
 * caller's, and the properties must not overwrite those of the record while they are still needed.
 */
export function messageOf(found: RecordAt, message: NewMessage): void {
  message.flag = found.flag;
  message.sysFlag = found.sysFlag;
  message.bornTimestamp = found.bornTimestamp;
  message.bornHost = found.bornHost;
  message.storeHost = found.storeHost;
  message.reconsumeTimes = found.reconsumeTimes;
  message.preparedTransactionOffset = 0;
  message.body = found.buffer;
  message.bodyAt = found.bodyAt;
  message.bodyBytes = found.bodyBytes;
}
