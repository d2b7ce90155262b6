/** What a broker actor is started with; structured-cloneable. */
import type { BrokerSettings } from '../../../config/schema.js';
import type { ActorId } from '../../runtime/actor.js';
import type { RingMemory } from '../../runtime/ring.js';

/** Another broker of this process whose log this one may read straight from memory. */
export interface LocalMaster {
  readonly directory: string;
  readonly fileBytes: number;
  readonly window: RingMemory;
}

export interface BrokerOptions {
  readonly settings: BrokerSettings;
  /** Keys that the configuration file sets, for GET_BROKER_CONFIG and updates. */
  readonly configPath: string | undefined;
  readonly front: ActorId;
  readonly ha: ActorId;
  readonly queueHosts: readonly ActorId[];
  /** The log window's memory: of this broker when it is a master. */
  readonly window: RingMemory | undefined;
  /** For a slave: the master in the same process, if that is where it is. */
  readonly localMaster: LocalMaster | undefined;
  /** accessMessageInMemoryMaxRatio of it divides "in memory" from "on disk". */
  readonly physicalMemoryBytes: number;
  /**
   * Ready only when every name server has taken the registration: in a cluster of one process. Otherwise ready when each
   * was asked, as Apache's broker starts without its name servers.
   */
  readonly waitsForNameServers: boolean;
  /** What to advertise instead of brokerIP1 (`--advertise`). */
  readonly advertisedHost: string;
  /** Added by the supervisor: what recovery found (recovery.ts). */
  readonly prepared?: unknown;
}
