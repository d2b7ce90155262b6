/**
 * Strategy: bytes of a good store are changed at random places of random files (noise, zeros, ones, a shorter or longer
 * file, a file removed), and the store is closed in order or not.
 *
 * Invariants: `hangar store check` ends with findings, never with an exception; recovery ends or refuses with a line for
 * the operator (StoreError), never with a failed invariant; what it has put right is right: the next start finds the
 * same queues and nothing to do.
 *
 * SEED=n runs one.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/base/disk.js';
import { type Prng, prng } from '../../src/base/prng.js';
import { checkStore } from '../../src/store/check/check-store.js';
import { StoreError } from '../../src/store/log-files.js';
import { createAbortFile, type RecoveredStore, removeAbortFile } from '../../src/store/recovery.js';
import { withSeeds } from '../support/seed.js';
import { HALF, simulatedDisk } from './support.js';
import { DELAY_LEVELS, optionsFor, recover, ROOT, TestStore } from './test-store.js';

const MESSAGES = 90;

function goodFiles(): Map<string, Buffer> {
  const { disk } = simulatedDisk();
  const store = new TestStore(disk);
  for (let i = 0; i < MESSAGES; i++) {
    store.put({
      topic: i % 3 === 0 ? 'payments' : 'orders',
      sysFlag: i % 7 === 0 ? HALF.prepared : HALF.none,
      properties: [
        ['UNIQ_KEY', `U${i}`],
        ['KEYS', `k${i} common`],
      ],
    });
  }
  store.writeOut();
  store.kill();
  recover(disk);
  removeAbortFile(disk, ROOT);
  return filesOf(disk, ROOT);
}

function filesOf(disk: Disk, directory: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const name of disk.list(directory)) {
    const path = `${directory}/${name}`;
    if (disk.stat(path)!.isDirectory) for (const entry of filesOf(disk, path)) files.set(...entry);
    else files.set(path, Buffer.from(disk.readFile(path)!));
  }
  return files;
}

function damage(random: Prng, file: Buffer): Buffer {
  const at = random.below(file.length + 1);
  const end = Math.min(file.length, at + 1 + random.below(random.pick([1, 8, 20, 200])));
  const kind = random.below(6);
  if (kind === 0) return Buffer.from(file.subarray(0, at));
  if (kind === 1) return Buffer.concat([file, Buffer.alloc(1 + random.below(100), 7)]);
  const changed = Buffer.from(file);
  if (kind === 2) changed.fill(0, at, end);
  else if (kind === 3) changed.fill(0xff, at, end);
  else for (let n = at; n < end; n++) changed[n] = random.below(256);
  return changed;
}

function layOut(files: ReadonlyMap<string, Buffer>): Disk {
  const { disk } = simulatedDisk();
  for (const [path, bytes] of files) {
    disk.makeDirectory(path.slice(0, path.lastIndexOf('/')));
    disk.writeFile(path, bytes);
  }
  return disk;
}

function recoverOrRefuse(disk: Disk, acceptsCut: boolean): RecoveredStore | undefined {
  try {
    return recover(disk, { acceptsCut });
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

const queuesOf = ({ queues }: RecoveredStore): string[] =>
  queues.map(({ topic, queueId, minOffset, maxOffset }) => `${topic}-${queueId} ${minOffset} ${maxOffset}`).sort();

const damaged = suite('damaged files of a store');
const good = goodFiles();
const check = (disk: Disk): number =>
  checkStore(
    disk,
    { root: ROOT, delayLevelsMs: DELAY_LEVELS, indexSlots: optionsFor(ROOT).index!.slots },
    { onFinding: () => undefined, onProgress: () => undefined },
  ).damage;

damaged('are found, put right or refused, whatever is wrong with them', async () => {
  let refused = 0;
  let found = 0;
  let opened = 0;
  await withSeeds('damaged-files', 300, async (seed) => {
    const random = prng(seed);
    const files = new Map(good);
    const paths = [...files.keys()];
    for (let places = 1 + random.below(3); places > 0; places--) {
      const path = random.pick(paths);
      const file = files.get(path);
      if (file === undefined) continue;
      if (random.chance(0.1)) files.delete(path);
      else files.set(path, damage(random, file));
    }
    const disk = layOut(files);
    const isCrash = random.chance(0.5);
    if (isCrash) createAbortFile(disk, ROOT);
    if (check(disk) > 0) found++;
    const first = recoverOrRefuse(disk, random.chance(0.5));
    if (first === undefined) {
      refused++;
      return;
    }
    opened++;
    if (disk.stat(`${ROOT}/abort`) !== undefined) removeAbortFile(disk, ROOT);
    const second = recover(disk);
    assert.equal(queuesOf(second), queuesOf(first), `SEED=${seed}`);
    // Without an entry nothing says how far the log was dispatched.
    const isEmpty = first.queues.every(({ minOffset, maxOffset }) => minOffset === maxOffset);
    assert.is(second.abnormal, isEmpty && second.endOffset > 0, `SEED=${seed}`);
    assert.is(second.endOffset, first.endOffset, `SEED=${seed}`);
  });
  if (process.env.SEED !== undefined) return;
  for (const [what, count] of Object.entries({ refused, found, opened })) assert.ok(count > 10, `${what}: ${count}`);
});

damaged.run();
