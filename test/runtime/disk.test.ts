/**
 * One contract, several disks: everything in `conformance` runs against node:fs, the simulation's disk, the disk in
 * shared memory (ram-disk.test.ts has the rest of it) and a disk that is mounted into another one. Then what only one of them has: the simulated disk's power losses and faults, the real one's OS lock and late closing.
 */
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from '../../src/base/clock.js';
import { type Disk, DiskError, type DiskFile, replaceFile } from '../../src/base/disk.js';
import { GIB, KIB, MIB } from '../../src/base/units.js';
import { prng } from '../../src/base/prng.js';
import { MountedDisk } from '../../src/runtime/mounted-disk.js';
import { NodeDisk } from '../../src/runtime/node-disk.js';
import { createRamDisk, RamDisk } from '../../src/runtime/ram-disk/ram-disk.js';
import { MemoryDisk } from '../../src/runtime/simulation/memory-disk.js';

interface Fixture {
  readonly disk: Disk;
  readonly root: string;
  /** Lets syncLater and readLater complete. */
  settle(): Promise<void>;
  dispose(): void;
}

function nodeFixture(): Fixture {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hangar-disk-'));
  let running = 0;
  let idle: () => void = () => {};
  const ended = (): void => {
    if (--running === 0) idle();
  };
  const disk = new NodeDisk(
    (fd, done) => {
      running++;
      fs.fdatasync(fd, (error) => {
        done(error?.code);
        ended();
      });
    },
    (fd, length, position, done) => {
      running++;
      const bytes = Buffer.alloc(length + 3);
      fs.read(fd, bytes, 3, length, position, (error, count) => {
        done(error?.code, bytes, 3, 3 + count);
        bytes.fill(0xff);
        ended();
      });
    },
  );
  const settle = (): Promise<void> =>
    new Promise((resolve) => {
      idle = resolve;
      if (running === 0) resolve();
    });
  return { disk, root, settle, dispose: () => fs.rmSync(root, { recursive: true, force: true }) };
}

class VirtualTime implements Clock {
  ms = 1_700_000_000_000;
  private readonly due: { readonly at: number; readonly action: () => void }[] = [];
  now = (): number => this.ms;
  monotonic = (): number => this.ms;
  localHour = (): number => 0;
  schedule = (delayMs: number, action: () => void): void => {
    this.due.push({ at: this.ms + delayMs, action });
  };
  advance(ms: number): void {
    this.ms += ms;
    const ready = this.due.filter((one) => one.at <= this.ms).sort((a, b) => a.at - b.at);
    for (const one of ready) this.due.splice(this.due.indexOf(one), 1);
    for (const one of ready) one.action();
  }
}

function memoryDisk(capacityBytes?: number): { disk: MemoryDisk; time: VirtualTime } {
  const time = new VirtualTime();
  const limit = capacityBytes === undefined ? {} : { capacityBytes };
  const disk = new MemoryDisk({ clock: time, schedule: time.schedule, ...limit });
  return { disk, time };
}

function memoryFixture(): Fixture {
  const { disk, time } = memoryDisk();
  disk.makeDirectory('/store');
  return { disk, root: '/store', settle: async () => time.advance(10), dispose: () => {} };
}

function ramFixture(): Fixture {
  const { time } = memoryDisk();
  const later = (action: () => void): void => time.schedule(1, action);
  const disk = new RamDisk(createRamDisk(64 * MIB, time), { who: 1, clock: time, later });
  disk.makeDirectory('/store');
  return { disk, root: '/store', settle: async () => time.advance(10), dispose: () => {} };
}

function mountedFixture(): Fixture {
  const ram = ramFixture();
  const disk = new MountedDisk(memoryDisk().disk, [{ directory: '/mounted/here', open: () => ram.disk }]);
  disk.makeDirectory('/mounted/here/store');
  return { ...ram, disk, root: '/mounted/here/store' };
}

const text = (disk: Disk, at: string): string | undefined => disk.readFile(at)?.toString('latin1');

function write(file: DiskFile, content: string, position: number): void {
  file.write(Buffer.from(content, 'latin1'), 0, content.length, position);
}

function codeOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    if (error instanceof DiskError) return error.code;
    throw error;
  }
  return 'no error';
}

