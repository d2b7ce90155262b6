/** One part of issue 6: what is asked, and where we differ on purpose. */
import type { Script } from './script.js';

export interface Intended {
  readonly cases: readonly string[];
  /** Path into the outcome: `remark`, `code`, `fields.x`, `body.json.y`; what is below it counts as well. */
  readonly at: string;
  readonly because: string;
}

export interface Part {
  readonly name: string;
  readonly run: (script: Script) => Promise<void>;
  readonly intended: readonly Intended[];
}
