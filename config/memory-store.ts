/**
 * Stores in memory (storeKind=memory): where their files seem to be, and how much memory they take. The paths are names
 * only: every thread finds memory there, and nothing of it is on a disk.
 */
import { join } from 'node:path';
import { GIB, MIB } from '../src/base/units.js';
import type { Say } from './load.js';
import type { BrokerSettings, NamesrvSettings } from './schema.js';

/** Not a place that anybody has on a disk. */
const MEMORY_DIRECTORY = '/in-memory/store';

const TIB = 1024 * GIB;

/** Enough for a test run, little enough for four brokers on a build machine. */
export const MEMORY_STORE_BYTES = 256 * MIB;

/** Names, page tables, configuration, and what queues and index have begun: beside storeMaxBytes. */
const OVERHEAD = { part: 8, leastBytes: 32 * MIB } as const;

/** Where the files of a role seem to be. */
export function memoryDirectory(role: string): string {
  return `${MEMORY_DIRECTORY}/${role}`;
}

/** A broker's settings with the paths of a memory store, if that is what it has. */
export function inMemory(
  role: string,
  settings: BrokerSettings,
  say: Say,
  isGiven: (key: string) => boolean,
): BrokerSettings {
  if (settings.storeKind !== 'memory') return settings;
  for (const key of ['storePathRootDir', 'storePathCommitLog']) {
    if (isGiven(key)) say('warning', key, `${key} has no effect, because storeKind is memory`);
  }
  if (settings.storeMaxBytes === 0) {
    say('error', 'storeMaxBytes', 'storeMaxBytes=0 is no limit, and storeKind=memory needs one: give the most bytes');
  }
  if (settings.storeMaxBytes > TIB) {
    say(
      'error',
      'storeMaxBytes',
      `storeMaxBytes=${settings.storeMaxBytes} is more than a store in memory can have, 1t`,
    );
  }
  const storePathRootDir = memoryDirectory(role);
  return { ...settings, storePathRootDir, storePathCommitLog: join(storePathRootDir, 'commitlog') };
}

/** The same for a name server; what tools change of its settings stays in memory as well. */
export function namesrvInMemory(role: string, settings: NamesrvSettings): NamesrvSettings {
  if (settings.storeKind !== 'memory') return settings;
  const directory = memoryDirectory(role);
  return {
    ...settings,
    kvConfigPath: join(directory, 'kvConfig.json'),
    configStorePath: join(directory, 'namesrv.properties'),
  };
}

/** The most that the process takes for the store of one broker. */
export function memoryBytesOf(storeMaxBytes: number): number {
  return storeMaxBytes + Math.max(OVERHEAD.leastBytes, Math.floor(storeMaxBytes / OVERHEAD.part));
}