function conformance(name: string, make: () => Fixture): void {
  const contract = suite<{ fixture: Fixture; disk: Disk; root: string }>(`disk contract: ${name}`);
  contract.before.each((context) => {
    context.fixture = make();
    context.disk = context.fixture.disk;
    context.root = context.fixture.root;
  });
  contract.after.each((context) => context.fixture.dispose());

  contract('a new file is empty, and what is written at a position is read back there', ({ disk, root }) => {
    const file = disk.open(`${root}/f`, { create: true });
    assert.is(file.size(), 0);
    write(file, 'hello', 3);
    assert.is(file.size(), 8);
    const target = Buffer.alloc(12, 0x2e);
    assert.is(file.read(target, 2, 8, 0), 8);
    assert.is(target.toString('latin1'), '..\0\0\0hello..');
    file.close();
  });

  contract('a read past the end returns what there was', ({ disk, root }) => {
    const file = disk.open(`${root}/f`, { create: true });
    write(file, 'abc', 0);
    const target = Buffer.alloc(8);
    assert.is(file.read(target, 0, 8, 1), 2);
    assert.is(file.read(target, 0, 8, 3), 0);
    assert.is(file.read(target, 0, 8, 100), 0);
    file.close();
  });

  contract('writes cross page borders', ({ disk, root }) => {
    const file = disk.open(`${root}/f`, { create: true });
    const content = Buffer.alloc(20_000);
    for (let at = 0; at < content.length; at++) content[at] = (at * 31) & 0xff;
    file.write(content, 10, 19_000, 4_090);
    const target = Buffer.alloc(19_000);
    assert.is(file.read(target, 0, 19_000, 4_090), 19_000);
    assert.ok(target.equals(content.subarray(10, 19_010)));
    file.close();
  });

  contract('truncate grows with a hole of zeros, also where there was data before', ({ disk, root }) => {
    const file = disk.open(`${root}/f`, { create: true });
    write(file, 'x'.repeat(6_000), 0);
    file.truncate(5_000);
    file.truncate(GIB);
    assert.is(file.size(), GIB);
    const target = Buffer.alloc(2_000);
    file.read(target, 0, 2_000, 4_500);
    assert.is(target.toString('latin1'), 'x'.repeat(500) + '\0'.repeat(1_500));
    assert.is(file.read(target, 0, 2_000, GIB - 100), 100);
    file.close();
  });

  contract('open without create refuses a missing file, create a missing directory', ({ disk, root }) => {
    assert.is(
      codeOf(() => disk.open(`${root}/none`)),
      'ENOENT',
    );
    assert.is(
      codeOf(() => disk.open(`${root}/none/f`, { create: true })),
      'ENOENT',
    );
    assert.is(
      codeOf(() => disk.open(root)),
      'EISDIR',
    );
  });

  contract('open keeps the content, writeFile replaces it', ({ disk, root }) => {
    disk.writeFile(`${root}/f`, 'a longer text');
    disk.open(`${root}/f`, { create: true }).close();
    assert.is(text(disk, `${root}/f`), 'a longer text');
    disk.writeFile(`${root}/f`, Buffer.from('short'));
    assert.is(text(disk, `${root}/f`), 'short');
  });

  contract('missing paths are facts, not errors', ({ disk, root }) => {
    assert.is(disk.readFile(`${root}/none`), undefined);
    assert.is(disk.stat(`${root}/none`), undefined);
    assert.equal(disk.list(`${root}/none`), []);
    disk.remove(`${root}/none`);
    disk.removeTree(`${root}/none`);
    assert.is(
      codeOf(() => disk.rename(`${root}/none`, `${root}/other`)),
      'ENOENT',
    );
    assert.is(
      codeOf(() => disk.syncDirectory(`${root}/none`)),
      'ENOENT',
    );
  });

  contract('a file on the way to a path makes it missing', ({ disk, root }) => {
    disk.writeFile(`${root}/f`, '');
    assert.is(disk.stat(`${root}/f/below`), undefined);
    assert.is(disk.readFile(`${root}/f/below`), undefined);
    assert.is(
      codeOf(() => disk.makeDirectory(`${root}/f`)),
      'EEXIST',
    );
    assert.is(
      codeOf(() => disk.makeDirectory(`${root}/f/below`)),
      'ENOTDIR',
    );
  });

  contract('directories are made with their parents and listed sorted', ({ disk, root }) => {
    disk.makeDirectory(`${root}/a/b/c`);
    disk.makeDirectory(`${root}/a/b/c`);
    for (const name of ['20', '100', '3', '%RETRY%g']) disk.writeFile(`${root}/a/${name}`, name);
    assert.equal(disk.list(`${root}/a`), ['%RETRY%g', '100', '20', '3', 'b']);
    assert.is(disk.stat(`${root}/a/b`)?.isDirectory, true);
    assert.is(
      codeOf(() => disk.remove(`${root}/a/b`)),
      'EISDIR',
    );
    disk.removeTree(`${root}/a`);
    assert.equal(disk.list(root), []);
  });

  contract('a removed file lives on for who has it open', ({ disk, root }) => {
    const file = disk.open(`${root}/f`, { create: true });
    write(file, 'still here', 0);
    disk.remove(`${root}/f`);
    assert.is(disk.stat(`${root}/f`), undefined);
    const target = Buffer.alloc(10);
    assert.is(file.read(target, 0, 10, 0), 10);
    file.close();
  });

  contract('rename replaces the target', ({ disk, root }) => {
    disk.makeDirectory(`${root}/a`);
    disk.writeFile(`${root}/a/from`, 'new');
    disk.writeFile(`${root}/to`, 'old');
    disk.rename(`${root}/a/from`, `${root}/to`);
    assert.is(text(disk, `${root}/to`), 'new');
    assert.equal(disk.list(`${root}/a`), []);
    disk.syncDirectory(root);
  });

  contract('replaceFile leaves the new content and no temporary file', ({ disk, root }) => {
    replaceFile(disk, `${root}/topics.json`, 'one');
    replaceFile(disk, `${root}/topics.json`, 'two');
    assert.is(text(disk, `${root}/topics.json`), 'two');
    assert.equal(disk.list(root), ['topics.json']);
  });

  contract('stat tells size and modification time, which can be set', ({ disk, root }) => {
    const file = disk.open(`${root}/f`, { create: true });
    write(file, 'abc', 0);
    file.setModified(1_600_000_000_123);
    assert.equal(disk.stat(`${root}/f`), { bytes: 3, modifiedMs: 1_600_000_000_123, isDirectory: false });
    file.close();
  });

  contract('syncLater completes in a later turn', async ({ disk, root, fixture }) => {
    const file = disk.open(`${root}/f`, { create: true });
    write(file, 'abc', 0);
    const outcomes: (DiskError | undefined)[] = [];
    file.syncLater((error) => outcomes.push(error));
    file.syncLater((error) => outcomes.push(error));
    file.close();
    assert.is(outcomes.length, 0, 'not before the caller has returned');
    await fixture.settle();
    assert.equal(outcomes, [undefined, undefined]);
    assert.is(text(disk, `${root}/f`), 'abc');
  });

  contract(
    'readLater copies in a later turn what there is, from a file closed meanwhile too',
    async ({ disk, root, fixture }) => {
      const file = disk.open(`${root}/f`, { create: true });
      const content = Buffer.alloc(200_000);
      for (let at = 0; at < content.length; at++) content[at] = (at * 31) & 0xff;
      file.write(content, 0, content.length, 0);
      const target = Buffer.alloc(200_010);
      const outcomes: unknown[] = [];
      file.readLater(target, 5, 199_000, 500, (error, bytes) => outcomes.push(error, bytes));
      const rest = Buffer.alloc(100);
      file.readLater(rest, 0, 100, 199_990, (error, bytes) => outcomes.push(error, bytes));
      file.readLater(rest, 50, 50, 300_000, (error, bytes) => outcomes.push(error, bytes));
      file.close();
      assert.is(outcomes.length, 0, 'not before the caller has returned');
      await fixture.settle();
      assert.is(outcomes.length, 6);
      for (const expected of [199_000, 10, 0]) assert.ok(outcomes.includes(expected));
      assert.ok(target.subarray(5, 199_005).equals(content.subarray(500, 199_500)));
      assert.ok(rest.subarray(0, 10).equals(content.subarray(199_990)));
      assert.equal([...new Set([...target.subarray(0, 5), ...target.subarray(199_005), ...rest.subarray(10)])], [0]);
    },
  );

  contract('a closed handle refuses, closing twice is fine', ({ disk, root }) => {
    const file = disk.open(`${root}/f`, { create: true });
    file.sync();
    file.close();
    file.close();
    assert.is(
      codeOf(() => write(file, 'x', 0)),
      'EBADF',
    );
    assert.is(
      codeOf(() => file.read(Buffer.alloc(1), 0, 1, 0)),
      'EBADF',
    );
    assert.is(
      codeOf(() => file.readLater(Buffer.alloc(1), 0, 1, 0, () => assert.unreachable())),
      'EBADF',
    );
    assert.is(
      codeOf(() => file.sync()),
      'EBADF',
    );
  });

  contract('a lock excludes a second one until it is released', ({ disk, root }) => {
    const lock = disk.lock(`${root}/lock`);
    assert.is(
      codeOf(() => disk.lock(`${root}/lock`)),
      'EAGAIN',
    );
    disk.writeFile(`${root}/lock`, 'lock');
    assert.is(
      codeOf(() => disk.lock(`${root}/lock`)),
      'EAGAIN',
      'writing and closing the file does not drop it',
    );
    lock.release();
    lock.release();
    disk.lock(`${root}/lock`).release();
    assert.is(text(disk, `${root}/lock`), 'lock');
  });

  contract('usage answers for paths that do not exist yet', ({ disk, root }) => {
    const usage = disk.usage(`${root}/not/yet`);
    assert.ok(usage.totalBytes >= usage.usedBytes + usage.availableBytes);
    assert.ok(usage.availableBytes > 0);
  });

  contract.run();
}

