/** `hangar store check` and `hangar store cat` as processes: exit codes, output, a reader that goes away. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../src/runtime/node-disk.js';
import { lockStore } from '../../src/store/store-directory.js';
import { apacheStore, layOutApacheStore } from '../store/fixture.js';
import { FILE_BYTES, TestStore } from '../store/test-store.js';
import { properties } from '../interop/harness/servers.js';
import { runHangar, temporaryDirectory } from '../support/hangar-process.js';
import { within } from '../support/within.js';

const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli.js');
const disk = new NodeDisk(() => undefined);

interface Line {
  readonly kind: string;
  readonly [field: string]: unknown;
}

const lines = (stdout: string): Line[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

/** A store of Apache's own making, and a broker's file with its sizes. */
function apacheDirectory(): { root: string; config: string } {
  const root = temporaryDirectory();
  layOutApacheStore(disk, root, true);
  const { fileBytes, queueFileBytes, indexSlots, indexEntries } = apacheStore.options;
  const config = `${root}.properties`;
  writeFileSync(
    config,
    properties({
      brokerName: 'broker-a',
      storePathRootDir: root,
      storePathCommitLog: `${root}/commitlog`,
      mappedFileSizeCommitLog: fileBytes,
      mappedFileSizeConsumeQueue: queueFileBytes,
      maxHashSlotNum: indexSlots,
      maxIndexNum: indexEntries,
    }),
  );
  return { root, config };
}

/** A store with one bad record among `count`; its offset and that of the next one. */
function damagedStore(count = 40): { root: string; bad: number; next: number } {
  const root = temporaryDirectory();
  const store = new TestStore(disk, undefined, { root });
  const offsets = Array.from({ length: count }, (_, i) => store.put({ body: `message ${i}` }));
  store.close();
  const path = `${root}/commitlog/${'0'.repeat(20)}`;
  const file = readFileSync(path);
  file.fill(0x7f, offsets[4]! + 90, offsets[4]! + 92);
  writeFileSync(path, file);
  return { root, bad: offsets[4]!, next: offsets[5]! };
}

const check = suite('hangar store check');

check('a good store: exit code 0 and what was checked', async () => {
  const { root, config } = apacheDirectory();
  const { code, stdout, stderr } = await runHangar(['store', 'check', root, '--config', config]);
  assert.is(code, 0, stdout);
  assert.match(stdout, `${apacheStore.puts.length + 3} messages`);
  assert.match(stdout, 'no damage');
  assert.is(stderr.replace(/^(note|warning): .*\n/gm, ''), '');
});

check(
  "with a broker's file that says nothing of directories and sizes: the log is in the store, sizes as they are",
  async () => {
    const { root } = apacheDirectory();
    const file = `${root}.other.properties`;
    const config = { brokerName: 'broker-a', storeMaxBytes: '1g', maxHashSlotNum: apacheStore.options.indexSlots };
    writeFileSync(file, properties(config));
    const { code, stdout } = await runHangar(['store', 'check', root, '--config', file]);
    assert.is(code, 0, stdout);
    assert.match(stdout, `${apacheStore.puts.length + 3} messages`);
  },
);

check('a damaged store: exit code 1, file and offset; as JSON an object a line', async () => {
  const { root, bad, next } = damagedStore();
  const text = await runHangar(['store', 'check', root]);
  assert.is(text.code, 1);
  assert.match(
    text.stdout,
    new RegExp(`damage +log +${root}/commitlog/0{20} \\(commit log offset ${bad}\\): bad record`),
  );
  const json = await runHangar(['store', 'check', root, '--json']);
  assert.is(json.code, 1);
  const [finding] = lines(json.stdout).filter(({ kind, severity }) => kind === 'finding' && severity === 'damage');
  assert.is(finding!.offset, bad);
  assert.match(String(finding!.text), `next good record is at ${next}`);
  const summary = lines(json.stdout).at(-1)!;
  assert.is(summary.kind, 'summary');
  assert.ok((summary.damage as number) >= 1);
});

check('a store that a broker has open is left alone: exit code 2', async () => {
  const { root } = apacheDirectory();
  const lock = lockStore(disk, root);
  try {
    const { code, stderr } = await runHangar(['store', 'check', root]);
    assert.is(code, 2);
    assert.match(stderr, `${root} is in use by a broker`);
  } finally {
    lock.release();
  }
});

check('a directory that is no store: exit code 2, and where stores are', async () => {
  const above = temporaryDirectory();
  for (const command of ['check', 'cat']) {
    const nothing = await runHangar(['store', command, above]);
    assert.equal([nothing.code, nothing.stdout], [2, '']);
    assert.match(nothing.stderr, `${above} is no store: it has no commitlog`);
  }
  new TestStore(disk, undefined, { root: `${above}/broker-a` }).close();
  const { code, stderr } = await runHangar(['store', 'check', above]);
  assert.is(code, 2);
  assert.match(stderr, 'its broker-a is one');
  assert.is((await runHangar(['store', 'check', `${above}/broker-a`])).code, 0);
});

