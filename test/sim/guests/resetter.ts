/**
 * Sets the offsets of a group back and forth by time while its members are online. Under faults nobody knows who heard of
 * it; in peace every member goes on exactly where the answer says: whatever lies behind is handled again, nothing before.
 */
import type { Prng } from '../../../src/base/prng.js';
import type { Answer } from '../../support/remoting-client.js';
import { violated } from '../ledger.js';
import { MASTERS, type Master } from '../sim-cluster.js';
import { queueKey, type StoredMessage } from '../stored.js';
import { Session } from '../wire-client.js';
import type { World } from '../world.js';
import { Crew } from './crew.js';
import { Feeder } from './feeder.js';
import type { Guest, Invite } from './guest.js';
import { LogFollower } from './log-follower.js';
import { offsetsIn } from './member.js';
import { Progress } from './progress.js';

const RESET = 222;
const QUERY_OFFSET = 14;
const TOPIC = 'Replayed';
const QUEUES = 3;
/** Instead of a time: the end of each queue. */
const END = -1;
/** Not online; no offsets of it yet, or no topic; too many searches. */
const REFUSED: readonly number[] = [206, 1, 2];
const HANDLED_MS = 5_000;
const HANDLING_MS = 10;

interface Habits {
  readonly messages: number;
  readonly thinkMs: number;
  readonly members: number;
  readonly changeMs: number;
  readonly resetMs: number;
}

export class Resetter implements Guest {
  readonly topics = [TOPIC];
  private readonly group: string;
  private readonly feeder: Feeder;
  private readonly crew: Crew;
  private readonly admin: Session;
  private readonly log: LogFollower;
  private progress: Progress;
  private isCommitted = false;

  constructor(
    private readonly world: World,
    private readonly master: Master,
    { messages: count, thinkMs, members, changeMs, resetMs }: Habits,
  ) {
    const { simulation, cluster } = world;
    const net = `10.10.${MASTERS.indexOf(master)}`;
    this.group = `replay-${master}`;
    this.progress = new Progress(world);
    this.log = new LogFollower(world, master);
    this.admin = new Session(simulation, cluster.settingsOf(master).listenPort, `${net}.98`, () => undefined);
    const feeder = { master, topic: TOPIC, queues: QUEUES, address: `${net}.99`, count, thinkMs };
    this.feeder = new Feeder(world, { ...feeder, properties: () => ({}) });
    this.crew = new Crew(
      world,
      {
        role: master,
        group: this.group,
        topics: { [TOPIC]: QUEUES },
        maxMessages: 8,
        subscriptionTo: (topic) => ({ topic, text: '*', type: 'TAG', version: 1 }),
        // Offsets jump: who goes on behind a gap was told to.
        handle: (message, queue, done) => {
          simulation.after(simulation.random.unit() * HANDLING_MS, () => {
            this.progress.handled(message, queue);
            done();
          });
        },
      },
      net,
      members,
      changeMs,
    );
    this.resetLater(resetMs);
  }

  private resetLater(meanMs: number): void {
    const { simulation } = this.world;
    simulation.after(2 * meanMs * simulation.random.unit(), () => {
      if (this.world.isQuiet) return;
      const timestamp = simulation.random.pick([0, END, simulation.time.now() - simulation.random.below(3_000)]);
      this.reset(timestamp, simulation.random.chance(0.7), () => undefined);
      this.resetLater(meanMs);
    });
  }

  private reset(timestamp: number, isForce: boolean, told: (offsets: ReadonlyMap<string, number>) => void): void {
    const { group, master, world } = this;
    if (!this.admin.isReady) return;
    const answered = (answer: Answer | undefined): void => {
      world.ledger.count(`reset ${answer?.code ?? 'lost'}`);
      if (answer === undefined || REFUSED.includes(answer.code)) return;
      if (answer.code !== 0) violated(`${master}: a reset is answered ${answer.code}: ${answer.remark}`);
      const offsets = offsetsIn(answer.body);
      for (let queueId = 0; queueId < QUEUES; queueId++) {
        const offset = offsets.get(queueKey(TOPIC, queueId));
        if (offset === undefined || offset < 0) violated(`${master}: a reset of ${TOPIC}-${queueId} goes to ${offset}`);
      }
      told(offsets);
    };
    this.admin.client!.call(RESET, { topic: TOPIC, group, timestamp, isForce }, undefined, answered);
  }

