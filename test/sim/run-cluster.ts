/**
 * One seed: a cluster of a drawn shape, clients with drawn habits and drawn faults; then peace, and everything is looked
 * at. Throws what it finds, with the seed.
 */
import type { Prng } from '../../src/base/prng.js';
import { Simulation } from '../../src/runtime/simulation/simulation.js';
import {
  becomeQuiet,
  checkCleanStores,
  checkConsumeQueues,
  checkIndexes,
  checkFilesClosed,
  checkLogs,
  checkNothingHeld,
  checkPulls,
  checkRecovery,
  checkRoutes,
  PrefixCheck,
} from './checks.js';
import { Consumer } from './consumer.js';
import { Delayer } from './delayer.js';
import { Echo } from './echo.js';
import { drawFaults, suffer } from './faults.js';
import type { Invite, SufferedFacts } from './guests/guest.js';
import { Ledger, violated } from './ledger.js';
import { drawHabits, Producer, TAGS } from './producer.js';
import { drawShape, MASTERS, ROLES, type Role, type Shape, SimCluster } from './sim-cluster.js';
import { World } from './world.js';

export interface Report {
  readonly trace: string;
  readonly shape: Shape;
  readonly faults: readonly string[];
  readonly messages: number;
  readonly virtualMs: number;
  readonly steps: number;
  /** Answers by request and code. */
  readonly answers: Readonly<Record<string, number>>;
  /** Reads of old messages that waited for the disk. */
  readonly coldReads: number;
}

const PREFIX_CHECK_MS = 250;
const STOP_LIMIT_MS = 20_000;
/** No request of a quiet cluster waits longer: holds end by themselves. */
const OVERDUE_MS = 40_000;

/** Instead of what the seed draws. */
export interface Wishes {
  readonly shape?: Partial<Shape>;
  readonly faults?: readonly string[];
  /** Beside those that are drawn. */
  readonly moreFaults?: readonly string[];
  readonly echoes?: number;
  /** Both masters get delayed messages. */
  readonly delays?: true;
  /** Who comes in place of the usual clients; `withProducers`: beside those who send. */
  readonly guests?: { readonly invite: Invite; readonly withProducers: boolean };
}

/** What is promised in peace comes within this time: a lock that nobody gives back is free after a minute. */
const GUESTS_LIMIT_MS = 180_000;
/** Guests are asked what they miss this often. */
const GUESTS_POLL_MS = 250;

export async function runCluster(seed: number, wishes: Wishes = {}): Promise<Report> {
  const simulation = new Simulation(seed);
  const { random } = simulation;
  const cluster = await SimCluster.create(simulation, { ...drawShape(random), ...wishes.shape });
  const drawn = drawFaults(random);
  const kinds = wishes.faults ?? [...drawn, ...(wishes.moreFaults ?? [])];
  const load = {
    messages: random.pick([200, 800, 2000]),
    burstMs: random.pick([1, 100, 1000]),
    forMs: random.pick([2000, 8000]),
  };
  const world = new World(
    simulation,
    cluster,
    new Ledger(cluster),
    ['Orders', 'Payments', 'A'].slice(0, 1 + random.below(3)),
    load,
  );
  const faults: string[] = [];
  try {
    await cluster.start();
    if (wishes.guests === undefined) addClients(world, random, wishes);
    else addGuests(world, random, wishes.guests);
    const prefix = new PrefixCheck(world);
    const checkAgain = (): void => {
      // After a power loss a master takes from its slave what it has lost, and looks shorter until then.
      if (world.powerLosses > 0) return;
      prefix.check();
      simulation.after(PREFIX_CHECK_MS, checkAgain);
    };
    simulation.after(PREFIX_CHECK_MS, checkAgain);
    faults.push(...(await suffer(world, kinds, load.forMs)));
    await becomeQuiet(world);
    const facts = factsOf(faults);
    await checkAtPeace(world, facts);
    await checkAtEnd(world, facts);
  } catch (error) {
    const facts = { shape: cluster.shape, kinds, messages: world.ledger.sent.length, answers: answersOf(world) };
    const dump = (error as Error).message.includes('SEED=') ? '' : `\n${simulation.dump()}`;
    (error as Error).message += `${dump}\n${JSON.stringify(facts)}`;
    throw error;
  }
  return {
    trace: simulation.trace.hash,
    shape: cluster.shape,
    faults,
    messages: world.ledger.sent.length,
    virtualMs: Math.round(simulation.time.monotonic()),
    steps: simulation.steps,
    answers: answersOf(world),
    coldReads: cluster.process.disk.laterReads,
  };
}

