/** Consume queue, index and checkpoint against files that Apache's own classes wrote (fixtures/*.md says how). */
import * as fs from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { indexKeyHashOf } from '../../src/message/java-hash.js';
import { Checkpoint } from '../../src/store/checkpoint.js';
import { ConsumeQueue } from '../../src/store/consume-queue.js';
import {
  ENTRY,
  entryEnd,
  entryOffset,
  entrySize,
  entryTagsCode,
  writeEntry,
} from '../../src/store/consume-queue-entry.js';
import { FileCache } from '../../src/store/file-cache.js';
import { IndexFile, NEWEST } from '../../src/store/index-file.js';
import { simulatedDisk } from './support.js';

interface Content {
  readonly bytes: number;
  readonly base64: string;
}

interface Fixture {
  readonly index: {
    readonly slots: number;
    readonly entries: number;
    readonly puts: readonly (readonly [key: string, hash: number, offset: number, time: number])[];
    readonly queries: readonly (readonly [
      key: string,
      begin: number,
      end: number,
      max: number,
      first: number[],
      second: number[],
      firstMatches: boolean,
      secondMatches: boolean,
    ])[];
    readonly files: readonly Content[];
  };
  readonly consumeQueue: {
    readonly fileBytes: number;
    readonly firstQueueOffset: number;
    readonly min: number;
    readonly max: number;
    readonly puts: readonly (readonly [offset: number, size: number, tagsCode: number])[];
    readonly files: Readonly<Record<string, Content>>;
  };
  readonly checkpoint: {
    readonly physic: number;
    readonly logics: number;
    readonly index: number;
    readonly min: number;
    readonly minIndex: number;
    readonly file: Content;
  };
}

/** From the compiled test in <out>/test/store back to the sources. */
function load(): Fixture {
  const name = 'test/store/fixtures/apache-4.9.7-queue-and-index.json';
  let root = new URL('.', import.meta.url);
  while (!fs.existsSync(new URL(name, root))) root = new URL('..', root);
  return JSON.parse(fs.readFileSync(new URL(name, root), 'utf8')) as Fixture;
}

const fixture = load();

function contentOf({ bytes, base64 }: Content): Buffer {
  const content = Buffer.alloc(bytes);
  Buffer.from(base64, 'base64').copy(content);
  return content;
}

const queue = suite('Apache-written files: consume queue');

queue('ours has the same files', () => {
  const { disk } = simulatedDisk();
  const { puts, fileBytes, firstQueueOffset, files, min, max } = fixture.consumeQueue;
  const entries = new Uint8Array(puts.length * ENTRY.bytes);
  for (const [n, [offset, size, tagsCode]] of puts.entries()) {
    writeEntry(entries, n * ENTRY.bytes, offset, size, tagsCode);
  }
  const ours = ConsumeQueue.open(disk, new FileCache(disk), '/cq', fileBytes);
  ours.append(entries, 0, puts.length, firstQueueOffset);
  ours.flush();
  assert.equal(disk.list('/cq'), Object.keys(files));
  for (const [name, content] of Object.entries(files)) {
    assert.is(disk.readFile(`/cq/${name}`)!.toString('hex'), contentOf(content).toString('hex'), name);
  }
  assert.equal([ours.minOffset, ours.maxOffset], [min, max]);
});

queue("Apache's is read", () => {
  const { disk } = simulatedDisk();
  const { puts, fileBytes, files, min, max } = fixture.consumeQueue;
  disk.makeDirectory('/cq');
  for (const [name, content] of Object.entries(files)) disk.writeFile(`/cq/${name}`, contentOf(content));
  const ours = ConsumeQueue.open(disk, new FileCache(disk), '/cq', fileBytes);
  ours.recover();
  assert.equal([ours.minOffset, ours.maxOffset], [min, max]);
  const entry = new Uint8Array(ENTRY.bytes);
  for (const [n, put] of puts.entries()) {
    assert.is(ours.read(min + n, 1, entry, 0), 1);
    assert.equal([entryOffset(entry, 0), entrySize(entry, 0), entryTagsCode(entry, 0)], [...put]);
  }
  assert.is(ours.maxPhysicalOffset, entryEnd(entry, 0));
});