check('a store whose log is gone is damaged', async () => {
  const { root } = apacheDirectory();
  rmSync(`${root}/commitlog`, { recursive: true });
  const { code, stdout } = await runHangar(['store', 'check', root]);
  assert.is(code, 1);
  assert.match(stdout, 'there are no commit log files, but consume queues');
});

check('no such directory, and no file of a broker: exit code 2', async () => {
  const missing = await runHangar(['store', 'check', '/nowhere/at/all']);
  assert.is(missing.code, 2);
  assert.match(missing.stderr, '/nowhere/at/all is no directory');
  const config = await runHangar(['store', 'check', temporaryDirectory(), '--config', '/nowhere/broker.properties']);
  assert.is(config.code, 2);
  assert.is((await runHangar(['store', 'check'])).code, 2);
});
check.run();

const cat = suite('hangar store cat');

cat('prints the records of a store of Apache, all and chosen ones', async () => {
  const { root } = apacheDirectory();
  const all = lines((await runHangar(['store', 'cat', root, '--json', '--body'])).stdout);
  assert.is(all.length, apacheStore.puts.length + 3);
  for (const [n, put] of apacheStore.puts.entries()) {
    const { offset, topic, queueId, queueOffset, body, bodyEncoding } = all[n]!;
    assert.equal([offset, topic, queueId, queueOffset], [put.physicalOffset, put.topic, put.queueId, put.queueOffset]);
    assert.is(Buffer.from(String(body), bodyEncoding as BufferEncoding).toString('hex'), put.body);
  }
  const some = async (...args: string[]): Promise<Line[]> =>
    lines((await runHangar(['store', 'cat', root, '--json', ...args])).stdout);
  const orders = await some('--topic', 'orders', '--queue', '1');
  assert.ok(orders.length > 1);
  assert.ok(orders.every(({ topic, queueId }) => topic === 'orders' && queueId === 1));
  const from = await some('--topic', 'orders', '--queue', '1', '--from', '2');
  assert.equal(
    from,
    orders.filter(({ queueOffset }) => (queueOffset as number) >= 2),
  );
  const middle = all[7]!;
  assert.is((await some('--from', String((middle.offset as number) - 3)))[0]!.offset, middle.offset);
  assert.equal(
    (await some('--limit', '2')).map(({ offset }) => offset),
    [all[0]!.offset, all[1]!.offset],
  );
  const keyed = all.find(({ properties: own }) => (own as Record<string, string>).KEYS !== undefined)!;
  const key = (keyed.properties as Record<string, string>).KEYS!.split(' ').at(-1)!;
  assert.ok((await some('--key', key)).some(({ offset }) => offset === keyed.offset));
  const last = all.at(-1)!;
  const since = await some('--since', String(last.storeTimestamp));
  assert.equal(since, await some('--since', String(last.storeTime)));
  assert.ok(since.every(({ storeTimestamp }) => storeTimestamp === last.storeTimestamp) && since.length > 0);
});

cat('goes on behind damage and says what it skipped', async () => {
  const { root, bad, next } = damagedStore();
  const { code, stdout, stderr } = await runHangar(['store', 'cat', root]);
  assert.is(code, 0);
  assert.is(stdout.trim().split('\n').length, 39);
  assert.match(stderr, new RegExp(`commit log offset ${bad}\\): bad record .* next good record is at ${next}`));
  const json = lines((await runHangar(['store', 'cat', root, '--json'])).stdout);
  assert.equal(json[4], { ...json[4], kind: 'skipped', offset: bad });
});

cat('reads a directory of log files, as a recovery keeps it', async () => {
  const { root } = damagedStore();
  const { stdout } = await runHangar(['store', 'cat', `${root}/commitlog`, '--limit', '3']);
  assert.is(stdout.trim().split('\n').length, 3);
});

cat('a reader that goes away ends it quietly', () => {
  const { root } = damagedStore(4 * Math.ceil(FILE_BYTES / 100) * 20);
  const shell = spawnSync('sh', ['-c', `"${process.execPath}" "${CLI}" store cat "${root}" --json | head -1`], {
    encoding: 'utf8',
  });
  assert.is(lines(shell.stdout).length, 1);
  assert.is(shell.stderr, '');
});

cat('a signal ends it at once, also while its reader does not read', async () => {
  const { root } = damagedStore(4 * Math.ceil(FILE_BYTES / 100) * 20);
  const child = spawn(process.execPath, [CLI, 'store', 'cat', root, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'readable');
  child.kill('SIGINT');
  const [code, signal] = (await within(5_000, 'the end', once(child, 'exit'))) as [number | null, string | null];
  assert.ok(signal === 'SIGINT' || code === 130, `${code} ${signal}`);
});

cat('wrong arguments: exit code 2', async () => {
  const { root } = apacheDirectory();
  for (const args of [
    ['--limit', 'x'],
    ['--since', 'yesterday'],
    ['--queue', '-1'],
  ]) {
    assert.is((await runHangar(['store', 'cat', root, ...args])).code, 2, args.join(' '));
  }
});
cat.run();
