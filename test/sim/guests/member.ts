/**
 * A member of a consumer group at one broker, as Java's push consumer is one: heartbeats, the list of members, queues
 * shared out on average, locks for those that are consumed in order, and a new look at all that when the broker says that
 * members have changed, else every 20 s. Queues and locks outlive a lost connection.
 */
import type { Answer } from '../../support/remoting-client.js';
import { violated } from '../ledger.js';
import type { Role } from '../sim-cluster.js';
import { queueKey, type StoredMessage } from '../stored.js';
import { type Asked, Session, type WireClient } from '../wire-client.js';
import type { World } from '../world.js';
import { heartbeatBody, type Subscription } from './heartbeat.js';
import { OwnedQueue } from './owned-queue.js';

const HEARTBEAT = 34;
const UNREGISTER = 35;
const CONSUMER_LIST = 38;
const MEMBERS_CHANGED = 40;
const LOCK = 41;
const UNLOCK = 42;
const RESET_OFFSET = 220;
const HEARTBEAT_MS = 3_000;
const REBALANCE_MS = 20_000;
/** A client trusts its lock for 30 s (ProcessQueue.REBALANCE_LOCK_MAX_LIVE_TIME), the broker keeps it for 60 s. */
const LOCK_LIVES_MS = 30_000;

/** What a pull gave for [from, next), asked for with that version of the subscription. */
export interface Pulled {
  readonly queue: OwnedQueue;
  readonly from: number;
  readonly next: number;
  readonly version: number;
  readonly messages: readonly StoredMessage[];
}

export interface MemberHabits {
  readonly role: Role;
  readonly group: string;
  readonly clientId: string;
  /** Topics and how many queues each has. */
  readonly topics: Readonly<Record<string, number>>;
  readonly isOrderly?: boolean;
  readonly maxMessages: number;
  /** Asked for with each new connection. */
  readonly subscriptionTo: (topic: string) => Subscription;
  /** `done` says that the message is handled, for good. */
  readonly handle: (message: StoredMessage, queue: OwnedQueue, done: () => void) => void;
  readonly pulled?: (pulled: Pulled) => void;
  /** Whatever else the broker asks. */
  readonly asked?: (asked: Asked, client: WireClient, member: Member) => void;
  /** An orderly member has got or kept this queue; false when the broker has restarted since it was asked for. */
  readonly locked?: (queue: OwnedQueue, isCertain: boolean) => void;
}

export class Member {
  readonly queues = new Map<string, OwnedQueue>();
  hasLeft = false;
  private readonly session: Session;
  /** Of this connection. */
  private subscriptions: readonly Subscription[] = [];
  /** Queues that it should own, as of the last look. */
  private wanted = new Set<string>();
  private readonly locking = new Set<string>();
  private isLooking = false;

  constructor(
    readonly world: World,
    readonly habits: MemberHabits,
  ) {
    const { simulation, cluster } = world;
    this.subscriptions = this.subscribed();
    const { listenPort } = cluster.settingsOf(habits.role);
    this.session = new Session(simulation, listenPort, habits.clientId.split('@')[0]!, (client) =>
      this.welcome(client),
    );
    this.everySoOften(HEARTBEAT_MS, () => this.heartbeatNow());
    this.everySoOften(REBALANCE_MS, () => {
      this.renewLocks();
      this.rebalanceSoon();
    });
  }

  /** Its connection, while it is open. */
  get client(): WireClient | undefined {
    return !this.hasLeft && this.session.isReady ? this.session.client : undefined;
  }

  overdue(limitMs: number): string[] {
    return this.session.client?.overdue(limitMs) ?? [];
  }

  subscriptionOf(topic: string): Subscription {
    return this.subscriptions.find((one) => one.topic === topic)!;
  }

  private subscribed(): Subscription[] {
    return Object.keys(this.habits.topics).map((topic) => this.habits.subscriptionTo(topic));
  }

