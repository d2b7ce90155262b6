/** Version of a table that others copy: equal when both parts are. Source: DataVersion.java. */
import type { DataVersion } from '../../../remoting/bodies/tables.js';

export type { DataVersion };

export function firstVersion(nowMs: number): DataVersion {
  return { counter: 0, timestamp: nowMs };
}

export function nextVersion(version: DataVersion, nowMs: number): DataVersion {
  return { counter: version.counter + 1, timestamp: nowMs };
}

export function isSameVersion(a: DataVersion, b: DataVersion): boolean {
  return a.counter === b.counter && a.timestamp === b.timestamp;
}
