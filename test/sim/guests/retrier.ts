/**
 * A group that cannot handle some messages at first, and some ever: it hands them back to its broker, now and then to the
 * slave (which refuses), or sends them to its retry topic itself when nobody takes them back. Every message that fails comes
 * back until it works or is in %DLQ%group, having come back as often as the group says, over crashes and kills.
 */
import type { Prng } from '../../../src/base/prng.js';
import { sendFields } from '../../support/remoting-client.js';
import { violated } from '../ledger.js';
import { MASTERS, type Master, SLAVE_OF } from '../sim-cluster.js';
import { propertiesIn, type StoredMessage } from '../stored.js';
import { Session, type WireClient } from '../wire-client.js';
import type { World } from '../world.js';
import { Crew } from './crew.js';
import { Feeder, propertiesText } from './feeder.js';
import type { Guest, Invite, SufferedFacts } from './guest.js';
import { LogFollower } from './log-follower.js';
import type { OwnedQueue } from './owned-queue.js';
import { Progress } from './progress.js';

const SEND = 310;
const SEND_BACK = 36;
const STORED_CODES: readonly number[] = [0, 10, 11, 12];
const TOPIC = 'Work';
const QUEUES = 3;
const RETRIES_MAX = 3;
const FIRST_LEVEL = 3;
const FIRST_RETRY_MS = 1_000;
/** What issue 6 allows a first retry to be late. */
const LATE_MS = 200;
const AGAIN_MS = 500;
/** So that a seed does not take minutes of virtual time; the levels of retries are 3 and higher. */
export const RETRY_SETTINGS = 'messageDelayLevel=1s 1s 1s 1s 2s 2s';

interface Habits {
  readonly messages: number;
  readonly thinkMs: number;
  readonly members: number;
  readonly changeMs: number;
}

export class Retrier implements Guest {
  readonly topics = [TOPIC];
  private readonly group: string;
  private readonly retryTopic: string;
  private readonly deadTopic: string;
  private readonly feeder: Feeder;
  private readonly crew: Crew;
  private readonly slave: Session;
  private readonly progress: Progress;
  private readonly log: LogFollower;
  private readonly alwaysFail = new Set<string>();
  private readonly worked = new Set<string>();
  /** Monotonic ms at which a message was handed back first, and came back first. */
  private readonly handedBackMs = new Map<string, number>();
  private readonly cameBackMs = new Map<string, number>();

  constructor(
    private readonly world: World,
    private readonly master: Master,
    { messages: count, thinkMs, members, changeMs }: Habits,
  ) {
    const { simulation, cluster } = world;
    const net = `10.8.${MASTERS.indexOf(master)}`;
    this.group = `work-${master}`;
    this.retryTopic = `%RETRY%${this.group}`;
    this.deadTopic = `%DLQ%${this.group}`;
    this.progress = new Progress(world);
    this.log = new LogFollower(world, master);
    const slavePort = cluster.settingsOf(SLAVE_OF[master]).listenPort;
    this.slave = new Session(simulation, slavePort, `${net}.98`, () => undefined);
    this.feeder = new Feeder(world, {
      master,
      topic: TOPIC,
      queues: QUEUES,
      address: `${net}.99`,
      count,
      thinkMs,
      properties: (key) => this.drawFailures(key),
    });
    this.crew = new Crew(
      world,
      {
        role: master,
        group: this.group,
        topics: { [TOPIC]: QUEUES, [this.retryTopic]: 1 },
        maxMessages: 8,
        subscriptionTo: (topic) => ({ topic, text: '*', type: 'TAG', version: 1 }),
        handle: (message, queue, done) => this.handle(message, queue, done),
      },
      net,
      members,
      changeMs,
    );
  }

  private drawFailures(key: string): Record<string, string> {
    const fails = this.world.isQuiet ? 1 : this.world.simulation.random.pick([0, 0, 1, 2, RETRIES_MAX + 1]);
    if (fails > RETRIES_MAX) this.alwaysFail.add(key);
    return { FAILS: String(fails), ...(fails === 0 ? {} : { TAGS: 'fails' }) };
  }

  // ---- the group

  private handle(message: StoredMessage, queue: OwnedQueue, done: () => void): void {
    const { progress, world } = this;
    const key = message.body.toString('latin1');
    const { reconsumeTimes } = message;
    if (reconsumeTimes > RETRIES_MAX) violated(`${queue.where}: ${key} comes back for the ${reconsumeTimes}th time`);
    if (reconsumeTimes === 1 && !this.cameBackMs.has(key)) this.cameBackMs.set(key, world.simulation.time.monotonic());
    progress.takes(message, queue);
    const finish = (): void => {
      progress.handled(message, queue);
      done();
    };
    if (reconsumeTimes < Number(propertiesIn(message).get('FAILS'))) return this.handBack(message, queue, finish);
    this.worked.add(key);
    finish();
  }

  private handBack(message: StoredMessage, queue: OwnedQueue, done: () => void): void {
    const { world, group, slave, master } = this;
    const { simulation, ledger } = world;
    const again = (): void =>
      simulation.after(AGAIN_MS * simulation.random.unit(), () => this.handBack(message, queue, done));
    const key = message.body.toString('latin1');
    const toSlave = simulation.random.chance(0.1) && slave.isReady;
    const client = toSlave ? slave.client : queue.member.client;
    if (client === undefined) return queue.member.hasLeft ? undefined : again();
    if (!this.handedBackMs.has(key)) this.handedBackMs.set(key, simulation.time.monotonic());
    const fields = {
      offset: message.physicalOffset,
      group,
      delayLevel: 0,
      originTopic: message.topic,
      unitMode: false,
      maxReconsumeTimes: RETRIES_MAX,
    };
    client.call(SEND_BACK, fields, undefined, (answer) => {
      ledger.count(`hand back ${toSlave ? 'to slave ' : ''}${answer?.code ?? 'lost'}`);
      if (toSlave && answer?.code === 0) violated(`${SLAVE_OF[master]} has taken back ${key}`);
      if (answer?.code === 0) return done();
      if (answer === undefined && simulation.random.chance(0.5)) return again();
      this.sendToRetry(message, queue.member.client, (isStored) => (isStored ? done() : again()));
    });
  }

