/** What a soak strikes: every client and server process, and every role and thread of the cluster in one process. */
import type { ClientKind } from './groups.js';
import type { How, Target } from './plan.js';

/** Members that are there from the beginning to the end, by number. */
export const MEMBERS = [1, 2] as const;

const PROCESS: readonly How[] = ['kill', 'stop', 'freeze'];
const ROLES = ['broker-a', 'broker-a-s', 'broker-b', 'broker-b-s', 'namesrv-a'];
/** Worker-0 is there on every machine. */
const THREADS = ['front', 'worker-0', 'io', 'reads'];
const SHORT_SOAK_MS = 180_000;

export const producerOf = (kind: ClientKind): string => `${kind}-producer`;
export const memberOf = (kind: ClientKind, number: number): string => `${kind}-${number}`;
export const visitorOf = (kind: ClientKind): string => `${kind}-visitor`;

/** In a short soak everything is away for a shorter time, so that there is room for many strikes. */
export function targetsOf(kinds: readonly ClientKind[], lengthMs: number): Target[] {
  const scale = lengthMs < SHORT_SOAK_MS ? 0.3 : 1;
  const target = (name: string, hows: readonly How[], mostMs: number, restMs: number, more: object = {}): Target => {
    return { name, hows, awayMs: [500, Math.round(mostMs * scale)], restMs: Math.round(restMs * scale), ...more };
  };
  return [
    ...kinds.flatMap((kind) => [
      target(producerOf(kind), PROCESS, 10_000, 8_000),
      ...MEMBERS.map((number) => target(memberOf(kind, number), PROCESS, 30_000, 8_000)),
      target(visitorOf(kind), ['visit', 'visit-killed'], 40_000, 5_000, { awayMs: [3_000, 40_000 * scale] }),
    ]),
    target('cluster', PROCESS, 15_000, 25_000),
    target('broker-c', PROCESS, 20_000, 15_000, { partner: 'broker-c-s' }),
    target('broker-c-s', PROCESS, 20_000, 15_000),
    target('namesrv-c', PROCESS, 30_000, 10_000),
    // More than five restarts within a minute are one too many, on purpose.
    ...ROLES.map((name): Target => {
      const partner = name === 'broker-a' ? { partner: 'broker-a-s' } : {};
      return { name, hows: ['crash'], awayMs: [0, 0], restMs: 20_000, within: 'cluster', ...partner };
    }),
    ...THREADS.map((name): Target => {
      return { name, hows: ['thread'], awayMs: [0, 0], restMs: 20_000, within: 'cluster' };
    }),
  ];
}