conformance('node:fs', nodeFixture);
conformance('simulation', memoryFixture);
conformance('shared memory', ramFixture);
conformance('mounted', mountedFixture);

const powerLoss = suite('simulated disk: power loss and kill');

/** `pages` 4 KiB pages filled with one letter, synced or not. */
function fill(file: DiskFile, letter: string, bytes: number): void {
  file.write(Buffer.alloc(bytes, letter), 0, bytes, 0);
}

function sectorsOf(content: Buffer): string {
  let letters = '';
  for (let at = 0; at < content.length; at += 512) {
    const sector = content.subarray(at, at + 512);
    assert.ok(
      sector.every((byte) => byte === sector[0]),
      `sector at ${at} is torn inside`,
    );
    letters += String.fromCharCode(sector[0]!);
  }
  return letters;
}

powerLoss('what was synced is always there, whatever the seed', () => {
  for (let seed = 0; seed < 200; seed++) {
    const { disk } = memoryDisk();
    disk.makeDirectory('/s');
    disk.syncDirectory('/');
    const file = disk.open('/s/f', { create: true });
    fill(file, 'a', 8 * KIB);
    file.sync();
    disk.syncDirectory('/s');
    file.write(Buffer.alloc(KIB, 'b'), 0, KIB, 8 * KIB);
    disk.crash(prng(seed));
    const content = disk.readFile('/s/f')!;
    assert.is(sectorsOf(content.subarray(0, 8 * KIB)), 'a'.repeat(16), `SEED=${seed}`);
    assert.ok(content.length === 8 * KIB || content.length === 9 * KIB, `SEED=${seed}`);
  }
});

