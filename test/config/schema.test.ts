import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { renderDocument } from '../../config/generate-docs.js';
import { brokerTable, groups, namesrvTable, processTable } from '../../config/schema.js';
import type { FileKind, Setting, SettingTable } from '../../config/setting.js';
import { repositoryRoot } from '../support/repository.js';
import { facts } from './support/facts.js';

/** Settable keys of one of Apache 4.9.7's classes, `key=default` where the default is a constant. */
function apacheKeys(name: string): { key: string; initial: string | undefined }[] {
  const text = readFileSync(join(repositoryRoot(), 'test/config/fixtures', `${name}.txt`), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const at = line.indexOf('=');
      return at < 0 ? { key: line, initial: undefined } : { key: line.slice(0, at), initial: line.slice(at + 1) };
    });
}

const CLASSES: readonly (readonly [name: string, kind: FileKind, keys: number])[] = [
  ['BrokerConfig', 'broker', 80],
  ['MessageStoreConfig', 'broker', 78],
  ['NettyServerConfig', 'broker', 14],
  ['NettyServerConfig', 'namesrv', 14],
  ['NettyClientConfig', 'broker', 14],
  ['NamesrvConfig', 'namesrv', 6],
  ['TlsSystemConfig', 'broker', 15],
  ['TlsSystemConfig', 'namesrv', 15],
];
const tableOf = (kind: FileKind): SettingTable => (kind === 'broker' ? brokerTable : namesrvTable);

const schema = suite('settings tables');

for (const [name, kind, count] of CLASSES) {
  schema(`know every key of Apache's ${name} (${kind}) with its default`, () => {
    const keys = apacheKeys(name);
    assert.is(keys.length, count);
    for (const { key, initial } of keys) {
      const setting = tableOf(kind)[key] as Setting<unknown> | undefined;
      assert.ok(setting, `${key} is not in the table`);
      if (initial === undefined || key === 'storePathCommitLog') continue;
      const mine = setting.render(setting.initial.from(facts(), withoutBudget, kind));
      assert.is(mine, initial, key);
    }
  });
}

schema('compute the other defaults from the machine and from other keys', () => {
  const values: Record<string, unknown> = { storePathRootDir: '/data/store' };
  const of = (key: string, cores: number): unknown => {
    return (brokerTable as SettingTable)[key]!.initial.from(
      facts({ cores }),
      <V>(other: string) => values[other] as V,
      'broker',
    );
  };
  const keys = ['sendMessageThreadPoolNums', 'pullMessageThreadPoolNums', 'queryMessageThreadPoolNums'];
  assert.equal(
    keys.map((key) => of(key, 2)),
    [2, 20, 10],
  );
  assert.equal(
    keys.map((key) => of(key, 64)),
    [4, 144, 72],
  );
  assert.equal([of('endTransactionThreadPoolNums', 2), of('heartbeatThreadPoolNums', 64)], [12, 32]);
  assert.is(of('storePathCommitLog', 2), '/data/store/commitlog');
  assert.is(brokerTable.listenPort.initial.from(facts(), missing, 'namesrv'), 9876);
  assert.is(brokerTable.listenPort.initial.from(facts(), missing, 'broker'), 10911);
});

schema('parse what they render, and allow their own defaults', () => {
  for (const [kind, table] of [
    ['broker', brokerTable],
    ['namesrv', namesrvTable],
    ['broker', processTable],
  ] as const) {
    for (const [key, setting] of Object.entries<Setting<unknown>>(table)) {
      const value = setting.initial.from(facts(), otherKey, kind);
      const text = setting.render(value);
      if (text === '') continue;
      assert.equal(setting.parse(text, facts()), value, key);
      assert.not(setting.effect.kind === 'refused' && setting.effect.when(value), `${key} refuses its default`);
    }
  }
});

schema('use a key, or its alias, in one sense only', () => {
  const seen = new Map<string, Setting<unknown>>();
  for (const { table } of groups) {
    for (const [key, setting] of Object.entries(table)) {
      for (const spelling of [key, ...(setting.alias === undefined ? [] : [setting.alias])]) {
        if (spelling !== 'rocketmqHome') assert.not(seen.has(spelling), spelling);
        seen.set(spelling, setting);
      }
    }
  }
});

schema('explain themselves', () => {
  for (const { table } of groups) {
    for (const [key, { meaning, effect }] of Object.entries(table)) {
      assert.match(meaning, /^[A-Z0-9].*\.$/, key);
      if (effect.kind !== 'effective') assert.ok(effect.because.length > 3, key);
    }
  }
});

const documentation = suite('docs/configuration.md');

documentation('is what the tables say (if not: node dist/config/generate-docs.js)', () => {
  assert.is(readFileSync(join(repositoryRoot(), 'docs/configuration.md'), 'utf8'), renderDocument());
});

documentation('has a row for every key', () => {
  const document = renderDocument();
  for (const { table } of groups)
    for (const key of Object.keys(table)) assert.ok(document.includes(`| \`${key}\``), key);
});

/** Sizes of files follow the byte budget, when there is one. */
function withoutBudget<V>(key: string): V {
  return key === 'storeMaxBytes' || key === 'maxMessageSize' ? (0 as V) : missing();
}

function otherKey<V>(key: string): V {
  return (key.startsWith('storePath') ? '/home/somebody/store' : 0) as V;
}

function missing(): never {
  throw new Error('this default must not depend on another key');
}

schema.run();
documentation.run();
