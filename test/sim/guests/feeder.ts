/** Sends messages to one topic of one master, each once, and knows which of them were acknowledged. */
import { type Answer, sendFields } from '../../support/remoting-client.js';
import type { Master } from '../sim-cluster.js';
import { Session, type WireClient } from '../wire-client.js';
import type { World } from '../world.js';

const SEND = 310;
const STORED_CODES: readonly number[] = [0, 10, 11, 12];

export interface FeederHabits {
  readonly master: Master;
  readonly topic: string;
  readonly queues: number;
  readonly address: string;
  readonly count: number;
  readonly thinkMs: number;
  /** Of the message with that key. */
  readonly properties: (key: string) => Readonly<Record<string, string>>;
}

export class Feeder {
  /** Keys (which are the bodies) of what the broker has. */
  readonly acknowledged = new Set<string>();
  readonly sent = new Set<string>();
  private readonly session: Session;

  constructor(
    private readonly world: World,
    private readonly habits: FeederHabits,
  ) {
    const port = world.sendPortOf(habits.master);
    this.session = new Session(world.simulation, port, habits.address, (client) => this.later(client));
  }

  get isIdle(): boolean {
    return (this.session.client?.openCalls ?? 0) === 0;
  }

  overdue(limitMs: number): string[] {
    return this.session.client?.overdue(limitMs) ?? [];
  }

  leave(): void {
    this.session.leave();
  }

  private later(client: WireClient): void {
    const { simulation } = this.world;
    simulation.after(simulation.random.unit() * this.habits.thinkMs, () => {
      if (client.isOpen && this.world.isSending && this.sent.size < this.habits.count) this.send(client);
    });
  }

  /** One more, in peace: the key of what the broker has then. */
  async sendOne(): Promise<string> {
    const { simulation } = this.world;
    const where = `${this.habits.master}: ${this.habits.topic}`;
    await simulation.runUntil(`${where}: a connection`, () => this.session.isReady, 2_000);
    let sent: string | undefined;
    this.send(this.session.client!, (key) => {
      sent = key;
    });
    await simulation.runUntil(`${where}: a message is taken`, () => sent !== undefined, 5_000);
    return sent!;
  }

  private send(client: WireClient, told: (key: string) => void = () => undefined): void {
    const { world, habits, sent } = this;
    const { random, time } = world.simulation;
    const key = `${habits.master}/${habits.topic}/${sent.size}`;
    const properties = { UNIQ_KEY: key, ...habits.properties(key) };
    sent.add(key);
    const fields = sendFields(habits.topic, random.below(habits.queues), propertiesText(properties), {
      d: habits.queues,
      g: String(time.now()),
    });
    client.call(SEND, fields, Buffer.from(key), (answer: Answer | undefined) => {
      world.ledger.count(`fed ${answer?.code ?? 'lost'}`);
      if (answer !== undefined && STORED_CODES.includes(answer.code)) {
        this.acknowledged.add(key);
        told(key);
      }
      this.later(client);
    });
  }
}

export function propertiesText(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join('');
}
