/**
 * Sends delayed messages, and messages that it hands back to its broker at once (to be retried or given up), to one
 * master. What was acknowledged is delivered at least once, not before it is due, whatever happens meanwhile.
 */
import type { BrokerState } from '../../src/actors/broker/state.js';
import { sendFields } from '../support/remoting-client.js';
import { violated } from './ledger.js';
import type { Master } from './sim-cluster.js';
import { logBytes, readLog, type StoredMessage } from './stored.js';
import { Session, type WireClient } from './wire-client.js';
import type { World } from './world.js';

const SEND = 310;
const SEND_BACK = 36;
const STORED_CODES = [0, 10, 11, 12];
const SCHEDULE = 'SCHEDULE_TOPIC_XXXX';
const TOPIC = 'Delayed';
const BACK_TOPIC = 'Returned';
const QUEUES = 3;
/** Of the default levels 1 to 3. */
const DELAYS_MS = [1_000, 5_000, 10_000] as const;
/** The store timestamp of a record with IPv4 hosts. */
const STORE_TIMESTAMP_AT = 56;

interface Delayed {
  readonly id: number;
  readonly level: number;
  /** Where it is to arrive. */
  readonly topic: string;
}

export class Delayer {
  private readonly session: Session;
  private readonly group: string;
  /** What the broker has acknowledged. */
  private readonly acknowledged: Delayed[] = [];
  private sent = 0;

  constructor(
    private readonly world: World,
    private readonly master: Master,
    private readonly name: string,
    private readonly messages: number,
    private readonly thinkMs: number,
  ) {
    this.group = `back-${name.replaceAll('.', '-')}`;
    this.session = new Session(world.simulation, world.sendPortOf(master), name, (client) => this.sendSoon(client));
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

  private sendSoon(client: WireClient): void {
    const { simulation } = this.world;
    simulation.after(simulation.random.unit() * this.thinkMs, () => this.send(client));
  }

  private send(client: WireClient): void {
    const { world } = this;
    const { random, time } = world.simulation;
    if (!client.isOpen || !world.isSending || this.sent >= this.messages) return;
    const id = this.sent++;
    const level = 1 + random.below(DELAYS_MS.length);
    const isBack = random.chance(0.3);
    const properties = `${isBack ? '' : `DELAY\u0001${level}\u0002`}UNIQ_KEY\u0001${this.key(id)}`;
    const fields = sendFields(isBack ? BACK_TOPIC : TOPIC, random.below(QUEUES), properties, { g: String(time.now()) });
    client.call(SEND, fields, Buffer.from(this.key(id)), (answer) => {
      if (answer === undefined) return;
      world.ledger.count(`delayed send ${answer.code}`);
      const isStored = STORED_CODES.includes(answer.code);
      if (isStored && isBack) return this.handBack(client, id, level, offsetOf(answer.fields.msgId!));
      if (isStored) this.acknowledged.push({ id, level, topic: TOPIC });
      this.sendSoon(client);
    });
  }

  /** As a consumer that cannot handle it; or never will. */
  private handBack(client: WireClient, id: number, level: number, offset: number): void {
    const { world, group } = this;
    const isGivenUp = world.simulation.random.chance(0.2);
    const delayLevel = isGivenUp ? -1 : level;
    const fields = { offset, group, delayLevel, originTopic: BACK_TOPIC, unitMode: false };
    client.call(SEND_BACK, fields, undefined, (answer) => {
      if (answer === undefined) return;
      world.ledger.count(`send back ${answer.code}`);
      const topic = isGivenUp ? `%DLQ%${group}` : `%RETRY%${group}`;
      if (answer.code === 0) this.acknowledged.push({ id, level: isGivenUp ? 0 : level, topic });
      this.sendSoon(client);
    });
  }

  private key(id: number): string {
    return `${this.name}/${id}`;
  }

  /** Nothing waits for its time any more. */
  get isDelivered(): boolean {
    const state = this.world.cluster.process.stateOf(this.master) as BrokerState | undefined;
    if (state === undefined) return false;
    const { schedule } = state;
    return schedule.levels.every((level) => schedule.pending(state, level) === 0);
  }

  /** Everything is in its topic, and was not too early. */
  check(isClockTrue: boolean): void {
    const { disk } = this.world.cluster.process;
    const place = this.world.ledger.logOf(this.master);
    const { messages } = readLog(disk, place);
    const byKey = new Map<string, StoredMessage[]>();
    for (const message of messages) {
      const key = `${message.topic} ${message.body.toString('latin1')}`;
      const known = byKey.get(key);
      if (known === undefined) byKey.set(key, [message]);
      else known.push(message);
    }
    const storedMs = (message: StoredMessage): number => {
      const at = message.physicalOffset + STORE_TIMESTAMP_AT;
      return Number(logBytes(disk, place, at, at + 8).readBigInt64BE(0));
    };
    for (const { id, level, topic } of this.acknowledged) {
      const copies = byKey.get(`${topic} ${this.key(id)}`) ?? [];
      const where = `${this.master}: message ${this.key(id)} for ${topic}`;
      if (copies.length === 0) violated(`${where} was acknowledged and did not arrive`);
      this.world.ledger.count(copies.length === 1 ? 'delayed once' : 'delayed again');
      if (level === 0 || !isClockTrue) continue;
      const waiting = byKey.get(`${SCHEDULE} ${this.key(id)}`) ?? [];
      const waited = storedMs(copies[0]!) - storedMs(waiting[0]!);
      if (waited < DELAYS_MS[level - 1]!) violated(`${where}, level ${level}, arrived after ${waited} ms`);
    }
  }
}

/** A message id ends with the physical offset. */
function offsetOf(messageId: string): number {
  return Number(BigInt(`0x${messageId.slice(-16)}`));
}
