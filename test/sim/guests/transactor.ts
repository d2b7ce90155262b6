/**
 * Producers of one group that send half messages to one master, and say commit, rollback or nothing at all: at once, when
 * they are asked, or not before they are asked again. Some die in between; whoever is left answers for them. What must hold:
 *
 *     committed     consumers get it, at least once
 *     rolled back   nobody ever gets it
 *     no word       asked about at most transactionCheckMax times, not before its time, then TRANS_CHECK_MAX_TIME_TOPIC
 *
 * and no half message is forgotten: each is done, has a later copy, or was given up.
 */
import type { Prng } from '../../../src/base/prng.js';
import { type Answer, sendFields } from '../../support/remoting-client.js';
import { violated } from '../ledger.js';
import { MASTERS, type Master } from '../sim-cluster.js';
import { propertiesIn, recordsIn, type StoredMessage } from '../stored.js';
import { type Asked, Session, type WireClient } from '../wire-client.js';
import type { World } from '../world.js';
import { propertiesText } from './feeder.js';
import type { Guest, Invite, SufferedFacts } from './guest.js';
import { heartbeatBody } from './heartbeat.js';
import { LogFollower } from './log-follower.js';

const SEND = 310;
const HEARTBEAT = 34;
const END_TRANSACTION = 37;
const CHECK_STATE = 39;
const HEARTBEAT_MS = 3_000;
const PREPARED = 4;
const STORED_CODES: readonly number[] = [0, 10, 11, 12];
/** SYSTEM_BUSY and SERVICE_NOT_AVAILABLE: the broker can do nothing now. */
const REFUSED: readonly number[] = [2, 14];
/** Source: MessageSysFlag.java. */
const WORDS = { commit: 8, rollback: 12, never: 0 } as const;

const TOPIC = 'Paid';
const HALF_TOPIC = 'RMQ_SYS_TRANS_HALF_TOPIC';
const OP_TOPIC = 'RMQ_SYS_TRANS_OP_HALF_TOPIC';
const GIVEN_UP_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC';
const QUEUES = 4;
const TIMEOUT_MS = 1_000;
const CHECK_MAX = 8;
/** A producer that loses its connection in between is asked, and says it then. */
const DELIVERED_MS = 10_000;
/** What a word does is seen by then in a quiet cluster, with the shortest delay. */
const WORD_TRAVELS_MS = 2_000;
/** Of a broker whose clients say so little so late. */
export const TRANSACTION_SETTINGS = `transactionTimeOut=${TIMEOUT_MS}\ntransactionCheckInterval=1000\ntransactionCheckMax=${CHECK_MAX}`;

interface Transaction {
  readonly key: string;
  word: keyof typeof WORDS;
  /** Its first word: at once, or only when it is asked for the nth time. */
  readonly speaksAt: number;
  /** Once it is committed; a crash may deliver what was delayed again. */
  readonly isDelayed: boolean;
  /** CHECK_IMMUNITY_TIME_IN_SECONDS. */
  readonly immuneSeconds: number | undefined;
  /** Its send is under way: nobody knows what will become of it. */
  isOpen: boolean;
  /** The send was answered SEND_OK. */
  isPrepared: boolean;
  /** So often was commit sent: each one that comes delivers the message again, as with Apache. */
  commits: number;
  /** The word was answered SUCCESS. */
  isHeard: boolean;
  asked: number;
  /** Of its questions, those that came too early. */
  early: string | undefined;
}

const NEW = { isOpen: true, isPrepared: false, commits: 0, isHeard: false, asked: 0, early: undefined };

/** What lies in the log of a transaction. */
interface Traces {
  readonly halves: StoredMessage[];
  readonly finals: StoredMessage[];
  readonly givenUp: StoredMessage[];
}

export class Transactor implements Guest {
  readonly topics = [TOPIC];
  private readonly group: string;
  private readonly sessions: Session[];
  private readonly transactions = new Map<string, Transaction>();
  private readonly log: LogFollower;
  /** Sends that were answered, with a word to follow in a while. */
  private wordsToCome = 0;
  /** When the last word left (monotonic ms). */
  private spokenMs = 0;