powerLoss('unsynced sectors are lost, kept or torn at 512 bytes, and may overtake each other', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const { disk } = memoryDisk();
    const file = disk.open('/f', { create: true });
    fill(file, 'a', 2 * KIB);
    file.sync();
    disk.syncDirectory('/');
    fill(file, 'b', 2 * KIB);
    disk.writeBack(prng(seed));
    fill(file, 'c', 2 * KIB);
    disk.crash(prng(seed));
    seen.add(sectorsOf(disk.readFile('/f')!));
  }
  assert.ok(seen.has('aaaa') || [...seen].some((one) => /^[ab]+$/.test(one)), 'all of c lost');
  assert.ok(seen.has('cccc'), 'all kept');
  assert.ok(seen.has('aaac'), 'a later sector without an earlier one');
  assert.ok(
    [...seen].some((one) => /b/.test(one)),
    'written back by the kernel, then overwritten',
  );
});

powerLoss('a truncation may be lost, and then brings back the old data and no zeros', () => {
  const sizes = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const { disk } = memoryDisk();
    const file = disk.open('/f', { create: true });
    fill(file, 'a', 8 * KIB);
    file.sync();
    disk.syncDirectory('/');
    file.truncate(5 * KIB);
    disk.crash(prng(seed));
    const content = disk.readFile('/f')!;
    sizes.add(content.length);
    assert.is(sectorsOf(content), 'a'.repeat(content.length / 512), `SEED=${seed}`);
  }
  assert.equal([...sizes].sort(), [5 * KIB, 8 * KIB]);
});

