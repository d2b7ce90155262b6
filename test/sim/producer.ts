/** A producer: sends to both masters over connections that come and go, and never sends a message twice. */
import type { Prng } from '../../src/base/prng.js';
import { type Answer, type Fields, sendFields } from '../support/remoting-client.js';
import { bodyOf, type Sent } from './ledger.js';
import { MASTERS, type Master, MAX_MESSAGE_BYTES } from './sim-cluster.js';
import { Session, type WireClient } from './wire-client.js';
import type { World } from './world.js';

const SEND = 10;
const SEND_V2 = 310;
const SEND_BATCH = 320;
export const TAGS = ['TagA', 'TagB', ''] as const;
export const QUEUES = 4;

export interface ProducerHabits {
  /** Sends under way per connection. */
  readonly window: number;
  /** Pause before the next one, up to this long. */
  readonly thinkMs: number;
  readonly bodyBytesMax: number;
  readonly batchOdds: number;
  readonly oneWayOdds: number;
  readonly noWaitOdds: number;
}

export function drawHabits(random: Prng): ProducerHabits {
  return {
    window: random.pick([1, 4, 32]),
    thinkMs: random.pick([0, 20, 200]),
    bodyBytesMax: random.pick([50, 1000, MAX_MESSAGE_BYTES]),
    batchOdds: random.pick([0, 0.2]),
    oneWayOdds: random.pick([0, 0.1]),
    noWaitOdds: random.pick([0, 0.3]),
  };
}

export class Producer {
  private readonly sessions: readonly Session[];

  constructor(
    private readonly world: World,
    name: string,
    private readonly habits: ProducerHabits,
  ) {
    this.sessions = MASTERS.map(
      (master) =>
        new Session(world.simulation, world.sendPortOf(master), name, (client) => {
          for (let count = 0; count < habits.window; count++) this.sendSoon(master, client);
        }),
    );
  }

  get openCalls(): number {
    return this.sessions.reduce((sum, { client }) => sum + (client?.openCalls ?? 0), 0);
  }

  overdue(limitMs: number): string[] {
    return this.sessions.flatMap(({ client }) => client?.overdue(limitMs) ?? []);
  }

  leave(): void {
    for (const session of this.sessions) session.leave();
  }

  private sendSoon(master: Master, client: WireClient): void {
    const { simulation } = this.world;
    simulation.after(simulation.random.unit() * this.habits.thinkMs, () => this.send(master, client));
  }

  private send(master: Master, client: WireClient): void {
    const { world, habits } = this;
    const { random } = world.simulation;
    const waitMs = world.msToNextSend();
    if (!client.isOpen || waitMs === undefined) return;
    if (waitMs > 0) return world.simulation.after(waitMs, () => this.send(master, client));
    const isBatch = random.chance(habits.batchOdds);
    const waits = !random.chance(habits.noWaitOdds);
    const topic = random.pick(world.topics);
    const queueId = random.chance(0.1) ? -1 : random.below(QUEUES);
    const count = isBatch ? 1 + random.below(5) : 1;
    const messages = Array.from({ length: count }, () => {
      const bodyBytes = 1 + random.below(Math.ceil(habits.bodyBytesMax / count));
      return world.ledger.next(master, topic, random.pick(TAGS), bodyBytes, waits);
    });
    const wait = waits ? '' : 'WAIT\u0001false\u0002';
    const fields = { g: String(world.simulation.time.now()) };
    const answered = (answer: Answer | undefined): void => {
      if (answer !== undefined) world.ledger.answered(messages, answer);
      if (answer !== undefined) this.sendSoon(master, client);
    };
    if (isBatch) {
      const body = Buffer.concat(messages.map((message) => batchItem(message)));
      client.call(SEND_BATCH, sendFields(topic, queueId, wait, { ...fields, m: true }), body, answered);
      return;
    }
    const [message] = messages;
    const properties = `${wait}${propertiesOf(message!)}`;
    if (random.chance(habits.oneWayOdds)) {
      client.oneWay(SEND_V2, sendFields(topic, queueId, properties, fields), bodyOf(message!));
      this.sendSoon(master, client);
    } else if (random.chance(0.2)) {
      client.call(SEND, longFields(topic, queueId, properties, fields.g), bodyOf(message!), answered);
    } else {
      client.call(SEND_V2, sendFields(topic, queueId, properties, fields), bodyOf(message!), answered);
    }
  }
}

function propertiesOf({ id, tag }: Sent): string {
  return `UNIQ_KEY\u0001U${id}\u0002${tag === '' ? '' : `TAGS\u0001${tag}\u0002`}KEYS\u0001K${id % 7}`;
}

/** Source: MessageDecoder.encodeMessage; size, magic and checksum are the client's and unused. */
function batchItem(message: Sent): Buffer {
  const body = bodyOf(message);
  const properties = Buffer.from(propertiesOf(message));
  const item = Buffer.alloc(20 + body.length + 2 + properties.length);
  item.writeInt32BE(item.length, 0);
  item.writeInt32BE(body.length, 16);
  body.copy(item, 20);
  item.writeInt16BE(properties.length, 20 + body.length);
  properties.copy(item, 22 + body.length);
  return item;
}

function longFields(topic: string, queueId: number, properties: string, bornTimestamp: string): Fields {
  return {
    producerGroup: 'test-producer',
    topic,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: QUEUES,
    queueId,
    sysFlag: 0,
    bornTimestamp,
    flag: 0,
    properties,
    reconsumeTimes: 0,
    unitMode: false,
  };
}