  constructor(
    private readonly world: World,
    private readonly master: Master,
    private readonly count: number,
    private readonly thinkMs: number,
    producers: number,
  ) {
    const { simulation, cluster } = world;
    this.group = `tx-${master}`;
    this.log = new LogFollower(world, master);
    const port = cluster.settingsOf(master).listenPort;
    this.sessions = Array.from({ length: producers }, (_, index) => {
      const clientId = `10.5.${MASTERS.indexOf(master)}.${index}`;
      return new Session(simulation, port, clientId, (client) => this.welcome(client, `${clientId}@1`));
    });
  }

  overdue(limitMs: number): string[] {
    return this.sessions.flatMap(({ client }) => client?.overdue(limitMs) ?? []);
  }

  leave(): void {
    for (const session of this.sessions) session.leave();
  }

  // ---- producers

  private welcome(client: WireClient, clientId: string): void {
    client.onAsked = (asked) => this.onAsked(client, asked);
    this.heartbeat(client, clientId);
    this.sendSoon(client);
  }

  private heartbeat(client: WireClient, clientId: string): void {
    if (!client.isOpen) return;
    client.call(HEARTBEAT, {}, heartbeatBody(clientId, [], [this.group]), (answer) => {
      if (answer !== undefined && answer.code !== 0) violated(`${this.master}: heartbeat: ${answer.remark}`);
    });
    this.world.simulation.after(HEARTBEAT_MS, () => this.heartbeat(client, clientId));
  }

  private sendSoon(client: WireClient): void {
    const { simulation } = this.world;
    simulation.after(simulation.random.unit() * this.thinkMs, () => this.send(client));
  }

  private send(client: WireClient): void {
    const { world, transactions } = this;
    const { random } = world.simulation;
    if (!client.isOpen || !world.isSending || transactions.size >= this.count) return;
    const transaction: Transaction = {
      key: `${this.master}/${transactions.size}`,
      word: random.pick(['commit', 'commit', 'rollback', 'never'] as const),
      speaksAt: random.pick([0, 0, 0, 1, 2]),
      immuneSeconds: random.chance(0.2) ? random.pick([1, 3]) : undefined,
      isDelayed: random.chance(0.1),
      ...NEW,
    };
    this.prepare(client, transaction);
  }

  private prepare(client: WireClient, transaction: Transaction): void {
    const { world, transactions } = this;
    const { random, time } = world.simulation;
    transactions.set(transaction.key, transaction);
    const text = propertiesText({
      TRAN_MSG: 'true',
      PGROUP: this.group,
      UNIQ_KEY: transaction.key,
      ...(transaction.immuneSeconds === undefined
        ? {}
        : { CHECK_IMMUNITY_TIME_IN_SECONDS: String(transaction.immuneSeconds) }),
      ...(transaction.isDelayed ? { DELAY: '1' } : {}),
    });
    const fields = sendFields(TOPIC, random.below(QUEUES), text, { a: this.group, f: PREPARED, g: String(time.now()) });
    client.call(SEND, fields, Buffer.from(transaction.key), (answer) => {
      this.prepared(client, transaction, answer);
      this.sendSoon(client);
    });
  }

  private prepared(client: WireClient, transaction: Transaction, answer: Answer | undefined): void {
    transaction.isOpen = false;
    this.world.ledger.count(`half ${answer?.code ?? 'lost'}`);
    transaction.isPrepared = answer?.code === 0;
    // Nothing was done that could be committed.
    if (!transaction.isPrepared) transaction.word = 'rollback';
    if (answer === undefined || !STORED_CODES.includes(answer.code)) return;
    const { random } = this.world.simulation;
    if (random.chance(0.05)) return client.close('destroy');
    if (transaction.speaksAt > 0 || transaction.word === 'never') return;
    const commitLogOffset = Number(BigInt(`0x${answer.fields.msgId!.slice(-16)}`));
    const place = { commitLogOffset, tranStateTableOffset: Number(answer.fields.queueOffset) };
    this.wordsToCome++;
    this.world.simulation.after(random.unit() * random.pick([0, 3 * TIMEOUT_MS]), () => {
      this.wordsToCome--;
      this.end(client, transaction, place, false);
    });
  }

