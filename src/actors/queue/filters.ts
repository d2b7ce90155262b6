/**
 * Filters of pulls that look at the properties of messages: SQL92 subscriptions, and those of the retry topic, which are
 * the ones of the topic that a message came from (filterSupportRetry). Tags need only the consume queue.
 * Source: ExpressionMessageFilter.java, ExpressionForRetryMessageFilter.java.
 */
import { findProperty, PropertyName } from '../../message/properties.js';
import { RECORD, RECORD_HEAD_BYTES_MAX, recordHeadBytes } from '../../message/record.js';
import { StoredPropertiesFilter } from '../../filter/stored-properties.js';
import { NoFilter, readFilter } from '../../filter/subscription.js';
import type { LogReader } from '../../store/log-reader.js';

/** Whether a pull gets a message, by its properties in their stored form. */
export interface RecordFilter {
  /** What looking at one message may take; see MessageFilter. */
  readonly size: number;
  passes(bytes: Buffer, start: number, length: number): boolean;
}

const RETRY_TOPIC = Buffer.from(PropertyName.RETRY_TOPIC);

/** Of a retry topic: each message is judged by the group's filter for the topic that it came from, if there is one. */
export class RetryFilter implements RecordFilter {
  readonly size: number;

  /** `filters`: those of the group, by topic. */
  constructor(private readonly filters: ReadonlyMap<string, { readonly filter: RecordFilter | undefined }>) {
    let size = 1;
    for (const { filter } of filters.values()) size = Math.max(size, filter?.size ?? 0);
    this.size = size;
  }

  passes(bytes: Buffer, start: number, length: number): boolean {
    const found = findProperty(bytes, start, length, RETRY_TOPIC);
    if (found.start < 0) return true;
    const topic = bytes.toString('utf8', found.start, found.start + found.length);
    return this.filters.get(topic)?.filter?.passes(bytes, start, length) ?? true;
  }
}

/** Filters and characters of their texts that a host keeps beside those of subscriptions. */
export const CACHED_FILTERS_MAX = 1_024;
export const CACHED_CHARS_MAX = 1024 * 1024;

/** Compiled filters by text; at the bound the one used longest ago goes. */
export class FilterCache {
  private readonly filters = new Map<string, RecordFilter>();
  private chars = 0;

  get size(): number {
    return this.filters.size;
  }

  /** The filter, or why the text is none. */
  get(expressionType: string, text: string): RecordFilter | NoFilter {
    // Only one type has filters.
    const known = expressionType === 'SQL92' ? this.filters.get(text) : undefined;
    if (known !== undefined) {
      this.filters.delete(text);
      this.filters.set(text, known);
      return known;
    }
    const compiled = readFilter(expressionType, text);
    if (compiled instanceof NoFilter) return compiled;
    const filter = new StoredPropertiesFilter(compiled);
    this.filters.set(text, filter);
    this.chars += text.length;
    for (const [oldest] of this.filters) {
      if (this.filters.size <= CACHED_FILTERS_MAX && this.chars <= CACHED_CHARS_MAX) break;
      this.filters.delete(oldest);
      this.chars -= oldest.length;
    }
    return filter;
  }
}

/** Records up to this size are read at once, larger ones without their body. */
const SMALL_BYTES = 4 * 1024;
/** Behind the body: a topic, properties, and their lengths. */
const TAIL_BYTES_MAX = 1 + 127 + 2 + 32_767;

/** The properties of one record, in a buffer that is used again. */
export class RecordProperties {
  readonly bytes = Buffer.alloc(TAIL_BYTES_MAX);
  start = 0;
  length = 0;
  private readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);

  constructor(private readonly reader: LogReader) {}

  /** True when they can be read without waiting for the disk. */
  areInMemory(commitLogOffset: number, sizeBytes: number, logEnd: number): boolean {
    return this.reader.isInMemory(commitLogOffset, sizeBytes, logEnd);
  }

  /** HOT. Reads them; false when the record is gone. Throws DiskError. */
  read(commitLogOffset: number, sizeBytes: number): boolean {
    const { reader, bytes, view } = this;
    const headBytes = sizeBytes <= SMALL_BYTES ? sizeBytes : RECORD_HEAD_BYTES_MAX;
    if (!reader.read(commitLogOffset, headBytes, bytes, 0)) return false;
    const bodyAt = recordHeadBytes(view.getInt32(RECORD.sysFlag));
    let topicAt = bodyAt + Math.max(0, view.getInt32(bodyAt - 4));
    let end = sizeBytes;
    this.length = 0;
    if (sizeBytes > SMALL_BYTES) {
      const tailBytes = sizeBytes - topicAt;
      if (tailBytes < 0 || tailBytes > TAIL_BYTES_MAX) return true;
      if (!reader.read(commitLogOffset + topicAt, tailBytes, bytes, 0)) return false;
      topicAt = 0;
      end = tailBytes;
    }
    // What is no record has no properties.
    if (topicAt + 3 > end) return true;
    const lengthAt = topicAt + 1 + view.getUint8(topicAt);
    this.start = lengthAt + 2;
    if (this.start <= end) this.length = Math.max(0, Math.min(view.getInt16(lengthAt), end - this.start));
    return true;
  }
}