powerLoss('a file whose directory was not synced may be gone although its content was synced', () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const { disk } = memoryDisk();
    disk.makeDirectory('/s');
    disk.syncDirectory('/');
    for (const name of ['1', '2', '3']) {
      const file = disk.open(`/s/${name}`, { create: true });
      fill(file, 'a', KIB);
      file.sync();
    }
    disk.crash(prng(seed));
    outcomes.add(disk.list('/s').join());
  }
  assert.equal([...outcomes].sort(), ['', '1', '1,2', '1,2,3'], 'a suffix of the changes is lost');
});

powerLoss('a removed file may come back, a replaced one is the old or the new, never neither', () => {
  const removed = new Set<boolean>();
  const replaced = new Set<string | undefined>();
  for (let seed = 0; seed < 60; seed++) {
    const { disk } = memoryDisk();
    for (const name of ['gone', 'kept']) {
      const file = disk.open(`/${name}`, { create: true });
      write(file, 'old', 0);
      file.sync();
    }
    disk.syncDirectory('/');
    const fresh = disk.open('/kept.tmp', { create: true });
    write(fresh, 'new', 0);
    fresh.sync();
    disk.rename('/kept.tmp', '/kept');
    disk.remove('/gone');
    disk.crash(prng(seed));
    removed.add(disk.stat('/gone') === undefined);
    replaced.add(text(disk, '/kept'));
  }
  assert.is(removed.size, 2);
  assert.equal([...replaced].sort(), ['new', 'old']);
});

powerLoss('a rename to another directory is atomic', () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const { disk } = memoryDisk();
    disk.makeDirectory('/a');
    disk.makeDirectory('/b');
    disk.open('/a/f', { create: true });
    disk.syncDirectory('/a');
    disk.syncDirectory('/');
    disk.rename('/a/f', '/b/f');
    disk.crash(prng(seed));
    outcomes.add(`${disk.list('/a')}|${disk.list('/b')}`);
  }
  assert.equal([...outcomes].sort(), ['f|', '|f']);
});

powerLoss('a sync under way promises nothing until it completes, and nothing about later writes', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const { disk, time } = memoryDisk();
    const file = disk.open('/f', { create: true });
    disk.syncDirectory('/');
    fill(file, 'a', KIB);
    let completed = false;
    file.syncLater(() => {
      completed = true;
    });
    file.write(Buffer.alloc(512, 'b'), 0, 512, 512);
    if (seed % 2 === 0) time.advance(5);
    assert.is(completed, seed % 2 === 0);
    disk.crash(prng(seed));
    const content = sectorsOf(disk.readFile('/f')!);
    if (completed) assert.match(content, /^a[ab]$/, `SEED=${seed}`);
    seen.add(`${completed} ${content}`);
  }
  assert.ok(seen.has('true aa') && seen.has('true ab') && seen.has('false '), [...seen].join());
});

powerLoss('a failed sync is reported once, and what it covered is never made good', () => {
  const { disk } = memoryDisk();
  const file = disk.open('/f', { create: true });
  fill(file, 'a', KIB);
  file.sync();
  disk.syncDirectory('/');
  file.write(Buffer.alloc(512, 'b'), 0, 512, 0);
  disk.inject({ operation: 'sync', pathPart: '/f', code: 'EIO', times: 1 });
  assert.is(
    codeOf(() => file.sync()),
    'EIO',
  );
  file.sync();
  assert.is(sectorsOf(disk.readFile('/f')!), 'ba', 'still readable');
  disk.crash(prng(1));
  assert.is(sectorsOf(disk.readFile('/f')!), 'aa');
});

powerLoss('a size that grew is kept, lost, or kept up to a page, and zeros are where the data was lost', () => {
  const sizes = new Set<number>();
  for (let seed = 0; seed < 300; seed++) {
    const { disk } = memoryDisk();
    const file = disk.open('/f', { create: true });
    fill(file, 'a', KIB);
    file.sync();
    disk.syncDirectory('/');
    file.write(Buffer.alloc(9 * KIB, 'b'), 0, 9 * KIB, KIB);
    disk.crash(prng(seed));
    const content = disk.readFile('/f')!;
    sizes.add(content.length);
    assert.match(sectorsOf(content), /^aa[b\0]*$/, `SEED=${seed}`);
  }
  assert.equal(
    [...sizes].sort((a, b) => a - b),
    [KIB, 4 * KIB, 8 * KIB, 10 * KIB],
  );
});

