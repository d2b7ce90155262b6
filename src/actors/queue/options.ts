/** What a queue host is started with; structured-cloneable. */
import type { BrokerSettings } from '../../../config/schema.js';
import type { ActorId } from '../../runtime/actor.js';
import type { RingMemory } from '../../runtime/ring.js';

export interface QueueHostOptions {
  readonly settings: BrokerSettings;
  /** Its index among the hosts of this broker. */
  readonly host: number;
  readonly front: ActorId;
  readonly broker: ActorId;
  /** Its unit's name (`broker-a`), for metrics. */
  readonly unit: string;
  /** The broker's log window, to be attached; a slave's host reads its master's when that is in this process. */
  readonly window: RingMemory | undefined;
  /** 40 % of it divides "in memory" from "on disk" (accessMessageInMemoryMaxRatio). */
  readonly physicalMemoryBytes: number;
}
