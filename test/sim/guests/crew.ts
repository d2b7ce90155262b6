/** The members of one group: they come and go while the cluster suffers, and a few are left when there is peace. */
import type { World } from '../world.js';
import { Member, type MemberHabits } from './member.js';
import type { OwnedQueue } from './owned-queue.js';

export const LEAVES = ['unregister', 'close', 'fall silent'] as const;
export type Leave = (typeof LEAVES)[number];

const MEMBERS_MAX = 4;
/** A seed with more of them shows nothing new, and each one that falls silent stays connected for two minutes. */
const COMERS_MAX = 8;

export class Crew {
  private readonly all: Member[] = [];

  constructor(
    private readonly world: World,
    private readonly habits: Omit<MemberHabits, 'clientId'>,
    private readonly addresses: string,
    members: number,
    /** Somebody comes or leaves about this often; 0: nobody does. */
    changeMs: number,
  ) {
    for (let index = 0; index < members; index++) this.join();
    if (changeMs > 0) this.changeLater(changeMs);
  }

  get live(): readonly Member[] {
    return this.all.filter(({ hasLeft }) => !hasLeft);
  }

  overdue(limitMs: number): string[] {
    return this.live.flatMap((member) => member.overdue(limitMs));
  }

  /** Everybody closes. */
  leave(): void {
    for (const member of this.all) member.close();
  }

  join(): Member {
    const clientId = `${this.addresses}.${this.all.length}@${this.all.length}`;
    const member = new Member(this.world, { ...this.habits, clientId });
    this.all.push(member);
    return member;
  }

  go(member: Member, how: Leave): void {
    if (how === 'unregister') member.unregister(() => undefined);
    else if (how === 'close') member.close();
    else member.fallSilent();
  }

  private changeLater(meanMs: number): void {
    const { world } = this;
    const { simulation } = world;
    simulation.after(2 * meanMs * simulation.random.unit(), () => {
      if (world.isQuiet || this.all.length >= COMERS_MAX) return;
      this.change();
      this.changeLater(meanMs);
    });
  }

  private change(): void {
    const { live, world } = this;
    const { random } = world.simulation;
    if (live.length < 2 || (live.length < MEMBERS_MAX && random.chance(0.5))) this.join();
    else this.go(random.pick(live), random.pick(LEAVES));
  }

  /** Every queue has exactly one owner, who knows where to go on. Why not, otherwise. */
  unowned(): string[] {
    const { live, habits } = this;
    const owned = live.flatMap(({ queues }) => [...queues.values()]).filter(isGoingOn);
    return Object.entries(habits.topics).flatMap(([topic, queues]) =>
      Array.from({ length: queues }, (_, queueId) => {
        const owners = owned.filter((queue) => queue.topic === topic && queue.queueId === queueId).length;
        return owners === 1 ? '' : `${habits.role}: ${topic}-${queueId} of ${habits.group} has ${owners} owners`;
      }).filter((problem) => problem !== ''),
    );
  }
}

function isGoingOn({ isDropped, handled }: OwnedQueue): boolean {
  return !isDropped && handled >= 0;
}
