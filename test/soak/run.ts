/**
 * A soak: real clients produce and consume, everything is killed, stopped, frozen and started at times that a seed gives,
 * and a judge follows what they write down. Then peace: every group has to get the rest.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createTopic } from '../interop/harness/remoting.js';
import type { Client } from '../interop/harness/programs.js';
import { Slot } from './clients.js';
import { type ClientKind, type Group, groupsOf, kindsOf } from './groups.js';
import { appendTo, JournalReader } from './journal.js';
import { Judge } from './judge.js';
import { damagedStores, peace } from './peace.js';
import { drawPlan, type How, type Strike, sayStrike } from './plan.js';
import { layOut, type Servers } from './servers.js';
import { carryOut } from './striking.js';
import { MEMBERS, memberOf, producerOf, targetsOf, visitorOf } from './targets.js';

const TOPIC = 'soak';
const QUEUES = 4;
const READY_MS = 60_000;
const LOOK_MS = 500;
const SAY_EVERY_MS = 30_000;
const MS_PER_MINUTE = 60_000;
/** Characters of what a client said last. */
const SAID_MAX = 300;

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly clients: ReadonlyMap<ClientKind, Client>;
  /** Mean time between two strikes. */
  readonly everyMs: number;
  /** Between two sends of a producer. */
  readonly pauseMs: number;
  /** An empty directory for stores, journal and logs. */
  readonly directory: string;
  readonly say: (line: string) => void;
  /** Ends the strikes early; peace and judgement follow. */
  readonly cut: AbortSignal;
}

export interface SoakResult {
  readonly judge: Judge;
  readonly strikes: ReadonlyMap<How, number>;
  /** Servers that ended by themselves or not in order, stores that are damaged, groups that stayed behind. */
  readonly faults: readonly string[];
  /** Clients that ended by themselves. */
  readonly ends: ReadonlyMap<string, number>;
  readonly peaceMs: number;
  /** Orderly stops of servers that were cut off after 5 s. */
  readonly slowStops: number;
  /** Records of the journal that a kill cut off. */
  readonly torn: number;
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const faults: string[] = [];
  const servers = await layOut(options.directory, (what) => {
    options.say(what);
    faults.push(what);
  });
  const one = new Soak(options, servers, faults);
  try {
    await one.start();
    await one.strike();
    return await one.end();
  } finally {
    await one.close();
  }
}

class Soak {
  private readonly startMs = performance.now();
  private readonly kinds: readonly ClientKind[];
  private readonly groups: readonly Group[];
  private readonly slots = new Map<string, Slot>();
  private readonly ends = new Map<string, number>();
  private readonly strikes = new Map<How, number>();
  private readonly path: string;
  private readonly journal: number;
  private readonly reader: JournalReader;
  private readonly judge: Judge;
  private readonly timers: readonly NodeJS.Timeout[];

  constructor(
    private readonly options: SoakOptions,
    private readonly servers: Servers,
    private readonly faults: string[],
  ) {
    this.kinds = [...options.clients.keys()];
    this.groups = groupsOf(this.kinds);
    this.path = join(options.directory, 'journal');
    this.journal = openSync(this.path, 'a');
    this.reader = new JournalReader(this.path);
    const staying = this.kinds.flatMap((kind) => MEMBERS.map((number) => memberOf(kind, number)));
    this.judge = new Judge(this.groups, staying);
    this.timers = [
      setInterval(() => this.follow(), LOOK_MS),
      setInterval(() => this.say(stateOf(this.judge)), SAY_EVERY_MS),
    ];
  }

  /** Servers, topics, and every client that stays, one after the other. */
  async start(): Promise<void> {
    await startServers(this.servers);
    await createTopics(this.servers, this.groups);
    for (const [kind, client] of this.options.clients) {
      for (const name of [producerOf(kind), ...MEMBERS.map((number) => memberOf(kind, number)), visitorOf(kind)]) {
        this.slots.set(name, this.slot(name, kind, client));
      }
    }
    for (const slot of this.staying) {
      slot.start();
      await slot.started();
    }
    this.say('servers and clients have started');
  }

