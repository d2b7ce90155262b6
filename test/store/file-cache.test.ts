import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CachedFile, FileCache } from '../../src/store/file-cache.js';
import { BUFFER_BYTES, type Buffered, WriteBehind } from '../../src/store/write-behind.js';
import { simulatedDisk } from './support.js';

const cache = suite('file cache');

cache('at most openFilesMax are open, the one used longest ago is closed first', () => {
  const { disk } = simulatedDisk();
  const files = new FileCache(disk, { openFilesMax: 3 });
  const [a, b, c, d] = ['/a', '/b', '/c', '/d'].map((path) => new CachedFile(path)) as [
    CachedFile,
    CachedFile,
    CachedFile,
    CachedFile,
  ];
  for (const file of [a, b, c]) files.use(file, true);
  files.use(a);
  files.use(d, true);
  assert.equal(
    [a, b, c, d].map((file) => file.file !== undefined),
    [true, false, true, true],
  );
  assert.is(files.size, 3);
  assert.is(disk.openFiles(), 3);
  files.use(b);
  assert.is(c.file, undefined);
  files.close(a);
  files.close(a);
  assert.is(files.size, 2);
  files.closeAll();
  assert.is(disk.openFiles(), 0);
});

cache('random use keeps exactly the most recent ones', () => {
  const { disk } = simulatedDisk();
  const files = new FileCache(disk, { openFilesMax: 5 });
  const all = Array.from({ length: 12 }, (_, n) => new CachedFile(`/${n}`));
  let recent: CachedFile[] = [];
  for (let step = 0; step < 2_000; step++) {
    const file = all[(step * 7 + (step % 5) * (step % 3)) % all.length]!;
    recent = recent.filter((one) => one !== file);
    if (step % 11 === 0) {
      files.close(file);
    } else {
      assert.is(files.use(file, true).path, file.path);
      recent = [...recent, file].slice(-5);
    }
    assert.equal(new Set(all.filter((one) => one.file !== undefined)), new Set(recent));
    assert.is(disk.openFiles(), recent.length);
  }
});

cache('a file that cannot be opened leaves the cache as it was', () => {
  const { disk } = simulatedDisk();
  const files = new FileCache(disk, { openFilesMax: 1 });
  assert.throws(() => files.use(new CachedFile('/missing')), /ENOENT/);
  assert.is(files.size, 0);
});

cache('the directories made are synced once', () => {
  const { disk } = simulatedDisk();
  const files = new FileCache(disk);
  files.makeDirectory('/store/consumequeue/t/0');
  files.makeDirectory('/store/consumequeue/t/1');
  const synced: string[] = [];
  const spied = Object.assign(Object.create(disk), { syncDirectory: (path: string) => synced.push(path) });
  Object.assign(files, { disk: spied });
  files.syncDirectories();
  files.syncDirectories();
  assert.equal(synced.sort(), ['/', '/store', '/store/consumequeue', '/store/consumequeue/t']);
});

cache.run();

const behind = suite('write-behind');

class Owner implements Buffered {
  newerBuffered: Buffered | undefined = undefined;
  olderBuffered: Buffered | undefined = undefined;
  buffer: Uint8Array | undefined = undefined;
  flushes = 0;
  constructor(private readonly list: WriteBehind) {}
  take(bytes: number): void {
    this.buffer = this.list.take(this, bytes);
  }
  flush(): void {
    this.flushes++;
    this.discard();
  }
  discard(): void {
    if (this.buffer !== undefined) this.list.giveBack(this, this.buffer);
    this.buffer = undefined;
  }
}

behind('the oldest is written out when there is no room for another buffer', () => {
  const list = new WriteBehind(BUFFER_BYTES[3] + BUFFER_BYTES[2]);
  const [a, b, c] = [new Owner(list), new Owner(list), new Owner(list)];
  a.take(30_000);
  b.take(10_000);
  c.take(600);
  assert.equal([a.flushes, b.flushes, c.flushes], [1, 0, 0]);
  assert.is(list.bufferedBytes, BUFFER_BYTES[2] + BUFFER_BYTES[0]);
  list.flushAll();
  assert.equal([a.flushes, b.flushes, c.flushes], [1, 1, 1]);
  assert.is(list.bufferedBytes, 0);
});

behind('buffers given back are used again, and growing keeps the content', () => {
  const list = new WriteBehind(100_000);
  const owner = new Owner(list);
  owner.take(1);
  const first = owner.buffer!;
  assert.is(first.length, BUFFER_BYTES[0]);
  first.fill(7);
  const larger = list.grow(first)!;
  assert.is(larger.length, BUFFER_BYTES[1]);
  assert.ok(larger.subarray(0, first.length).every((byte) => byte === 7));
  assert.is(list.bufferedBytes, BUFFER_BYTES[1]);
  owner.buffer = larger;
  const other = new Owner(list);
  other.take(640);
  assert.is(other.buffer, first);
  other.discard();
  owner.discard();
});

behind('nothing grows beyond the largest size or the limit', () => {
  const list = new WriteBehind(BUFFER_BYTES[3]);
  const owner = new Owner(list);
  owner.take(BUFFER_BYTES[3]);
  assert.is(list.grow(owner.buffer!), undefined);
  owner.discard();
  owner.take(BUFFER_BYTES[2]);
  assert.is(list.grow(owner.buffer!), undefined, 'both buffers would not fit while copying');
});

behind.run();
