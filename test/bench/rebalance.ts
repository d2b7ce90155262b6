/**
 * How long queues have no owner when a member of a group joins, leaves or is killed: real clients, each a process of its
 * own, and a message to every queue of the topic every FEED_EACH_MS. A queue is owned again when the member that has it in
 * the end has got its first message from it, so the figures are those of the whole way and include up to FEED_EACH_MS.
 *
 *     node dist/test/bench/rebalance.js [--rounds 5] [--makers hangar,apache] [--clients java,go]
 *
 * A join counts from the moment when a broker first lists the new member, a leave from the client's call of shutdown, a
 * kill from SIGKILL.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { finish } from '../interop/harness/process.js';
import { aliOnsClient, type Client, goClient, javaClient, Report, type Running } from '../interop/harness/programs.js';
import { createTopic } from '../interop/harness/remoting.js';
import type { Cluster } from '../interop/harness/servers.js';
import type { Maker } from '../interop/harness/store-home.js';
import { startApacheCluster } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { Code, RemotingClient, sendFields } from '../support/remoting-client.js';
import { dateAndMachine, median } from './report.js';

const GET_CONSUMER_LIST = 38;
/** The next message comes soon enough. */
const SYSTEM_BUSY = 2;
const QUEUES_PER_BROKER = 4;
const FEED_EACH_MS = 20;
const LOOK_EACH_MS = 5;
/** Longer than the 30 s between the heartbeats of a client. */
const LIMIT_MS = 40_000;
/** The members that stay to the end. */
const LIVES_MS = 300_000;
/** The last to join goes of its own accord, so long after it has started. */
const STAYS_MS = 8_000;
/** Of the issue. */
const OWNED_AGAIN_MS = 1_000;

const EVENTS = ['join', 'leave', 'kill'] as const;
type Event = (typeof EVENTS)[number];
type Times = Record<Event, number[]>;

interface Receipt {
  /** Broker and queue id. */
  readonly queue: string;
  /** By the clock of the machine. */
  readonly atMs: number;
}

class Member {
  /** Of what was printed. */
  private readChars = 0;

  constructor(readonly running: Running) {}

  /** What was received since the last look. */
  newReceipts(): Receipt[] {
    const { stdout } = this.running.child;
    const end = stdout.lastIndexOf('\n') + 1;
    const lines = new Report(stdout.slice(this.readChars, end)).of('received');
    this.readChars = end;
    return lines.map(({ broker, queue, at }) => ({ queue: `${broker}-${queue}`, atMs: Number(at) }));
  }

  async kill(): Promise<void> {
    this.running.child.signal('SIGKILL');
    await this.running.child.exited;
    this.running.cleanUp();
  }
}

/** One topic that is fed all the time, and one group. */
class Scene {
  private readonly brokers: RemotingClient[] = [];
  private timer: NodeJS.Timeout | undefined;
  private failure: Error | undefined;
  private readonly members: Member[] = [];

  constructor(
    readonly cluster: Cluster,
    readonly client: Client,
    readonly topic: string,
  ) {}

  async begin(): Promise<void> {
    await createTopic(this.cluster, this.topic, QUEUES_PER_BROKER);
    for (const { address } of this.cluster.brokers) this.brokers.push(await RemotingClient.connect(address));
    this.timer = setInterval(() => this.feed(), FEED_EACH_MS);
  }

  async end(): Promise<void> {
    clearInterval(this.timer);
    for (const member of this.members) await member.kill();
    for (const broker of this.brokers) broker.close();
    if (this.failure !== undefined) throw this.failure;
  }

  start(timeoutMs = LIVES_MS): Member {
    const { cluster, topic } = this;
    const options = { namesrv: cluster.namesrv, topic, group: this.group, count: 1e9, timeoutMs };
    const member = new Member(this.client.start('push', options));
    this.members.push(member);
    return member;
  }

  /** Resolves with the moment at which a broker first lists so many members. */
  async listed(members: number): Promise<number> {
    const begunMs = Date.now();
    while (Date.now() - begunMs < LIMIT_MS) {
      for (const broker of this.brokers) {
        const { code, body } = await broker.call(GET_CONSUMER_LIST, { consumerGroup: this.group });
        if (code !== 0) continue;
        const { consumerIdList } = JSON.parse(body.toString()) as { consumerIdList: string[] };
        if (consumerIdList.length >= members) return Date.now();
      }
      await sleep(LOOK_EACH_MS);
    }
    throw new Error(`${members} members of ${this.group}: not within ${LIMIT_MS} ms`);
  }

