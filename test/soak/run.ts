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
  /** Clients that ended by themselves, by slot. */
  readonly ends: ReadonlyMap<string, number>;
  readonly peaceMs: number;
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { directory, say } = options;
  const faults: string[] = [];
  const servers = await layOut(directory, (what) => {
    say(what);
    faults.push(what);
  });
  const slots = new Map<string, Slot>();
  try {
    return await soakOn(servers, slots, faults, options);
  } finally {
    await Promise.all([...slots.values()].map((slot) => slot.kill()));
    await Promise.all([...servers.all.values()].map((server) => server.kill()));
  }
}

async function soakOn(
  servers: Servers,
  slots: Map<string, Slot>,
  faults: string[],
  options: SoakOptions,
): Promise<SoakResult> {
  const { clients, directory, say, cut } = options;
  const kinds = [...clients.keys()];
  const groups = groupsOf(kinds);
  const path = join(directory, 'journal');
  const journal = openSync(path, 'a');
  const reader = new JournalReader(path);
  const judge = new Judge(
    groups,
    kinds.flatMap((kind) => MEMBERS.map((number) => memberOf(kind, number))),
  );
  const ends = new Map<string, number>();
  const strikes = new Map<How, number>();
  const startMs = performance.now();
  const follow = follower(reader, judge, () => {
    say(`${seconds(startMs)}  ${stateOf(judge)}`);
  });
  try {
    await startServers(servers);
    await createTopics(servers, groups);
    for (const slot of slotsOf(options, servers, path, (member, code, said) => {
      ends.set(member, (ends.get(member) ?? 0) + 1);
      appendTo(journal, 'ended', { client: member, code: String(code) });
      say(`${seconds(startMs)}  ${member} ended by itself with ${code}: ${said.trim().slice(-300)}`);
    })) {
      slots.set(slot.name, slot);
    }
    const staying = [...slots.values()].filter(({ name }) => !name.endsWith('-visitor'));
    for (const slot of staying) {
      slot.start();
      await slot.started();
    }
    say(`${seconds(startMs)}  servers and clients have started`);

    const plan = drawPlan({
      seed: options.seed,
      targets: targetsOf(kinds, options.minutes * 60_000),
      lengthMs: options.minutes * 60_000,
      everyMs: options.everyMs,
    });
    const told = (event: 'struck' | 'mended', strike: Strike): void => {
      appendTo(journal, event, { target: strike.target, how: strike.how, ms: strike.forMs });
      if (event === 'mended') return;
      strikes.set(strike.how, (strikes.get(strike.how) ?? 0) + 1);
      say(sayStrike(strike));
    };
    await Promise.all([
      carryOut(plan, { servers: servers.all, slots, told, readyMs: READY_MS }, cut),
      delay(options.minutes * 60_000, undefined, { signal: cut }).catch(() => undefined),
    ]);

    say(`${seconds(startMs)}  peace`);
    const peaceFromMs = performance.now();
    writeFileSync(`${path}.quiet`, '');
    faults.push(...(await peace(servers.masters, groups, judge, follow.now)));
    const peaceMs = performance.now() - peaceFromMs;
    await Promise.all(staying.map((slot) => slot.stop()));
    follow.now();
    judge.finish();
    await stopServers(servers);
    faults.push(...(await damagedStores(servers.stores)));
    return { judge, strikes, faults, ends, peaceMs };
  } finally {
    follow.end();
    reader.close();
    closeSync(journal);
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

function slotsOf(
  { clients, directory, pauseMs }: SoakOptions,
  { namesrv }: Servers,
  journal: string,
  onEnd: (member: string, code: number | null, said: string) => void,
): Slot[] {
  return [...clients].flatMap(([kind, client]) => {
    const common = { kind, client, namesrv, topic: TOPIC, journal, pauseMs, onEnd };
    const names = [producerOf(kind), ...MEMBERS.map((number) => memberOf(kind, number)), visitorOf(kind)];
    return names.map((name) => {
      const consumes = name === producerOf(kind) ? undefined : kindsOf(kind);
      return new Slot({ ...common, name, consumes, home: join(directory, 'homes', name) });
    });
  });
}

interface Follower {
  /** Judges what was written until now. */
  now(): void;
  end(): void;
}

function follower(reader: JournalReader, judge: Judge, sayState: () => void): Follower {
  const now = (): void => {
    reader.read((record) => judge.take(record));
  };
  const looking = setInterval(now, LOOK_MS);
  const saying = setInterval(sayState, SAY_EVERY_MS);
  return {
    now,
    end: () => {
      clearInterval(looking);
      clearInterval(saying);
    },
  };
}

function stateOf(judge: Judge): string {
  const { tried, acknowledged } = judge.counts;
  const { count, by } = judge.lacking();
  const who = [...by].map(([audience, lacks]) => `${audience} ${lacks}`).join(', ');
  return `sent ${tried}, acknowledged ${acknowledged}, consumed ${judge.deliveries}, to come ${count}${who && `: ${who}`}`;
}

function seconds(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1).padStart(7)} s`;
}
