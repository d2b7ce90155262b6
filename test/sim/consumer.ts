/**
 * A consumer: one connection to one broker (master or slave), which pulls every queue of every topic, holds what it
 * gets against what it asked for, commits offsets and sends heartbeats.
 */
import { type Answer, messagesOf, PullFlag, pullFields } from '../support/remoting-client.js';
import { heartbeatBody, type Subscription } from './guests/heartbeat.js';
import { QUEUES } from './producer.js';
import { masterOf, violated } from './ledger.js';
import type { Role } from './sim-cluster.js';
import { queueKey } from './stored.js';
import { Session, type WireClient } from './wire-client.js';
import type { World } from './world.js';

const PULL = 11;
const QUERY_OFFSET = 14;
const UPDATE_OFFSET = 15;
const MAX_OFFSET = 30;
const HEARTBEAT = 34;
const CONSUMER_LIST = 38;

const PullCode = { FOUND: 0, TOPIC_NOT_EXIST: 17, NOT_FOUND: 19, RETRY_IMMEDIATELY: 20, OFFSET_MOVED: 21 } as const;
/** The registry of subscriptions is empty after a restart, and the topics of a slave come every 10 s. */
const TOLERATED: readonly number[] = [PullCode.TOPIC_NOT_EXIST, 24, 25, 26];

const COMMIT_FLAG = 1;
const HEARTBEAT_MS = 3000;

export interface ConsumerHabits {
  readonly group: string;
  /** '*' or a tag. */
  readonly subscription: string;
  /** Pulls name their subscription; otherwise it is the one of the heartbeats. */
  readonly bringsSubscription: boolean;
  readonly maxMessages: number;
  readonly holdMs: number;
  /** Odds to ask for the end of the queue and to go on there, or to begin again, or to look at an old place. */
  readonly jumpOdds: number;
}

interface Reader {
  readonly topic: string;
  readonly queueId: number;
  next: number;
  /** Offsets that were committed, in order; the last ones may not have arrived. */
  readonly committed: number[];
}

export class Consumer {
  readonly readers: readonly Reader[];
  private readonly session: Session;
  private isLeaving = false;

  constructor(
    private readonly world: World,
    readonly role: Role,
    private readonly clientId: string,
    readonly habits: ConsumerHabits,
  ) {
    this.readers = world.topics.flatMap((topic) =>
      Array.from({ length: QUEUES }, (_, queueId): Reader => ({ topic, queueId, next: 0, committed: [] })),
    );
    this.session = new Session(world.simulation, world.cluster.settingsOf(role).listenPort, clientId, (client) => {
      this.heartbeat(client);
      for (const reader of this.readers) this.pull(client, reader);
    });
  }

  get isReady(): boolean {
    return this.session.isReady;
  }

  get client(): WireClient | undefined {
    return this.session.client;
  }

  overdue(limitMs: number): string[] {
    return this.session.client?.overdue(limitMs) ?? [];
  }

  leave(): void {
    this.isLeaving = true;
    this.session.leave();
  }

  // ---- pulls

  private later(client: WireClient, reader: Reader, ms: number): void {
    this.world.simulation.after(ms * this.world.simulation.random.unit(), () => this.pull(client, reader));
  }

  private pull(client: WireClient, reader: Reader): void {
    const { world, habits, role } = this;
    const { random } = world.simulation;
    if (!client.isOpen || this.isLeaving) return;
    if (!world.isQuiet && random.chance(habits.jumpOdds)) return this.jump(client, reader);
    const { topic, queueId, next } = reader;
    const commits = masterOf(role) === role && habits.subscription === '*' && random.chance(0.3);
    const holdMs = random.chance(0.8) ? habits.holdMs : 0;
    const sysFlag =
      (holdMs > 0 ? PullFlag.suspend : 0) |
      (habits.bringsSubscription ? PullFlag.subscription : 0) |
      (commits ? COMMIT_FLAG : 0);
    if (commits) reader.committed.push(next);
    const fields = pullFields(topic, queueId, next, {
      consumerGroup: habits.group,
      maxMsgNums: habits.maxMessages,
      sysFlag,
      commitOffset: commits ? next : 0,
      suspendTimeoutMillis: holdMs,
      subscription: habits.bringsSubscription ? habits.subscription : '',
      subVersion: 0,
    });
    const told = world.ledger.toldOf(role, topic, queueId);
    client.call(PULL, fields, undefined, (answer) => {
      if (answer !== undefined) this.pulled(client, reader, next, told, answer);
    });
  }