  /**
   * Resolves with how long after `sinceMs` the last of so many queues gave its first message to the member, or at the end
   * of `limitMs` with Infinity.
   */
  async owns(member: Member, queues: number, sinceMs: number, limitMs = LIMIT_MS): Promise<number> {
    const first = new Map<string, number>();
    for (const endMs = Date.now() + limitMs; Date.now() < endMs; ) {
      for (const { queue, atMs } of member.newReceipts()) {
        if (atMs >= sinceMs && !first.has(queue)) first.set(queue, atMs - sinceMs);
      }
      if (first.size >= queues) return Math.max(...first.values());
      await sleep(LOOK_EACH_MS);
    }
    return Number.POSITIVE_INFINITY;
  }

  private get group(): string {
    return `${this.topic}-group`;
  }

  private feed(): void {
    for (const broker of this.brokers) {
      for (let queueId = 0; queueId < QUEUES_PER_BROKER; queueId++) {
        broker.call(Code.SEND, sendFields(this.topic, queueId), Buffer.from(`${Date.now()}`)).then(
          ({ code, remark }) => {
            if (code !== 0 && code !== SYSTEM_BUSY) this.failure ??= new Error(`send: ${code} ${remark}`);
          },
          (error: Error) => {
            this.failure ??= error;
          },
        );
      }
    }
  }
}

async function measure(scene: Scene, times: Times): Promise<void> {
  const all = scene.cluster.brokers.length * QUEUES_PER_BROKER;
  try {
    await scene.begin();
    const first = scene.start();
    await scene.owns(first, all, 0);
    const second = scene.start();
    times.join.push(await scene.owns(second, all / 2, await scene.listed(2)));
    const killedMs = Date.now();
    await second.kill();
    times.kill.push(await scene.owns(first, all, killedMs));
    const third = scene.start(STAYS_MS);
    const joinedMs = await scene.owns(third, all / 2, await scene.listed(2), STAYS_MS);
    times.join.push(joinedMs);
    await third.running.child.waitForOutput(/^done/m, LIMIT_MS);
    // Who never had a queue leaves none.
    if (joinedMs < STAYS_MS) times.leave.push(await scene.owns(first, all, Date.now()));
    await finish(third.running.child, LIMIT_MS);
  } finally {
    await scene.end();
  }
}

async function clientsOf(names: readonly string[]): Promise<Client[]> {
  const clients: Client[] = [];
  for (const name of names) {
    const found = name === 'ali-ons' ? { client: aliOnsClient() } : await (name === 'go' ? goClient() : javaClient());
    if (found.missing !== undefined) throw new Error(found.missing);
    clients.push(found.client);
  }
  return clients;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      makers: { type: 'string', default: 'hangar,apache' },
      clients: { type: 'string', default: 'java' },
    },
  });
  const clients = await clientsOf(values.clients.split(','));
  console.log(`${dateAndMachine()}, two brokers with ${QUEUES_PER_BROKER} queues each\n`);
  console.log('| client | broker | what | median | least to most | later than that |\n|---|---|---|---|---|---|');
  for (const maker of values.makers.split(',') as Maker[]) {
    const options = { topology: '2m-noslave' } as const;
    const cluster = await (maker === 'apache' ? startApacheCluster(options) : hangarServers.startCluster(options));
    try {
      for (const client of clients) {
        const times: Times = { join: [], leave: [], kill: [] };
        for (let round = 0; round < Number(values.rounds); round++) {
          await measure(new Scene(cluster, client, `rebalance-${client.name.replaceAll(' ', '-')}-${round}`), times);
          process.stderr.write(`${maker}, ${client.name}: ${JSON.stringify(times)}\n`);
        }
        for (const event of EVENTS) print(client, maker, event, times[event]);
      }
    } finally {
      await cluster.stop();
    }
  }
}

function print(client: Client, maker: Maker, event: Event, ms: readonly number[]): void {
  const range = `${Math.min(...ms)} to ${Math.max(...ms)} ms`;
  const late = ms.filter((one) => one >= OWNED_AGAIN_MS).length;
  const bound = `${median(ms)} ms (< ${OWNED_AGAIN_MS})`;
  console.log(`| ${client.name} | ${maker} | ${event} | ${bound} | ${range} | ${late} of ${ms.length} |`);
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
