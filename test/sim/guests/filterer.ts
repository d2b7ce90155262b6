/**
 * A group that subscribes by tags or by an SQL92 expression, which it changes now and then: its members then have different
 * versions for a while. Every pull gives exactly what one of the versions matches that is not older than the pull's own;
 * what all of them match is handled; and what was handed back is filtered in the retry topic, too (filterSupportRetry).
 */
import type { Prng } from '../../../src/base/prng.js';
import { violated } from '../ledger.js';
import { MASTERS, type Master, SLAVE_OF } from '../sim-cluster.js';
import { propertiesIn, queueKey, type StoredMessage } from '../stored.js';
import type { World } from '../world.js';
import { Crew } from './crew.js';
import { Feeder } from './feeder.js';
import type { Guest, Invite } from './guest.js';
import type { Subscription } from './heartbeat.js';
import { LogFollower } from './log-follower.js';
import type { Pulled } from './member.js';
import type { OwnedQueue } from './owned-queue.js';
import { Progress } from './progress.js';

const SEND_BACK = 36;
const QUEUES = 3;
const HAND_BACK_ODDS = 0.2;
const AGAIN_MS = 500;
export const FILTER_SETTINGS =
  'enablePropertyFilter=true\nfilterSupportRetry=true\nmessageDelayLevel=1s 1s 1s 1s 2s 2s';

type Properties = ReadonlyMap<string, string>;
type Matches = (properties: Properties) => boolean;

function number(properties: Properties, name: string): number {
  return Number(properties.get(name) ?? Number.NaN);
}

/** What a message needs to pass; nothing that compares with an absent property does. */
const FILTERS: Readonly<Record<Subscription['type'], Readonly<Record<string, Matches>>>> = {
  TAG: {
    red: (p) => p.get('TAGS') === 'red',
    'red || blue': (p) => p.get('TAGS') === 'red' || p.get('TAGS') === 'blue',
    '*': () => true,
    none: () => false,
  },
  SQL92: {
    'a > 4': (p) => number(p, 'a') > 4,
    "a BETWEEN 2 AND 7 AND region IN ('eu', 'us')": (p) => {
      return number(p, 'a') >= 2 && number(p, 'a') <= 7 && ['eu', 'us'].includes(p.get('region') ?? '');
    },
    'region IS NULL OR a = 3': (p) => !p.has('region') || number(p, 'a') === 3,
    'NOT (a <= 3)': (p) => number(p, 'a') > 3,
    "TAGS = 'red' AND a <> 4": (p) => p.get('TAGS') === 'red' && p.has('a') && number(p, 'a') !== 4,
    TRUE: () => true,
    "region = 'nowhere'": () => false,
  },
};

interface Habits {
  readonly type: Subscription['type'];
  readonly messages: number;
  readonly thinkMs: number;
  readonly members: number;
  readonly changeMs: number;
  /** The subscription changes about this often; 0: never. */
  readonly subscribeMs: number;
  /** The group reads from the slave, which takes nothing back. */
  readonly atSlave: boolean;
}

/** A pull, and the newest version when it was answered. */
interface Seen extends Pulled {
  readonly newest: number;
}

export class Filterer implements Guest {
  readonly topics: readonly string[];
  private readonly topic: string;
  private readonly group: string;
  private readonly retryTopic: string;
  private readonly feeder: Feeder;
  private readonly crew: Crew;
  private readonly progress: Progress;
  private readonly log: LogFollower;
  /** By version, from 1. */
  private readonly texts: string[] = [];
  private readonly seen: Seen[] = [];
  private readonly handedBack = new Set<string>();
  private readonly cameBack = new Set<string>();

  constructor(
    private readonly world: World,
    private readonly master: Master,
    private readonly habits: Habits,
  ) {
    const { type, messages: count, thinkMs, members, changeMs, subscribeMs, atSlave } = habits;
    const net = `10.9.${MASTERS.indexOf(master)}${type === 'TAG' ? 0 : 1}`;
    this.topic = `Filtered-${type}`;
    this.topics = [this.topic];
    this.group = `filter-${type}-${master}`;
    this.retryTopic = `%RETRY%${this.group}`;
    this.progress = new Progress(world);
    this.log = new LogFollower(world, master);
    this.subscribeAnew();
    const feeder = { master, topic: this.topic, queues: QUEUES, address: `${net}.99`, count, thinkMs };
    this.feeder = new Feeder(world, { ...feeder, properties: () => this.drawProperties() });
    this.crew = new Crew(
      world,
      {
        role: atSlave ? SLAVE_OF[master] : master,
        group: this.group,
        topics: { [this.topic]: QUEUES, ...(atSlave ? {} : { [this.retryTopic]: 1 }) },
        maxMessages: world.simulation.random.pick([1, 8, 32]),
        subscriptionTo: (topic) => this.subscriptionTo(topic),
        handle: (message, queue, done) => this.handle(message, queue, done),
        pulled: (pulled) => this.seen.push({ ...pulled, newest: this.texts.length }),
      },
      net,
      members,
      changeMs,
    );
    if (subscribeMs > 0) this.changeLater(subscribeMs);
  }

  private drawProperties(): Record<string, string> {
    const { random } = this.world.simulation;
    const tag = random.pick(['red', 'blue', 'green', '']);
    const region = random.pick(['eu', 'us', 'asia', '']);
    return {
      ...(tag === '' ? {} : { TAGS: tag }),
      ...(region === '' ? {} : { region }),
      ...(random.chance(0.2) ? {} : { a: String(random.below(10)) }),
    };
  }