queue.run();

const index = suite('Apache-written files: index');

function pair(open: (files: FileCache, path: string, before?: IndexFile) => IndexFile): [IndexFile, IndexFile] {
  const { disk } = simulatedDisk();
  for (const [n, content] of fixture.index.files.entries()) disk.writeFile(`/apache-${n}`, contentOf(content));
  const files = new FileCache(disk);
  const first = open(files, '0');
  return [first, open(files, '1', first)];
}

function written(): { files: FileCache; pair: [IndexFile, IndexFile] } {
  let cache: FileCache | undefined;
  const ours = pair((files, name, before) => {
    cache = files;
    const file = new IndexFile(files, `/ours-${name}`, fixture.index, before?.header);
    const from = before === undefined ? 0 : before.header.entries - 1;
    for (const [, hash, offset, time] of fixture.index.puts.slice(from)) {
      if (file.isFull) break;
      file.put(hash, offset, time);
    }
    return file;
  });
  return { files: cache!, pair: ours };
}

function answersAsApache([first, second]: [IndexFile, IndexFile], state: string): void {
  for (const [key, begin, end, max, inFirst, inSecond, firstMatches, secondMatches] of fixture.index.queries) {
    const what = `${state}: ${key} in [${begin}, ${end}], ${max}`;
    const keyHash = indexKeyHashOf(key.split('#')[0]!, key.split('#')[1]!);
    for (const [file, expected] of [
      [first, inFirst],
      [second, inSecond],
    ] as const) {
      const offsets: number[] = [];
      file.query({ keyHash, begin, end, max, offsets, readsLeft: 1_000 }, NEWEST);
      assert.equal(offsets, expected, what);
    }
    assert.equal([first.overlaps(begin, end), second.overlaps(begin, end)], [firstMatches, secondMatches], what);
  }
}

index('ours has the same bytes, once all keys are in the file', () => {
  const { files, pair: ours } = written();
  for (const [n, file] of ours.entries()) {
    file.flush();
    const bytes = files.disk.readFile(file.path)!.toString('hex');
    assert.is(bytes, contentOf(fixture.index.files[n]!).toString('hex'), `file ${n}`);
  }
});

index('key hashes are the same', () => {
  for (const [key, hash] of fixture.index.puts) {
    assert.is(indexKeyHashOf(key.split('#')[0]!, key.split('#')[1]!), hash);
  }
});

index('queries answer the same before, while and after keys go to the file', () => {
  const { pair: ours } = written();
  answersAsApache(ours, 'waiting');
  for (let step = 0; ours[0].tick() || ours[1].tick(); step++) answersAsApache(ours, `step ${step}`);
  answersAsApache(ours, 'in the file');
});

index("Apache's files are read", () => {
  answersAsApache(
    pair((files, name) => new IndexFile(files, `/apache-${name}`, fixture.index)),
    "Apache's",
  );
});

index.run();

const checkpoint = suite('Apache-written files: checkpoint');

checkpoint('is read and written the same', () => {
  const { disk } = simulatedDisk();
  const { file, physic, logics, min, index: indexTime } = fixture.checkpoint;
  disk.writeFile('/apache', contentOf(file));
  const apache = Checkpoint.open(disk, '/apache');
  assert.equal([apache.logTimestamp, apache.consumeQueueTimestamp, apache.indexTimestamp], [physic, logics, indexTime]);
  assert.is(apache.minTimestamp, min);
  const ours = Checkpoint.open(disk, '/ours');
  ours.logTimestamp = physic;
  ours.consumeQueueTimestamp = logics;
  ours.indexTimestamp = indexTime;
  ours.save();
  assert.ok(disk.readFile('/ours')!.equals(contentOf(file)));
});

checkpoint.run();
