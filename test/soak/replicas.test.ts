/** A slave's log may be shorter than its master's, and nothing else. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { differenceOf } from './replicas.js';

const replicas = suite<{ directory: string }>('soak: replicas');
replicas.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'hangar-replicas-'));
});
replicas.after.each(({ directory }) => {
  rmSync(directory, { recursive: true, force: true });
});

function store(directory: string, name: string, files: Readonly<Record<string, string>>): string {
  const path = join(directory, name);
  mkdirSync(join(path, 'commitlog'), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, 'commitlog', file), text);
  return path;
}

replicas('the beginning of the master, with zeros behind it, is no difference', ({ directory }) => {
  const master = store(directory, 'master', { '0': 'abcd', '4': 'ef\0\0', '8': '\0\0' });
  assert.is(differenceOf(master, store(directory, 'same', { '0': 'abcd', '4': 'ef\0\0' })), undefined);
  assert.is(differenceOf(master, store(directory, 'shorter', { '0': 'abcd', '4': 'e\0\0\0' })), undefined);
});

replicas('other bytes, more bytes and other files are', ({ directory }) => {
  const master = store(directory, 'master', { '0': 'abcd', '4': 'ef\0\0' });
  assert.match(differenceOf(master, store(directory, 'other', { '0': 'abXd' }))!, /other\/commitlog\/0 .* at byte 2/);
  assert.match(differenceOf(master, store(directory, 'longer', { '0': 'abcd', '4': 'efg\0' }))!, /\/4 .* at byte 2/);
  assert.match(differenceOf(master, store(directory, 'file', { '8': 'x' }))!, /8 is not in/);
});

replicas.run();
