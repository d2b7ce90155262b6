/**
 * Offsets that consumers have committed at this slave, because its master was not there: the master is told when it is
 * back. Otherwise the next copy of its table would undo them, and consumers that have been restarted meanwhile would get
 * those messages again, as with Apache. An offset that the master has passed is forgotten.
 */
import type { ConsumerOffsetTable } from '../../../remoting/bodies/tables.js';
import type { Context } from '../../../runtime/actor.js';

/** Offsets that are remembered; further ones are not returned, which the log says once. */
export const SLAVE_COMMITS_MAX = 100_000;
/** Offsets that the master is told in one round: below what may wait for one connection (remote.ts). */
const TOLD_PER_ROUND = 32;

export interface SlaveCommit {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: number;
}

export class SlaveCommits {
  /** By topic, group and queue. */
  private readonly commits = new Map<string, SlaveCommit>();
  private hasComplained = false;

  constructor(private readonly context: Context) {}

  get size(): number {
    return this.commits.size;
  }

  note(group: string, topic: string, queueId: number, offset: number): void {
    const key = keyOf(group, topic, queueId);
    if (this.commits.size >= SLAVE_COMMITS_MAX && !this.commits.has(key)) {
      if (!this.hasComplained) this.context.log.warn('more offsets were committed here than the master will be told');
      this.hasComplained = true;
      return;
    }
    this.commits.set(key, { group, topic, queueId, offset });
  }

  /** The master's table has come: what it lacks, of which the caller tells it; the rest is forgotten. */
  missingIn({ offsetTable }: ConsumerOffsetTable): SlaveCommit[] {
    const missing: SlaveCommit[] = [];
    for (const [key, commit] of this.commits) {
      const { group, topic, queueId, offset } = commit;
      if ((offsetTable.get(`${topic}@${group}`)?.get(queueId) ?? -1) >= offset) this.commits.delete(key);
      else missing.push(commit);
    }
    if (this.commits.size === 0) this.hasComplained = false;
    return missing;
  }

  /** Those of `missing` that are told in this round. */
  static nextOf(missing: readonly SlaveCommit[]): readonly SlaveCommit[] {
    return missing.slice(0, TOLD_PER_ROUND);
  }

  /** The master has answered. One that it refuses is its to refuse. */
  told({ group, topic, queueId, offset }: SlaveCommit): void {
    const key = keyOf(group, topic, queueId);
    if (this.commits.get(key)?.offset === offset) this.commits.delete(key);
  }
}

function keyOf(group: string, topic: string, queueId: number): string {
  return `${topic}@${group}@${queueId}`;
}
