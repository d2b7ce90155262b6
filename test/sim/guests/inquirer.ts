/**
 * Asks about messages and about consumers. In peace, at master and slave, whatever was acknowledged is found by its unique
 * key, by its key, by its id and by its time, whatever the index has gone through; and a question to a member of the group
 * is answered by that member, through faults by that member or not at all.
 */
import type { Prng } from '../../../src/base/prng.js';
import type { Answer, Fields } from '../../support/remoting-client.js';
import { violated } from '../ledger.js';
import { MASTERS, type Master, type Role, SLAVE_OF } from '../sim-cluster.js';
import { recordsIn, type StoredMessage } from '../stored.js';
import { type Asked, Session, type WireClient } from '../wire-client.js';
import type { World } from '../world.js';
import { Crew } from './crew.js';
import { Feeder } from './feeder.js';
import type { Guest, Invite, SufferedFacts } from './guest.js';
import { LogFollower } from './log-follower.js';
import type { Member } from './member.js';
import { Progress } from './progress.js';

const QUERY_MESSAGE = 12;
const SEARCH_OFFSET = 29;
const VIEW_MESSAGE = 33;
const RUNNING_INFO = 307;
const CONSUME_DIRECTLY = 309;
const TOPIC = 'Wanted';
const QUEUES = 3;
const MAX = 32;
/** Somebody left meanwhile, or does not answer in time (CONSUME_MSG_TIMEOUT). */
const NOT_REACHED: readonly number[] = [1, 207];
const ANSWERED_MS = 10_000;
const INDEXED_MS = 60_000;
const INDEX_POLL_MS = 1_000;

interface Habits {
  readonly messages: number;
  readonly thinkMs: number;
  readonly members: number;
  readonly changeMs: number;
  readonly askMs: number;
}

export class Inquirer implements Guest {
  readonly topics = [TOPIC];
  private readonly group: string;
  private readonly feeder: Feeder;
  private readonly crew: Crew;
  private readonly admins: Readonly<Record<string, Session>>;
  private readonly progress: Progress;
  private readonly log: LogFollower;

  constructor(
    private readonly world: World,
    private readonly master: Master,
    { messages: count, thinkMs, members, changeMs, askMs }: Habits,
  ) {
    const { simulation, cluster } = world;
    const net = `10.12.${MASTERS.indexOf(master)}`;
    this.group = `wanted-${master}`;
    this.progress = new Progress(world);
    this.log = new LogFollower(world, master);
    const admin = (role: Role, address: string): Session =>
      new Session(simulation, cluster.settingsOf(role).listenPort, address, () => undefined);
    this.admins = { [master]: admin(master, `${net}.97`), [SLAVE_OF[master]]: admin(SLAVE_OF[master], `${net}.98`) };
    const feeder = { master, topic: TOPIC, queues: QUEUES, address: `${net}.99`, count, thinkMs };
    this.feeder = new Feeder(world, { ...feeder, properties: (key) => ({ KEYS: `first-${key} second-${key}` }) });
    this.crew = new Crew(
      world,
      {
        role: master,
        group: this.group,
        topics: { [TOPIC]: QUEUES },
        maxMessages: 32,
        subscriptionTo: (topic) => ({ topic, text: '*', type: 'TAG', version: 1 }),
        handle: (message, queue, done) => {
          this.progress.handled(message, queue);
          done();
        },
        asked: (asked, client, member) => this.onAsked(asked, client, member),
      },
      net,
      members,
      changeMs,
    );
    this.askLater(askMs);
  }

  // ---- questions to members

  private onAsked(asked: Asked, client: WireClient, { habits }: Member): void {
    if (asked.code !== RUNNING_INFO && asked.code !== CONSUME_DIRECTLY) return;
    const { clientId, consumerGroup } = asked.fields;
    if (clientId !== habits.clientId || consumerGroup !== this.group)
      violated(`${habits.clientId} is asked what ${clientId} of ${consumerGroup} knows`);
    if (asked.code === CONSUME_DIRECTLY) {
      const [message] = recordsIn(asked.body);
      const [stored] = this.stored();
      if (message?.physicalOffset !== stored?.physicalOffset)
        violated(`${habits.clientId} is to handle another message`);
    }
    client.answer(asked, 0, Buffer.from(habits.clientId));
  }

  private askLater(meanMs: number): void {
    const { simulation } = this.world;
    simulation.after(2 * meanMs * simulation.random.unit(), () => {
      if (this.world.isQuiet) return;
      const { live } = this.crew;
      if (live.length > 0) this.askMember(simulation.random.pick(live), () => undefined);
      this.askLater(meanMs);
    });
  }

  private askMember({ habits: { clientId } }: Member, answered: (code: number | undefined) => void): void {
    const { master, group: consumerGroup, world } = this;
    const client = this.admins[master]!.client;
    if (client?.isOpen !== true) return;
    const [message] = this.stored();
    const isDirect = message !== undefined && world.simulation.random.chance(0.5);
    const fields: Fields = { consumerGroup, clientId, ...(isDirect ? { msgId: idOf(message, world, master) } : {}) };
    client.call(isDirect ? CONSUME_DIRECTLY : RUNNING_INFO, fields, undefined, (answer) => {
      const code = answer?.code;
      world.ledger.count(`member asked ${code ?? 'lost'}`);
      if (code === 0 && answer!.body.toString() !== clientId)
        violated(`${clientId} was asked, ${answer!.body} answers`);
      const isExpected = code === undefined || code === 0 || NOT_REACHED.includes(code);
      if (!isExpected) violated(`${master}: a question to ${clientId} is answered ${code}: ${answer!.remark}`);
      answered(code);
    });
  }

