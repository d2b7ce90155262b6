/** The table of bounds in docs/architecture.md: every row has its test, and its default is the one of the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hostFacts } from '../../config/facts.js';
import { loadBrokerConfig, loadProcessConfig } from '../../config/load.js';
import { repositoryRoot } from '../support/repository.js';

/** By the first column: the file of the test (from test/), and how the test's name begins. */
const TESTS: Readonly<Record<string, readonly [file: string, name: string]>> = {
  frame: ['bounds/connections', 'frame: one of 16 MiB is handled'],
  'ring front - worker': ['bounds/rings', 'ring front - worker:'],
  'ring worker - worker': ['bounds/rings', 'ring worker - worker:'],
  'large frames being joined at the front, per unit': ['bounds/connections', 'large frames being joined'],
  'unread answers of one connection': ['bounds/connections', 'unread answers of one connection:'],
  'unread answers of all connections': ['bounds/connections', 'unread answers of all connections:'],
  connections: ['bounds/connections', 'connections: one more is closed'],
  'idle connection': ['actors/front/connections', 'closed after 120 s without a byte'],
  'held pulls per queue host': ['bounds/pulls', 'held pulls per queue host:'],
  'tags (and characters of filters) that held pulls of a queue host brought along': [
    'bounds/pulls',
    'tags that held pulls brought along:',
  ],
  'filters of consumer groups': ['actors/broker/filters', 'are bounded: those of absent consumers'],
  'pulls that wait for a table change': ['bounds/pulls', 'pulls that wait for a table change:'],
  'answers waiting for flush or slave': ['bounds/broker', 'answers waiting for flush or slave:'],
  'commit log, consume queues and index of a broker': ['cluster/retention', 'the disk never holds more'],
  'room for consume queue entries kept for the next batch, per broker': [
    'actors/broker/dispatcher',
    'are used again, and those beyond 512 KiB forgotten',
  ],
  'log read at a time for keys that the index lacks': ['actors/broker/index-catch-up', 'a step reads 2 MiB at most'],
  'log window': ['bounds/store', 'log window:'],
  'store in memory': ['cluster/memory-store', 'what cannot be deleted is not exceeded'],
  'threads that use one store in memory': ['runtime/ram-disk', 'has room for 64 threads at a time'],
  'pulls that wait for the disk, per queue host': ['actors/queue/cold-pulls', 'pulls that wait for the disk:'],
  'older messages in memory for consumers that catch up, per queue host': [
    'store/cold-blocks',
    'no more than the bound',
  ],
  'open files of consume queues and index': ['bounds/store', 'open files of consume queues and index:'],
  'searches for a key that very many messages have': ['actors/broker/key-searches', 'too many at a time are refused'],
  'calls to other servers': ['bounds/broker', 'calls to other servers:'],
  'log that was sent to a slave of another process and not acknowledged': [
    'actors/ha/master-side',
    'a window bounds what is sent',
  ],
  'offsets that were committed at a slave without its master': [
    'actors/broker/slave-sync',
    'offsets committed at a slave: no more than the bound',
  ],
  'topics; queues of a topic': ['actors/broker/topics', 'are refused at the bound'],
  'group settings; groups with clients': ['actors/broker/groups', 'are refused at the bound'],
  'subscriptions of a group; newest heartbeats of all clients': ['bounds/broker', 'heartbeats of connected clients:'],
  '(topic, group) pairs with offsets; offsets': ['actors/broker/offsets', 'are bounded in pairs and in all'],
  'locks of orderly consumers': ['actors/broker/offsets', 'are bounded'],
  'body of an answer': ['bounds/broker', 'body of an answer:'],
  'fields of a header; objects and arrays, depth of a JSON body': ['remoting/request-scan', 'holds 64 ext fields'],
  'tables of a name server': ['actors/namesrv/namesrv', 'refuses what does not fit into its tables'],
  'what waits for room in a ring or on its own thread': ['runtime/thread-core', 'a thread whose answers do not leave'],
  'HTTP connections': ['bounds/connections', 'HTTP connections:'],
  'entries of a delay level that its broker holds; delayed messages delivered in a turn': [
    'actors/broker/schedule',
    'thousands that are due at once go in portions',
  ],
  'statistics by topic, group and cluster for tools': ['actors/broker/statistics', '50,000 items'],
  'metric series of a thread': ['runtime/slab', 'when it is full'],
};

interface Row {
  readonly what: string;
  readonly key: string;
  readonly initial: string;
}

function rows(): Row[] {
  const text = readFileSync(join(repositoryRoot(), 'docs', 'architecture.md'), 'utf8');
  const section = text.slice(text.indexOf('## Everything is bounded'));
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) => {
    const [what = '', key = '', initial = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    return { what, key, initial };
  });
}

const table = suite('bounds: the table');

table('has a test for every row, and no test names a row that is gone', () => {
  assert.equal(
    rows()
      .map(({ what }) => what)
      .sort(),
    Object.keys(TESTS).sort(),
  );
  for (const [what, [file, name]] of Object.entries(TESTS)) {
    const source = readFileSync(join(repositoryRoot(), 'test', `${file}.test.ts`), 'utf8').replace(/\(\s+/g, '(');
    assert.ok(
      source.includes(`('${name}`) || source.includes(`("${name}`),
      `${what}: ${file} has no test "${name}..."`,
    );
  }
});

const UNITS: Readonly<Record<string, number>> = { MiB: 1024 * 1024, KiB: 1024 };

table('has the defaults that the settings have', () => {
  const facts = hostFacts();
  const broker = loadBrokerConfig('namesrvAddr=127.0.0.1:9876\n', 'test', { facts });
  const process = loadProcessConfig('', 'test', { facts });
  assert.ok(broker.ok && process.ok);
  const settings: Readonly<Record<string, unknown>> = { ...broker.value.settings, ...process.value };
  const withKeys = rows().filter(({ key }) => key !== '');
  assert.ok(withKeys.length >= 7);
  for (const { key, initial } of withKeys) {
    const [number = '', unit = ''] = initial.split(' ');
    assert.is(settings[key], Number(number.replace(/,/g, '')) * (UNITS[unit] ?? 1), `default of ${key}`);
  }
});

table.run();
