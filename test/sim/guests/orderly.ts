/**
 * Two or three orderly consumers of one group, which lock their queues and rebalance as they come and go. No queue has two
 * holders (while the broker that gave the locks lives: it keeps them in memory only), each queue is handled in its order
 * and without a gap, and everything is handled.
 */
import type { Prng } from '../../../src/base/prng.js';
import { violated } from '../ledger.js';
import { MASTERS, type Master } from '../sim-cluster.js';
import type { StoredMessage } from '../stored.js';
import type { World } from '../world.js';
import { Crew } from './crew.js';
import { Feeder } from './feeder.js';
import type { Guest, Invite } from './guest.js';
import type { OwnedQueue } from './owned-queue.js';
import { Progress } from './progress.js';

const TOPIC = 'Ordered';
const QUEUES = 4;
/** In peace, beside the time that it takes. */
const HANDLED_MS = 1_000;

interface Habits {
  readonly messages: number;
  readonly thinkMs: number;
  readonly handleMs: number;
  readonly members: number;
  readonly changeMs: number;
}

export class Orderly implements Guest {
  readonly topics = [TOPIC];
  private readonly feeder: Feeder;
  private readonly crew: Crew;
  private readonly progress: Progress;
  /** Which life of the broker gave a queue's lock, where that is certain. */
  private readonly givers = new WeakMap<OwnedQueue, object>();

  constructor(
    private readonly world: World,
    private readonly master: Master,
    private readonly habits: Habits,
  ) {
    const net = `10.6.${MASTERS.indexOf(master)}`;
    const group = `orderly-${master}`;
    this.progress = new Progress(world);
    this.feeder = new Feeder(world, {
      master,
      topic: TOPIC,
      queues: QUEUES,
      address: `${net}.99`,
      count: habits.messages,
      thinkMs: habits.thinkMs,
      properties: () => ({}),
    });
    this.crew = new Crew(
      world,
      {
        role: master,
        group,
        topics: { [TOPIC]: QUEUES },
        isOrderly: true,
        maxMessages: 8,
        subscriptionTo: (topic) => ({ topic, text: '*', type: 'TAG', version: 1 }),
        handle: (message, queue, done) => this.handle(message, queue, done),
        locked: (queue, isCertain) => this.locked(queue, isCertain),
      },
      net,
      habits.members,
      habits.changeMs,
    );
  }

  private locked(queue: OwnedQueue, isCertain: boolean): void {
    const { world, master } = this;
    const giver = world.cluster.brokerState(master);
    if (isCertain && giver !== undefined) this.givers.set(queue, giver);
    else this.givers.delete(queue);
    this.checkHolders(queue);
  }

  private checkHolders(queue: OwnedQueue): void {
    const { givers, world, crew } = this;
    const giver = givers.get(queue);
    const nowMs = world.simulation.time.monotonic();
    for (const { queues, habits } of crew.live) {
      for (const other of queues.values()) {
        const isSame = other.topic === queue.topic && other.queueId === queue.queueId && other !== queue;
        const isHolder = other.lockedUntilMs > nowMs && giver !== undefined && givers.get(other) === giver;
        if (isSame && isHolder)
          violated(`${queue.where} is held by ${habits.clientId} and ${queue.member.habits.clientId}`);
      }
    }
  }

  private handle(message: StoredMessage, queue: OwnedQueue, done: () => void): void {
    const { simulation } = this.world;
    this.checkHolders(queue);
    this.progress.takes(message, queue);
    simulation.after(simulation.random.unit() * this.habits.handleMs, () => {
      this.progress.handled(message, queue);
      done();
    });
  }

  missing(): string[] {
    const { feeder, progress, master } = this;
    if (!feeder.isIdle) return [`${master}: sends are under way`];
    return [...progress.missingOf(feeder.acknowledged), ...this.crew.unowned()];
  }

  async tryOut(): Promise<void> {
    const { world, feeder, habits, progress, master } = this;
    const key = await feeder.sendOne();
    const isHandled = (): boolean => progress.times.has(key);
    await world.simulation.runUntil(`${master}: ${key} is handled`, isHandled, HANDLED_MS + habits.handleMs);
    world.ledger.count('handled in order');
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

export const inviteOrderly: Invite = (world: World, random: Prng) =>
  MASTERS.map(
    (master) =>
      new Orderly(world, master, {
        messages: random.pick([50, 200]),
        thinkMs: random.pick([5, 50, 200]),
        handleMs: random.pick([1, 20, 500]),
        members: 1 + random.below(3),
        changeMs: random.pick([0, 300, 2_000]),
      }),
  );