powerLoss('fdatasync covers its own file only', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const { disk } = memoryDisk();
    const [one, other] = ['/one', '/other'].map((name) => disk.open(name, { create: true }));
    disk.syncDirectory('/');
    fill(one!, 'a', KIB);
    fill(other!, 'b', KIB);
    one!.sync();
    disk.crash(prng(seed));
    assert.is(sectorsOf(disk.readFile('/one')!), 'aa', `SEED=${seed}`);
    seen.add(sectorsOf(disk.readFile('/other')!));
  }
  assert.ok(seen.has('') && seen.has('bb'), [...seen].join());
});

powerLoss('a sector that changes while it is synced: the sync has written the one or the other content', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const { disk, time } = memoryDisk();
    const file = disk.open('/f', { create: true });
    fill(file, 'a', KIB);
    file.sync();
    disk.syncDirectory('/');
    fill(file, 'b', KIB);
    file.syncLater(() => undefined);
    file.write(Buffer.alloc(512, 'c'), 0, 512, 0);
    file.write(Buffer.alloc(512, 'c'), 0, 512, 512);
    if (seed % 2 === 0) time.advance(5);
    disk.crash(prng(seed));
    const content = sectorsOf(disk.readFile('/f')!);
    if (seed % 2 === 0) assert.match(content, /^[bc][bc]$/, `SEED=${seed}`);
    seen.add(`${seed % 2} ${content}`);
  }
  for (const one of ['0 bc', '0 cc', '1 ba', '1 cc']) assert.ok(seen.has(one), `${one} of ${[...seen].join()}`);
});

powerLoss('what a failed sync gave up may leave the page cache; what was written since stays', () => {
  const { disk } = memoryDisk();
  const file = disk.open('/f', { create: true });
  fill(file, 'a', KIB);
  file.sync();
  disk.syncDirectory('/');
  fill(file, 'b', KIB);
  disk.inject({ operation: 'sync', pathPart: '/f', code: 'EIO', times: 1 });
  assert.throws(() => file.sync());
  file.write(Buffer.alloc(512, 'c'), 0, 512, 512);
  disk.evictLost();
  assert.is(sectorsOf(disk.readFile('/f')!), 'ac');
  file.sync();
  disk.crash(prng(1));
  assert.is(sectorsOf(disk.readFile('/f')!), 'ac');
});

powerLoss('one disk loses its power, the others do not', () => {
  let lost = 0;
  for (let seed = 0; seed < 60; seed++) {
    const { disk } = memoryDisk();
    for (const directory of ['/a', '/b']) {
      disk.makeDirectory(directory);
      disk.syncDirectory('/');
      fill(disk.open(`${directory}/f`, { create: true }), 'x', 8 * KIB);
    }
    disk.crash(prng(seed), '/a');
    if (disk.readFile('/a/f')?.length !== 8 * KIB) lost++;
    assert.is(sectorsOf(disk.readFile('/b/f')!), 'x'.repeat(16), `SEED=${seed}`);
    disk.crash(prng(seed), '/b');
  }
  assert.ok(lost > 10);
});

powerLoss('a kill keeps the page cache and drops handles, locks and completions', () => {
  const { disk, time } = memoryDisk();
  const file = disk.open('/f', { create: true });
  fill(file, 'a', KIB);
  const lock = disk.lock('/lock');
  let completed = false;
  file.syncLater(() => {
    completed = true;
  });
  assert.is(disk.openFiles(), 2);
  disk.processKill();
  time.advance(100);
  assert.not(completed);
  assert.is(disk.openFiles(), 0);
  assert.is(sectorsOf(disk.readFile('/f')!), 'aa');
  assert.is(
    codeOf(() => write(file, 'x', 0)),
    'EBADF',
  );
  const second = disk.lock('/lock');
  lock.release();
  assert.is(
    codeOf(() => disk.lock('/lock')),
    'EAGAIN',
    'the dead owner cannot release it',
  );
  second.release();
});

