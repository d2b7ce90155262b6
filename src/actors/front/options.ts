/** What the front actor is started with; structured-cloneable. */
import type { ActorId } from '../../runtime/actor.js';
import type { RingMemory } from '../../runtime/ring.js';

/** The ports of one unit (a name server or a broker). They are bound together, when the unit serves. */
export interface UnitListeners {
  readonly unit: number;
  /** For tables, logs and metrics: `namesrv-a`, `broker-a`. */
  readonly role: string;
  /** Where to bind. */
  readonly host: string;
  /** The host that the unit tells others; a dial to it and one of the unit's ports stays inside the process. */
  readonly advertisedHost: string;
  /** 0 picks a free port whose neighbours (port - 2, port + 1) are free too where they are wanted. */
  readonly port: number;
  readonly hasVip: boolean;
  readonly hasHa: boolean;
  /** Gets frames and connection events. */
  readonly actor: ActorId;
  /** Gets the connections of the HA port; -1 where there is none. */
  readonly haActor: ActorId;
  /** Actors that get frames whose code is in `queueCodes`; which one: queueHostIndex(topic hash, queue id). Empty for name servers. */
  readonly queueHosts: readonly ActorId[];
  readonly queueCodes: readonly number[];
}

export interface FrontOptions {
  readonly units: readonly UnitListeners[];
  /** Unit of every actor, by actor id: connections that an actor dialed are closed with its unit. */
  readonly actorUnits: readonly number[];
  /** One int32 word, the connection id given out last: it outlives the front actor, so that ids are not used again. */
  readonly connectionIds: RingMemory;
  readonly idleTimeoutMs: number;
  /** Answers that one connection may leave unread before it is closed, bytes. */
  readonly outputLimitBytes: number;
  /** The same of all connections together: beyond it those with most are closed. */
  readonly outputTotalBytes: number;
  /**
   * Bytes that the unfinished large frames of one unit's connections may take together; at least MAX_FRAME_BYTES.
   * Beyond it connections with a further large frame are not read until others have finished theirs.
   */
  readonly inputLimitBytes: number;
  /** Accepted connections of all units together; more are refused. */
  readonly maxConnections: number;
  /** HTTP listener for /metrics and /healthz; undefined: none. Port 0 picks one. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
  /** Counters of every thread, and the rings between them, for /metrics. */
  readonly slabs: readonly RingMemory[];
  readonly rings: readonly {
    readonly from: string;
    readonly to: string;
    readonly lane: string;
    readonly memory: RingMemory;
  }[];
  /** Int32 words that the supervisor keeps: one per unit, 1 = serving. /healthz is 200 only when all are 1. */
  readonly health: RingMemory;
  readonly unitNames: readonly string[];
}

/** Which queue host serves a message queue: a pure function, so that nobody has to ask. */
export function queueHostIndex(topicHash: number, queueId: number, hosts: number): number {
  return hosts === 1 ? 0 : (Math.imul(topicHash ^ queueId, 0x9e3779b1) >>> 16) % hosts;
}