  // ---- what came of it

  missing(): string[] {
    const { feeder, master, crew } = this;
    if (!feeder.isIdle || !this.admin.isReady) return [`${master}: sends are under way`];
    this.askCommitted();
    const unknown = this.isCommitted ? [] : [`${master}: ${this.group} has committed nothing`];
    const behind = [...this.behind()].map((key) => `${master}: ${key} is not handled to its end`);
    return [...crew.unowned(), ...behind, ...unknown];
  }

  /** A reset needs offsets of all queues. */
  private askCommitted(): void {
    if (this.isCommitted) return;
    for (const member of this.crew.live) for (const queue of member.queues.values()) queue.commit();
    const { group: consumerGroup } = this;
    let known = 0;
    for (let queueId = 0; queueId < QUEUES; queueId++) {
      this.admin.client!.call(QUERY_OFFSET, { consumerGroup, topic: TOPIC, queueId }, undefined, (answer) => {
        if (answer?.code === 0 && ++known === QUEUES) this.isCommitted = true;
      });
    }
  }

  private stored(): StoredMessage[] {
    return this.log.messages().filter(({ topic }) => topic === TOPIC);
  }

  /** Queues whose owner has not come to the end. */
  private behind(): string[] {
    const ends = new Map<string, number>();
    for (const { queueId } of this.stored()) {
      const key = queueKey(TOPIC, queueId);
      ends.set(key, (ends.get(key) ?? 0) + 1);
    }
    const handled = new Map(
      this.crew.live.flatMap(({ queues }) => [...queues].map(([key, queue]) => [key, queue.handled] as const)),
    );
    return [...ends].filter(([key, end]) => handled.get(key) !== end).map(([key]) => key);
  }

  async tryOut(): Promise<void> {
    const stored = this.stored();
    const middle = stored[Math.floor(stored.length / 2)];
    for (const timestamp of [0, END, ...(middle === undefined ? [] : [middle.storeTimestamp])])
      await this.replay(timestamp);
  }

  private async replay(timestamp: number): Promise<void> {
    const { world, master } = this;
    const where = `${master}: reset to ${timestamp}`;
    let offsets: ReadonlyMap<string, number> | undefined;
    const progress = new Progress(world);
    this.progress = progress;
    this.reset(timestamp, true, (table) => {
      offsets = table;
    });
    await world.simulation.runUntil(where, () => offsets !== undefined, HANDLED_MS);
    const wanted = new Set<string>();
    for (const { queueId, queueOffset, body } of this.stored()) {
      if (queueOffset >= offsets!.get(queueKey(TOPIC, queueId))!) wanted.add(body.toString('latin1'));
    }
    if (timestamp === 0 && wanted.size !== this.stored().length)
      violated(`${where}: only ${wanted.size} are behind it`);
    if (timestamp === END && wanted.size > 0) violated(`${where}: ${wanted.size} are behind it`);
    const isDone = (): boolean => progress.missingOf(wanted).length === 0;
    await world.simulation.runUntil(
      `${where}: ${wanted.size} are handled again`,
      isDone,
      HANDLED_MS + 20 * wanted.size,
    );
    await world.simulation.runFor(HANDLED_MS);
    for (const key of progress.times.keys()) if (!wanted.has(key)) violated(`${where}: ${key} is handled again`);
    world.ledger.count('replayed');
  }

  check(): void {
    for (const { body } of this.stored()) {
      const key = body.toString('latin1');
      if (!this.feeder.sent.has(key)) violated(`${this.master} holds ${key}, which nobody sent`);
    }
  }

  overdue(limitMs: number): string[] {
    return [
      ...this.feeder.overdue(limitMs),
      ...this.crew.overdue(limitMs),
      ...(this.admin.client?.overdue(limitMs) ?? []),
    ];
  }

  leave(): void {
    this.feeder.leave();
    this.crew.leave();
    this.admin.leave();
  }
}

export const inviteResetters: Invite = (world: World, random: Prng) =>
  MASTERS.map(
    (master) =>
      new Resetter(world, master, {
        messages: random.pick([20, 100]),
        thinkMs: random.pick([5, 50, 200]),
        members: 1 + random.below(3),
        changeMs: random.pick([0, 1_000]),
        resetMs: random.pick([200, 1_000]),
      }),
  );