powerLoss('the same seed leaves the same bytes', () => {
  const run = (): string => {
    const { disk } = memoryDisk();
    const random = prng(4711);
    disk.makeDirectory('/d');
    for (let step = 0; step < 300; step++) {
      const file = disk.open(`/d/${random.below(5)}`, { create: true });
      const length = 1 + random.below(6_000);
      file.write(Buffer.alloc(length, 97 + random.below(26)), 0, length, random.below(20_000));
      if (random.chance(0.1)) file.sync();
      if (random.chance(0.05)) disk.syncDirectory('/d');
      if (random.chance(0.05)) disk.writeBack(random);
      file.close();
    }
    disk.syncDirectory('/');
    disk.crash(random);
    return disk
      .list('/d')
      .map((name) => `${name}:${disk.readFile(`/d/${name}`)!.toString('latin1')}`)
      .join();
  };
  assert.ok(run().length > 10_000);
  assert.is(run(), run());
});

powerLoss.run();

const faults = suite('simulated disk: errors and limits');

faults('a full disk takes what fits, refuses, and recovers when space returns', () => {
  const { disk } = memoryDisk(16 * KIB);
  const file = disk.open('/f', { create: true });
  file.truncate(GIB);
  fill(file, 'a', 8 * KIB);
  assert.is(
    codeOf(() => file.write(Buffer.alloc(12 * KIB, 'b'), 0, 12 * KIB, 8 * KIB)),
    'ENOSPC',
  );
  const target = Buffer.alloc(12 * KIB);
  file.read(target, 0, 12 * KIB, 8 * KIB);
  assert.is(sectorsOf(target), `${'b'.repeat(16)}${'\0'.repeat(8)}`);
  fill(file, 'c', 16 * KIB);
  assert.is(disk.usage('/').availableBytes, 0);
  const other = disk.open('/other', { create: true });
  assert.is(
    codeOf(() => write(other, 'x', 0)),
    'ENOSPC',
  );
  file.truncate(4 * KIB);
  write(other, 'x', 0);
  assert.is(disk.usage('/').availableBytes, 8 * KIB);
  disk.remove('/f');
  assert.is(disk.usage('/').availableBytes, 8 * KIB, 'an open file keeps its space');
  file.close();
  assert.is(disk.usage('/').availableBytes, 12 * KIB);
});

faults('injected errors hit matching paths, as often as asked', () => {
  const { disk } = memoryDisk();
  const file = disk.open('/commitlog', { create: true });
  const other = disk.open('/index', { create: true });
  disk.inject({ operation: 'write', pathPart: 'commit', code: 'EIO', times: 2 });
  write(other, 'fine', 0);
  for (const expected of ['EIO', 'EIO', 'no error'])
    assert.is(
      codeOf(() => write(file, 'x', 0)),
      expected,
    );
  disk.inject({ operation: 'read', pathPart: '', code: 'EIO', times: Number.POSITIVE_INFINITY });
  for (let time = 0; time < 3; time++)
    assert.is(
      codeOf(() => disk.readFile('/index')),
      'EIO',
    );
  disk.clearFaults();
  assert.is(text(disk, '/index'), 'fine');
});

faults('a read that fails elsewhere says so, and one of a process that was killed says nothing', () => {
  const { disk, time } = memoryDisk();
  const file = disk.open('/f', { create: true });
  write(file, 'abc', 0);
  const outcomes: unknown[] = [];
  const read = (): void =>
    file.readLater(Buffer.alloc(3), 0, 3, 0, (error, bytes) => outcomes.push(error?.code, bytes));
  disk.inject({ operation: 'read', pathPart: '/f', code: 'EIO', times: 1 });
  read();
  time.advance(10);
  assert.equal(outcomes, ['EIO', 0]);
  read();
  disk.processKill();
  time.advance(10);
  assert.is(outcomes.length, 2);
});

faults('a 1 GiB file costs the pages that were written', () => {
  const { disk } = memoryDisk(64 * KIB);
  const file = disk.open('/f', { create: true });
  file.truncate(GIB);
  write(file, 'x', GIB - 1);
  file.sync();
  disk.syncDirectory('/');
  disk.crash(prng(3));
  assert.is(disk.stat('/f')?.bytes, GIB);
  assert.is(disk.usage('/').availableBytes, 60 * KIB);
});

faults.run();