function answersOf({ ledger }: World): Record<string, number> {
  return Object.fromEntries([...ledger.answers].sort());
}

function addGuests(world: World, random: Prng, { invite, withProducers }: NonNullable<Wishes['guests']>): void {
  world.guests.push(...invite(world, random));
  for (let index = withProducers ? random.below(3) : -1; index >= 0; index--) {
    world.producers.push(new Producer(world, `10.1.0.${index}`, drawHabits(random)));
  }
}

function addClients(world: World, random: Prng, wishes: Wishes): void {
  const echoes = wishes.echoes ?? random.below(4);
  for (let index = random.below(4); index >= 0; index--) {
    world.producers.push(new Producer(world, `10.1.0.${index}`, drawHabits(random)));
  }
  for (let index = echoes; index > 0; index--) {
    world.echoes.push(new Echo(world, random.pick(MASTERS), `10.3.0.${index}`, random.pick([0, 5, 50])));
  }
  for (const master of MASTERS) {
    if (!random.chance(0.6) && wishes.delays === undefined) continue;
    const messages = random.pick([20, 200]);
    world.delayers.push(
      new Delayer(world, master, `10.4.0.${MASTERS.indexOf(master)}`, messages, random.pick([5, 50])),
    );
  }
  for (let index = random.below(6); index >= 0; index--) {
    const role: Role = random.pick(ROLES);
    const habits = {
      group: `group-${random.below(3)}-${role}`,
      subscription: '*',
      bringsSubscription: random.chance(0.5),
      maxMessages: random.pick([1, 8, 32, 1000]),
      holdMs: random.pick([100, 2000, 30_000]),
      jumpOdds: random.pick([0, 0.05]),
    };
    const isFiltered = random.chance(0.3);
    const own = isFiltered ? { ...habits, group: `${habits.group}-tag`, subscription: TAGS[0], jumpOdds: 0 } : habits;
    world.consumers.push(new Consumer(world, role, `10.2.0.${index}`, own));
  }
}

/** A clock that is set back makes what waits due at once, as with Apache. */
function factsOf(faults: readonly string[]): SufferedFacts {
  return { faults, isClockTrue: !faults.some((fault) => fault.startsWith('wallClock')) };
}

async function checkAtPeace(world: World, facts: SufferedFacts): Promise<void> {
  const { simulation, consumers, producers, echoes, delayers, guests } = world;
  await guestsHaveAll(world);
  await checkRoutes(world);
  await checkPulls(world);
  await simulation.runUntil('consumers are connected', () => consumers.every(({ isReady }) => isReady), 10_000);
  const overdue = [...consumers, ...producers, ...echoes, ...delayers, ...guests].flatMap((client) =>
    client.overdue(OVERDUE_MS),
  );
  if (overdue.length > 0) violated(`never answered: ${overdue}`);
  for (const guest of guests) await guest.tryOut?.(facts);
}

async function guestsHaveAll({ simulation, guests }: World): Promise<void> {
  const endMs = simulation.time.monotonic() + GUESTS_LIMIT_MS;
  for (;;) {
    const isWaiting = guests.some((guest) => guest.missing().length > 0);
    if (!isWaiting) return;
    const missing = (): string[] => guests.flatMap((guest) => guest.missing());
    if (simulation.time.monotonic() > endMs) violated(`promised, and not there: ${missing().slice(0, 5).join('; ')}`);
    await simulation.runFor(GUESTS_POLL_MS);
  }
}

async function checkAtEnd(world: World, facts: SufferedFacts): Promise<void> {
  const { faults, isClockTrue } = facts;
  const { simulation, cluster, consumers, producers, echoes, delayers, guests } = world;
  for (const client of [...consumers, ...producers, ...echoes, ...delayers, ...guests]) client.leave();
  await checkNothingHeld(world);
  checkLogs(world);
  for (const delayer of delayers) delayer.check(isClockTrue);
  for (const guest of guests) guest.check(facts);
  if (simulation.random.chance(0.6)) {
    await cluster.stop(STOP_LIMIT_MS);
    checkCleanStores(world);
    checkIndexes(world);
    if (!faults.some((fault) => fault.startsWith('threadDeath'))) checkFilesClosed(world);
  } else {
    cluster.kill();
    checkRecovery(world);
  }
  checkLogs(world);
  checkConsumeQueues(world);
}
