/** Checks the small files of a store: checkpoint, and the tables of the broker. */
import type { Disk } from '../../base/disk.js';
import { storePath } from '../store-directory.js';
import type { Findings } from './findings.js';

const CHECKPOINT = { bytes: 4_096, times: ['commit log', 'consume queues', 'index'] } as const;
/** fastjson writes keys that are numbers without quotes. */
const BARE_KEY = /([{,]\s*)(-?\d+)(\s*:)/g;

export function checkCheckpoint(disk: Disk, root: string, findings: Findings): void {
  const path = storePath.checkpoint(root);
  const content = disk.readFile(path);
  if (content === undefined) {
    findings.add('notice', 'checkpoint', path, undefined, 'is missing; after a crash the whole log is read');
    return;
  }
  if (content.length !== CHECKPOINT.bytes) {
    findings.add('damage', 'checkpoint', path, undefined, `has ${content.length} bytes instead of ${CHECKPOINT.bytes}`);
  }
  for (const [n, name] of CHECKPOINT.times.entries()) {
    if (content.length < (n + 1) * 8) return;
    const time = content.readBigInt64BE(n * 8);
    if (time < 0n || time > BigInt(Number.MAX_SAFE_INTEGER)) {
      findings.add('damage', 'checkpoint', path, undefined, `the time of the ${name} is ${time}`);
    }
  }
}

/** Reads every table; those in config/topics.json, or undefined when that cannot be read. */
export function checkConfig(disk: Disk, root: string, findings: Findings): ReadonlySet<string> | undefined {
  let topics: ReadonlySet<string> | undefined;
  const directory = storePath.config(root);
  for (const name of disk.list(directory)) {
    const path = `${directory}/${name}`;
    if (name.endsWith('.tmp')) findings.add('notice', 'config', path, undefined, 'was left by an interrupted write');
    if (!/\.json(\.bak)?$/.test(name)) continue;
    const table = parse(disk.readFile(path)?.toString('utf8') ?? '');
    if (table === undefined) {
      const isBackup = name.endsWith('.bak');
      const text = `is no JSON${isBackup ? '' : '; a start takes its .bak'}`;
      findings.add(isBackup ? 'notice' : 'damage', 'config', path, undefined, text);
    } else if (name === 'topics.json') {
      topics = new Set(Object.keys((table.topicConfigTable ?? {}) as object));
    }
  }
  return topics;
}

function parse(text: string): Record<string, unknown> | undefined {
  // A table that was never filled may be empty.
  if (text.trim() === '') return {};
  for (const attempt of [text, text.replace(BARE_KEY, '$1"$2"$3')]) {
    try {
      const value: unknown = JSON.parse(attempt);
      return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}
