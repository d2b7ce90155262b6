/** One connection of the front actor: accepted or dialed, over the network or within the process. */
import type { ActorId } from '../../runtime/actor.js';
import type { Socket } from '../../runtime/network.js';
import type { UnitCounters } from './counters.js';
import { FrameInput } from './frame-input.js';
import type { InputBudget } from './input-budget.js';
import type { Unit } from './unit.js';

export const NO_OUTPUT = Buffer.alloc(0);
const FIRST_OUTPUT_BYTES = 512;

/** Not stalled. */
export const NOBODY = -1;

/** Where a connection is in its life; numbers, because it is looked at per frame. */
export const Phase = {
  /** Not announced yet: the dial has no answer, or `opened` waits for room in its ring. */
  NEW: 0,
  OPEN: 1,
  /** Gone: its actors know. */
  CLOSED: 2,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

export class Connection {
  phase: Phase = Phase.NEW;
  /** The peer is gone; frames that came before are still being handed on. */
  isEnded = false;
  /** Not read any more, because Hangar stops. */
  isHeld = false;
  /** Both ends are in this process. */
  isLoopback = false;
  /** Exempt from the idle time-out. */
  mayBeSilent = false;
  /** Has no frames: its bytes are handed on as they come. */
  isStream = false;
  /** Counts against maxConnections. */
  isCounted = false;
  readonly input = new FrameInput();
  /** False while we do not read: see `updateReading`. */
  isReading = true;
  /** The actor whose ring has no room for the next frame (or for `opened`), or NOBODY. */
  stalledOn: ActorId = NOBODY;
  /** Of a large unfinished frame, see InputBudget. */
  reservedBytes = 0;
  awaitedBytes = 0;
  /** Monotonic time of the last byte either way, and since when an unfinished frame has been waiting for more bytes. */
  lastActivityMs: number;
  partialSinceMs = 0;
  /** Written by actors in this turn, not yet given to the socket. */
  output: Buffer = NO_OUTPUT;
  outputBytes = 0;
  /** How much of it to expect: what the last turns wrote. */
  outputHintBytes = FIRST_OUTPUT_BYTES;
  isDirty = false;

  constructor(
    readonly id: number,
    readonly socket: Socket,
    /** Index in PORT_KIND. */
    readonly portKind: number,
    /** Who gets its frames: the actor behind the port, or who dialed. */
    readonly owner: ActorId,
    /** The unit that accepted it; undefined when dialed. */
    readonly unit: Unit | undefined,
    /** Who gets the frames with one of the unit's queue codes; empty: the owner. */
    readonly hosts: readonly ActorId[],
    readonly counters: UnitCounters,
    readonly budget: InputBudget,
    nowMs: number,
  ) {
    this.lastActivityMs = nowMs;
  }

  takeOutput(): Buffer {
    const { output, outputBytes } = this;
    this.output = NO_OUTPUT;
    this.outputBytes = 0;
    return outputBytes === output.length ? output : output.subarray(0, outputBytes);
  }
}

export function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
