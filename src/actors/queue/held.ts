/** The table of pulls that wait on a host: for messages, or for bytes that are read from the disk. */
import type { DiskError } from '../../base/disk.js';
import type { Waiter } from '../../store/cold-reads.js';
import type { HostState } from './host-state.js';
import { PullFlag, type PullRequest } from './pull-request.js';
import type { Queue } from './queue.js';

/** Tags that the pulls of a host may have brought along, about 40 bytes each. */
const HELD_TAGS_MAX = 1_000_000;

/** Answered at the end of the batch in which what it waits for has come, or its time is over. */
export class HeldPull implements Waiter {
  /** False once it was answered or its connection closed. */
  isHeld = true;
  /** It is answered at the end of the batch. */
  isWoken = false;
  // Of those that wait for bytes.
  missing = 1;
  failure: DiskError | undefined = undefined;

  constructor(
    private readonly state: HostState,
    readonly queue: Queue,
    readonly request: PullRequest,
    readonly waitsFor: 'message' | 'bytes',
    /** Monotonic ms at which it is answered with whatever there is. */
    readonly untilMs: number,
  ) {}

  wake(): void {
    if (this.isWoken) return;
    this.isWoken = true;
    this.state.woken.push(this);
  }

  isOver(): boolean {
    return !this.isHeld;
  }

  ready(): void {
    this.wake();
    this.state.context.touch();
  }
}

/** Parks the pull that `request` holds. The caller has looked whether there is room. */
export function hold(
  state: HostState,
  queue: Queue,
  request: PullRequest,
  waitsFor: HeldPull['waitsFor'],
  untilMs: number,
): HeldPull {
  const held = new HeldPull(state, queue, request.copy(), waitsFor, untilMs);
  queue.hold(held);
  let ofConnection = state.heldByConnection.get(request.connection);
  if (ofConnection === undefined) {
    ofConnection = new Set();
    state.heldByConnection.set(request.connection, ofConnection);
  }
  ofConnection.add(held);
  count(state, held, 1);
  return held;
}

/** Takes a held pull out of every table. */
export function release(state: HostState, held: HeldPull): void {
  if (!held.isHeld) return;
  held.isHeld = false;
  held.queue.release(held);
  const ofConnection = state.heldByConnection.get(held.request.connection);
  ofConnection?.delete(held);
  if (ofConnection?.size === 0) state.heldByConnection.delete(held.request.connection);
  count(state, held, -1);
}

/**
 * Tags of a heartbeat are kept once for the group, those that the pull brings along with the pull; so are filters, of
 * which a character takes about as much as a tag.
 */
function ownTags(request: PullRequest): number {
  return request.has(PullFlag.SUBSCRIPTION) ? (request.codes?.size ?? 0) + request.filterChars : 0;
}

export function hasRoomForTags(state: HostState, request: PullRequest): boolean {
  return state.heldTags + ownTags(request) <= HELD_TAGS_MAX;
}

function count(state: HostState, { waitsFor, request }: HeldPull, by: 1 | -1): void {
  state.heldTags += by * ownTags(request);
  if (waitsFor === 'message') {
    state.heldCount += by;
    state.counters.held.set(state.heldCount);
  } else {
    state.coldCount += by;
    state.counters.cold.set(state.coldCount);
  }
}
