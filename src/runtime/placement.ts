/**
 * Which actor runs on which worker thread: a pure function of the number of worker threads and the wishes, so that the
 * same host and configuration always give the same table.
 */
import { invariant } from '../base/invariant.js';

export interface PlacementWish {
  readonly actor: string;
  /** Share of a thread that the actor is expected to keep busy. */
  readonly weight: number;
  /** Actors with the same group share a thread. */
  readonly together?: string;
  /** Actors with the same value are spread over different threads as far as there are any. */
  readonly apart?: string;
  /** Pins the actor (configuration). */
  readonly thread?: number;
}

/** Actor name -> worker thread, 0 to threads - 1. Groups are placed heaviest first on the least loaded thread. */
export function place(threads: number, wishes: readonly PlacementWish[]): ReadonlyMap<string, number> {
  invariant(Number.isInteger(threads) && threads >= 1, 'worker threads', threads);
  const groups = new Map<string, PlacementWish[]>();
  for (const wish of wishes) {
    const key = wish.together ?? ` ${wish.actor}`;
    groups.set(key, [...(groups.get(key) ?? []), wish]);
  }
  const weightOf = (group: readonly PlacementWish[]): number => group.reduce((sum, wish) => sum + wish.weight, 0);
  const ordered = [...groups.values()].sort((a, b) => weightOf(b) - weightOf(a));
  const load = new Array<number>(threads).fill(0);
  const keptApart: Set<string>[] = Array.from({ length: threads }, () => new Set());
  const placed = new Map<string, number>();
  for (const group of ordered) {
    const pinned = group.find((wish) => wish.thread !== undefined)?.thread;
    if (pinned !== undefined) invariant(pinned >= 0 && pinned < threads, 'pinned thread', group[0]!.actor, pinned);
    const rivals = group.flatMap((wish) => wish.apart ?? []);
    const clashes = (thread: number): number => rivals.filter((rival) => keptApart[thread]!.has(rival)).length;
    let best = pinned ?? 0;
    for (let thread = 0; pinned === undefined && thread < threads; thread++) {
      const isBetter =
        clashes(thread) < clashes(best) || (clashes(thread) === clashes(best) && load[thread]! < load[best]!);
      if (isBetter) best = thread;
    }
    load[best]! += weightOf(group);
    for (const rival of rivals) keptApart[best]!.add(rival);
    for (const wish of group) placed.set(wish.actor, best);
  }
  return placed;
}
