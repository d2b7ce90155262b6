/**
 * Requests and replies: a producer sends messages that ask for a reply, members of a group answer them, and the broker
 * pushes each reply to the producer's connection. A reply that was acknowledged was taken by whoever asked, by nobody
 * else; one that he did not take is not acknowledged; and in peace every request has its reply in time.
 */
import type { Prng } from '../../../src/base/prng.js';
import { sendFields } from '../../support/remoting-client.js';
import { violated } from '../ledger.js';
import { MASTERS, type Master } from '../sim-cluster.js';
import { propertiesIn, type StoredMessage } from '../stored.js';
import { type Asked, Session, type WireClient } from '../wire-client.js';
import type { World } from '../world.js';
import { Crew } from './crew.js';
import { propertiesText } from './feeder.js';
import type { Guest, Invite } from './guest.js';
import { heartbeatBody } from './heartbeat.js';
import type { OwnedQueue } from './owned-queue.js';
import { Progress } from './progress.js';

const SEND = 310;
const REPLY = 325;
const PUSHED_REPLY = 326;
const HEARTBEAT = 34;
const HEARTBEAT_MS = 3_000;
const STORED_CODES: readonly number[] = [0, 10, 11, 12];
const TOPIC = 'Asked';
const QUEUES = 3;
const REFUSE_ODDS = 0.1;
const REPLIED_MS = 3_000;
const TRIED_OUT = 5;

interface Habits {
  readonly requests: number;
  readonly thinkMs: number;
  readonly requesters: number;
  readonly members: number;
  readonly changeMs: number;
}

/** Of one request. */
interface Request {
  readonly clientId: string;
  isStored: boolean;
  /** Replies that the requester took, and that it sent away. */
  taken: number;
  refused: number;
}

export class Requester implements Guest {
  readonly topics = [TOPIC];
  private readonly group: string;
  private readonly sessions: readonly Session[];
  private readonly crew: Crew;
  private readonly progress: Progress;
  /** By correlation id. */
  private readonly requests = new Map<string, Request>();

  constructor(
    private readonly world: World,
    private readonly master: Master,
    private readonly habits: Habits,
  ) {
    const { simulation, cluster } = world;
    const net = `10.11.${MASTERS.indexOf(master)}`;
    this.group = `askers-${master}`;
    this.progress = new Progress(world);
    this.sessions = Array.from({ length: habits.requesters }, (_, index) => {
      const address = `${net}.${90 + index}`;
      const welcome = (client: WireClient): void => this.welcome(client, `${address}@1`);
      return new Session(simulation, cluster.settingsOf(master).listenPort, address, welcome);
    });
    this.crew = new Crew(
      world,
      {
        role: master,
        group: `answerers-${master}`,
        topics: { [TOPIC]: QUEUES },
        maxMessages: 8,
        subscriptionTo: (topic) => ({ topic, text: '*', type: 'TAG', version: 1 }),
        handle: (message, queue, done) => this.reply(message, queue, done),
      },
      net,
      habits.members,
      habits.changeMs,
    );
  }

  // ---- who asks

  private welcome(client: WireClient, clientId: string): void {
    client.onAsked = (asked) => this.onAsked(client, clientId, asked);
    this.heartbeat(client, clientId);
    this.askLater(client, clientId);
  }

  private heartbeat(client: WireClient, clientId: string): void {
    if (!client.isOpen) return;
    client.call(HEARTBEAT, {}, heartbeatBody(clientId, [], [this.group]), () => undefined);
    this.world.simulation.after(HEARTBEAT_MS, () => this.heartbeat(client, clientId));
  }

  private askLater(client: WireClient, clientId: string): void {
    const { world, habits, requests } = this;
    world.simulation.after(world.simulation.random.unit() * habits.thinkMs, () => {
      if (world.isSending && requests.size < habits.requests) this.ask(client, clientId);
    });
  }

  private ask(client: WireClient, clientId: string): void {
    if (!client.isOpen) return;
    const { world, requests, group } = this;
    const correlation = `${this.master}/${requests.size}`;
    const request: Request = { clientId, isStored: false, taken: 0, refused: 0 };
    requests.set(correlation, request);
    const text = propertiesText({
      UNIQ_KEY: correlation,
      CORRELATION_ID: correlation,
      REPLY_TO_CLIENT: clientId,
      TTL: String(REPLIED_MS),
    });
    const { random, time } = world.simulation;
    const fields = sendFields(TOPIC, random.below(QUEUES), text, { a: group, d: QUEUES, g: String(time.now()) });
    client.call(SEND, fields, Buffer.from(correlation), (answer) => {
      world.ledger.count(`asked ${answer?.code ?? 'lost'}`);
      request.isStored = answer !== undefined && STORED_CODES.includes(answer.code);
      this.askLater(client, clientId);
    });
  }