  /** DefaultMQPushConsumerImpl.sendMessageBack, when the broker does not take it. */
  private sendToRetry(message: StoredMessage, client: WireClient | undefined, then: (isStored: boolean) => void): void {
    if (client === undefined) return then(false);
    const { world, retryTopic } = this;
    const { reconsumeTimes: times, topic, body } = message;
    const { TAGS, ...rest } = Object.fromEntries(propertiesIn(message));
    const { FAILS, RETRY_TOPIC = topic } = rest;
    const kept = {
      UNIQ_KEY: body.toString('latin1'),
      FAILS: FAILS!,
      RETRY_TOPIC,
      ...(TAGS === undefined ? {} : { TAGS }),
    };
    const text = propertiesText({ ...kept, DELAY: String(FIRST_LEVEL + times), WAIT: 'false' });
    const more = { a: 'CLIENT_INNER_PRODUCER', j: times + 1, l: RETRIES_MAX, g: String(world.simulation.time.now()) };
    client.call(SEND, sendFields(retryTopic, 0, text, more), body, (answer) => {
      world.ledger.count(`sent to retry ${answer?.code ?? 'lost'}`);
      then(answer !== undefined && STORED_CODES.includes(answer.code));
    });
  }

  // ---- what came of it

  missing(): string[] {
    const { feeder, progress, master, worked, alwaysFail } = this;
    if (!feeder.isIdle) return [`${master}: sends are under way`];
    const dead = new Set(this.stored(this.deadTopic).map(({ body }) => body.toString('latin1')));
    const lost = [...feeder.acknowledged].flatMap((key) => {
      if (alwaysFail.has(key)) return dead.has(key) ? [] : [`${key} always fails, and is not in ${this.deadTopic}`];
      return worked.has(key) ? [] : [`${key} fails at first, and never came back`];
    });
    return [...progress.missingOf(feeder.acknowledged), ...lost, ...this.crew.unowned()];
  }

  private stored(topic: string): StoredMessage[] {
    return this.log.messages().filter((message) => message.topic === topic);
  }

  async tryOut({ isClockTrue }: SufferedFacts): Promise<void> {
    const { feeder, cameBackMs, handedBackMs, world, master } = this;
    const key = await feeder.sendOne();
    await world.simulation.runUntil(`${master}: a message comes back`, () => cameBackMs.has(key), 10_000);
    const tookMs = cameBackMs.get(key)! - handedBackMs.get(key)!;
    // After the clock was set back times in the log stay ahead of it until it has caught up.
    if (isClockTrue && tookMs > FIRST_RETRY_MS + LATE_MS)
      violated(`${master}: a first retry of 1 s comes after ${tookMs} ms`);
  }

  check(): void {
    const { master, alwaysFail, feeder } = this;
    const keyOf = ({ body }: StoredMessage): string => body.toString('latin1');
    for (const message of [...this.stored(this.retryTopic), ...this.stored(this.deadTopic)]) {
      const key = keyOf(message);
      const { topic, reconsumeTimes } = message;
      const properties = propertiesIn(message);
      const where = `${master}: ${key} in ${topic}, retry ${reconsumeTimes}`;
      if (!feeder.sent.has(key)) violated(`${where}, was never sent`);
      if (properties.get('RETRY_TOPIC') !== TOPIC) violated(`${where}, comes from ${properties.get('RETRY_TOPIC')}`);
      const isDead = topic === this.deadTopic;
      const [least, most] = isDead ? [RETRIES_MAX, RETRIES_MAX + 1] : [1, RETRIES_MAX];
      if (reconsumeTimes < least || reconsumeTimes > most) violated(where);
      if (isDead && !alwaysFail.has(key)) violated(`${where}, would have worked`);
      this.checkOrigin(where, key, properties.get('ORIGIN_MESSAGE_ID'));
      this.world.ledger.count(isDead ? 'dead letter' : 'retry');
    }
  }

  /** The id of the first one that was handed back: it says where that lies. */
  private checkOrigin(where: string, key: string, id: string | undefined): void {
    if (id === undefined) return;
    const offset = Number(BigInt(`0x${id.slice(-16)}`));
    const origin = this.log.messages().find(({ physicalOffset }) => physicalOffset === offset);
    if (origin?.body.toString('latin1') !== key) violated(`${where}, has its origin ${offset} in ${origin?.topic}`);
  }

  overdue(limitMs: number): string[] {
    return [
      ...this.feeder.overdue(limitMs),
      ...this.crew.overdue(limitMs),
      ...(this.slave.client?.overdue(limitMs) ?? []),
    ];
  }

  leave(): void {
    this.feeder.leave();
    this.crew.leave();
    this.slave.leave();
  }
}

export const inviteRetriers: Invite = (world: World, random: Prng) =>
  MASTERS.map(
    (master) =>
      new Retrier(world, master, {
        messages: random.pick([20, 100]),
        thinkMs: random.pick([5, 50, 200]),
        members: 1 + random.below(2),
        changeMs: random.pick([0, 0, 1_000]),
      }),
  );
