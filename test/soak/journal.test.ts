/** Records of many writers, some of which were killed in the middle of one. */
import { appendFileSync, closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { appendTo, JournalReader, type JournalRecord } from './journal.js';

const journal = suite<{ directory: string }>('soak: journal');
journal.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'hangar-journal-'));
});
journal.after.each(({ directory }) => {
  rmSync(directory, { recursive: true, force: true });
});

function read(reader: JournalReader): JournalRecord[] {
  const records: JournalRecord[] = [];
  reader.read((record) => records.push(record));
  return records;
}

journal('what is appended is read once, with its values as they were', ({ directory }) => {
  const path = join(directory, 'journal');
  const file = openSync(path, 'a');
  const reader = new JournalReader(path);
  appendTo(file, 'failed', { id: 'java-1-2', why: 'no answer, 100 % = 5 s .\n' });
  assert.equal(read(reader), [{ event: 'failed', fields: { id: 'java-1-2', why: 'no answer, 100 % = 5 s .\n' } }]);
  assert.equal(read(reader), []);
  appendTo(file, 'tried', { id: 'x' });
  assert.equal(read(reader), [{ event: 'tried', fields: { id: 'x' } }]);
  reader.close();
  closeSync(file);
});

journal('a record that was cut off costs only itself', ({ directory }) => {
  const path = join(directory, 'journal');
  appendFileSync(path, '\ntried id=a .\n\nsent id=a sta');
  const reader = new JournalReader(path);
  assert.equal(
    read(reader).map(({ event }) => event),
    ['tried'],
  );
  appendFileSync(path, '\ntried id=b .\n');
  assert.equal(read(reader), [{ event: 'tried', fields: { id: 'b' } }]);
  assert.is(reader.torn, 1);
  reader.close();
});

journal.run();
