/**
 * Rounds in which all queue hosts write out and sync what was dispatched to them. Only when all have done so the
 * checkpoint vouches for it: what one host has synced says nothing of older entries of another.
 * Source: DefaultMessageStore.FlushConsumeQueueService (flushConsumeQueueThoroughInterval).
 */
import { DiskError } from '../../../base/disk.js';
import { diskErrorFacts } from '../../../base/disk-remedy.js';
import { queueMessages } from '../../queue/messages.js';
import type { BrokerState } from '../state.js';

interface Round {
  /** Hosts that have not answered. */
  readonly open: Set<number>;
  /** Store time of the newest message that was dispatched when it began; 0: none since the start. */
  readonly timestamp: number;
  isSynced: boolean;
  readonly done: ((isSynced: boolean) => void)[];
}

export class QueueSync {
  private round: Round | undefined = undefined;
  private next: ((isSynced: boolean) => void)[] = [];

  /**
   * Begins a round, or one after that which is under way. `done` is told whether everything that had been dispatched is
   * durable; not so while a host is behind.
   */
  begin(state: BrokerState, done: (isSynced: boolean) => void = () => undefined): void {
    if (this.round !== undefined) {
      this.next.push(done);
      return;
    }
    this.start(state, [done]);
  }

  private start(state: BrokerState, done: Round['done']): void {
    const { dispatcher, context } = state;
    const { queueHosts } = state.options;
    const isReachable = queueHosts.every((host, i) => !dispatcher.isLate(i) && context.isOpen(host, 'request'));
    if (!isReachable) {
      for (const tell of done) tell(false);
      return;
    }
    const open = new Set(queueHosts.keys());
    this.round = { open, timestamp: dispatcher.sentTimestamp, isSynced: true, done };
    for (const host of queueHosts) context.send(host, queueMessages.flush, {});
  }

  answered(state: BrokerState, host: number, isSynced: boolean): void {
    const { round } = this;
    if (round === undefined || !round.open.delete(host)) return;
    round.isSynced &&= isSynced;
    if (round.open.size > 0) return;
    this.round = undefined;
    if (round.isSynced) moveCheckpoint(state, round.timestamp);
    for (const tell of round.done) tell(round.isSynced);
    if (this.next.length > 0 && this.round === undefined) this.start(state, this.next.splice(0));
  }
}

function moveCheckpoint(state: BrokerState, timestamp: number): void {
  const { checkpoint } = state;
  checkpoint.consumeQueueTimestamp = Math.max(checkpoint.consumeQueueTimestamp, timestamp);
  saveCheckpoint(state);
}

/** A checkpoint that cannot be written stays as it is: recovery then looks at more than it has to. */
export function saveCheckpoint({ checkpoint, faults }: BrokerState): void {
  try {
    checkpoint.save();
    faults.worked('checkpoint');
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    faults.failed('checkpoint', diskErrorFacts(error));
  }
}