  /** `told`: what clients knew of the queue's end when the pull was sent. */
  private pulled(client: WireClient, reader: Reader, from: number, told: number, answer: Answer): void {
    const { world, role } = this;
    const { topic, queueId } = reader;
    const { code, fields } = answer;
    world.ledger.count(`pull ${role === masterOf(role) ? 'master' : 'slave'} ${code}`);
    const where = `${role} ${queueKey(topic, queueId)}`;
    switch (code) {
      case PullCode.FOUND:
        this.found(reader, from, answer);
        this.commit(client, reader);
        return this.later(client, reader, world.isQuiet ? 0 : 50);
      case PullCode.NOT_FOUND: {
        const next = Number(fields.nextBeginOffset);
        if (next !== from) violated(`${where}: nothing found at ${from}, and the next offset is ${next}`);
        return this.later(client, reader, 100);
      }
      case PullCode.RETRY_IMMEDIATELY:
        this.retry(reader, from, answer, where);
        return this.later(client, reader, 100);
      case PullCode.OFFSET_MOVED:
        if (from <= told) violated(`${where}: a pull at ${from} is answered OFFSET_MOVED, clients know of ${told}`);
        reader.next = Number(fields.nextBeginOffset);
        return this.later(client, reader, 100);
      default:
        if (!TOLERATED.includes(code)) violated(`${where}: a pull is answered ${code}: ${answer.remark}`);
        if (code === PullCode.TOPIC_NOT_EXIST && told > 0 && masterOf(role) === role) {
          violated(`${where}: the topic does not exist, and clients know of ${told} messages`);
        }
        return this.later(client, reader, 1000);
    }
  }

  private found(reader: Reader, from: number, { fields, body }: Answer): void {
    const { world, role, habits } = this;
    const { topic, queueId } = reader;
    const where = `${role} ${queueKey(topic, queueId)}`;
    const next = Number(fields.nextBeginOffset);
    const messages = messagesOf(body);
    if (messages.length === 0) violated(`${where}: FOUND without a message at ${from}`);
    const seen = messages.map(({ queueOffset, body: stored }) =>
      world.ledger.saw(role, topic, queueId, queueOffset, stored),
    );
    const offsets = messages.map(({ queueOffset }) => queueOffset);
    if (offsets.some((offset, i) => offset < from || offset >= next || (i > 0 && offset <= offsets[i - 1]!))) {
      violated(`${where}: a pull at ${from} gave the offsets ${offsets}, and ${next} is next`);
    }
    if (habits.subscription === '*') {
      if (offsets[0] !== from || next !== from + offsets.length || offsets.at(-1) !== next - 1) {
        violated(`${where}: a pull at ${from} gave the offsets ${offsets}, and ${next} is next`);
      }
    } else {
      const ids = seen.map(({ id }) => id);
      world.ledger.filtered.push({ role, topic, queueId, tag: habits.subscription, from, next, ids });
    }
    const max = Number(fields.maxOffset);
    if (Number(fields.minOffset) !== 0 || max < next) {
      violated(`${where}: a pull at ${from} says the queue has [${fields.minOffset}, ${max}), and ${next} is next`);
    }
    world.ledger.tell(role, topic, queueId, max);
    reader.next = next;
  }

