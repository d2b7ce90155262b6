/** What is struck, when, how and for how long: drawn from a seed before the soak begins, so that a seed names a plan. */
import { type Prng, prng } from '../../src/base/prng.js';

/**
 * kill          SIGKILL, started again later          stop     SIGTERM, started again later
 * freeze        SIGSTOP, SIGCONT later                crash    a role within its process, which its supervisor starts again
 * visit         a client comes, and leaves later      thread   a whole thread, likewise
 * visit-killed  a client comes, and is killed later
 */
export type How = 'kill' | 'stop' | 'freeze' | 'crash' | 'thread' | 'visit' | 'visit-killed';

/** What can be struck. Nothing is struck again before it has been in peace for `restMs`. */
export interface Target {
  readonly name: string;
  readonly hows: readonly How[];
  /** How long it is away: mostly towards the lower end. */
  readonly awayMs: readonly [least: number, most: number];
  readonly restMs: number;
  /** Struck with it now and then, at the same moment: the slave of a master. */
  readonly partner?: string;
  /** The process that it is a part of: nothing is struck in a process that is away or has just come back. */
  readonly within?: string;
}

export interface Strike {
  readonly atMs: number;
  readonly target: string;
  readonly how: How;
  /** 0: it comes back by itself. */
  readonly forMs: number;
}

export interface PlanOptions {
  readonly seed: number;
  readonly targets: readonly Target[];
  readonly lengthMs: number;
  /** Mean time between two strikes. */
  readonly everyMs: number;
}

/** A thread that dies twice within a minute ends the process, on purpose. */
const THREAD_REST_MS = 65_000;
const PARTNER_CHANCE = 0.2;
const BY_ITSELF: readonly How[] = ['crash', 'thread'];

/** Everything has been mended by the end. */
export function drawPlan({ seed, targets, lengthMs, everyMs }: PlanOptions): Strike[] {
  const random = prng(seed);
  const plan: Strike[] = [];
  const freeAtMs = new Map(targets.map(({ name }) => [name, 0]));
  let threadFreeAtMs = 0;
  const strike = (target: Target, atMs: number): void => {
    const hows = target.hows.filter((how) => how !== 'thread' || atMs >= threadFreeAtMs);
    const how = random.pick(hows);
    const forMs = BY_ITSELF.includes(how) ? 0 : drawAway(random, target);
    if (atMs + forMs > lengthMs) return;
    plan.push({ atMs, target: target.name, how, forMs });
    freeAtMs.set(target.name, atMs + forMs + target.restMs);
    if (how === 'thread') threadFreeAtMs = atMs + THREAD_REST_MS;
  };
  for (let atMs = pause(random, everyMs); atMs < lengthMs; atMs += pause(random, everyMs)) {
    const free = targets.filter(
      ({ name, hows, within }) =>
        freeAtMs.get(name)! <= atMs &&
        (within === undefined || freeAtMs.get(within)! <= atMs) &&
        hows.some((how) => how !== 'thread' || atMs >= threadFreeAtMs),
    );
    if (free.length === 0) continue;
    const target = random.pick(free);
    strike(target, atMs);
    const partner = free.find(({ name }) => name === target.partner);
    if (partner !== undefined && random.chance(PARTNER_CHANCE)) strike(partner, atMs);
  }
  return plan;
}

function pause(random: Prng, meanMs: number): number {
  return Math.round(meanMs * (0.3 + 1.4 * random.unit()));
}

function drawAway(random: Prng, { awayMs: [least, most] }: Target): number {
  const unit = random.unit();
  return Math.round(least + (most - least) * unit * unit);
}

export function sayStrike({ target, how, forMs }: Strike): string {
  return `${how} ${target}${forMs === 0 ? '' : ` for ${(forMs / 1000).toFixed(1)} s`}`;
}
