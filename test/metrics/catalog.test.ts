import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { catalog, type MetricRow } from '../../metrics/catalog.js';
import { repositoryRoot } from '../support/repository.js';

const rows: readonly MetricRow[] = Object.values(catalog);
const names = suite('metric catalogue');

names('unique names in the style of Prometheus', () => {
  assert.is(new Set(rows.map(({ name }) => name)).size, rows.length);
  for (const { name, kind, unit, labels, help } of rows) {
    assert.match(name, /^hangar_[a-z]+(_[a-z]+)*$/);
    assert.is(name.endsWith('_total'), kind === 'counter', name);
    if (unit === 'bytes' || unit === 'seconds') assert.match(name, new RegExp(`_${unit}(_|$)`));
    assert.match(help, /^[A-Z0-9].*\.$/, name);
    for (const label of labels) assert.match(label, /^[a-z]+$/, name);
  }
});

names('every metric that the sources count is in it', () => {
  const known = new Set(rows.map(({ name }) => name));
  const source = join(repositoryRoot(), 'src');
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    for (const [, name] of readFileSync(join(source, file), 'utf8').matchAll(/'(hangar_[a-z_]+)'/g)) {
      assert.ok(known.has(name), `${name} in src/${file}`);
    }
  }
});

names.run();
