/** What an HA actor is started with; structured-cloneable. */
import type { BrokerSettings } from '../../../config/schema.js';
import type { ActorId } from '../../runtime/actor.js';
import type { RingMemory } from '../../runtime/ring.js';

export interface HaOptions {
  /** Name of the unit, for messages: `broker-a-s`. */
  readonly role: string;
  readonly settings: BrokerSettings;
  readonly front: ActorId;
  readonly broker: ActorId;
  /** The own log's window: of a master. */
  readonly window: RingMemory | undefined;
  /** HA actor of the master in the same process: of a slave that has one. It follows that one and no other. */
  readonly localMaster: ActorId | undefined;
  /** A slave counts as ready only when it has everything that its master had when it connected. */
  readonly waitsForMaster: boolean;
}

/** Settings of the stream, as they are now: UPDATE_BROKER_CONFIG changes them. */
export interface StreamSettings {
  heartbeatMs: number;
  housekeepingMs: number;
  batchBytes: number;
}

export function streamSettings(settings: BrokerSettings): StreamSettings {
  return {
    heartbeatMs: settings.haSendHeartbeatInterval,
    housekeepingMs: settings.haHousekeepingInterval,
    batchBytes: settings.haTransferBatchSize,
  };
}