const real = suite<{ root: string }>('real disk: lock and late close');
real.before.each((context) => {
  context.root = fs.mkdtempSync(path.join(os.tmpdir(), 'hangar-disk-'));
});
real.after.each((context) => fs.rmSync(context.root, { recursive: true, force: true }));

real('a file that is closed during a sync keeps its descriptor until the sync is done', ({ root }) => {
  const started: { fd: number; done: (code?: string) => void }[] = [];
  const disk = new NodeDisk((fd, done) => started.push({ fd, done }));
  const file = disk.open(`${root}/f`, { create: true });
  const errors: (string | undefined)[] = [];
  file.syncLater((error) => errors.push(error?.code));
  file.close();
  const other = disk.open(`${root}/other`, { create: true });
  other.syncLater((error) => errors.push(error?.code));
  assert.is.not(started[0]!.fd, started[1]!.fd);
  started[0]!.done('EIO');
  started[1]!.done();
  assert.equal(errors, ['EIO', undefined]);
  assert.throws(() => fs.fstatSync(started[0]!.fd), /EBADF/);
  other.close();
});

real('a read elsewhere keeps the descriptor too, and its error comes with the path', ({ root }) => {
  const asked: {
    fd: number;
    done: (code: string | undefined, bytes: Uint8Array, start: number, end: number) => void;
  }[] = [];
  const disk = new NodeDisk(
    () => assert.unreachable(),
    (fd, _length, _position, done) => asked.push({ fd, done }),
  );
  const file = disk.open(`${root}/f`, { create: true });
  const outcomes: unknown[] = [];
  file.readLater(Buffer.alloc(8), 0, 8, 0, (error, bytes) => outcomes.push(error?.message, bytes));
  file.close();
  fs.fstatSync(asked[0]!.fd);
  asked[0]!.done('EIO', Buffer.alloc(0), 0, 0);
  assert.equal(outcomes, [`read ${root}/f: EIO`, 0]);
  assert.throws(() => fs.fstatSync(asked[0]!.fd), /EBADF/);
});

real('the lock module loads in several worker threads, and they exclude each other', async ({ root }) => {
  const disk = new NodeDisk(() => assert.unreachable());
  const lock = disk.lock(`${root}/lock`);
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ NodeDisk }) => {
      const disk = new NodeDisk(() => {});
      try { disk.lock(workerData.path).release(); parentPort.postMessage('taken'); }
      catch (error) { parentPort.postMessage(error.code); }
    });`;
  const module = new URL('../../src/runtime/node-disk.js', import.meta.url).href;
  const ask = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true, workerData: { module, path: `${root}/lock` } });
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  assert.equal(await Promise.all([ask(), ask()]), ['EAGAIN', 'EAGAIN']);
  lock.release();
  assert.is(await ask(), 'taken');
});

const java = spawnSync('java', ['-version']).status === 0;
if (!java) console.log('SKIPPED, because no java was found: the directory lock excludes Java brokers');
(java ? real : real.skip)('the lock excludes Java, and Java excludes us', async ({ root }) => {
  const source = `${root}/Lock.java`;
  fs.writeFileSync(
    source,
    `import java.io.RandomAccessFile;
     public class Lock {
       public static void main(String[] args) throws Exception {
         var channel = new RandomAccessFile(args[0], "rw").getChannel();
         var lock = channel.tryLock(0, 1, false);
         System.out.println(lock == null ? "refused" : "taken");
         System.in.read();
       }
     }`,
  );
  const disk = new NodeDisk(() => assert.unreachable());
  const run = async (check: (answer: string) => void): Promise<void> => {
    const child = spawn('java', ['-XX:TieredStopAtLevel=1', source, `${root}/lock`]);
    const exited = new Promise((resolve) => child.once('exit', resolve));
    try {
      const answer = await new Promise<string>((resolve, reject) => {
        child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
        child.once('exit', () => reject(new Error('java ended without an answer')));
      });
      check(answer);
    } finally {
      child.stdin.end();
      await exited;
    }
  };
  const ours = disk.lock(`${root}/lock`);
  await run((answer) => assert.is(answer, 'refused'));
  ours.release();
  await run((answer) => {
    assert.is(answer, 'taken');
    assert.is(
      codeOf(() => disk.lock(`${root}/lock`)),
      'EAGAIN',
    );
  });
  disk.lock(`${root}/lock`).release();
});

real.run();
