/**
 * Consumer offsets: how far each group has come in each message queue. Source: ConsumerOffsetManager.java.
 * Keys are `topic@group`, as in consumerOffset.json and on the wire.
 */
const SEPARATOR = '@';
/** Beyond this a new (topic, group) pair is not taken: consumerOffset.json must be readable (MAX_JSON_CONTAINERS). */
export const OFFSET_KEYS_MAX = 250_000;
/** Offsets of all pairs together; 1,000,000 are about 40 MB. */
export const OFFSETS_MAX = 2_000_000;

export class OffsetTable {
  private readonly byKey = new Map<string, Map<number, number>>();
  /** Changed since it was last written out. */
  isDirty = false;
  private count = 0;

  /** Offsets that it holds. */
  get size(): number {
    return this.count;
  }

  get(group: string, topic: string, queueId: number): number | undefined {
    return this.byKey.get(`${topic}${SEPARATOR}${group}`)?.get(queueId);
  }

  /** Stores it, also backwards, as Apache does; false when the table is full. */
  commit(group: string, topic: string, queueId: number, offset: number): boolean {
    const key = `${topic}${SEPARATOR}${group}`;
    let queues = this.byKey.get(key);
    if (queues?.has(queueId) !== true) {
      if (this.count >= OFFSETS_MAX || (queues === undefined && this.byKey.size >= OFFSET_KEYS_MAX)) return false;
      this.count++;
    }
    if (queues === undefined) {
      queues = new Map();
      this.byKey.set(key, queues);
    }
    queues.set(queueId, offset);
    this.isDirty = true;
    return true;
  }

  queuesOf(group: string, topic: string): ReadonlyMap<number, number> | undefined {
    return this.byKey.get(`${topic}${SEPARATOR}${group}`);
  }

  /** Topics in which the group has an offset. */
  topicsOf(group: string): string[] {
    return [...this.byKey.keys()].filter((key) => groupOf(key) === group).map(topicOf);
  }

  /** Groups that have an offset in the topic. */
  groupsOf(topic: string): string[] {
    return [...this.byKey.keys()].filter((key) => topicOf(key) === topic).map(groupOf);
  }

  removeTopic(topic: string): void {
    this.removeWhere((key) => topicOf(key) === topic);
  }

  removeGroup(group: string): void {
    this.removeWhere((key) => groupOf(key) === group);
  }

  /** Adds or overwrites: a file at start, the master's table on a slave. Both fitted where they come from. */
  merge(table: Iterable<readonly [string, Iterable<readonly [number, number]>]>): void {
    for (const [key, queues] of table) {
      const known = this.byKey.get(key) ?? new Map<number, number>();
      this.count -= known.size;
      for (const [queueId, offset] of queues) {
        if (known.get(queueId) !== offset) this.isDirty = true;
        known.set(queueId, offset);
      }
      this.count += known.size;
      this.byKey.set(key, known);
    }
  }

  /** `topic@group` -> queue id -> offset. */
  entries(): ReadonlyMap<string, ReadonlyMap<number, number>> {
    return this.byKey;
  }

  private removeWhere(matches: (key: string) => boolean): void {
    for (const key of [...this.byKey.keys()]) {
      if (!matches(key)) continue;
      this.count -= this.byKey.get(key)!.size;
      this.byKey.delete(key);
      this.isDirty = true;
    }
  }
}

function topicOf(key: string): string {
  return key.slice(0, key.indexOf(SEPARATOR));
}

function groupOf(key: string): string {
  return key.slice(key.indexOf(SEPARATOR) + 1);
}