  private everySoOften(ms: number, action: () => void): void {
    const { simulation } = this.world;
    const again = (): void => {
      if (this.hasLeft) return;
      action();
      simulation.after(ms, again);
    };
    simulation.after(ms * simulation.random.unit(), again);
  }

  // ---- coming and going

  private welcome(client: WireClient): void {
    this.subscriptions = this.subscribed();
    client.onAsked = (asked) => this.onAsked(asked, client);
    this.heartbeatNow(() => this.rebalanceSoon());
  }

  /** With what `subscriptionTo` says now. */
  subscribeAnew(): void {
    this.subscriptions = this.subscribed();
    this.heartbeatNow();
  }

  heartbeatNow(then: () => void = () => undefined): void {
    const { group, clientId, role } = this.habits;
    const body = heartbeatBody(clientId, [{ group, subscriptions: this.subscriptions }]);
    this.client?.call(HEARTBEAT, {}, body, (answer) => {
      if (answer !== undefined && answer.code !== 0) violated(`${role}: ${clientId}: heartbeat: ${answer.remark}`);
      if (answer !== undefined) then();
    });
  }

  /** In order: commits, gives its locks back, and says so. */
  unregister(gone: () => void): void {
    const { habits, queues } = this;
    let held = queues.size;
    const finish = (): void => {
      const { client } = this;
      if (client === undefined) return this.close(gone);
      const fields = { clientID: habits.clientId, consumerGroup: habits.group };
      client.call(UNREGISTER, fields, undefined, () => this.close(gone));
    };
    if (held === 0) return finish();
    for (const queue of [...queues.values()]) this.release(queue, () => --held === 0 && finish());
  }

  /** Without a word. */
  close(gone: () => void = () => undefined): void {
    this.hasLeft = true;
    this.session.leave();
    gone();
  }

  /** Its process hangs: the connection stays open, and nothing comes any more. */
  fallSilent(): void {
    this.hasLeft = true;
  }

  private onAsked(asked: Asked, client: WireClient): void {
    const { code, fields, body } = asked;
    if (this.hasLeft) return;
    if (code === MEMBERS_CHANGED) {
      this.world.ledger.count('members changed');
      if (fields.consumerGroup !== this.habits.group) violated(`told of the members of ${fields.consumerGroup}`);
      this.rebalanceSoon();
    }
    if (code === RESET_OFFSET) this.reset(offsetsIn(body));
    this.habits.asked?.(asked, client, this);
  }

  private reset(offsets: ReadonlyMap<string, number>): void {
    this.world.ledger.count('reset by notice');
    for (const [key, offset] of offsets) {
      const queue = this.queues.get(key);
      if (queue === undefined) continue;
      queue.goTo(offset);
      queue.commit();
    }
  }

  // ---- who owns what

  rebalanceSoon(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    const { simulation } = this.world;
    simulation.after(simulation.random.unit() * 10, () => {
      this.isLooking = false;
      this.client?.call(CONSUMER_LIST, { consumerGroup: this.habits.group }, undefined, (answer) => {
        if (answer?.code === 0) this.shareOut(JSON.parse(answer.body.toString()).consumerIdList);
      });
    });
  }

  /** AllocateMessageQueueAveragely. */
  private shareOut(members: readonly string[]): void {
    if (this.hasLeft) return;
    const { clientId, topics, isOrderly } = this.habits;
    const place = [...members].sort().indexOf(clientId);
    this.wanted = new Set();
    for (const [topic, queues] of Object.entries(topics)) {
      const share = Math.floor(queues / members.length);
      const more = queues % members.length;
      const first = place < 0 ? 0 : place * share + Math.min(place, more);
      const count = place < 0 ? 0 : share + Number(place < more);
      for (let queueId = first; queueId < first + count; queueId++) this.wanted.add(queueKey(topic, queueId));
    }
    for (const [key, queue] of this.queues) if (!this.wanted.has(key)) this.release(queue, () => undefined);
    const added = [...this.wanted].filter((key) => !this.queues.has(key) && !this.locking.has(key));
    if (isOrderly !== true) for (const key of added) this.own(key);
    else if (added.length > 0) this.lock(added);
  }