  private end(
    client: WireClient,
    transaction: Transaction,
    place: { readonly commitLogOffset: number; readonly tranStateTableOffset: number },
    fromTransactionCheck: boolean,
    word = transaction.word,
  ): void {
    if (!client.isOpen) return;
    const { world, group, master } = this;
    const { key: msgId } = transaction;
    this.spokenMs = world.simulation.time.monotonic();
    if (word === 'commit') transaction.commits++;
    const commitOrRollback = WORDS[word];
    const fields = { producerGroup: group, ...place, commitOrRollback, fromTransactionCheck, msgId };
    // Nobody is answered who does not know, and Java asks for no answer at all.
    if (word === 'never' || world.simulation.random.chance(0.5)) return client.oneWay(END_TRANSACTION, fields);
    client.call(END_TRANSACTION, fields, undefined, (answer) => {
      if (answer === undefined) return;
      world.ledger.count(`${word} ${answer.code}`);
      if (answer.code === 0) transaction.isHeard = true;
      else if (!REFUSED.includes(answer.code) && world.powerLosses === 0)
        violated(`${master}: ${word} of ${msgId} is answered ${answer.code}: ${answer.remark}`);
    });
  }

  private onAsked(client: WireClient, { code, fields, body }: Asked): void {
    if (code !== CHECK_STATE) return;
    const { master, world } = this;
    const [half] = recordsIn(body);
    const key = half!.body.toString('latin1');
    const transaction = this.transactions.get(key);
    if (transaction === undefined || half!.topic !== TOPIC)
      violated(`${master} asks about "${key}" of ${half!.topic}, which nobody sent`);
    const place = {
      commitLogOffset: Number(fields.commitLogOffset),
      tranStateTableOffset: Number(fields.tranStateTableOffset),
    };
    const isSame = half!.physicalOffset === place.commitLogOffset && half!.queueOffset === place.tranStateTableOffset;
    if (!isSame) violated(`${master} asks about ${key} at ${half!.physicalOffset}, and says ${JSON.stringify(fields)}`);
    transaction.asked++;
    world.ledger.count('asked');
    const times = Number(propertiesIn(half!).get('TRANSACTION_CHECK_TIMES'));
    if (!(times >= 1 && times <= CHECK_MAX)) violated(`${master} asks about ${key} for the ${times}th time`);
    const ageMs = world.simulation.time.now() - half!.bornTimestamp;
    const notBeforeMs = transaction.immuneSeconds === undefined ? TIMEOUT_MS : transaction.immuneSeconds * 1_000;
    if (ageMs < notBeforeMs) transaction.early ??= `after ${ageMs} ms instead of ${notBeforeMs}`;
    const isReady = !transaction.isOpen && times >= transaction.speaksAt;
    this.end(client, transaction, place, true, isReady ? transaction.word : 'never');
  }

  // ---- what came of it

  missing(): string[] {
    const { master } = this;
    const { traces, done } = this.read();
    const silentMs = this.world.simulation.time.monotonic() - this.spokenMs;
    if (this.wordsToCome > 0 || silentMs < WORD_TRAVELS_MS) return [`${master}: words are on their way`];
    return [...this.transactions.values()].flatMap((transaction) => {
      const { key, word, isPrepared } = transaction;
      const found = traces.get(key);
      const where = `${master}: ${word} of ${key}`;
      if (found === undefined) return isPrepared ? [`${where}: its half message is gone`] : [];
      const open = openHalf(found, done);
      if (open !== undefined) return [`${where}: the half message ${open.queueOffset} is forgotten`];
      const hasArrived = word !== 'commit' || found.finals.length + found.givenUp.length > 0;
      return hasArrived ? [] : [`${where}: the message is not there`];
    });
  }

