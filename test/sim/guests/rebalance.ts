/**
 * A group whose members come and go: in order, without a word, or by falling silent. Whenever somebody did, in peace, all
 * queues are owned again within a second (of the moment that the broker takes somebody silent for gone), because the
 * broker tells the others; and over all changes under faults no message is left out.
 */
import type { Prng } from '../../../src/base/prng.js';
import { CHANNEL_EXPIRES_MS } from '../../../src/actors/broker/peers/clients.js';
import { violated } from '../ledger.js';
import { MASTERS, type Master } from '../sim-cluster.js';
import type { World } from '../world.js';
import { Crew, LEAVES } from './crew.js';
import { Feeder } from './feeder.js';
import type { Guest, Invite } from './guest.js';
import { Progress } from './progress.js';

const TOPIC = 'Shared';
const QUEUES = 5;
const REBALANCED_MS = 1_000;
/** The broker looks for silent clients each 10 s. */
const SCAN_MS = 10_000;

/** It takes two minutes until the broker takes somebody for gone. */
const SILENT_ODDS = 0.3;

interface Habits {
  readonly messages: number;
  readonly thinkMs: number;
  readonly members: number;
  readonly changeMs: number;
}

export class Rebalance implements Guest {
  readonly topics = [TOPIC];
  private readonly feeder: Feeder;
  private readonly crew: Crew;
  private readonly progress: Progress;

  constructor(
    private readonly world: World,
    private readonly master: Master,
    { messages: count, thinkMs, members, changeMs }: Habits,
  ) {
    const { simulation } = world;
    const net = `10.7.${MASTERS.indexOf(master)}`;
    const group = `shared-${master}`;
    this.progress = new Progress(world);
    const feeder = { master, topic: TOPIC, queues: QUEUES, address: `${net}.99`, count, thinkMs };
    this.feeder = new Feeder(world, { ...feeder, properties: () => ({}) });
    this.crew = new Crew(
      world,
      {
        role: master,
        group,
        topics: { [TOPIC]: QUEUES, [`%RETRY%${group}`]: 1 },
        maxMessages: 8,
        subscriptionTo: (topic) => ({ topic, text: '*', type: 'TAG', version: 1 }),
        handle: (message, queue, done) => {
          this.progress.takes(message, queue);
          simulation.after(simulation.random.unit() * 10, () => {
            this.progress.handled(message, queue);
            done();
          });
        },
      },
      net,
      members,
      changeMs,
    );
  }

  missing(): string[] {
    const { feeder, progress, master, crew } = this;
    if (!feeder.isIdle) return [`${master}: sends are under way`];
    return [...progress.missingOf(feeder.acknowledged), ...crew.unowned()];
  }

  async tryOut(): Promise<void> {
    const { crew, world } = this;
    const { simulation } = world;
    const owned = (): boolean => crew.unowned().length === 0;
    const within = (what: string, ms: number): Promise<void> =>
      simulation.runUntil(`${this.master}: all queues are owned again after somebody ${what}`, owned, ms);
    const hows = LEAVES.filter((how) => how !== 'fall silent' || simulation.random.chance(SILENT_ODDS));
    for (const how of ['join', ...hows] as const) {
      if (how === 'join' || crew.live.length === 1) {
        crew.join();
        await simulation.runFor(REBALANCED_MS);
        await within('joined', 0);
      }
      if (how === 'join') continue;
      const member = simulation.random.pick(crew.live);
      const owns = member.queues.size;
      crew.go(member, how);
      if (how === 'fall silent') await simulation.runFor(CHANNEL_EXPIRES_MS + SCAN_MS);
      await simulation.runFor(REBALANCED_MS);
      if (owns === 0) violated(`${this.master}: ${member.habits.clientId} owned nothing`);
      await within(how, 0);
      world.ledger.count(`rebalanced after ${how}`);
    }
  }

  overdue(limitMs: number): string[] {
    return [...this.feeder.overdue(limitMs), ...this.crew.overdue(limitMs)];
  }

  leave(): void {
    this.feeder.leave();
    this.crew.leave();
  }

  check(): void {
    this.progress.checkSent(this.feeder.sent);
  }
}

export const inviteRebalance: Invite = (world: World, random: Prng) =>
  MASTERS.map(
    (master) =>
      new Rebalance(world, master, {
        messages: random.pick([50, 200]),
        thinkMs: random.pick([5, 50, 200]),
        members: 1 + random.below(3),
        changeMs: random.pick([0, 300, 2_000]),
      }),
  );