  private own(key: string): OwnedQueue {
    const at = key.lastIndexOf('-');
    const queue = new OwnedQueue(this, key.slice(0, at), Number(key.slice(at + 1)));
    this.queues.set(key, queue);
    queue.start();
    return queue;
  }

  private release(queue: OwnedQueue, released: () => void): void {
    if (queue.isDropped) return;
    const key = queueKey(queue.topic, queue.queueId);
    queue.drop(() => {
      queue.commit();
      queue.lockedUntilMs = 0;
      if (this.habits.isOrderly === true) this.unlock(key);
      if (this.queues.get(key) === queue) this.queues.delete(key);
      released();
    });
  }

  // ---- locks

  mayHandle({ lockedUntilMs }: OwnedQueue): boolean {
    return this.habits.isOrderly !== true || lockedUntilMs > this.world.simulation.time.monotonic();
  }

  private lockBody(keys: readonly string[]): Buffer {
    const { role: brokerName, clientId, group: consumerGroup } = this.habits;
    const mqSet = keys.map((key) => {
      const at = key.lastIndexOf('-');
      return { brokerName, queueId: Number(key.slice(at + 1)), topic: key.slice(0, at) };
    });
    return Buffer.from(JSON.stringify({ clientId, consumerGroup, mqSet }));
  }

  private lock(keys: readonly string[]): void {
    const { world, habits } = this;
    const askedOf = world.cluster.brokerState(habits.role);
    for (const key of keys) this.locking.add(key);
    const { client } = this;
    if (client === undefined) {
      for (const key of keys) this.locking.delete(key);
      return;
    }
    client.call(LOCK, {}, this.lockBody(keys), (answer) => {
      for (const key of keys) this.locking.delete(key);
      if (answer === undefined || this.hasLeft) return;
      if (answer.code !== 0) violated(`${habits.role}: locks of ${habits.clientId}: ${answer.remark}`);
      const isCertain = askedOf !== undefined && askedOf === world.cluster.brokerState(habits.role);
      this.gotLocks(keys, locksIn(answer), isCertain);
    });
  }

  private gotLocks(keys: readonly string[], got: ReadonlySet<string>, isCertain: boolean): void {
    const untilMs = this.world.simulation.time.monotonic() + LOCK_LIVES_MS;
    for (const key of keys) {
      const known = this.queues.get(key);
      this.world.ledger.count(got.has(key) ? 'lock got' : 'lock refused');
      if (!got.has(key)) {
        if (known !== undefined) known.lockedUntilMs = 0;
      } else if (known === undefined && !this.wanted.has(key)) {
        this.unlock(key);
      } else if (known?.isDropped !== true) {
        const queue = known ?? this.own(key);
        queue.lockedUntilMs = untilMs;
        this.habits.locked?.(queue, isCertain);
      }
    }
  }

  private renewLocks(): void {
    const owned = [...this.queues].filter(([, { isDropped }]) => !isDropped).map(([key]) => key);
    if (this.habits.isOrderly === true && owned.length > 0) this.lock(owned);
  }

  private unlock(key: string): void {
    this.client?.oneWay(UNLOCK, {}, this.lockBody([key]));
  }
}

function locksIn({ body }: Answer): Set<string> {
  const { lockOKMQSet } = JSON.parse(body.toString()) as { lockOKMQSet: { topic: string; queueId: number }[] };
  return new Set(lockOKMQSet.map(({ topic, queueId }) => queueKey(topic, queueId)));
}

/** By queue. Fastjson writes objects as keys of a map, which is not JSON. */
export function offsetsIn(body: Buffer): Map<string, number> {
  const found = body.toString().matchAll(/(\{[^{}]*\}):(-?\d+)/g);
  return new Map(
    [...found].map(([, queue, offset]) => {
      const { topic, queueId } = JSON.parse(queue!);
      return [queueKey(topic, queueId), Number(offset)];
    }),
  );
}