  private onAsked(client: WireClient, clientId: string, asked: Asked): void {
    if (asked.code !== PUSHED_REPLY) return;
    const { master, requests, world } = this;
    const properties = propertiesIn({ properties: asked.fields.properties ?? '' });
    const correlation = properties.get('CORRELATION_ID') ?? '';
    const request = requests.get(correlation);
    const where = `${master}: a reply to ${correlation} for ${clientId}`;
    if (request?.clientId !== clientId) violated(`${where}, which ${request?.clientId} has asked`);
    if (asked.body.toString('latin1') !== replyTo(correlation)) violated(`${where} has the body ${asked.body}`);
    if (properties.get('PUSH_REPLY_TIME') === undefined) violated(`${where} does not say when it was pushed`);
    const isRefused = !world.isQuiet && world.simulation.random.chance(REFUSE_ODDS);
    if (isRefused) request.refused++;
    else request.taken++;
    client.answer(asked, isRefused ? 1 : 0);
  }

  // ---- who answers

  private reply(message: StoredMessage, queue: OwnedQueue, done: () => void): void {
    const { world, master, progress, requests } = this;
    progress.takes(message, queue);
    const { client } = queue.member;
    const properties = propertiesIn(message);
    const correlation = properties.get('CORRELATION_ID')!;
    const finish = (): void => {
      progress.handled(message, queue);
      done();
    };
    // A reply that does not leave is the requester's time-out.
    if (client === undefined) return finish();
    const text = propertiesText({
      CORRELATION_ID: correlation,
      REPLY_TO_CLIENT: properties.get('REPLY_TO_CLIENT')!,
      MSG_TYPE: 'reply',
      TTL: properties.get('TTL')!,
    });
    const fields = sendFields(`${properties.get('CLUSTER')}_REPLY_TOPIC`, 0, text, {
      g: String(world.simulation.time.now()),
    });
    const { taken: before } = requests.get(correlation)!;
    client.call(REPLY, fields, Buffer.from(replyTo(correlation)), (answer) => {
      world.ledger.count(`reply ${answer?.code ?? 'lost'}`);
      const { taken } = requests.get(correlation)!;
      if (answer?.code === 0 && taken === before) violated(`${master}: a reply to ${correlation} did not arrive`);
      finish();
    });
  }

  // ---- what came of it

  missing(): string[] {
    const { master, requests, progress, sessions, crew } = this;
    if (sessions.some(({ client }) => client === undefined || client.openCalls > 0)) return [`${master}: requests`];
    const stored = [...requests].filter(([, { isStored }]) => isStored).map(([correlation]) => correlation);
    return [...progress.missingOf(stored), ...crew.unowned()];
  }

  async tryOut(): Promise<void> {
    const { sessions, requests, world } = this;
    for (let count = 0; count < TRIED_OUT; count++) {
      const correlation = `${this.master}/${requests.size}`;
      const { client, from } = sessions[count % sessions.length]!;
      this.ask(client!, `${from}@1`);
      const isReplied = (): boolean => requests.get(correlation)!.taken > 0;
      await world.simulation.runUntil(`a reply to ${correlation}`, isReplied, REPLIED_MS);
    }
  }

  check(): void {
    for (const { taken, refused } of this.requests.values()) {
      this.world.ledger.count(taken > 0 ? 'replied' : refused > 0 ? 'reply refused' : 'no reply');
    }
  }

  overdue(limitMs: number): string[] {
    return [...this.sessions.flatMap(({ client }) => client?.overdue(limitMs) ?? []), ...this.crew.overdue(limitMs)];
  }

  leave(): void {
    for (const session of this.sessions) session.leave();
    this.crew.leave();
  }
}

function replyTo(correlation: string): string {
  return `reply to ${correlation}`;
}

export const inviteRequesters: Invite = (world: World, random: Prng) =>
  MASTERS.map(
    (master) =>
      new Requester(world, master, {
        requests: random.pick([20, 100]),
        thinkMs: random.pick([5, 50, 200]),
        requesters: 1 + random.below(2),
        members: 1 + random.below(2),
        changeMs: random.pick([0, 1_000]),
      }),
  );
