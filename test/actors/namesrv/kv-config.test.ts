import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from '../../../src/base/clock.js';
import { KvConfig } from '../../../src/actors/namesrv/kv-config.js';
import { defaultLimits } from '../../../src/actors/namesrv/limits.js';
import type { Log } from '../../../src/runtime/actor.js';
import { prng } from '../../../src/base/prng.js';
import { MemoryDisk } from '../../../src/runtime/simulation/memory-disk.js';

const PATH = '/namesrv/kvConfig.json';
const clock: Clock = { now: () => 0, monotonic: () => 0, localHour: () => 0 };

function fixture(files: Readonly<Record<string, string>> = {}) {
  const disk = new MemoryDisk({ clock, schedule: () => {} });
  disk.makeDirectory('/namesrv');
  for (const [name, content] of Object.entries(files)) disk.writeFile(`/namesrv/${name}`, content);
  const warnings: string[] = [];
  const note = (text: string): void => {
    warnings.push(text);
  };
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const load = (): KvConfig => KvConfig.load(disk, PATH, 'namesrv-a', defaultLimits, log);
  const content = (name: string): string | undefined => disk.readFile(`/namesrv/${name}`)?.toString();
  return { disk, warnings, load, content };
}

const one = (value: string): string => `{"configTable":{"N":{"k":"${value}"}}}`;

const files = suite('KV configuration: files');

files('starts empty without a file, and makes the directory', () => {
  const { disk, load } = fixture();
  disk.removeTree('/namesrv');
  assert.is(load().table.get('N', 'k'), undefined);
  assert.is(disk.stat('/namesrv')?.isDirectory, true);
});

files('writes what Apache writes, and keeps the content before as .bak', () => {
  const { load, content } = fixture();
  const kv = load();
  kv.table.put('N', 'k', 'v1');
  assert.not(kv.isSaved);
  kv.save();
  assert.ok(kv.isSaved);
  assert.is(content('kvConfig.json'), one('v1'));
  assert.is(content('kvConfig.json.bak'), undefined);
  kv.table.put('N', 'k', 'v2');
  kv.save();
  assert.is(content('kvConfig.json'), one('v2'));
  assert.is(content('kvConfig.json.bak'), one('v1'));
  assert.is(load().table.get('N', 'k'), 'v2');
});

for (const [what, main] of [
  ['missing', undefined],
  ['empty', ''],
  ['torn', one('v2').slice(0, 20)],
  ['not an object', '[]'],
  ['of another shape', '{"configTable":{"N":1}}'],
] as const) {
  files(`reads the .bak when the file is ${what}, and says so`, () => {
    const { load, warnings } = fixture({
      'kvConfig.json.bak': one('v1'),
      ...(main === undefined ? {} : { 'kvConfig.json': main }),
    });
    assert.is(load().table.get('N', 'k'), 'v1');
    assert.equal(warnings, ['KV configuration read from its backup']);
  });
}

files('refuses to start with a damaged file and no backup, naming the file and the remedy', () => {
  assert.throws(
    fixture({ 'kvConfig.json': '{"configTable":' }).load,
    /^namesrv-a: \/namesrv\/kvConfig.json is damaged .*remove it/,
  );
  assert.throws(fixture({ 'kvConfig.json.bak': 'x' }).load, /^namesrv-a: \/namesrv\/kvConfig.json.bak is damaged/);
});

files('starts empty with an empty file, as Apache does', () => {
  const { load, warnings } = fixture({ 'kvConfig.json': '' });
  assert.ok(load().isSaved);
  assert.equal(warnings, ['KV configuration file is empty']);
});

files('refuses to start in a directory that cannot be written', () => {
  const { disk, load } = fixture();
  disk.inject({ operation: 'write', pathPart: '/namesrv/', code: 'EACCES', times: 1 });
  assert.throws(load, /^namesrv-a: .*\/namesrv\/kvConfig.json cannot be used .*EACCES.*--store/);
});

files('keeps the old file when a write fails, and saves at the next try', () => {
  const { disk, load, content } = fixture({ 'kvConfig.json': one('v1') });
  const kv = load();
  kv.table.put('N', 'k', 'v2');
  disk.inject({ operation: 'write', pathPart: 'kvConfig.json.tmp', code: 'ENOSPC', times: 1 });
  assert.throws(() => kv.save(), /ENOSPC/);
  assert.not(kv.isSaved);
  assert.is(content('kvConfig.json'), one('v1'));
  kv.save();
  assert.is(content('kvConfig.json'), one('v2'));
});

files('survives a power loss after every save', () => {
  const seed = Number(process.env.SEED ?? 7);
  const random = prng(seed);
  const { disk, load } = fixture();
  disk.removeTree('/namesrv');
  for (let round = 0; round < 50; round++) {
    const kv = load();
    kv.table.put('N', 'k', `v${round}`);
    kv.save();
    kv.table.put('N', 'unsaved', 'x');
    disk.crash(random);
    assert.is(load().table.get('N', 'k'), `v${round}`, `SEED=${seed} round ${round}`);
    assert.is(load().table.get('N', 'unsaved'), undefined);
  }
});

files.run();

const table = suite('KV configuration: table');

table('answers the body of a namespace, which stays when its last key goes', () => {
  const kv = fixture().load().table;
  assert.is(kv.encodeNamespace('N'), undefined);
  kv.put('N', 'k', 'v "1"');
  assert.is(kv.encodeNamespace('N')?.toString(), '{"table":{"k":"v \\"1\\""}}');
  kv.delete('N', 'k');
  kv.delete('N', 'k');
  kv.delete('unknown', 'k');
  assert.is(kv.encodeNamespace('N')?.toString(), '{"table":{}}');
});

table('keeps names that mean something to JavaScript', () => {
  const { load } = fixture();
  const kv = load();
  kv.table.put('__proto__', '__proto__', 'constructor');
  kv.save();
  assert.is(load().table.get('__proto__', '__proto__'), 'constructor');
  assert.is(load().table.get('toString', 'x'), undefined);
});

table('refuses beyond its bounds and takes what makes it smaller', () => {
  const { disk } = fixture();
  const limits = { ...defaultLimits, kvEntries: 3, kvBytes: 20 };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const kv = KvConfig.load(disk, PATH, 'namesrv-a', limits, log).table;
  assert.is(kv.put('N', 'a', '12345678'), undefined);
  assert.match(kv.put('N', 'b', '1234567890')!, /10 bytes of at most 20/);
  assert.is(kv.put('N', 'b', '123456789'), undefined);
  assert.match(kv.put('N', 'c', '')!, /3 namespaces and keys of at most 3/);
  assert.match(kv.put('N', 'a', '123456789')!, /bytes of at most 20/);
  assert.is(kv.put('N', 'a', '1'), undefined);
  kv.delete('N', 'b');
  assert.is(kv.put('N', 'c', '3'), undefined);
});

table.run();