  // ---- what came of it

  private stored(): StoredMessage[] {
    return this.log.messages().filter(({ topic }) => topic === TOPIC);
  }

  missing(): string[] {
    const { feeder, master, crew, progress, admins } = this;
    const isConnected = Object.values(admins).every(({ isReady }) => isReady);
    if (!feeder.isIdle || !isConnected) return [`${master}: sends are under way`];
    return [...progress.missingOf(feeder.acknowledged), ...crew.unowned()];
  }

  async tryOut(facts: SufferedFacts): Promise<void> {
    const { master, world, crew } = this;
    for (const member of crew.live) {
      let code: number | undefined;
      await this.connected(master);
      this.askMember(member, (answered) => {
        code = answered;
      });
      const { clientId } = member.habits;
      await world.simulation.runUntil(`${master}: ${clientId} answers`, () => code === 0, ANSWERED_MS);
    }
    for (const role of [master, SLAVE_OF[master]] as const) await this.lookUp(role, facts);
  }

  /** A connection without a byte for two minutes has been closed. */
  private connected(role: Role): Promise<void> {
    const isOpen = (): boolean => this.admins[role]!.client?.isOpen === true;
    return this.world.simulation.runUntil(`${role}: connected`, isOpen, ANSWERED_MS);
  }

  private async call(role: Role, code: number, fields: Fields): Promise<Answer> {
    let answer: Answer | undefined;
    await this.connected(role);
    this.admins[role]!.client!.call(code, fields, undefined, (one) => {
      answer = one ?? violated(`${role}: the connection ended instead of an answer to ${code}`);
    });
    await this.world.simulation.runUntil(`${role} answers ${code}`, () => answer !== undefined, ANSWERED_MS);
    return answer!;
  }

  /** After a crash the index may still be on its way to the end of the log: the broker says so, and gets there. */
  private async query(role: Role, fields: Fields): Promise<Answer> {
    for (let waitedMs = 0; ; waitedMs += INDEX_POLL_MS) {
      const answer = await this.call(role, QUERY_MESSAGE, fields);
      if (!answer.remark.includes('ask again later') || waitedMs >= INDEXED_MS) return answer;
      await this.world.simulation.runFor(INDEX_POLL_MS);
    }
  }

  private async lookUp(role: Role, { isClockTrue }: SufferedFacts): Promise<void> {
    const stored = this.stored();
    for (const message of stored) {
      await this.lookUpByKeys(role, message);
      const { physicalOffset: offset, queueId, queueOffset, storeTimestamp: timestamp } = message;
      this.expect(role, `the offset ${offset}`, message, await this.call(role, VIEW_MESSAGE, { offset }));
      const isOnlyOne =
        stored.filter((one) => one.queueId === queueId && one.storeTimestamp === timestamp).length === 1;
      // Times go back in the log of somebody who has set the clock.
      if (!isOnlyOne || !isClockTrue) continue;
      const { fields } = await this.call(role, SEARCH_OFFSET, { topic: TOPIC, queueId, timestamp });
      if (Number(fields.offset) !== queueOffset)
        violated(`${role}: ${TOPIC}-${queueId} at ${timestamp} is said to be ${fields.offset}, not ${queueOffset}`);
    }
    this.world.ledger.count(role === this.master ? 'found' : 'found at slave');
  }

  private async lookUpByKeys(role: Role, message: StoredMessage): Promise<void> {
    const key = message.body.toString('latin1');
    for (const name of [key, `first-${key}`, `second-${key}`]) {
      const query = { topic: TOPIC, key: name, maxNum: MAX, beginTimestamp: 0, endTimestamp: Number.MAX_SAFE_INTEGER };
      const answer = await this.query(role, name === key ? { ...query, _UNIQUE_KEY_QUERY: true } : query);
      this.expect(role, `the key ${name}`, message, answer);
    }
  }

  private expect(role: Role, what: string, { physicalOffset }: StoredMessage, { code, body, remark }: Answer): void {
    const isFound = code === 0 && recordsIn(body).some((one) => one.physicalOffset === physicalOffset);
    if (!isFound) violated(`${role}: ${what} does not lead to the message at ${physicalOffset}: ${code} ${remark}`);
  }

  check(): void {
    for (const { body } of this.stored()) {
      const key = body.toString('latin1');
      if (!this.feeder.sent.has(key)) violated(`${this.master} holds ${key}, which nobody sent`);
    }
  }

  overdue(limitMs: number): string[] {
    const admins = Object.values(this.admins).flatMap(({ client }) => client?.overdue(limitMs) ?? []);
    return [...this.feeder.overdue(limitMs), ...this.crew.overdue(limitMs), ...admins];
  }

  leave(): void {
    this.feeder.leave();
    this.crew.leave();
    for (const session of Object.values(this.admins)) session.leave();
  }
}

/** Address, port and physical offset, as MessageDecoder.createMessageId writes them. */
function idOf({ physicalOffset }: StoredMessage, { cluster }: World, master: Master): string {
  const bytes = Buffer.alloc(16);
  bytes.set([127, 0, 0, 1]);
  bytes.writeInt32BE(cluster.settingsOf(master).listenPort, 4);
  bytes.writeBigInt64BE(BigInt(physicalOffset), 8);
  return bytes.toString('hex').toUpperCase();
}

export const inviteInquirers: Invite = (world: World, random: Prng) =>
  MASTERS.map(
    (master) =>
      new Inquirer(world, master, {
        messages: random.pick([20, 100]),
        thinkMs: random.pick([5, 50, 200]),
        members: 1 + random.below(2),
        changeMs: random.pick([0, 1_000]),
        askMs: random.pick([50, 500]),
      }),
  );