  /** Returns when everything has been mended. */
  async strike(): Promise<void> {
    const { seed, minutes, everyMs, cut } = this.options;
    const lengthMs = minutes * MS_PER_MINUTE;
    const plan = drawPlan({ seed, targets: targetsOf(this.kinds, lengthMs), lengthMs, everyMs });
    const told = (event: 'struck' | 'mended', strike: Strike): void => {
      appendTo(this.journal, event, { target: strike.target, how: strike.how, ms: strike.forMs });
      if (event === 'mended') return;
      this.strikes.set(strike.how, (this.strikes.get(strike.how) ?? 0) + 1);
      this.say(sayStrike(strike));
    };
    await Promise.all([
      carryOut(plan, { servers: this.servers.all, slots: this.slots, told, readyMs: READY_MS }, cut),
      delay(lengthMs, undefined, { signal: cut }).catch(() => undefined),
    ]);
  }

  async end(): Promise<SoakResult> {
    const { judge, servers, strikes, faults, ends, reader } = this;
    this.say('peace');
    const peaceFromMs = performance.now();
    writeFileSync(`${this.path}.quiet`, '');
    faults.push(...(await peace(servers.masters, this.groups, judge, () => this.follow())));
    const peaceMs = performance.now() - peaceFromMs;
    await Promise.all(this.staying.map((slot) => slot.stop()));
    this.follow();
    judge.finish();
    await stopServers(servers);
    faults.push(...(await damagedStores(servers.stores)));
    const slowStops = [...servers.all.values()].reduce((sum, server) => sum + server.slowStops, 0);
    return { judge, strikes, faults, ends, peaceMs, slowStops, torn: reader.torn };
  }

  /** Nothing that was started outlives it. */
  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all([...this.slots.values()].map((slot) => slot.kill()));
    await Promise.all([...this.servers.all.values()].map((server) => server.kill()));
    this.reader.close();
    closeSync(this.journal);
  }

  private get staying(): Slot[] {
    return [...this.slots]
      .filter(([name]) => !this.kinds.some((kind) => name === visitorOf(kind)))
      .map(([, slot]) => slot);
  }

  private slot(name: string, kind: ClientKind, client: Client): Slot {
    const { directory, pauseMs } = this.options;
    return new Slot({
      name,
      kind,
      client,
      consumes: name === producerOf(kind) ? undefined : kindsOf(kind),
      namesrv: this.servers.namesrv,
      topic: TOPIC,
      journal: this.path,
      home: join(directory, 'homes', name),
      pauseMs,
      onEnd: (member, code, said) => {
        this.ends.set(member, (this.ends.get(member) ?? 0) + 1);
        appendTo(this.journal, 'ended', { client: member, code: String(code) });
        this.say(`${member} ended by itself with ${code}: ${said.trim().slice(-SAID_MAX)}`);
      },
    });
  }

  private follow(): void {
    this.reader.read((record) => this.judge.take(record));
  }

  private say(text: string): void {
    const seconds = (performance.now() - this.startMs) / 1000;
    this.options.say(`${seconds.toFixed(1).padStart(7)} s  ${text}`);
  }
}

async function startServers({ all }: Servers): Promise<void> {
  // The slave of broker-c is there before its master says that it is ready.
  for (const server of all.values()) server.start();
  await Promise.all([...all.values()].map((server) => server.ready(READY_MS)));
}

async function stopServers({ all }: Servers): Promise<void> {
  for (const name of ['broker-c', 'broker-c-s', 'cluster', 'namesrv-c']) await all.get(name)!.stop();
}

async function createTopics(servers: Servers, groups: readonly Group[]): Promise<void> {
  const cluster = { namesrv: servers.namesrv, brokers: servers.masters };
  await createTopic(cluster, TOPIC, QUEUES);
  for (const { kind, client } of groups) {
    // The Go client subscribes to no topic that is not there.
    if (kind === 'dead') await createTopic(cluster, `%DLQ%soak-${client}-retry`, 1);
  }
}

function stateOf(judge: Judge): string {
  const { tried, acknowledged } = judge.counts;
  const { count, by } = judge.lacking();
  const who = [...by].map(([audience, lacks]) => `${audience} ${lacks}`).join(', ');
  return `sent ${tried}, acknowledged ${acknowledged}, consumed ${judge.deliveries}, to come ${count}${who && `: ${who}`}`;
}
