/**
 * Who lives where: fixed when the cluster starts, the same on every thread. Only unit epochs change, when the
 * supervisor restarts a unit.
 */
import { invariant } from '../base/invariant.js';
import type { ActorId } from './actor.js';

/** Actors that stop and restart together: a broker, its HA actor and its queue actors. */
export interface UnitEntry {
  readonly name: string;
}

export interface ActorEntry {
  readonly name: string;
  readonly thread: number;
  readonly unit: number;
}

export interface ThreadEntry {
  readonly name: string;
  /**
   * sockets: has an event loop and drains every ring at once, so that nobody waits for it for ever.
   * blocking: parks in Atomics.wait.
   */
  readonly kind: 'sockets' | 'blocking';
}

export interface Directory {
  readonly threads: readonly ThreadEntry[];
  readonly units: readonly UnitEntry[];
  readonly actors: readonly ActorEntry[];
}

export function checkDirectory(directory: Directory): void {
  const names = new Set(directory.actors.map((entry) => entry.name));
  invariant(names.size === directory.actors.length, 'actor names are unique');
  for (const entry of directory.actors) {
    invariant(directory.threads[entry.thread] !== undefined, 'thread of actor', entry.name, entry.thread);
    invariant(directory.units[entry.unit] !== undefined, 'unit of actor', entry.name, entry.unit);
  }
}

export function actorIdOf(directory: Directory, name: string): ActorId {
  const id = directory.actors.findIndex((entry) => entry.name === name);
  invariant(id >= 0, 'no such actor', name);
  return id;
}
