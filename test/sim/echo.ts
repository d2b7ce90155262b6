/**
 * Sends a message and pulls at the place that the answer names, at once and over the same connection: whoever was told
 * of an offset may pull there (the order contract of the runtime).
 */
import { messagesOf, PullFlag, pullFields, sendFields } from '../support/remoting-client.js';
import { bodyOf, violated } from './ledger.js';
import { QUEUES } from './producer.js';
import type { Master } from './sim-cluster.js';
import { queueKey } from './stored.js';
import { Session, type WireClient } from './wire-client.js';
import type { World } from './world.js';

const SEND = 310;
const PULL = 11;
const FOUND = 0;
const NOT_FOUND = 19;
const OFFSET_MOVED = 21;
const HOLD_MS = 20_000;
const STORED_CODES = [0, 10, 11, 12];

export class Echo {
  private readonly session: Session;

  constructor(
    private readonly world: World,
    private readonly master: Master,
    name: string,
    private readonly thinkMs: number,
  ) {
    this.session = new Session(world.simulation, world.cluster.settingsOf(master).listenPort, name, (client) =>
      this.send(client),
    );
  }

  get openCalls(): number {
    return this.session.client?.openCalls ?? 0;
  }

  overdue(limitMs: number): string[] {
    return this.session.client?.overdue(limitMs) ?? [];
  }

  leave(): void {
    this.session.leave();
  }

  private send(client: WireClient): void {
    const { world, master } = this;
    const { random, time } = world.simulation;
    const waitMs = world.msToNextSend();
    if (!client.isOpen || waitMs === undefined) return;
    if (waitMs > 0) return world.simulation.after(waitMs, () => this.send(client));
    const waits = random.chance(0.3);
    const message = world.ledger.next(master, random.pick(world.topics), '', 1 + random.below(100), waits);
    const properties = `UNIQ_KEY\u0001U${message.id}\u0002WAIT\u0001${waits}`;
    const fields = sendFields(message.topic, random.below(QUEUES), properties, { g: String(time.now()) });
    client.call(SEND, fields, bodyOf(message), (answer) => {
      if (answer === undefined) return;
      world.ledger.answered([message], answer);
      if (!STORED_CODES.includes(answer.code)) return this.later(client);
      this.pull(client, message.topic, message.queueId, message.queueOffset, message.id, random.chance(0.5));
    });
  }

  /** At the message, or behind it. */
  private pull(
    client: WireClient,
    topic: string,
    queueId: number,
    queueOffset: number,
    id: number,
    isBehind: boolean,
  ): void {
    const { world, master } = this;
    const from = isBehind ? queueOffset + 1 : queueOffset;
    const where = `${master} ${queueKey(topic, queueId)}`;
    // A queue host that lags holds a pull until the entries come that it was not given yet.
    const sysFlag = PullFlag.subscription | (isBehind ? 0 : PullFlag.suspend);
    const fields = pullFields(topic, queueId, from, { consumerGroup: 'echo', sysFlag, suspendTimeoutMillis: HOLD_MS });
    client.call(PULL, fields, undefined, (answer) => {
      if (answer === undefined) return;
      const { code, body, remark } = answer;
      world.ledger.count(`echo ${code}`);
      if (code === OFFSET_MOVED)
        violated(`${where}: message ${id} was answered with offset ${queueOffset}, and a pull at ${from} is moved`);
      if (code === NOT_FOUND && !isBehind)
        violated(`${where}: message ${id} was answered with offset ${queueOffset}, and nothing is there`);
      if (code === FOUND) {
        for (const found of messagesOf(body)) world.ledger.saw(master, topic, queueId, found.queueOffset, found.body);
        const first = messagesOf(body)[0]!.queueOffset;
        if (first !== from) violated(`${where}: a pull at ${from} begins with ${first}`);
      } else if (code !== NOT_FOUND && code !== GROUP_UNKNOWN) {
        violated(`${where}: a pull at ${from} is answered ${code}: ${remark}`);
      }
      this.later(client);
    });
  }

  private later(client: WireClient): void {
    const { simulation } = this.world;
    simulation.after(simulation.random.unit() * this.thinkMs, () => this.send(client));
  }
}

/** The broker creates the group; it was too slow to tell the queue host in time. */
const GROUP_UNKNOWN = 26;
