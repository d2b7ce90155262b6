/**
 * Somebody who uses a cluster that suffers, and knows what was promised to him: sends, consumes and answers with habits
 * of his own (the files beside this one), and holds what came of it against the promises once there is peace.
 */
import type { Prng } from '../../../src/base/prng.js';
import type { World } from '../world.js';

export interface Guest {
  /** Topics that whoever reads them on master and slave gets as the logs have them. */
  readonly topics: readonly string[];
  /** Calls that have waited for longer than that. */
  overdue(limitMs: number): string[];
  /** In peace, what is promised and has not come yet; looked at again and again, empty at last. */
  missing(): readonly string[];
  /** In peace, once nothing is missing: what is promised of a quiet cluster. */
  tryOut?(facts: SufferedFacts): Promise<void>;
  leave(): void;
  /** Everybody has left; the process still runs. Throws a Violation. */
  check(facts: SufferedFacts): void;
}

/** Guests with habits of this seed. */
export type Invite = (world: World, random: Prng) => readonly Guest[];

export interface SufferedFacts {
  /** What went wrong, as `kind@ms`. */
  readonly faults: readonly string[];
  /** Nobody has set the clock. */
  readonly isClockTrue: boolean;
}