  // ---- the group

  private subscribeAnew(): void {
    this.texts.push(this.world.simulation.random.pick(Object.keys(FILTERS[this.habits.type])));
  }

  private changeLater(meanMs: number): void {
    const { world } = this;
    const { simulation } = world;
    simulation.after(2 * meanMs * simulation.random.unit(), () => {
      if (world.isQuiet) return;
      this.subscribeAnew();
      for (const member of this.crew.live) if (simulation.random.chance(0.7)) member.subscribeAnew();
      this.changeLater(meanMs);
    });
  }

  private subscriptionTo(topic: string): Subscription {
    if (topic === this.retryTopic) return { topic, text: '*', type: 'TAG', version: 1 };
    return { topic, text: this.texts.at(-1)!, type: this.habits.type, version: this.texts.length };
  }

  private matches(version: number, message: StoredMessage): boolean {
    // Tags are of the topic alone.
    if (message.topic === this.retryTopic && this.habits.type === 'TAG') return true;
    return FILTERS[this.habits.type][this.texts[version - 1]!]!(propertiesIn(message));
  }

  private handle(message: StoredMessage, queue: OwnedQueue, done: () => void): void {
    const key = message.body.toString('latin1');
    const finish = (): void => {
      this.progress.handled(message, queue);
      done();
    };
    if (message.reconsumeTimes > 0) this.cameBack.add(key);
    const fails =
      !this.habits.atSlave && message.reconsumeTimes === 0 && this.world.simulation.random.chance(HAND_BACK_ODDS);
    if (fails) this.handBack(message, queue, finish);
    else finish();
  }

  private handBack(message: StoredMessage, queue: OwnedQueue, done: () => void): void {
    const { group, world } = this;
    const { client, hasLeft } = queue.member;
    const again = (): void => world.simulation.after(AGAIN_MS, () => this.handBack(message, queue, done));
    if (client === undefined) return hasLeft ? undefined : again();
    const fields = {
      offset: message.physicalOffset,
      group,
      delayLevel: 0,
      originTopic: message.topic,
      unitMode: false,
    };
    client.call(SEND_BACK, fields, undefined, (answer) => {
      if (answer?.code !== 0) return again();
      this.handedBack.add(message.body.toString('latin1'));
      done();
    });
  }

  // ---- what came of it

  missing(): string[] {
    const { feeder, master, progress, topic, handedBack, cameBack, texts } = this;
    if (!feeder.isIdle) return [`${master}: sends are under way`];
    const versions = texts.map((_, index) => index + 1);
    const wanted = this.log
      .messages()
      .filter((message) => message.topic === topic && versions.every((version) => this.matches(version, message)))
      .map(({ body }) => body.toString('latin1'));
    const isWanted = new Set(wanted);
    const lost = [...handedBack].filter((key) => isWanted.has(key) && !cameBack.has(key));
    return [...progress.missingOf(wanted), ...lost.map((key) => `${key} was handed back, and did not come`)];
  }

  check(): void {
    const queues = new Map<string, StoredMessage[]>();
    for (const message of this.log.messages()) {
      const key = queueKey(message.topic, message.queueId);
      const queue = queues.get(key);
      if (queue === undefined) queues.set(key, [message]);
      else queue.push(message);
    }
    for (const seen of this.seen)
      this.checkPull(seen, queues.get(queueKey(seen.queue.topic, seen.queue.queueId)) ?? []);
  }

  private checkPull({ queue, from, next, version, newest, messages }: Seen, stored: readonly StoredMessage[]): void {
    const first = queue.topic === this.topic ? version : 1;
    const got = messages.map(({ queueOffset }) => queueOffset).join();
    const range = stored.slice(from, next);
    if (range.length !== next - from) violated(`${queue.where}: [${from}, ${next}) was pulled, and is not all there`);
    const expected = (of: number): string =>
      range
        .filter((message) => this.matches(of, message))
        .map(({ queueOffset }) => queueOffset)
        .join();
    for (let of = first; of <= newest; of++) {
      if (expected(of) !== got) continue;
      this.world.ledger.count('pull by filter');
      this.world.ledger.count(messages.length > 0 ? `filtered ${this.habits.type}` : `nothing of ${this.habits.type}`);
      return;
    }
    const text = this.texts[first - 1];
    violated(
      `${queue.where}: a pull of [${from}, ${next}) by "${text}" (${first} to ${newest}) gave [${got}], not [${expected(first)}]`,
    );
  }

  overdue(limitMs: number): string[] {
    return [...this.feeder.overdue(limitMs), ...this.crew.overdue(limitMs)];
  }

  leave(): void {
    this.feeder.leave();
    this.crew.leave();
  }
}

export const inviteFilterers: Invite = (world: World, random: Prng) =>
  MASTERS.flatMap((master) =>
    (['TAG', 'SQL92'] as const).map(
      (type) =>
        new Filterer(world, master, {
          type,
          messages: random.pick([50, 200]),
          thinkMs: random.pick([5, 50, 200]),
          members: 1 + random.below(2),
          changeMs: random.pick([0, 1_000]),
          subscribeMs: random.pick([0, 500, 3_000]),
          atSlave: random.chance(0.3),
        }),
    ),
  );