  /** One more, of which somebody says in the end that it is committed. */
  async tryOut(): Promise<void> {
    const { master, world, sessions, transactions } = this;
    const { simulation } = world;
    const key = `${master}/${transactions.size}`;
    await simulation.runUntil(`${master}: a producer`, () => sessions[0]!.isReady, WORD_TRAVELS_MS);
    const committed = { ...NEW, key, word: 'commit', speaksAt: 0, immuneSeconds: undefined, isDelayed: false } as const;
    this.prepare(sessions[0]!.client!, { ...committed });
    const isThere = (): boolean => this.missing().length === 0;
    await simulation.runUntil(`${master}: ${key} is delivered`, () => transactions.get(key)!.isPrepared, TIMEOUT_MS);
    await simulation.runFor(DELIVERED_MS);
    if (!isThere()) violated(`${this.missing()}, after ${DELIVERED_MS} ms of peace`);
    world.ledger.count('committed in peace');
  }

  check({ faults, isClockTrue }: SufferedFacts): void {
    const { traces } = this.read();
    for (const transaction of this.transactions.values()) {
      const { key, word, commits, isDelayed, asked, early, isHeard, isPrepared } = transaction;
      const found = traces.get(key);
      if (found === undefined) continue;
      const { finals, givenUp } = found;
      const where = `${this.master}: ${word} of ${key}`;
      if (early !== undefined && isClockTrue) violated(`${where} was asked about too early: ${early}`);
      if (word !== 'commit' && finals.length > 0) violated(`${where} was delivered`);
      const mayRepeat = isDelayed && faults.length > 0;
      if (finals.length > commits && !mayRepeat)
        violated(`${where}, sent ${commits} times, was delivered ${finals.length} times`);
      if (word === 'never' && givenUp.length === 0) violated(`${where} was not given up`);
      for (const message of givenUp) {
        const times = Number(propertiesIn(message).get('TRANSACTION_CHECK_TIMES'));
        if (times !== CHECK_MAX) violated(`${where} was given up after ${times} checks`);
      }
      if (word === 'commit' && finals.length === 0 && isHeard) violated(`${where} was acknowledged, and given up`);
      if (isPrepared)
        this.world.ledger.count(finals.length > 0 ? 'transaction delivered' : 'transaction not delivered');
      if (faults.length > 0) continue;
      if (asked > CHECK_MAX) violated(`${where} was asked about ${asked} times`);
      if (isPrepared && word === 'commit' && finals.length === 0) violated(`${where} was not delivered`);
    }
  }

  private read(): { traces: Map<string, Traces>; done: Set<number> } {
    const traces = new Map<string, Traces>();
    const done = new Set<number>();
    for (const message of this.log.messages()) {
      const { topic, body } = message;
      if (topic === OP_TOPIC) done.add(Number(body.toString('latin1')));
      if (topic !== HALF_TOPIC && topic !== TOPIC && topic !== GIVEN_UP_TOPIC) continue;
      const key = body.toString('latin1');
      if (!this.transactions.has(key)) violated(`${this.master} holds "${key}", which nobody sent`);
      const found = traces.get(key) ?? { halves: [], finals: [], givenUp: [] };
      traces.set(key, found);
      const kind = topic === HALF_TOPIC ? found.halves : topic === TOPIC ? found.finals : found.givenUp;
      kind.push(message);
    }
    return { traces, done };
  }
}

/** A half message that nobody will look at any more, and that is neither done nor followed by a copy nor given up. */
function openHalf({ halves, givenUp }: Traces, done: ReadonlySet<number>): StoredMessage | undefined {
  return halves.find((half) => {
    const original = propertiesIn(half).get('TRAN_PREPARED_QUEUE_OFFSET');
    if (done.has(half.queueOffset) || (original !== undefined && done.has(Number(original)))) return false;
    return ![...halves, ...givenUp].some(({ physicalOffset }) => physicalOffset > half.physicalOffset);
  });
}

export const inviteTransactors: Invite = (world: World, random: Prng) =>
  MASTERS.map(
    (master) => new Transactor(world, master, random.pick([20, 100]), random.pick([5, 100, 400]), 1 + random.below(3)),
  );
