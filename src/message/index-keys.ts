/**
 * The keys by which a record is indexed: UNIQ_KEY, then each word of KEYS; with the topic they make the hash that index
 * files hold. Source: IndexService.buildIndex.
 */
import { indexKeyHash, indexTopicHash } from './java-hash.js';
import { KEY_SEPARATOR, type PropertyScan, Scanned } from './properties.js';

/** Walks over the key hashes of one record; reused. The record's bytes must stay until the walk is over. */
export class IndexKeys {
  /** Hash of `topic#key`, not negative. */
  hash = 0;

  private bytes: Uint8Array = new Uint8Array(0);
  private topicHash = 0;
  private uniqueAt = -1;
  private uniqueBytes = 0;
  private at = 0;
  private end = 0;

  /** `properties` has scanned the record's properties, which lie in `bytes` as the topic does. */
  open(bytes: Uint8Array, topicAt: number, topicBytes: number, properties: PropertyScan): void {
    const hasKeys = properties.has(Scanned.UNIQUE_KEY) || properties.has(Scanned.KEYS);
    this.openHashed(hasKeys ? indexTopicHash(bytes, topicAt, topicBytes) : 0, bytes, properties);
  }

  /** The same when indexTopicHash of the topic is known; `bytes` need hold the properties only. */
  openHashed(topicHash: number, bytes: Uint8Array, properties: PropertyScan): void {
    this.bytes = bytes;
    this.topicHash = topicHash;
    this.uniqueAt = properties.at(Scanned.UNIQUE_KEY);
    this.uniqueBytes = properties.length(Scanned.UNIQUE_KEY);
    this.at = properties.at(Scanned.KEYS);
    this.end = this.at + properties.length(Scanned.KEYS);
  }

  /** Moves to the next key; false after the last. */
  next(): boolean {
    if (this.uniqueAt >= 0) {
      this.hash = indexKeyHash(this.topicHash, this.bytes, this.uniqueAt, this.uniqueBytes);
      this.uniqueAt = -1;
      return true;
    }
    if (this.at < 0) return false;
    while (this.at < this.end && this.bytes[this.at] === KEY_SEPARATOR) this.at++;
    if (this.at >= this.end) return false;
    const wordAt = this.at;
    while (this.at < this.end && this.bytes[this.at] !== KEY_SEPARATOR) this.at++;
    this.hash = indexKeyHash(this.topicHash, this.bytes, wordAt, this.at - wordAt);
    return true;
  }
}