  /** Nothing passed the filter; or a slave that does not have it yet. */
  private retry(reader: Reader, from: number, { fields }: Answer, where: string): void {
    const next = Number(fields.nextBeginOffset);
    const max = Number(fields.maxOffset);
    if (this.habits.subscription === '*' || next === from) {
      if (next !== from || max >= from + 1)
        violated(`${where}: a pull at ${from} of [0, ${max}) is to be tried again at ${next}`);
      if (masterOf(this.role) === this.role)
        violated(`${where}: a pull at ${from} of [0, ${max}) is to be tried again`);
      return;
    }
    if (next < from || next > max) violated(`${where}: a pull at ${from} of [0, ${max}) goes on at ${next}`);
    const { role } = this;
    const { topic, queueId } = reader;
    this.world.ledger.filtered.push({ role, topic, queueId, tag: this.habits.subscription, from, next, ids: [] });
    this.world.ledger.tell(role, topic, queueId, max);
    reader.next = next;
  }

  /** To a place that this broker told somebody of. */
  private jump(client: WireClient, reader: Reader): void {
    const { world, role } = this;
    const { random } = world.simulation;
    const { topic, queueId } = reader;
    if (random.chance(0.5)) {
      reader.next = random.below(world.ledger.toldOf(role, topic, queueId) + 1);
      return this.later(client, reader, 10);
    }
    client.call(MAX_OFFSET, { topic, queueId }, undefined, (answer) => {
      if (answer === undefined) return;
      world.ledger.count(`max offset ${answer.code}`);
      if (answer.code !== 0) violated(`${role}: the end of ${queueKey(topic, queueId)} is answered ${answer.code}`);
      reader.next = Number(answer.fields.offset);
      world.ledger.tell(role, topic, queueId, reader.next);
      this.later(client, reader, 1);
    });
  }

  // ---- the group

  private commit(client: WireClient, reader: Reader): void {
    const { world, role, habits } = this;
    const { random } = world.simulation;
    if (masterOf(role) !== role || !random.chance(0.2)) return;
    const { topic, queueId, next } = reader;
    reader.committed.push(next);
    const fields = { consumerGroup: habits.group, topic, queueId, commitOffset: next };
    if (random.chance(0.5)) return client.oneWay(UPDATE_OFFSET, fields);
    client.call(UPDATE_OFFSET, fields, undefined, (answer) => {
      if (answer !== undefined && answer.code !== 0)
        violated(`${role}: a commit is answered ${answer.code}: ${answer.remark}`);
    });
  }

  private heartbeat(client: WireClient): void {
    if (!client.isOpen || this.isLeaving) return;
    const { world, habits, clientId, role } = this;
    const subscriptions = world.topics.map((topic): Subscription => {
      return { topic, text: habits.subscription, type: 'TAG', version: 1 };
    });
    const body = heartbeatBody(clientId, [{ group: habits.group, subscriptions }]);
    client.call(HEARTBEAT, {}, body, (answer) => {
      if (answer !== undefined && answer.code !== 0)
        violated(`${role}: a heartbeat is answered ${answer.code}: ${answer.remark}`);
      if (answer !== undefined) world.simulation.after(HEARTBEAT_MS, () => this.heartbeat(client));
    });
  }

  /** Asks for the members of the group. */
  members(told: (ids: readonly string[]) => void): void {
    this.session.client!.call(CONSUMER_LIST, { consumerGroup: this.habits.group }, undefined, (answer) => {
      if (answer === undefined) violated(`${this.role}: connection lost while it was quiet`);
      told(answer.code === 0 ? JSON.parse(answer.body.toString()).consumerIdList : []);
    });
  }

  /** Asks for a committed offset; undefined when there is none. */
  committedOffset({ topic, queueId }: Reader, told: (offset: number | undefined) => void): void {
    const fields = { consumerGroup: this.habits.group, topic, queueId };
    this.session.client!.call(QUERY_OFFSET, fields, undefined, (answer) => {
      if (answer === undefined) violated(`${this.role}: connection lost while it was quiet`);
      told(answer.code === 0 ? Number(answer.fields.offset) : undefined);
    });
  }
}
