/**
 * The disk in shared memory, beyond the contract that every disk keeps (disk.test.ts): random calls by several threads'
 * disks against a plain model, a thread that ends at any store of any call, the bound, and what it costs.
 */
import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Disk, DiskError, type DiskFile } from '../../src/base/disk.js';
import { prng, type Prng } from '../../src/base/prng.js';
import { GIB, KIB, MIB } from '../../src/base/units.js';
import { CONTROL, type makeRamBuffers, PAGE_BYTES, RamMemory } from '../../src/runtime/ram-disk/memory.js';
import { createRamDisk, RamDisk } from '../../src/runtime/ram-disk/ram-disk.js';
import { RamFiles } from '../../src/runtime/ram-disk/ram-files.js';
import { seedOf } from '../support/seed.js';

const clock = { now: () => 1_700_000_000_000 };
const later = (): void => assert.unreachable('nothing is synced here');

function disks(bytes: number, count: number): RamDisk[] {
  const buffers = createRamDisk(bytes, clock);
  return Array.from({ length: count }, (_, i) => new RamDisk(buffers, { who: i + 1, clock, later }));
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

const usedOf = (disk: Disk): number => disk.usage('/').usedBytes;

// ---- random calls against a model

/** Path -> content; directories are the paths that end in a slash. */
type Model = Map<string, Buffer>;

const DIRECTORIES = ['/a', '/a/b', '/c'];
const NAMES = ['1', '2', 'ä', 'x'.repeat(255)];

const pathFrom = (random: Prng): string => `${DIRECTORIES[random.below(3)]}/${NAMES[random.below(4)]}`;

/** Positions and lengths around the borders of pages and of tables. */
function placeFrom(random: Prng): { position: number; length: number } {
  const base = [0, 4 * KIB, 8 * KIB, 4 * MIB, 4 * MIB - 4 * KIB][random.below(5)]!;
  return { position: Math.max(0, base + random.below(6_000) - 3_000), length: 1 + random.below(12_000) };
}

function written(old: Buffer, content: Buffer, position: number): Buffer {
  const grown = Buffer.alloc(Math.max(old.length, position + content.length));
  old.copy(grown);
  content.copy(grown, position);
  return grown;
}

function cut(old: Buffer, bytes: number): Buffer {
  const result = Buffer.alloc(bytes);
  old.copy(result);
  return result;
}

/** One random call, made to the disk and to the model. */
function step(random: Prng, disk: Disk, model: Model): void {
  const path = pathFrom(random);
  const kind = random.below(10);
  if (kind < 5) {
    const { position, length } = placeFrom(random);
    const content = Buffer.alloc(length, 1 + random.below(255));
    const file = disk.open(path, { create: true });
    file.write(content, 0, length, position);
    model.set(path, written(model.get(path) ?? Buffer.alloc(0), content, position));
    file.close();
  } else if (kind < 7) {
    const old = model.get(path);
    if (old === undefined) return;
    const bytes = random.chance(0.2) ? 0 : placeFrom(random).position;
    const file = disk.open(path);
    file.truncate(bytes);
    model.set(path, cut(old, bytes));
    file.close();
  } else if (kind < 8) {
    disk.remove(path);
    model.delete(path);
  } else {
    const to = pathFrom(random);
    const content = model.get(path);
    if (content === undefined || to === path) return;
    disk.rename(path, to);
    model.delete(path);
    model.set(to, content);
  }
}

function assertEqual(disk: Disk, model: Model, what: string): void {
  for (const directory of DIRECTORIES) {
    const expected = [...model.keys()].filter((path) => path.slice(0, path.lastIndexOf('/')) === directory);
    const names = expected.map((path) => path.slice(directory.length + 1));
    if (directory === '/a') names.push('b');
    assert.equal(disk.list(directory), names.sort(), `${what}: ${directory}`);
  }
  for (const [path, content] of model) {
    assert.ok(disk.readFile(path)!.equals(content), `${what}: content of ${path.slice(0, 20)}`);
  }
}

/** Everything removed, the disk holds its pages of nodes and nothing else: no page was lost, none is there twice. */
function assertNothingLost(disk: Disk, nodePages: number, what: string): void {
  for (const name of disk.list('/')) disk.removeTree(`/${name}`);
  assert.is(usedOf(disk), nodePages * PAGE_BYTES, what);
}

const random = suite('RAM disk: random calls against a model');

random('several threads see the same files, and no page is lost', () => {
  const seed = seedOf('random calls');
  const source = prng(seed);
  for (let round = 0; round < 20; round++) {
    const all = disks(16 * MIB, 3);
    for (const directory of DIRECTORIES) all[0]!.makeDirectory(directory);
    // Names enough for the second page of nodes, which every round has then.
    for (let n = 0; n < 12; n++) all[0]!.open(`/first-${n}`, { create: true }).close();
    for (let n = 0; n < 12; n++) all[0]!.remove(`/first-${n}`);
    const model: Model = new Map();
    for (let n = 0; n < 150; n++) step(source, all[source.below(3)]!, model);
    for (const disk of all) assertEqual(disk, model, `SEED=${seed} round ${round}`);
    assertNothingLost(all[1]!, 2, `SEED=${seed} round ${round}`);
  }
});

random.run();

// ---- a thread ends in the middle of a call

class Ended extends Error {}

/** Memory whose user ends at a certain store. */
class EndingMemory extends RamMemory {
  left = Number.POSITIVE_INFINITY;
  override readonly control: Int32Array;

  constructor(buffers: ReturnType<typeof makeRamBuffers>) {
    super(buffers);
    this.control = new Proxy(new Int32Array(buffers.control), {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
      set: (target, key, value) => {
        this.store();
        return Reflect.set(target, key, value, target);
      },
    });
  }

  override setWord(page: number, index: number, value: number): void {
    this.store();
    super.setWord(page, index, value);
  }

  override setDouble(page: number, index: number, value: number): void {
    this.store();
    super.setDouble(page, index, value);
  }

  override chunkOf(page: number): Uint8Array {
    // Before a copy of bytes, as a rule.
    this.store();
    return super.chunkOf(page);
  }

  private store(): void {
    if (this.left-- <= 0) throw new Ended();
  }
}

const A = '/d/a';
const B = '/d/b';
const filled = (letter: string, bytes: number): Buffer => Buffer.alloc(bytes, letter);

/** Calls on a disk with /d/a (3 pages of a), /d/b (2 pages of b), an owner 1 that ends and an owner 2 that goes on. */
const CALLS: readonly (readonly [name: string, call: (files: RamFiles) => void])[] = [
  ['create', (files) => files.createFile('/d/new', 1)],
  ['create with a name of 255 bytes', (files) => files.createFile(`/d/${'n'.repeat(255)}`, 1)],
  ['make directories', (files) => files.makeDirectory('/d/e/f')],
  ['remove', (files) => files.removeTree(files.find(A))],
  ['remove everything', (files) => files.removeTree(files.find('/d'))],
  ['rename', (files) => files.rename(A, '/d/c')],
  ['rename over another', (files) => files.rename(A, B)],
  ['overwrite', (files) => files.write(files.find(A), filled('x', 6_000), 0, 6_000, 1_000, A)],
  ['append', (files) => files.write(files.find(A), filled('x', 9_000), 0, 9_000, 12_000, A)],
  ['write far behind the end', (files) => files.write(files.find(A), filled('x', 100), 0, 100, 5 * MIB, A)],
  ['cut', (files) => files.truncate(files.find(A), 5_000, A)],
  ['cut to nothing', (files) => files.truncate(files.find(A), 0, A)],
  [
    'close a removed file',
    (files) => {
      const node = files.find(B);
      files.setOpen(node, 1);
      files.removeTree(node);
      files.setClosed(node, 1);
    },
  ],
];

function prepared(): { buffers: ReturnType<typeof makeRamBuffers>; before: string } {
  const buffers = createRamDisk(MIB, clock);
  const files = new RamFiles(new RamMemory(buffers), clock.now);
  files.makeDirectory('/d');
  // Pages that were used before: what they held must not come back.
  const old = files.createFile('/d/old', 0);
  files.write(old, filled('o', 20 * PAGE_BYTES), 0, 20 * PAGE_BYTES, 0, '/d/old');
  files.removeTree(old);
  for (const [path, letter, bytes] of [
    [A, 'a', 12_000],
    [B, 'b', 8_000],
  ] as const) {
    const node = files.createFile(path, 0);
    files.write(node, filled(letter, bytes), 0, bytes, 0, path);
  }
  return { buffers, before: stateOf(files) };
}

/** Names, sizes and letters, runs of one letter shortened. */
function stateOf(files: RamFiles, directory = '/'): string {
  return files
    .list(files.find(directory))
    .map((name) => {
      const path = `${directory === '/' ? '' : directory}/${name}`;
      const node = files.find(path);
      if (files.isDirectory(node)) return `${path.slice(0, 8)}/(${stateOf(files, path)})`;
      const content = Buffer.alloc(files.sizeOf(node));
      files.read(node, content, 0, content.length, 0);
      const letters = content
        .toString('latin1')
        .replace(/(.)\1*/gs, (run, letter: string) => `${letter}${run.length},`);
      return `${path.slice(0, 8)}=${letters.replaceAll('\0', '0:')}`;
    })
    .join(' ');
}

const ended = suite('RAM disk: a thread ends in the middle of a call');

/** Calls that a file system does as a whole or not at all. */
const ATOMIC = /^(create|rename|cut|remove$)/;

for (const [name, call] of CALLS) {
  ended(`${name}: at any store, the rest goes on with a sound disk`, () => {
    let isDone = false;
    let stores = 0;
    for (; !isDone; stores++) {
      const { buffers, before } = prepared();
      const memory = new EndingMemory(buffers);
      const dying = new RamFiles(memory, clock.now);
      memory.left = stores;
      try {
        call(dying);
        isDone = true;
      } catch (error) {
        if (!(error instanceof Ended)) throw error;
      }
      const files = new RamFiles(new RamMemory(buffers), clock.now);
      const used = files.pool.used;
      files.repair();
      files.forgetOwner(1);
      const after = stateOf(files);
      if (isDone) assert.is(files.pool.used, used, 'the repair of a sound disk changes nothing');
      if (ATOMIC.test(name) && !isDone) assert.ok(after === before || after === resultOf(call), `${stores}: ${after}`);
      assert.not.match(after, /o\d/, `${stores}: content of a removed file`);
      for (const path of [A, B, '/d/c']) assertZerosBehind(files, path, `${stores}: ${path}`);
      // It can be filled to the last page and emptied again.
      files.makeDirectory('/fill');
      const node = files.createFile('/fill/f', 0);
      const rest = (files.memory.pages - files.pool.used) * PAGE_BYTES;
      const full = codeOf(() => files.write(node, Buffer.alloc(rest, 'f'), 0, rest, 0, '/fill/f'));
      assert.is(full, 'ENOSPC', 'the tables need a page');
      assert.is(files.pool.used, files.memory.pages);
      for (const top of files.list(files.find('/'))) files.removeTree(files.find(`/${top}`));
      assert.is(files.pool.used, files.memory.control[CONTROL.nodePage] === 1 ? 1 : 2, `${stores}: pages are left`);
    }
    assert.ok(stores > 3, `${stores} stores`);
  });
}

/** What a file held behind its end does not come back when it grows. */
function assertZerosBehind(files: RamFiles, path: string, what: string): void {
  const node = files.find(path);
  if (node === 0) return;
  const end = files.sizeOf(node);
  files.truncate(node, end + 20_000, path);
  const tail = Buffer.alloc(20_000, 'x');
  files.read(node, tail, 0, tail.length, end);
  assert.ok(
    tail.every((byte) => byte === 0),
    what,
  );
}

function resultOf(call: (files: RamFiles) => void): string {
  const { buffers } = prepared();
  const files = new RamFiles(new RamMemory(buffers), clock.now);
  call(files);
  return stateOf(files);
}

ended.run();

// ---- owners, bound, cost

const owners = suite('RAM disk: owners, bound and cost');

owners('a removed file stays for the thread that has it open, and goes when that thread ends', () => {
  const [writer, reader, main] = disks(MIB, 3) as [RamDisk, RamDisk, RamDisk];
  writer.writeFile('/f', Buffer.alloc(100 * KIB, 'x'));
  const empty = PAGE_BYTES;
  const file = reader.open('/f');
  writer.remove('/f');
  const target = Buffer.alloc(10);
  assert.is(file.read(target, 0, 10, 100 * KIB - 10), 10);
  assert.is(target.toString(), 'x'.repeat(10));
  assert.ok(usedOf(main) > 100 * KIB);
  main.forget(2);
  assert.is(usedOf(main), empty);
  main.forget(2);
});

owners('a lock goes with the thread that held it', () => {
  const [broker, main] = disks(MIB, 2) as [RamDisk, RamDisk];
  broker.lock('/lock');
  assert.is(
    codeOf(() => main.lock('/lock')),
    'EAGAIN',
  );
  main.forget(1);
  main.lock('/lock').release();
});

owners(
  'a thread that ended under the lock stops the others, the main thread for a while, until it is forgotten',
  () => {
    const buffers = createRamDisk(MIB, clock);
    const dead = new RamDisk(buffers, { who: 7, clock, later });
    dead.writeFile('/f', 'x');
    const main = new RamDisk(buffers, { who: 1, clock, later, lockLimitMs: 20 });
    const control = new Int32Array(buffers.control);
    Atomics.store(control, CONTROL.lock, 1);
    assert.is(
      codeOf(() => main.readFile('/f')),
      'EBUSY',
    );
    assert.is(main.forget(7), true);
    assert.is(main.readFile('/f')?.toString(), 'x');
    assert.is(Atomics.load(control, CONTROL.lock), 0);
  },
);

owners('the root directory stays, and no directory goes into itself', () => {
  const [disk] = disks(MIB, 1) as [RamDisk];
  disk.makeDirectory('/a/b');
  for (const [code, call] of [
    ['EBUSY', () => disk.removeTree('/')],
    ['EBUSY', () => disk.rename('/', '/a/c')],
    ['EINVAL', () => disk.rename('/a', '/a/b/c')],
    ['ENAMETOOLONG', () => disk.makeDirectory(`/${'x'.repeat(256)}`)],
  ] as const) {
    assert.is(codeOf(call), code);
  }
  assert.equal(disk.list('/'), ['a']);
  disk.rename('/a/b', '/c');
  assert.equal([disk.list('/'), disk.list('/a')], [['a', 'c'], []]);
});

owners('the place of a thread that ended is free for another', () => {
  const buffers = createRamDisk(MIB, clock);
  const main = new RamDisk(buffers, { who: 1, clock, later });
  for (let who = 2; who < 200; who++) {
    const disk = new RamDisk(buffers, { who, clock, later });
    disk.open('/f', { create: true });
    if (who % 2 === 0) disk.detach();
    else main.forget(who);
  }
});

owners('has room for 64 threads at a time', () => {
  const buffers = createRamDisk(MIB, clock);
  const all = Array.from({ length: 64 }, (_, i) => new RamDisk(buffers, { who: i + 1, clock, later }));
  assert.throws(() => new RamDisk(buffers, { who: 65, clock, later }), /room for another thread/);
  all[63]!.detach();
  new RamDisk(buffers, { who: 65, clock, later }).writeFile('/f', 'x');
});

owners('a full disk takes what fits, says what to do, and takes more when there is room', () => {
  const [disk] = disks(64 * PAGE_BYTES, 1) as [RamDisk];
  const file = disk.open('/f', { create: true });
  file.truncate(GIB);
  let refused: DiskError | undefined;
  try {
    file.write(Buffer.alloc(100 * PAGE_BYTES, 'x'), 0, 100 * PAGE_BYTES, 0);
  } catch (error) {
    refused = error as DiskError;
  }
  assert.is(refused?.code, 'ENOSPC');
  assert.match(refused!.message, /raise its storeMaxBytes/);
  assert.is(disk.usage('/').availableBytes, 0);
  assert.is(
    codeOf(() => disk.writeFile('/other', 'x')),
    'ENOSPC',
  );
  assert.is(disk.stat('/other')?.bytes, 0);
  const overwrite = (at: DiskFile): void => at.write(Buffer.from('y'), 0, 1, 0);
  overwrite(file);
  file.truncate(PAGE_BYTES);
  disk.writeFile('/other', 'x');
  assert.is(disk.readFile('/other')?.toString(), 'x');
});

owners('a sparse file costs the pages that were written, and their tables', () => {
  const [disk] = disks(MIB, 1) as [RamDisk];
  const file = disk.open('/f', { create: true });
  const before = usedOf(disk);
  file.truncate(GIB);
  file.write(Buffer.from('x'), 0, 1, GIB - 1);
  assert.is(usedOf(disk) - before, 3 * PAGE_BYTES);
  file.close();
  disk.remove('/f');
  assert.is(usedOf(disk), before);
});

owners('memory is taken from the system when it is written to, not before', () => {
  // In a process of its own: here the garbage of other tests comes and goes.
  const module = new URL('../../src/runtime/ram-disk/ram-disk.js', import.meta.url).href;
  const script = `
    import { createRamDisk, RamDisk } from '${module}';
    const figures = [];
    const look = () => figures.push(process.memoryUsage.rss() / 2 ** 20);
    const clock = { now: () => 0 };
    look();
    const disk = new RamDisk(createRamDisk(4 * 2 ** 30, clock), { who: 1, clock, later: () => {} });
    look();
    const file = disk.open('/f', { create: true });
    const block = Buffer.alloc(2 ** 20, 'x');
    const fill = () => { for (let at = 0; at < 64; at++) file.write(block, 0, block.length, at * block.length); };
    fill();
    look();
    for (let round = 0; round < 4; round++) { file.truncate(0); fill(); }
    look();
    console.log(JSON.stringify(figures));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.is(stderr, '');
  const [before, made, full, again] = JSON.parse(stdout) as [number, number, number, number];
  assert.ok(made - before < 32, `a disk of 4 GiB takes ${made - before} MiB`);
  assert.ok(full - made > 48, `with 64 MiB in it ${full - made} MiB more`);
  // Pages that were given back are used before new ones.
  assert.ok(again - full < 32, `written four times again, ${again - full} MiB more`);
});

owners.run();
