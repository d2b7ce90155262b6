/** What a broker has stored, read from its disk as it grows; from the begin again when a power loss took some of it. */
import type { Role } from '../sim-cluster.js';
import { readLog, type StoredMessage } from '../stored.js';
import type { World } from '../world.js';

export class LogFollower {
  private known: StoredMessage[] = [];
  private end = 0;
  private powerLosses = 0;

  constructor(
    private readonly world: World,
    private readonly role: Role,
  ) {}

  /** Everything up to now, in the order of the log. */
  messages(): readonly StoredMessage[] {
    const { world, role } = this;
    if (world.powerLosses !== this.powerLosses) {
      this.powerLosses = world.powerLosses;
      this.known = [];
      this.end = 0;
    }
    const { messages, end } = readLog(world.cluster.diskOf(role), world.ledger.logOf(role), this.end);
    this.known.push(...messages);
    this.end = end;
    return this.known;
  }
}
